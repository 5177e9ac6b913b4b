/** The demo page as a person uses it: two links, a call, every button and key, every way it ends. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, before, test} from 'node:test';

import {Firefox, launchChromium, openChromium} from './browsers.mjs';
import {Daemon} from './daemon.mjs';
import {until} from './wait.mjs';

const SHOTS = process.env.PARLEY_SCREENSHOTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'parley-screenshots-'));
const WIDE = {viewport: {width: 1280, height: 800}, colorScheme: 'light'};
const PHONE = {viewport: {width: 360, height: 740}, colorScheme: 'dark', hasTouch: true};

let daemon, chromium, links;
/** @type {Awaited<ReturnType<typeof openChromium>>} */ let host;
/** @type {Awaited<ReturnType<typeof openChromium>>} */ let guest;

before(async () => {
  fs.mkdirSync(SHOTS, {recursive: true});
  daemon = await Daemon.start({options: ['--demo']});
  chromium = await launchChromium();
  links = await until('two links are printed', () => {
    const found = daemon.output.match(/https?:\/\/\S+#token=\S+/g);
    return found?.length >= 2 && found;
  });
});

after(async () => {
  await chromium?.close();
  await daemon?.stop();
  if (!process.env.PARLEY_SCREENSHOTS) fs.rmSync(SHOTS, {recursive: true, force: true});
});

const shot = ({page}, name) => page.screenshot({path: path.join(SHOTS, `${name}.png`)});
const text = ({page}, selector) => page.locator(selector).innerText();
const shown = ({page}, selector, timeout = 10_000) => page.locator(selector).first().waitFor({state: 'visible', timeout});
const name = ({page}, selector) => page.locator(selector).getAttribute('aria-label');

/** Every control says what it is, and nothing is wider than the screen. */
async function usable(person) {
  const problems = await person.page.evaluate(() => {
    const controls = [...document.querySelectorAll('button, select, a, input')].filter((node) => node.checkVisibility());
    const nameless = controls.filter((node) =>
      !(node.getAttribute('aria-label') || node.closest('label')?.innerText || node.innerText).trim()).map((node) => node.outerHTML);
    const {scrollWidth} = document.documentElement;
    const beyond = (node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth;
    const wide = scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll('*')].filter(beyond)
        .map(({localName, id, className}) => `${scrollWidth} px wide: ${localName}#${id}.${className}`);
    return [...nameless, ...wide];
  });
  assert.deepEqual(problems, []);
}

/** Is anything loud in what the page plays? */
const hears = ({page}) => page.evaluate(async () => {
  const stream = [...document.querySelectorAll('#audio-sink audio')].map(({srcObject}) => srcObject).find(Boolean);
  if (!stream) return false;
  const context = window.testContext ??= new AudioContext();
  const analyser = window.testAnalyser ??= new AnalyserNode(context);
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return Math.max(...samples) > 0.02;
});

async function openLobby(link, options) {
  const person = await openChromium(chromium, link, options);
  await person.page.waitForFunction(() => document.getElementById('preview').videoWidth > 0);
  return person;
}

test('without a link the page says how to get one', async () => {
  const person = await openChromium(chromium, daemon.url, WIDE);
  await shown(person, '#landing h1');
  assert.match(await text(person, '#landing'), /need a link.*Ask the person who invited you/s);
  await usable(person);
  await shot(person, '01-no-link');
  await person.close();
});

test('a spoilt and an expired link get a sentence at once', async () => {
  const claims = (exp) => Buffer.from(JSON.stringify({sub: 'x', exp, parley: {room: 'r'}})).toString('base64url');
  const soon = Math.floor(Date.now() / 1_000) + 600;
  for (const [token, sentence] of [['rubbish', /not valid/], [`h.${claims(1)}.s`, /has expired/]]) {
    const person = await openChromium(chromium, `${daemon.url}/#token=${token}`);
    await shown(person, '#ended h1');
    assert.match(await text(person, '#ended-text'), sentence);
    await person.close();
  }
  const forged = await openLobby(`${daemon.url}/#token=h.${claims(soon)}.s`, WIDE);
  await forged.page.click('#join');
  await shown(forged, '#ended h1');
  assert.match(await text(forged, '#ended-text'), /not valid/);
  await forged.close();
});

test('devices that are refused are named, and one can join without them', async () => {
  const person = await openChromium(chromium, 'about:blank', WIDE);
  await person.page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
  });
  await person.page.goto(links[1]);
  await shown(person, '#lobby-problems p');
  assert.match(await text(person, '#lobby-problems'), /does not allow.*microphone and camera/);
  await shot(person, '02-devices-refused');
  await person.page.click('#join');
  await shown(person, '#call');
  assert.match(await text(person, '#call-count'), /Only you/);
  await person.page.click('#leave');
  await shown(person, '#ended h1');
  assert.match(await text(person, '#ended-title'), /You left/);
  await person.close();
});

