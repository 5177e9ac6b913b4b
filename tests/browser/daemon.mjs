/**
 * Starts a parleyd of PARLEY_BIN_DIR on free ports with its own folder, and speaks to it as a
 * backend does: control requests over POST /v1/rpc with a signed key token.
 */
import {spawn} from 'node:child_process';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {until} from './wait.mjs';

const BIN_DIR = process.env.PARLEY_BIN_DIR ?? fileURLToPath(new URL('../../build/release/bin', import.meta.url));
const SECRET = 'a secret of the browser tests, longer than 32 bytes';
/** The API key that every daemon here knows. */
export const KEY = {id: 'tests', secret: SECRET};
const STOP_TIMEOUT_MS = 12_000;

export async function freeTcpPort() {
  const server = net.createServer();
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const {port} = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** A UDP port whose successor is free too: each worker has its own. */
async function freeUdpPair() {
  for (;;) {
    const sockets = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
    const bind = (socket, port) => new Promise((resolve) => {
      socket.once('error', () => resolve(false));
      socket.bind(port, '127.0.0.1', () => resolve(true));
    });
    await bind(sockets[0], 0);
    const {port} = sockets[0].address();
    const both = port < 65_535 && await bind(sockets[1], port + 1);
    await Promise.all(sockets.map((socket) => new Promise((resolve) => {
      try { socket.close(resolve); } catch { resolve(undefined); }
    })));
    if (both) return port;
  }
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const more = (settings) => Object.entries(settings).map(([name, value]) => `, ${name}: ${value}`).join('');

const nowS = () => Math.floor(Date.now() / 1_000);

/** A token as a backend signs it. @param {object} claims @param {{secret?: string, head?: object}} [signing] */
export function sign(claims, {secret = SECRET, head = {alg: 'HS256', typ: 'JWT'}} = {}) {
  const text = [head, {iss: 'tests', jti: crypto.randomUUID(), exp: nowS() + 120, ...claims}].map(base64url).join('.');
  return `${text}.${crypto.createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** A join token made without asking the daemon. */
export const signJoin = (roomId, more = {}, signing = {}) =>
  sign({aud: 'parley-join', sub: 'eve', nbf: nowS() - 10, parley: {tenant: 'tests', room: roomId, role: 'participant'}, ...more}, signing);

export class Daemon {
  /**
   * @param {{workers?: number, maxRoomPeers?: number, bind?: string, options?: string[], config?: string, auth?: object, control?: object, recording?: object}} [settings]
   *   bind is where media is, options go to the command line, config is YAML appended to the file, auth, control and recording are more of these parts
   */
  static async start({workers = 2, maxRoomPeers = 200, bind = '127.0.0.1', options = [], config = '', auth = {}, control = {}, recording = {}} = {}) {
    const daemon = new Daemon();
    daemon.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-browser-'));
    daemon.port = await freeTcpPort();
    daemon.mediaPort = await freeUdpPair();
    const file = path.join(daemon.directory, 'parley.yaml');
    fs.writeFileSync(file, [
      'log: {level: info}',
      `control: {listen: ["127.0.0.1:${daemon.port}"]${more(control)}}`,
      `auth: {api_keys: [{id: tests, secrets: ["${SECRET}"], role: admin}]${more(auth)}}`,
      `workers: {count: ${workers}, max_room_peers: ${maxRoomPeers}}`,
      `ice: {port_base: ${daemon.mediaPort}, bind: ["${bind}"]}`,
      `recording: {directory: "${daemon.directory}/recordings", min_free_bytes: 1048576${more(recording)}}`,
      `store: {file: "${daemon.directory}/parley.db"}`,
      config,
    ].join('\n'));
    daemon.arguments = ['--config', file, ...options];
    try {
      await daemon.run();
    } catch (error) {
      daemon.process.kill('SIGKILL');
      fs.rmSync(daemon.directory, {recursive: true, force: true});
      throw error;
    }
    return daemon;
  }

  get url() { return `http://127.0.0.1:${this.port}`; }

  /** Starts the process; again after `kill`. */
  async run() {
    this.output = '';
    this.process = spawn(path.join(BIN_DIR, 'parleyd'), this.arguments, {cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe']});
    this.process.on('error', (error) => { this.output += error.message; });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (data) => { this.output += data; });
    await until('parleyd is ready', async () => {
      if (this.process.exitCode !== null) throw new Error(`parleyd exited with ${this.process.exitCode}: ${this.output}`);
      return (await fetch(`${this.url}/readyz`)).ok;
    });
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.#exited();
  }

  /** Ends it as an operator does and removes its folder. */
  async stop() {
    this.process.kill('SIGTERM');
    await this.#exited();
    if (process.env.PARLEY_KEEP) console.log(`kept ${this.directory}`);
    else fs.rmSync(this.directory, {recursive: true, force: true});
    if (this.process.exitCode !== 0 && this.process.signalCode !== 'SIGKILL') {
      throw new Error(`parleyd ended with ${this.process.exitCode ?? this.process.signalCode}:\n${this.output.slice(-4_000)}`);
    }
  }

  async #exited() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const child = this.process;
    const timer = setTimeout(() => child.kill('SIGABRT'), STOP_TIMEOUT_MS);
    await new Promise((resolve) => { child.once('exit', resolve); });
    clearTimeout(timer);
  }

  /** One control request. @param {string} method @param {object} params */
  async api(method, params = {}) {
    const response = await fetch(`${this.url}/v1/rpc`, {
      method: 'POST',
      headers: {authorization: `Bearer ${sign({aud: 'parley-control'})}`, 'content-type': 'application/json'},
      body: JSON.stringify({jsonrpc: '2.0', id: 1, method, params}),
    });
    const {result, error} = await response.json();
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  /** What /metrics says: numbers by name, summed over their labels. */
  async metrics() {
    const sums = {};
    for (const line of (await (await fetch(`${this.url}/metrics`)).text()).split('\n')) {
      const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name) sums[name] = (sums[name] ?? 0) + Number(value);
      const [, reason] = /reason="(\w+)"/.exec(labels ?? '') ?? []; // drops, by reason too
      if (reason) sums[`${name} ${reason}`] = (sums[`${name} ${reason}`] ?? 0) + Number(value);
    }
    return sums;
  }

  /** A room and a function that makes join tokens for it. @param {string} name @param {object} [config] */
  async room(name, config = {}) {
    const {room_id: roomId} = await this.api('room.create', {tenant: 'tests', name, ...config});
    const token = async (identity, {role = 'participant', ...more} = {}) =>
      (await this.api('token.create', {room_id: roomId, identity, name: identity, role, ttl_s: 600, ...more})).token;
    return {roomId, token};
  }
}
