// @ts-check
/**
 * The operators' view: who is in which session, and for each picture how large it is sent and why. It
 * asks the control API as any backend does, and signs its requests with a secret that only this
 * page's memory has.
 */
import {byId, element, showPage, toast} from './ui.js';

/**
 * @typedef {{session_id: string, tenant: string, room_name: string, started_ms: number, people?: number}} SessionInfo
 * @typedef {{participant_id: string, identity: string, name: string, role: string, state: string}} Person
 * @typedef {'wanted'|'source'|'bandwidth'|'hold'|'paused'} Reason
 * @typedef {{layer: number|null, height: number|null, bitrate_kbps?: number|null, reason: Reason,
 *   estimate_kbps: number|null, needed_kbps: number|null, decided_at_ms: number}} Decision
 * @typedef {{mid: string, kind: 'audio'|'video', state: string, source: string|null, publisher_id: string|null,
 *   wanted_height?: number, layers?: number, history?: Decision[]} & Partial<Decision>} Subscription
 * @typedef {Subscription & {publisher: string}} SlotInfo  with the name of whose track it is
 */

const REFRESH_MS = 2_000;
const REQUEST_TIMEOUT_MS = 10_000;
const TOKEN_TTL_S = 120;
const PAGE = 1_000;
/** Each session in the list costs a request every time. */
const MAX_SESSIONS = 40;
/** In a session of more people they are closed at first: each who is open costs a request. */
const MAX_OPEN = 6;

const SOURCES = {camera: 'camera', microphone: 'microphone', screen_share: 'screen', screen_share_audio: 'sound of the screen'};

/** Why there is no picture, where no decision about layers says it. */
const STATES = {
  muted: 'The track is muted by its publisher, a host or the server.',
  hidden: 'This person shows the picture nowhere now, so it is not sent.',
  waiting: 'The first picture has not come yet.',
  undecodable: 'This browser cannot decode the codec that is sent; the publisher was asked for another one.',
};

/** @type {Record<Reason, (decision: Decision) => string>} */
const REASONS = {
  wanted: () => 'It is as large as asked for.',
  source: () => 'The publisher sends nothing larger.',
  bandwidth: (decision) => `The next larger layer needs ${needs(decision)}.`,
  hold: () => 'A larger layer would fit, but was given up shortly before. It is tried again soon.',
  paused: (decision) => `Not even the smallest layer fits: it needs ${needs(decision)}.`,
};

/** @param {number|null|undefined} rate */
const kbps = (rate) => (rate == null ? 'an unknown rate' : `${rate}\u00a0kbit/s`);
/** While a line drains, less goes out than it carries. @param {Decision} decision */
function needs({needed_kbps: needed, estimate_kbps: estimate}) {
  const kept = needed && estimate && estimate >= needed ? ', of which not all may be used now' : '';
  return `${kbps(needed)} in all, the line carries ${kbps(estimate)}${kept}`;
}
/** @param {number|null|undefined} height */
const pixels = (height) => (height == null ? 'unknown height' : `${height}p`);
/** @param {number} ms */
const timeOfDay = (ms) => new Date(ms).toLocaleTimeString();
/** With the day where that is another one. @param {number} ms */
function moment(ms) {
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], {timeStyle: 'short', ...(today ? {} : {dateStyle: 'short'})});
}
/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** Leaves a text alone that is there already, so that what is selected stays so. @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** What to do, by the status of HTTP. */
const ADVICE = {
  401: 'Check the key id and the secret, and that the clocks of this computer and of the server are right. ' +
    'A token counts for five minutes at most: make a new one.',
  403: 'The key needs the role observer or more. If it has a list of methods, that must name session.list, session.get, ' +
    'participant.list and subscription.get.',
  429: 'This key asks too often: close some of the people, or take a key of your own for this page.',
};

/* ---- the API */

