/** The client against a real parleyd that is killed, cut off, replaced and made to wait. */
import assert from 'node:assert/strict';
import {fork} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';

import {Control, apiToken, durableFile, fileCursor, joinToken,
  verifyWebhook} from '../../control/client/node/index.js';
import {Daemon, KEY} from '../browser/daemon.mjs';
import {until} from '../browser/wait.mjs';
import {Cutter, Person, closeControls, control, failure, seededRandom} from './harness.mjs';

const EVENTS = 2_000;
const DAEMON_KILLS = 5;
const CONSUMER_KILLS = 8;
const CUTS = 20;
const PRODUCERS = 40;
const STORM_TIMEOUT_MS = 50_000;

let daemon;
let backend;

before(async () => {
  daemon = await Daemon.start({workers: 1, auth: {reads_per_s: 0, writes_per_s: 0}});
  backend = control(daemon.url);
});
after(async () => {
  await closeControls();
  await daemon?.stop();
});

/** A cursor in memory and what was done, for one consumer. */
function memory(cursor = null) {
  const kept = {cursor, done: [], resets: []};
  return {
    kept,
    load: () => kept.cursor,
    handle: (event, next) => { kept.done.push(event); kept.cursor = next; },
    reset: (snapshot, next) => { kept.resets.push(snapshot); kept.cursor = next; },
  };
}
const names = (kept) => kept.done.map(({data}) => data.name);
const create = (name, more = {}) => backend.call('room.create', {tenant: 'tests', name, ...more});

test('a call gives the same over the socket and over HTTP', async () => {
  const over = control(daemon.url, {transport: 'http'});
  const {room_id: roomId} = await create('both-ways');
  const again = await over.call('room.create', {tenant: 'tests', name: 'both-ways'});
  assert.equal(again.room_id, roomId);
  assert.deepEqual(await over.call('room.get', {room_id: roomId}),
      await backend.call('room.get', {room_id: roomId}));
  for (const one of [over, backend]) {
    const error = await failure(one.call('room.get', {room_id: 'rm_none'}));
    assert.equal(error.name, 'ParleyError');
    assert.equal(error.reason, 'room_not_found');
    assert.equal(error.status, 'not_found');
    assert.equal(error.code, -32003);
    assert.equal(error.retryable, false);
    assert.equal(error.field, 'room_id');
    assert.match(error.traceId, /^err_/);
  }
  assert.throws(() => over.consume({consumer: 'x', load() {}, handle() {}}),
      {reason: 'needs_websocket'});
  await over.close();
  assert.equal((await failure(over.call('ping'))).reason, 'closed');
});

test('an error has the members that its reason has', async () => {
  await create('settings');
  const differs = await failure(create('settings', {max_participants: 3}));
  assert.equal(differs.reason, 'already_exists');
  assert.deepEqual(differs.details.differs, ['max_participants']);
  const typo = await failure(backend.call('room.get', {tenant: 'tests', rom: 'x'}));
  assert.equal(typo.status, 'invalid_argument');
  assert.equal((await failure(backend.call('no.such', {}))).reason, 'unknown_method');
  const big = await failure(create('big', {attributes: {text: 'x'.repeat(300_000)}}));
  assert.equal(big.reason, 'message_too_big');
});

test('a credential that is refused ends calls and consumers at once, over both ways', async () => {
  for (const transport of ['socket', 'http']) {
    const stranger = control(daemon.url, {transport, key: {id: 'tests', secret: 'x'.repeat(40)}});
    const error = await failure(stranger.call('ping'));
    assert.equal(error.reason, 'unauthenticated');
    assert.equal(error.status, 'unauthenticated');
    if (transport === 'socket') {
      const {done} = stranger.consume({consumer: 'stranger', ...memory()});
      assert.equal((await failure(done)).reason, 'unauthenticated');
    }
    await stranger.close();
  }
  assert.throws(() => new Control({url: daemon.url}), TypeError);
  const own = new Control({url: daemon.url, token: async () => apiToken(KEY)});
  assert.ok((await own.call('ping')).server_time_ms);
  await own.close();
});

test('hundreds of calls wait for each other, and what is too much is refused', async () => {
  const few = control(daemon.url, {maxQueued: 200});
  await few.call('ping');
  const calls = Array.from({length: 300}, () => few.call('ping'));
  await Promise.all(calls);
  const more = Array.from({length: 401}, () => few.call('ping'));
  const reasons = (await Promise.allSettled(more)).map(({reason}) => reason?.reason);
  assert.deepEqual(reasons.filter(Boolean), ['queue_full']);
  await few.close();
});

