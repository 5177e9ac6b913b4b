/** A one-to-one call that flashes and beeps together: in step at the receiver and in the recorded file. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {beepAfterFlash, decodeErrors, keyFrames, pairUp, probe} from './media_file.mjs';
import {LOOKS, install} from './participant.mjs';
import {median, until} from './wait.mjs';

const MAX_OFFSET_MS = 80;
const MAX_TIME_TO_SYNC_MS = 30_000;
const MAX_DURATION_ERROR_MS = 500;
const FLASHES = 6;
const LONG = Boolean(process.env.PARLEY_LONG);
const CALL_S = LONG ? 30 * 60 : 8;
const KEY_FRAMES_EVERY_S = LONG ? 10 : 2;  // 10 is what it is unless configured
const MAX_SEEK_MS = 1_500;
const PATIENCE_MS = LONG ? 20 * 60_000 : 60_000;

/** In step as a whole and, over a long call, at each moment. @param {number[]} offsets of beeps after flashes */
function assertInStep(t, offsets, where) {
  const [first, last] = [Math.min(...offsets), Math.max(...offsets)].map(Math.round);
  t.diagnostic(`beep after flash in ${where}: ${first} to ${last} ms, ${offsets.length} times`);
  assert.ok(offsets.length >= (LONG ? CALL_S * 0.95 : FLASHES - 1), `only ${offsets.length} flashes with a beep`);
  assert.ok(Math.abs(median(offsets)) <= MAX_OFFSET_MS, `median ${median(offsets)} ms`);
  const out = offsets.filter((offset) => Math.abs(offset) > MAX_OFFSET_MS);
  assert.ok(!LONG || out.length <= offsets.length / 100, `out of step: ${out.map(Math.round).join(', ')} ms`);
}

let daemon, chromium, host, guest, files, recordedMs;