test('two join with a click and with a key, and see and hear each other', async () => {
  host = await openLobby(links[0], WIDE);
  await usable(host);
  await shot(host, '03-lobby-light');
  await host.page.click('#join');
  await shown(host, '#call');
  await shot(host, '04-alone');
  guest = await openLobby(links[1], PHONE);
  await usable(guest);
  await shot(guest, '05-lobby-phone-dark');
  await guest.page.focus('#join');
  await guest.page.keyboard.press('Enter');
  for (const person of [host, guest]) {
    await shown(person, '.tile[data-participant].live video');
    await until('sound arrives', () => hears(person));
    await usable(person);
  }
  await shot(host, '06-call-light');
  await shot(guest, '07-call-phone-dark');
});

test('people write to each other: on the page, with the keyboard, on a phone', async () => {
  await guest.page.click('#chat-button');
  await shown(guest, '#chat');
  await guest.page.keyboard.type('Good morning! Does it still have its first engine?');
  await guest.page.keyboard.press('Enter');
  await until('the host sees that there is something', async () => /1 unread/.test(await name(host, '#chat-button')));
  await shot(host, '07a-chat-unread-light');
  await host.page.keyboard.press('c');
  await shown(host, '#chat .message');
  assert.match(await text(host, '#chat-list'), /first engine/);
  assert.equal(await name(host, '#chat-button'), 'Chat');
  await host.page.keyboard.type('It does.');
  await host.page.keyboard.press('Shift+Enter');
  await host.page.keyboard.type('mvsc are letters here');
  await host.page.keyboard.press('Enter');
  await until('the guest has both lines', async () => /^It does\.\nmvsc are letters here/m.test(await text(guest, '#chat-list')));
  assert.match(await name(host, '#mic'), /^Mute/, 'what is typed is no command');
  await guest.page.fill('#chat-text', 'x'.repeat(300));
  await guest.page.click('#chat-send');
  await until('a long word stays inside', async () => /xxx/.test(await text(host, '#chat-list')));
  for (const person of [host, guest]) await usable(person);
  await shot(host, '07b-chat-light');
  await shot(guest, '07c-chat-phone-dark');
  await host.page.locator('.message').last().hover();
  await host.page.locator('.message-delete').last().click();
  await until('it is gone for both', async () =>
    !/xxx/.test(await text(host, '#chat-list')) && !/xxx/.test(await text(guest, '#chat-list')));
  assert.equal(await guest.page.locator('.message-delete').count(), 0, 'only hosts may');
  await guest.page.click('#chat-close');
  await host.page.locator('#chat-text').focus();
  await host.page.keyboard.press('Escape');
  await until('it is closed', async () => !(await host.page.locator('#chat').isVisible()));
});

