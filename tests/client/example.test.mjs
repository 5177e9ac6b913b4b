/** The example backend as a process, driven over HTTP, with people who join by its links. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';

import {Daemon, KEY} from '../browser/daemon.mjs';
import {until} from '../browser/wait.mjs';
import {FakeService} from './fake-player.mjs';
import {Person, control, failure} from './harness.mjs';

const SERVER = fileURLToPath(new URL('../../docs/examples/backend/server.mjs', import.meta.url));
const MAX_TOLD_MS = 1_000;

let daemon;
let secretFile;

before(async () => {
  daemon = await Daemon.start({workers: 1});
  secretFile = path.join(daemon.directory, 'secret');
  fs.writeFileSync(secretFile, `${KEY.secret}\n`);
});
after(() => daemon?.stop());

/** The backend; `restart` kills it first, as a machine that loses power does. */
class Backend {
  output = '';

  static async start(env) {
    const backend = new Backend();
    backend.env = {...process.env, PORT: '0', PLAYER_KEY_ID: KEY.id, PLAYER_SECRET_FILE: secretFile,
      ...env};
    await backend.#run();
    return backend;
  }
  async #run() {
    this.output = '';
    this.process = spawn(process.execPath, [SERVER], {env: this.env});
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (data) => { this.output += data; });
    }
    this.url = await until('the backend listens', () => {
      if (this.process.exitCode !== null) throw new Error(this.output);
      return /listening on (\S+)/.exec(this.output)?.[1];
    });
  }
  async end(signal) {
    const gone = new Promise((resolve) => { this.process.once('exit', resolve); });
    this.process.kill(signal);
    return gone;
  }
  async restart(meanwhile = () => {}) {
    await this.end('SIGKILL');
    await meanwhile();
    await this.#run();
  }
  async ask(method, at, body) {
    const response = await fetch(`${this.url}${at}`, {method, body: body && JSON.stringify(body)});
    return {status: response.status, ...await response.json()};
  }
  post(at, body) { return this.ask('POST', at, body); }
  get(at) { return this.ask('GET', at); }
  async mails() {
    const {mails} = await this.get('/mails');
    return mails.map(({to, text}) => `${to}: ${text}`);
  }
}

const claimsOf = (link) => {
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token');
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
};

test('it books, follows the call and knows afterwards what was used', async () => {
  const backend = await Backend.start({PLAYER_URL: daemon.url,
    STORE: path.join(daemon.directory, 'one.json'), CONSUMER: 'one'});
  try {
    const wish = {seller: 'seller-1', buyer: 'bea', minutes: 20, key: 'car-5512'};
    const booked = await backend.post('/appointments', wish);
    assert.equal(booked.status, 201);
    const at = `/appointments/${booked.id}`;
    const {room, state} = await backend.get(at);
    assert.equal(state, 'booked');
    assert.equal((await backend.post('/appointments', wish)).id, booked.id);
    assert.equal((await backend.get(at)).room, room, 'booked twice, made once');
    const {sub, exp, parley} = claimsOf(booked.links.guest);
    assert.equal(sub, 'bea');
    assert.deepEqual([parley.tenant, parley.room, parley.role], ['seller-1', room, 'participant']);
    assert.ok(Math.abs(exp - Date.now() / 1_000 - 20 * 60) < 30);
    assert.equal(claimsOf(booked.links.host).parley.role, 'host');

    assert.equal((await backend.post('/appointments', {seller: 'a b', buyer: 'c'})).status, 400);
    assert.equal((await backend.get('/appointments/none')).status, 404);
    const early = await backend.post(`${at}/record`);
    assert.deepEqual([early.status, early.reason], [409, 'no_session']);

    const guest = await Person.joinByLink(booked.links.guest);
    await until('the seller is told', async () =>
      (await backend.mails()).includes('seller-1: bea is waiting for you'));
    const host = await Person.joinByLink(booked.links.host);
    assert.deepEqual((await until('both are there', async () => {
      const {present} = await backend.get(at);
      return present.length === 2 && present.sort();
    })), ['bea', 'seller-1']);
    assert.equal((await backend.post(`${at}/mute-all`)).status, 200);
    assert.equal((await backend.post(`${at}/record`)).status, 200);
    await host.told('recording.started');

    // A41: whoever is sent away is told why before the socket closes, the others are told at once.
    const kickedAt = Date.now();
    assert.equal((await backend.post(`${at}/kick`, {person: 'bea'})).status, 200);
    const {params: bye} = await guest.told('bye');
    assert.match(bye.reason, /^(removed|banned)$/);
    assert.equal(bye.text_key, `bye.${bye.reason}`);
    await until('his socket is closed', () => guest.closeCode === 1_000);
    const left = await host.told('participant.left');
    assert.equal(left.params.participant_id, guest.joined.participant_id);
    assert.ok(left.at - kickedAt < MAX_TOLD_MS, `told after ${left.at - kickedAt} ms`);
    assert.equal((await failure(Person.joinByLink(booked.links.guest))).reason, 'banned');

    assert.equal((await backend.post(`${at}/end`)).status, 200);
    assert.equal((await host.told('session.ended')).params.reason, 'ended_by_api');
    await host.told('bye');
    const order = host.notifications.map(({method}) => method);
    assert.ok(order.indexOf('session.ended') < order.indexOf('bye'));
    const over = await until('it is over', async () => {
      const one = await backend.get(at);
      return one.state === 'over' && one;
    });
    assert.equal(over.usedMs, (await backend.get(`${at}/usage`)).used_ms);
    assert.deepEqual(over.journal.map(({type, person}) => person ?? type),
        ['bea', 'host_absent', 'seller-1', 'bea', 'seller-1', 'ended']);
    assert.deepEqual(await backend.mails(),
        ['seller-1: bea is waiting for you', 'seller-1: 0 ms were used']);
    assert.deepEqual((await backend.get(`${at}/files`)).files, [], 'nobody sent anything');
  } finally {
    assert.equal(await backend.end('SIGTERM'), 0, backend.output);
  }
});

