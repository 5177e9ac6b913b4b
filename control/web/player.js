// @ts-check
/**
 * The page behind a recording's link. It plays the one film that was composed, or all tracks
 * together, each from its place on the recording's time line: a clock of its own goes on, and
 * whoever is not where the clock is, is put there.
 */
import {byId, clock, element} from './ui.js';

/**
 * @typedef {{name: string, source: string, participant_id: string, who: string, codecs: string[], rotation?: number,
 *   offset_ms: number, duration_ms: number, size_bytes: number, url: string}} File
 * @typedef {{room_name: string, started_ms: number, duration_ms: number, truncated: boolean,
 *   chapters: string, files: File[]}} Recording  chapters as WebVTT
 * @typedef {{from: number, to: number, media: HTMLVideoElement, box: HTMLElement, failed: boolean}} Track
 */

const TICK_MS = 100;
const MAX_DRIFT_S = 0.25;
const STEP_S = 5;
const SHEET_SIDE = 5;  // moments in a row and in a column of sheet.jpg

const recording = /** @type {Recording} */ (JSON.parse(byId('recording').textContent ?? '{}'));
const film = recording.files.find(({source}) => source === 'composite');
const beside = (/** @type {string} */ source) => recording.files.find((file) => file.source === source)?.url;
const seek = /** @type {HTMLInputElement} */ (byId('seek'));
const sheet = beside('sheet');

const isPicture = (/** @type {File} */ file) => file.codecs.some((codec) => !['opus', 'aac'].includes(codec));
const shown = film ? [film] : recording.files.filter(({source}) => ['camera', 'screen_share'].includes(source));
const length = Math.max(0.1, ...shown.map(({offset_ms, duration_ms}) => (offset_ms + duration_ms) / 1_000));

let playing = false;
let position = 0;
let last = 0;
/** @type {{at: number, title: string}[]} */ let chapters = [];

const people = [...new Set(shown.map((file) => file.participant_id))];

/** @type {Track[]} */
const tracks = shown.map((file) => {
  const media = /** @type {HTMLVideoElement} */ (element('video', {playsinline: '', preload: 'metadata', src: file.url}));
  const picture = isPicture(file);
  const box = element('div', {class: picture ? 'picture' : 'picture sound'}, media);
  // MP4 says in its header how it lies, WebM does not.
  if (file.rotation && file.name.endsWith('.webm')) box.classList.add(`turned-${file.rotation}`);
  box.style.order = String(people.indexOf(file.participant_id));  // who goes on in another file keeps his place
  if (!film) box.append(element('span', {class: 'name'}, file.who + (file.source === 'screen_share' ? ', screen' : '')));
  if (film && beside('thumbnail')) media.poster = /** @type {string} */ (beside('thumbnail'));
  const track = {from: file.offset_ms / 1_000, to: (file.offset_ms + file.duration_ms) / 1_000, media, box, failed: false};
  media.onerror = () => {
    track.failed = true;
    byId('problem').hidden = false;
    byId('problem').textContent = `${file.name} could not be played. The link may have expired: ask for a new one.`;
  };
  byId('pictures').append(box);
  return track;
});

const here = (/** @type {Track} */ {from, to, failed}) => !failed && position >= from && position < to;

/** Puts every track where the clock is. */
function align() {
  const rate = Number(/** @type {HTMLSelectElement} */ (byId('speed')).value);
  for (const track of tracks) {
    const {media, box, from} = track;
    const now = here(track);
    box.hidden = !now && !film;
    if (!now) {
      media.pause();
      continue;
    }
    media.playbackRate = rate;
    const drift = media.currentTime - (position - from);
    if (Math.abs(drift) > (playing ? MAX_DRIFT_S : 0.01) && !media.seeking) media.currentTime = position - from;
    if (playing && media.paused) media.play().catch(() => {});
    if (!playing && !media.paused) media.pause();
  }
  const visible = tracks.filter(({box}) => !box.hidden).length;
  byId('pictures').style.setProperty('--columns', String(Math.ceil(Math.sqrt(Math.max(1, visible)))));
}

function show() {
  seek.value = String(position);
  seek.setAttribute('aria-valuetext', `${clock(position * 1_000)} of ${clock(length * 1_000)}`);
  byId('time').textContent = clock(position * 1_000);
  const current = chapters.findLastIndex(({at}) => at <= position + 0.05);
  byId('chapter-list').querySelectorAll('button').forEach((button, i) => {
    if (i === current) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  });
}

/** @param {number} to */
function go(to) {
  position = Math.min(length, Math.max(0, to));
  last = performance.now();
  align();
  show();
}

