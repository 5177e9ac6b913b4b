/** More people than the page has room for: it shows them in pages, and only what is seen is sent. */
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';

import {launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {LOOKS, install} from './participant.mjs';
import {until} from './wait.mjs';
import {Person} from '../client/harness.mjs';

let daemon, chromium, room, dora;
const ids = {};

before(async () => {
  daemon = await Daemon.start();
  chromium = await launchChromium();
  room = await daemon.room('crowd');
  const join = async (name) => {
    const page = await openChromium(chromium, daemon.url);
    await page.evaluate(install);
    await page.evaluate((look) => window.me.makeSource({...look, width: 320, height: 180}), LOOKS[name]);
    await page.evaluate((options) => window.me.join(options), {token: await room.token(name), simulcast: false, audioSlots: 0, videoSlots: 0});
    ids[name] = await page.evaluate(() => window.me.call.self.id);
  };
  await join('ada');
  for (const name of ['one', 'two']) await Person.join(daemon.url, await room.token(name)); // in between, without a picture
  await join('ben');
  dora = await openChromium(chromium, `${daemon.url}/#token=${await room.token('dora')}`, {viewport: {width: 360, height: 440}});
  await dora.page.click('#join');
  await dora.page.locator('#call').waitFor({state: 'visible'});
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
});

/** Whose cameras the server sends her. */
const sent = async () => {
  const {subscriptions} = await daemon.api('subscription.get', {room_id: room.roomId, identity: 'dora'});
  return subscriptions.filter(({kind, state, publisher_id: id}) => kind === 'video' && state === 'shown' && id)
      .map(({publisher_id: id}) => Object.keys(ids).find((name) => ids[name] === id)).sort();
};
const sees = (name) => dora.page.locator(`.tile.live[data-participant="${ids[name]}"]`).isVisible();

test('the first page shows those with a picture, and those are sent', async () => {
  assert.equal(await dora.page.locator('.pager span').innerText(), '1 / 2');
  await until('Ada and Ben are seen', async () => await sees('ada') && await sees('ben'));
  assert.deepEqual(await sent(), ['ada', 'ben']);
  if (process.env.PARLEY_SCREENSHOTS) await dora.page.screenshot({path: `${process.env.PARLEY_SCREENSHOTS}/19-pages-phone.png`});
});

test('the next page shows the others, and no picture that is not seen comes any more', async () => {
  await dora.page.locator('.pager button').last().click();
  await until('nobody is sent', async () => (await sent()).join() === '');
  assert.equal(await sees('ada'), false);
  assert.equal(await dora.page.locator('.pager button').last().isDisabled(), true);
  // Nothing lies over anything: the tiles and what turns the pages each have their place.
  const [tiles, pager] = await dora.page.evaluate(() => ['.tile', '.pager'].map((what) => [...document.querySelectorAll(what)]
      .filter((node) => !node.hidden).map((node) => node.getBoundingClientRect().toJSON())));
  for (const {bottom} of tiles) assert.ok(bottom <= pager[0].top + 1, `${bottom} over ${pager[0].top}`);
  if (process.env.PARLEY_SCREENSHOTS) await dora.page.screenshot({path: `${process.env.PARLEY_SCREENSHOTS}/20-pages-phone.png`});
});

test('where all fit there are no pages, and all are sent', async () => {
  await dora.page.setViewportSize({width: 1_280, height: 800});
  await until('both are seen again', async () => await sees('ada') && await sees('ben'));
  assert.deepEqual(await sent(), ['ada', 'ben']);
  assert.equal(await dora.page.locator('.pager').count(), 0);
  assert.deepEqual(dora.problems, []);
});
