// @ts-check
/**
 * The signalling socket of a call: JSON-RPC 2.0 over a WebSocket, and the sentences for everything
 * that it can answer. It knows no media and no roster; parley.js stands on it.
 */

const OPEN_TIMEOUT_MS = 6_000;
const REQUEST_TIMEOUT_MS = 8_000;

/** What a person is told for each reason the server or this module may give. */
const SENTENCES = {
  // how a call ends
  left: 'You left the call.',
  client_left: 'You left the call.',
  duplicate_identity: 'You joined this call from another tab or device, so it ended here.',
  removed: 'The host removed you from the call.',
  banned: 'The host removed you from the call and you cannot come back.',
  ended_by_host: 'The host ended the call for everybody.',
  ended_by_api: 'The call was ended by its organiser.',
  room_ended: 'The call has ended.',
  empty: 'The call ended because nobody was in it.',
  departure_timeout: 'The call ended because everybody had left.',
  host_left: 'The call ended because the host left.',
  room_deleted: 'The room was closed.',
  max_duration: 'The call reached its longest allowed time.',
  quota_exhausted: 'The call time that was booked for this room is used up.',
  authority_lost: 'The organiser cannot be reached, so no call is possible now. Try again in a few minutes.',
  server_shutdown: 'The server is being restarted. Try again in a minute.',
  server_restart: 'The server was restarted. Join again to go on.',
  connection_timeout: 'The connection was lost for too long, so the call ended here.',
  connection_lost: 'The connection to the server was lost and could not be restored. Check your network and join again.',
  media_failure: 'Sound and picture could not reach the server. A firewall or VPN may block UDP; another network may help.',
  // why a join is refused
  token_invalid: 'This link is not valid. Ask for a new one.',
  token_expired: 'This link has expired. Ask for a new one.',
  token_not_yet_valid: 'This link is not valid yet. Try again at the time of the call.',
  token_revoked: 'This link has been withdrawn. Ask for a new one.',
  room_not_found: 'This call does not exist or is already over.',
  room_not_open_yet: 'The room is not open yet. Try again at the time of the call.',
  room_expired: 'This call is over.',
  room_locked: 'The host has locked the room.',
  room_full: 'The room is full.',
  tenant_suspended: 'Calls of this organisation are suspended.',
  lobby_denied: 'The host did not let you in.',
  no_shared_codec: 'This browser and the call have no video format in common.',
  server_busy: 'The server is busy. Try again in a minute.',
  server_draining: 'The server is being restarted. Try again in a minute.',
  dtls_failed: 'A secure media connection could not be made. Try again.',
  ice_failed: 'Sound and picture could not reach the server. A firewall or VPN may block UDP; another network may help.',
  // what this module finds out itself
  unreachable: 'The server cannot be reached. Check your network and try again.',
  timeout: 'The server did not answer in time. Try again.',
  permission_denied: 'You are not allowed to do this.',
  muted_by_host: 'The host muted you. Ask to be unmuted.',
  not_joined: 'You are not in the call.',
};

/** Reasons after which a lost call may still be joined again by itself. */
const RETRYABLE = new Set(['unreachable', 'timeout', 'connection_lost', 'server_busy',
  'server_draining', 'server_shutdown', 'server_restart']);

/**
 * The sentence for a reason word.
 * @param {string} reason
 * @param {string} [fallback]
 */
export function reasonText(reason, fallback) {
  return /** @type {Record<string, string>} */ (SENTENCES)[reason] ?? fallback ??
      `The call ended (${String(reason).replaceAll('_', ' ')}).`;
}

/** @param {string} reason  of a refusal or a `bye`: may the same token be tried again at once? */
export const isRetryable = (reason) => RETRYABLE.has(reason);

/** Something that can be shown (`message`) and branched on (`reason`). */
export class CallError extends Error {
  /** @param {string} reason @param {string} [message] */
  constructor(reason, message) {
    super(message ?? reasonText(reason));
    this.name = 'CallError';
    this.reason = reason;
  }
  get retryable() { return isRetryable(this.reason); }
}

/** JSON-RPC 2.0 over a WebSocket or a data channel: requests with a deadline, notifications in order. */
export class Socket {
  #ws;
  #nextId = 1;
  /** @type {Map<number, {settle: (message: any) => void, fail: (error: CallError) => void}>} */
  #waiting = new Map();
  /** @type {(method: string, params: any) => void} */ onnotification = () => {};
  /** @type {() => void} */ onclose = () => {};

  /** @param {WebSocket|RTCDataChannel} ws */
  constructor(ws) {
    this.#ws = ws;
    ws.onmessage = (event) => this.#receive(JSON.parse(event.data));
    ws.onclose = () => this.#lost();
  }

  /** @param {string} url @returns {Promise<Socket>} */
  static open(url) {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(url, 'parley.rtc.v1');
      const fail = () => { clearTimeout(timer); ws.onclose = null; ws.close(); reject(new CallError('unreachable')); };
      const timer = setTimeout(fail, OPEN_TIMEOUT_MS);
      ws.onclose = fail;
      ws.onopen = () => { clearTimeout(timer); resolve(new Socket(ws)); };
    });
  }

  get isOpen() { return this.#ws.readyState === WebSocket.OPEN || this.#ws.readyState === 'open'; }

  /** @param {string} method @param {object} [params] @returns {Promise<any>} */
  request(method, params = {}, timeoutMs = REQUEST_TIMEOUT_MS) {
    if (!this.isOpen) return Promise.reject(new CallError('connection_lost'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const done = () => { clearTimeout(timer); this.#waiting.delete(id); };
      const timer = setTimeout(() => { done(); reject(new CallError('timeout')); }, timeoutMs);
      this.#waiting.set(id, {
        settle: ({result, error}) => {
          done();
          if (!error) return resolve(result);
          const reason = error.data?.reason ?? error.data?.status ?? 'error';
          reject(new CallError(reason, reasonText(reason, sentence(error.message))));
        },
        fail: (error) => { done(); reject(error); },
      });
      this.#ws.send(JSON.stringify({jsonrpc: '2.0', id, method, params}));
    });
  }

  /** @param {number} code  1000 leaves the room; the server takes any other for a lost connection */
  close(code) {
    this.onclose = () => {};
    this.onnotification = () => {};
    this.#ws.close(code);
    this.#lost();
  }

  /** @param {any} message */
  #receive(message) {
    if (message.method) this.onnotification(message.method, message.params ?? {});
    else this.#waiting.get(message.id)?.settle(message);
  }

  #lost() {
    for (const request of [...this.#waiting.values()]) request.fail(new CallError('connection_lost'));
    this.onclose();
  }
}

/** @param {string} message */
const sentence = (message) => message ? message[0].toUpperCase() + message.slice(1).replace(/\.?$/, '.') : undefined;
