/** parley-upload against a store that is strict, refuses, fails, lies and forgets. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {afterEach, beforeEach, test} from 'node:test';

import {Folder, OPS, PART, PREFIX, PROGRAM, assertDone, assertFailed, assertStored, bodiesOf,
  faultOnce, start, upload} from './harness.mjs';
import {FAULTS, S3Double} from './s3_double.mjs';
import {sha256} from './sigv4.mjs';

/** Of the recording that most tests have. */
const PARTS = 6 + 2 + 3;
const TYPES = {webm: 'video/webm', mp4: 'video/mp4', json: 'application/json', vtt: 'text/vtt',
  jpg: 'image/jpeg'};

let store;
let folder;
const stores = [];

/** A store of its own for this test. @param {object} [options] */
async function open(options) {
  stores.push(await new S3Double(options).start());
  return stores.at(-1);
}
beforeEach(async () => {
  store = await open();
  folder = new Folder();
});
afterEach(async () => {
  for (const one of stores.splice(0)) await one.stop();
  folder.remove();
});

/** Every request from the one of this number on fails. */
const failFrom = (number, kind) => { // 1 is the first
  store.faults = () => (store.requests.length >= number ? {kind} : undefined);
};

test('every file is stored as it is here, the manifest last, each part once', async () => {
  const result = await upload(store, folder);
  assertDone(result);
  assertStored(store, folder);
  assert.equal(bodiesOf(store), folder.bodies);
  assert.equal(store.done('create').length, 3);
  for (let partNumber = 1; partNumber <= 6; ++partNumber) {
    assert.equal(store.done('upload_part', {partNumber,
      key: `${PREFIX}pa_1-camera-1.webm`}).length, 1);
  }
  const plain = store.done('put', {key: `${PREFIX}pa_1-screen_share-1.mp4`});
  assert.equal(plain.length, 1, 'a file of one part is sent at once');
  assert.equal(store.done('put').at(-1).key, `${PREFIX}manifest.json`);
  const stores = store.requests.filter(({op}) => ['put', 'complete'].includes(op));
  assert.equal(stores.at(-1).key, `${PREFIX}manifest.json`);
  assert.deepEqual(store.requests.filter(({status}) => status >= 300), []);
});

test('the last line names every file, those before it how far it is', async () => {
  const {lines, last} = await upload(store, folder);
  const sizes = [...folder.contents].map(([, bytes]) => bytes.length);
  const all = sizes.reduce((sum, size) => sum + size);
  assert.deepEqual(last, {
    stage: 'done',
    size_bytes: all,
    files: [...folder.contents].map(([name, bytes]) => (
      {name, key: PREFIX + name, size_bytes: bytes.length, sha256: sha256(bytes)})),
  });
  const progress = lines.slice(0, -1);
  assert.ok(progress.length > 3);
  let before = 0;
  for (const {stage, done_bytes: done, total_bytes: total} of progress) {
    assert.equal(stage, 'upload');
    assert.equal(total, all);
    assert.ok(done >= before && done <= total, `${done} after ${before}`);
    before = done;
  }
  assert.equal(before, all);
});

test('every request proves what it carries', async () => {
  assertDone(await upload(store, folder));
  for (const {op, method, headers, sha256: body} of store.requests) {
    assert.equal(headers['x-amz-content-sha256'], body, op);
    const checksum = headers['x-amz-checksum-sha256'];
    if (method === 'PUT') assert.equal(Buffer.from(checksum, 'base64').toString('hex'), body);
    if (op === 'create') assert.equal(headers['x-amz-checksum-algorithm'], 'SHA256');
    if (op === 'head') assert.equal(headers['x-amz-checksum-mode'], 'ENABLED');
  }
});

test('objects have their content type, and what the operator wants for them', async () => {
  for (const [options, expected] of [
    [[], {}],
    [['--sse', 'AES256', '--storage-class', 'STANDARD_IA'],
      {'x-amz-server-side-encryption': 'AES256', 'x-amz-storage-class': 'STANDARD_IA'}],
    [['--sse', 'aws:kms', '--kms-key-id', 'arn:aws:kms:eu-test-1:1:key/2'],
      {'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:eu-test-1:1:key/2'}]]) {
    fs.rmSync(folder.journal, {force: true});
    assertDone(await upload(store, folder, options));
    assertStored(store, folder);
    for (const [key, {headers}] of store.objects) {
      const type = TYPES[key.split('.').at(-1)];
      assert.deepEqual(headers, {'content-type': type, ...expected}, key);
    }
  }
});

