/** The admin view as an operator uses it: signing in, choosing a session, and reading why a picture is small. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {openChromium} from './browsers.mjs';
import {KEY, sign} from './daemon.mjs';
import {lineCall} from './line_call.mjs';
import {until} from './wait.mjs';

const SHOTS = process.env.PARLEY_SCREENSHOTS;

let call, daemon, viewer, way, admin, page, mid;

before(async () => {
  call = await lineCall();
  ({daemon, viewer, way} = call);
  admin = await openChromium(call.chromium, `${daemon.url}/admin.html`, {viewport: {width: 1_100, height: 800}});
  ({page} = admin);
});

after(() => call?.close());

const ben = () => page.locator('.person', {hasText: 'ben'});
/** Ben's slot with Ada's camera. */
const picture = () => ben().locator('.slot', {hasText: 'ada, camera'});
const says = (what, pattern, timeoutMs) => until(what, async () => {
  assert.match(await picture().innerText(), pattern);
  return true;
}, timeoutMs);
const want = (height) => viewer.evaluate(([slot, pixels]) => window.me.call.want(slot, {height: pixels}), [mid, height]);
const sideways = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

async function signIn({id = '', secret = '', token = ''}) {
  await page.getByLabel('API key id').fill(id);
  await page.getByLabel('Secret').fill(secret);
  if (token) await page.getByText('Use a token instead').click();
  if (token) await page.getByLabel('Control token').fill(token);
  await page.getByRole('button', {name: 'Sign in'}).click();
}

test('a wrong secret, and none, are told in a sentence that says what to do', async () => {
  await signIn({id: KEY.id});
  await page.getByRole('alert').getByText('its secret').waitFor();
  await signIn({id: KEY.id, secret: 'not the one that the server knows'});
  await page.getByRole('alert').getByText('Check the key id and the secret').waitFor();
  assert.match(await page.locator('#sign-in-problem').innerText(), /The server says: .*clocks/s);
  assert.equal(await page.locator('#view').isVisible(), false);
  admin.problems.length = 0; // Chromium reports the 401
});

test('with key and secret the session is there, and the picture with its reason', async () => {
  await signIn(KEY);
  const session = page.locator('.session', {hasText: 'lines'});
  await until('both people are counted', async () => /tests · since .* · 2 people/.test(await session.innerText()));
  assert.equal(await page.locator('#key-secret').inputValue(), '', 'the secret is still in the form');
  await session.click();
  await says('the largest picture', /shown\s+720p of 720p wanted\s+It is as large as asked for\.\s+layer (\d) of \1 · \d+\skbit\/s/, 40_000);
  assert.equal(await sideways(), false);
});

test('a smaller picture is shown as wanted, and what is open stays open and keeps the focus', async () => {
  const decisions = picture().locator('summary');
  await decisions.click();
  ({mid} = await viewer.evaluate(() => window.me.pictures()[0]));
  await want(180);
  await says('the smallest picture, and the decision first of all',
      /180p of 180p wanted\s+It is as large as asked for\.\s+layer \d of \d.*\s+Last \d+ decisions\s+.* 180p, layer \d\. It is as large as asked for/);
  assert.equal(await decisions.evaluate((node) => node === document.activeElement), true);
  await want(0);
  await says('no picture', /hidden\s+This person shows the picture nowhere/);
  await want(720);
  await says('a large one again', /720p of 720p wanted/, 40_000);
});

test('on a narrow line it says what the next layer needs and what the line carries', async () => {
  way.line.down = 250_000; // far below what the second layer takes, however slow the encoder
  await says('the reason', /180p of 720p wanted\s+The next larger layer needs \d+\skbit\/s in all, the line carries \d+\skbit\/s[.,]/, 40_000);
  await page.locator('.slot.short').waitFor();
  if (SHOTS) await page.screenshot({path: `${SHOTS}/21-admin.png`, fullPage: true});
  await page.setViewportSize({width: 360, height: 740});
  assert.equal(await sideways(), false, 'wider than a phone');
  if (SHOTS) await page.screenshot({path: `${SHOTS}/22-admin-phone.png`, fullPage: true});
  way.line.down = Infinity;
});

test('a token does instead of a secret; a session that ends is taken away', async () => {
  await page.getByRole('button', {name: 'Sign out'}).click();
  await signIn({token: 'rubbish'});
  await page.getByRole('alert').getByText('That is no token').waitFor();
  await page.reload();
  await signIn({token: sign({aud: 'parley-control'})});
  await page.locator('.session', {hasText: 'lines'}).click();
  await picture().waitFor();
  await daemon.api('session.end', {room_id: call.room.roomId});
  await page.getByText('Nobody is in a call.').waitFor();
  await page.getByRole('heading', {name: 'Choose a session'}).waitFor();
  assert.equal(await page.locator('.person').count(), 0);
  assert.deepEqual(admin.problems.filter((problem) => !/404/.test(problem)), []);
});
