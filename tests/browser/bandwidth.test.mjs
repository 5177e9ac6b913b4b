/** What a viewer in a real browser gets through lines of different rates, one after the other. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {lineCall} from './line_call.mjs';
import {until} from './wait.mjs';

let call, publisher, viewer, way;

before(async () => {
  call = await lineCall();
  ({publisher, viewer, way} = call);
});

after(() => call?.close());

const picture = () => viewer.evaluate(() => window.me.pictures()[0]);
const received = () => viewer.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()];
  const {frameWidth, freezeCount, totalFreezesDuration, framesDecoded} =
    reports.find(({type, kind, framesDecoded: frames}) => type === 'inbound-rtp' && kind === 'video' && frames > 0) ?? {};
  return {frameWidth, freezeCount, frozenS: totalFreezesDuration ?? 0, framesDecoded};
});
/** What each layer has taken, by its width, in three seconds. */
async function measured() {
  const read = async () => new Map(await publisher.evaluate(async () =>
    [...(await window.me.call.peerConnection.getStats()).values()]
      .filter(({type, kind, frameWidth}) => type === 'outbound-rtp' && kind === 'video' && frameWidth)
      .map(({frameWidth, bytesSent, headerBytesSent, timestamp}) => [frameWidth, {bytes: bytesSent + headerBytesSent, timestamp}])));
  const from = await read();
  const to = await until('reports of three seconds', async () => {
    const now = await read();
    return [...now].every(([width, {timestamp}]) => timestamp - from.get(width)?.timestamp > 3_000) && now;
  });
  return [...to].map(([width, {bytes, timestamp}]) =>
    [width, Math.round((bytes - from.get(width).bytes) * 8_000 / (timestamp - from.get(width).timestamp))]).sort(([a], [b]) => a - b);
}
/** What each layer takes, as the publisher sends it now: at his start he sends more of each, so when two readings agree. */
async function layers() {
  let before;
  return until('two readings of the layers agree', async () => {
    const now = await measured();
    const same = now.length === before?.length && now.every(([, rate], i) => Math.abs(rate / before[i][1] - 1) < 0.1);
    before = now;
    return same && now;
  }, 40_000);
}

test('each line gets the largest layer that fits, and is followed up and down', async (t) => {
  await until('a picture', async () => (await picture())?.frames > 10);
  await until('the largest layer, on a line without limit', async () => (await picture()).width === 1280, 40_000);
  const rates = await layers();
  t.diagnostic(`layers: ${rates.map(([width, rate]) => `${width} at ${Math.round(rate / 1_000)} kbit/s`).join(', ')}`);
  assert.equal(rates.length, 3);
  const between = (low, high) => Math.round((rates[low][1] * 1.6 + rates[high][1] * 0.9) / 2) + 60_000;
  const lines = [[between(0, 1), 320], [Infinity, 1280], [between(1, 2), 640], [between(0, 1), 320], [between(1, 2), 640]];
  for (const [rate, width] of process.env.PARLEY_LONG ? lines : lines.slice(0, 2)) {
    const atFirst = await received();
    way.line.down = rate;
    const began = performance.now();
    // A line that shrank has a full queue before it, which has to drain first.
    let since = began;
    await until(`two seconds of frames ${width} wide at ${rate} bit/s`, async () => {
      if ((await picture()).width !== width) since = performance.now();
      return performance.now() - since > 2_000;
    }, 25_000);
    const took = since - began;
    const before = await received();
    const end = performance.now() + 6_000;
    let other = 0;
    let looked = 0;
    await until('six seconds are over', async () => {
      looked += 1;
      if ((await picture()).width !== width) other += 1;
      return performance.now() > end;
    });
    const now = await received();
    const frozenS = before.frozenS - atFirst.frozenS;
    t.diagnostic(`${rate === Infinity ? 'free' : Math.round(rate / 1_000) + ' kbit/s'}: ${width} wide after ${Math.round(took)} ms, ` +
      `frozen for ${frozenS.toFixed(2)} s until then, ` +
      `then ${looked - other} of ${looked} looks, ${now.freezeCount - before.freezeCount} freezes of ${(now.frozenS - before.frozenS).toFixed(2)} s, ` +
      `${now.framesDecoded - before.framesDecoded} frames in 6 s`);
    if (!process.env.PARLEY_LONG) continue; // that it stays there takes a machine that does nothing else
    assert.ok(frozenS < 1.5, `frozen for ${frozenS} s before the picture was as large as it should be`);
    assert.ok(other <= looked * 0.1, `${other} of ${looked} looks saw another layer`);
    assert.ok(now.freezeCount - before.freezeCount <= 1, `${now.freezeCount - before.freezeCount} freezes`);
    assert.ok(now.frozenS - before.frozenS < 1, `frozen for ${now.frozenS - before.frozenS} s`);
  }
});

// In the simulator for many such lines; here with an encoder whose layers grow and shrink as they do.
test('a line that a layer just fits changes the picture twice in ten seconds at most', {skip: !process.env.PARLEY_LONG}, async (t) => {
  way.line.down = Infinity;
  await until('the largest layer', async () => (await picture()).width === 1280, 20_000);
  const middle = (await layers())[1][1];
  let all = 0;
  for (const share of [1.05, 1.1, 1.15]) {
    const rate = Math.round(share * (middle + 60_000)); // with the headers below, and the sound
    way.line.down = rate;
    await until(`less than the largest at ${rate} bit/s`, async () => (await picture()).width < 1280);
    // It may fall by two layers.
    let {width: before} = await picture();
    let since = performance.now();
    await until('one width for a second', async () => {
      const {width} = await picture();
      if (width !== before) since = performance.now();
      before = width;
      return performance.now() > since + 1_000;
    });
    const changes = [];
    const began = performance.now();
    await until('half a minute is over', async () => {
      const {width} = await picture();
      if (width !== before) changes.push(performance.now());
      before = width;
      return performance.now() > began + 30_000;
    }, 40_000);
    const most = Math.max(0, ...changes.map((first) => changes.filter((at) => at >= first && at < first + 10_000).length));
    way.line.down = Infinity;
    const freed = performance.now();
    await until('the largest layer again', async () => (await picture()).width === 1280, 20_000);
    const took = performance.now() - freed;
    t.diagnostic(`${Math.round(rate / 1_000)} kbit/s for a layer of ${Math.round(middle / 1_000)}: ${changes.length} changes in 30 s, ` +
      `at most ${most} in ten, ${Math.round(took)} ms to the largest when it was free again`);
    all += changes.length;
    assert.ok(most <= 2, `${most} changes in ten seconds`);
    assert.ok(took < 5_000, `${took} ms to the largest layer`);
    await until('the line is known to be free', async () => performance.now() > freed + 8_000);
  }
  assert.ok(all > 0, 'the layer fitted at no time, or always');
});