/** @param {boolean} on */
function setPlaying(on) {
  if (on && position >= length) position = 0;
  playing = on;
  last = performance.now();
  document.body.classList.toggle('playing', on);
  byId('big').hidden = on;
  byId('play').setAttribute('aria-label', on ? 'Pause' : 'Play');
  align();
}

/** The clock waits for whoever has to load. */
function tick() {
  const now = performance.now();
  const waiting = tracks.some((track) => here(track) && (track.media.readyState < 3 || track.media.seeking));
  if (playing && !waiting) {
    const rate = Number(/** @type {HTMLSelectElement} */ (byId('speed')).value);
    // The film itself is the clock where there is one.
    position = film ? tracks[0].media.currentTime : position + (now - last) / 1_000 * rate;
    if (position >= length - 0.02) {
      position = length;
      setPlaying(false);
    } else if (!film) {
      align();
    } else if (tracks[0].media.paused) {
      tracks[0].media.play().catch(() => {});
    }
    show();
  }
  last = now;
}

/** WebVTT's times and titles, as chapters.vtt has them. @param {string} text */
function readChapters(text) {
  return [...text.matchAll(/^(\d+):(\d\d):(\d\d\.\d{3}) --> .*\n(.+)$/gm)].map(([, h, m, s, title]) => ({
    at: Number(h) * 3_600 + Number(m) * 60 + Number(s), title: title.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  }));
}

function showChapters() {
  chapters = readChapters(recording.chapters);
  byId('chapter-list').replaceChildren(...chapters.map(({at, title}) => {
    const button = element('button', {type: 'button'}, element('time', {}, clock(at * 1_000)), element('span', {}, title));
    button.onclick = () => go(at);
    const mark = element('span');
    mark.style.left = `${at / length * 100}%`;
    byId('marks').append(mark);
    return element('li', {}, button);
  }));
  byId('chapters').hidden = chapters.length === 0;
}

/** A still of the moment under the pointer. @param {PointerEvent} event */
function preview(event) {
  const box = seek.getBoundingClientRect();
  const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const moment = Math.min(SHEET_SIDE * SHEET_SIDE - 1, Math.floor(part * SHEET_SIDE * SHEET_SIDE));
  byId('preview').hidden = false;
  byId('preview').style.left = `${part * 100}%`;
  byId('still').hidden = !sheet;
  byId('still').style.backgroundPosition =
    `${moment % SHEET_SIDE / (SHEET_SIDE - 1) * 100}% ${Math.floor(moment / SHEET_SIDE) / (SHEET_SIDE - 1) * 100}%`;
  byId('still-time').textContent = clock(part * length * 1_000);
}

const toggle = () => setPlaying(!playing);
byId('play').onclick = toggle;
byId('big').onclick = toggle;
byId('pictures').onclick = toggle;
byId('speed').onchange = align;
seek.oninput = () => go(Number(seek.value));
seek.addEventListener('pointermove', preview);
seek.addEventListener('pointerleave', () => { byId('preview').hidden = true; });
const fill = () => (document.fullscreenElement ? document.exitFullscreen() : byId('stage').requestFullscreen()).catch(() => {});
byId('full').onclick = fill;
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.key === ' ' && target.tagName !== 'BUTTON' && target.tagName !== 'SELECT') toggle();
  else if (event.key === 'ArrowLeft') go(position - STEP_S);
  else if (event.key === 'ArrowRight') go(position + STEP_S);
  else if (event.key.toLowerCase() === 'f') void fill();
  else return;
  event.preventDefault();
});

const sizeText = (/** @type {number} */ bytes) => (bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const started = new Date(recording.started_ms).toLocaleString([], {dateStyle: 'long', timeStyle: 'short'});
byId('title').textContent = recording.room_name;
document.title = `${recording.room_name}, ${started}`;
byId('about').textContent = `${started} · ${clock(recording.duration_ms)}${recording.truncated ? ' · cut short by a restart' : ''}`;
byId('length').textContent = clock(length * 1_000);
seek.max = String(length);
if (sheet) byId('still').style.backgroundImage = `url(${JSON.stringify(sheet)})`;
byId('files').replaceChildren(...recording.files.map((file) => element('li', {},
    element('a', {href: file.url, download: file.name}, file.name),
    element('span', {class: 'soft'}, [file.who, sizeText(file.size_bytes)].filter(Boolean).join(' · ')))));
if (shown.length === 0) {
  byId('problem').hidden = false;
  byId('problem').textContent = 'There is nothing to play in this recording.';
}
show();
align();
setInterval(tick, TICK_MS);
showChapters();
