/** A room with a lobby, and minutes that run out, as people see them in the page. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {until} from './wait.mjs';

const SHOTS = process.env.PARLEY_SCREENSHOTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'parley-lobby-'));
const WIDE = {viewport: {width: 1280, height: 800}, colorScheme: 'light'};

let daemon, chromium;

before(async () => {
  fs.mkdirSync(SHOTS, {recursive: true});
  daemon = await Daemon.start();
  chromium = await launchChromium();
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
  if (!process.env.PARLEY_SCREENSHOTS) fs.rmSync(SHOTS, {recursive: true, force: true});
});

const shot = ({page}, name) => page.screenshot({path: path.join(SHOTS, `${name}.png`)});
const shown = ({page}, selector) => page.locator(selector).first().waitFor({state: 'visible', timeout: 15_000});

async function open(room, identity, role, name) {
  const {token} = await daemon.api('token.create', {tenant: 'tests', room, identity, role, name});
  const person = await openChromium(chromium, `${daemon.url}/#token=${token}`, WIDE);
  await person.page.waitForFunction(() => document.getElementById('preview').videoWidth > 0);
  await person.page.click('#join');
  return person;
}
const events = async (type) => (await daemon.api('events.list', {limit: 1_000})).events.filter((event) => event.type === type);

test('a buyer waits until the seller lets him in', async () => {
  await daemon.api('room.create', {tenant: 'tests', name: 'lobby', lobby: true});
  const buyer = await open('lobby', 'buyer', 'participant', 'Bea Buyer');
  await buyer.page.waitForFunction(() => document.getElementById('join').textContent.includes('Waiting to be let in'));
  await shot(buyer, 'lobby-1-waiting');
  assert.equal((await events('host.absent')).length, 1);

  const seller = await open('lobby', 'seller', 'host', 'Sam Seller');
  await shown(seller, '#call');
  await shown(seller, '#banner');
  assert.match(await seller.page.locator('#banner').innerText(), /Bea Buyer would like to come in/);
  await shot(seller, 'lobby-2-host');
  await seller.page.locator('#banner button').click();
  await shown(buyer, '#call');
  await buyer.page.waitForFunction(() => [...document.querySelectorAll('#call video')].some((video) => video.videoWidth > 0 && !video.closest('.self')));
  assert.equal(await seller.page.locator('#banner').isVisible(), false);
  await shot(seller, 'lobby-3-in');
  assert.equal((await events('participant.admitted')).length, 1);
  await Promise.all([buyer.close(), seller.close()]);
});

test('minutes that run out end the call in the page with a sentence', async () => {
  await daemon.api('room.create', {tenant: 'tests', name: 'short'});
  await daemon.api('quota.set', {tenant: 'tests', limit_ms: 3_000, min_start_ms: 0, warn_percent: [], warn_remaining_ms: [2_000]});
  const seller = await open('short', 'seller', 'host', 'Sam Seller');
  await shown(seller, '#call');
  const buyer = await open('short', 'buyer', 'participant', 'Bea Buyer');
  await seller.page.waitForFunction(() => document.body.innerText.includes('The booked time is over in 0:02'));
  await shot(seller, 'minutes-1-warning');
  for (const person of [seller, buyer]) {
    await shown(person, '#ended h1');
    assert.match(await person.page.locator('#ended-text').innerText(), /booked for this room is used up/);
  }
  await shot(buyer, 'minutes-2-over');
  const quota = await daemon.api('quota.get', {tenant: 'tests'});
  assert.equal(quota.used_ms, 3_000);
  assert.equal(quota.over_ms, 0);
  const [session] = await until('the session has ended', async () => {
    const {usage} = await daemon.api('usage.list', {tenant: 'tests'});
    const ended = usage.filter(({room_name: name, end_reason: reason}) => name === 'short' && reason);
    return ended.length > 0 && ended;
  });
  assert.equal(session.end_reason, 'quota_exhausted');
  assert.equal(session.room_ms, 3_000);
  await Promise.all([buyer.close(), seller.close()]);
});
