/**
 * Every codec from every browser to every browser, and what happens when somebody lacks the one that
 * is sent. Cells that a browser has no encoder or no decoder for are named in the output.
 */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install, isColor} from './participant.mjs';
import {until} from './wait.mjs';

const CODECS = ['VP8', 'VP9', 'H264', 'AV1'];
const SIMULCAST = ['VP8', 'H264'];
const SWITCH_LIMIT_MS = 5_000; // from the newcomer's join to his first picture, on a busy machine

let daemon, chromium, firefox;
/** @type {Record<string, {evaluate: Function, sends: string[], receives: string[], look: any}>} */
const people = {};

/** By what it offers: a Firefox that has not fetched its H.264 yet names it among its capabilities all the same. */
const capabilities = async () => {
  const offered = async (direction) => {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', {direction});
    const {sdp} = await pc.createOffer();
    pc.close();
    return [...new Set([...sdp.matchAll(/^a=rtpmap:\d+ (\w+)\/90000/gm)].map(([, name]) => name.toUpperCase()))];
  };
  return {sends: await offered('sendonly'), receives: await offered('recvonly')};
};

before(async () => {
  daemon = await Daemon.start({workers: 1});
  [chromium, firefox] = await Promise.all([launchChromium(), Firefox.launch()]);
  const open = {chromium: () => openChromium(chromium, daemon.url), firefox: () => firefox.open(daemon.url, 'window')};
  for (const [name, browser, look] of [['ada', 'chromium', LOOKS.ada], ['ben', 'firefox', LOOKS.ben],
    ['cleo', 'chromium', null], ['dora', 'firefox', null]]) {
    const page = await open[browser]();
    await page.evaluate(install);
    if (look) await page.evaluate((options) => window.me.makeSource(options), look);
    people[name] = {...page, browser, look, ...await page.evaluate(capabilities)};
  }
});

after(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await daemon?.stop();
});

const join = async (room, name, options = {}) =>
  people[name].evaluate((how) => window.me.join(how), {token: await room.token(name), videoSlots: 2, audioSlots: 1, ...options});
const leave = (...names) => Promise.all(names.map((name) => people[name].evaluate(() => window.me.leave().then(() => {}))));
const pictures = (name) => people[name].evaluate(() => window.me.pictures());

/** Until `viewer` sees `publisher` move, in the publisher's colour. */
const sees = (viewer, publisher, more = 5) => until(`${viewer} sees ${publisher}`, async () => {
  const picture = (await pictures(viewer)).find(({identity}) => identity === publisher);
  return picture?.frames >= more && isColor(picture.color, people[publisher].look.color);
}, 15_000);

/** Codecs of the video that comes in, or goes out, as the browser's statistics name them. */
const flowing = (name, type) => people[name].evaluate(async (wanted) => {
  const stats = await window.me.call.peerConnection.getStats();
  return [...stats.values()].filter((report) => report.type === wanted && report.kind === 'video' &&
      (report.framesDecoded || report.framesEncoded) && report.codecId)
      .map(({codecId}) => stats.get(codecId).mimeType.split('/')[1].toUpperCase());
}, type);

for (const codec of CODECS) {
  test(`${codec} between all browsers that have it`, async (t) => {
    const able = Object.keys(people).filter((name) => people[name].receives.includes(codec));
    const publishers = able.filter((name) => people[name].look && people[name].sends.includes(codec));
    for (const name of Object.keys(people).filter((one) => !able.includes(one))) t.diagnostic(`${people[name].browser} cannot decode ${codec}: its cells do not run`);
    for (const name of able.filter((one) => people[one].look && !publishers.includes(one))) t.diagnostic(`${people[name].browser} cannot encode ${codec}`);
    const room = await daemon.room(`all ${codec}`, {codecs: [codec]});
    await Promise.all(able.map((name) => join(room, name, {simulcast: SIMULCAST.includes(codec)})));
    for (const publisher of publishers) {
      await Promise.all(able.filter((viewer) => viewer !== publisher).map((viewer) => sees(viewer, publisher)));
    }
    for (const viewer of able.filter((name) => publishers.some((publisher) => publisher !== name))) {
      const seen = await flowing(viewer, 'inbound-rtp');
      assert.deepEqual([...new Set(seen)], [codec], `${viewer} receives ${seen}`);
    }
    await leave(...able);
  });
}

