/** Calls over POST /v1/rpc, each by itself: for backends that cannot hold a socket. */
import {backoff, pause} from './backoff.js';
import {ParleyError, closed, connectionLost, queueFull, timedOut, tooBig} from './errors.js';

const MAX_MESSAGE_BYTES = 262_144;
const PROXY_PROBLEMS = new Set([502, 503, 504]);

export class HttpTransport {
  #options;
  #nextId = 1;
  #running = 0;
  #waiting = [];
  #closing = new AbortController();

  /** @param {object} options  as of Control, with `credential` giving a token */
  constructor(options) { this.#options = options; }

  get connected() { return !this.#closing.signal.aborted; }

  async request({method, params, timeoutMs, repeatable}) {
    const text = JSON.stringify({jsonrpc: '2.0', id: this.#nextId++, method, params});
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_MESSAGE_BYTES) throw tooBig(bytes);
    const deadline = performance.now() + timeoutMs;
    await this.#enter();
    try {
      for (let attempt = 0, problem; ; ++attempt) {
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) throw timedOut(method, timeoutMs, problem);
        try {
          return await this.#post(text, leftMs);
        } catch (error) {
          if (error instanceof ParleyError) throw error;
          if (this.#closing.signal.aborted) throw closed();
          if (error.name === 'TimeoutError') throw timedOut(method, timeoutMs, problem);
          // A connection that was refused has carried nothing.
          const unsent = error.name === 'NoToken' || error.cause?.code === 'ECONNREFUSED';
          if (!repeatable && !unsent) throw connectionLost(error);
          problem = error.cause ?? error;
          const wait = Math.min(leftMs, backoff(attempt, this.#options.backoffMs));
          await pause(wait, this.#closing.signal);
        }
      }
    } finally {
      this.#leave();
    }
  }

  reset() {}

  async close() { this.#closing.abort(); }

  async #enter() {
    if (this.#closing.signal.aborted) throw closed();
    if (this.#running < this.#options.maxInFlight) {
      ++this.#running;
      return;
    }
    if (this.#waiting.length >= this.#options.maxQueued) throw queueFull();
    await new Promise((resolve) => { this.#waiting.push(resolve); });
  }

  /** The place goes to whoever has waited longest. */
  #leave() {
    const next = this.#waiting.shift();
    if (next) next();
    else --this.#running;
  }

  async #post(body, leftMs) {
    const token = await this.#options.credential().catch((cause) => {
      throw Object.assign(new Error('there is no token', {cause}), {name: 'NoToken'});
    });
    const limit = new AbortController();
    const abort = (reason) => limit.abort(reason);
    const onClose = () => abort(closed());
    const timer = setTimeout(abort, leftMs, new DOMException('too late', 'TimeoutError'));
    this.#closing.signal.addEventListener('abort', onClose);
    try {
      const response = await fetch(`${this.#options.url}/v1/rpc`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'user-agent': this.#options.client,
        },
        body,
        signal: limit.signal,
      });
      const answer = await response.json().catch((error) => {
        if (limit.signal.aborted) throw error;
      });
      if (answer?.error) throw ParleyError.fromAnswer(answer.error);
      if (answer?.result) return answer.result;
      // Something between us and the daemon answers in its place.
      const problem = new Error(`HTTP ${response.status}`);
      if (PROXY_PROBLEMS.has(response.status)) throw problem;
      throw new ParleyError({reason: 'bad_answer', message: `no JSON-RPC: ${problem.message}`});
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener('abort', onClose);
    }
  }
}
