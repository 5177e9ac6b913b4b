/**
 * A named consumer of the event log, each of whose effects happens exactly once.
 *
 * The daemon sends each event at least once and in order; the rest is done here and by the caller:
 * `handle(event, cursor)` makes the event's effect and stores `cursor` in one transaction, and
 * `load()` gives the stored one back. So the truth is where the effects are; what the daemon
 * remembers as acknowledged only says how much of the log nobody needs any more, and lags behind.
 *
 * Whatever goes wrong (socket, daemon, a handle that throws) ends the same way: load() says what
 * was done, and the log is read again from there.
 */
import {backoff, pause} from './backoff.js';
import {ParleyError} from './errors.js';

const SNAPSHOT_PAGE = 200; // rooms; each may have 4 KiB of attributes
const DEFAULT_ATTEMPTS = 5;

/** Why a subscription ended and no other follows. */
const FINAL = new Set(['superseded', 'stopped']);

/** What load, handle or reset threw, to be told from what the daemon says. */
class CallersError {
  constructor(error) { this.error = error; }
}
async function callers(action) {
  try {
    return await action();
  } catch (error) {
    throw new CallersError(error);
  }
}

/** What has come by one subscription, how far it is acknowledged, and why it ended. */
class Subscription {
  active = false;
  ended = null;
  queue = [];
  acked = 0;
  toAck = 0;
  acking = null;
  #wake = () => {};

