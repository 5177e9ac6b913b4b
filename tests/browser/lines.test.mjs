/** A call in a real browser through lines that lose, reorder, are too narrow for a picture, or change under it. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {openChromium} from './browsers.mjs';
import {lineCall} from './line_call.mjs';
import {install} from './participant.mjs';
import {relay, throughPort, withoutTransportCc} from './relay.mjs';
import {until} from './wait.mjs';

const LONG = Boolean(process.env.PARLEY_LONG);
const WATCHED_MS = LONG ? 60_000 : 12_000;
const NARROW_MS = LONG ? 120_000 : 30_000;
const MAX_GAP_MS = 1_000;

let call, daemon, chromium, room, viewer, way;

before(async () => {
  call = await lineCall({seed: 5});
  ({daemon, chromium, room, viewer, way} = call);
  await until('the largest picture', async () => (await received()).frameWidth === 1_280, 20_000);
});

after(() => call?.close());

/** What the viewer's browser counts, of picture and sound. */
const received = () => viewer.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()].filter(({type}) => type === 'inbound-rtp');
  const video = reports.find(({kind, framesDecoded}) => kind === 'video' && framesDecoded > 0) ?? {};
  const audio = reports.find(({kind, packetsReceived}) => kind === 'audio' && packetsReceived > 0) ?? {};
  return {frameWidth: video.frameWidth, framesDecoded: video.framesDecoded ?? 0, frozenS: video.totalFreezesDuration ?? 0,
    freezes: video.freezeCount ?? 0, voice: audio.packetsReceived ?? 0, voiceLost: audio.packetsLost ?? 0, at: performance.now()};
});
/** Counts from now on, for so long. */
async function watch(ms) {
  const from = await received();
  const to = await until(`${ms} ms are over`, async () => {
    const now = await received();
    return now.at - from.at > ms && now;
  }, ms + 10_000);
  return {frozen: (to.frozenS - from.frozenS) * 1_000 / (to.at - from.at), freezes: to.freezes - from.freezes,
    frames: to.framesDecoded - from.framesDecoded, frameWidth: to.frameWidth, voice: to.voice - from.voice,
    lost: (to.voiceLost - from.voiceLost) / Math.max(1, to.voice - from.voice + to.voiceLost - from.voiceLost)};
}
/** The longest time without a new frame, from now until so many more have come. */
const longestGap = (act, frames) => {
  const told = viewer.evaluate((count) => new Promise((resolve) => {
    const entry = [...window.me.seen.values()][0];
    let last = performance.now();
    let gap = 0;
    let left = count;
    entry.onframe = () => {
      const now = performance.now();
      gap = Math.max(gap, now - last);
      last = now;
      if (--left > 0) return;
      entry.onframe = null;
      resolve(gap);
    };
  }), frames);
  return act().then(() => told);
};

// How long the picture stands still is a figure of a machine that does nothing else: asserted in long runs.
async function watchUnderLoss(t) {
  const before = way.line.lost;
  way.line.loss = 0.05;
  await until('repairs have begun', async () => way.line.lost > before + 20);
  const seen = await watch(WATCHED_MS);
  way.line.loss = 0;
  t.diagnostic(`${(seen.frozen * 100).toFixed(2)} % of the time frozen, ${seen.freezes} freezes, ${seen.frames} frames`);
  if (LONG) assert.ok(seen.frozen < 0.01, `frozen ${(seen.frozen * 100).toFixed(2)} % of the time`);
  assert.ok(seen.frames > 10 * WATCHED_MS / 1_000, `${seen.frames} frames`);
}

// Without the answers to what his browser says of its clock it would assume a round trip of 100 ms.
test('5 % of loss freezes the picture for less than 1 % of the time of who sends nothing', watchUnderLoss);

test('nor of who speaks', async (t) => {
  await viewer.evaluate(() => window.me.call.publish(window.me.device.getAudioTracks()[0], {source: 'microphone'}));
  await until('his browser knows the round trip', () => viewer.evaluate(async () =>
    [...(await window.me.call.peerConnection.getStats()).values()].some(({type, roundTripTime}) => type === 'remote-inbound-rtp' && roundTripTime > 0)), 20_000);
  await watchUnderLoss(t);
});

