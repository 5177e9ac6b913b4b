/** A line of TCP between a browser and the server that can be cut, or read so slowly that it fills. */
import net from 'node:net';

/** @param {number} target the server's port on this machine @param {string} [host] */
export async function tcpProxy(target, host = '127.0.0.1') {
  const pairs = new Set();
  const proxy = {connections: 0, stalled: false};
  const server = net.createServer((client) => {
    proxy.connections += 1;
    const upstream = net.connect(target, host);
    const pair = {client, upstream};
    pairs.add(pair);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      one.setNoDelay(true);
      one.on('data', (bytes) => other.write(bytes));
      one.on('error', () => {});
      one.on('close', () => { other.destroy(); pairs.delete(pair); });
    }
    if (proxy.stalled) upstream.pause();
  });
  await new Promise((resolve) => { server.listen(0, host, () => resolve(undefined)); });
  return Object.assign(proxy, {
    port: server.address().port,
    get open() { return pairs.size; },
    cut() { for (const {client} of pairs) client.resetAndDestroy(); },
    /** Nothing of what the server sends is read any more, or again. @param {boolean} on */
    stall(on) {
      proxy.stalled = on;
      for (const {upstream} of pairs) on ? upstream.pause() : upstream.resume();
    },
    close() {
      server.close();
      for (const {client, upstream} of pairs) { client.destroy(); upstream.destroy(); }
    },
  });
}

/**
 * Runs in the page, which then has no UDP: of the server's answer only candidates of TCP are left,
 * and they lead to this port (null: to where they say).
 * @param {number|null} port
 */
export function onlyTcp(port) {
  const real = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function set(description) {
    let sdp = description.sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gm, '');
    if (port) sdp = sdp.replace(/^(a=candidate:\S+ \d+ tcp \d+ \S+) \d+/gm, `$1 ${port}`);
    return real.call(this, {type: description.type, sdp});
  };
}

/** Runs in the page: how its media goes. @returns {Promise<{protocol: string, type: string, address: string}|null>} */
export async function route() {
  const reports = await window.me.call.peerConnection.getStats();
  const all = [...reports.values()];
  const {selectedCandidatePairId} = all.find(({type}) => type === 'transport') ?? {};
  const pair = reports.get(selectedCandidatePairId) ?? all.find(({type, selected}) => type === 'candidate-pair' && selected);
  if (!pair) return null;
  const {protocol, candidateType, address} = reports.get(pair.localCandidateId);
  return {protocol, type: candidateType, address, remote: reports.get(pair.remoteCandidateId).address};
}