test('credentials of a session and a bucket in the host are good too', async () => {
  store = await open({sessionToken: 'token/of+a=session'});
  const endpoint = `http://localhost:${store.port}`; // whose subdomains are this machine
  assertDone(await upload(store, folder, ['--virtual-host'], {endpoint}));
  assertStored(store, folder);
  const hosts = new Set(store.requests.map(({headers}) => headers.host));
  assert.deepEqual([...hosts], [`recordings.localhost:${store.port}`]);
  assert.ok(store.requests.every(({target}) => !target.startsWith('/recordings')));
  assert.ok(!fs.readFileSync(folder.journal).includes(store.keys.sessionToken));
});

test('files larger than what a socket takes at once', async () => {
  folder.remove();
  folder = new Folder({files: {'pa_1-camera-1.webm': 5 << 20, 'pa_2-camera-1.webm': 2 << 20},
    composed: false});
  const left = faultOnce(store, 'slow_down');
  assertDone(await upload(store, folder, ['--part-bytes', String(2 << 20)]));
  assertStored(store, folder);
  faultOnce(store, 'cut_body');
  fs.rmSync(folder.journal);
  assertDone(await upload(store, folder, ['--part-bytes', String(2 << 20)]));
  assertStored(store, folder);
  assert.equal(left.size, 0);
});

test('a second run sends nothing again', async () => {
  assertDone(await upload(store, folder));
  const again = await upload(store, folder);
  assertDone(again);
  assert.equal(bodiesOf(store), folder.bodies);
  assert.equal(store.done('create').length, 3);
  assert.equal(again.last.files.length, folder.contents.size);
});

test('two runs at a time send as much as one', async () => {
  const results = await Promise.all([upload(store, folder), upload(store, folder)]);
  results.forEach(assertDone);
  assertStored(store, folder);
  assert.equal(bodiesOf(store), folder.bodies);
});

test('the size of parts may change between two runs', async () => {
  for (const bytes of [PART / 2, 2 * PART, 1 << 20]) {
    failFrom(store.requests.length + 6, 'slow_down'); // after some parts
    assertFailed(await upload(store, folder, ['--tries', '1']), 'store_unavailable');
    store.faults = () => undefined;
    assertDone(await upload(store, folder, ['--part-bytes', String(bytes)]));
    assertStored(store, folder);
    store.objects.clear();
    fs.rmSync(folder.journal);
  }
});

const long = {skip: !process.env.PARLEY_LONG};
test('a file of more than 10,000 parts has larger parts', long, async () => {
  folder.remove();
  folder = new Folder({files: {'pa_1-camera-1.webm': 10_001 * 1_024}, composed: false});
  assertDone(await upload(store, folder, ['--part-bytes', '1024']));
  assertStored(store, folder);
  const parts = store.done('upload_part').length;
  assert.ok(parts > 9_000 && parts <= 10_000, String(parts));
});

test('a recording that was composed since is sent as far as it is new', async () => {
  folder.remove();
  folder = new Folder({composed: false});
  assertDone(await upload(store, folder));
  const sent = bodiesOf(store);
  const composed = new Folder({seed: 2});
  const {name, ...rest} = composed.manifest.composites[0];
  const bytes = composed.contents.get(name);
  composed.remove();
  fs.writeFileSync(folder.file(name), bytes);
  folder.contents.set(name, bytes);
  folder.describe({...folder.manifest, composites: [{name, ...rest, extras: []}]});
  assertDone(await upload(store, folder));
  assertStored(store, folder);
  assert.equal(bodiesOf(store) - sent, 3 + 1, 'its parts and the manifest');
});

test('a journal of another place is not believed', async () => {
  assertDone(await upload(store, folder));
  assertDone(await upload(store, folder, [], {prefix: 'rec/another/'}));
  assertStored(store, folder, 'rec/another/');
  const other = await open();
  assertDone(await upload(other, folder, [], {prefix: 'rec/another/'}));
  assertStored(other, folder, 'rec/another/');
});

