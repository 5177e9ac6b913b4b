/**
 * parley-upload killed at any moment and failed at by chance. Whoever started it runs it again, as
 * the daemon does; in the end everything is stored, once, and nothing is left open.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {test} from 'node:test';

import {Folder, PART, assertDone, assertFailed, assertStored, start, storyOf,
  upload} from './harness.mjs';
import {S3Double, randomFaults, seededRandom} from './s3_double.mjs';

const LONG = Boolean(process.env.PARLEY_LONG);
const KILLS = LONG ? 100 : 10;
const UPLOADS = LONG ? 1_000 : 40;
/** To see one failure again: PARLEY_SEED is that of the first upload. */
const SEED = Number(process.env.PARLEY_SEED ?? 1);
const MAX_RUNS = 60;
const AT_ONCE = 4;
const STAGES = ['came', 'effect', 'answered'];

/** A failure says by which seed it can be seen again, and what the store saw. */
async function seeded(seed, attempt) {
  const store = await new S3Double(attempt.options?.(seed)).start();
  const folder = new Folder(attempt.recording?.(seed) ?? {seed});
  try {
    return await attempt(seed, store, folder);
  } catch (error) {
    const journal = fs.existsSync(folder.journal) ? fs.readFileSync(folder.journal) : 'no journal';
    throw new Error(`PARLEY_SEED=${seed}: ${error.message}\n${storyOf(store)}\n${journal}`,
        {cause: error});
  } finally {
    await store.stop();
    folder.remove();
  }
}

/** Kills the program when so many requests have come, took effect or were answered. */
function killAt(store, child, random) {
  const stage = STAGES[Math.floor(random() * STAGES.length)];
  let left = 1 + Math.floor(random() * 12);
  store.watch = (entry, now) => { if (now === stage && --left === 0) child.kill('SIGKILL'); };
}

/** What was stored, in the order in which it came. */
const bodies = (store) => store.requests
    .filter(({op, effect}) => effect && (op === 'put' || op === 'upload_part'))
    .map(({key, partNumber, sha256}) => [key, partNumber, sha256].join());

/** @returns {Promise<number>} how often it was killed */
async function uploadKilled(seed, store, folder) {
  const random = seededRandom(seed);
  for (let kills = 0; ; ++kills) {
    const before = bodies(store);
    const {child, ended} = start(store, [folder.path]);
    killAt(store, child, random);
    const result = await ended;
    await store.idle(); // what it had sent still arrives
    const again = bodies(store).slice(before.length).filter((name) => before.includes(name));
    assert.ok(again.length <= (kills > 0 ? 1 : 0), `stored before, sent again: ${again}`);
    if (result.signal === 'SIGKILL') continue;
    assertDone(result);
    assertStored(store, folder);
    // Nothing was done twice without being killed for it.
    for (const [key, {writes}] of store.objects) assert.ok(writes <= 1 + kills, key);
    assertDone(await upload(store, folder));
    return kills;
  }
}

test(`killed ${KILLS} times, nothing is doubled and only what was under way is sent again`,
    async () => {
      let kills = 0;
      for (let seed = SEED; kills < KILLS; ++seed) kills += await seeded(seed, uploadKilled);
    });

/** Faults by chance, and a kill now and then. */
async function uploadFailing(seed, store, folder) {
  const random = seededRandom(seed);
  const sleepy = seed % 20 === 0; // a hang costs seconds
  store.faults = randomFaults(random, {rate: 0.02 + 0.3 * random(), hangs: sleepy ? 1 : 0});
  const foreign = store.open('rec/another/x.webm');
  const tries = String(2 + Math.floor(random() * 4));
  const options = ['--tries', tries, '--timeout-ms', sleepy ? '300' : '10000'];
  const chance = seededRandom(~seed);
  for (let runs = 1; ; ++runs) {
    assert.ok(runs <= MAX_RUNS, `not within ${MAX_RUNS} runs`);
    const {child, ended} = start(store, [folder.path, ...options]);
    store.watch = () => {};
    if (chance() < 0.2) killAt(store, child, chance);
    const result = await ended;
    await store.idle();
    if (result.code === 0) break;
    if (result.signal !== 'SIGKILL') assertFailed(result, 'store_unavailable');
  }
  assertStored(store, folder);
  assert.ok(store.uploads.has(foreign), 'what others have open is theirs');
}
uploadFailing.options = (seed) => ({checksums: seed % 5 !== 0, minPartBytes: PART,
  listPage: 1 + seed % 3});
uploadFailing.recording = (seed) => {
  const random = seededRandom(seed + 0x5eed);
  const size = () => 1 + Math.floor(random() * 5 * PART);
  const names = ['pa_1-camera-1.webm', 'pa_1-screen_share-1.mp4', 'pa_2-camera-1.webm'];
  const count = 1 + Math.floor(random() * names.length);
  const files = Object.fromEntries(names.slice(0, count).map((name) => [name, size()]));
  return {seed, files, composed: random() < 0.3};
};

test(`${UPLOADS} uploads to a store that fails by chance end well`, async () => {
  const seeds = Array.from({length: UPLOADS}, (_, i) => SEED + i);
  const worker = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      await seeded(seed, uploadFailing);
    }
  };
  try {
    await Promise.all(Array.from({length: AT_ONCE}, worker));
  } finally {
    seeds.length = 0; // the other workers need not go on after a failure
  }
});