test('jitter, reordering and bursts of loss leave the picture moving', async (t) => {
  Object.assign(way.line, {jitterMs: 30, reorder: 0.02, loss: 0.01, burst: 4});
  const seen = await watch(LONG ? 30_000 : 8_000);
  Object.assign(way.line, {jitterMs: 0, reorder: 0, loss: 0, burst: 1});
  t.diagnostic(`${(seen.frozen * 100).toFixed(2)} % of the time frozen, ${seen.frames} frames`);
  if (LONG) assert.ok(seen.frozen < 0.03, `frozen ${(seen.frozen * 100).toFixed(2)} % of the time`);
  assert.ok(seen.frames > 10 * (LONG ? 30 : 8), `${seen.frames} frames`);
});

test('another port of the NAT is found by what comes from it: a gap of less than a second', async (t) => {
  const gap = await longestGap(() => way.rebind(), 60);
  const {parley_worker_moved_total: moved} = await daemon.metrics(); // 0: a check was there before any media
  t.diagnostic(`${Math.round(gap)} ms without a frame, found by ${moved ? 'media' : 'a check'}`);
  assert.ok(gap < MAX_GAP_MS, `${Math.round(gap)} ms`);
});

test('an ICE restart leaves a gap of less than a second', async (t) => {
  const restart = () => viewer.evaluate(async () => {
    window.me.call.peerConnection.restartIce();
    // A slot more is the way to make parley.js offer again.
    await window.me.call.publish(window.me.device.getAudioTracks()[0], {source: 'microphone'});
  });
  const gap = await longestGap(restart, 60);
  t.diagnostic(`${Math.round(gap)} ms without a frame`);
  assert.ok(gap < MAX_GAP_MS, `${Math.round(gap)} ms`);
});

test('128 kbit/s keep the voice alive, with the smallest picture or none (A45)', async (t) => {
  way.line.down = 128_000;
  await until('the line is no longer overfull', async () => (await watch(2_000)).lost < 0.02, 30_000);
  const seen = await watch(NARROW_MS);
  t.diagnostic(`${(seen.lost * 100).toFixed(2)} % of the voice lost, ${seen.frames} frames of ${seen.frameWidth} in ${NARROW_MS / 1_000} s`);
  assert.ok(seen.lost < 0.02, `${(seen.lost * 100).toFixed(2)} % of the voice lost`);
  assert.ok(seen.voice > 45 * NARROW_MS / 1_000, `${seen.voice} packets of voice`);
  assert.ok(seen.frames === 0 || seen.frameWidth === 320, `${seen.frames} frames of ${seen.frameWidth}`);
  way.line.down = 512_000;
  await until('the picture runs again at 512 kbit/s', async () => (await watch(2_000)).frames > 20, 20_000);
  way.line.down = Infinity;
});

test('a browser that tells no more than its own estimate (REMB) gets what fits', async (t) => {
  // Far below what the second layer takes, however slow the encoder.
  const line = await relay(daemon.mediaPort, {down: 250_000});
  const page = await openChromium(chromium, daemon.url);
  try {
    await page.evaluate(install);
    await page.evaluate(withoutTransportCc);
    await page.evaluate(throughPort, line.port);
    await page.evaluate((options) => window.me.join(options), {token: await room.token('cleo')});
    const width = async () => (await page.evaluate(() => window.me.pictures().find(({identity}) => identity === 'ada')))?.width;
    await until('the smallest layer', async () => (await width()) === 320, 30_000);
    line.line.down = Infinity;
    const began = performance.now();
    // A try that failed on the narrow line is repeated after 30 s at the latest.
    await until('a larger one on a line without limit', async () => (await width()) > 320, 60_000);
    t.diagnostic(`a larger layer ${Math.round(performance.now() - began)} ms after the line grew`);
  } finally {
    await page.close();
    line.close();
  }
});