for (const [codec, svc] of [['VP9', 'L2T3_KEY'], ['VP9', 'L2T2'], ['AV1', 'L2T2']]) {
  test(`${codec} ${svc} reaches the browsers that decode it as large as it is sent`, async (t) => {
    const viewers = ['ben', 'cleo', 'dora'].filter((name) => people[name].receives.includes(codec));
    t.diagnostic(`seen by ${viewers.map((name) => people[name].browser)}`);
    assert.ok(viewers.length > 0 && people.ada.sends.includes(codec));
    const room = await daemon.room(`${codec} ${svc}`, {codecs: [codec]});
    // Of what is drawn for its details Chromium sends no spatial layers of VP9.
    await people.ada.evaluate(() => { window.me.video.contentHint = ''; });
    await join(room, 'ada', {codec, svc});
    await Promise.all(viewers.map((name) => join(room, name, {simulcast: false})));
    await Promise.all(viewers.map(async (viewer) => {
      await sees(viewer, 'ada');
      await until(`${viewer} sees all of it`, async () =>
        (await pictures(viewer)).find(({identity}) => identity === 'ada')?.width === 640, 20_000);
      assert.ok((await flowing(viewer, 'inbound-rtp')).includes(codec));
    }));
    await leave('ada', ...viewers);
  });
}

/** A page whose slots will not take a codec, as a browser without it. */
const refuse = (name, codec) => people[name].evaluate((unwanted) => {
  const all = window.allCapabilities ??= RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
  RTCRtpReceiver.getCapabilities = (kind) => {
    const {codecs, ...rest} = all(kind);
    return {...rest, codecs: codecs.filter(({mimeType}) => mimeType.split('/')[1].toUpperCase() !== unwanted)};
  };
}, codec);

for (const publisher of ['ada', 'ben']) {
  test(`a publisher in ${publisher === 'ada' ? 'Chromium' : 'Firefox'} changes his codec for one who cannot decode it`, async (t) => {
    const room = await daemon.room(`switch of ${publisher}`);
    await join(room, publisher);
    await join(room, 'dora');
    await sees('dora', publisher, 15);
    assert.deepEqual([...new Set(await flowing('dora', 'inbound-rtp'))], ['VP8']);
    await refuse('cleo', 'VP8');
    const started = Date.now();
    await join(room, 'cleo');
    await sees('cleo', publisher, 1);
    const took = Date.now() - started;
    t.diagnostic(`the newcomer's first picture came ${took} ms after he began to join`);
    assert.ok(took < SWITCH_LIMIT_MS);
    const [now] = await flowing('cleo', 'inbound-rtp');
    assert.notEqual(now, 'VP8');
    const before = (await pictures('dora'))[0].frames;
    await sees('dora', publisher, before + 10);
    t.diagnostic(`it is ${now} now, for those who saw him before, too`);
    assert.ok((await flowing('dora', 'inbound-rtp')).includes(now));
    // Firefox 140 has VP9 in one size only, 153 in both.
    const [, version] = /Firefox\/(\d+)/.exec(await people[publisher].evaluate(() => navigator.userAgent)) ?? [];
    const sizes = now === 'VP9' && Number(version) <= 140 ? 1 : 2;
    await until('all layers go on in it', () => people[publisher].evaluate(async ({codec, count}) => {
      const stats = await window.me.call.peerConnection.getStats();
      const layers = [...stats.values()].filter((report) => report.type === 'outbound-rtp' && report.kind === 'video' && report.frameHeight > 0);
      return layers.length === count && layers.every(({codecId}) => stats.get(codecId).mimeType.toUpperCase() === `VIDEO/${codec}`);
    }, {codec: now, count: sizes}));
    await refuse('cleo', '');
    await leave(publisher, 'dora', 'cleo');
  });
}

test('who has no codec in common with the room is refused with a reason', async () => {
  const room = await daemon.room('strict', {codecs: ['VP8']});
  await refuse('cleo', 'VP8');
  const error = await people.cleo.evaluate((options) => window.me.join(options).then(() => null, ({reason, message}) => ({reason, message})),
      {token: await room.token('cleo')});
  await refuse('cleo', '');
  assert.equal(error?.reason, 'no_shared_codec');
  assert.match(error.message, /format/);
});
