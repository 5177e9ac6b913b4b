/** Packets that are padded to leave in runs: both engines decode them all and count them right. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install, isColor} from './participant.mjs';
import {until} from './wait.mjs';

let daemon, chromium, firefox;
const pages = {};

before(async () => {
  daemon = await Daemon.start({workers: 1});
  [chromium, firefox] = await Promise.all([launchChromium(), Firefox.launch()]);
  const room = await daemon.room('runs');
  pages.ada = await openChromium(chromium, daemon.url);
  pages.ben = await openChromium(chromium, daemon.url);
  pages.dora = await firefox.open(daemon.url);
  for (const [name, page] of Object.entries(pages)) {
    await page.evaluate(install);
    // Only Ada sends pictures, in frames of many packets.
    if (name === 'ada') await page.evaluate((look) => window.me.makeSource(look), {...LOOKS.ada, fps: 20, busy: true});
    await page.evaluate((options) => window.me.join(options), {token: await room.token(name), simulcast: false});
  }
});

after(async () => {
  await Promise.allSettled([chromium?.close(), firefox?.close()]);
  await daemon?.stop();
});

for (const name of ['ben', 'dora']) {
  test(`${name} sees every frame of a publisher whose packets are padded`, async (t) => {
    const [padded, inRuns] = ['padding_bytes', 'run_datagrams'].map((what) => `parley_worker_${what}_total`);
    const before = await daemon.metrics();
    const picture = async () => (await pages[name].evaluate(() => window.me.pictures()))[0];
    await until('a hundred frames', async () => (await picture())?.frames > 100, 20_000);
    assert.ok(isColor((await picture()).color, LOOKS.ada.color));
    const now = await until('packets were padded', async () => {
      const metrics = await daemon.metrics();
      return metrics[padded] > before[padded] + 100 && metrics;
    });
    const share = now[inRuns] / now.parley_worker_packets_out_total;
    const {packets, lost, frames, frozenS} = await pages[name].evaluate(() => window.me.received());
    t.diagnostic(`${frames} frames of ${packets} packets, ${lost} lost; ${Math.round(share * 100)} % in runs, ${now[padded]} bytes of padding`);
    assert.ok(share > 0.2, `${share} of all datagrams left in runs`);
    assert.equal(now.parley_worker_runs_refused_total, 0);
    assert.equal(lost, 0);
    assert.ok(!(frozenS > 0.5), `frozen for ${frozenS} s`);
  });
}
