/** A line of so many bits per second between a browser and the server: UDP relayed through a queue, both ways. */
import dgram from 'node:dgram';

import {seededRandom} from '../upload/faults.mjs';

const DATAGRAM_OVERHEAD = 28;

/**
 * @param {number} target the server's port on this machine
 * @param {{down?: number, up?: number, loss?: number, burst?: number, delayMs?: number, jitterMs?: number,
 *   reorder?: number, queueMs?: number, seed?: number}} line
 *   rates in bits per second; `loss` a share of the datagrams, `burst` how many are lost in a row on
 *   average; `reorder` a share that comes 20 ms late, behind others. All of it may be changed at any time.
 */
export async function relay(target, {seed = 1, ...given} = {}) {
  const line = {down: Infinity, up: Infinity, loss: 0, burst: 1, delayMs: 15, jitterMs: 0, reorder: 0, queueMs: 400,
    ...given, lost: 0, passed: 0};
  const random = seededRandom(seed);
  const front = dgram.createSocket('udp4');
  let back = dgram.createSocket('udp4');
  let client = null;
  let closed = false;
  const free = {down: 0, up: 0};
  const losing = {down: false, up: false};
  const last = {down: 0, up: 0};

  /** Two states, as Gilbert has it: the share and the length of bursts are what was asked for. @param {'down'|'up'} way */
  const isLost = (way) => {
    const {loss, burst} = line;
    const leave = 1 / Math.max(1, burst);
    const enter = loss >= 1 ? 1 : loss * leave / (1 - loss);
    losing[way] = random() < (losing[way] ? 1 - leave : enter);
    return losing[way];
  };
  const pass = (way, bytes, send) => {
    const now = performance.now();
    if (isLost(way)) { line.lost += 1; return; }
    let at = now;
    if (line[way] !== Infinity) {
      const begins = Math.max(now, free[way]);
      if (begins - now > line.queueMs) { line.lost += 1; return; }
      at = free[way] = begins + (bytes.length + DATAGRAM_OVERHEAD) * 8_000 / line[way];
    }
    line.passed += 1;
    at += line.delayMs + random() * line.jitterMs;
    if (random() < line.reorder) at += 20;
    else at = last[way] = Math.max(at, last[way]); // jitter alone changes no order
    setTimeout(() => { if (!closed) send(); }, at - now);
  };
  const listen = async (socket) => {
    await new Promise((resolve) => { socket.bind(0, '127.0.0.1', () => resolve(undefined)); });
    socket.setRecvBufferSize(1 << 20);
  };
  const fromServer = (bytes) => {
    const to = client;
    if (to) pass('down', bytes, () => front.send(bytes, to.port, to.address));
  };
  front.on('message', (bytes, from) => {
    client = from;
    pass('up', bytes, () => back.send(bytes, target, '127.0.0.1'));
  });
  back.on('message', fromServer);
  for (const socket of [front, back]) await listen(socket);
  return {
    line, port: front.address().port,
    /** From now on the server sees the client at another port, and what it sends to the old one is lost. */
    async rebind() {
      const fresh = dgram.createSocket('udp4');
      fresh.on('message', fromServer);
      await listen(fresh);
      const old = back;
      back = fresh;
      old.close();
    },
    close() { closed = true; front.close(); back.close(); },
  };
}

/** Runs in the page: its offers do not say that it could tell when packets come, only its own estimate (REMB). */
export function withoutTransportCc() {
  const real = WebSocket.prototype.send;
  WebSocket.prototype.send = function send(text) {
    return real.call(this, String(text).replace(/a=(rtcp-fb:\S+ transport-cc|extmap:[^\\]*transport-wide-cc[^\\]*)\\r\\n/g, ''));
  };
}

/** Runs in the page: whatever the server's answer says, its port is this one. @param {number} port */
export function throughPort(port) {
  const real = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function set(description) {
    const sdp = description.sdp.replace(/^(a=candidate:\S+ \d+ \S+ \d+ \S+) \d+/gm, `$1 ${port}`);
    return real.call(this, {type: description.type, sdp});
  };
}
