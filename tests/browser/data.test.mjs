/** Data channels between two Chromium and a Firefox, two of them on one worker and one on another. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {install} from './participant.mjs';
import {until} from './wait.mjs';

const CHANNELS = {events: {}, pointer: {ordered: false, maxRetransmits: 0}};

let daemon, chromium, firefox, room;
const pages = {};

before(async () => {
  daemon = await Daemon.start({workers: 2, maxRoomPeers: 2});
  chromium = await launchChromium();
  room = await daemon.room('data');
  for (const name of ['ada', 'ben']) {
    pages[name] = await openChromium(chromium, daemon.url);
  }
  pages.cid = await (firefox = await Firefox.launch()).open(daemon.url);
  for (const [name, page] of Object.entries(pages)) {
    await page.evaluate(install);
    await page.evaluate((options) => window.me.join(options),
      {token: await room.token(name), channels: CHANNELS, audioSlots: 1, videoSlots: 0});
  }
  for (const page of Object.values(pages)) await open(page);
});

after(async () => {
  await chromium?.close();
  await firefox?.close();
  await daemon?.stop();
});

const open = (page) => until('both channels are open', () =>
  page.evaluate(() => Object.values(window.me.channels).every(({isOpen}) => isOpen)), 20_000);
const came = (page) => page.evaluate(() => window.me.data.splice(0));
const send = (page, label, data, to) => page.evaluate(([name, what, names]) => {
  const ids = names?.map((one) => window.me.call.participants.find(({identity}) => identity === one).id);
  const bytes = typeof what === 'number' && new Uint8Array(what).fill(3);
  window.me.channels[name].send(bytes || what, {to: ids});
}, [label, data, to]);
/** @param {string} name @param {object[]} wanted */
const hears = async (name, wanted) => {
  const got = [];
  await until(`${name} has all of it`, async () => {
    got.push(...await came(pages[name]));
    return got.length >= wanted.length;
  });
  assert.deepEqual(got, wanted);
};

test('what one sends comes to all others, whoever they are', async () => {
  for (const [from, others] of [['ada', ['ben', 'cid']], ['cid', ['ada', 'ben']]]) {
    await send(pages[from], 'events', `gr\u00fc\u00dfe von ${from}`);
    await send(pages[from], 'pointer', '{"x":1}');
    await send(pages[from], 'events', 200_000);
    for (const other of others) {
      const got = [];
      await until(`${other} has three`, async () => { got.push(...await came(pages[other])); return got.length === 3; });
      const of = (label) => got.filter((one) => one.label === label).map(({from: who, data}) => [who, data]);
      assert.deepEqual(of('events'), [[from, `gr\u00fc\u00dfe von ${from}`], [from, {bytes: 200_000, sum: 600_000}]]);
      assert.deepEqual(of('pointer'), [[from, '{"x":1}']]);
    }
  }
});

test('what is for one comes to nobody else', async () => {
  await send(pages.ben, 'events', 'for cid alone', ['cid']);
  await send(pages.ben, 'events', 'for all');
  await hears('cid', [{label: 'events', from: 'ben', data: 'for cid alone'}, {label: 'events', from: 'ben', data: 'for all'}]);
  await hears('ada', [{label: 'events', from: 'ben', data: 'for all'}]);
});

test('empty messages and many small ones keep their order', async () => {
  const many = Array.from({length: 300}, (_, i) => i % 50 ? `${i}` : '');
  for (const data of many) await send(pages.ada, 'events', data);
  await hears('cid', many.map((data) => ({label: 'events', from: 'ada', data})));
  await hears('ben', many.map((data) => ({label: 'events', from: 'ada', data})));
});

test('a new connection has the channels again', async () => {
  await daemon.kill();
  await daemon.run();
  for (const page of Object.values(pages)) {
    await until('it is back', () => page.evaluate(() => window.me.call.state === 'joined'), 30_000);
    await open(page);
  }
  await send(pages.ada, 'events', 'after the crash');
  for (const name of ['ben', 'cid']) await hears(name, [{label: 'events', from: 'ada', data: 'after the crash'}]);
});

