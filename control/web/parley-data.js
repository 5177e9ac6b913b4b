// @ts-check
/**
 * Data channels of a call: whoever opens one of a name hears what the others send on theirs of that
 * name, past the signalling, with as much reliability as its messages need. parley.js opens them anew
 * with each connection and hands them out by `openChannel`.
 */
import {CallError} from './parley-signalling.js';

// In front of a message stand ids: to the server how many are meant and who, from it who has sent it
// (docs/control-protocol.md, "Chat and data").
const PROTOCOL = 'parley.data.v1';
const MAX_RECEIVERS = 64;

/** @typedef {{ordered?: boolean, maxRetransmits?: number, maxPacketLifeTime?: number}} Delivery  as in RTCDataChannelInit */

/**
 * Events (`event.detail`):
 * - `open`, `close`: it can be used now, or not until the next `open`
 * - `message` {data, participantId}: a string, or an ArrayBuffer
 * - `ended` {reason}: the server has closed it for good: too_slow (it was not read), too_fast
 */
export class Channel extends EventTarget {
  #label;
  /** @type {Delivery} */ #delivery;
  /** @type {RTCDataChannel|null} */ #line = null;
  #ended = false;

  /** @param {string} label @param {Delivery} [delivery] */
  constructor(label, delivery = {}) {
    super();
    this.#label = label;
    this.#delivery = delivery;
  }

  get label() { return this.#label; }
  /** For good: by `close`, or by the server. */
  get isOver() { return this.#ended; }
  get isOpen() { return this.#line?.readyState === 'open'; }
  /** Bytes that wait to be sent: whoever sends much waits until they are few. */
  get bufferedAmount() { return this.#line?.bufferedAmount ?? 0; }

  /**
   * @param {string|ArrayBuffer|Uint8Array} data  at most some 250 KiB
   * @param {{to?: string[]}} [options]  participant ids, at most 64; everybody else without
   */
  send(data, {to = []} = {}) {
    if (!this.isOpen || !this.#line) throw new CallError('connection_lost');
    if (to.length > MAX_RECEIVERS) throw new RangeError('a message can name 64 receivers at most');
    const head = String.fromCharCode(to.length) + to.map((id) => String.fromCharCode(id.length) + id).join('');
    if (typeof data === 'string') return this.#line.send(head + data);
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
    const framed = new Uint8Array(head.length + bytes.length);
    framed.set(new TextEncoder().encode(head));
    framed.set(bytes, head.length);
    this.#line.send(framed);
  }

  close() {
    this.#ended = true;
    this.#line?.close();
  }

  // ---- for parley.js

  /** @param {RTCPeerConnection} connection */
  attach(connection) {
    if (this.#ended) return;
    const line = connection.createDataChannel(this.#label, {...this.#delivery, protocol: PROTOCOL});
    line.binaryType = 'arraybuffer';
    line.onopen = () => { if (line === this.#line) this.#emit('open', {}); };
    line.onclose = () => { if (line === this.#line) this.#emit('close', {}); };
    line.onmessage = ({data}) => this.#receive(data);
    this.#line = line;
  }

  /** @param {string} reason */
  end(reason) {
    this.#ended = true;
    this.#emit('ended', {reason});
  }

  /** @param {string|ArrayBuffer} data */
  #receive(data) {
    if (typeof data === 'string') {
      const length = data.charCodeAt(0);
      return this.#emit('message', {participantId: data.slice(1, 1 + length), data: data.slice(1 + length)});
    }
    const length = new Uint8Array(data)[0];
    const participantId = new TextDecoder().decode(data.slice(1, 1 + length));
    this.#emit('message', {participantId, data: data.slice(1 + length)});
  }

  /** @param {string} name @param {object} detail */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, {detail})); }
}