test('the keys m and v switch microphone and camera, and the other side shows it', async () => {
  await guest.page.keyboard.press('m');
  await until('the guest is muted', async () => /Unmute/.test(await name(guest, '#mic')));
  await until('the host sees it', async () => /microphone off/.test(await name(host, '.tile[data-participant]')));
  await guest.page.keyboard.press('v');
  await until('the host sees no camera', async () => /camera off/.test(await name(host, '.tile[data-participant]')));
  assert.equal(await host.page.locator('.tile[data-participant] video').isVisible(), false, 'a frozen picture is shown');
  await shot(host, '08-other-muted-light');
  await guest.page.keyboard.press('m');
  await guest.page.keyboard.press('v');
  await until('all is back', async () => !/off/.test(await name(host, '.tile[data-participant]')));
  await shown(host, '.tile[data-participant].live video');
});

test('a hand is raised, seen, and lowered by the host', async () => {
  await guest.page.keyboard.press('h');
  await until('the host sees it', async () => /hand raised/.test(await name(host, '.tile[data-participant]')));
  await until('so does he himself', async () => await guest.page.locator('#hand').getAttribute('aria-pressed') === 'true');
  await shot(host, '08a-hand-light');
  await usable(host);
  await usable(guest);
  await host.page.locator('.tile[data-participant]').hover();
  await host.page.locator('.lower-hand').click();
  await until('it is down', async () => !/hand raised/.test(await name(host, '.tile[data-participant]')));
  await until('the guest knows it', async () => await guest.page.locator('#hand').getAttribute('aria-pressed') === 'false');
});

test('the host mutes everybody', async () => {
  await host.page.click('#host');
  await shown(host, '#mute-all');
  await shot(host, '09-host-menu-light');
  await host.page.click('#mute-all');
  await until('the guest is muted', async () => /Unmute/.test(await name(guest, '#mic')));
  await until('the guest is told', async () => /host muted you/i.test(await text(guest, '#toasts')));
  await until('the host sees it', async () => /microphone off/.test(await name(host, '.tile[data-participant]')));
});

test('a shared screen is shown large, and gone when it ends', async () => {
  await host.page.keyboard.press('s');
  await shown(guest, '.tile.screen.live video');
  const [screen, person] = await Promise.all(['.tile.screen', '.tile[data-participant]'].map((selector) =>
    guest.page.locator(selector).first().boundingBox()));
  assert.ok(screen.width * screen.height > 2 * person.width * person.height, 'the screen is not large');
  await shot(guest, '10-screen-phone-dark');
  await host.page.keyboard.press('s');
  await guest.page.locator('.tile.screen').waitFor({state: 'detached'});
});

test('a recording is seen by everybody, listed and played', async () => {
  await host.page.click('#record');
  for (const person of [host, guest]) await shown(person, '#recording-pill');
  await shot(host, '11-recording-light');
  await shot(guest, '12-recording-phone-dark');
  await until('three seconds are recorded', async () => /0:0[3-9]/.test(await text(host, '#recording-time')));
  await host.page.click('#record');
  for (const person of [host, guest]) await person.page.locator('#recording-pill').waitFor({state: 'hidden'});
  await host.page.click('#host');
  await host.page.click('#show-recordings');
  await shown(host, '#recordings .file button');
  await host.page.locator('#recordings .file button').first().click();
  await until('the file plays', () => host.page.evaluate(() => document.querySelector('#recordings video')?.currentTime > 0.3));
  await usable(host);
  await shot(host, '13-recordings-light');
  await host.page.keyboard.press('Escape');
  await host.page.locator('#recordings').waitFor({state: 'hidden'});
});

test('the keyboard alone reaches every control in order', async () => {
  await host.page.focus('#mic');
  const reached = [];
  for (let i = 0; i < 8; ++i) {
    reached.push(await host.page.evaluate(() => document.activeElement?.id));
    const ring = await host.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    if (i > 0) assert.equal(ring, 'solid', `no focus ring on ${reached.at(-1)}`);
    await host.page.keyboard.press('Tab');
  }
  assert.deepEqual(reached, ['mic', 'camera', 'screen', 'hand', 'chat-button', 'record', 'host', 'leave']);
});

