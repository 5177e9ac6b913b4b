/** What a subscriber shows decides which layer it gets, and a change of layer is not seen as a freeze. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';

const LONGEST_GAP_MS = 500;

let daemon, chromium, publisher, viewer;

before(async () => {
  daemon = await Daemon.start({workers: 1});
  chromium = await launchChromium();
  const room = await daemon.room('layers');
  publisher = await openChromium(chromium, daemon.url);
  viewer = await openChromium(chromium, daemon.url);
  for (const page of [publisher, viewer]) await page.evaluate(install);
  await publisher.evaluate((look) => window.me.makeSource(look), {...LOOKS.ada, width: 1280, height: 720, fps: 25});
  await publisher.evaluate((options) => window.me.join(options), {token: await room.token('ada')});
  await viewer.evaluate((options) => window.me.join(options), {token: await room.token('ben')});
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

const picture = () => viewer.evaluate(() => window.me.pictures()[0]);

/** Asks for a height and waits for frames of that width; returns the longest time without a frame. */
async function switchTo(height, width) {
  const {mid, frames} = await picture();
  await viewer.evaluate(([slot, pixels]) => window.me.call.want(slot, {height: pixels}), [mid, height]);
  await until(`frames are ${width} wide`, async () => (await picture()).width === width);
  const settled = (await picture()).frames;
  await until('ten more frames', async () => (await picture()).frames > settled + 10);
  return viewer.evaluate(([slot, from]) => {
    const times = window.me.seen.get(slot).frames.slice(from - 1);
    return Math.max(...times.slice(1).map((time, i) => time - times[i]));
  }, [mid, frames]);
}

test('the wanted height chooses the layer, without a freeze over 500 ms', async (t) => {
  await until('a picture', async () => (await picture())?.frames > 10);
  await until('the publisher sends all three layers', () => publisher.evaluate(async () => {
    const reports = [...(await window.me.call.peerConnection.getStats()).values()];
    return reports.filter(({type, framesPerSecond}) => type === 'outbound-rtp' && framesPerSecond > 5).length === 3;
  }), 40_000);
  for (const [height, width] of [[720, 1280], [180, 320], [360, 640], [720, 1280], [360, 640], [180, 320], [720, 1280]]) {
    const gap = await switchTo(height, width);
    t.diagnostic(`to ${width}: longest gap ${Math.round(gap)} ms`);
    assert.ok(gap <= LONGEST_GAP_MS, `to ${width}: ${gap} ms without a frame`);
  }
  const {lost, frozenS} = await viewer.evaluate(() => window.me.received());
  assert.equal(lost, 0);
  assert.ok(frozenS < 0.5, `frozen for ${frozenS} s`);
});

test('a slot that wants nothing gets nothing, and comes back with a picture', async () => {
  const {mid} = await picture();
  await viewer.evaluate((slot) => window.me.call.want(slot, {height: 0}), mid);
  const bytes = () => viewer.evaluate(async () => {
    const reports = [...(await window.me.call.peerConnection.getStats()).values()];
    return reports.filter(({type, kind}) => type === 'inbound-rtp' && kind === 'video').reduce((sum, {bytesReceived}) => sum + bytesReceived, 0);
  });
  let last = -1;
  let quiet = 0;
  await until('no more bytes of video for many frames', async () => {
    const now = await bytes();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
    return quiet > 10;
  });
  await viewer.evaluate((slot) => window.me.call.want(slot, {height: 720}), mid);
  await until('a picture again', async () => (await bytes()) > last && (await picture())?.frames > 0);
});
