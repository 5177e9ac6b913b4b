// @ts-check
/**
 * Who is in the call, as the server tells it (docs/control-protocol.md, "Large rooms"): all in a
 * small room; in a large one some, everybody who publishes, and how many there are. It draws nothing
 * and knows no media; parley.js feeds it and tells the page what comes of it.
 */

/**
 * @typedef {import('./parley-media.js').Source} Source
 * @typedef {{id: string, kind: 'audio'|'video', source: Source, muted: boolean}} Track
 * @typedef {{id: string, identity: string, name: string, role: string, joinedMs: number,
 *   state: 'active'|'reconnecting', handRaisedMs: number|null, tracks: Map<string, Track>}} Participant  handRaisedMs: since when
 * @typedef {(name: string, detail: any) => void} Tell  what has changed, by the names of the events of `Call`
 */

export class Roster {
  /** @type {Map<string, Participant>} */ #others = new Map();
  /** @type {Participant|null} */ #self = null;
  #count = 0;
  #hidden = false;
  #joins = 0;
  #tell;

  /** @param {Tell} tell */
  constructor(tell) { this.#tell = tell; }

  get self() { return this.#self; }
  get participants() { return [...this.#others.values()]; }
  get count() { return this.#count; }
  get others() { return this.#count - (this.#hidden ? 0 : 1); }
  /** Among the others, or oneself. @param {string|null|undefined} id */
  find(id) { return this.#others.get(id ?? '') ?? (id && id === this.#self?.id ? this.#self : null); }

  /**
   * What the answer to a join says; the differences to what was known are told.
   * @param {any} welcome
   * @param {(method: string, params: object) => Promise<any>} request  for what did not fit into it
   */
  take(welcome, request) {
    const {participant_id: id, identity, name, role, hand_raised_ms: handRaisedMs = null} = welcome;
    this.#self = {id, identity, name: name || identity, role, joinedMs: Date.now(), state: 'active', handRaisedMs, tracks: new Map()};
    this.#count = welcome.participants_count;
    this.#hidden = Boolean(welcome.hidden);
    const before = this.#others;
    const missing = new Set(before.keys());
    this.#others = new Map();
    for (const one of welcome.participants.map(fromWire)) {
      missing.delete(one.id);
      this.#set(one, before.has(one.id));
    }
    const join = ++this.#joins;
    if (!welcome.participants_omitted) return this.#missed(missing, before);
    for (const one of missing) this.#others.set(one, /** @type {Participant} */ (before.get(one)));
    this.#listRest(missing, request, () => join === this.#joins).catch(() => {}); // a lost socket brings another list
  }

  /** What is told of who is there and what they send. @param {string} method @param {any} params */
  notified(method, params) {
    if (method === 'roster') { // several changes at once, in a large room
      for (const wire of params.joined) this.#joined(fromWire(wire));
      for (const update of params.updated) this.notified('participant.updated', update);
      for (const left of params.left) this.notified('participant.left', left);
      this.#setCount(params.count);
    } else if (method === 'participant.joined') {
      this.#joined(fromWire(params.participant));
    } else {
      const participant = this.find(params.participant_id);
      if (participant) this.#changed(method, params, participant);
    }
  }

  /** @param {string} method @param {any} params @param {Participant} participant */
  #changed(method, params, participant) {
    const track = participant.tracks.get(params.track_id) ?? null;
    switch (method) {
      case 'participant.updated':
        participant.state = params.state;
        if (params.hand_raised_ms !== undefined) participant.handRaisedMs = params.hand_raised_ms;
        if (params.name) Object.assign(participant, {name: params.name, role: params.role});
        return this.#tell('updated', {participant});
      case 'participant.left':
        if (this.#others.delete(participant.id)) --this.#count;
        return this.#tell('left', {participant, reason: params.reason});
      case 'track.published':
        participant.tracks.set(params.track.track_id, trackFromWire(params.track));
        return this.#tell('published', {participant, track: participant.tracks.get(params.track.track_id)});
      case 'track.unpublished':
        participant.tracks.delete(params.track_id);
        return this.#tell('unpublished', {participant, track});
      case 'track.muted':
      case 'track.unmuted': {
        const muted = method === 'track.muted';
        if (track) track.muted = muted;
        return this.#tell('muted', {participant, track, trackId: params.track_id, muted, by: params.by});
      }
    }
  }

  /**
   * Those who are listed but did not fit into the answer.
   * @param {Set<string>} missing  known from before
   * @param {(method: string, params: object) => Promise<any>} request
   * @param {() => boolean} holds  until the next join
   */
  async #listRest(missing, request, holds) {
    for (let token; ;) {
      const page = await request('roster.list', {listed: true, ...(token && {page_token: token})});
      if (!holds()) return;
      for (const one of page.participants.map(fromWire)) {
        missing.delete(one.id);
        if (one.id !== this.#self?.id) this.#set(one, this.#others.has(one.id));
      }
      token = page.next_page_token;
      if (token) continue;
      this.#missed(missing, this.#others);
      return this.#setCount(page.count);
    }
  }

  /** They have left while we were not there. @param {Set<string>} missing @param {Map<string, Participant>} known */
  #missed(missing, known) {
    for (const id of missing) {
      const participant = known.get(id);
      this.#others.delete(id);
      if (participant) this.#tell('left', {participant, reason: 'client_left'});
    }
  }

  /** @param {Participant} participant */
  #joined(participant) {
    if (participant.id === this.#self?.id) return;
    const known = this.#others.has(participant.id);
    if (!known) ++this.#count;
    this.#set(participant, known);
  }

  /** As the server knows him now. @param {Participant} participant @param {boolean} known */
  #set(participant, known) {
    this.#others.set(participant.id, participant);
    this.#tell(known ? 'updated' : 'joined', {participant});
  }

  /** @param {number} count */
  #setCount(count) {
    this.#count = count;
    this.#tell('count', {count});
  }
}

/** @param {any} wire @returns {Track} */
const trackFromWire = (wire) => ({id: wire.track_id, kind: wire.kind, source: wire.source, muted: Boolean(wire.muted)});

/** @param {any} wire @returns {Participant} */
export const fromWire = (wire) => ({
  id: wire.participant_id, identity: wire.identity, name: wire.name || wire.identity, role: wire.role,
  joinedMs: wire.joined_ms, state: wire.state ?? 'active', handRaisedMs: wire.hand_raised_ms ?? null,
  tracks: new Map((wire.tracks ?? []).map((/** @type {any} */ track) => [track.track_id, trackFromWire(track)])),
});
