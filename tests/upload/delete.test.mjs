/** parley-upload --delete: what the daemon does before it forgets a recording. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';

import {Folder, PREFIX, assertDone, assertFailed, faultOnce, start, upload} from './harness.mjs';
import {S3Double} from './s3_double.mjs';

let store;
let folder;

beforeEach(async () => {
  store = await new S3Double().start();
  folder = new Folder();
});
afterEach(async () => {
  await store.stop();
  folder.remove();
});

const remove = (names, options = [], settings = {}) =>
  start(store, ['--delete', ...names, ...options], settings).ended;

test('deleting takes all objects and what is open under the prefix, and no other', async () => {
  store.listPage = 2;
  const decoded = `${decodeURIComponent(PREFIX).replace('+', ' ')}x.webm`;
  assertDone(await upload(store, folder));
  const foreign = [`${PREFIX.slice(0, -1)}d/x.webm`, decoded, 'rec/other.webm'];
  const others = foreign.map((key) => {
    store.objects.set(key, {bytes: Buffer.from('x')});
    return store.open(key);
  });
  const deeper = `${PREFIX}another/x.webm`;
  store.objects.set(deeper, {bytes: Buffer.from('x')});
  store.open(`${PREFIX}gone.webm`);
  for (const name of folder.contents.keys()) store.open(PREFIX + name);
  // Some are in no record: forgotten, of an upload that was killed, the folder of a console.
  const forgotten = ['composite.mp4', 'sheet.jpg', 'thumbnail.jpg'];
  const names = [...folder.contents.keys()].filter((name) => !forgotten.includes(name));
  for (const name of ['', 'composite-sound.mp4', 'a&b<c>.txt']) {
    store.objects.set(PREFIX + name, {bytes: Buffer.from('x')});
  }
  for (let i = 0; i < 2; ++i) { // deleting twice is fine
    const result = await remove(names);
    assertDone(result);
    assert.deepEqual(result.last.deleted, names.map((name) => ({name, key: PREFIX + name})));
    assert.equal(result.last.others, i === 0 ? forgotten.length + 3 : 0);
    assert.deepEqual([...store.objects.keys()].sort(), [...foreign, deeper].sort());
    assert.deepEqual([...store.uploads.keys()].sort(), others.sort());
    for (const name of names) assert.equal(store.requests.filter(({op, key, status}) =>
      op === 'head' && key === PREFIX + name && status === 404).length, i + 1);
  }
});

test('deleting gets over what goes wrong', async () => {
  for (const kind of ['slow_down', 'internal_error', 'lost_answer', 'close_after']) {
    store.objects.set(`${PREFIX}a.webm`, {bytes: Buffer.from('x'), headers: {}, etag: '""'});
    store.open(`${PREFIX}b.webm`);
    store.objects.set(`${PREFIX}c.webm`, {bytes: Buffer.from('x'), headers: {}, etag: '""'});
    const left = faultOnce(store, kind, ['list', 'abort', 'delete', 'head', 'list_objects']);
    assertDone(await remove(['a.webm', 'b.webm']));
    assert.equal(left.size, 0, kind);
    assert.equal(store.objects.size + store.uploads.size, 0, kind);
  }
});

test('what cannot be deleted is not called deleted', async () => {
  store.objects.set(`${PREFIX}a.webm`, {bytes: Buffer.from('x'), headers: {}, etag: '""'});
  store.faults = ({op}) => (op === 'delete' ? {kind: 'denied'} : undefined);
  assert.match(assertFailed(await remove(['a.webm']), 'store_refused'), /AccessDenied/);
  store.faults = () => ({kind: 'slow_down'});
  assertFailed(await remove(['a.webm'], ['--tries', '2']), 'store_unavailable');
  const wrong = {...store.keys, secretKey: 'not/the+secret=of-this-store'};
  store.faults = () => undefined;
  assert.match(assertFailed(await remove(['a.webm'], [], {keys: wrong}), 'store_refused'),
      /SignatureDoesNotMatch/);
  assert.ok(store.objects.has(`${PREFIX}a.webm`));
});

test('a list that is cut off is asked for again, and one that never ends is not believed',
    async () => {
      for (const kind of ['truncated', 'cut_answer']) {
        store.objects.set(`${PREFIX}b.webm`, {bytes: Buffer.from('x'), headers: {}, etag: '""'});
        faultOnce(store, kind, ['list', 'list_objects']);
        assertDone(await remove(['a.webm']));
        assert.equal(store.objects.size, 0, kind);
      }
      // Of a store that says that it deletes, and does not.
      const stays = {bytes: Buffer.from('x'), headers: {}, etag: '""'};
      store.watch = () => store.objects.set(`${PREFIX}b.webm`, stays);
      assert.match(assertFailed(await remove(['a.webm']), 'store_unavailable'),
          /b\.webm: it is still there/);
    });
