// @ts-check
/**
 * The list of recordings: while the call runs, in a dialog; after it, on the last page, from links
 * that were fetched in time, because a call that is over answers no more.
 */
import {byId, clock, element, icon, toast} from './ui.js';

/**
 * @typedef {{name: string, identity: string, participant_name: string, source: string,
 *   duration_ms: number, size_bytes: number, url?: string}} RecordedFile
 * @typedef {{recording_id: string, state: string, started_ms: number, duration_ms: number,
 *   truncated: boolean, progress_percent?: number, files: RecordedFile[]}} Recording
 */

const FETCH_TIMEOUT_MS = 3_000;
const COMPLETE_TIMEOUT_MS = 6_000;

const STATES = {
  starting: 'starting', active: 'being recorded now', paused: 'paused', stopping: 'being finished',
  processing: 'being finished', failed: 'failed', aborted: 'stopped early', deleted: 'deleted',
};

/** What comes with one picture of all, for players rather than for people. */
const FOR_PLAYERS = new Set(['thumbnail', 'sheet', 'sheet_index', 'chapters']);

export class Recordings {
  #call;
  /** @type {Recording[]} */ #known = [];

  /** @param {import('./parley.js').Call} call */
  constructor(call) {
    this.#call = call;
    call.addEventListener('recording', (event) => {
      const detail = /** @type {CustomEvent} */ (event).detail;
      if (detail.event !== 'started') void this.refresh().then(() => this.#renderIfOpen());
    });
  }

  get allowed() { return this.#call.permissions.has('list_recordings'); }
  get any() { return this.#known.some(({files}) => files.some(({url}) => url)); }

  /** Asks the server for the list and for links to the finished ones. */
  async refresh() {
    if (!this.allowed || this.#call.state !== 'joined') return;
    const links = new Map(this.#known.flatMap(({recording_id, files}) =>
      files.map((file) => [`${recording_id}/${file.name}`, file.url])));
    const recordings = /** @type {Recording[]} */ (await this.#call.recordings());
    for (const recording of recordings) {
      const key = (/** @type {RecordedFile} */ file) => `${recording.recording_id}/${file.name}`;
      if (recording.state === 'completed' && recording.files.some((file) => !links.get(key(file)))) {
        for (const link of await this.#call.recordingLinks(recording.recording_id)) {
          links.set(`${recording.recording_id}/${link.name}`, link.url);
        }
      }
      for (const file of recording.files) file.url = links.get(key(file));
    }
    this.#known = recordings.filter(({state}) => state !== 'deleted');
  }

  async open() {
    /** @type {HTMLDialogElement} */ (byId('recordings')).showModal();
    this.render(byId('recordings-list'), 'Loading…');
    try {
      await this.refresh();
      this.render(byId('recordings-list'));
    } catch (error) {
      this.render(byId('recordings-list'), /** @type {Error} */ (error).message);
    }
  }

  /** Before the call ends: stops a running recording, waits until it is whole, keeps the links. */
  async settle({stop = false} = {}) {
    try {
      if (stop && this.#call.recording) {
        const completed = this.#completed();
        await this.#call.stopRecording();
        await completed;
      }
      await Promise.race([this.refresh(), new Promise((resolve) => { setTimeout(resolve, FETCH_TIMEOUT_MS); })]);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, {bad: true});
    }
  }

  /** @param {HTMLElement} place @param {string} [instead]  a sentence in place of the list */
  render(place, instead) {
    if (instead !== undefined) return place.replaceChildren(element('p', {class: 'muted-text'}, instead));
    if (this.#known.length === 0) {
      return place.replaceChildren(element('p', {class: 'muted-text'}, 'Nothing has been recorded yet.'));
    }
    const newest = [...this.#known].sort((a, b) => b.started_ms - a.started_ms);
    place.replaceChildren(...newest.map((recording) => this.#recordingNode(recording)));
  }

  /** @param {Recording} recording */
  #recordingNode(recording) {
    const started = new Date(recording.started_ms).toLocaleString([], {dateStyle: 'medium', timeStyle: 'short'});
    const done = recording.state === 'completed';
    const far = recording.progress_percent === undefined ? '' : ` (${recording.progress_percent} %)`;
    const state = done ? clock(recording.duration_ms) : (/** @type {Record<string, string>} */ (STATES)[recording.state] ?? recording.state) + far;
    const cut = recording.truncated ? ' · cut short by a restart' : '';
    const files = element('ul', {class: 'files'}, ...recording.files.filter(({source}) => !FOR_PLAYERS.has(source)).map((file) => this.#fileNode(file, recording)));
    return element('section', {class: 'recorded'}, element('h3', {}, started),
        element('p', {class: 'muted-text'}, `${state}${cut}`), files);
  }

  /** @param {RecordedFile} file @param {Recording} recording */
  #fileNode(file, recording) {
    const who = file.source === 'composite' ? 'Everybody' : file.participant_name || file.identity;
    const what = {screen_share: 'screen', microphone: 'sound'}[file.source];
    const size = `${clock(file.duration_ms)} · ${(file.size_bytes / 1e6).toFixed(1)} MB`;
    const row = element('li', {class: 'file'}, element('span', {class: 'file-name'}, what ? `${who}, ${what}` : who,
        element('span', {class: 'muted-text'}, size)));
    if (!file.url) return row;
    const play = element('button', {type: 'button', class: 'round small', 'aria-label': `Play the recording of ${who}`}, icon('play'));
    const beside = (/** @type {string} */ source) =>
      file.source === 'composite' ? recording.files.find((other) => other.source === source)?.url : undefined;
    play.onclick = () => this.#play(row, play, {url: file.url ?? '', poster: beside('thumbnail'), chapters: beside('chapters')});
    const save = element('a', {class: 'round small', href: file.url, download: file.name, 'aria-label': `Download the recording of ${who}`}, icon('download'));
    row.append(play, save);
    return row;
  }

  /** @param {HTMLElement} row @param {HTMLElement} button @param {{url: string, poster?: string, chapters?: string}} film */
  #play(row, button, {url, poster, chapters}) {
    const playing = row.querySelector('video');
    button.replaceChildren(icon(playing ? 'play' : 'stop'));
    if (playing) return playing.remove();
    const video = /** @type {HTMLVideoElement} */ (element('video', {controls: '', playsinline: '', src: url}));
    if (poster) video.poster = poster;
    if (chapters) video.append(element('track', {kind: 'chapters', src: chapters, default: ''}));
    video.onerror = () => {
      video.replaceWith(element('p', {class: 'problem'}, 'This file could not be played. The link may have expired; open the list again.'));
    };
    row.append(video);
    video.play().catch(() => {});
  }

  #renderIfOpen() {
    if (/** @type {HTMLDialogElement} */ (byId('recordings')).open) this.render(byId('recordings-list'));
  }

  /** Until the files of the running recording are whole, or a while. */
  #completed() {
    const done = new AbortController();
    return new Promise((resolve) => {
      setTimeout(resolve, COMPLETE_TIMEOUT_MS);
      this.#call.addEventListener('recording', (event) => {
        const what = /** @type {CustomEvent} */ (event).detail.event;
        if (what === 'completed' || what === 'failed') resolve(undefined);
      }, {signal: done.signal});
    }).finally(() => done.abort());
  }
}
