/** A real coturn takes the credentials of the join answer, and media goes through it. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon, freeTcpPort} from './daemon.mjs';
import {LOOKS, install, isColor} from './participant.mjs';
import {route} from './tcp_proxy.mjs';
import {until} from './wait.mjs';

const SECRET = 'a secret that coturn and parley share';
const TTL_S = 20;

let turn, daemon, chromium, room;

before(async () => {
  const port = await freeTcpPort();
  daemon = await Daemon.start({workers: 1, config:
    `ice_servers: [{urls: ["turn:127.0.0.1:${port}?transport=udp"], secret: "${SECRET}", ttl: ${TTL_S}s}]`});
  turn = await startTurn(port);
  chromium = await launchChromium();
  room = await daemon.room('relayed');
});

after(async () => {
  await chromium?.close();
  turn?.process.kill('SIGTERM');
  await daemon?.stop();
});

/** coturn with this file's secret and nothing else: on loopback, which it relays to only when told. */
async function startTurn(port) {
  const file = path.join(daemon.directory, 'turnserver.conf');
  fs.writeFileSync(file, [
    'listening-ip=127.0.0.1', 'relay-ip=127.0.0.1', `listening-port=${port}`, 'allow-loopback-peers',
    'fingerprint', 'lt-cred-mech', 'use-auth-secret', `static-auth-secret=${SECRET}`, 'realm=parley.test',
    'no-cli', 'no-tls', 'no-dtls', 'log-file=stdout', 'simple-log', 'verbose',
    `pidfile=${daemon.directory}/turnserver.pid`, `userdb=${daemon.directory}/turndb`,
  ].join('\n'));
  const server = {output: '', port, process: spawn('turnserver', ['-c', file], {cwd: daemon.directory, stdio: ['ignore', 'pipe', 'pipe']})};
  for (const stream of [server.process.stdout, server.process.stderr]) stream.on('data', (data) => { server.output += data; });
  server.process.on('error', (error) => { server.output += error.message; });
  await until('coturn listens', () => new Promise((resolve) => {
    if (server.process.exitCode !== null) throw new Error(server.output);
    const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  }));
  return server;
}

/** Runs in the page: nothing but what a TURN server relays. */
function onlyRelayed() {
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(configuration) { super({...configuration, iceTransportPolicy: 'relay'}); }
  };
}

const servers = (page) => page.evaluate(() => window.me.call.peerConnection.getConfiguration().iceServers[0]);

test('two people meet through the relay alone, and get fresh credentials before the old ones end', async () => {
  const pages = {};
  for (const name of ['ada', 'ben']) {
    const page = pages[name] = await openChromium(chromium, daemon.url);
    await page.evaluate(install);
    await page.evaluate(onlyRelayed);
    await page.evaluate((look) => window.me.makeSource(look), LOOKS[name]);
    await page.evaluate((options) => window.me.join(options), {token: await room.token(name)});
  }
  for (const [name, other] of [['ada', 'ben'], ['ben', 'ada']]) {
    await until(`${name} sees ${other}`, async () => {
      const [seen] = await pages[name].evaluate(() => window.me.pictures());
      return seen?.identity === other && seen.frames > 20 && isColor(seen.color, LOOKS[other].color);
    });
    assert.equal((await until('the way is known', () => pages[name].evaluate(route))).type, 'relay');
  }
  const first = await servers(pages.ada);
  assert.match(first.username, /^\d{10}:ada$/);
  assert.ok(turn.output.includes(`user <${first.username}>`), `coturn knows no ${first.username}:\n${turn.output.slice(-2_000)}`);

  const fresh = await until('fresh credentials', async () => {
    const now = await servers(pages.ada);
    return now.username !== first.username && now;
  }, TTL_S * 1_000);
  assert.ok(Number.parseInt(fresh.username, 10) > Number.parseInt(first.username, 10));
  assert.ok(Date.now() / 1_000 < Number.parseInt(first.username, 10), 'they came too late');
  assert.notEqual(fresh.credential, first.credential);
  const [{frames}] = await pages.ada.evaluate(() => window.me.pictures());
  await until('the picture goes on', async () => (await pages.ada.evaluate(() => window.me.pictures()))[0].frames > frames + 10);
});

test('a credential that was changed is refused', async () => {
  const page = await openChromium(chromium, daemon.url);
  await page.evaluate(install);
  await page.evaluate((options) => window.me.join(options), {token: await room.token('eve')});
  const server = await servers(page);
  const candidates = (credential) => page.evaluate(async (iceServer) => {
    const pc = new RTCPeerConnection({iceServers: [iceServer], iceTransportPolicy: 'relay'});
    const found = [];
    pc.onicecandidate = ({candidate}) => { if (candidate?.candidate) found.push(candidate.candidate); };
    const gathered = new Promise((resolve) => {
      pc.onicegatheringstatechange = () => { if (pc.iceGatheringState === 'complete') resolve(undefined); };
    });
    pc.createDataChannel('x');
    await pc.setLocalDescription();
    await gathered;
    pc.close();
    return found;
  }, {...server, credential});
  assert.ok((await candidates(server.credential)).some((one) => one.includes('typ relay')));
  assert.deepEqual(await candidates(Buffer.from('another').toString('base64')), []);
});
