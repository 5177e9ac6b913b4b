/** What nobody looks at is not sent, and what somebody cannot take apart is sent in one piece. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';

let daemon, chromium;

before(async () => {
  daemon = await Daemon.start({workers: 1});
  chromium = await launchChromium();
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

/** Ada in a room of her own; she sends with these options. */
async function publisher(name, look, options) {
  const room = await daemon.room(name);
  const page = await openChromium(chromium, daemon.url);
  await page.evaluate(install);
  await page.evaluate((source) => window.me.makeSource(source), {...LOOKS.ada, hint: '', ...look});
  await page.evaluate((join) => window.me.join(join), {token: await room.token('ada'), ...options});
  return {room, page};
}

async function viewer(room, prepare = () => {}) {
  const page = await openChromium(chromium, daemon.url);
  await page.evaluate(install);
  await page.evaluate(prepare);
  await page.evaluate((join) => window.me.join(join), {token: await room.token('ben')});
  await until('a picture', () => page.evaluate(() => window.me.pictures()[0]?.frames > 5), 20_000);
  return page;
}

const encodings = (page) => page.evaluate(() =>
  window.me.call.peerConnection.getSenders().find(({track}) => track?.kind === 'video').getParameters().encodings);
const active = async (page) => (await encodings(page)).map((one) => one.active);

for (const simulcast of [false, true]) {
  test(`a camera with${simulcast ? '' : 'out'} simulcast is paused while nobody looks, and is there again for who comes`, async (t) => {
    const {room, page} = await publisher(`paused-${simulcast}`, {width: 1280, height: 720}, {simulcast});
    await until('she sends', async () => (await active(page)).every(Boolean));
    await until('nobody looks, so nothing is sent', async () => !(await active(page)).some(Boolean), 15_000);
    const came = performance.now();
    const ben = await viewer(room);
    t.diagnostic(`page opened, joined and seen after ${Math.round(performance.now() - came)} ms`);
    assert.ok((await active(page)).every(Boolean));
    if (simulcast) { // of a single one Chromium makes small pictures first and takes twenty seconds to grow them
      await until('the largest is seen', () => ben.evaluate(() => window.me.pictures()[0]?.width === 1_280), 20_000);
      t.diagnostic(`the largest after ${Math.round(performance.now() - came)} ms`);
    }
    await Promise.all([page.close(), ben.close()]);
  });
}

test('layers larger than anybody wants are paused, also when the camera was off meanwhile', async () => {
  const {room, page} = await publisher('layers', {width: 1280, height: 720}, {simulcast: true});
  const ben = await viewer(room);
  const {mid} = await ben.evaluate(() => window.me.pictures()[0]);
  const want = (height) => ben.evaluate(([slot, pixels]) => window.me.call.want(slot, {height: pixels}), [mid, height]);
  await want(180);
  await until('the smallest alone', async () => (await active(page)).filter(Boolean).length === 1, 15_000);
  await page.evaluate(() => window.me.call.setMuted('camera', true));
  await want(720);
  await page.evaluate(() => window.me.call.setMuted('camera', false));
  await until('all are sent', async () => (await active(page)).every(Boolean), 15_000);
  await until('the largest is seen', () => ben.evaluate(() => window.me.pictures()[0]?.width === 1_280), 20_000);
  await Promise.all([page.close(), ben.close()]);
});

test('AV1 is sent as one layer while somebody does not take the dependency descriptor', async () => {
  const svc = 'L2T2';
  const {room, page} = await publisher('single-layer', {width: 640, height: 360, fps: 10}, {codec: 'AV1', svc});
  const mode = async () => (await encodings(page))[0].scalabilityMode;
  assert.equal(await mode(), svc);
  const ben = await viewer(room, () => {
    RTCRtpTransceiver.prototype.setHeaderExtensionsToNegotiate = () => {};
  });
  await until('one layer', async () => await mode() === 'L1T2', 15_000);
  await until('the whole picture is seen', () => ben.evaluate(() => window.me.pictures()[0]?.width === 640), 20_000);
  await ben.close();
  await until('layers again', async () => await mode() === svc, 60_000);
  await page.close();
});
