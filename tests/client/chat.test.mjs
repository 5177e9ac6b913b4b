/** What people write survives whatever happens to the daemon: each message once, and in order. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {Daemon} from '../browser/daemon.mjs';
import {until} from '../browser/wait.mjs';
import {Person, closeControls, control, seededRandom} from './harness.mjs';

const KILLS = process.env.PARLEY_LONG ? 50 : 5;
const MESSAGES = 200 * KILLS;
const PEOPLE = 6;
const EACH = 34; // so many may come at once on a fresh socket

let daemon;

before(async () => {
  daemon = await Daemon.start({
    auth: {reads_per_s: 0, writes_per_s: 0},
    config: 'chat: {keep_per_room: 20000}',
  });
});

after(async () => {
  await closeControls();
  await daemon?.stop();
});

/** Writes as an impatient page does: many at once, and again, by the same names, what was not answered. */
class Writer {
  sent = 0;
  /** By ref, in the order of the answers. */
  acknowledged = new Map();
  onAcknowledged = () => {};
  #unanswered = [];

  constructor(name, token) {
    this.name = name;
    this.token = token;
  }

  async join() {
    this.person = await Person.join(daemon.url, this.token);
    return this.person.joined.chat;
  }

  /** Settles when all have been answered, or the connection was lost. */
  async write(count) {
    while (this.#unanswered.length < count) this.#unanswered.push(`${this.name}-${++this.sent}`);
    await Promise.all(this.#unanswered.map(async (ref) => {
      const answer = await this.person.ask('chat.send', {text: `this is ${ref}`, ref}).catch(({reason}) => {
        if (reason !== 'connection_lost') throw new Error(`${ref}: ${reason}`);
        return null;
      });
      if (!answer) return;
      this.acknowledged.set(ref, answer);
      this.onAcknowledged();
    }));
    this.#unanswered = this.#unanswered.filter((ref) => !this.acknowledged.has(ref));
  }
}

async function allMessages(roomId) {
  const pages = [];
  for (let page = await daemon.api('chat.list', {room_id: roomId}); ;) {
    pages.unshift(...page.messages);
    if (!page.more) return pages;
    page = await daemon.api('chat.list', {room_id: roomId, before_seq: page.messages[0].seq});
  }
}

test(`${KILLS} kills lose no message that was acknowledged, repeat none, and keep the order`, async (t) => {
  const {roomId, token} = await daemon.room('killed');
  const random = seededRandom(7);
  const writers = await Promise.all(Array.from({length: PEOPLE}, async (_, i) =>
    new Writer(`w${i}`, await token(`writer-${i}`, {role: 'host'}))));
  let repeated = 0;
  let kills = 0;
  for (let sent = 0; sent < MESSAGES || kills < KILLS; sent = writers.reduce((sum, writer) => sum + writer.sent, 0)) {
    await Promise.all(writers.map((writer) => writer.join()));
    let left = 1 + Math.floor(random() * PEOPLE * EACH / 2); // while the others are under way
    for (const writer of writers) {
      writer.onAcknowledged = () => { if (--left === 0 && kills < KILLS) daemon.process.kill('SIGKILL'); };
    }
    await Promise.all(writers.map((writer) => writer.write(EACH)));
    if (left > 0 || kills >= KILLS) continue;
    ++kills;
    await daemon.kill();
    await daemon.run();
  }
  for (const writer of writers) {
    await writer.join();
    await writer.write(0); // what was under way when the last one came
  }
  const messages = await allMessages(roomId);
  const at = new Map(messages.map(({ref}, index) => [ref, index]));
  assert.equal(at.size, messages.length, 'none is there twice');
  assert.equal(messages.length, writers.reduce((sum, writer) => sum + writer.sent, 0), 'all are there');
  for (const {name, sent, acknowledged} of writers) {
    let last = -1;
    for (let n = 1; n <= sent; ++n) {
      const ref = `${name}-${n}`;
      const answer = acknowledged.get(ref);
      assert.equal(messages[at.get(ref)].seq, answer.seq, `${ref} is where it was acknowledged`);
      assert.ok(at.get(ref) > last, `${ref} comes behind the one before`);
      last = at.get(ref);
      if (answer.already) ++repeated;
    }
  }
  for (let i = 1; i < messages.length; ++i) assert.ok(messages[i].seq > messages[i - 1].seq);
  t.diagnostic(`${messages.length} messages, ${KILLS} kills; ${repeated} had been kept without their answer`);

  const events = [];
  for (let after = 0; ;) {
    const page = await daemon.api('events.list', {after_seq: after, limit: 1_000});
    events.push(...page.events.filter(({type}) => type === 'message.sent'));
    if (page.events.length === 0) break;
    after = page.next_after_seq;
  }
  assert.deepEqual(events.map(({seq, data}) => [seq, data.ref]), messages.map(({seq, ref}) => [seq, ref]),
    'the log of events says the same');
  await Promise.all(writers.map(({person}) => person.ask('leave')));
});

test('a backend hears of a message and answers in the room (A30)', async () => {
  const {roomId, token} = await daemon.room('shop');
  const crm = control(daemon.url);
  const mail = [];
  const reading = crm.consume({consumer: 'mail', types: ['message.sent'], load: () => null,
    handle: ({data}) => { mail.push(data); }});
  await until('it reads', () => reading.cursor);
  const buyer = await Person.join(daemon.url, await token('buyer'));
  const {message_id: id} = await buyer.ask('chat.send', {text: 'Is it still for sale?'});
  await until('the backend has it', () => mail.find(({message_id: one}) => one === id));
  const answer = {room_id: roomId, text: 'It is.', name: 'Seller', ref: 'crm-1'};
  await crm.call('chat.send', answer);
  assert.equal((await crm.call('chat.send', answer)).already, true);
  const told = await until('the buyer has the answer', () =>
    buyer.notifications.find(({method, params}) => method === 'chat.message' && params.name === 'Seller'));
  assert.equal(told.params.participant_id, undefined);
  await crm.call('chat.delete', {room_id: roomId, message_id: id});
  await buyer.told('chat.deleted');
  const {messages} = await crm.call('chat.list', {room_id: roomId});
  assert.deepEqual(messages.map(({text}) => text), ['It is.']);
  assert.equal((await crm.call('data.send', {room_id: roomId, topic: 'offer', data: {price: 5_000}})).sent_to, 1);
  assert.deepEqual((await buyer.told('data')).params, {topic: 'offer', data: {price: 5_000}});
  await reading.stop();
  buyer.leave();
});

test('a joiner has the history at once, and nobody writes where it is turned off (A29, A51)', async () => {
  const {token} = await daemon.room('quiet', {enable_chat: false});
  const person = await Person.join(daemon.url, await token('somebody'));
  assert.equal(person.joined.chat.enabled, false);
  await assert.rejects(person.ask('chat.send', {text: 'hello'}), ({reason}) => reason === 'chat_disabled');
  person.leave();
  const full = await daemon.room('full');
  for (let i = 0; i < 120; ++i) await daemon.api('chat.send', {room_id: full.roomId, text: `${i} ${'x'.repeat(900)}`});
  const began = performance.now();
  const late = await Person.join(daemon.url, await full.token('late'));
  const took = performance.now() - began;
  const {messages, more} = late.joined.chat;
  assert.equal(messages.at(-1).text.split(' ')[0], '119');
  assert.ok(more && JSON.stringify(messages).length <= 65_536);
  assert.ok(took < 1_000, `join with its history took ${took} ms`);
  late.leave();
});