test('calls wait while the daemon is away and are answered when it is back', async () => {
  await create('before-it-went');
  await daemon.kill();
  const asked = backend.call('room.list', {tenant: 'tests'});
  const made = create('made-while-away', {idempotency_key: 'away-1'});
  await daemon.run();
  assert.equal((await made).created, true);
  assert.ok((await asked).rooms.some(({name}) => name === 'before-it-went'));
  const gone = await Cutter.start(daemon.port);
  const nobody = gone.url;
  await gone.stop();
  const patient = control(nobody, {transport: 'http'});
  const late = await failure(patient.call('ping', {}, {timeoutMs: 100}));
  assert.equal(late.reason, 'timeout');
  assert.match(late.message, /ECONNREFUSED/);
  await patient.close();
});

test('a call under way when the socket breaks is sent again only if that is safe', async () => {
  const cutter = await Cutter.start(daemon.port);
  const shaky = control(cutter.url);
  const breaking = async (...call) => {
    await shaky.call('ping');
    cutter.swallowNext = true;
    return shaky.call(...call);
  };
  const room = {tenant: 'tests', name: 'breaking'};
  const error = await failure(breaking('room.create', room));
  assert.equal(error.reason, 'connection_lost');
  assert.equal(error.retryable, true);
  assert.equal((await breaking('room.create', {...room, idempotency_key: 'b-1'})).created, true);
  assert.equal((await breaking('room.get', {tenant: 'tests', room: 'breaking'})).name, 'breaking');
  await shaky.close();
  await cutter.stop();
});

test('who calls too often waits for as long as he is told', async () => {
  const slow = await Daemon.start({workers: 1, auth: {reads_per_s: 0, writes_per_s: 20}});
  try {
    for (const transport of ['socket', 'http']) {
      const eager = control(slow.url, {transport});
      const make = (i, more) =>
        eager.call('room.create', {tenant: transport, name: `room-${i}`}, more);
      const began = performance.now();
      await Promise.all(Array.from({length: 50}, (_, i) => make(i)));
      assert.ok(performance.now() - began > 300, 'forty at once, the others one by one');
      const impatient = Array.from({length: 40}, (_, i) => make(`late-${i}`, {timeoutMs: 500}));
      const reasons = (await Promise.allSettled(impatient)).map(({reason}) => reason?.reason);
      assert.ok(reasons.some(Boolean), 'not all of them can have gone');
      for (const reason of reasons) assert.match(reason ?? 'timeout', /^(rate_limited|timeout)$/);
      await eager.close();
    }
  } finally {
    await slow.stop();
  }
});

test('a socket on which nothing comes any more is given up', async () => {
  const cutter = await Cutter.start(daemon.port);
  const careful = control(cutter.url, {pingIntervalMs: 20, deadAfterMs: 200});
  let lost = 0;
  careful.on('lost', () => {
    ++lost;
    cutter.silent = false;
  });
  await careful.call('ping');
  cutter.silent = true;
  assert.ok(await careful.call('ping'));
  assert.ok(lost > 0);
  await careful.close();
  await cutter.stop();
});

test('a consumer goes on after what it has stored, whatever was acknowledged', async () => {
  const {kept, ...first} = memory();
  const begun = backend.consume({consumer: 'resume', types: ['room.created'], ...first});
  await until('it has begun', () => begun.cursor);
  for (const name of ['r1', 'r2', 'r3']) await create(name);
  await until('three events', () => kept.done.length === 3);
  assert.throws(() => backend.consume({consumer: 'resume', ...first}), TypeError);
  await begun.stop();
  assert.deepEqual(await begun.done, {reason: 'stopped'});
  assert.deepEqual(names(kept), ['r1', 'r2', 'r3']);
  const stored = await until('its place is acknowledged', async () =>
    (await backend.call('consumer.list')).consumers.find(({consumer, cursor}) =>
      consumer === 'resume' && cursor === kept.cursor.seq));
  assert.ok(stored);

  // The acknowledgement came, the file is an older one: the file is right.
  const {kept: older, ...again} = memory({epoch: kept.cursor.epoch, seq: kept.done[0].seq});
  const back = backend.consume({consumer: 'resume', types: ['room.created'], ...again});
  await until('the two after it', () => older.done.length === 2);
  assert.deepEqual(names(older), ['r2', 'r3']);
  await back.stop();
});

