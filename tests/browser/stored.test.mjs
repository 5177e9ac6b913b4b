/**
 * A recording that goes into an object store which is away at first, is watched in a browser before
 * and after, from the page that its link gives, and is deleted at last.
 */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {S3Double} from '../upload/s3_double.mjs';
import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';

const CONTENT = ['composite.mp4', 'chapters.vtt', 'thumbnail.jpg', 'sheet.jpg', 'sheet.vtt', 'manifest.json'];
const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

let store, daemon, chromium, recordingId, page;
let away = true;

const events = async (type) => {
  const all = await daemon.api('events.list', {limit: 1_000});
  return all.events.filter((event) => event.type === type);
};
const told = (type) => until(type, async () => (await events(type))[0]?.data, 40_000);
const folder = () => path.join(daemon.directory, 'recordings', recordingId);
const links = () => daemon.api('recording.access_link', {recording_id: recordingId});
const absolute = (url) => new URL(url, daemon.url).href;
/** As a browser does: where a link leads to the store, what the store gives. */
const bytesOf = async (url) => Buffer.from(await (await fetch(absolute(url))).arrayBuffer());

before(async () => {
  store = await new S3Double().start();
  store.faults = () => (away ? {kind: 'slow_down'} : undefined);
  const {accessKey, secretKey, region} = store.keys;
  daemon = await Daemon.start({workers: 1, recording: {upload: JSON.stringify({
    endpoint: store.url, region, bucket: store.bucket, access_key_id: accessKey,
    secret_access_key: secretKey, retry_after_ms: 500,
  })}});
  chromium = await launchChromium();
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
  await store?.stop();
});

test('a call is recorded and composed while the store is away', async () => {
  const room = await daemon.room('stored', {recording: {auto: 'session', composite: {width: 640, height: 360}}});
  const people = [await openChromium(chromium, daemon.url), await openChromium(chromium, daemon.url)];
  for (const person of people) await person.evaluate(install);
  for (const [i, name] of ['ada', 'ben'].entries()) {
    await people[i].evaluate((look) => window.me.makeSource(look), LOOKS[name]);
    await people[i].evaluate((options) => window.me.join(options), {token: await room.token(name, {role: 'host'})});
  }
  await until('pictures for six seconds', () => people[0].evaluate(() => window.me.pictures()[0]?.frames > 150), 30_000);
  await daemon.api('session.end', {room_id: room.roomId});
  for (const person of people) await person.close();
  const data = await told('recording.completed');
  recordingId = data.recording_id;
  assert.equal(data.stored.state, 'waiting');
  const delayed = await told('recording.upload_delayed');
  assert.equal(delayed.stored.reason, 'store_unavailable');
  assert.equal(delayed.state, 'completed');
});

/** Opens the page, plays, and goes to the middle. */
async function watch(t) {
  const shown = await openChromium(chromium, absolute((await links()).page), {viewport: {width: 1_100, height: 900}});
  const video = (read) => shown.page.locator('video').first().evaluate(read);
  await until('the film is there', () => video((film) => film.readyState >= 3), 20_000);
  await shown.page.getByRole('button', {name: 'Play'}).first().click();
  await until('it plays', () => video((film) => film.currentTime > 0.5));
  await shown.page.keyboard.press('Space');
  await until('it stops', () => video((film) => film.paused));
  const middle = await video((film) => Math.round(film.duration * 50) / 100);
  await shown.page.getByLabel('Position').fill(String(middle));  // as the slider writes it: no zero at the end
  await until('it is in the middle', () => video((film) => !film.seeking && film.readyState >= 2));
  const at = await video((film) => film.currentTime);
  assert.ok(Math.abs(at - middle) < 0.1, `${at} instead of ${middle}`);
  await shown.page.getByLabel('Position').hover();
  const {title, chapters} = await shown.evaluate(() => ({
    title: document.querySelector('h1').textContent,
    chapters: [...document.querySelectorAll('#chapter-list span')].map(({textContent}) => textContent),
  }));
  assert.equal(title, 'stored');
  t.diagnostic(`chapters: ${chapters.join('; ')}`);
  if (process.env.PARLEY_KEEP) await shown.page.screenshot({path: path.join(process.env.PARLEY_KEEP, `${t.name.replaceAll(/\W+/g, '-')}.png`)});
  return {chapters, problems: shown.problems, close: shown.close};
}

test('it is watched from this server meanwhile', async (t) => {
  const {chapters, problems, close} = await watch(t);
  assert.ok(chapters.length > 0, 'no chapters');
  assert.deepEqual(problems, []);
  await close();
});

test('killed and started again, it goes on when the store is back', async () => {
  const before = await links();
  await daemon.kill();
  await daemon.run();
  away = false;
  const data = await told('recording.uploaded');
  assert.equal(data.stored.state, 'uploaded');
  assert.equal(store.uploads.size, 0, 'an upload is left open');
  await until('the files here are gone', async () => !(await daemon.api('recording.get', {recording_id: recordingId})).local);
  assert.ok(!fs.existsSync(folder()));
  const names = data.files.map(({name}) => name);
  for (const name of CONTENT) assert.ok(name === 'manifest.json' || names.includes(name), name);
  for (const {name, sha256: wanted} of data.files) {
    const link = before.files.find((file) => file.name === name);
    assert.equal(sha256(await bytesOf(link.url)), wanted, name);
  }
});

test('it is watched from the store, by the same link', async (t) => {
  const {chapters, problems, close} = await watch(t);
  assert.ok(chapters.length > 0, 'no chapters');
  assert.deepEqual(problems, []);
  await close();
  assert.ok(store.requests.some(({op, headers}) => op === 'get' && headers.range), 'the browser asked for parts');
});

test('deleted, nothing is left anywhere, and its record says so', async () => {
  const {page: url, files} = await links();
  await daemon.api('recording.delete', {recording_id: recordingId});
  const proof = await told('recording.erased');
  assert.equal(proof.deleted_reason, 'deleted_by_api');
  assert.ok(proof.files.every(({sha256: hash}) => hash.length === 64));
  assert.equal(store.objects.size, 0);
  for (const gone of [url, files[0].url]) assert.equal((await fetch(absolute(gone))).status, 404);
});

test('neither the key nor a signature is written anywhere', () => {
  const {secretKey} = store.keys;
  for (const secret of [secretKey, 'X-Amz-Signature']) assert.ok(!daemon.output.includes(secret));
});
