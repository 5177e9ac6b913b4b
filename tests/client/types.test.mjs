/** What the client says of the API is what the daemon's schemas and its table of methods say. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';

import * as client from '../../control/client/node/index.js';
import {isRepeatable} from '../../control/client/node/control.js';

const CONTROL = new URL('../../control/', import.meta.url);
const read = (name) => fs.readFileSync(new URL(name, CONTROL), 'utf8');
const generated = read('client/node/methods.d.ts');

/** The members of an interface of methods.d.ts: name -> type. */
function membersOf(name) {
  const [, body] = new RegExp(`^export interface ${name} \\{([^]*?)^\\}`, 'm').exec(generated);
  const members = body.matchAll(/^ {2}'([^']+)': (.*);$/gm);
  return new Map([...members].map(([, key, type]) => [key, type]));
}

const schemas = fs.readdirSync(new URL('schema/', CONTROL))
    .filter((name) => name.endsWith('.json') && name !== 'rtc.json')
    .map((name) => JSON.parse(read(`schema/${name}`)));

/** Every method of the daemon, and whether it changes something. */
const daemons = new Map([...read('api.cpp').matchAll(/\{"([a-z_.]+)", \{[^{}]*, (true|false)\}\}/g)]
    .map(([, name, mutating]) => [name, mutating === 'true']));

test('the generated types are fresh', () => {
  const script = new URL('client/node/generate-types.mjs', CONTROL);
  execFileSync(process.execPath, [fileURLToPath(script), '--check']);
});

test('every method of the schemas and of the daemon is there, and its types are declared', () => {
  const methods = membersOf('Methods');
  const wanted = schemas.flatMap(({$defs}) => Object.keys($defs.methods ?? {})).sort();
  assert.ok(wanted.length > 50);
  assert.deepEqual([...methods.keys()], wanted);
  assert.deepEqual([...daemons.keys()].sort(), wanted);
  for (const [name, type] of methods) {
    const [, params, result] = /^\{params: (\w+); result: (\w+)\}$/.exec(type);
    for (const declared of [params, result]) {
      assert.match(generated, new RegExp(`^export (interface|type) ${declared} `, 'm'), name);
    }
  }
});

test('every event is there', () => {
  const wanted = schemas.flatMap(({$defs}) => Object.keys($defs.events ?? {}));
  if (wanted.length > 0) assert.deepEqual([...membersOf('Events').keys()], wanted);
});

test('no name is declared twice, and each that is used is declared', () => {
  const declared = [...generated.matchAll(/^export (?:interface|type) (\w+)/gm)]
      .map(([, name]) => name);
  assert.equal(new Set(declared).size, declared.length);
  const known = new Set([...declared, 'Record']);
  const code = generated.replaceAll(/\/\*\*[^]*?\*\//g, '').replaceAll(/'[^']*'/g, '');
  for (const [name] of code.matchAll(/\b[A-Z]\w*\b/g)) assert.ok(known.has(name), name);
});

test('only what changes nothing, or has an idempotency key, is sent twice', () => {
  for (const [name, mutating] of daemons) {
    assert.equal(isRepeatable(name, {}), !mutating, name);
    assert.equal(isRepeatable(name, {idempotency_key: 'k'}), true);
  }
});

test('what the client exports is what its types declare', () => {
  const types = read('client/node/index.d.ts');
  const declared = [...types.matchAll(/^export (?:class|function) (\w+)/gm)]
      .map(([, name]) => name);
  assert.deepEqual(declared.sort(), Object.keys(client).sort());
});
