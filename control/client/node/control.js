/** One backend's way to one daemon: calls, and events for as many consumers as it likes. */
import {EventEmitter} from 'node:events';

import {pause} from './backoff.js';
import {Consumer} from './consumer.js';
import {ParleyError} from './errors.js';
import {HttpTransport} from './http.js';
import {SocketTransport} from './socket.js';
import {apiToken} from './tokens.js';

/** What the daemon says of a subscription that is over. */
const ENDINGS = new Set(['superseded', 'cursor_expired', 'consumer_deleted']);
const DEFAULTS = {
  client: 'parley-control/0.1',
  transport: 'socket',
  timeoutMs: 10_000,
  maxQueued: 1_000,
  maxInFlight: 200, // the daemon takes 256
  pingIntervalMs: 15_000,
  deadAfterMs: 45_000,
  backoffMs: [100, 10_000],
};

// Methods that change nothing, so it does no harm to send them twice. Those of the daemon that are
// not here count as changing something.
const READS = new Set([
  'hello', 'ping', 'rpc.discover', 'server.info', 'server.stats', 'state.snapshot', 'token.create',
  'recording.access_link',
]);

/** May this call be sent again when nobody knows whether it was carried out? */
export const isRepeatable = (method, params) =>
  READS.has(method) || /\.(get|list)$/.test(method) || params.idempotency_key !== undefined;

/**
 * Emits 'open', 'lost' (with the problem), 'heartbeat' and, for sockets that called `hello`,
 * 'event'. Connects with the first call and stays connected until `close`.
 */
export class Control extends EventEmitter {
  #options;
  #transport;
  /** Running consumers by name. */
  #consumers = new Map();

  constructor({url, key, token, ...options}) {
    super();
    if (!url) throw new TypeError('url is missing');
    if (!key === !token) throw new TypeError('either key or token says who calls');
    this.#options = {
      ...DEFAULTS,
      ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
      url: url.replace(/\/$/, ''),
      credential: token ? async () => token() : async () => apiToken(key),
    };
    if (this.#options.transport === 'http') {
      this.#transport = new HttpTransport(this.#options);
      return;
    }
    this.#transport = new SocketTransport(this.#options, {
      notification: (method, params) => this.#notification(method, params),
      open: () => this.emit('open'),
      lost: (problem) => {
        for (const consumer of this.#consumers.values()) consumer.interrupt('connection_lost');
        this.emit('lost', problem);
      },
      // Their next attempt to subscribe says so, too, and ends them.
      refused: () => {
        for (const consumer of this.#consumers.values()) consumer.interrupt('connection_lost');
      },
    });
  }

  get url() { return this.#options.url; }
  get connected() { return this.#transport.connected; }

  /**
   * Calls a method and gives its result; throws ParleyError.
   *
   * When the connection breaks under a call that changes something, it fails with
   * `connection_lost`: it may have been carried out. With an `idempotency_key` in its params it is
   * sent again instead, and so is every call that only reads. One that was refused because it came
   * too soon (`rate_limited`, `server_busy`) waits for as long as the daemon says and goes again.
   */
  call(method, params = {}, {timeoutMs = this.#options.timeoutMs} = {}) {
    return this.#request({method, params, timeoutMs});
  }

  async #request({timeoutMs, ...request}) {
    const deadline = performance.now() + timeoutMs;
    const repeatable = isRepeatable(request.method, request.params);
    for (;;) {
      try {
        const leftMs = deadline - performance.now();
        return await this.#transport.request({...request, repeatable, timeoutMs: leftMs});
      } catch (error) {
        if (error.retryAfterMs === undefined) throw error;
        // Not all that wait at the same moment.
        const waitMs = error.retryAfterMs * (1 + Math.random());
        if (performance.now() + waitMs >= deadline) throw error;
        await pause(waitMs, request.signal);
      }
    }
  }

  /**
   * Follows the event log as a named consumer; consumer.js says how nothing is lost or done twice.
   * The answer has `done`, a promise of why it ended, and `stop()`.
   */
  consume(options) {
    if (this.#options.transport === 'http') {
      throw new ParleyError({
        reason: 'needs_websocket',
        message: 'events come over a socket; over HTTP ask events.list, or use webhooks',
        status: 'failed_precondition',
      });
    }
    if (this.#consumers.has(options.consumer)) {
      throw new TypeError(`${options.consumer} is being consumed already`);
    }
    const consumer = new Consumer(options, {
      call: (method, params, more) =>
        this.#request({method, params, ...more, timeoutMs: this.#options.timeoutMs}),
      reset: () => this.#transport.reset(),
      backoffMs: this.#options.backoffMs,
    });
    this.#consumers.set(options.consumer, consumer);
    const done = consumer.run().finally(() => {
      if (this.#consumers.get(options.consumer) === consumer) {
        this.#consumers.delete(options.consumer);
      }
    });
    return {done, stop: () => consumer.stop(), get cursor() { return consumer.cursor; }};
  }

  /** Ends everything: calls that wait fail with `closed`, consumers end with `stopped`. */
  async close() {
    await Promise.allSettled([...this.#consumers.values()].map((consumer) => consumer.stop()));
    await this.#transport.close();
  }

  #notification(method, params) {
    const consumer = this.#consumers.get(params.consumer);
    if (method === 'event' && params.type === 'server.heartbeat') this.emit('heartbeat', params);
    else if (method === 'event' && params.consumer === undefined) this.emit('event', params);
    else if (method === 'event') consumer?.push(params);
    else if (ENDINGS.has(method)) consumer?.interrupt(method);
  }
}