before(async () => {
  daemon = await Daemon.start({recording: {key_frames_every_s: KEY_FRAMES_EVERY_S}});
  chromium = await launchChromium();
  const room = await daemon.room('recorded');
  [host, guest] = [await openChromium(chromium, daemon.url), await openChromium(chromium, daemon.url)];
  for (const page of [host, guest]) await page.evaluate(install);
  await host.evaluate((look) => window.me.makeSource(look), LOOKS.ada);
  await guest.evaluate((look) => window.me.makeSource(look), {color: [20, 20, 20], hz: 1_000, fps: 30, flash: true});
  await host.evaluate((options) => window.me.join(options), {token: await room.token('ada', {role: 'host'})});
  await guest.evaluate((options) => window.me.join(options), {token: await room.token('ben')});
  for (const page of [host, guest]) {
    await until('a picture', () => page.evaluate(() => window.me.pictures()[0]?.frames > 10));
  }
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

// A browser begins with the shortest delay for each and then brings them together step by step, once
// a second, from the sender reports of the server.
test('picture and sound come into step at the other side', async (t) => {
  await host.evaluate(() => {
    const [seen] = window.me.seen.values();
    const [heard] = window.me.heard.values();
    const probe = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const samples = new Float32Array(256);
    const marks = window.me.marks = {flashes: [], beeps: [], light: false, loud: false};
    seen.onframe = () => {
      probe.drawImage(seen.video, 10, 10, 1, 1, 0, 0, 1, 1);
      const light = probe.getImageData(0, 0, 1, 1).data[1] > 140;
      if (light && !marks.light) marks.flashes.push(performance.now());
      marks.light = light;
    };
    heard.analyser.fftSize = 256;
    window.me.watcher = setInterval(() => {
      heard.analyser.getFloatTimeDomainData(samples);
      const loud = Math.max(...samples) > 0.1;
      if (loud && !marks.loud) marks.beeps.push(performance.now());
      marks.loud = loud;
    }, 4);
  });
  const measured = async () => {
    const {flashes, beeps} = await host.evaluate(() => window.me.marks);
    return pairUp(flashes, beeps);
  };
  await until('six flashes in a row with their beeps', async () => {
    const latest = (await measured()).slice(-FLASHES);
    return latest.length === FLASHES && Math.abs(median(latest)) <= MAX_OFFSET_MS;
  }, MAX_TIME_TO_SYNC_MS).finally(async () => {
    t.diagnostic(`beep after flash at the receiver: ${(await measured()).map(Math.round).join(', ')} ms`);
    await host.evaluate(() => clearInterval(window.me.watcher));
  });
});

test('the host records, everybody knows, and the list has a file for each', async () => {
  const recordingId = await host.evaluate(() => window.me.call.startRecording());
  for (const page of [host, guest]) {
    await until('everybody is told', () => page.evaluate(() => window.me.call.recording !== null));
  }
  const {frames} = await host.evaluate(() => window.me.pictures()[0]);
  await until('enough frames', async () => (await host.evaluate(() => window.me.pictures()[0])).frames > frames + CALL_S * 30, CALL_S * 1_000 * 2.5);
  await host.evaluate(() => window.me.call.stopRecording());
  await until('it is completed', () => host.evaluate(() => window.me.log.includes('recording.completed')));
  assert.ok((await guest.evaluate(() => window.me.log)).includes('recording.stopped'));
  recordedMs = await host.evaluate(() => window.me.recordedMs());

  const recordings = await host.evaluate(() => window.me.call.recordings());
  const recording = recordings.find((one) => one.recording_id === recordingId);
  assert.equal(recording.state, 'completed');
  assert.equal(recording.truncated, false);
  assert.deepEqual(recording.files.map(({identity}) => identity).sort(), ['ada', 'ben']);
  files = await host.evaluate((id) => window.me.call.recordingLinks(id), recordingId);
  const manifest = await (await fetch(files.find(({name}) => name.endsWith('.json')).url)).json();
  assert.match(JSON.stringify(manifest), /"ada".*"ben"|"ben".*"ada"/s);
  files = recording.files.map((file) => ({...file, ...files.find(({name}) => name === file.name)}));
});

test('links give a part of a file, and all of it, and refuse a changed signature', async () => {
  for (const file of files) {
    const whole = Buffer.from(await (await fetch(file.url)).arrayBuffer());
    assert.equal(whole.length, file.size_bytes);
    const part = await fetch(file.url, {headers: {range: 'bytes=10-99'}});
    assert.equal(part.status, 206);
    assert.equal(part.headers.get('content-range'), `bytes 10-99/${whole.length}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(10, 100));
    file.path = path.join(daemon.directory, path.basename(file.name));
    fs.writeFileSync(file.path, whole);
    const forged = new URL(file.url);
    for (const [key, value] of forged.searchParams) {
      if (value.length > 20) forged.searchParams.set(key, value.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')));
    }
    assert.notEqual(forged.href, file.url, 'the link is not signed');
    assert.ok([401, 403, 404].includes((await fetch(forged)).status));
  }
});

test('without a composite the page plays all tracks together, from anywhere', async (t) => {
  const [{recording_id: recordingId}] = await host.evaluate(() => window.me.call.recordings());
  const {page: url} = await daemon.api('recording.access_link', {recording_id: recordingId, audience: 'participants'});
  const shown = await openChromium(chromium, new URL(url, daemon.url).href, {viewport: {width: 1_100, height: 900}});
  /** Where each is on the time line of the recording. */
  const places = () => shown.evaluate(() => {
    const {files: all} = JSON.parse(document.getElementById('recording').textContent);
    return [...document.querySelectorAll('video')].map((video, i) => ({
      at: video.currentTime + all[i].offset_ms / 1_000, runs: !video.paused && video.readyState >= 3,
    }));
  });
  const together = async (from) => {
    const all = await places();
    const at = all.map((one) => one.at);
    return all.length === 2 && all.every(({runs}) => runs) && Math.min(...at) > from && Math.max(...at) - Math.min(...at) < 0.3;
  };
  await shown.page.getByRole('button', {name: 'Play'}).first().click();
  await until('both play', () => together(1), 20_000);
  const there = Math.round(CALL_S * 6) / 10;
  const before = performance.now();
  await shown.page.getByLabel('Position').fill(String(there));
  await until('both play from there', () => together(there + 0.1));
  const took = performance.now() - before;
  t.diagnostic(`${(await places()).map(({at}) => at.toFixed(2)).join(' and ')} after ${Math.round(took)} ms`);
  assert.ok(took <= MAX_SEEK_MS, `seeking took ${took} ms`);
  if (process.env.PARLEY_KEEP) await shown.page.screenshot({path: path.join(process.env.PARLEY_KEEP, 'tracks.png')});
  assert.deepEqual(shown.problems, []);
  await shown.close();
});

test('the files decode without an error and are as long as the call', async (t) => {
  for (const file of files) {
    const {codecs, durationMs} = await probe(file.path);
    assert.deepEqual(codecs, ['opus', 'vp8'], file.name);
    t.diagnostic(`${file.identity}: ${Math.round(durationMs)} ms of ${recordedMs} ms`);
    assert.ok(Math.abs(durationMs - recordedMs) <= MAX_DURATION_ERROR_MS, `${durationMs} ms instead of ${recordedMs} ms`);
    assert.ok(Math.abs(durationMs - file.duration_ms) <= 100, `the list says ${file.duration_ms} ms, the file ${durationMs} ms`);
    assert.equal(await decodeErrors(file.path), '', file.name);
  }
});

test('a player finds a key frame near every place', async (t) => {
  for (const file of files) {
    const at = [...await keyFrames(file.path), recordedMs / 1_000];
    const apart = at.slice(1).map((time, i) => time - at[i]);
    t.diagnostic(`${file.identity}: ${at.length - 1} key frames, ${Math.max(...apart).toFixed(1)} s apart at most`);
    assert.ok(Math.max(...apart) <= KEY_FRAMES_EVERY_S + 1.5, apart.map((s) => s.toFixed(1)).join(', '));
  }
});

test('picture and sound are in step in the file', async (t) => {
  const offsets = await beepAfterFlash(files.find(({identity}) => identity === 'ben').path);
  assertInStep(t, offsets, 'the file');
});

test('one picture is made of it, with both of them, and in step', async (t) => {
  const [{recording_id: recordingId}] = await host.evaluate(() => window.me.call.recordings());
  await daemon.api('recording.compose', {recording_id: recordingId, composite: {fps: 30}});
  const composed = await until('the composite', async () => {
    const recording = await daemon.api('recording.get', {recording_id: recordingId});
    assert.notEqual(recording.state, 'failed', recording.failure);
    return recording.state === 'completed' && recording.files.find(({source}) => source === 'composite');
  }, PATIENCE_MS);
  const {url} = await daemon.api('recording.access_link', {recording_id: recordingId, file: composed.name});
  const file = path.join(daemon.directory, composed.name);
  fs.writeFileSync(file, Buffer.from(await (await fetch(new URL(url, daemon.url))).arrayBuffer()));
  if (process.env.PARLEY_KEEP) fs.copyFileSync(file, path.join(process.env.PARLEY_KEEP, composed.name));  // to be looked at
  const {codecs, durationMs} = await probe(file);
  assert.deepEqual(codecs, ['aac', 'h264']);
  assert.ok(Math.abs(durationMs - recordedMs) <= MAX_DURATION_ERROR_MS, `${durationMs} ms instead of ${recordedMs} ms`);
  assert.equal(await decodeErrors(file), '');
  const offsets = await beepAfterFlash(file, {part: '300:200:800:250', voice: 'bandpass=f=1000:width_type=h:w=300'});  // ben, at the right
  assertInStep(t, offsets, 'the composite');
});

test('the composite plays in a browser, from the middle too', async () => {
  const [{recording_id: recordingId}] = await host.evaluate(() => window.me.call.recordings());
  const {url} = await daemon.api('recording.access_link', {recording_id: recordingId, file: 'composite.mp4'});
  const seen = await host.evaluate(async (src) => {
    const video = document.createElement('video');
    const event = (name) => new Promise((resolve, reject) => {
      video.addEventListener(name, resolve, {once: true});
      video.addEventListener('error', () => reject(new Error(video.error.message)), {once: true});
    });
    const ready = event('loadeddata');
    video.muted = true;
    video.src = src;
    await ready;
    const found = event('seeked');
    video.currentTime = 5;
    await found;
    return {width: video.videoWidth, height: video.videoHeight, at: video.currentTime, length: video.duration};
  }, url);
  assert.equal(`${seen.width}x${seen.height}`, '1280x720');
  assert.equal(seen.at, 5);
  assert.ok(seen.length > 7);
});

test('a guest may neither record nor list', async () => {
  for (const action of ['startRecording', 'recordings']) {
    const reason = await guest.evaluate((name) => window.me.call[name]().then(() => 'allowed', (error) => error.reason), action);
    assert.equal(reason, 'permission_denied', action);
  }
});
