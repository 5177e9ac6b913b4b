/**
 * Phones send their picture lying, say how it is to be turned, and are turned while they are
 * recorded, and then send a smaller one: everybody sees it upright and whole, in the call, on the
 * page of the tracks and in the film.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {pixel} from './media_file.mjs';
import {install} from './participant.mjs';
import {until} from './wait.mjs';

const CODECS = {vera: 'vp8', hugo: 'h264'};
const isRed = ([r, g, b]) => r > 150 && g < 100 && b < 100;
const isBlue = ([r, g, b]) => b > 150 && r < 100 && g < 100;

let daemon, chromium, host, phones, recording;

/** In a page: red above blue, as people see it who have turned it by `phone.degrees`. */
function holdPhone() {
  const canvas = new OffscreenCanvas(320, 180);
  const paint = canvas.getContext('2d', {alpha: false});
  const phone = window.phone = {degrees: 90, width: 320, height: 180};
  const track = new MediaStreamTrackGenerator({kind: 'video'});
  const frames = track.writable.getWriter();
  setInterval(() => {
    const {degrees, width, height} = phone;
    Object.assign(canvas, {width, height});
    paint.fillStyle = '#e01010';
    paint.fillRect(0, 0, width, height);
    paint.fillStyle = '#1010e0';
    paint.fillRect(degrees === 90 ? width / 2 : 0, degrees === 90 ? 0 : height / 2, width, height);
    void frames.write(new VideoFrame(canvas, {timestamp: performance.now() * 1_000, rotation: degrees}));
  }, 50);
  window.me.video = track;
}

const change = async (to) => {
  for (const phone of phones) await phone.evaluate((wanted) => Object.assign(window.phone, wanted), to);
};
/** Everybody's, in the call: how wide it is, and the colour at a third of its height. */
const seen = (width) => until(`two pictures ${width} wide`, async () => {
  const pictures = await host.evaluate(() => window.me.pictures());
  return pictures.length === 2 && pictures.every((one) => one.width === width && isRed(one.color)) && pictures;
}, 20_000);

before(async () => {
  daemon = await Daemon.start({workers: 1});
  chromium = await launchChromium();
  const room = await daemon.room('phones');
  host = await openChromium(chromium, daemon.url);
  await host.evaluate(install);
  await host.evaluate((options) => window.me.join(options), {token: await room.token('ada', {role: 'host'})});
  phones = [];
  for (const [name, codec] of Object.entries(CODECS)) {
    const phone = await openChromium(chromium, daemon.url);
    await phone.evaluate(install);
    await phone.evaluate(holdPhone);
    await phone.evaluate((options) => window.me.join(options), {token: await room.token(name), codec, simulcast: false});
    phones.push(phone);
  }
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

test('a call shows them upright', async () => {
  const pictures = await seen(180);
  assert.deepEqual(pictures.map(({identity}) => identity).sort(), Object.keys(CODECS).sort());
});

test('turned while it records, each goes on in a file that says how it lies', async () => {
  const recordingId = await host.evaluate(() => window.me.call.startRecording());
  const grown = async (frames) => {
    const before = await host.evaluate(() => window.me.pictures());
    await until('more pictures', async () => (await host.evaluate(() => window.me.pictures()))
        .every((one, i) => one.frames > before[i].frames + frames), 20_000);
  };
  await grown(50);
  await change({degrees: 0});
  await seen(320);
  await grown(50);
  await change({width: 240, height: 136});
  await seen(240);
  await grown(30);
  await host.evaluate(() => window.me.call.stopRecording());
  recording = await until('it is completed', async () => {
    const found = await daemon.api('recording.get', {recording_id: recordingId});
    return found.state === 'completed' && found;
  });
  for (const [name, codec] of Object.entries(CODECS)) {
    const files = recording.files.filter(({identity}) => identity === name);
    assert.deepEqual(files.map(({rotation}) => rotation), [90, 0], name);
    assert.deepEqual(files.map(({codecs}) => codecs), [[codec], [codec]], name);
  }
});

test('the page of the tracks shows them upright', async () => {
  const {page: url} = await daemon.api('recording.access_link', {recording_id: recording.recording_id});
  const shown = await openChromium(chromium, new URL(url, daemon.url).href, {viewport: {width: 1_100, height: 900}});
  const colors = async (at) => {
    await shown.page.getByLabel('Position').fill(String(Math.round(at * 10) / 10));
    await until('it is there', () => shown.evaluate(() => [...document.querySelectorAll('.picture:not([hidden]) video')]
        .every(({seeking, readyState}) => !seeking && readyState >= 2)));
    const shot = await shown.page.screenshot();
    if (process.env.PARLEY_KEEP) fs.writeFileSync(path.join(process.env.PARLEY_KEEP, `phones-${at}.png`), shot);
    return shown.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes]));
      const paint = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      paint.drawImage(bitmap, 0, 0);
      const boxes = [...document.querySelectorAll('.picture:not([hidden])')].map((one) => one.getBoundingClientRect());
      return boxes.map(({x, y, width, height}) => [[0.5, 0.3], [0.5, 0.7], [0.03, 0.3], [0.5, 0.06]].map(([across, down]) =>
        [...paint.getImageData(x + width * across, y + height * down, 1, 1).data].slice(0, 3)));
    }, shot.toString('base64'));
  };
  const places = () => shown.evaluate(() => [...document.querySelectorAll('.picture:not([hidden])')]
      .map((one) => ({name: one.querySelector('.name').textContent, x: one.getBoundingClientRect().x}))
      .sort((a, b) => a.x - b.x));
  const lying = await colors(1);
  const before = await places();
  assert.equal(lying.length, 2);
  for (const [above, below, beside, top] of lying) {
    assert.ok(isRed(above) && isBlue(below), `${above} above ${below}`);
    assert.ok(!isRed(beside) && isRed(top), 'it stands, and fills the height');
  }
  const lengthS = recording.duration_ms / 1_000;
  for (const at of [lengthS * 0.6, lengthS - 0.5]) {
    const standing = await colors(at);
    assert.equal(standing.length, 2);
    assert.deepEqual(await places(), before, 'who goes on in another file keeps his place');
    for (const [above, below, beside] of standing) {
      assert.ok(isRed(above) && isBlue(below), `${above} above ${below} at ${at} s`);
      assert.ok(isRed(beside), 'it fills the width');
    }
  }
  await shown.close();
});

test('the film shows them upright', async () => {
  const recordingId = recording.recording_id;
  await daemon.api('recording.compose', {recording_id: recordingId, composite: {names: false}});
  const film = await until('the film', async () => {
    const {state, files} = await daemon.api('recording.get', {recording_id: recordingId});
    return state === 'completed' && files.find(({source}) => source === 'composite');
  }, 60_000);
  const file = path.join(daemon.directory, 'recordings', recordingId, film.name);
  const lengthS = recording.duration_ms / 1_000;
  for (const at of [1, lengthS * 0.6, lengthS - 0.5]) {
    for (const x of [320, 960]) {
      const [above, below] = [await pixel(file, at, x, 280), await pixel(file, at, x, 440)];
      assert.ok(isRed(above) && isBlue(below), `${above} above ${below} at ${at} s`);
    }
  }
});