test('a journal that is torn or garbled costs bytes, and nothing else', async () => {
  const damages = [
    (journal) => journal.subarray(0, -1),
    (journal) => journal.subarray(0, journal.length >> 1),
    () => Buffer.alloc(0),
    (journal) => Buffer.concat([journal.subarray(0, journal.length >> 1), Buffer.alloc(64)]),
    (journal) => Buffer.concat([journal, Buffer.from('}{\n\0')]),
  ];
  for (const damage of damages) {
    failFrom(store.requests.length + 6, 'slow_down'); // in the middle of the first file
    assertFailed(await upload(store, folder, ['--tries', '1']), 'store_unavailable');
    assert.equal(store.uploads.size, 1);
    store.faults = () => undefined;
    fs.writeFileSync(folder.journal, damage(fs.readFileSync(folder.journal)));
    assertDone(await upload(store, folder));
    assertStored(store, folder);
    fs.rmSync(folder.journal);
  }
});

/** What is sent again after a fault: one body, or a file. */
function assertSentAgain(kind, faults) {
  const again = bodiesOf(store) - folder.bodies;
  if (['forget', 'flip'].includes(kind)) return;
  const allowed = ['lost_answer', 'hang_after'].includes(kind) ? faults : 0;
  assert.ok(again <= allowed, `${again} bodies were sent again`);
}

for (const [kind, {why, fatal}] of Object.entries(FAULTS)) {
  if (fatal || kind.startsWith('hang')) continue;
  test(`it gets over ${kind}: ${why}`, async () => {
    const left = faultOnce(store, kind);
    assertDone(await upload(store, folder));
    assertStored(store, folder);
    assert.deepEqual([...left], [], 'each kind of request had it');
    assertSentAgain(kind, 2);
  });
}

test('it gets over a store that does not answer, and gives up one that never does', async () => {
  const options = ['--timeout-ms', '300', '--tries', '2'];
  store.faults = () => ({kind: 'hang'});
  const never = upload(store, folder, options);
  const waits = [['hang', 'create'], ['hang', 'put'], ['hang', 'head'], ['hang_after', 'create'],
    ['hang_after', 'upload_part'], ['hang_after', 'complete']];
  // Each waits for its own timeout, so they wait together.
  await Promise.all(waits.map(async ([kind, op], i) => {
    const sleepy = await open();
    const other = new Folder({seed: i});
    try {
      const left = faultOnce(sleepy, kind, [op]);
      assertDone(await upload(sleepy, other, options));
      assert.equal(left.size, 0);
      assertStored(sleepy, other);
    } finally {
      other.remove();
    }
  }));
  assertFailed(await never, 'store_unavailable');
});

test('a line that is slowed down is not taken for one that is dead', async () => {
  const small = new Folder({files: {'a.webm': 2_000}, composed: false});
  try { // a thousand bytes go, and then none for a second
    assertDone(await upload(store, small, ['--max-kbps', '8', '--timeout-ms', '900']));
    assertStored(store, small);
  } finally {
    small.remove();
  }
});

test('what an older store has is read back and compared', async () => {
  store = await open({checksums: false});
  const left = faultOnce(store, 'flip');
  assertDone(await upload(store, folder));
  assert.equal(left.size, 0);
  assertStored(store, folder);
  const read = new Set(store.done('get').map(({key}) => key));
  assert.equal(read.size, folder.contents.size);
});

test('reading back gets over what goes wrong on the way', async () => {
  for (const kind of ['slow_down', 'cut_answer', 'lost_answer', 'close_after']) {
    store = await open({checksums: false});
    fs.rmSync(folder.journal, {force: true});
    const left = faultOnce(store, kind, ['get']);
    assertDone(await upload(store, folder));
    assert.equal(left.size, 0, kind);
    assertStored(store, folder);
  }
});

test('where the store has lost a part, all of the file is sent anew', async () => {
  let lost = 0;
  store.watch = ({op, uploadId}, when) => {
    if (op === 'complete' && when === 'came' && lost++ === 0) store.uploads.get(uploadId).parts.delete(1);
  };
  assertDone(await upload(store, folder));
  assert.ok(lost > 1);
  assertStored(store, folder);
});

test('a store that never keeps what it is sent is not called done', async () => {
  store.faults = ({op}) => (op === 'upload_part' ? {kind: 'flip'} : undefined);
  assertFailed(await upload(store, folder), 'store_unavailable');
  assert.ok(!store.objects.has(`${PREFIX}manifest.json`));
  assert.equal(store.uploads.size, 0);
});

