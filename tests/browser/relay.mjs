/** A line of so many bits per second between a browser and the server: UDP relayed through a queue, both ways. */
import dgram from 'node:dgram';

const DATAGRAM_OVERHEAD = 28;

/**
 * @param {number} target the server's port on this machine
 * @param {{down?: number, up?: number, loss?: number, delayMs?: number, queueMs?: number}} line
 *   rates in bits per second; all of it may be changed at any time
 */
export async function relay(target, {down = Infinity, up = Infinity, loss = 0, delayMs = 15, queueMs = 400} = {}) {
  const line = {down, up, loss, delayMs, queueMs, lost: 0, passed: 0};
  const front = dgram.createSocket('udp4');
  const back = dgram.createSocket('udp4');
  let client = null;
  let closed = false;
  const free = {down: 0, up: 0};

  const pass = (way, bytes, send) => {
    const now = performance.now();
    if (Math.random() < line.loss) { line.lost += 1; return; }
    let at = now;
    if (line[way] !== Infinity) {
      const begins = Math.max(now, free[way]);
      if (begins - now > line.queueMs) { line.lost += 1; return; }
      at = free[way] = begins + (bytes.length + DATAGRAM_OVERHEAD) * 8_000 / line[way];
    }
    line.passed += 1;
    setTimeout(() => { if (!closed) send(); }, at - now + line.delayMs);
  };
  front.on('message', (bytes, from) => {
    client = from;
    pass('up', bytes, () => back.send(bytes, target, '127.0.0.1'));
  });
  back.on('message', (bytes) => {
    const to = client;
    if (to) pass('down', bytes, () => front.send(bytes, to.port, to.address));
  });
  for (const socket of [front, back]) {
    await new Promise((resolve) => { socket.bind(0, '127.0.0.1', () => resolve(undefined)); });
    socket.setRecvBufferSize(1 << 20);
  }
  return {line, port: front.address().port, close() { closed = true; front.close(); back.close(); }};
}

/** Runs in the page: whatever the server's answer says, its port is this one. @param {number} port */
export function throughPort(port) {
  const real = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function set(description) {
    const sdp = description.sdp.replace(/^(a=candidate:\S+ \d+ \S+ \d+ \S+) \d+/gm, `$1 ${port}`);
    return real.call(this, {type: description.type, sdp});
  };
}
