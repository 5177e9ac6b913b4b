/** Who may only watch, on the page: he comes in although his devices are on, and becomes a speaker without coming again. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';

let daemon, chromium, room, host, viewer;

before(async () => {
  daemon = await Daemon.start();
  chromium = await launchChromium();
  room = await daemon.room('stage');
  host = await openChromium(chromium, daemon.url);
  await host.evaluate(install);
  await host.evaluate((look) => window.me.makeSource({...look, width: 320, height: 180}), LOOKS.ada);
  await host.evaluate((options) => window.me.join(options), {token: await room.token('ada', {role: 'host'}), simulcast: false, audioSlots: 1, videoSlots: 1});
  viewer = await openChromium(chromium, `${daemon.url}/#token=${await room.token('vera', {role: 'viewer'})}`);
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

const tracks = async () => (await daemon.api('track.list', {room_id: room.roomId})).tracks
    .filter(({identity}) => identity === 'vera').map(({source}) => source).sort();
const change = (role) => daemon.api('participant.update', {room_id: room.roomId, identity: 'vera', role});
const visible = (id) => viewer.page.locator(id).isVisible();

test('she comes in with her devices on, sees and hears, and sends nothing', async () => {
  await until('her camera is on', async () => /off/i.test(await viewer.page.locator('#lobby-camera').getAttribute('aria-label')));
  await viewer.page.click('#join');
  await viewer.page.locator('#call').waitFor({state: 'visible'});
  await viewer.page.locator('.tile.live').first().waitFor({state: 'visible'});
  assert.deepEqual([await visible('#mic'), await visible('#camera'), await visible('#screen')], [false, false, false]);
  assert.deepEqual(await tracks(), []);
  await viewer.page.keyboard.press('m');
  assert.deepEqual(await tracks(), []);
});

test('made a speaker she speaks without coming again', async () => {
  await change('participant');
  await viewer.page.locator('#mic').waitFor({state: 'visible'});
  assert.deepEqual(await tracks(), [], 'not before she wants to');
  await viewer.page.click('#mic');
  await until('she is heard', async () => (await tracks()).join() === 'microphone');
  await viewer.page.click('#camera');
  await until('she is seen', () => host.evaluate(() => window.me.call.slots.some(({kind, participant}) => kind === 'video' && participant?.identity === 'vera')));
});

test('made a viewer again she is off the air, and her devices are closed', async () => {
  await change('viewer');
  await until('nothing is sent any more', async () => (await tracks()).length === 0);
  await viewer.page.locator('#mic').waitFor({state: 'hidden'});
  assert.equal(await visible('#camera'), false);
  assert.equal(await viewer.page.locator('#hand').isVisible(), true);
  assert.deepEqual(viewer.problems, []);
});
