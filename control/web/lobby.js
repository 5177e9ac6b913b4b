// @ts-check
/** The page before a call: see yourself, choose devices, check the microphone, join with a click. */
import {LevelMeter} from './devices.js';
import {byId, dressAvatar, element, icon, showPage} from './ui.js';

/** @typedef {import('./devices.js').Devices} Devices */

const KINDS = /** @type {const} */ ({'mic-select': 'audioinput', 'camera-select': 'videoinput', 'speaker-select': 'audiooutput'});

export class Lobby {
  #devices;
  #who;
  #meter = new LevelMeter();
  /** What the person wants; an unopened device may still be wanted. */
  wanted = {microphone: true, camera: true};
  speakerId = '';

  /** @param {Devices} devices @param {{name: string, identity: string, role: string, room: string}} who */
  constructor(devices, who) {
    this.#devices = devices;
    this.#who = who;
    byId('lobby-room').textContent = who.room;
    byId('lobby-name').textContent = who.name;
    byId('lobby-role').textContent = who.role === 'host' ? ', the host' : '';
    dressAvatar(byId('preview-avatar'), who.name, who.identity);
    byId('lobby-mic').onclick = () => this.toggle('microphone');
    byId('lobby-camera').onclick = () => this.toggle('camera');
    this.#select('mic-select').onchange = () => this.#choose('microphone', 'mic-select');
    this.#select('camera-select').onchange = () => this.#choose('camera', 'camera-select');
    this.#select('speaker-select').onchange = () => { this.speakerId = this.#select('speaker-select').value; };
    devices.addEventListener('lost', () => this.#show());
  }

  async open() {
    document.title = `${this.#who.room} · parley`;
    showPage('lobby');
    this.#show('Waiting for the camera…');
    await this.#devices.openBoth();
    if (!this.wanted.camera) this.#devices.close('camera');
    await this.#fillSelects();
    this.#show();
  }

  close() {
    this.#meter.stop();
    this.#preview.srcObject = null;
  }

  /** @param {import('./devices.js').Device} device */
  async toggle(device) {
    this.wanted[device] = !this.wanted[device] || !this.#devices.tracks[device];
    if (device === 'camera' && !this.wanted.camera) this.#devices.close('camera');
    else if (this.wanted[device] && !this.#devices.tracks[device]) {
      await this.#devices.open(device);
      await this.#fillSelects();
    }
    this.#show();
  }

  /** @param {boolean} busy */
  setBusy(busy, text = 'Joining…') {
    const button = /** @type {HTMLButtonElement} */ (byId('join'));
    button.disabled = busy;
    button.textContent = busy ? text : 'Join';
  }

  get #preview() { return /** @type {HTMLVideoElement} */ (byId('preview')); }
  /** @param {string} id */
  #select(id) { return /** @type {HTMLSelectElement} */ (byId(id)); }

  /** @param {import('./devices.js').Device} device @param {string} id */
  async #choose(device, id) {
    this.#devices.chosen[device] = this.#select(id).value;
    this.wanted[device] = true;
    await this.#devices.open(device);
    this.#show();
  }

  #show(waiting = '') {
    const {tracks, problems} = this.#devices;
    const microphoneOn = this.wanted.microphone && tracks.microphone !== null;
    const cameraOn = this.wanted.camera && tracks.camera !== null;
    if (tracks.microphone) tracks.microphone.enabled = microphoneOn;
    this.#button('lobby-mic', 'mic', microphoneOn, 'microphone', 'm');
    this.#button('lobby-camera', 'camera', cameraOn, 'camera', 'v');
    const shown = /** @type {MediaStream|null} */ (this.#preview.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== tracks.camera) this.#preview.srcObject = tracks.camera && new MediaStream([tracks.camera]);
    this.#preview.hidden = !cameraOn;
    byId('preview-note').textContent = waiting || (cameraOn ? '' : 'Your camera is off');
    this.#meter.watch(tracks.microphone, (level) => byId('meter-bar').style.setProperty('--level', String(level)));
    const sentences = [problems.microphone, problems.camera].filter(Boolean);
    const retry = element('button', {type: 'button'}, 'Try again');
    retry.onclick = () => this.open();
    const nodes = sentences.map((text) => element('p', {}, text));
    byId('lobby-problems').replaceChildren(...nodes, ...(nodes.length && this.#devices.usable ? [retry] : []));
  }

  /** @param {string} id @param {string} symbol @param {boolean} on @param {string} what @param {string} key */
  #button(id, symbol, on, what, key) {
    const button = byId(id);
    button.replaceChildren(icon(on ? symbol : `${symbol}-off`));
    button.classList.toggle('off', !on);
    const label = `Turn ${what} ${on ? 'off' : 'on'}`;
    button.setAttribute('aria-label', label);
    button.title = `${label} (${key})`;
  }

  async #fillSelects() {
    for (const [id, kind] of Object.entries(KINDS)) {
      const found = await this.#devices.list(kind);
      const select = this.#select(id);
      const options = found.map((device, index) =>
        element('option', {value: device.deviceId}, device.label || `${kind === 'videoinput' ? 'Camera' : 'Device'} ${index + 1}`));
      const nothing = element('option', {value: ''}, kind === 'videoinput' ? 'No camera' : 'No microphone');
      select.replaceChildren(...(options.length ? options : [nothing]));
      select.disabled = options.length === 0;
      const device = id === 'mic-select' ? 'microphone' : 'camera';
      const inUse = this.#devices.tracks[device]?.getSettings().deviceId;
      if (id !== 'speaker-select' && inUse) select.value = inUse;
    }
    const canChoose = 'setSinkId' in HTMLMediaElement.prototype;
    byId('speaker-field').hidden = !canChoose || this.#select('speaker-select').disabled;
  }
}
