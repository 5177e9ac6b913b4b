/** docs/control.md: its examples run as they stand, and it knows every reason the daemon gives. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';

import {Daemon, KEY} from '../browser/daemon.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CONTROL = path.join(ROOT, 'control');
const BIN_DIR = process.env.PARLEY_BIN_DIR ?? path.join(ROOT, 'build/release/bin');
const text = fs.readFileSync(path.join(ROOT, 'docs/control.md'), 'utf8');

/** All blocks that are to be run, as one shell script that ends with the first that fails. */
function scriptOf(folder) {
  const parts = ['set -euo pipefail'];
  for (const [, language, code] of text.matchAll(/<!-- run -->\n```(\w+)\n([^]*?)```/g)) {
    assert.ok(['sh', 'js'].includes(language), language);
    if (language === 'sh') {
      parts.push(code);
    } else {
      const file = `example-${parts.length}.mjs`;
      fs.writeFileSync(path.join(folder, file), code);
      parts.push(`node ${file}`);
    }
  }
  assert.ok(parts.length > 8, 'there are examples');
  return parts.join('\n');
}

test('every example of docs/control.md runs, in order', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-docs-'));
  const daemon = await Daemon.start({workers: 1});
  try {
    fs.mkdirSync(path.join(folder, 'node_modules'));
    fs.symlinkSync(path.join(CONTROL, 'client/node'),
        path.join(folder, 'node_modules/parley-control'));
    fs.writeFileSync(path.join(folder, 'secret'), `${KEY.secret}\n`);
    const child = spawn('bash', ['-c', scriptOf(folder)], {
      cwd: folder,
      env: {
        ...process.env,
        PATH: `${BIN_DIR}:${process.env.PATH}`,
        PARLEY_URL: daemon.url,
        PARLEY_KEY_ID: KEY.id,
        PARLEY_SECRET_FILE: path.join(folder, 'secret'),
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => { output += data; });
    }
    const code = await new Promise((resolve) => { child.once('close', resolve); });
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /"error":/);
    assert.match(output, /"created":true/);
    assert.equal(output.match(/\/#token=[\w-]+\.[\w-]+\.[\w-]+/g).length, 4, output);
    assert.match(output, /^660 minutes$/m);
    assert.match(output, /^\d+ room\.created seller-1 car-5512$/m);
    assert.match(output, /^\d+ room\.deleted seller-1 car-5513$/m);
    assert.match(output, /reason: 'stopped'/);
    assert.match(output, /^ev_\S+ webhook\.test$/m);
    assert.match(output, /delivered: true/);
    assert.match(output, /"recordings":\[\]/);
  } finally {
    await daemon.stop();
    fs.rmSync(folder, {recursive: true, force: true});
  }
});

const sources = fs.readdirSync(CONTROL).filter((name) => /\.(cpp|h)$/.test(name))
    .map((name) => fs.readFileSync(path.join(CONTROL, name), 'utf8')).join('\n');

/** The names in the first column of the tables from one heading on, to another or the end. */
function namesIn(from, to) {
  const end = to ? text.indexOf(`\n## ${to}\n`) : text.length;
  const part = text.slice(text.indexOf(`\n## ${from}\n`), end);
  const cells = [...part.matchAll(/^\| (`[^|]*)\|/gm)].map(([, cell]) => cell).join();
  return [...cells.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name);
}

test('the table of errors has every reason the daemon gives, and no other', () => {
  // Everything that makes an error: with a status first, or by a helper that knows it.
  const makers = new RegExp([
    /\b(?:rpc_error|rejected|refuse)\(\s*Status::\w+,\s*"([a-z_]+)"/,
    /\b(?:token_error|refused)\(\s*"([a-z_]+)"/,
    /\bbad\([^,;{}"]+,\s*"([a-z_]+)",/,
  ].map(({source}) => source).join('|'), 'g');
  const given = [...sources.matchAll(makers)].map(([, ...found]) => found.find(Boolean));
  assert.ok(given.length > 80, `only ${given.length} were found`);
  const told = namesIn('Errors', 'Why a call ends');
  assert.deepEqual(told.filter((name, i) => told.indexOf(name) !== i), [], 'told twice');
  assert.deepEqual([...new Set(told)].sort(), [...new Set(given)].sort());
});

test('every reason for which a call ends is one that the daemon gives', () => {
  const names = namesIn('Why a call ends');
  assert.ok(names.length > 15);
  for (const name of names) assert.ok(sources.includes(`"${name}"`), name);
});