test('what the store refuses is not asked for again', async () => {
  const wrong = {...store.keys, secretKey: 'not/the+secret=of-this-store'};
  assert.match(assertFailed(await upload(store, folder, [], {keys: wrong}), 'store_refused'),
      /SignatureDoesNotMatch/);
  assert.equal(store.requests.length, 1);
  const refused = async (code, options, settings) => {
    const result = await upload(store, folder, options, settings);
    assert.ok(assertFailed(result, 'store_refused').includes(code), JSON.stringify(result.last));
  };
  await refused('InvalidAccessKeyId', [], {keys: {...store.keys, accessKey: 'AKIAOTHER'}});
  await refused('AuthorizationHeaderMalformed', [], {keys: {...store.keys, region: 'us-1'}});
  await refused('NoSuchBucket', ['--bucket', 'another']);
  store = await open({skewMs: 3_600_000});
  await refused('RequestTimeTooSkewed');
  assert.equal(store.objects.size, 0);
});

OPS.forEach((op, i) => {
  const kind = i % 2 ? 'denied' : 'skewed';
  test(`what is refused in the middle can go on later: ${op}, ${kind}`, async () => {
    let count = op === 'list' ? 1 : 0; // it is listed once, at the end
    store.faults = (entry) => (entry.op === op && ++count === 2 ? {kind} : undefined);
    const detail = assertFailed(await upload(store, folder), 'store_refused');
    // An answer to HEAD has no body that could say why.
    if (op !== 'head') assert.match(detail, /AccessDenied|RequestTimeTooSkewed/);
    store.faults = () => undefined;
    assertDone(await upload(store, folder));
    assertStored(store, folder);
    assert.equal(store.done('upload_part').length, PARTS, 'what was stored is not sent again');
  });
});

test('nobody is sent elsewhere with our signature', async () => {
  const elsewhere = await open();
  for (const [status, code] of [[301, 'PermanentRedirect'], [307, 'TemporaryRedirect']]) {
    for (const op of ['put', 'create']) {
      fs.rmSync(folder.journal, {force: true});
      const location = `${elsewhere.url}/recordings/x`;
      store.faults = (entry) =>
        (entry.op === op ? {kind: 'redirect', status, location} : undefined);
      assert.ok(assertFailed(await upload(store, folder), 'store_refused').includes(code));
    }
  }
  assert.equal(elsewhere.requests.length, 0);
});

test('a store that cannot be reached is tried as often as it says', async () => {
  store.faults = () => ({kind: 'slow_down'});
  assertFailed(await upload(store, folder, ['--tries', '3']), 'store_unavailable');
  assert.equal(store.requests.filter(({op}) => op === 'create').length, 1);
});

test('a store that is not there is unavailable', async () => {
  const gone = await open();
  const {url, keys, bucket} = gone;
  await gone.stop();
  stores.splice(stores.indexOf(gone), 1);
  for (const endpoint of [url, 'http://store.invalid']) {
    const result = await upload({keys, bucket}, folder, ['--tries', '2'], {endpoint});
    assertFailed(result, 'store_unavailable');
  }
});

test('after an outage it goes on where it was', async () => {
  for (let number = 1; ; number += 3) {
    failFrom(store.requests.length + number, 'internal_error');
    const result = await upload(store, folder, ['--tries', '2']);
    if (result.code === 0) break;
    assertFailed(result, 'store_unavailable');
  }
  assertStored(store, folder);
  assert.ok(bodiesOf(store) <= folder.bodies + 5, 'but for plain files whose HEAD failed');
  assert.equal(store.done('upload_part').length, PARTS);
});

test('a damaged file is never called done', async () => {
  const plain = 'pa_1-screen_share-1.mp4';
  const parted = 'pa_1-camera-1.webm';
  const damages = {
    'a byte is another': (bytes) => bytes.map((byte, i) => (i === 10 ? byte ^ 1 : byte)),
    'the end is missing': (bytes) => bytes.subarray(0, -1),
    'something follows': (bytes) => Buffer.concat([bytes, Buffer.from('x')]),
    'a part follows': (bytes) => Buffer.concat([bytes, Buffer.alloc(PART)]),
    'it is empty': () => Buffer.alloc(0),
    'it is not there': () => null,
  };
  for (const name of [plain, parted]) {
    for (const [what, damage] of Object.entries(damages)) {
      const bytes = damage(folder.contents.get(name));
      if (bytes) fs.writeFileSync(folder.file(name), bytes);
      else fs.rmSync(folder.file(name));
      const detail = assertFailed(await upload(store, folder), 'local_damaged');
      assert.ok(detail.includes(name), `${name}: ${what}: ${detail}`);
      assert.ok(!store.objects.has(PREFIX + name), `${name}: ${what}`);
      assert.ok(!store.objects.has(`${PREFIX}manifest.json`));
      assert.equal(store.uploads.size, 0, `${name}: ${what}`);
      fs.writeFileSync(folder.file(name), folder.contents.get(name));
    }
    fs.rmSync(folder.journal, {force: true});
    store.objects.clear();
  }
  assertDone(await upload(store, folder));
  assertStored(store, folder);
});

