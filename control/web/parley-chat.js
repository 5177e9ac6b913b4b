// @ts-check
/**
 * What is written in a room: the messages as the server keeps them, in its order, each once, over
 * lost connections too. It draws nothing; parley.js feeds it and hands it out as `call.chat`.
 */
import {CallError, Socket} from './parley-signalling.js';

// The server takes what comes on a channel of this protocol for requests of chat.
const PROTOCOL = 'parley.chat.v1';
const LABEL = 'parley.chat';
const RETRY_MS = 300;

/**
 * @typedef {{id: string, seq: number, participantId: string|null, identity: string|null, name: string,
 *   role: string|null, text: string, sentMs: number}} Message  participantId is null when the backend wrote it
 */

/**
 * Events (`event.detail`):
 * - `message` {message, old}: the next one; `old` when it was written before we came (or came back)
 * - `deleted` {messageId}
 * - `rules` {enabled, slowModeS}: whether one may write, and how often who is no host may
 */
export class Chat extends EventTarget {
  /** @type {Map<string, Message>} */ #messages = new Map();
  /** @type {(method: string, params: object) => Promise<any>} */ #request;
  #untilJoined;
  #rules = {enabled: true, slowModeS: 0};
  #more = false;
  /** @type {Socket|null} */ #line = null;

  /**
   * @param {(method: string, params: object) => Promise<any>} request
   * @param {() => Promise<void>} untilJoined  rejects when the call has ended
   */
  constructor(request, untilJoined) {
    super();
    this.#request = request;
    this.#untilJoined = untilJoined;
  }

  /** What is known of it, the oldest first. */
  get messages() { return [...this.#messages.values()]; }
  get rules() { return this.#rules; }
  /** There are older ones: `loadOlder`. */
  get more() { return this.#more; }

  /**
   * Resolves when the message is kept. When the connection is lost meanwhile, it is sent again after
   * it is back; the server takes it for the same message.
   * @param {string} text
   */
  async send(text) {
    const ref = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
    for (;;) {
      try {
        return await this.#ask('chat.send', {text, ref});
      } catch (error) {
        if (!(error instanceof CallError) || !error.retryable) throw error;
        await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); }); // one of two ways may be there still
        await this.#untilJoined();
      }
    }
  }

  /** @param {string} messageId  for who may moderate */
  async remove(messageId) { await this.#ask('chat.delete', {message_id: messageId}); }

  /** @param {{enabled?: boolean, slowModeS?: number}} rules  for who may moderate */
  async setRules({enabled, slowModeS}) {
    await this.#ask('chat.set', {
      ...(enabled !== undefined && {enabled}), ...(slowModeS !== undefined && {slow_mode_s: slowModeS})});
  }

  /** The messages in front of those that are known; they stand in `messages` then. */
  async loadOlder(limit = 50) {
    const first = this.messages[0];
    if (!first || !this.#more) return;
    const {messages, more} = await this.#ask('chat.list', {before_seq: first.seq, limit});
    const older = messages.map(fromWire);
    this.#messages = new Map([...older, ...this.#messages.values()].map((message) => [message.id, message]));
    this.#more = more;
  }

  // ---- for parley.js

  /** While this connection lasts, all of it goes over a data channel of its own. @param {RTCPeerConnection} connection */
  attach(connection) {
    const channel = connection.createDataChannel(LABEL, {protocol: PROTOCOL});
    const line = this.#line = new Socket(channel);
    line.onnotification = (method, params) => this.notified(method, params);
    line.onclose = () => {
      if (this.#line !== line) return;
      this.#line = null;
      void this.catchUp();
    };
  }

  /** Reads what was on its way when a channel was lost. */
  async catchUp() {
    try {
      await this.#untilJoined();
      this.take(await this.#request('chat.list', {}));
    } catch {} // the call has ended, or joining again brings it
  }

  /** @param {string} method @param {object} params */
  #ask(method, params) {
    return this.#line?.isOpen ? this.#line.request(method, params) : this.#request(method, params);
  }

  /** What `join` gave. @param {any} wire */
  take(wire) {
    if (!wire) return;
    const latest = wire.messages.map(fromWire);
    const first = latest[0]?.seq ?? Infinity;
    const last = latest.at(-1)?.seq ?? -1; // what is newer may have come another way
    // What was deleted while we were away is not in the list any more.
    for (const {id, seq} of this.messages) {
      if (seq >= first && seq <= last && !latest.some((/** @type {Message} */ one) => one.id === id)) this.#forget(id);
    }
    if (!this.#messages.size || this.messages.at(-1)?.seq < first) this.#more = wire.more;
    for (const message of latest) this.#add(message, true);
    this.#setRules(wire);
  }

  /** @param {string} method @param {any} params */
  notified(method, params) {
    if (method === 'chat.message') this.#add(fromWire(params), false);
    else if (method === 'chat.deleted') this.#forget(params.message_id);
    else if (method === 'chat.rules') this.#setRules(params);
  }

  /** @param {Message} message @param {boolean} old */
  #add(message, old) {
    if (this.#messages.has(message.id)) return;
    const late = this.messages.some(({seq}) => seq > message.seq); // it came on another way
    this.#messages.set(message.id, message);
    if (late) this.#messages = new Map(this.messages.sort((a, b) => a.seq - b.seq).map((one) => [one.id, one]));
    this.#emit('message', {message, old});
  }

  /** @param {string} messageId */
  #forget(messageId) {
    if (this.#messages.delete(messageId)) this.#emit('deleted', {messageId});
  }

  /** @param {any} wire */
  #setRules({enabled, slow_mode_s: slowModeS}) {
    if (this.#rules.enabled === enabled && this.#rules.slowModeS === slowModeS) return;
    this.#rules = {enabled, slowModeS};
    this.#emit('rules', this.#rules);
  }

  /** @param {string} name @param {object} detail */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, {detail})); }
}

/** @param {any} wire @returns {Message} */
const fromWire = (wire) => ({
  id: wire.message_id, seq: wire.seq, participantId: wire.participant_id ?? null, identity: wire.identity ?? null,
  name: wire.name || wire.identity || '', role: wire.role ?? null, text: wire.text, sentMs: wire.sent_ms,
});
