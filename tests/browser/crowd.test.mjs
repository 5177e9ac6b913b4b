/** A room with more people than all know by name, as parley.js and the page see it. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';
import {Person} from '../client/harness.mjs';

const LIMIT = 20;
const WATCHERS = 40;
const HOSTS = 25; // whom all know: more than the answer to a join has room for

let daemon, chromium, room, ada;
const watchers = [];
const me = (what) => ada.page.evaluate(what);

before(async () => {
  daemon = await Daemon.start({config: `rooms: {roster_limit: ${LIMIT}}\n`});
  chromium = await launchChromium();
  room = await daemon.room('hall');
  for (let i = 0; i < WATCHERS; ++i) watchers.push(await Person.join(daemon.url, await room.token(`watcher-${i}`, {role: 'viewer'})));
  for (let i = 0; i < HOSTS; ++i) await Person.join(daemon.url, await room.token(`host-${i}`, {role: 'host'}));
  ada = await openChromium(chromium, daemon.url);
  await ada.evaluate(() => {
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
      constructor(...options) {
        super(...options);
        window.sockets.push(this);
      }
    };
  });
  await ada.evaluate(install);
  await ada.evaluate((options) => window.me.join(options), {token: await room.token('ada', {role: 'host'}), audioSlots: 1, videoSlots: 1});
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

test('all are counted, and all who matter are known though they did not fit into the answer', async () => {
  const known = () => me(() => window.me.call.participants.map(({identity}) => identity));
  await until('the hosts are known', async () => (await known()).filter((name) => name.startsWith('host')).length === HOSTS);
  assert.equal((await known()).length, LIMIT + HOSTS);
  assert.equal(await me(() => window.me.call.count), WATCHERS + HOSTS + 1);
  assert.equal(await me(() => window.me.call.others), WATCHERS + HOSTS);
});

test('who is not known by name is found page by page', async () => {
  const found = await me(async () => {
    const names = [];
    for (let pageToken = null; ;) {
      const page = await window.me.call.people({limit: 25, pageToken});
      names.push(...page.participants.map(({identity}) => identity));
      pageToken = page.nextPageToken;
      if (!pageToken) return names;
    }
  });
  assert.equal(found.length, WATCHERS + HOSTS + 1);
  assert.ok(found.includes('watcher-39') && found.includes('ada'));
});

test('what a stranger sends is not taken for the backend\'s', async () => {
  await me(() => { window.heard = []; window.me.call.addEventListener('data', ({detail}) => window.heard.push([detail.participant?.identity ?? null, detail.data])); });
  await watchers[WATCHERS - 1].ask('data.send', {data: 'hello'});
  await daemon.api('data.send', {room_id: room.roomId, data: 'from above'});
  await until('both have come', async () => (await me(() => window.heard)).length === 2);
  assert.deepEqual(await me(() => window.heard), [[`watcher-${WATCHERS - 1}`, 'hello'], [null, 'from above']]);
});

test('a stranger who begins to send is seen', async () => {
  const cid = await openChromium(chromium, daemon.url);
  await cid.evaluate(install);
  await cid.evaluate((look) => window.me.makeSource({...look, width: 320, height: 180}), LOOKS.ben);
  await cid.evaluate((options) => window.me.join(options), {token: await room.token('ben'), simulcast: false, audioSlots: 0, videoSlots: 0});
  await until('his picture has his name', () => me(() => window.me.call.slots.some(({kind, participant}) => kind === 'video' && participant?.identity === 'ben')));
  await until('he is counted', async () => await me(() => window.me.call.count) === WATCHERS + HOSTS + 2);
});

test('after a lost connection nobody seems to have come or gone', async () => {
  await me(() => {
    window.told = [];
    for (const name of ['joined', 'left']) window.me.call.addEventListener(name, ({detail}) => window.told.push(`${name} ${detail.participant.identity}`));
  });
  const known = await me(() => window.me.call.participants.length);
  await me(() => new Promise((resolve) => {
    let lost = false;
    window.me.call.addEventListener('state', () => {
      lost ||= window.me.call.state === 'reconnecting';
      if (lost && window.me.call.state === 'joined') resolve();
    });
    window.sockets.at(-1).close(4_000);
  }));
  await until('all are known again', async () => await me(() => window.me.call.participants.length) === known);
  assert.deepEqual(await me(() => window.told), []);
  assert.equal(await me(() => window.me.call.count), WATCHERS + HOSTS + 2);
});

test('who only guards is told of the others as they are, and not counted', async () => {
  const guard = await openChromium(chromium, daemon.url);
  await guard.evaluate(install);
  await guard.evaluate((options) => window.me.join(options), {token: await room.token('guard', {role: 'observer'}), audioSlots: 1, videoSlots: 0});
  assert.equal(await guard.evaluate(() => window.me.call.others), WATCHERS + HOSTS + 2);
  assert.equal(await me(() => window.me.call.count), WATCHERS + HOSTS + 2);
});
