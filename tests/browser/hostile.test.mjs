/** Rubbish at every door while a call goes on: it gets a named error or silence, the call feels nothing. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import {after, before, test} from 'node:test';

import WebSocket from 'ws';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon, signJoin} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';

const FLOOD_MS = 5_000;
const FLOOD_PER_S = 10_000;
const CROWD_MS = 6_000; // longer than ice.tcp.check_timeout_ms
const MAX_LOSS = 0.001;

let daemon, chromium, room;
const pages = {};

before(async () => {
  daemon = await Daemon.start({workers: 1});
  chromium = await launchChromium();
  room = await daemon.room('target');
  for (const name of ['ada', 'ben']) {
    pages[name] = await openChromium(chromium, daemon.url);
    await pages[name].evaluate(install);
    await pages[name].evaluate((look) => window.me.makeSource(look), {...LOOKS[name], fps: 30, busy: true});
    await pages[name].evaluate((options) => window.me.join(options), {token: await room.token(name)});
  }
  for (const page of Object.values(pages)) {
    await until('a picture', () => page.evaluate(() => window.me.pictures()[0]?.frames > 10));
  }
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

/** Datagrams of random length and content whose first byte passes as each of the protocols in turn. */
async function flood() {
  const socket = dgram.createSocket('udp4');
  const noise = crypto.randomBytes(65_536);
  const firstBytes = [0, 1, 22, 23, 64, 128, 144, 200, 255];
  const started = performance.now();
  let sent = 0;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsed = Math.min(performance.now() - started, FLOOD_MS);
      for (const due = elapsed * FLOOD_PER_S / 1_000; sent < due; ++sent) {
        const from = (sent * 7_919) % 60_000;
        const datagram = Buffer.from(noise.subarray(from, from + 1 + (sent * 31) % 1_200));
        datagram[0] = firstBytes[sent % firstBytes.length];
        socket.send(datagram, daemon.mediaPort, '127.0.0.1');
      }
      if (elapsed < FLOOD_MS) return;
      clearInterval(timer);
      resolve(undefined);
    }, 2);
  });
  await new Promise((resolve) => { socket.close(resolve); });
  return sent;
}

/** An attack during which all who are in the call lose next to nothing. @param {import('node:test').TestContext} t */
async function feltByNobody(t, attack) {
  const received = () => Promise.all(Object.values(pages).map((page) => page.evaluate(() => window.me.received())));
  const before = await received();
  const result = await attack();
  const later = await received();
  later.forEach((now, i) => {
    const packets = now.packets - before[i].packets;
    const lost = now.lost - before[i].lost;
    t.diagnostic(`${packets} packets received, ${lost} lost, ${now.freezes - before[i].freezes} freezes`);
    assert.ok(packets > 250, `only ${packets} packets`);
    assert.ok(lost <= packets * MAX_LOSS, `${lost} of ${packets} lost`);
  });
  return result;
}

test('ten thousand random datagrams a second cost a call less than 0.1 % of its packets', async (t) => {
  const sent = await feltByNobody(t, flood);
  assert.ok(sent >= FLOOD_PER_S * FLOOD_MS / 1_000 * 0.95, `only ${sent} were sent`);
});

