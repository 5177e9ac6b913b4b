/**
 * Calls over the WebSocket /v1/control. It keeps one socket up, holds calls while there is none,
 * and knows which of them may be sent twice. It knows nothing of consumers: what is no answer goes
 * to `on.notification`.
 */
import WebSocket from 'ws';

import {backoff} from './backoff.js';
import {ParleyError, closed, connectionLost, queueFull, timedOut, tooBig,
  unauthenticated} from './errors.js';

const SUBPROTOCOL = 'parley.control.v1';
const MAX_MESSAGE_BYTES = 262_144;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 1_000;

export class SocketTransport {
  #options;
  #on;
  /** The socket, from its making until it is lost. */
  #ws = null;
  #opening = false;
  #closed = false;
  #attempt = 0;
  #retryTimer = null;
  #watchTimer = null;
  #heardAt = 0;
  #problem = null;
  #nextId = 1;
  /** Calls that wait to be sent, in order, and those that wait for an answer, by id. */
  #queue = [];
  #inFlight = new Map();

  /**
   * @param {object} options  as of Control, with `credential` giving a token
   * @param {{notification: Function, open: Function, lost: Function, refused: Function}} on
   */
  constructor(options, on) {
    this.#options = options;
    this.#on = on;
  }

  /**
   * @param {{method: string, params: object, timeoutMs: number, repeatable: boolean,
   *     onResult?: (result: any) => void, signal?: AbortSignal}} request
   *   onResult is called before anything that came after the answer is looked at
   */
  request({method, params, timeoutMs, repeatable, onResult, signal}) {
    if (this.#closed || signal?.aborted) return Promise.reject(closed());
    if (this.#queue.length >= this.#options.maxQueued) return Promise.reject(queueFull());
    const id = this.#nextId++;
    const text = JSON.stringify({jsonrpc: '2.0', id, method, params});
    const bytes = Buffer.byteLength(text);
    // The daemon would close the socket, and with it end the calls of others.
    if (bytes > MAX_MESSAGE_BYTES) return Promise.reject(tooBig(bytes));
    return new Promise((resolve, reject) => {
      const call = {id, text, repeatable, onResult, resolve, reject};
      const timer = setTimeout(() => {
        this.#fail(call, timedOut(method, timeoutMs, this.#problem));
      }, timeoutMs);
      const abort = () => this.#fail(call, closed());
      signal?.addEventListener('abort', abort);
      call.release = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      this.#queue.push(call);
      this.#open();
      this.#pump();
    });
  }

  get connected() { return this.#ws?.readyState === WebSocket.OPEN; }

  /** Drops the socket as if the network had: for those who know better than it does. */
  reset() { this.#ws?.terminate(); }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#failAll(closed());
    const ws = this.#ws;
    if (ws === null) return;
    await new Promise((resolve) => {
      ws.once('close', resolve);
      setTimeout(() => ws.terminate(), CLOSE_TIMEOUT_MS).unref();
      ws.close(1000);
    });
  }

  #fail(call, error) {
    call.release();
    this.#inFlight.delete(call.id);
    const at = this.#queue.indexOf(call);
    if (at >= 0) this.#queue.splice(at, 1);
    call.reject(error);
  }

  #failAll(error) {
    for (const call of [...this.#queue, ...this.#inFlight.values()]) this.#fail(call, error);
  }

  async #open() {
    if (this.#ws || this.#opening || this.#closed || this.#retryTimer) return;
    this.#opening = true;
    let token;
    try {
      token = await this.#options.credential();
    } catch (error) {
      this.#problem = error;
    }
    this.#opening = false;
    if (this.#closed) return;
    if (token === undefined) return this.#retry();
    const {url, client} = this.#options;
    const ws = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/control`, SUBPROTOCOL, {
      headers: {authorization: `Bearer ${token}`, 'user-agent': client},
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#ws = ws;
    ws.on('open', () => this.#opened());
    ws.on('message', (data) => this.#receive(data));
    ws.on('ping', () => this.#heard());
    ws.on('pong', () => this.#heard());
    ws.on('error', (error) => { this.#problem = error; });
    ws.on('close', () => this.#lost(ws));
    ws.on('unexpected-response', (request, response) => {
      this.#problem = new Error(`the daemon answered ${response.statusCode}`);
      response.resume();
      if (response.statusCode === 401 || response.statusCode === 403) this.#refused(ws);
      ws.terminate();
    });
  }

  #opened() {
    this.#heardAt = performance.now();
    this.#watchTimer = setInterval(() => this.#watch(), this.#options.pingIntervalMs);
    this.#ws.ping(); // its answer says that this connection is a good one
    this.#on.open();
    this.#pump();
  }

  #watch() {
    if (performance.now() - this.#heardAt > this.#options.deadAfterMs) {
      this.#problem = new Error(`silence for ${this.#options.deadAfterMs} ms`);
      this.#ws.terminate();
    } else {
      this.#ws.ping();
    }
  }

  #heard() {
    this.#heardAt = performance.now();
    this.#attempt = 0;
    this.#problem = null;
  }

  #receive(data) {
    this.#heard();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.reset(); // whatever this is, it is not the daemon
    }
    if (typeof message.method === 'string') {
      return this.#on.notification(message.method, message.params ?? {});
    }
    const call = this.#inFlight.get(message.id);
    if (call === undefined) return; // it has waited too long
    this.#inFlight.delete(call.id);
    call.release();
    if (message.error) {
      call.reject(ParleyError.fromAnswer(message.error));
    } else {
      call.onResult?.(message.result);
      call.resolve(message.result);
    }
    this.#pump();
  }

  /** Sends what waits, as far as the daemon takes it. */
  #pump() {
    while (this.connected && this.#queue.length > 0 &&
        this.#inFlight.size < this.#options.maxInFlight) {
      const call = this.#queue.shift();
      this.#inFlight.set(call.id, call);
      this.#ws.send(call.text);
    }
  }

  /** The socket has ended: of the calls under way those that may be sent twice are sent again. */
  #lost(ws) {
    if (this.#ws !== ws) return;
    this.#ws = null;
    clearInterval(this.#watchTimer);
    const again = [...this.#inFlight.values()].filter((call) => call.repeatable);
    const broken = [...this.#inFlight.values()].filter((call) => !call.repeatable);
    this.#inFlight.clear();
    this.#queue.unshift(...again);
    for (const call of broken) this.#fail(call, connectionLost(this.#problem ?? undefined));
    this.#on.lost(this.#problem);
    this.#retry();
  }

  /** To come again with the same key would change nothing. */
  #refused(ws) {
    if (this.#ws !== ws) return;
    this.#ws = null;
    const error = unauthenticated();
    this.#failAll(error);
    this.#on.refused(error);
  }

  #retry() {
    if (this.#closed || this.#retryTimer) return;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#open();
    }, backoff(this.#attempt++, this.#options.backoffMs));
  }
}
