// @ts-check
/**
 * Microphone and camera of this machine: opening them one by one so that a missing camera does not
 * cost the microphone, and saying in a sentence what is wrong. A camera that is off is really off.
 */

/** @typedef {'microphone'|'camera'} Device */

const VIDEO = {width: {ideal: 1280}, height: {ideal: 720}, frameRate: {ideal: 30}};
const AUDIO = {echoCancellation: true, noiseSuppression: true, autoGainControl: true};
const OPEN_TIMEOUT_MS = 60_000; // a person may take a while to answer the browser's question
const NOT_ALLOWED = 'The browser does not allow this page to use the';
const HOW_TO_ALLOW = 'Allow it with the symbol beside the address and try again, or join without: you will see and hear the others.';

/** @param {Device} device @param {unknown} error */
function sentence(device, error) {
  switch (/** @type {Error} */ (error)?.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return `${NOT_ALLOWED} ${device}. ${HOW_TO_ALLOW}`;
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `No ${device} was found. You can join without one.`;
    case 'NotReadableError':
    case 'AbortError':
      return `The ${device} is in use by another program or does not answer. Close the other program and try again.`;
    case 'TimeoutError':
      return `The ${device} was not opened: the browser's question was not answered.`;
    default:
      return `The ${device} could not be opened.`;
  }
}

export class Devices extends EventTarget {
  /** @type {Record<Device, MediaStreamTrack|null>} */ tracks = {microphone: null, camera: null};
  /** @type {Record<Device, string>} */ problems = {microphone: '', camera: ''};
  /** @type {Record<Device, string>} */ chosen = {microphone: '', camera: ''};

  get usable() { return Boolean(navigator.mediaDevices?.getUserMedia); }

  /** Opens both with one question of the browser; each alone if that fails. */
  async openBoth() {
    if (!this.usable) {
      this.problems.microphone = 'This page needs https to use the microphone and the camera. You can join to watch and listen.';
      return;
    }
    try {
      const stream = await getUserMedia({audio: this.#wish('microphone'), video: this.#wish('camera')});
      this.#take('microphone', stream.getAudioTracks()[0]);
      this.#take('camera', stream.getVideoTracks()[0]);
    } catch (error) {
      if (/** @type {Error} */ (error)?.name === 'TimeoutError') {
        this.problems.microphone = sentence('microphone', error);
        return;
      }
      await this.open('microphone');
      await this.open('camera');
      if (this.problems.microphone.startsWith(NOT_ALLOWED) && this.problems.camera.startsWith(NOT_ALLOWED)) {
        this.problems.microphone = `${NOT_ALLOWED} microphone and camera. ${HOW_TO_ALLOW}`;
        this.problems.camera = '';
      }
    }
  }

  /** @param {Device} device @returns {Promise<MediaStreamTrack|null>} null: `problems` says why */
  async open(device) {
    this.close(device);
    try {
      const wish = this.#wish(device);
      const stream = await getUserMedia(device === 'camera' ? {video: wish} : {audio: wish});
      this.#take(device, stream.getTracks()[0]);
    } catch (error) {
      this.problems[device] = sentence(device, error);
    }
    return this.tracks[device];
  }

  /** @param {Device} device */
  close(device) {
    const track = this.tracks[device];
    this.tracks[device] = null;
    this.problems[device] = '';
    track?.stop();
  }

  closeAll() {
    this.close('microphone');
    this.close('camera');
  }

  /** @param {'audioinput'|'videoinput'|'audiooutput'} kind */
  async list(kind) {
    const all = await navigator.mediaDevices?.enumerateDevices?.() ?? [];
    return all.filter((device) => device.kind === kind && device.deviceId);
  }

  /** @param {Device} device */
  #wish(device) {
    const id = this.chosen[device];
    return {...(device === 'camera' ? VIDEO : AUDIO), ...(id && {deviceId: {exact: id}})};
  }

  /** @param {Device} device @param {MediaStreamTrack} track */
  #take(device, track) {
    this.tracks[device] = track;
    this.problems[device] = '';
    track.onended = () => {
      if (this.tracks[device] !== track) return;
      this.tracks[device] = null;
      this.problems[device] = `The ${device} was disconnected.`;
      this.dispatchEvent(new CustomEvent('lost', {detail: {device}}));
    };
  }
}

/** @param {MediaStreamConstraints} constraints @returns {Promise<MediaStream>} */
function getUserMedia(constraints) {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new DOMException('', 'TimeoutError'));
    }, OPEN_TIMEOUT_MS);
    navigator.mediaDevices.getUserMedia(constraints).then((stream) => {
      clearTimeout(timer);
      if (late) for (const track of stream.getTracks()) track.stop();
      else resolve(stream);
    }, (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** How loud a microphone is, 0 to 1, as often as the screen is drawn. */
export class LevelMeter {
  /** @type {AudioContext|null} */ #context = null;
  #frame = 0;

  /** @param {MediaStreamTrack|null} track @param {(level: number) => void} show */
  watch(track, show) {
    this.stop();
    show(0);
    if (!track) return;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, {fftSize: 512});
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      // -60 dBFS is a quiet room, -10 dBFS a loud voice.
      const decibel = 10 * Math.log10(power + 1e-9);
      show(track.enabled ? Math.min(1, Math.max(0, (decibel + 60) / 50)) : 0);
      this.#frame = requestAnimationFrame(draw);
    };
    this.#context = context;
    draw();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    void this.#context?.close();
    this.#context = null;
  }
}