  /** The daemon has answered: what comes from now on is of this subscription. */
  begin({cursor}, ended) {
    this.acked = this.toAck = cursor;
    this.ended = ended;
    this.active = ended === null;
  }
  push(event) {
    if (!this.active) return; // of one before this
    this.queue.push(event);
    this.#wake();
  }
  /** What has come and was not handled will come again. */
  end(reason) {
    this.ended ??= reason;
    this.active = false;
    this.queue.length = 0;
    this.#wake();
  }
  /** The next event; null when there comes none. */
  async next() {
    while (this.queue.length === 0 && this.ended === null) {
      await new Promise((resolve) => { this.#wake = resolve; });
    }
    return this.queue.shift() ?? null;
  }
}

export class Consumer {
  #options;
  #link;
  #stopping = new AbortController();
  #finished;
  #finish;
  #subscription = new Subscription();
  /** {epoch, seq} of the last event that was handled. */
  #position = null;
  /** Attempts in a row without an event handled: all of them, and those that count. */
  #attempt = 0;
  #failures = 0;

  /**
   * @param {object} options  as of Control.consume
   * @param {{call: Function, reset: () => void, backoffMs: [number, number]}} link
   */
  constructor({consumer, load, handle, reset, types, tenants, window, start = 'latest',
    attempts = DEFAULT_ATTEMPTS}, link) {
    if (!consumer || !load || !handle) throw new TypeError('consumer, load and handle are needed');
    if (!['latest', 'earliest', 'snapshot'].includes(start)) {
      throw new TypeError('start is latest, earliest or snapshot');
    }
    this.#options = {consumer, load, handle, reset, types, tenants, window, start, attempts};
    this.#link = link;
    this.#finished = new Promise((resolve) => { this.#finish = resolve; });
  }

  get cursor() { return this.#position; }

  /** Until it is stopped or superseded: {reason}. Throws what another attempt does not help. */
  async run() {
    try {
      for (let position = null; ;) {
        this.#subscription = new Subscription();
        try {
          const from = position ?? await callers(() => this.#options.load());
          position = null;
          const reason = await this.#follow(from);
          if (FINAL.has(reason)) return {reason};
          if (reason === 'cursor_expired') position = await this.#resync();
          else this.#failed(new ParleyError({reason, message: `the events ended: ${reason}`}));
        } catch (error) {
          if (!this.#stopping.signal.aborted) this.#failed(error);
        }
        this.#subscription.end('over');
        await pause(this.#attempt && backoff(this.#attempt - 1, this.#link.backoffMs),
            this.#stopping.signal);
        if (this.#stopping.signal.aborted) return {reason: 'stopped'};
      }
    } finally {
      this.#subscription.end('over');
      this.#finish();
    }
  }

  /** Lets the event under way be handled and acknowledged, and no other. */
  async stop() {
    this.#stopping.abort();
    this.interrupt('stopped');
    await this.#finished;
  }

  push(event) { this.#subscription.push(event); }
  interrupt(reason) { this.#subscription.end(reason); }

  /** Reads from `from` on until the subscription ends, and says why it has. */
  async #follow(from) {
    if (from === null && this.#options.start === 'snapshot') return 'cursor_expired';
    const subscription = this.#subscription;
    const answer = await this.#subscribe(from);
    if (answer === null) return 'cursor_expired';
    const {epoch} = answer;
    // The daemon's own cursor may be ahead of ours, by events that this consumer does not want.
    this.#position = from ?? {epoch, seq: answer.cursor};
    let last = this.#position.seq;
    for (let event; (event = await subscription.next()) !== null;) {
      if (event.prev_seq !== last) {
        this.#link.reset(); // one has got lost on the way: a new socket brings it
        return 'events_missing';
      }
      last = event.seq;
      if (event.seq > this.#position.seq) {
        const cursor = {epoch, seq: event.seq};
        await callers(() => this.#options.handle(event, cursor));
        this.#position = cursor;
        this.#attempt = this.#failures = 0;
      }
      this.#acknowledge(subscription, event.seq);
    }
    if (subscription.ended === 'stopped') await subscription.acking;
    return subscription.ended;
  }

  /** The answer of events.subscribe, or null when the log does not go on from there. */
  async #subscribe(from) {
    const {consumer, types, tenants, window, start} = this.#options;
    const place = from !== null ? {from: from.seq, epoch: from.epoch} :
      // Of a consumer that never acknowledged anything this is where it first began.
      {from: start === 'earliest' ? 'earliest' : 'cursor'};
    const subscription = this.#subscription;
    const signal = this.#stopping.signal;
    const begin = (answer) => subscription.begin(answer, signal.aborted ? 'stopped' : null);
    try {
      return await this.#link.call('events.subscribe', {consumer, types, tenants, window, ...place},
          {onResult: begin, signal});
    } catch (error) {
      if (error.reason === 'cursor_expired') return null;
      // The log ends before what was handled: it was put back to an older copy.
      if (error.reason === 'invalid_argument' && error.field === 'from') return null;
      throw error;
    }
  }

  /** One acknowledgement is under way at a time; the next is for all that was handled meanwhile. */
  #acknowledge(subscription, seq) {
    if (seq <= subscription.acked) return;
    subscription.toAck = seq;
    subscription.acking ??= this.#sendAcks(subscription);
  }

  async #sendAcks(subscription) {
    for (let attempt = 0; subscription.acked < subscription.toAck;) {
      const seq = subscription.toAck;
      try {
        await this.#link.call('events.ack', {consumer: this.#options.consumer, seq}, {});
        subscription.acked = seq;
        attempt = 0;
      } catch (error) {
        if (subscription.ended !== null) break;
        if (error.reason === 'consumer_not_found' || error.reason === 'invalid_argument') {
          subscription.end(error.reason); // it was deleted, or the log is another one
          break;
        }
        await pause(backoff(attempt++, this.#link.backoffMs), this.#stopping.signal);
      }
      if (subscription.ended !== null && subscription.ended !== 'stopped') break;
    }
    // At once: whoever sees it still set takes it for granted that his number goes, too.
    subscription.acking = null;
  }

  /** Gives the caller the state as it is; the events go on from where that was. */
  async #resync() {
    const {reset} = this.#options;
    if (!reset) {
      throw new ParleyError({
        reason: 'cursor_expired',
        message: 'the log does not go on from the stored cursor, and there is no reset',
        status: 'failed_precondition',
      });
    }
    const snapshot = await this.#snapshot();
    const cursor = {epoch: snapshot.epoch, seq: snapshot.as_of_seq};
    await callers(() => reset(snapshot, cursor));
    this.#position = cursor;
    return cursor;
  }

  async #snapshot() {
    const {tenants} = this.#options;
    for (;;) {
      const rooms = [];
      let first;
      let page;
      do {
        page = await this.#link.call('state.snapshot',
            {limit: SNAPSHOT_PAGE, page_token: page?.next_page_token}, {});
        first ??= page;
        rooms.push(...page.rooms.filter(({tenant}) => matchesAny(tenants, tenant)));
      } while (page.next_page_token !== undefined && page.epoch === first.epoch);
      if (page.epoch !== first.epoch) continue; // another daemon answers now
      return {rooms, as_of_seq: first.as_of_seq, epoch: first.epoch};
    }
  }

  /** Throws what another attempt would not change, and what has failed too often. */
  #failed(error) {
    const own = error instanceof CallersError;
    if (!own && isHopeless(error)) throw error;
    if (!own && error.reason === 'connection_lost') return; // the socket waits by itself
    ++this.#attempt;
    if (!own && error.retryable) return;
    if (++this.#failures >= this.#options.attempts) throw own ? error.error : error;
  }
}

const HOPELESS = new Set(['unauthenticated', 'permission_denied', 'invalid_argument']);
const isHopeless = ({status, reason}) =>
  HOPELESS.has(status) || reason === 'closed' || reason === 'cursor_expired';

/** @param {string[] | undefined} patterns  with '*' for any run; none want all */
function matchesAny(patterns, text) {
  if (!patterns || patterns.length === 0) return true;
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(text);
  });
}
