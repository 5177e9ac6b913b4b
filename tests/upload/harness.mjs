/** Recordings to upload, and parley-upload as the daemon starts it. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {canHave} from './s3_double.mjs';
import {sha256} from './sigv4.mjs';

const BIN_DIR = process.env.PARLEY_BIN_DIR ??
    fileURLToPath(new URL('../../build/release/bin', import.meta.url));
export const PROGRAM = path.join(BIN_DIR, 'parley-upload');
/** The environment of a program whose disk is full from its n-th write on. */
export const fullFrom = (n) =>
  ({LD_PRELOAD: path.join(BIN_DIR, 'full_disk.so'), PARLEY_FULL_AT_WRITE: String(n)});
/** A key needs encoding in a path; the names of our files do not. */
export const PREFIX = 'rec/a+b=c%41é~/';
export const PART = 4_096;
/** What an upload asks the store for, each at least once. */
export const OPS = ['put', 'create', 'upload_part', 'complete', 'head', 'list'];
const STUCK_MS = process.env.PARLEY_LONG ? 240_000 : 60_000;

/** Files at all the edges of a part. */
const FILES = {'pa_1-camera-1.webm': 5 * PART + 100, 'pa_1-screen_share-1.mp4': PART,
  'pa_2-camera-1.webm': PART + 1};
const COMPOSITE = 3 * PART;
const EXTRAS = {'chapters.vtt': ['chapters', 60], 'thumbnail.jpg': ['thumbnail', 700],
  'sheet.jpg': ['sheet', PART - 1], 'sheet.vtt': ['sheet_index', 90]};

/** The same bytes for the same seed, one after the other. */
function seededBytes(seed) {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed >>> 0);
  const cipher = crypto.createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return (size) => cipher.update(Buffer.alloc(size));
}

/** A finished recording's folder. */
export class Folder {
  /** What is in each file, the manifest last. @type {Map<string, Buffer>} */
  contents = new Map();

  /** @param {{seed?: number, files?: Record<string, number>, composed?: boolean}} [settings] */
  constructor({seed = 1, files = FILES, composed = true} = {}) {
    this.path = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-upload-'));
    const next = seededBytes(seed);
    const add = (name, size) => {
      const bytes = next(size);
      this.contents.set(name, bytes);
      return {name, size_bytes: size, sha256: sha256(bytes)};
    };
    this.manifest = {
      schema: 1,
      recording_id: 'rec_x',
      files: Object.entries(files).map(([name, size]) => ({...add(name, size), gaps: []})),
      composites: !composed ? [] : [{
        ...add('composite.mp4', COMPOSITE),
        extras: Object.entries(EXTRAS).map(([name, [kind, size]]) => ({...add(name, size), kind})),
      }],
    };
    for (const [name, bytes] of this.contents) fs.writeFileSync(this.file(name), bytes);
    this.describe(this.manifest);
  }

  file(name) { return path.join(this.path, name); }
  get journal() { return this.file('upload.journal'); }

  /** @param {object | string} manifest  as the daemon would write it, or as text */
  describe(manifest) {
    const bytes = Buffer.from(typeof manifest === 'string' ? manifest : JSON.stringify(manifest));
    this.contents.delete('manifest.json');
    this.contents.set('manifest.json', bytes);
    fs.writeFileSync(this.file('manifest.json'), bytes);
  }

  /** How many bodies have to be sent, each an object or a part. */
  get bodies() {
    return [...this.contents.values()].reduce((sum, {length}) => sum + Math.ceil(length / PART), 0);
  }

  remove() { fs.rmSync(this.path, {recursive: true, force: true}); }
}

/**
 * Starts the program; `ended` settles with its exit, its lines and the last of them.
 * @param {import('./s3_double.mjs').S3Double} store @param {string[]} more  what is not the same
 *   for every run @param {{keys?: object, prefix?: string, launch?: string[], env?: object}}
 *   [settings] launch is the program and its arguments that starts it
 */
export function start(store, more, {keys = store.keys, prefix = PREFIX, endpoint = store.url,
  launch = [PROGRAM], env = {}} = {}) {
  const {accessKey, secretKey, sessionToken, region} = keys;
  const options = {'--endpoint': endpoint, '--region': region, '--bucket': store.bucket,
    '--key-prefix': prefix, '--part-bytes': PART, '--retry-ms': 1, '--timeout-ms': 20_000};
  const missing = Object.entries(options).filter(([name]) => !more.includes(name));
  const child = spawn(launch[0], [...launch.slice(1), ...more, ...missing.flat().map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_SESSION_TOKEN: sessionToken, ...env},
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  const stuck = setTimeout(() => child.kill('SIGABRT'), STUCK_MS);
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({code, signal}));
  }).then(({code, signal}) => {
    clearTimeout(stuck);
    for (const secret of [secretKey, sessionToken, 'Signature=']) {
      assert.ok(!secret || !(stdout + stderr).includes(secret), 'a secret was told');
    }
    const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n').filter(Boolean);
    const lines = whole.map((line) => JSON.parse(line));
    return {code, signal, stdout, stderr, lines, last: lines.at(-1)};
  });
  return {child, ended};
}

/** Uploads once. @param {Folder} folder @param {string[]} [options] @param {object} [settings] */
export const upload = (store, folder, options = [], settings = {}) =>
  start(store, [folder.path, ...options], settings).ended;

/** Ends well and says so. */
export function assertDone({code, signal, last, stderr}) {
  assert.deepEqual({code, signal, stage: last?.stage}, {code: 0, signal: null, stage: 'done'},
      `${JSON.stringify(last)} ${stderr}`);
}

/** Ends with this reason, and nothing was called done. @returns {string} its detail */
export function assertFailed({code, lines, last, stderr}, reason) {
  assert.equal(last?.reason, reason, `${code} ${JSON.stringify(last)} ${stderr}`);
  assert.equal(last.stage, 'failed');
  assert.equal(code, reason === 'bad_settings' ? 2 : 1);
  assert.ok(lines.every(({stage}) => stage !== 'done'));
  return last.detail;
}

/** This fault for the first request of each kind that can have it. @returns {Set<string>} */
export function faultOnce(target, kind, ops = OPS) {
  const left = new Set(ops.filter((op) => canHave(kind, op)));
  target.faults = ({op}) => (left.delete(op) ? {kind} : undefined);
  return left;
}

/** Every file is stored as it is here, once, and nothing else is, not even half of it. */
export function assertStored(store, folder, prefix = PREFIX) {
  const stored = [...store.objects].filter(([key]) => key.startsWith(prefix))
      .map(([key, object]) => [key, object.sha256]).sort();
  const here = [...folder.contents].map(([name, bytes]) => [prefix + name, sha256(bytes)]).sort();
  assert.deepEqual(stored, here);
  assert.deepEqual([...store.uploads.values()].filter(({key}) => key.startsWith(prefix)), []);
}

/** How many bodies took effect. @param {S3Double} store */
export const bodiesOf = (store) => store.done('put').length + store.done('upload_part').length;

/** The last requests as text, to see how a failure came about. */
export const storyOf = (store) => store.requests.slice(-40).map((entry) =>
  [entry.op, entry.key, entry.partNumber, entry.fault, entry.status ?? 'no answer', entry.code,
    entry.effect ? 'effect' : ''].filter((word) => word !== undefined).join(' ')).join('\n');
