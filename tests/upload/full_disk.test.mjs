/** parley-upload on a disk that is full from some write of its journal on, whichever that is. */
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {Folder, PART, assertDone, assertFailed, assertStored, bodiesOf, fullFrom, storyOf,
  upload} from './harness.mjs';
import {S3Double} from './s3_double.mjs';

const LONG = Boolean(process.env.PARLEY_LONG);
/** The longer have more than 200 writes. */
const PARTS = LONG ? 100 : 2;
const FILES = {'pa_1-camera-1.webm': PARTS * PART, 'pa_1-screen_share-1.mp4': PART,
  'pa_2-camera-1.webm': PARTS * PART + 1};

/** @returns {Promise<boolean>} whether the disk was full too late to matter */
async function uploadOnFullDisk(n, store) {
  const folder = new Folder({seed: n, files: FILES});
  try {
    const first = await upload(store, folder, [], {env: fullFrom(n)});
    const done = first.code === 0;
    if (done) assertStored(store, folder);
    else assertFailed(first, 'disk_full');
    assertDone(await upload(store, folder));
    assertStored(store, folder);
    // What was stored without being noted is sent again, and no more.
    assert.ok(bodiesOf(store) <= folder.bodies + 1, `${bodiesOf(store)} of ${folder.bodies}`);
    return done;
  } finally {
    folder.remove();
  }
}

test('a full disk at any write is named, and the next run stores everything', async () => {
  let n = 1;
  for (let done = false; !done; ++n) {
    const store = await new S3Double().start();
    try {
      done = await uploadOnFullDisk(n, store);
    } catch (error) {
      throw new Error(`write ${n}: ${error.message}\n${storyOf(store)}`, {cause: error});
    } finally {
      await store.stop();
    }
  }
  assert.ok(n > (LONG ? 200 : 20), String(n));
});
