/** Four people in one room, one of them in another engine: everybody sees and hears everybody. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {decodeErrors, probe} from './media_file.mjs';
import {LOOKS, install, isColor, isPitch} from './participant.mjs';
import {median, until} from './wait.mjs';

const FIRST_FRAME_P50_MS = 1_500;
const GONE_MS = 1_000;
const REJOINS = 5;

let daemon, chromium, firefox, room;
const pages = {};

before(async () => {
  daemon = await Daemon.start();
  [chromium, firefox] = await Promise.all([launchChromium(), Firefox.launch()]);
  room = await daemon.room('four');
  for (const name of ['ada', 'ben', 'cleo']) pages[name] = await openChromium(chromium, daemon.url);
  pages.dora = await firefox.open(daemon.url);
  for (const [name, page] of Object.entries(pages)) {
    await page.evaluate(install);
    await page.evaluate((look) => window.me.makeSource(look), LOOKS[name]);
  }
});

after(async () => {
  await Promise.allSettled([chromium?.close(), firefox?.close()]);
  await daemon?.stop();
});

const join = async (name) =>
  pages[name].evaluate((options) => window.me.join(options), {token: await room.token(name, {role: name === 'ada' ? 'host' : 'participant'})});

/** Who is shown to `name` in the right colour with moving frames. */
const sees = async (name) => (await pages[name].evaluate(() => window.me.pictures()))
    .filter(({identity, color, frames}) => frames > 3 && isColor(color, LOOKS[identity].color))
    .map(({identity}) => identity).sort();

const hears = async (name) => (await pages[name].evaluate(() => window.me.sounds()))
    .filter((sound) => isPitch(sound, LOOKS[sound.identity].hz))
    .map(({identity}) => identity).sort();

const others = (name) => Object.keys(pages).filter((other) => other !== name).sort();

test('each of four participants sees and hears the three others', async (t) => {
  for (const name of Object.keys(pages)) await join(name);
  for (const name of Object.keys(pages)) {
    await until(`${name} sees all`, async () => {
      assert.deepEqual(await sees(name), others(name), JSON.stringify(await pages[name].evaluate(() => window.me.pictures())));
      return true;
    });
    await until(`${name} hears all`, async () => {
      assert.deepEqual(await hears(name), others(name), JSON.stringify(await pages[name].evaluate(() => window.me.sounds())));
      return true;
    });
  }
  for (const name of Object.keys(pages)) {
    const {lost, packets, frames} = await pages[name].evaluate(() => window.me.received());
    t.diagnostic(`${name}: ${packets} packets, ${lost} lost, ${frames} frames`);
    assert.ok(lost <= packets / 1_000, `${name} lost ${lost} of ${packets}`);
  }
});

test('pictures go on moving', async () => {
  for (const name of Object.keys(pages)) {
    const before = await pages[name].evaluate(() => window.me.pictures());
    await until(`${name} gets ten more frames of each`, async () => {
      const now = await pages[name].evaluate(() => window.me.pictures());
      return now.length === 3 && now.every(({mid, frames}) =>
        frames >= before.find((picture) => picture.mid === mid).frames + 10);
    });
  }
});

test('a recording of the four holds a sound file of each', async (t) => {
  const recordingId = await pages.ada.evaluate(() => window.me.call.startRecording());
  for (const name of Object.keys(pages)) {
    await until(`${name} is told`, () => pages[name].evaluate(() => window.me.call.recording !== null));
  }
  const [{mid, frames}] = await pages.ada.evaluate(() => window.me.pictures());
  await until('some seconds of frames', async () =>
    (await pages.ada.evaluate(() => window.me.pictures())).find((picture) => picture.mid === mid).frames > frames + 60, 20_000);
  await pages.ada.evaluate(() => window.me.call.stopRecording());
  await until('it is completed', () => pages.ada.evaluate(() => window.me.log.includes('recording.completed')));
  const recordedMs = await pages.ada.evaluate(() => window.me.recordedMs());
  const recording = (await pages.ada.evaluate(() => window.me.call.recordings())).find((one) => one.recording_id === recordingId);
  assert.deepEqual(recording.files.map(({identity}) => identity).sort(), Object.keys(pages).sort());
  const links = await pages.ada.evaluate((id) => window.me.call.recordingLinks(id), recordingId);
  for (const {name, identity} of recording.files) {
    const file = path.join(daemon.directory, path.basename(name));
    const response = await fetch(links.find((link) => link.name === name).url);
    fs.writeFileSync(file, Buffer.from(await response.arrayBuffer()));
    const {codecs, durationMs} = await probe(file);
    t.diagnostic(`${identity}: ${codecs} for ${Math.round(durationMs)} ms of ${Math.round(recordedMs)} ms`);
    assert.deepEqual(codecs, ['opus', 'vp8'], identity);
    assert.ok(Math.abs(durationMs - recordedMs) <= 500, `${identity}: ${durationMs} ms instead of ${recordedMs} ms`);
    assert.equal(await decodeErrors(file), '', identity);
  }
});