test('what happens while it is dead happens once when it is back', async () => {
  const backend = await Backend.start({PLAYER_URL: daemon.url,
    STORE: path.join(daemon.directory, 'two.json'), CONSUMER: 'two'});
  const api = control(daemon.url);
  try {
    const ids = [];
    for (let i = 0; i < 4; ++i) {
      const {id, links} = await backend.post('/appointments',
          {seller: 'seller-2', buyer: `buyer-${i}`, key: `dead-${i}`});
      ids.push(id);
      const call = async () => {
        const guest = await Person.joinByLink(links.guest);
        await api.call('session.end', {tenant: 'seller-2', room: id});
        await guest.told('bye');
      };
      if (i === 2) await daemon.kill().then(() => daemon.run());
      if (i % 2 === 0) await backend.restart(call);
      else await call().then(() => backend.restart());
    }
    const mails = await until('all mails', async () => {
      const all = await backend.mails();
      return all.length >= 2 * ids.length && all;
    });
    assert.deepEqual(mails, ids.flatMap((id, i) =>
      [`seller-2: buyer-${i} is waiting for you`, 'seller-2: 0 ms were used']));
    for (const id of ids) {
      const {journal} = await backend.get(`/appointments/${id}`);
      assert.deepEqual(journal.map(({type}) => type).sort(),
          ['ended', 'host_absent', 'joined', 'left']);
    }
  } finally {
    await api.close();
    await backend.end('SIGTERM');
  }
});

test('the same backend runs on another service by its configuration', async () => {
  const service = await FakeService.start(KEY);
  const port = await new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const {port: free} = probe.address();
      probe.close(() => resolve(free));
    });
  });
  const backend = await Backend.start({PLAYER: 'other', PLAYER_URL: service.url, PORT: String(port),
    PLAYER_MODULE: new URL('fake-player.mjs', import.meta.url).href,
    PLAYER_CALLBACK_URL: `http://127.0.0.1:${port}/player-events`,
    STORE: path.join(daemon.directory, 'three.json')});
  try {
    const {id, links} = await backend.post('/appointments', {seller: 'seller-3', buyer: 'bea'});
    service.connect(links.guest);
    service.connect(links.host);
    await until('they are there', async () =>
      (await backend.get(`/appointments/${id}`)).present.length === 2);
    service.pass(60_000);
    await backend.post(`/appointments/${id}/record`);
    await backend.post(`/appointments/${id}/end`);
    const mails = await until('the recording is ready', async () => {
      const all = await backend.mails();
      return all.includes('bea: the recording is ready') && all;
    });
    assert.ok(mails.includes('seller-3: 60000 ms were used'));
    assert.equal(mails.length, new Set(mails).size, 'each came twice and was done once');
    assert.equal((await backend.get(`/appointments/${id}/files`)).files.length, 1);
    assert.equal((await backend.post('/player-events', {})).status, 401);
  } finally {
    await backend.end('SIGTERM');
    await service.stop();
  }
});
