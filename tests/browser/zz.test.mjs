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


const detail = () => viewer.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()];
  const r = reports.find(({type, kind, framesDecoded: frames}) => type === 'inbound-rtp' && kind === 'video' && frames > 0) ?? {};
  return [r.frameWidth, r.framesReceived, r.framesDecoded, r.keyFramesDecoded, r.packetsLost, r.nackCount, r.pliCount, r.retransmittedPacketsReceived, Math.round(r.totalFreezesDuration * 100) / 100, r.framesDropped];
});
const pub = () => publisher.evaluate(async () =>
    [...(await window.me.call.peerConnection.getStats()).values()]
      .filter(({type, kind, rid}) => type === 'outbound-rtp' && kind === 'video' && rid)
      .map((o) => `${o.rid}:${o.keyFramesEncoded}/${o.pliCount}/${o.framesEncoded}/${Math.round(o.targetBitrate/1000)}`).sort().join(' '));
test('hard', {timeout: 400000}, async (t) => {
  await until('a picture', async () => (await picture())?.frames > 10);
  await until('the largest layer', async () => (await picture()).width === 1280, 40_000);
  await layers();
  await viewer.evaluate(() => { window.q=[]; window.me.call.addEventListener?.('quality', ({detail}) => window.q.push([performance.now(), detail])); });
  for (const rate of [500000, 450000, 500000, 550000, 400000, 500000, 300000, 700000, 450000]) { 
    await until('the largest layer', async () => (await picture()).width === 1280, 40_000);
    await until('settled', (() => { const b = performance.now(); return async () => performance.now() - b > 4000; })(), 6000);
    await viewer.evaluate(() => { window.q=[]; window.t0=performance.now(); });
    way.line.down = rate;
    const began = performance.now();
    const log = [];
    await until('over', async () => {
      const d = await detail();
      log.push(`${Math.round(performance.now() - began)} ${d.join(' ')} | ${await pub()} | lost ${way.line.lost}`);
      return d[0] === 320 || performance.now() > began + 15_000;
    }, 20000);
    t.diagnostic(`== ${rate}: ${Math.round(performance.now() - began)} ms`);
    if (performance.now() - began > 1700) {
      for (const l of log) t.diagnostic(l);
      for (const l of await viewer.evaluate(() => window.q.map(([t,d])=>`${Math.round(t-window.t0)} ${d.height} ${d.reason} est ${d.estimateKbps} need ${d.neededKbps}`))) t.diagnostic(l);
    }
    way.line.down = Infinity;
  }
});
