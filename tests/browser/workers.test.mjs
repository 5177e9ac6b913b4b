/** A room that one worker is not to carry alone: each of two participants is on a worker of their own. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install, isColor, isPitch} from './participant.mjs';
import {until} from './wait.mjs';

const OTHER = {ada: 'ben', ben: 'ada'};

let daemon, chromium;
const pages = {};

before(async () => {
  daemon = await Daemon.start({workers: 2, maxRoomPeers: 1});
  chromium = await launchChromium();
  const room = await daemon.room('spread');
  for (const name of ['ada', 'ben']) {
    pages[name] = await openChromium(chromium, daemon.url);
    await pages[name].evaluate(install);
    await pages[name].evaluate((look) => window.me.makeSource(look), LOOKS[name]);
    await pages[name].evaluate((options) => window.me.join(options), {token: await room.token(name, {role: 'host'})});
  }
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

for (const name of ['ada', 'ben']) {
  test(`${name} sees and hears the other over the relay, and loses nothing`, async (t) => {
    await until('the other is seen', async () => {
      const [picture] = await pages[name].evaluate(() => window.me.pictures());
      return picture?.frames > 60 && isColor(picture.color, LOOKS[OTHER[name]].color);
    }, 20_000);
    await until('the other is heard', async () => {
      const [sound] = await pages[name].evaluate(() => window.me.sounds());
      return sound && isPitch(sound, LOOKS[OTHER[name]].hz);
    });
    const {packets, lost, frozenS} = await pages[name].evaluate(() => window.me.received());
    t.diagnostic(`${packets} packets, ${lost} lost`);
    assert.equal(lost, 0);
    assert.ok(!(frozenS > 0.5), `frozen for ${frozenS} s`);
  });
}

test('all that one worker received of it crossed to the other', async (t) => {
  const metrics = await daemon.metrics();
  t.diagnostic(`${metrics.parley_worker_relayed_in_total} of ${metrics.parley_worker_media_in_total} packets`);
  assert.ok(metrics.parley_worker_relayed_in_total > 500);
  assert.equal(metrics.parley_worker_bad_commands_total, 0);
});

test('a recording has both', async () => {
  await pages.ada.evaluate(() => window.me.call.startRecording());
  const {frames} = (await pages.ada.evaluate(() => window.me.pictures()))[0];
  await until('three seconds of frames', async () => (await pages.ada.evaluate(() => window.me.pictures()))[0].frames > frames + 45, 20_000);
  await pages.ada.evaluate(() => window.me.call.stopRecording());
  await until('it is completed', () => pages.ada.evaluate(() => window.me.log.includes('recording.completed')));
  const [recording] = await pages.ada.evaluate(() => window.me.call.recordings());
  assert.deepEqual(recording.files.map(({identity}) => identity).sort(), ['ada', 'ben']);
  for (const {duration_ms: duration} of recording.files) assert.ok(duration > 2_000, `${duration} ms`);
});