test('a window of one event lets them through one by one', async () => {
  const {kept, ...rest} = memory();
  await Promise.all(Array.from({length: 100}, (_, i) =>
    backend.call('room.create', {tenant: 'narrow', name: `n-${i}`})));
  const reader = backend.consume({consumer: 'narrow', tenants: ['narrow'], types: ['room.created'],
    start: 'earliest', window: 1, ...rest});
  await until('all of them', () => kept.done.length === 100);
  await until('all are acknowledged', async () => {
    const {consumers} = await backend.call('consumer.list');
    return consumers.find(({consumer}) => consumer === 'narrow').cursor >= kept.cursor.seq;
  });
  await reader.stop();
});

test('a consumer of rare events goes on where the daemon has moved on without it', async () => {
  const own = await Daemon.start({workers: 1, control: {consumer_lag_ms: 200}});
  const one = control(own.url);
  const {kept, ...rest} = memory();
  const rare = {consumer: 'rare', types: ['room.deleted'], start: 'earliest', ...rest};
  const make = async (name) => {
    await one.call('room.create', {tenant: 'tests', name});
    await one.call('room.delete', {tenant: 'tests', room: name});
  };
  try {
    const first = one.consume(rare);
    await make('a');
    await until('the first', () => kept.done.length === 1);
    await first.stop();
    for (const name of ['b', 'c']) await one.call('room.create', {tenant: 'tests', name});
    await until('its cursor is beyond what it has stored', async () => {
      const [{cursor}] = (await one.call('consumer.list')).consumers;
      return cursor > kept.cursor.seq;
    });
    const second = one.consume(rare);
    await until('it has begun', () => second.cursor);
    await make('d');
    await until('the second', () => kept.done.length === 2);
    assert.deepEqual(names(kept), ['a', 'd']);
    assert.equal(kept.resets.length, 0);
    await second.stop();
  } finally {
    await one.close();
    await own.stop();
  }
});

test('who has stored nothing begins where it is told to', async () => {
  const {kept: all, ...earliest} = memory();
  const {kept: state, ...snapshot} = memory();
  const from = {types: ['room.created']};
  await create('before-them');
  const readers = [
    backend.consume({consumer: 'earliest', start: 'earliest', ...from, ...earliest}),
    backend.consume({consumer: 'snapshot', start: 'snapshot', tenants: ['te*'], ...from,
      ...snapshot}),
  ];
  await until('both have begun', () => all.done.length > 0 && state.cursor);
  await create('begun');
  await until('both have read it', () => names(all).includes('begun') && state.done.length > 0);
  assert.ok(names(all).includes('before-them'));
  assert.deepEqual(names(state), ['begun']);
  assert.ok(state.resets[0].rooms.some(({name}) => name === 'before-them'));
  await Promise.all(readers.map((reader) => reader.stop()));
});

test('a handle that throws gets the same event again, and not for ever', async () => {
  const {kept, ...rest} = memory();
  let failures = 0;
  const stubborn = backend.consume({
    consumer: 'stubborn', types: ['room.created'], ...rest, attempts: 3,
    handle: (event, cursor) => {
      if (event.data.name === 'once' && failures === 0) throw new Error(`no. ${++failures}`);
      if (event.data.name === 'never') throw new Error(`no. ${++failures}`);
      rest.handle(event, cursor);
    },
  });
  await until('it has begun', () => stubborn.cursor);
  await create('once');
  await until('it was handled', () => kept.done.length === 1);
  assert.equal(failures, 1);
  await create('never');
  assert.equal((await failure(stubborn.done)).message, 'no. 4');
  assert.deepEqual(names(kept), ['once']);
});

test('the newer of two consumers of one name takes over', async () => {
  const [a, b] = [memory(), memory()];
  const other = control(daemon.url);
  const first = backend.consume({consumer: 'only-one', types: ['room.created'], ...a});
  await until('the first has begun', () => first.cursor);
  const second = other.consume({consumer: 'only-one', types: ['room.created'], ...b});
  assert.deepEqual(await first.done, {reason: 'superseded'});
  await create('for-the-second');
  await until('the second has it', () => b.kept.done.length === 1);
  assert.equal(a.kept.done.length, 0);
  await other.close();
  assert.deepEqual(await second.done, {reason: 'stopped'});
});

