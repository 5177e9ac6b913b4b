/**
 * A09: the same contract for every player of the example backend: parley on a real daemon with real
 * browsers, and another service in memory.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import {test} from 'node:test';

import {openPlayer} from '../../docs/examples/backend/player.mjs';
import {launchChromium, openChromium} from '../browser/browsers.mjs';
import {Daemon, KEY} from '../browser/daemon.mjs';
import {LOOKS, install} from '../browser/participant.mjs';
import {until} from '../browser/wait.mjs';
import {FakeService} from './fake-player.mjs';

const SMALL = {width: 320, height: 180, fps: 10};
const TALK_MS = 1_000;

/** A real call: each person is a page of Chromium. */
async function parleyWorld() {
  const daemon = await Daemon.start({workers: 1});
  const chromium = await launchChromium();
  const player = await openPlayer(
      {player: 'parley', url: daemon.url, key: KEY, consumer: 'contract'});
  const pages = [];
  const participants = async (room) =>
    (await daemon.api('participant.list', {room_id: room})).participants;
  return {
    player,
    async join(link) {
      const page = await openChromium(chromium, daemon.url);
      pages.push(page);
      await page.evaluate(install);
      await page.evaluate((look) => window.me.makeSource(look),
          {...Object.values(LOOKS)[pages.length % 2], ...SMALL});
      const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token');
      await page.evaluate((options) => window.me.join(options), {token, simulcast: false});
    },
    isHeard: async (room, person) => {
      const {tracks} = (await participants(room)).find(({identity}) => identity === person);
      return tracks.find(({source}) => source === 'microphone')?.muted === false;
    },
    /** Until the minutes run and everybody has seen somebody. */
    talk: async () => {
      for (const page of pages.slice(0, 2)) {
        await until('a picture', () => page.evaluate(() => window.me.pictures()[0]?.frames > 10));
      }
      await until('a second of it', async () =>
        (await daemon.api('quota.get', {tenant: 'seller'})).room_ms >= TALK_MS);
    },
    stop: async () => {
      await player.close();
      await chromium.close();
      await daemon.stop();
    },
  };
}

/** The other service posts its events, so somebody has to be there for them. */
async function otherWorld() {
  const service = await FakeService.start(KEY);
  let player;
  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const genuine = await player.posted(request.headers, Buffer.concat(parts));
    response.writeHead(genuine ? 200 : 401).end();
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const callbackUrl = `http://127.0.0.1:${server.address().port}/player-events`;
  const module = new URL('fake-player.mjs', import.meta.url).href;
  player = await openPlayer({player: 'other', module, url: service.url, callbackUrl, key: KEY});
  const forged = await fetch(callbackUrl, {method: 'POST', body: 'RoomSid=RM1',
    headers: {'x-twilio-signature': 'AAAA'}});
  assert.equal(forged.status, 401);
  return {
    player,
    join: async (link) => service.connect(link),
    isHeard: async (room, person) =>
      service.isHeard(room, `${person === 'seller' ? 'host' : 'guest'}~${person}`),
    talk: async () => service.pass(90_000),
    stop: async () => {
      await service.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function contract(world) {
  const {player} = world;
  const events = [];
  const inbox = {
    load: async () => null,
    apply: async (event) => {
      if (!events.some(({id}) => id === event.id)) events.push(event);
    },
    reset: async () => {},
  };
  const told = (type, more = {}) => until(`${type} ${JSON.stringify(more)}`, () =>
    events.find((event) => event.type === type &&
      Object.entries(more).every(([name, value]) => event[name] === value)), 20_000);
  const there = (...people) => until(`there are ${people}`, async () =>
    (await player.present(room)).sort().join() === people.sort().join());

  await player.listen(inbox);
  const startsAtMs = Date.now() - 1_000;
  const appointment = {id: 'seller-car-5512', seller: 'seller', startsAtMs,
    endsAtMs: startsAtMs + 3_600_000};
  const room = await player.create(appointment);
  assert.equal(await player.create(appointment), room, 'asked twice, made once');
  const invite = (person, role) => player.invite(room, {...appointment, person, role});
  const links = {seller: await invite('seller', 'host'), buyer: await invite('buyer', 'guest'),
    stranger: await invite('stranger', 'guest')};
  assert.equal(new Set(Object.values(links)).size, 3);
  assert.deepEqual(await player.present(room), []);

  await world.join(links.buyer);
  await told('joined', {person: 'buyer', room});
  assert.deepEqual((await told('host_absent', {room})).waiting, ['buyer']);
  await world.join(links.seller);
  await told('joined', {person: 'seller', room});
  await there('seller', 'buyer');

  await until('the buyer is heard', () => world.isHeard(room, 'buyer'));
  await player.muteAll(room, ['seller']);
  await until('the buyer is not heard', async () => !await world.isHeard(room, 'buyer'));
  await until('the seller is', () => world.isHeard(room, 'seller'));

  await player.record(room);
  await world.talk();

  await world.join(links.stranger);
  await told('joined', {person: 'stranger', room});
  await player.kick(room, 'stranger');
  await told('left', {person: 'stranger', room});
  await there('seller', 'buyer');
  await Promise.resolve(world.join(links.stranger)).catch(() => {}); // one refuses, one sends away
  await there('seller', 'buyer');

  await player.end(room);
  const ended = await told('ended', {room});
  assert.ok(ended.usedMs >= TALK_MS, `${ended.usedMs} ms were used`);
  assert.equal(await player.usedMs(room), ended.usedMs);
  await told('left', {person: 'seller', room});
  await told('left', {person: 'buyer', room});
  const {recording} = await told('recorded', {room});
  const files = await player.files(recording);
  assert.ok(files.length > 0);
  for (const {name, url} of files) {
    const response = await fetch(url, {headers: {authorization: 'Basic eDp5'}});
    assert.equal(response.status, 200, name);
    assert.ok((await response.arrayBuffer()).byteLength > 0, name);
  }
  const once = events.filter(({type}) => ['host_absent', 'ended', 'recorded'].includes(type));
  assert.deepEqual(once.map(({type}) => type), ['host_absent', 'ended', 'recorded']);
}

for (const [name, open] of [['parley', parleyWorld], ['the other service', otherWorld]]) {
  test(`${name} does what a player has to`, async () => {
    const world = await open();
    try {
      await contract(world);
    } finally {
      await world.stop();
    }
  });
}