/** The API refused, or could not be asked. */
class ApiError extends Error {
  /** @param {number} status  of HTTP, 0 where nothing was answered @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

class ControlApi {
  #token;

  /** @param {() => string|Promise<string>} token  gives one that counts now */
  constructor(token) {
    this.#token = token;
  }

  /** @param {string} method @param {object} [params] @returns {Promise<any>} */
  async call(method, params = {}) {
    const headers = {'authorization': `Bearer ${await this.#token()}`, 'content-type': 'application/json'};
    const body = JSON.stringify({jsonrpc: '2.0', id: 1, method, params});
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch('/v1/rpc', {method: 'POST', headers, body, signal}).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (answer?.result) return answer.result;
    throw new ApiError(response?.status ?? 0, answer?.error?.message ?? 'no answer');
  }

  /** As `call`, and null when what was asked about is gone by now. @param {string} method @param {object} params */
  callUnlessGone(method, params) {
    return this.call(method, params).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
  }

  /** Who runs now, the newest first. @returns {Promise<SessionInfo[]>} */
  async sessions() {
    /** @type {SessionInfo[]} */ const all = [];
    let next = {};
    do {
      const {sessions, next_page_token: token} = await this.call('session.list', {state: 'active', limit: PAGE, ...next});
      all.push(...sessions);
      next = token && {page_token: token};
    } while (next);
    return all.reverse();
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Makes tokens of an API key, one for each request. @param {string} id @param {string} secret */
async function signer(id, secret) {
  if (!crypto.subtle) throw new Error('Browsers sign only on pages from https or localhost. Open this page over https, or use a token.');
  const utf8 = new TextEncoder();
  const key = await crypto.subtle.importKey('raw', utf8.encode(secret), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']);
  return async () => {
    const claims = {iss: id, aud: 'parley-control', jti: crypto.randomUUID(), exp: Math.floor(Date.now() / 1_000) + TOKEN_TTL_S};
    const text = [{alg: 'HS256', typ: 'JWT'}, claims].map((part) => base64url(utf8.encode(JSON.stringify(part)))).join('.');
    return `${text}.${base64url(new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8.encode(text))))}`;
  };
}

/** What went wrong, and what to do. @param {unknown} error */
function advice(error) {
  if (!(error instanceof ApiError)) return /** @type {Error} */ (error).message;
  if (error.status === 0) return 'The server does not answer. Look whether it runs and can be reached from here.';
  return `The server says: ${error.message}. ${/** @type {Record<number, string>} */ (ADVICE)[error.status] ?? ''}`.trim();
}

/** @param {string} id @param {string} text  nothing: there is no problem */
const showProblem = (id, text) => setText(byId(id), text);

/* ---- what is shown */

/**
 * The children of an element, one for each item. Those that stay are told what is new and not made
 * again, so that what is open, selected or has the focus remains so.
 * @template Item
 */
class KeyedList {
  #place;
  #keyOf;
  #make;
  /** @type {Map<string, {node: HTMLElement, show: (item: Item) => void}>} */ #views = new Map();

  /**
   * @param {HTMLElement} place @param {(item: Item) => string} keyOf
   * @param {(item: Item) => {node: HTMLElement, show: (item: Item) => void}} make
   */
  constructor(place, keyOf, make) {
    this.#place = place;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  /** @param {Item[]} items */
  show(items) {
    const keys = new Set(items.map(this.#keyOf));
    for (const [key, {node}] of this.#views) {
      if (keys.has(key)) continue;
      node.remove();
      this.#views.delete(key);
    }
    items.forEach((item, i) => {
      const key = this.#keyOf(item);
      const view = this.#views.get(key) ?? this.#make(item);
      this.#views.set(key, view);
      view.show(item);
      const there = this.#place.children[i] ?? null;
      if (there !== view.node) this.#place.insertBefore(view.node, there);
    });
  }
}

/** A session in the list, as a button that chooses it. */
class SessionView {
  #name = element('strong');
  #about = element('span', {class: 'muted-text small-text'});
  #button = element('button', {type: 'button', class: 'session'}, this.#name, this.#about);
  node = element('li', {}, this.#button);
  #isChosen;

  /** @param {{choose: () => void, isChosen: () => boolean}} actions */
  constructor({choose, isChosen}) {
    this.#button.onclick = choose;
    this.#isChosen = isChosen;
  }

  /** @param {SessionInfo} session */
  show({room_name: room, tenant, started_ms: started, people}) {
    const count = people === undefined ? [] : [counted(people, 'person', 'people')];
    setText(this.#name, room);
    setText(this.#about, [tenant, `since ${moment(started)}`, ...count].join(' · '));
    if (this.#isChosen()) this.#button.setAttribute('aria-current', 'true');
    else this.#button.removeAttribute('aria-current');
  }
}

/** What comes in one slot of a participant. */
class SlotView {
  #whose = element('strong');
  #state = element('span', {class: 'slot-state'});
  #size = element('span', {class: 'slot-size'});
  #why = element('p', {class: 'slot-why'});
  #facts = element('p', {class: 'muted-text small-text'});
  #count = element('summary', {class: 'muted-text small-text'});
  #decisions = element('ol', {class: 'decisions'});
  #past = element('details', {}, this.#count, this.#decisions);
  node = element('li', {class: 'slot'}, element('div', {class: 'slot-head'}, this.#whose, this.#state, this.#size),
      this.#why, this.#facts, this.#past);
  #newest = 0;

  /** @param {SlotInfo} slot */
  show(slot) {
    const decision = slot.reason && /** @type {Decision} */ (slot);
    const shown = decision && ['shown', 'paused'].includes(slot.state) ? decision : null;
    const source = /** @type {Record<string, string>} */ (SOURCES)[slot.source ?? ''] ?? slot.source;
    this.node.classList.toggle('short', shown?.reason === 'bandwidth' || shown?.reason === 'paused');
    setText(this.#whose, [slot.publisher, source].filter(Boolean).join(', '));
    setText(this.#state, slot.kind === 'audio' && slot.state === 'shown' ? 'heard' : slot.state);
    setText(this.#size, this.#sizeText(slot));
    setText(this.#why, shown ? REASONS[shown.reason](shown) : /** @type {Record<string, string>} */ (STATES)[slot.state] ?? '');
    setText(this.#facts, shown ? this.#factsText(slot, shown) : '');
    this.#showPast(slot.history ?? []);
  }

  /** @param {SlotInfo} slot */
  #sizeText({kind, state, height, wanted_height: wanted}) {
    if (kind === 'audio' || state === 'hidden') return '';
    return `${state === 'shown' ? pixels(height) : 'nothing'} of ${pixels(wanted)} wanted`;
  }

  /** @param {SlotInfo} slot @param {Decision} decision */
  #factsText({layers}, {layer, bitrate_kbps: rate, estimate_kbps: estimate, decided_at_ms: at}) {
    const sent = layer === null ? [] : [`layer ${layer + 1} of ${layers}`, kbps(rate)];
    return [...sent, `estimate ${kbps(estimate)}`, `decided at ${timeOfDay(at)}`].join(' · ');
  }

  /** @param {Decision[]} history  the oldest first */
  #showPast(history) {
    const newest = history.at(-1)?.decided_at_ms ?? 0;
    this.#past.hidden = history.length === 0;
    if (newest === this.#newest) return;
    this.#newest = newest;
    setText(this.#count, history.length === 1 ? 'Last decision' : `Last ${history.length} decisions`);
    this.#decisions.replaceChildren(...history.toReversed().map((decision) => {
      const {layer, height, reason, decided_at_ms: at} = decision;
      const what = layer === null ? 'paused' : `${pixels(height)}, layer ${layer + 1}`;
      return element('li', {}, element('time', {}, timeOfDay(at)), ` ${what}. ${REASONS[reason](decision)}`);
    }));
  }
}

/** A participant, and what reaches him while that is open. */
class PersonView {
  #who = element('strong');
  #about = element('span', {class: 'muted-text'});
  #list = element('ul', {class: 'plain-list'});
  #note = element('p', {class: 'muted-text small-text'});
  node = /** @type {HTMLDetailsElement} */ (element('details', {class: 'person'},
      element('summary', {}, this.#who, ' ', this.#about), this.#list, this.#note));
  #slots = new KeyedList(this.#list, (/** @type {SlotInfo} */ {mid}) => mid, () => new SlotView());

  /** @param {{open: boolean, onopen: () => void}} options */
  constructor({open, onopen}) {
    this.node.open = open;
    this.node.ontoggle = () => { if (this.node.open) onopen(); };
  }

  /** @param {Person} person */
  show({name, identity, role, state}) {
    setText(this.#who, name);
    setText(this.#about, [...(identity === name ? [] : [identity]), role, ...(state === 'active' ? [] : [state])].join(' · '));
  }

  /** @param {SlotInfo[]} slots */
  showSlots(slots) {
    const used = slots.filter(({state}) => state !== 'empty');
    const empty = slots.length - used.length;
    this.#slots.show([...used.filter(({kind}) => kind === 'video'), ...used.filter(({kind}) => kind === 'audio')]);
    setText(this.#note, slots.length === 0 ? 'Nothing is sent to this person: there are no slots yet.'
      : empty ? counted(empty, 'empty slot', 'empty slots') : '');
  }
}

/** The page after signing in: asks every two seconds while somebody looks. */
class AdminView {
  #api;
  #onRefused;
  #chosen = '';
  #asking = false;
  #again = false;
  #stopped = false;
  #timer = 0;
  #filter = /** @type {HTMLInputElement} */ (byId('session-filter'));
  #sessions = new KeyedList(byId('sessions'), (/** @type {SessionInfo} */ {session_id: id}) => id, ({session_id: id}) =>
    new SessionView({choose: () => this.#choose(id), isChosen: () => id === this.#chosen}));
  /** @type {Map<string, PersonView>} */ #views = new Map();
  #people = new KeyedList(byId('people'), (/** @type {Person} */ {participant_id: id}) => id, (person) => this.#makePerson(person));
  #few = true;

  /** @param {ControlApi} api @param {(error: ApiError) => void} onRefused  the credential counts no more */
  constructor(api, onRefused) {
    this.#api = api;
    this.#onRefused = onRefused;
    this.#filter.oninput = () => void this.refresh();
    document.onvisibilitychange = () => void this.refresh();
  }

  async refresh() {
    clearTimeout(this.#timer);
    this.#again = this.#asking;
    if (this.#asking || this.#stopped || document.hidden) return;
    this.#asking = true;
    try {
      await this.#showSessions();
      await this.#showPeople();
      showProblem('view-problem', '');
    } catch (error) {
      this.#failed(error);
    }
    this.#asking = false;
    this.#timer = setTimeout(() => void this.refresh(), this.#again ? 0 : REFRESH_MS);
  }

  /** @param {unknown} error */
  #failed(error) {
    if (!(error instanceof ApiError) || error.status !== 401) {
      return showProblem('view-problem', `${advice(error)} It is tried again every two seconds.`);
    }
    this.#stopped = true;
    showProblem('view-problem', '');
    this.#clearPeople('');
    this.#sessions.show([]);
    this.#onRefused(error);
  }

  async #showSessions() {
    const all = await this.#api.sessions();
    const text = this.#filter.value.trim().toLowerCase();
    const found = all.filter(({room_name: room, tenant}) => `${room} ${tenant}`.toLowerCase().includes(text));
    const listed = found.slice(0, MAX_SESSIONS);
    await Promise.all(listed.map(async (session) => {
      const people = await this.#api.callUnlessGone('participant.list', {session_id: session.session_id, limit: 1});
      session.people = people?.count;
    }));
    this.#sessions.show(listed);
    const note = all.length === 0 ? 'Nobody is in a call.' : found.length === 0 ? 'No session has that name.' : '';
    setText(byId('sessions-note'), found.length > listed.length ? `The newest ${listed.length} of ${found.length}. Type to find others.` : note);
  }

  /** @param {string} id */
  #choose(id) {
    if (id === this.#chosen) return;
    this.#clearPeople(id);
    setText(byId('people-title'), 'Loading…');
    byId('people-title').focus();
    void this.refresh();
  }

  /** @param {string} next  whose people will be shown instead */
  #clearPeople(next) {
    this.#chosen = next;
    this.#people.show([]);
    this.#views.clear();
    setText(byId('people-title'), 'Choose a session');
    setText(byId('people-note'), '');
  }

  async #showPeople() {
    const id = this.#chosen;
    if (!id) return;
    const [session, list] = await Promise.all([this.#api.callUnlessGone('session.get', {session_id: id}),
      this.#api.callUnlessGone('participant.list', {session_id: id, limit: PAGE})]);
    if (id !== this.#chosen) return;
    if (!session || !list) {
      toast('This session has ended.');
      return this.#clearPeople('');
    }
    /** @type {Person[]} */ const people = list.participants;
    this.#few = people.length <= MAX_OPEN;
    setText(byId('people-title'), session.room_name);
    const others = list.count > people.length ? `${people.length} of ${list.count} people` : counted(list.count, 'person', 'people');
    const waiting = list.waiting?.length ? [`${list.waiting.length} in the lobby`] : [];
    setText(byId('people-note'), [session.tenant, others, ...waiting].join(' · '));
    this.#people.show(people);
    await this.#showSlots(id, people);
  }

  /** @param {Person} person */
  #makePerson({participant_id: id}) {
    const view = new PersonView({open: this.#few, onopen: () => void this.refresh()});
    this.#views.set(id, view);
    return view;
  }

  /** Of everybody who is open. @param {string} session @param {Person[]} people */
  async #showSlots(session, people) {
    const names = new Map(people.map(({participant_id: id, identity}) => [id, identity]));
    await Promise.all(people.map(async ({participant_id: id}) => {
      const view = this.#views.get(id);
      if (!view?.node.open) return;
      const answer = await this.#api.callUnlessGone('subscription.get', {session_id: session, participant_id: id});
      /** @type {Subscription[]} */ const slots = answer?.subscriptions ?? [];
      view.showSlots(slots.map((slot) => ({...slot, publisher: names.get(slot.publisher_id ?? '') ?? ''})));
    }));
  }
}

/* ---- signing in */

const field = (/** @type {string} */ id) => /** @type {HTMLInputElement|HTMLTextAreaElement} */ (byId(id));

/** What the form says, as something that gives tokens. @returns {Promise<() => string|Promise<string>>} */
async function credential() {
  const token = field('token').value.trim();
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return () => token;
  if (token) throw new Error('That is no token: it has three parts of letters and digits, with points in between.');
  const [id, secret] = [field('key-id').value.trim(), field('key-secret').value];
  if (!id || !secret) throw new Error('Type the id of an API key and its secret, or use a token.');
  return signer(id, secret);
}

async function signIn() {
  showProblem('sign-in-problem', '');
  try {
    const api = new ControlApi(await credential());
    await api.call('session.list', {state: 'active', limit: 1});
    for (const id of ['key-secret', 'token']) field(id).value = '';
    showPage('view');
    void new AdminView(api, refused).refresh();
  } catch (error) {
    showProblem('sign-in-problem', advice(error));
  }
}

/** @param {ApiError} error */
function refused(error) {
  showPage('sign-in');
  showProblem('sign-in-problem', advice(error));
}

byId('sign-in-form').onsubmit = (event) => {
  event.preventDefault();
  void signIn();
};
byId('sign-out').onclick = () => location.reload();