test('another log in the place of the old one is begun from its state', async () => {
  const own = await Daemon.start({workers: 1});
  const one = control(own.url);
  const {kept, ...rest} = memory();
  try {
    const reader = one.consume({consumer: 'reset', types: ['room.created'], ...rest});
    await until('it has begun', () => reader.cursor);
    for (const name of ['old-1', 'old-2']) await one.call('room.create', {tenant: 'tests', name});
    await until('two events', () => kept.done.length === 2);
    const old = kept.cursor.epoch;
    await own.kill();
    for (const file of fs.readdirSync(own.directory)) {
      if (file.startsWith('parley.db')) fs.rmSync(path.join(own.directory, file));
    }
    await own.run();
    await until('it was told', () => kept.resets.length === 1);
    assert.notEqual(kept.cursor.epoch, old);
    assert.equal(kept.resets[0].rooms.length, 0);
    await one.call('room.create', {tenant: 'tests', name: 'new-1'});
    await until('the new event', () => kept.done.length === 3);
    assert.deepEqual(names(kept), ['old-1', 'old-2', 'new-1']);

    // Nobody to tell: that is for the caller to know.
    const blind = one.consume({consumer: 'blind', load: () => ({epoch: old, seq: 1}), handle() {}});
    assert.equal((await failure(blind.done)).reason, 'cursor_expired');
    // More pages than one, and a cursor that is behind the end of the log.
    await Promise.all(Array.from({length: 250}, (_, i) =>
      one.call('room.create', {tenant: i % 2 ? 'tests' : 'others', name: `many-${i}`})));
    const {kept: ahead, ...late} = memory({epoch: kept.cursor.epoch, seq: 1_000_000});
    const lost = one.consume({consumer: 'ahead', tenants: ['tests'], ...late});
    await until('it was told', () => ahead.resets.length === 1);
    assert.equal(ahead.resets[0].rooms.length, 126);
    await lost.stop();
  } finally {
    await one.close();
    await own.stop();
  }
});

test('two thousand events happen once each, in order, while everything dies', async (t) => {
  const seed = Number(process.env.PARLEY_SEED ?? crypto.randomInt(2 ** 31));
  t.diagnostic(`PARLEY_SEED=${seed}`);
  const random = seededRandom(seed);
  const own = await Daemon.start({workers: 1, auth: {reads_per_s: 0, writes_per_s: 0}});
  const cutter = await Cutter.start(own.port);
  const maker = control(own.url, {timeoutMs: STORM_TIMEOUT_MS});
  const file = path.join(own.directory, 'backend.json');
  const script = fileURLToPath(new URL('consumer_process.mjs', import.meta.url));
  let child;
  const startConsumer = () => {
    child = fork(script, [cutter.url, file], {stdio: ['ignore', 'inherit', 'inherit', 'ipc']});
    child.on('message', (count) => { onEffect(count); });
  };
  // What happens after how many effects; the moment within the next one is the machine's.
  const plan = [];
  const times = (count, action) => {
    for (let i = 0; i < count; ++i) {
      plan.push({at: 1 + Math.floor(random() * (EVENTS - 2)), action});
    }
  };
  times(CUTS, async () => cutter.cut());
  times(CONSUMER_KILLS, async () => {
    const gone = new Promise((resolve) => { child.once('exit', resolve); });
    child.kill('SIGKILL');
    await gone;
    startConsumer();
  });
  times(DAEMON_KILLS, async () => {
    await own.kill();
    await own.run();
  });
  plan.sort((a, b) => a.at - b.at);
  let acts = Promise.resolve();
  let seen = 0;
  const onEffect = (count) => {
    seen = Math.max(seen, count);
    while (plan.length > 0 && plan[0].at <= seen) {
      const {action} = plan.shift();
      acts = acts.then(action);
    }
  };
  try {
    startConsumer();
    // Two events for each room; who made it deletes it, so the rooms' events mix.
    const left = Array.from({length: EVENTS / 2}, (_, i) => i);
    await Promise.all(Array.from({length: PRODUCERS}, async () => {
      for (let i; (i = left.pop()) !== undefined;) {
        const name = `room-${i}`;
        await maker.call('room.create', {tenant: 'tests', name, idempotency_key: `c-${i}`});
        await maker.call('room.delete', {tenant: 'tests', room: name, idempotency_key: `d-${i}`});
      }
    }));
    await until('all effects', () => seen >= EVENTS && plan.length === 0, STORM_TIMEOUT_MS);
    await acts;
    const {effects, cursor} = JSON.parse(fs.readFileSync(file, 'utf8'));
    const log = [];
    for (let page; !page || page.events.length > 0;) {
      page = await maker.call('events.list', {after_seq: page?.next_after_seq ?? 0, limit: 1_000});
      log.push(...page.events.filter(({type}) => type.startsWith('room.')));
    }
    assert.equal(log.length, EVENTS);
    const wanted = log.map(({seq, id, type, data}) => ({seq, id, type, name: data.name}));
    assert.deepEqual(effects, wanted);
    assert.equal(cursor.seq, log.at(-1).seq);
    t.diagnostic(`${CUTS} cuts, ${CONSUMER_KILLS} dead consumers, ${DAEMON_KILLS} dead daemons`);
  } finally {
    child.kill('SIGKILL');
    await maker.close();
    await cutter.stop();
    await own.stop();
  }
});