test('a server that is killed and comes back is survived with a banner, not a frozen picture', async () => {
  const server = await Daemon.start(); // the demo's own key dies with its process
  const room = await server.room('survives');
  const people = [];
  for (const name of ['Ada', 'Ben']) {
    const person = await openLobby(`${server.url}/#token=${await room.token(name)}`, WIDE);
    people.push(person);
    await person.page.click('#join');
    await shown(person, '#call');
  }
  for (const person of people) await shown(person, '.tile[data-participant].live video');
  await server.kill();
  for (const person of people) await shown(person, '#banner');
  assert.match(await text(people[0], '#banner'), /Reconnecting/);
  await shot(people[0], '14-reconnecting-light');
  await server.run();
  for (const person of people) {
    await person.page.locator('#banner').waitFor({state: 'hidden', timeout: 15_000});
    await shown(person, '.tile[data-participant].live video', 15_000);
  }
  for (const person of people) await person.close();
  await server.stop();
});

test('the host removes somebody, who is told so', async () => {
  await host.page.hover('.tile[data-participant]');
  await host.page.click('.tile[data-participant] [aria-label^="Remove"]');
  await shown(host, '#confirm');
  await shot(host, '15-confirm-light');
  await host.page.click('#confirm-yes');
  await shown(guest, '#ended h1');
  assert.match(await text(guest, '#ended'), /The host removed you/);
  await shot(guest, '16-removed-phone-dark');
  await host.page.locator('.tile[data-participant]').waitFor({state: 'detached'});
  await guest.close();
});

test('the page works in Firefox too', async () => {
  const firefox = await Firefox.launch();
  try {
    const person = await firefox.open(links[1]);
    await until('its lobby shows the camera', () => person.evaluate(() => document.getElementById('preview').videoWidth > 0));
    await person.evaluate(() => document.getElementById('join').click());
    await until('it sees the host', () => person.evaluate(() => document.querySelector('.tile[data-participant].live') !== null));
    await shown(host, '.tile[data-participant].live video');
    // The host has muted everybody before: who comes later is muted too, sees it and may change it.
    await until('it sees that it is muted', () => person.evaluate(() => /unmute/i.test(document.getElementById('mic').getAttribute('aria-label') ?? '')));
    await person.evaluate(() => document.getElementById('mic').click());
    await until('the host hears it', () => hears(host));
    fs.writeFileSync(path.join(SHOTS, '19-call-firefox.png'), await person.screenshot());
    await person.evaluate(() => document.getElementById('leave').click());
    await until('it has left', () => person.evaluate(() => /You left/.test(document.getElementById('ended-title').textContent)));
    await host.page.locator('.tile[data-participant]').waitFor({state: 'detached'});
  } finally {
    await firefox.close();
  }
});

test('the host ends the call for all, and keeps the recordings', async () => {
  guest = await openLobby(links[1], PHONE);
  await guest.page.click('#join');
  await shown(guest, '.tile[data-participant].live video');
  await host.page.click('#host');
  await host.page.click('#end-all');
  await host.page.click('#confirm-yes');
  for (const person of [host, guest]) {
    await shown(person, '#ended h1');
    assert.match(await text(person, '#ended-text'), /ended the call for everybody/);
    await usable(person);
  }
  await shown(host, '#ended .file button');
  await shot(host, '17-ended-light');
  await shot(guest, '18-ended-phone-dark');
});

test('no page had an error', () => {
  // A killed server and a refused socket are logged by the browser itself.
  const ours = [...host.problems, ...guest.problems].filter((problem) => !/WebSocket|ERR_CONNECTION/.test(problem));
  assert.deepEqual(ours, []);
});
