/** Who cannot use UDP: media over ICE-TCP, in both engines, and what happens when the connection is cut or too slow. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install, isColor, isPitch} from './participant.mjs';
import {onlyTcp, route, tcpProxy} from './tcp_proxy.mjs';
import {until} from './wait.mjs';

const BACK_MS = 8_000; // after a cut, without joining again

let daemon, chromium, firefox, room, proxy;
const pages = {};

before(async () => {
  daemon = await Daemon.start({workers: 1});
  proxy = await tcpProxy(daemon.mediaPort);
  [chromium, firefox] = await Promise.all([launchChromium(), Firefox.launch()]);
  room = await daemon.room('tcp');
  for (const name of ['ada', 'ben']) pages[name] = await openChromium(chromium, daemon.url);
  pages.dora = await firefox.open(daemon.url);
  for (const [name, page] of Object.entries(pages)) {
    await page.evaluate(install);
    await page.evaluate((look) => window.me.makeSource(look), LOOKS[name]);
  }
  // Ada's way leads through the proxy, dora's straight to the server; ben has UDP.
  await pages.ada.evaluate(onlyTcp, proxy.port);
  await pages.dora.evaluate(onlyTcp, null);
  for (const [name, page] of Object.entries(pages)) {
    await page.evaluate((options) => window.me.join(options), {token: await room.token(name)});
  }
});

after(async () => {
  await Promise.allSettled([chromium?.close(), firefox?.close()]);
  proxy?.close();
  await daemon?.stop();
});

const others = (name) => Object.keys(pages).filter((other) => other !== name).sort();
const pictures = (name) => pages[name].evaluate(() => window.me.pictures());
const trackIds = (name) => pages[name].evaluate(() => window.me.call.publications.map(({trackId}) => trackId));

async function everybodySeesAndHearsEverybody() {
  for (const name of Object.keys(pages)) {
    await until(`${name} sees all`, async () => {
      const seen = (await pictures(name)).filter(({identity, color, frames}) => frames > 3 && isColor(color, LOOKS[identity].color));
      assert.deepEqual(seen.map(({identity}) => identity).sort(), others(name));
      return true;
    });
    await until(`${name} hears all`, async () => {
      const heard = (await pages[name].evaluate(() => window.me.sounds())).filter((sound) => isPitch(sound, LOOKS[sound.identity].hz));
      assert.deepEqual(heard.map(({identity}) => identity).sort(), others(name));
      return true;
    });
  }
}

/** All pictures at all of these go on for some frames. @param {string[]} names */
async function picturesMove(names, timeoutMs) {
  const since = Date.now();
  for (const name of names) {
    const before = await pictures(name);
    await until(`ten more frames of each at ${name}`, async () => {
      const now = await pictures(name);
      return now.length === 2 && now.every(({mid, frames}) => frames >= (before.find((one) => one.mid === mid)?.frames ?? 0) + 10);
    }, timeoutMs);
  }
  return Date.now() - since;
}

test('without UDP media goes over TCP, both ways, in Chromium and in Firefox', async (t) => {
  await everybodySeesAndHearsEverybody();
  await picturesMove(Object.keys(pages));
  for (const [name, wanted] of Object.entries({ada: 'tcp', ben: 'udp', dora: 'tcp'})) {
    const {protocol} = await until(`${name} knows its way`, () => pages[name].evaluate(route));
    assert.equal(protocol, wanted, name);
  }
  const metrics = await daemon.metrics();
  t.diagnostic(`connections: ${metrics.parley_worker_tcp_connections}, accepted: ${metrics.parley_worker_tcp_accepted_total}`);
  assert.ok(metrics.parley_worker_tcp_connections >= 2);
  assert.equal(metrics.parley_worker_tcp_broken_total, 0);
  assert.equal(metrics['parley_worker_drops_total tcp_full'], 0);
});

test('a connection that is cut is made again, and nobody joins again', async (t) => {
  const before = await trackIds('ada');
  const {connections} = proxy;
  proxy.cut();
  t.diagnostic(`pictures move again after ${await picturesMove(['ada', 'ben', 'dora'], BACK_MS)} ms`);
  assert.ok(proxy.connections > connections);
  await everybodySeesAndHearsEverybody();
  assert.deepEqual(await trackIds('ada'), before, 'ada had to join anew');
  assert.equal(await pages.ada.evaluate(() => window.me.call.state), 'joined');
});

test('a receiver that reads nothing holds up nobody, and is back when it reads', async (t) => {
  const before = await trackIds('ada');
  proxy.stall(true);
  const seen = (await pictures('ada')).reduce((sum, {frames}) => sum + frames, 0);
  await picturesMove(['ben', 'dora'], BACK_MS);
  const during = (await pictures('ada')).reduce((sum, {frames}) => sum + frames, 0) - seen;
  proxy.stall(false);
  t.diagnostic(`ada got ${during} frames; her pictures move again after ${await picturesMove(['ada'], BACK_MS)} ms`);
  assert.ok(during < 10, `${during} frames came through a line that nobody read`);
  await everybodySeesAndHearsEverybody();
  assert.deepEqual(await trackIds('ada'), before, 'ada had to join anew');
});