/** Connections to the media port, new ones all the time, that are silent, trickle, or bring rubbish. */
async function crowd() {
  const noise = crypto.randomBytes(65_536);
  const check = Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex'); // of nobody
  const habits = [
    () => {},
    (socket) => socket.write(Buffer.from([0])),
    (socket) => socket.write(Buffer.concat([Buffer.from([0, check.length]), check])),
    (socket) => socket.write(noise),
    (socket) => socket.write(Buffer.alloc(4_096)), // null packets
  ];
  const sockets = [];
  const started = performance.now();
  while (performance.now() - started < CROWD_MS) {
    for (let i = 0; i < 20; ++i) { // twice as fast as they are accepted
      const socket = net.connect(daemon.mediaPort, '127.0.0.1');
      socket.on('error', () => {});
      sockets.push({socket, habit: habits[sockets.length % habits.length]});
    }
    for (const {socket, habit} of sockets) if (socket.writable) habit(socket);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  return sockets.map(({socket}) => socket);
}

test('a crowd on the TCP port is felt by nobody, limited and sent away', async (t) => {
  const sockets = await feltByNobody(t, crowd);
  await until('all were sent away', () => sockets.every((socket) => socket.destroyed));
  const metrics = await daemon.metrics();
  for (const name of ['accepted', 'refused', 'unproven', 'broken']) {
    t.diagnostic(`${name}: ${metrics[`parley_worker_tcp_${name}_total`]} of ${sockets.length}`);
    assert.ok(metrics[`parley_worker_tcp_${name}_total`] > 0, name);
  }
  t.diagnostic(`open: ${metrics.parley_worker_tcp_connections}`); // of the browsers, as a spare way
});

/** A signalling socket that sends what it is told. */
async function rawSocket() {
  const ws = new WebSocket(`${daemon.url.replace('http', 'ws')}/v1/rtc`, 'parley.rtc.v1');
  const messages = [];
  let closed = null;
  ws.on('message', (data) => messages.push(JSON.parse(data)));
  ws.on('close', (code) => { closed = code; });
  ws.on('error', () => {});
  await until('the socket is open', () => ws.readyState === WebSocket.OPEN);
  return {
    send: (value) => ws.send(typeof value === 'string' ? value : JSON.stringify(value)),
    answer: (id) => until(`an answer to ${id}`, () => messages.find((message) => message.id === id)),
    closed: () => until('the socket is closed', () => closed),
    close: () => ws.terminate(),
  };
}

/** A socket that has joined, and a function that expects a request to fail. */
async function joined(identity) {
  const socket = await rawSocket();
  let id = 1;
  const call = async (method, params) => {
    socket.send({jsonrpc: '2.0', id: ++id, method, params});
    return socket.answer(id);
  };
  const {result} = await call('join', {token: await room.token(identity)});
  assert.ok(result.participant_id);
  return {...socket, call};
}

test('a join with a bad token is refused with its reason', async () => {
  const good = await room.token('eve');
  const [head, body, signature] = good.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url'));
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bad = {
    'not a token': 'x',
    'without its signature': `${head}.${body}.`,
    'for nobody\'s key': `${head}.${body}.${'A'.repeat(signature.length)}`,
    'with alg none': `${encode({alg: 'none', typ: 'JWT'})}.${body}.`,
    'with a changed role': `${head}.${encode({...claims, parley: {...claims.parley, role: 'host'}})}.${signature}`,
    'of another key': signJoin(room.roomId, {}, {secret: 'another secret, also longer than 32 bytes'}),
    'of an unknown issuer': signJoin(room.roomId, {iss: 'nobody'}),
    'with another algorithm': signJoin(room.roomId, {}, {head: {alg: 'HS512', typ: 'JWT'}}),
    'for the control socket': signJoin(room.roomId, {aud: 'parley-control'}),
    'that never expires': signJoin(room.roomId, {exp: undefined}),
  };
  const nowS = Math.floor(Date.now() / 1_000);
  const cases = [
    ...Object.entries(bad).map(([what, token]) => [what, token, 'token_invalid']),
    ['that has expired', signJoin(room.roomId, {exp: nowS - 60}), 'token_expired'],
    ['that is for later', signJoin(room.roomId, {nbf: nowS + 3_600, exp: nowS + 7_200}), 'token_not_yet_valid'],
    ['for no room', signJoin(`rm_${'a'.repeat(26)}`), 'room_not_found'],
  ];
  for (const [what, token, reason] of cases) {
    const socket = await rawSocket();
    socket.send({jsonrpc: '2.0', id: 1, method: 'join', params: {token}});
    const {error} = await socket.answer(1);
    assert.equal(error?.data?.reason, reason, what);
    assert.equal(await socket.closed(), 1008, what);
  }
  const fine = await rawSocket();
  fine.send({jsonrpc: '2.0', id: 1, method: 'join', params: {token: signJoin(room.roomId)}});
  assert.ok((await fine.answer(1)).result, 'a good token is refused');
  fine.close();
});

test('a request before join is refused', async () => {
  const socket = await rawSocket();
  socket.send({jsonrpc: '2.0', id: 1, method: 'recording.list', params: {}});
  const {error} = await socket.answer(1);
  assert.ok(error.code < 0 && error.message.length > 0, JSON.stringify(error));
  socket.close();
});

test('bad requests get a named error and the socket goes on', async () => {
  const socket = await joined('eve');
  const names = [
    ['no.such.method', {}, /./],
    ['slot.want', {mid: 'zz', height: 180}, /./],
    ['slot.want', {mid: 7, height: 'tall'}, /invalid/],
    ['track.update', {track_id: 'tr_of_nobody', muted: true}, /./],
    ['offer', {sdp: 7, tracks: []}, /invalid/],
    ['offer', {sdp: 'v=0', tracks: []}, /./],
    ['offer', {sdp: '\u0000\u0001', tracks: []}, /./],
    ['offer', {sdp: `v=0\r\n${'a=x\r\n'.repeat(9_000)}`, tracks: []}, /./],
    ['offer', {sdp: 'v=0\r\n', tracks: [], unknown: 1}, /invalid/],
    ['recording.start', {}, /permission_denied/],
    ['session.end', {}, /permission_denied/],
    ['room.mute_all', {}, /permission_denied/],
  ];
  for (const [method, params, wanted] of names) {
    const {error} = await socket.call(method, params);
    assert.ok(error, `${method} ${JSON.stringify(params).slice(0, 80)} was accepted`);
    assert.match(`${error.code} ${error.data?.status} ${error.data?.reason}`, wanted, method);
    assert.ok(error.message.length > 3, `${method} has no message`);
  }
  const {result} = await socket.call('ping', {});
  assert.ok(result.server_time_ms > 0);
  socket.close();
});

test('what is no JSON-RPC is refused', async () => {
  for (const text of ['{', '[]', 'null', '{"jsonrpc":"1.0","id":1,"method":"join"}', `{"a":${'['.repeat(64)}${']'.repeat(64)}}`]) {
    const socket = await rawSocket();
    socket.send(text);
    const {error} = await Promise.race([
      until(`an error for ${text.slice(0, 20)}`, () => socket.answer(null)),
      socket.answer(1),
      socket.closed().then(() => ({error: 'closed'})),
    ]);
    assert.ok(error, text.slice(0, 20));
    socket.close();
  }
});

test('the call is still there', async () => {
  for (const page of Object.values(pages)) {
    const {frames} = await page.evaluate(() => window.me.pictures()[0]);
    await until('more frames', async () => (await page.evaluate(() => window.me.pictures()[0])).frames > frames + 5);
  }
});