test('who floods loses his channel, and the others go on', async () => {
  await pages.ada.evaluate(() => {
    const big = 'x'.repeat(200);
    try { for (let i = 0; i < 5_000; ++i) window.me.channels.events.send(big); } catch { /* its buffer is full */ }
  });
  await until('he is told so', () => pages.ada.evaluate(() => window.me.log.includes('events.too_fast')), 20_000);
  await came(pages.cid);
  await send(pages.ben, 'events', 'still here');
  await until('the others talk', async () => (await came(pages.cid)).some(({data}) => data === 'still here'));
});

test('a room without data takes the call and no channels', async () => {
  const quiet = await daemon.room('quiet', {enable_data: false});
  const page = await openChromium(chromium, daemon.url);
  await page.evaluate(install);
  await page.evaluate((options) => window.me.join(options), {token: await quiet.token('dora'), channels: CHANNELS, audioSlots: 1, videoSlots: 0});
  await until('media is connected', () => page.evaluate(() => window.me.call.peerConnection.connectionState === 'connected'));
  assert.equal(await page.evaluate(() => Object.values(window.me.channels).some(({isOpen}) => isOpen)), false);
  const refused = await page.evaluate(() => window.me.call.sendData(1).catch(({reason}) => reason));
  assert.equal(refused, 'data_disabled');
});

test('what is written goes over a data channel of its own where a client wants that', async () => {
  const room2 = await daemon.room('words');
  const eve = await openChromium(chromium, daemon.url);
  const joe = await firefox.open(daemon.url);
  const fay = await openChromium(chromium, daemon.url);
  for (const [name, page] of Object.entries({eve, joe, fay})) {
    await page.evaluate(install);
    await page.evaluate(() => {
      window.overSocket = [];
      const {send} = WebSocket.prototype;
      WebSocket.prototype.send = function kept(text) { // eslint-disable-line no-extend-native
        window.overSocket.push(JSON.parse(text).method);
        return send.call(this, text);
      };
    });
    await page.evaluate((options) => window.me.join(options),
      {token: await room2.token(name), chatOverData: page !== fay, audioSlots: 1, videoSlots: 0});
  }
  const texts = (page) => page.evaluate(() => window.me.call.chat.messages.map(({text}) => text));
  const written = [];
  const all = async (what) => {
    for (const [name, page] of Object.entries({eve, joe, fay})) {
      await until(`${name} has read ${what}`, async () => (await texts(page)).length === written.length, 20_000);
      assert.deepEqual(await texts(page), written, name);
    }
  };
  const write = async (page, text) => {
    written.push(text);
    await page.evaluate((one) => window.me.call.chat.send(one), text);
  };
  const connected = (page) => until('media is connected', () => page.evaluate(() => window.me.call.peerConnection?.connectionState === 'connected'), 20_000);
  for (const page of [eve, joe, fay]) await connected(page);
  await until('it goes over the channel', async () => { // the socket does as well until that is open
    await write(eve, `before ${written.length}`);
    return (await eve.evaluate(() => window.overSocket.splice(0))).filter((method) => method === 'chat.send').length === 0;
  });
  await joe.evaluate(() => window.overSocket.splice(0));
  await write(joe, 'from Firefox, with \u00fcml\u00e4uts');
  await write(fay, 'over a socket');
  await write(eve, 'over a channel');
  await all('all of it');
  assert.ok(!(await eve.evaluate(() => window.overSocket)).includes('chat.send'));
  const refused = await eve.evaluate(() => window.me.call.chat.send('x'.repeat(5_000)).catch(({reason}) => reason));
  assert.equal(refused, 'message_too_long');
  await daemon.kill();
  await daemon.run();
  for (const page of [eve, joe, fay]) {
    await until('it is back', () => page.evaluate(() => window.me.call.state === 'joined'), 30_000);
    await connected(page);
  }
  await write(eve, 'after the crash');
  await all('what came after the crash');
});
