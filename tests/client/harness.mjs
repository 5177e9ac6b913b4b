/** What the client's tests share: a network that breaks, people without media, seeded chance. */
import {createRequire} from 'node:module';
import net from 'node:net';

import {Control} from '../../control/client/node/index.js';
import {KEY} from '../browser/daemon.mjs';
import {until} from '../browser/wait.mjs';

const require = createRequire(new URL('../../control/client/node/index.js', import.meta.url));
const WebSocket = require('ws');

const controls = [];

/** Short waits between attempts: the tests wait for what comes of them. */
export function control(url, more = {}) {
  controls.push(new Control({url, key: KEY, client: 'tests/1', backoffMs: [10, 100], ...more}));
  return controls.at(-1);
}

/** A test that fails leaves its own open, and with them the process would go on. */
export const closeControls = () => Promise.all(controls.map((one) => one.close()));

/** Settles as the call's ParleyError; fails when the call goes well. */
export async function failure(promise) {
  let result;
  try {
    result = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`it went well: ${JSON.stringify(result)}`);
}

/** The same numbers from 0 to 1 for the same seed: a linear congruential generator modulo 2^32. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Stands between a client and the daemon, and cuts every connection when it is told to. */
export class Cutter {
  #server;
  #pairs = new Set();
  cuts = 0;
  /** Once it is set, the next bytes to the daemon are dropped together with their connection. */
  swallowNext = false;
  /** Connections stay open, and nothing passes. */
  silent = false;

  /** @param {number} target  the daemon's port */
  static async start(target) {
    const cutter = new Cutter();
    cutter.#server = net.createServer((near) => {
      const far = net.connect(target, '127.0.0.1');
      const pair = {near, far, end: () => { near.destroy(); far.destroy(); }};
      cutter.#pairs.add(pair);
      for (const socket of [near, far]) {
        socket.on('error', () => {});
        socket.on('close', () => { cutter.#pairs.delete(pair); pair.end(); });
      }
      near.on('data', (data) => {
        if (cutter.silent) return;
        if (!cutter.swallowNext) return far.write(data);
        cutter.swallowNext = false;
        pair.end();
      });
      far.on('data', (data) => { if (!cutter.silent) near.write(data); });
    });
    await new Promise((resolve) => { cutter.#server.listen(0, '127.0.0.1', resolve); });
    return cutter;
  }

  get url() { return `http://127.0.0.1:${this.#server.address().port}`; }

  cut() {
    ++this.cuts;
    for (const pair of this.#pairs) pair.end();
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }
}

/** Somebody in a call who neither sends nor sees: enough for everything but media. */
export class Person {
  notifications = [];
  closeCode = null;
  #ws;
  #nextId = 1;
  #answers = new Map();

  /** @param {string} url  of the daemon @param {string} token */
  static async join(url, token) {
    const person = new Person();
    const ws = person.#ws = new WebSocket(`${url.replace('http', 'ws')}/v1/rtc`, 'parley.rtc.v1');
    ws.on('message', (data) => {
      const message = JSON.parse(data);
      if (message.method) person.notifications.push({...message, at: Date.now()});
      else person.#answers.get(message.id)?.(message);
    });
    ws.on('close', (code) => {
      person.closeCode = code;
      const lost = {error: {message: 'the connection was lost', data: {reason: 'connection_lost'}}};
      for (const answer of person.#answers.values()) answer(lost);
    });
    await new Promise((resolve, reject) => { ws.once('open', resolve); ws.once('error', reject); });
    person.joined = await person.ask('join', {token});
    return person;
  }

  /** With the link of a parley page. */
  static joinByLink(link) {
    const {origin, hash} = new URL(link);
    return Person.join(origin, new URLSearchParams(hash.slice(1)).get('token'));
  }

  async ask(method, params = {}) {
    const id = this.#nextId++;
    const answer = new Promise((resolve) => { this.#answers.set(id, resolve); });
    this.#ws.send(JSON.stringify({jsonrpc: '2.0', id, method, params}), () => {});
    const {result, error} = await answer;
    this.#answers.delete(id);
    if (error) throw Object.assign(new Error(error.message), {reason: error.data.reason});
    return result;
  }

  /** The next notification of this name, or the one that has come. */
  told(method) {
    return until(`${method} has come`, () =>
      this.notifications.find((one) => one.method === method));
  }

  leave() { this.#ws.close(1000); }
}