test('a file that is damaged between two runs is noticed', async () => {
  const name = 'pa_1-camera-1.webm';
  failFrom(5, 'slow_down');
  assertFailed(await upload(store, folder, ['--tries', '1']), 'store_unavailable');
  assert.equal(store.done('upload_part').length, 3);
  store.faults = () => undefined;
  for (const at of [10, 4 * PART]) { // in a part that was sent, in one that was not
    const bytes = Buffer.from(folder.contents.get(name));
    bytes[at] ^= 1;
    fs.writeFileSync(folder.file(name), bytes);
    assertFailed(await upload(store, folder), 'local_damaged');
    assert.ok(!store.objects.has(PREFIX + name));
    assert.equal(store.uploads.size, 0);
  }
  fs.writeFileSync(folder.file(name), folder.contents.get(name));
  assertDone(await upload(store, folder));
  assertStored(store, folder);
});

test('local files stay as they are', async () => {
  assertDone(await upload(store, folder));
  for (const [name, bytes] of folder.contents) {
    assert.ok(fs.readFileSync(folder.file(name)).equals(bytes), name);
  }
});

test('a manifest that makes no sense sends nothing', async () => {
  const [file] = folder.manifest.files;
  const one = (more) => ({...folder.manifest, files: [{...file, ...more}]});
  for (const manifest of ['{', '[]', {...folder.manifest, schema: 2}, one({name: '../secret'}),
    one({name: '/etc/passwd'}), one({size_bytes: -1}), one({sha256: undefined}),
    {...folder.manifest, composites: [{...folder.manifest.composites[0], extras: [{}]}]}]) {
    folder.describe(manifest);
    assertFailed(await upload(store, folder), 'bad_manifest');
  }
  fs.rmSync(folder.file('manifest.json'));
  assertFailed(await upload(store, folder), 'bad_manifest');
  assert.equal(store.requests.length, 0);
});

test('settings that make no sense are told apart', async () => {
  for (const [more, settings] of [[['--endpoint', 'ftp://host']], [['--endpoint', 'nothing']],
    [['--bucket', '']], [['--bucket', 'a/b']], [['--region', '']],
    [[], {keys: {...store.keys, secretKey: ''}}], [[], {keys: {...store.keys, accessKey: ''}}]]) {
    assertFailed(await upload(store, folder, more, settings), 'bad_settings');
  }
  assertFailed(await start(store, []).ended, 'bad_settings');
  // What is no command line at all, nobody but a person can have written.
  for (const more of [['--part-bytes', '0'], ['--tries', '0'], ['--no-such'], ['--delete', 'x']]) {
    const {code, stdout, stderr} = await upload(store, folder, more);
    assert.equal(code, 2, `${more}`);
    assert.ok((stdout + stderr).includes(more[0]), `${more}: ${stdout}${stderr}`);
  }
  assert.equal(store.requests.length, 0);
});

test('a folder that takes no journal is a disk error', async () => {
  fs.mkdirSync(folder.journal);
  fs.writeFileSync(`${folder.journal}/x`, '');
  assertFailed(await upload(store, folder), 'disk_error');
  assert.equal(store.requests.length, 0);
});

test('it ends with who started it', async () => {
  store.faults = ({op}) => (op === 'create' ? {kind: 'hang'} : undefined);
  let came;
  const here = new Promise((resolve) => { came = resolve; });
  store.watch = ({op}) => { if (op === 'create') came(); };
  const launch = ['sh', '-c', '"$0" "$@" --parent $$; exit 7', PROGRAM];
  const {child, ended} = start(store, [folder.path], {launch});
  await Promise.race([here, ended]);
  assert.equal(child.exitCode, null);
  child.kill('SIGKILL');
  await store.idle(); // the connection that hung is closed by nobody else
  await ended;
  const stranger = await start(store, [folder.path, '--parent', '1']).ended;
  assert.equal(stranger.code, 1);
});
