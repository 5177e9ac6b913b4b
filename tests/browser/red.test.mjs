/** What a listener in a real browser hears over a line that loses a tenth of its packets. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {relay, throughPort} from './relay.mjs';
import {until} from './wait.mjs';

const SECONDS = 12;

let daemon, chromium, speaker;
const lines = [];

before(async () => {
  daemon = await Daemon.start({workers: 1});
  chromium = await launchChromium();
  speaker = await openChromium(chromium, daemon.url);
  await speaker.evaluate(install);
  await speaker.evaluate(async (look) => {
    await window.me.makeSource(look);
    window.me.video = null;
  }, LOOKS.ada);
});

after(async () => {
  await chromium?.close();
  for (const line of lines) line.close();
  await daemon?.stop();
});

/** Runs in the page: it offers everything but RED. */
function withoutRed() {
  const real = RTCRtpReceiver.getCapabilities;
  RTCRtpReceiver.getCapabilities = (kind) => {
    const all = real.call(RTCRtpReceiver, kind);
    return {...all, codecs: all.codecs.filter(({mimeType}) => mimeType !== 'audio/red')};
  };
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function addTransceiver(what, init) {
    const transceiver = add.call(this, what, init);
    if (what === 'audio') transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('audio').codecs);
    return transceiver;
  };
}

async function listener(room, name, {red, videoSlots}) {
  const line = await relay(daemon.mediaPort);
  lines.push(line);
  const page = await openChromium(chromium, daemon.url);
  await page.evaluate(install);
  await page.evaluate(throughPort, line.port);
  if (!red) await page.evaluate(withoutRed);
  await page.evaluate((options) => window.me.join(options), {token: await room.token(name), audioSlots: 1, videoSlots});
  return {page, line: line.line};
}

const heard = ({page}) => page.evaluate(async () => {
  const reports = [...(await window.me.call.peerConnection.getStats()).values()];
  const audio = reports.find(({type, kind, packetsReceived}) => type === 'inbound-rtp' && kind === 'audio' && packetsReceived > 0);
  const codec = reports.find(({id}) => id === audio?.codecId);
  return audio && {mimeType: codec?.mimeType, received: audio.packetsReceived, lost: audio.packetsLost, samples: audio.totalSamplesReceived,
    concealed: audio.concealedSamples, silent: audio.silentConcealedSamples, discarded: audio.packetsDiscarded,
    fecReceived: audio.fecPacketsReceived};
});

test('redundancy fills what a lossy line leaves out', async (t) => {
  const room = await daemon.room('lossy');
  await speaker.evaluate((options) => window.me.join(options), {token: await room.token('ada'), audioSlots: 0, videoSlots: 0});
  const both = {red: await listener(room, 'ben', {red: true, videoSlots: 1}), plain: await listener(room, 'cleo', {red: false, videoSlots: 1})};
  for (const [name, one] of Object.entries(both)) {
    await until(`${name} hears`, async () => (await heard(one))?.received > 100);
    one.line.loss = 0.1;
  }
  await until('packets with redundancy', async () => (await daemon.metrics()).parley_worker_red_out_total > 100, 20_000);
  const shares = {};
  const before = {red: await heard(both.red), plain: await heard(both.plain)};
  await until('some seconds of sound', async () => {
    const {samples} = await heard(both.red);
    return samples - before.red.samples > SECONDS * 48_000;
  }, (SECONDS + 20) * 1_000);
  for (const [name, one] of Object.entries(both)) {
    const now = await heard(one);
    const was = before[name];
    shares[name] = (now.concealed - was.concealed) / (now.samples - was.samples);
    t.diagnostic(`${name}: ${now.mimeType}, ${now.received - was.received} packets, ${now.lost - was.lost} lost, ` +
      `${now.fecReceived ?? 0} of redundancy, ${(100 * shares[name]).toFixed(1)} % concealed`);
  }
  assert.ok(shares.plain > 0.05, `of a line that loses a tenth ${shares.plain} was concealed without redundancy`);
  assert.ok(shares.red < shares.plain / 2, `${shares.red} was concealed, ${shares.plain} without redundancy`);
  assert.equal((await heard(both.plain)).mimeType, 'audio/opus');
});
