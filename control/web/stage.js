// @ts-check
/**
 * The tiles: one per participant, one per shared screen. Decides their size, which picture is in
 * which tile, and tells the call how high each picture is shown. A tile whose picture stands still
 * shows the person's initials instead, never a frozen face.
 */
import {byId, dressAvatar, element, icon} from './ui.js';

/** @typedef {import('./parley.js').Participant} Participant */
/** @typedef {import('./parley.js').Slot} Slot */

const GAP = 10;
const MIN_ASPECT = 0.7;
const MAX_ASPECT = 16 / 9;
const UNCROPPED_ASPECT = 4 / 3; // narrower tiles cut off too much of a picture to be worth their size
const STRIP_SHARE = 0.22; // of the stage, beside or below a shared screen
const STALLED_MS = 4_000;
const WANT_STEP = 90; // pixels; smaller changes of size are not worth a word to the server
const LEAST_TILE = {width: 150, height: 110}; // smaller ones go to the next page
const PAGER_HEIGHT = 48;
const FIRST_HEIGHT = 360; // until the size of the tile is known

/** @type {Record<string, string>} */
const QUALITY = {
  bandwidth: 'Your connection is too weak for a larger picture',
  hold: 'Your connection was too weak for a larger picture a moment ago',
  paused: 'Your connection is too weak for this picture',
};

class Tile {
  /** @type {Slot|null} */ slot = null;
  lastFrame = 0;
  wanted = -1;
  #watch = 0;

  /** @param {{name: string, identity: string, className?: string}} look */
  constructor({name, identity, className = ''}) {
    this.video = /** @type {HTMLVideoElement} */ (element('video', {playsinline: '', 'aria-hidden': 'true'}));
    this.video.muted = true;
    this.avatar = element('span', {class: 'avatar', 'aria-hidden': 'true'});
    this.note = element('span', {class: 'note'});
    this.label = element('span', {class: 'label'});
    this.quality = element('span', {class: 'quality', role: 'img'});
    this.actions = element('span', {class: 'tile-actions'});
    this.node = element('article', {class: `tile ${className}`}, this.avatar, this.video, this.note, this.label, this.quality, this.actions);
    dressAvatar(this.avatar, name, identity);
  }

  /** @param {MediaStream|null} stream */
  show(stream) {
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
    this.node.classList.remove('live', 'stalled');
    this.lastFrame = 0;
    const watch = ++this.#watch;
    if (!stream) return;
    this.video.play().catch(() => {});
    const frame = () => {
      if (watch !== this.#watch) return;
      this.lastFrame = performance.now();
      this.node.classList.add('live');
      this.node.classList.remove('stalled');
      this.video.requestVideoFrameCallback(frame);
    };
    if ('requestVideoFrameCallback' in this.video) this.video.requestVideoFrameCallback(frame);
    else this.node.classList.add('live');
  }
}

export class Stage {
  /** @type {Map<string, Tile>} */ #people = new Map();
  /** @type {Map<string, Tile>} */ #screens = new Map();
  /** @type {Map<string, Tile>} */ #bySlot = new Map();
  /** @type {Tile|null} */ #self = null;
  #node = byId('stage');
  #layoutDue = 0;
  #actions;
  #call;
  #page = 0;
  #pager = element('div', {class: 'pager'});
  /** Slots whose picture was chosen here, and slots that are turned off: while there are pages. */
  /** @type {Map<string, string>} */ #chosen = new Map();
  /** @type {Set<string>} */ #off = new Set();
  #observer = new ResizeObserver(() => this.layout());
  #stallTimer;

  /**
   * @param {import('./parley.js').Call} call
   * @param {(participant: Participant) => HTMLElement[]} actions  the host's buttons for a tile
   */
  constructor(call, actions) {
    this.#call = call;
    this.#actions = actions;
    this.#observer.observe(this.#node);
    this.#stallTimer = setInterval(() => this.#hideStalled(), 1_000);
    const turn = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ sign) => {
      const button = element('button', {type: 'button', class: 'round small', 'aria-label': label, title: label}, sign);
      button.onclick = () => { this.#page += by; this.layout(); };
      return button;
    };
    this.#pager.append(turn(-1, 'Previous page', '‹'), element('span', {'aria-live': 'polite'}), turn(1, 'Next page', '›'));
  }

  /** After a new connection its slots are as the server fills them. */
  resubscribe() {
    this.#chosen.clear();
    this.#off.clear();
    this.layout();
  }

