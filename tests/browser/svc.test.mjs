/**
 * Layers inside one encoding: what a slot wants decides which of them it gets, and what it gets
 * decodes. Real encoders and decoders, so that a wrong number in a descriptor shows as a freeze.
 */
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

const picture = (viewer) => viewer.evaluate(() => window.me.pictures()[0]);

const inbound = (viewer) => viewer.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()];
  const {framesDecoded, keyFramesDecoded, freezeCount, totalFreezesDuration, pliCount, codecId} =
    reports.find(({type, kind}) => type === 'inbound-rtp' && kind === 'video');
  const {mimeType} = reports.find(({id}) => id === codecId);
  return {framesDecoded, keyFramesDecoded, freezeCount, totalFreezesDuration, pliCount, mimeType};
});

/** Two people in a room of their own: one sends with these options, one watches. */
async function call(name, look, options) {
  const room = await daemon.room(name);
  const publisher = await openChromium(chromium, daemon.url);
  const viewer = await openChromium(chromium, daemon.url);
  for (const page of [publisher, viewer]) await page.evaluate(install);
  // Of what is drawn for its details Chromium sends no spatial layers of VP9.
  await publisher.evaluate((source) => window.me.makeSource(source), {...LOOKS.ada, fps: 25, hint: '', ...look});
  await publisher.evaluate((join) => window.me.join(join), {token: await room.token('ada'), ...options});
  await viewer.evaluate((join) => window.me.join(join), {token: await room.token('ben')});
  return {publisher, viewer, close: () => Promise.all([publisher.close(), viewer.close()])};
}

const sentWidth = (publisher) => publisher.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()];
  return reports.find(({type, kind}) => type === 'outbound-rtp' && kind === 'video')?.frameWidth;
});

/**
 * Asks for heights in turn and waits for frames of those widths, each going on for a while. Gives
 * what was received when the first of them had come: before that the encoder grows to its size and
 * the estimate to the line, with key pictures and pauses of their own.
 */
async function follow(t, viewer, steps) {
  let first;
  await until('a picture', async () => (await picture(viewer))?.frames > 10, 20_000);
  const {mid} = await picture(viewer);
  for (const [height, width] of steps) {
    await viewer.evaluate(([slot, pixels]) => window.me.call.want(slot, {height: pixels}), [mid, height]);
    const asked = performance.now();
    await until(`frames are ${width} wide`, async () => (await picture(viewer)).width === width, 15_000);
    t.diagnostic(`to ${width}: ${Math.round(performance.now() - asked)} ms`);
    const {framesDecoded} = await inbound(viewer);
    await until('twenty more frames', async () => (await inbound(viewer)).framesDecoded > framesDecoded + 20);
    assert.equal((await picture(viewer)).width, width);
    first ??= await inbound(viewer);
  }
  return first;
}

const CASES = [
  {name: 'vp9-l3t3-key', codec: 'VP9', svc: 'L3T3_KEY', look: {width: 1280, height: 720},
    steps: [[720, 1280], [180, 320], [360, 640], [720, 1280], [180, 320], [720, 1280]]},
  {name: 'vp9-l3t3', codec: 'VP9', svc: 'L3T3', look: {width: 1280, height: 720},
    steps: [[720, 1280], [180, 320], [360, 640], [720, 1280]]},
  {name: 'av1-l2t2', codec: 'AV1', svc: 'L2T2', look: {width: 640, height: 360},
    steps: [[360, 640], [180, 320], [360, 640], [180, 320]]},
  {name: 'av1-l3t3-key', codec: 'AV1', svc: 'L3T3_KEY', look: {width: 1280, height: 720, fps: 10},
    steps: [[720, 1280], [180, 320], [360, 640], [720, 1280]]},
];

for (const {name, codec, svc, look, steps} of CASES) {
  test(`${codec} ${svc}: the wanted height chooses the layer, and it decodes`, async (t) => {
    const {publisher, viewer, close} = await call(name, look, {codec, svc});
    await until('the publisher sends the largest layer', async () => await sentWidth(publisher) === look.width, 40_000);
    const first = await follow(t, viewer, steps);
    const stats = await inbound(viewer);
    t.diagnostic(JSON.stringify({first, stats}));
    assert.equal(stats.mimeType, `video/${codec}`);
    // Up needs a key picture, down does not.
    const ups = steps.filter(([height], i) => i > 0 && height > steps[i - 1][0]).length;
    const keys = stats.keyFramesDecoded - first.keyFramesDecoded;
    assert.ok(keys <= ups + 1, `${keys} key frames for ${ups} steps up`);
    const frozen = stats.totalFreezesDuration - first.totalFreezesDuration;
    assert.ok(frozen < 1, `frozen for ${frozen} s`);
    await close();
  });
}

test('VP8 L1T3 and H264 L1T2 go through', async (t) => {
  for (const {codec, svc} of [{codec: 'VP8', svc: 'L1T3'}, {codec: 'H264', svc: 'L1T2'}]) {
    // Its size is not the encoder's to choose: Chromium makes it smaller when it begins, and takes its time.
    const look = {width: 640, height: 360, hint: 'detail'};
    const {viewer, close} = await call(`${codec}-${svc}`.toLowerCase(), look, {codec, svc});
    await follow(t, viewer, [[360, 640]]);
    const stats = await inbound(viewer);
    t.diagnostic(JSON.stringify(stats));
    assert.equal(stats.mimeType, `video/${codec}`);
    assert.ok(stats.totalFreezesDuration < 1, `frozen for ${stats.totalFreezesDuration} s`);
    await close();
  }
});