test('somebody who leaves is gone for the others within a second, and is back as fast as they join', async (t) => {
  const firstFrames = [];
  for (let round = 0; round < REJOINS; ++round) {
    const leftAt = await pages.ben.evaluate(() => window.me.leave());
    for (const name of ['ada', 'cleo', 'dora']) {
      const goneAt = await until(`ben is gone for ${name}`, () => pages[name].evaluate(() => window.me.gone.ben));
      assert.ok(goneAt - leftAt <= GONE_MS, `gone for ${name} after ${goneAt - leftAt} ms`);
      assert.deepEqual(await until('his picture is gone too', async () => {
        const seen = await pages[name].evaluate(() => window.me.pictures().map(({identity}) => identity));
        return !seen.includes('ben') && ['gone'];
      }, GONE_MS), ['gone']);
      await pages[name].evaluate(() => { delete window.me.gone.ben; });
    }
    await join('ben');
    const frames = await until('ben sees the three others again', () => pages.ben.evaluate(() =>
      Object.keys(window.me.firstFrame).length === 3 && Object.values(window.me.firstFrame)));
    firstFrames.push(Math.min(...frames));
  }
  t.diagnostic(`join to first decoded frame: ${firstFrames.map(Math.round).join(', ')} ms`);
  assert.ok(median(firstFrames) <= FIRST_FRAME_P50_MS, `p50 is ${median(firstFrames)} ms`);
});

test('a closed tab is gone within a second too', async () => {
  const page = pages.cleo;
  delete pages.cleo;
  const closedAt = Date.now();
  await page.close();
  for (const name of Object.keys(pages)) {
    const goneAt = await until(`cleo is gone for ${name}`, () => pages[name].evaluate(() => window.me.gone.cleo));
    assert.ok(goneAt - closedAt <= GONE_MS, `gone for ${name} after ${goneAt - closedAt} ms`);
  }
});

test('a second join with the same identity takes over, and the first is told why', async () => {
  const second = await openChromium(chromium, daemon.url);
  await second.evaluate(install);
  await second.evaluate((options) => window.me.join(options), {token: await room.token('ada')});
  const ended = await until('the first ada is told', () => pages.ada.evaluate(() => window.me.ended));
  assert.equal(ended.reason, 'duplicate_identity');
  await second.close();
});

test('a silence of the network is survived in place: media restarts, the socket stays', async () => {
  const trackIds = () => pages.ben.evaluate(() => window.me.call.publications.map(({trackId}) => trackId));
  const before = await trackIds();
  daemon.process.kill('SIGSTOP');
  try {
    await until('ben notices', () => pages.ben.evaluate(() => window.me.call.state === 'reconnecting'), 15_000);
  } finally {
    daemon.process.kill('SIGCONT');
  }
  await until('ben is back', () => pages.ben.evaluate(() => window.me.call.state === 'joined'));
  await until('ben sees dora again', async () => (await sees('ben')).includes('dora'));
  const frames = () => pages.ben.evaluate(() => window.me.pictures().find(({identity}) => identity === 'dora').frames);
  const seen = await frames();
  await until('her picture moves', async () => await frames() > seen + 10);
  assert.deepEqual(await trackIds(), before, 'ben had to join anew');
});

test('a page joins again by itself after the server was killed', async () => {
  await daemon.kill();
  await until('ben notices', () => pages.ben.evaluate(() => window.me.call.state === 'reconnecting'));
  await daemon.run();
  for (const name of ['ben', 'dora']) {
    await until(`${name} is back`, () => pages[name].evaluate(() => window.me.call.state === 'joined'), 15_000);
  }
  await until('ben sees dora again', async () => (await sees('ben')).includes('dora'), 15_000);
  await until('dora hears ben again', async () => (await hears('dora')).includes('ben'), 15_000);
});
