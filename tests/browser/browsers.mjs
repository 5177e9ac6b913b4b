/**
 * Real browsers with one face: `evaluate(function, argument)` in a page. Chromium is driven by
 * playwright, Firefox by WebDriver BiDi over its own socket, so no geckodriver is needed. Both have
 * fake devices and may use loopback for media.
 */
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import {chromium} from 'playwright-core';
import WebSocket from 'ws';

const START_TIMEOUT_MS = 40_000;
const CLOSE_TIMEOUT_MS = 4_000;

export async function launchChromium() {
  return chromium.launch({
    executablePath: process.env.PARLEY_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--use-fake-device-for-media-stream=fps=30', '--use-fake-ui-for-media-stream',
      '--auto-select-tab-capture-source-by-title=parley', // what a share of the screen shows
      '--autoplay-policy=no-user-gesture-required',
      '--allow-loopback-in-peer-connection', // with the fake permission: media over 127.0.0.1 alone
    ],
  });
}

/**
 * A page in a context of its own, which is a person of their own.
 * @param {import('playwright-core').Browser} browser @param {string} url @param {object} [options]  of the context
 */
export async function openChromium(browser, url, options = {}) {
  const context = await browser.newContext({permissions: ['camera', 'microphone'], ...options});
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  await page.goto(url);
  return {
    page,
    problems,
    evaluate: (action, argument) => page.evaluate(action, argument),
    close: () => context.close(),
  };
}

/** What Firefox's fake microphone sings. */
export const FIREFOX_MICROPHONE_HZ = 1_760;

const FIREFOX_PREFERENCES = {
  'media.navigator.audio.fake_frequency': FIREFOX_MICROPHONE_HZ,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.navigator.permission.fake': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.gmp-manager.updateEnabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.min_background_timeout_value': 4,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,#',
  'toolkit.telemetry.enabled': false,
};

export class Firefox {
  #process;
  #profile;
  #socket;
  #nextId = 1;
  #waiting = new Map();

  static async launch() {
    const firefox = new Firefox();
    firefox.#profile = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-firefox-'));
    const lines = Object.entries(FIREFOX_PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    fs.writeFileSync(path.join(firefox.#profile, 'user.js'), lines.join('\n'));
    firefox.#process = spawn(process.env.PARLEY_FIREFOX ?? '/usr/bin/firefox-esr',
        ['--headless', '--no-remote', '--profile', firefox.#profile, '--remote-debugging-port', '0', 'about:blank'],
        {env: {...process.env, HOME: firefox.#profile, MOZ_DISABLE_CONTENT_SANDBOX: '1'}, stdio: ['ignore', 'ignore', 'pipe']});
    try {
      await firefox.#connect(await firefox.#address());
    } catch (error) {
      await firefox.close();
      throw error;
    }
    return firefox;
  }

  /** It prints the address of its BiDi socket when it is up. */
  #address() {
    return new Promise((resolve, reject) => {
      let output = '';
      const timer = setTimeout(() => reject(new Error(`Firefox did not start: ${output}`)), START_TIMEOUT_MS);
      this.#process.once('exit', (code) => reject(new Error(`Firefox exited with ${code}: ${output}`)));
      this.#process.stderr.on('data', (data) => {
        output += data;
        const [, address] = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(output) ?? [];
        if (!address) return;
        clearTimeout(timer);
        resolve(address);
      });
    });
  }

  async #connect(address) {
    this.#socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => {
      this.#socket.once('open', resolve);
      this.#socket.once('error', reject);
    });
    this.#socket.on('message', (data) => {
      const message = JSON.parse(data);
      const request = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.type === 'error') request?.reject(new Error(`${message.error}: ${message.message}`));
      else request?.resolve(message.result);
    });
    await this.#command('session.new', {capabilities: {alwaysMatch: {acceptInsecureCerts: true}}});
  }

  #command(method, params = {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, {resolve, reject});
      this.#socket.send(JSON.stringify({id, method, params}));
    });
  }

  /** @param {string} url @param {'tab'|'window'} [type]  of two tabs one is hidden, and shows no frames */
  async open(url, type = 'tab') {
    const {context} = await this.#command('browsingContext.create', {type});
    await this.#command('browsingContext.navigate', {context, url, wait: 'complete'});
    return {
      evaluate: (action, argument) => this.#evaluate(context, action, argument),
      screenshot: async () =>
        Buffer.from((await this.#command('browsingContext.captureScreenshot', {context})).data, 'base64'),
      close: () => this.#command('browsingContext.close', {context}),
    };
  }

  async #evaluate(context, action, argument) {
    const expression = `(async () => JSON.stringify(await (${action})(${JSON.stringify(argument) ?? ''})))()`;
    const {type, result, exceptionDetails} = await this.#command('script.evaluate',
        {expression, target: {context}, awaitPromise: true, userActivation: true});
    if (type === 'exception') throw new Error(exceptionDetails.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  }

  async close() {
    const exited = new Promise((resolve) => {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) resolve(undefined);
      else this.#process.once('exit', resolve);
    });
    if (this.#socket?.readyState === WebSocket.OPEN) this.#command('browser.close').catch(() => {});
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), this.#socket ? CLOSE_TIMEOUT_MS : 0);
    await exited;
    clearTimeout(timer);
    this.#socket?.terminate();
    fs.rmSync(this.#profile, {recursive: true, force: true});
  }
}
