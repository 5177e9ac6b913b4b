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


test('outage', {timeout: 400000}, async (t) => {
  await until('a picture', async () => (await picture())?.frames > 10);
  await until('the largest layer', async () => (await picture()).width === 1280, 40_000);
  const pause = (ms) => until('x', (() => { const b = performance.now(); return async () => performance.now() - b > ms; })(), ms + 4000);
  for (const ms of [300, 500, 650, 800, 1000, 1200, 1500, 700, 600, 900]) {
    await pause(6000);
    way.line.loss = 1;
    await pause(ms);
    way.line.loss = 0;
    const began = performance.now();
    const before = await received();
    await until('frames', async () => (await received()).framesDecoded > before.framesDecoded + 2, 15000);
    t.diagnostic(`${ms}: ${Math.round(performance.now() - began)} ms`);
  }
});