test('a join token made offline opens its room for its bearer', async () => {
  const {room_id: room} = await create('offline');
  const token = joinToken({key: KEY, tenant: 'tests', room, identity: 'bea', name: 'Bea',
    role: 'host', canPublish: ['microphone'], attributes: {car: 5512}});
  const person = await Person.join(daemon.url, token);
  assert.equal(person.joined.identity, 'bea');
  assert.equal(person.joined.name, 'Bea');
  assert.equal(person.joined.role, 'host');
  person.leave();
  const early = joinToken({key: KEY, tenant: 'tests', room: 'offline', identity: 'al',
    notBeforeMs: Date.now() + 60_000});
  assert.equal((await failure(Person.join(daemon.url, early))).reason, 'token_not_yet_valid');
  assert.throws(() => joinToken({key: KEY, tenant: 'tests', room: '*', identity: 'x'}), TypeError);
  assert.throws(() => joinToken({key: KEY, tenant: 'tests', identity: 'x'}), TypeError);
});

test('a webhook of the daemon is verified, and nothing that was changed is', async () => {
  const received = [];
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      received.push({headers: request.headers, body: Buffer.concat(parts)});
      response.writeHead(204).end();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const {secret} = await backend.call('webhook.put', {
    webhook: 'tests', url: `http://127.0.0.1:${server.address().port}/hook`,
    types: ['room.created'],
  });
  const {room_id: roomId} = await create('posted');
  const {headers, body} = await until('it has come', () => received[0]);
  const event = verifyWebhook({headers, body, secret});
  assert.equal(event.type, 'room.created');
  assert.equal(event.room_id, roomId);
  assert.equal(event.id, headers['webhook-id']);
  assert.equal(verifyWebhook({headers: new Headers(headers), body: body.toString(), secret}).id,
      event.id);

  const refused = {reason: 'webhook_unverified'};
  const verify = (changes, more = {}) =>
    verifyWebhook({headers: {...headers, ...changes}, body, secret, ...more});
  const signature = headers['webhook-signature'];
  const other = `whsec_${crypto.randomBytes(32).toString('base64')}`;
  const forged = `v1,${crypto.randomBytes(32).toString('base64')}`;
  assert.ok(verify({'webhook-signature': `${forged} v1a,xyz ${signature}`}));
  assert.ok(verify({}, {secret: [other, secret]}));
  assert.throws(() => verify({'webhook-signature': `${forged} ${forged}`}), refused);
  assert.throws(() => verify({'webhook-signature': signature.slice(3)}), refused);
  assert.throws(() => verify({'webhook-signature': 'v1,'}), refused);
  assert.throws(() => verify({'webhook-signature': undefined}), refused);
  assert.throws(() => verify({'webhook-id': 'ev_other'}), refused);
  assert.throws(() => verify({'webhook-timestamp': `${headers['webhook-timestamp']}x`}), refused);
  assert.throws(() => verify({}, {body: Buffer.concat([body, Buffer.from(' ')])}), refused);
  assert.throws(() => verify({}, {secret: other}), refused);
  const old = Number(headers['webhook-timestamp']) - 400;
  const signedThen = `v1,${crypto.createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
      .update(`${event.id}.${old}.`).update(body).digest('base64')}`;
  const then = {'webhook-timestamp': String(old), 'webhook-signature': signedThen};
  assert.throws(() => verify(then), refused);
  assert.ok(verify(then, {toleranceS: 1_000}));
  await backend.call('webhook.delete', {webhook: 'tests'});
  await new Promise((resolve) => { server.close(resolve); });
});

test('a file that is killed in the middle of a write has the value before', async () => {
  const file = path.join(daemon.directory, 'cursor.json');
  const cursor = fileCursor(file);
  assert.equal(await cursor.load(), null);
  await cursor.store({epoch: 'e', seq: 7, more: 'is not kept'});
  fs.writeFileSync(`${file}.new`, '{"epoch": "e", "se');
  assert.deepEqual(await cursor.load(), {epoch: 'e', seq: 7});
  const value = durableFile(file);
  await Promise.all([1, 2, 3].map((number) => value.write(number)));
  assert.equal(await value.read(), 3);
});