  close() {
    this.#observer.disconnect();
    clearInterval(this.#stallTimer);
    for (const tile of [...this.#people.values(), ...this.#screens.values()]) tile.show(null);
    this.#self?.show(null);
    this.#node.replaceChildren();
  }

  /** @param {string} name @param {string} identity */
  addSelf(name, identity) {
    this.#self = new Tile({name, identity, className: 'self'});
    this.#self.label.append(element('span', {}, 'You'));
    this.#node.append(this.#self.node);
    this.layout();
  }

  /** @param {MediaStreamTrack|null} camera @param {boolean} muted  is the microphone off? */
  updateSelf(camera, muted) {
    const tile = this.#self;
    if (!tile) return;
    const shown = /** @type {MediaStream|null} */ (tile.video.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== camera) tile.show(camera && new MediaStream([camera]));
    tile.node.classList.toggle('silent', muted);
    tile.label.replaceChildren(...(muted ? [icon('mic-off')] : []), element('span', {}, 'You'));
    tile.node.setAttribute('aria-label', `You${muted ? ', microphone off' : ''}${camera ? '' : ', camera off'}`);
  }

  /** Adds or refreshes the tile of somebody. @param {Participant} participant */
  update(participant) {
    let tile = this.#people.get(participant.id);
    if (!tile) {
      tile = new Tile(participant);
      tile.actions.append(...this.#actions(participant));
      tile.node.dataset.participant = participant.id;
      this.#people.set(participant.id, tile);
      this.#node.append(tile.node);
      this.layout();
    }
    const tracks = [...participant.tracks.values()];
    const silent = !tracks.some(({source, muted}) => source === 'microphone' && !muted);
    const dark = !tracks.some(({source, muted}) => source === 'camera' && !muted);
    const away = participant.state === 'reconnecting';
    const hand = participant.handRaisedMs !== null;
    tile.label.replaceChildren(...(hand ? [icon('hand')] : []), ...(silent ? [icon('mic-off')] : []), element('span', {}, participant.name));
    tile.node.classList.toggle('hand', hand);
    tile.note.textContent = away ? 'Reconnecting…' : '';
    tile.node.classList.toggle('dark', dark || away);
    tile.node.classList.toggle('silent', silent || away);
    const words = [participant.name, silent && 'microphone off', dark && 'camera off', away && 'reconnecting', hand && 'hand raised'];
    tile.node.setAttribute('aria-label', words.filter(Boolean).join(', '));
    if (this.#pager.isConnected) this.layout(); // what he sends may have to be asked for
  }

  /** @param {string} participantId */
  remove(participantId) {
    const tile = this.#people.get(participantId);
    if (!tile) return;
    this.#people.delete(participantId);
    tile.show(null);
    tile.node.remove();
    for (const [mid, other] of this.#bySlot) if (other === tile) this.#bySlot.delete(mid);
    this.layout();
  }

  /** A video slot shows somebody else, or nobody. @param {Slot} slot */
  setSlot(slot) {
    const before = this.#bySlot.get(slot.mid);
    const isScreen = slot.source === 'screen_share';
    const tile = !slot.stream || !slot.participant ? null
      : isScreen ? this.#screenTile(slot) : this.#people.get(slot.participant.id) ?? null;
    if (before && before !== tile) {
      before.show(null);
      before.slot = null;
      if (this.#screens.get(slot.mid) === before) {
        this.#screens.delete(slot.mid);
        before.node.remove();
      }
    }
    this.#bySlot.delete(slot.mid);
    if (tile) {
      this.#bySlot.set(slot.mid, tile);
      tile.slot = slot;
      tile.wanted = -1;
      tile.show(slot.stream);
    }
    this.layout();
  }

  /** @param {string[]} ids @param {string|null} dominant  who has the floor */
  setSpeakers(ids, dominant) {
    for (const [id, tile] of this.#people) {
      tile.node.classList.toggle('speaking', ids.includes(id));
      tile.node.classList.toggle('dominant', id === dominant && this.#people.size > 1);
    }
    const self = this.#call.self?.id ?? '';
    this.#self?.node.classList.toggle('speaking', ids.includes(self));
  }

  /** Why a picture is smaller than it could be, or not there. @param {string} mid @param {string} reason */
  setQuality(mid, reason) {
    const tile = this.#bySlot.get(mid);
    if (!tile) return;
    const words = QUALITY[reason] ?? '';
    tile.quality.replaceChildren(...(words ? [icon('weak')] : []));
    tile.quality.title = words;
    tile.quality.setAttribute('aria-label', words);
    tile.node.dataset.quality = reason;
  }

  /** Soon, once for many changes. */
  layout() {
    this.#layoutDue ||= requestAnimationFrame(() => {
      this.#layoutDue = 0;
      this.#arrange();
      this.#tellHeights();
    });
  }

  /** @param {Slot} slot */
  #screenTile(slot) {
    let tile = this.#screens.get(slot.mid);
    if (!tile) {
      tile = new Tile({name: slot.participant?.name ?? '', identity: slot.participant?.identity ?? '', className: 'screen'});
      this.#screens.set(slot.mid, tile);
      this.#node.prepend(tile.node);
    }
    const text = `${slot.participant?.name}'s screen`;
    tile.label.replaceChildren(icon('screen'), element('span', {}, text));
    tile.node.setAttribute('aria-label', text);
    return tile;
  }

  #arrange() {
    const {clientWidth: width, clientHeight} = this.#node;
    if (width === 0 || clientHeight === 0) return;
    const screens = [...this.#screens.values()];
    const people = this.#turnPage(width, clientHeight);
    const paged = this.#pager.isConnected;
    const height = clientHeight - (paged ? PAGER_HEIGHT : 0);
    const pip = people.length === 1 && screens.length === 0 && this.#self !== null && !paged;
    this.#self?.node.classList.toggle('pip', pip);
    const small = this.#self && !pip ? [...people, this.#self] : people;
    if (screens.length === 0) this.#fill(small, {x: 0, y: 0, width, height});
    if (pip) this.#placeInCorner(people[0]);
    if (screens.length === 0) return;
    const beside = width > height;
    const strip = beside ? Math.max(140, width * STRIP_SHARE) : Math.max(96, height * STRIP_SHARE);
    const big = beside ? {x: 0, y: 0, width: width - strip - GAP, height} : {x: 0, y: 0, width, height: height - strip - GAP};
    const rest = beside ? {x: width - strip, y: 0, width: strip, height} : {x: 0, y: height - strip, width, height: strip};
    this.#fill(screens, big, {exact: true});
    this.#fill(small, rest);
  }

  /** Those of the page that is shown; without pages all. @param {number} width @param {number} height */
  #turnPage(width, height) {
    const all = [...this.#people.entries()];
    const fitInto = (/** @type {number} */ room) =>
      Math.max(2, Math.floor(width / LEAST_TILE.width) * Math.floor(room / LEAST_TILE.height) - 1);
    const fit = all.length <= fitInto(height) ? all.length : fitInto(height - PAGER_HEIGHT);
    const pages = Math.ceil(all.length / fit) || 1;
    // In front those with something to be seen, then who can be heard: in a crowd few have either.
    const rank = (/** @type {Tile} */ {node}) => (node.classList.contains('dark') ? 0 : 2) + (node.classList.contains('silent') ? 0 : 1);
    if (pages > 1) all.sort(([, a], [, b]) => rank(b) - rank(a));
    this.#page = Math.max(0, Math.min(this.#page, pages - 1));
    const shown = all.slice(this.#page * fit, (this.#page + 1) * fit);
    for (const [, tile] of all) tile.node.hidden = true;
    for (const [, tile] of shown) tile.node.hidden = false;
    const [previous, words, next] = /** @type {HTMLElement[]} */ ([...this.#pager.children]);
    words.textContent = `${this.#page + 1} / ${pages}`;
    /** @type {HTMLButtonElement} */ (previous).disabled = this.#page === 0;
    /** @type {HTMLButtonElement} */ (next).disabled = this.#page >= pages - 1;
    if (pages > 1) this.#node.append(this.#pager);
    else this.#pager.remove();
    if (this.#call.state === 'joined') this.#subscribe(pages > 1 ? shown.map(([id]) => id) : null);
    return shown.map(([, tile]) => tile);
  }

  /** While there are pages only what is seen is sent here. @param {string[]|null} visible  participants; null: as the server likes */
  #subscribe(visible) {
    const want = (/** @type {string} */ mid, /** @type {{trackId?: string, height: number}} */ wish) =>
      this.#call.want(mid, wish).catch(() => { this.#chosen.delete(mid); this.#off.delete(mid); });
    if (!visible) {
      for (const mid of [...this.#chosen.keys(), ...this.#off]) void want(mid, {height: FIRST_HEIGHT});
      this.#chosen.clear();
      this.#off.clear();
      return;
    }
    const tracks = this.#call.participants.flatMap(({id, tracks: all}) => [...all.values()].filter(({source, muted}) =>
      !muted && (source === 'screen_share' || (source === 'camera' && visible.includes(id)))).map((track) => track.id));
    for (const [mid, track] of this.#chosen) if (!tracks.includes(track)) this.#chosen.delete(mid);
    const lines = this.#call.videoLines;
    const free = () => lines.filter((mid) => !this.#chosen.has(mid));
    for (const track of tracks) {
      if ([...this.#chosen.values()].includes(track)) continue;
      const mid = free().find((one) => this.#bySlot.get(one)?.slot?.trackId === track) ?? free()[0];
      if (!mid) break; // more than there are slots for
      this.#chosen.set(mid, track);
      this.#off.delete(mid);
      void want(mid, {trackId: track, height: FIRST_HEIGHT});
    }
    for (const mid of free()) {
      if (this.#off.has(mid)) continue;
      this.#off.add(mid);
      void want(mid, {height: 0});
    }
  }

  /** With one other person, one's own picture is a small one in the corner of theirs. @param {Tile} other */
  #placeInCorner(other) {
    const [left, top, otherWidth, otherHeight] = ['left', 'top', 'width', 'height'].map((name) =>
      parseFloat(other.node.style.getPropertyValue(name)));
    const own = /** @type {Tile} */ (this.#self).node.style;
    const width = Math.min(220, Math.max(104, otherWidth * 0.2));
    const height = width * 0.75;
    own.setProperty('width', `${width}px`);
    own.setProperty('height', `${height}px`);
    own.setProperty('left', `${left + otherWidth - width - GAP}px`);
    own.setProperty('top', `${top + otherHeight - height - GAP}px`);
    own.setProperty('--avatar', '44px');
  }

  /**
   * Places tiles of equal size in a rectangle so that they are as large as can be.
   * @param {Tile[]} tiles @param {{x: number, y: number, width: number, height: number}} area
   */
  #fill(tiles, area, {exact = false} = {}) {
    if (tiles.length === 0) return;
    let best = {columns: 1, width: 0, height: 0, score: 0};
    for (let columns = 1; columns <= tiles.length; ++columns) {
      const rows = Math.ceil(tiles.length / columns);
      let width = (area.width - GAP * (columns - 1)) / columns;
      let height = (area.height - GAP * (rows - 1)) / rows;
      if (!exact) width = Math.min(width, height * MAX_ASPECT);
      if (!exact) height = Math.min(height, width / MIN_ASPECT);
      const score = width * height * Math.min(1, width / height / UNCROPPED_ASPECT);
      if (score > best.score) best = {columns, width, height, score};
    }
    const rows = Math.ceil(tiles.length / best.columns);
    const top = area.y + (area.height - rows * best.height - GAP * (rows - 1)) / 2;
    tiles.forEach((tile, index) => {
      const row = Math.floor(index / best.columns);
      const inRow = Math.min(best.columns, tiles.length - row * best.columns);
      const left = area.x + (area.width - inRow * best.width - GAP * (inRow - 1)) / 2;
      const {style} = tile.node;
      style.setProperty('left', `${left + (index % best.columns) * (best.width + GAP)}px`);
      style.setProperty('top', `${top + row * (best.height + GAP)}px`);
      style.setProperty('width', `${best.width}px`);
      style.setProperty('height', `${best.height}px`);
      style.setProperty('--avatar', `${Math.max(40, Math.min(best.width, best.height) * 0.34)}px`);
    });
  }

  #tellHeights() {
    for (const [mid, tile] of this.#bySlot) {
      if (tile.node.hidden) continue; // of another page: #subscribe has said what becomes of its slot
      const pixels = tile.node.clientHeight * Math.min(2, devicePixelRatio);
      const height = Math.ceil(pixels / WANT_STEP) * WANT_STEP;
      if (height === tile.wanted || this.#call.state !== 'joined') continue;
      tile.wanted = height;
      this.#call.want(mid, {trackId: this.#chosen.get(mid), height}).catch(() => { tile.wanted = -1; });
    }
  }

  #hideStalled() {
    if (document.hidden) return; // the browser stops the pictures itself
    const now = performance.now();
    for (const tile of this.#people.values()) {
      const still = tile.lastFrame > 0 && now - tile.lastFrame > STALLED_MS;
      tile.node.classList.toggle('stalled', still);
    }
  }
}
