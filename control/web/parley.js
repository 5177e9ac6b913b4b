// @ts-check
/**
 * parley.js: one participant's side of a call. It joins over the signalling socket
 * (docs/control-protocol.md, "Participants"), publishes local tracks, keeps the roster and hands out
 * the tracks of the others as slots. It draws nothing and asks for no device: the page does that.
 *
 *   import {Call} from './parley.js';
 *   const call = new Call({url: location.origin, token});
 *   call.addEventListener('slot', ({detail}) => show(detail));
 *   await call.publish(cameraTrack, {source: 'camera', simulcast: true});
 *   await call.join();
 *
 * Who is seen in which slot changes without any SDP. Every promise settles: with its result, or
 * with a `CallError` whose message is a sentence that can be shown to a person.
 */
import {Chat} from './parley-chat.js';
import {Channel} from './parley-data.js';
import {MediaConnection} from './parley-media.js';
import {Roster, fromWire} from './parley-roster.js';
import {CallError, Socket, isRetryable, reasonText} from './parley-signalling.js';

export {CallError, reasonText};

const PING_INTERVAL_MS = 10_000;
// Longer than it takes to see that media is silent (8.3 s in Chromium): then the media restarts in its
// place, and only a socket that stays silent is given up with all that hangs on it.
const PING_TIMEOUT_MS = 10_000;
const LEAVE_TIMEOUT_MS = 1_000;
const CLOSE_LEAVE = 1000;
const CLOSE_REJOIN = 4000; // the server keeps our place for reconnect_window_s
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 3_000;
const RENEW_AFTER = 0.75; // of the time for which credentials of TURN are good
const RENEW_MIN_MS = 5_000;
const RENEW_MAX_MS = 2 ** 31 - 1; // what setTimeout takes
/** @type {Record<Source, string>} */
const PERMISSION = {
  camera: 'publish_camera', microphone: 'publish_microphone',
  screen_share: 'publish_screen_share', screen_share_audio: 'publish_screen_share',
};
const MAX_SLOTS = {audio: 12, video: 24};

/**
 * @typedef {import('./parley-media.js').Source} Source
 * @typedef {import('./parley-media.js').Publication} Publication
 * @typedef {'idle'|'joining'|'waiting'|'joined'|'reconnecting'|'ended'} CallState
 * @typedef {import('./parley-roster.js').Track} Track
 * @typedef {import('./parley-roster.js').Participant} Participant
 * @typedef {{mid: string, kind: 'audio'|'video', stream: MediaStream|null, trackId: string|null,
 *   source: Source|null, participantId: string|null, participant: Participant|null}} Slot  stream is null while nothing is shown
 */

/**
 * One participant in one room. Events (`event.detail`):
 * - `state` {state}: idle, joining, waiting (in the lobby), joined, reconnecting, ended
 * - `lobby` {waiting}: who waits to be let in, told to those who may do it
 * - `quota` {remainingMs}: the booked time will be over then
 * - `timer` {event, timerId, endsAtMs}: started, fired, cancelled
 * - `joined` {participant}, `left` {participant, reason}, `updated` {participant}
 * - `count` {count}: how many are there, when that is told for itself in a large room
 * - `published` / `unpublished` {participant, track}
 * - `muted` {participant, track, muted, by: 'self'|'host'|'api'}; `participant` may be `call.self`
 * - `permissions` {role, permissions}: what one may do was changed; what one may not send any more is not sent
 * - `slot` {Slot}: show `stream`, or hide the tile when it is null
 * - `quality` {mid, trackId, layer, height, reason, estimateKbps, neededKbps}: which layer the slot shows,
 *   and why: wanted, source, bandwidth, hold, paused (`layer` is null then)
 * - `speakers` {participants, dominant}: loudest first; dominant, for a large tile, has the floor and keeps it
 *   over coughs and pauses until somebody else has talked for a while (null: nobody has yet)
 * - `recording` {event: 'started'|'stopped'|'completed'|'failed', recordingId, startedMs, reason}
 * - `data` {participant, topic, data}: what another's application sent; `participant` is null for the backend,
 *   and of a stranger in a large room has his id and identity only
 * - `ended` {reason, text}: for good; `text` can be shown
 */
export class Call extends EventTarget {
  #url;
  #token;
  /** @type {CallState} */ #state = 'idle';
  /** @type {Socket|null} */ #socket = null;
  /** @type {MediaConnection|null} */ #media = null;
  #roster = new Roster((name, detail) => this.#rosterChanged(name, detail));
  /** @type {Map<Source, Publication>} */ #publications = new Map();
  /** @type {Map<string, Slot>} */ #slots = new Map();
  /** @type {any} */ #welcome = null;
  #slotsWanted = {audio: 0, video: 0};
  #welcomed = false;
  #chatOverData = false;
  #retrying = false;
  /** @type {Map<string, {id: string, identity: string, name: string}>} */ #inLobby = new Map();
  /** @type {{recordingId: string, startedMs: number}|null} */ #recording = null;
  /** @type {Map<string, Channel>} */ #channels = new Map();
  #chat = new Chat((method, params) => this.#request(method, params), () => this.#untilJoined());
  /** @type {Set<ReturnType<typeof setTimeout>>} */ #timers = new Set();

  /** @param {{url: string|URL, token: string}} options  url: the server's, http(s) or ws(s) */
  constructor({url, token}) {
    super();
    this.#url = new URL(url);
    this.#token = token;
  }

  get state() { return this.#state; }
  /** The others, in the order in which they joined; of a large room only some, and all who publish. */
  get participants() { return this.#roster.participants; }
  /** How many are there, without those who are hidden. */
  get count() { return this.#roster.count; }
  /** How many others. */
  get others() { return this.#roster.others; }
  get self() { return this.#roster.self; }
  get room() { return this.#welcome?.room ?? null; }
  /** @returns {Set<string>} */
  get permissions() { return new Set(this.#welcome?.permissions ?? []); }
  get publications() { return [...this.#publications.values()]; }
  get slots() { return [...this.#slots.values()]; }
  /** All slots for pictures, shown or not, by their `mid`: for who chooses himself what is in them. */
  get videoLines() { return this.#media?.mids('video') ?? []; }
  get recording() { return this.#recording; }
  /** What is written in the room. */
  get chat() { return this.#chat; }
  /** Who waits to be let in, as far as one may know. */
  get inLobby() { return [...this.#inLobby.values()]; }
  /** For statistics; do not change it. */
  get peerConnection() { return this.#media?.peerConnection ?? null; }

  /**
   * Joins; resolves when the server has answered the first offer.
   * @param {{audioSlots?: number, videoSlots?: number, chatOverData?: boolean}} [options]  chatOverData: what
   *   is written goes over a data channel while there is one, past the signalling
   */
  async join({audioSlots = 3, videoSlots = 4, chatOverData = false} = {}) {
    if (this.#state !== 'idle') throw new CallError('not_joined', 'This call was already joined once.');
    this.#slotsWanted = {audio: audioSlots, video: videoSlots};
    this.#chatOverData = chatOverData;
    this.#setState('joining');
    try {
      await this.#connect();
    } catch (error) {
      this.#end(/** @type {CallError} */ (error).reason ?? 'media_failure', /** @type {Error} */ (error).message);
      throw error;
    }
  }

  /** Leaves for good. */
  async leave() {
    if (this.#state === 'ended') return;
    await this.#socket?.request('leave', {}, LEAVE_TIMEOUT_MS).catch(() => {});
    this.#end('left');
  }

  /**
   * Sends a track to the room. May be called before `join`, then the track is in the first offer, unless one
   * turns out to be a viewer who may not send it: then it is not among the `publications` any more.
   * Cameras and screens are sent in several sizes: as simulcast, or with `svc`, a scalability mode like
   * 'L3T3_KEY', as layers inside one encoding, which only VP9 and AV1 have (`codec`; VP9 unless
   * said). Modes with one size, like 'L1T3', go with every codec.
   * @param {MediaStreamTrack} track
   * @param {{source: Source, simulcast?: boolean, svc?: string|null, codec?: string|null, muted?: boolean}} options
   * @returns {Promise<Publication>}
   */
  async publish(track, {source, svc = null, codec = null, simulcast = track.kind === 'video' && !svc, muted = false}) {
    if (svc && !svc.startsWith('L1')) codec ??= 'VP9';
    const publication = {source, track, simulcast: simulcast && !svc, svc, codec, muted, trackId: null};
    if (source === 'screen_share') track.contentHint ||= 'detail';
    this.#publications.set(source, publication);
    if (!this.#media) return publication;
    await this.#media.send(publication);
    try {
      await this.#offer();
    } catch (error) { // refused: what is published already must not be refused with it next time
      this.#publications.delete(source);
      await this.#media?.stop(source);
      throw error;
    }
    return publication;
  }

  /** Stops sending; the track stays the caller's. @param {Source} source */
  async unpublish(source) {
    if (!this.#publications.delete(source)) return;
    await this.#media?.stop(source);
    await this.#offer();
  }

  /** Sends another track in place, for example of another camera. @param {Source} source @param {MediaStreamTrack} track */
  async replaceTrack(source, track) {
    const publication = this.#publications.get(source);
    if (!publication) return;
    publication.track = track;
    await this.#media?.apply(publication);
  }

  /** Says to all that a track is silent, and makes it so. @param {Source} source @param {boolean} muted */
  async setMuted(source, muted) {
    const publication = this.#publications.get(source);
    if (!publication || publication.muted === muted) return;
    publication.muted = muted;
    await this.#media?.apply(publication);
    if (!publication.trackId || this.#state !== 'joined') return; // told when (re)joined
    try {
      await this.#request('track.update', {track_id: publication.trackId, muted});
    } catch (error) {
      if (/** @type {CallError} */ (error).retryable) return;
      publication.muted = !muted;
      await this.#media?.apply(publication);
      throw error;
    }
  }

  /**
   * How high, in real pixels, a slot is shown (0: not at all) and, if it matters, whose track.
   * @param {string} mid @param {{trackId?: string|null, height: number, priority?: number}} wish
   */
  async want(mid, {trackId, height, priority}) {
    const params = {mid, height: Math.round(height)};
    if (trackId) Object.assign(params, {track_id: trackId});
    if (priority !== undefined) Object.assign(params, {priority});
    await this.#request('slot.want', params);
  }

  /**
   * Sends any JSON, at most 64 KiB, to the applications of the others; it is not kept.
   * @param {any} data @param {{topic?: string, to?: string[]}} [options]  to: participant ids
   */
  async sendData(data, {topic, to} = {}) {
    await this.#request('data.send', {data, ...(topic && {topic}), ...(to && {to})});
  }

  /**
   * A data channel to the others who open one of this name. The first one must be opened before
   * `join`: the connection is made with it or without.
   * @param {string} label @param {import('./parley-data.js').Delivery} [delivery]
   */
  openChannel(label, delivery) {
    const known = this.#channels.get(label);
    if (known && !known.isOver) return known;
    if (this.#channels.size === 0 && !this.#chatOverData && this.#state !== 'idle') {
      throw new CallError('invalid_state', 'Data channels begin before joining.');
    }
    const channel = new Channel(label, delivery);
    this.#channels.set(label, channel);
    if (this.#media) channel.attach(this.#media.peerConnection);
    return channel;
  }

  /**
   * Everybody who is there, page by page, oneself included. Who is not among `participants` is as he was when he
   * was asked for: nobody is told what becomes of him.
   * @param {{limit?: number, pageToken?: string|null}} [options]
   * @returns {Promise<{participants: Participant[], count: number, nextPageToken: string|null}>}
   */
  async people({limit = 100, pageToken = null} = {}) {
    /** @type {any} */ const page = await this.#request('roster.list', {limit, ...(pageToken && {page_token: pageToken})});
    return {participants: page.participants.map(fromWire), count: page.count, nextPageToken: page.next_page_token ?? null};
  }

  /** Asks to be asked to speak; everybody sees it. @param {boolean} raised */
  async raiseHand(raised = true) { await this.#request('hand.raise', {raised}); }

  // Host actions; refused by the server without the permission.
  /** @param {string} participantId */
  async lowerHand(participantId) { await this.#request('hand.lower', {participant_id: participantId}); }
  /** @param {{unmuteAllowed?: boolean}} [options] */
  async muteAll({unmuteAllowed = true} = {}) { await this.#request('room.mute_all', {unmute_allowed: unmuteAllowed}); }
  async clearMuteAll() { await this.#request('room.clear_mute_all'); }
  /** @param {boolean} locked */
  async setLocked(locked) { await this.#request(locked ? 'room.lock' : 'room.unlock'); }
  /** @param {string} participantId */
  async admit(participantId) { await this.#request('participant.admit', {participant_id: participantId}); }
  /** @param {string} participantId */
  async deny(participantId) { await this.#request('participant.deny', {participant_id: participantId}); }
  /** @param {string} timerId  one of the server's configuration */
  async startTimer(timerId) { await this.#request('timer.start', {timer_id: timerId}); }
  /** @param {string} timerId */
  async cancelTimer(timerId) { await this.#request('timer.cancel', {timer_id: timerId}); }
  /** @param {string} trackId */
  async muteTrack(trackId, muted = true) { await this.#request('track.mute', {track_id: trackId, muted}); }
  /** @param {string} participantId @param {{ban?: boolean}} [options] */
  async remove(participantId, {ban = false} = {}) {
    await this.#request('participant.remove', {participant_id: participantId, ...(ban && {ban})});
  }
  async endForAll() { await this.#request('session.end'); }
  /** @returns {Promise<string>} the recording's id */
  async startRecording() { return (await this.#request('recording.start')).recording_id; }
  async stopRecording() { await this.#request('recording.stop'); }
  /** @returns {Promise<any[]>} as in the protocol's `recording.list` */
  async recordings() { return (await this.#request('recording.list')).recordings; }
  /** Links to the files of a recording, absolute. @param {string} recordingId @returns {Promise<{name: string, url: string}[]>} */
  async recordingLinks(recordingId, ttlS = 3_600) {
    const {files} = await this.#request('recording.access_link', {recording_id: recordingId, ttl_s: ttlS});
    const base = new URL('/', this.#url);
    base.protocol = base.protocol.replace('ws', 'http');
    return files.map((/** @type {any} */ file) => ({...file, url: new URL(file.url, base).href}));
  }

  // ---- joining, losing, ending

  async #connect() {
    const url = new URL('/v1/rtc', this.#url);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = await Socket.open(url.href);
    /** @type {[string, any][]} */ const early = [];
    socket.onnotification = (method, params) => early.push([method, params]);
    try {
      this.#welcome = await socket.request('join', {token: this.#token, client: 'parley.js/0.1'});
      if (this.#welcome.state === 'waiting') this.#welcome = await this.#untilAdmitted(socket, early);
    } catch (error) {
      socket.close(CLOSE_LEAVE);
      throw error;
    }
    if (this.#state === 'ended') { socket.close(CLOSE_LEAVE); throw new CallError('left'); }
    const retried = this.#media !== null;
    this.#socket?.close(CLOSE_REJOIN);
    this.#socket = socket;
    socket.onclose = () => this.#lost();
    this.#takeWelcome();
    socket.onnotification = (method, params) => this.#notified(method, params);
    this.#openMedia(socket);
    const answered = /** @type {MediaConnection} */ (this.#media).offer();
    if (this.#welcome.speakers) this.#notified('speakers', this.#welcome.speakers);
    for (const [method, params] of early) this.#notified(method, params);
    await answered;
    if (this.#chatOverData && retried) void this.#chat.catchUp(); // until now it went to a channel that is gone
    this.#keepAlive(socket);
    this.#renewIceServers(socket, this.#welcome);
    const microphone = this.#publications.get('microphone');
    if (this.#welcome.muted_by_host && microphone && !microphone.muted) { // everybody was, before we came
      microphone.muted = true;
      await this.#media?.apply(microphone);
    }
    this.#setState('joined');
    for (const publication of this.#publications.values()) {
      if (publication.muted && publication.trackId) {
        this.#request('track.update', {track_id: publication.trackId, muted: true}).catch(() => {});
      }
    }
  }

  /**
   * In the lobby: until a host has decided. What comes meanwhile is of no use before.
   * @param {Socket} socket @param {[string, any][]} early @returns {Promise<any>}
   */
  #untilAdmitted(socket, early) {
    this.#setState('waiting');
    return new Promise((resolve, reject) => {
      const alive = setInterval(() => socket.request('ping').catch(() => {}), PING_INTERVAL_MS);
      const decide = (/** @type {() => void} */ how) => { clearInterval(alive); socket.onclose = () => {}; how(); };
      /** @param {string} method @param {any} params */
      const hear = (method, params) => {
        if (method === 'admitted') decide(() => { socket.onnotification = (m, p) => early.push([m, p]); resolve(params); });
        else if (method === 'bye') decide(() => reject(new CallError(params.reason)));
      };
      socket.onclose = () => decide(() => reject(new CallError('connection_lost')));
      socket.onnotification = hear;
      for (const [method, params] of early.splice(0)) hear(method, params);
    });
  }

  /** What the answer to the join says replaces what was known; the differences are told as events. */
  #takeWelcome() {
    const {recording} = this.#welcome;
    this.#welcomed = false; // slots for all of them come with the connection
    this.#roster.take(this.#welcome, (method, params) => this.#request(method, params));
    this.#welcomed = true;
    this.#inLobby = new Map((this.#welcome.waiting ?? []).map((/** @type {any} */ one) => [one.participant_id, waitingFromWire(one)]));
    if (this.#inLobby.size > 0) this.#emit('lobby', {waiting: this.inLobby});
    this.#chat.take(this.#welcome.chat);
    const was = this.#recording;
    this.#recording = recording ? {recordingId: recording.recording_id, startedMs: recording.started_ms} : null;
    if (this.#recording) this.#emit('recording', {event: 'started', ...this.#recording});
    else if (was) this.#emit('recording', {event: 'stopped', ...was});
  }

  #lost() {
    if (this.#state === 'ended' || this.#state === 'joining' || this.#state === 'idle') return;
    this.#socket?.close(CLOSE_REJOIN);
    this.#socket = null;
    if (this.#retrying) return;
    this.#retrying = true;
    this.#retry().finally(() => { this.#retrying = false; });
  }

  async #retry() {
    this.#setState('reconnecting');
    const deadline = Date.now() + (this.#welcome?.reconnect_window_s ?? 15) * 1_000;
    for (let attempt = 0; this.#state === 'reconnecting'; ++attempt) {
      if (attempt > 0 && Date.now() > deadline) return this.#end('connection_lost');
      const backoff = Math.min(BACKOFF_FIRST_MS * 2 ** attempt, BACKOFF_MAX_MS);
      await pause(attempt === 0 ? 0 : backoff * (0.75 + Math.random() / 2));
      if (this.#state !== 'reconnecting') return;
      try {
        return await this.#connect();
      } catch (error) {
        const {reason, message, retryable} = /** @type {CallError} */ (error);
        if (!retryable) return this.#end(reason ?? 'media_failure', message);
      }
    }
  }

  /** @param {string} reason @param {string} [text] */
  #end(reason, text) {
    if (this.#state === 'ended') return;
    this.#setState('ended');
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.close(CLOSE_LEAVE);
    this.#socket = null;
    this.#closeMedia();
    this.#emit('ended', {reason, text: text ?? reasonText(reason)});
  }

  /** A browser hides the protocol's own pings, so a dead network is found by asking. @param {Socket} socket */
  #keepAlive(socket) {
    this.#later(PING_INTERVAL_MS, async () => {
      if (socket !== this.#socket) return;
      try {
        await socket.request('ping', {}, PING_TIMEOUT_MS);
        this.#keepAlive(socket);
      } catch {
        if (socket === this.#socket) this.#lost();
      }
    });
  }

  /**
   * Credentials of TURN are good for a time. Fresh ones are there before the old ones are over, for
   * when the connection has to find a new way.
   * @param {Socket} socket @param {any} told  the answer in which they came
   */
  #renewIceServers(socket, {ice_servers_expire_ms, server_time_ms}) {
    if (ice_servers_expire_ms === undefined) return;
    const wait = Math.min(Math.max((ice_servers_expire_ms - server_time_ms) * RENEW_AFTER, RENEW_MIN_MS), RENEW_MAX_MS);
    this.#later(wait, async () => {
      if (socket !== this.#socket) return;
      try {
        const fresh = await socket.request('ice_servers.renew');
        if (socket !== this.#socket) return;
        this.#media?.setIceServers(fresh.ice_servers);
        this.#renewIceServers(socket, fresh);
      } catch (error) {
        // A lost socket brings others with the next join; a server that is busy is asked again.
        if (socket === this.#socket && /** @type {CallError} */ (error).retryable) this.#renewIceServers(socket, {ice_servers_expire_ms: 0, server_time_ms: 0});
      }
    });
  }

  // ---- media

  /** @param {Socket} socket */
  #openMedia(socket) {
    this.#closeMedia();
    const media = new MediaConnection({
      iceServers: this.#welcome.ice_servers ?? [],
      publications: this.#publications,
      request: (method, params) => socket.request(method, params),
      onstate: (state) => this.#mediaChanged(state),
    });
    this.#media = media;
    for (const source of this.#forbidden()) this.#publications.delete(source);
    // Slots come first: the first m-line carries the transport of all and must never be refused.
    this.#growSlots();
    for (const publication of this.#publications.values()) void media.send(publication);
    for (const channel of this.#channels.values()) channel.attach(media.peerConnection);
    if (this.#chatOverData) this.#chat.attach(media.peerConnection);
  }

  /** What is to be sent and may not be. */
  #forbidden() {
    const {permissions} = this;
    return [...this.#publications.keys()].filter((source) => !permissions.has(PERMISSION[source]));
  }

  #closeMedia() {
    for (const mid of [...this.#slots.keys()]) this.#assign({mid, track_id: null});
    for (const publication of this.#publications.values()) publication.trackId = null;
    this.#media?.close();
    this.#media = null;
  }

  /** @param {import('./parley-media.js').MediaState} state */
  #mediaChanged(state) {
    if (state === 'connected' && this.#state === 'reconnecting' && this.#socket) this.#setState('joined');
    else if (state === 'disconnected' && this.#state === 'joined') this.#setState('reconnecting');
    else if (state === 'failed') this.#lost();
    else if (state === 'unreachable') this.#end('media_failure');
  }

  /** One slot for each track of the others, within the limits. @returns {boolean} whether an offer is due */
  #growSlots() {
    const tracks = this.participants.flatMap((participant) => [...participant.tracks.values()]);
    const grown = (/** @type {'audio'|'video'} */ kind) => {
      const published = tracks.filter((track) => track.kind === kind).length;
      const count = Math.min(MAX_SLOTS[kind], Math.max(this.#slotsWanted[kind], published));
      return this.#media?.growSlots(kind, count) ?? false;
    };
    const audio = grown('audio');
    return grown('video') || audio;
  }

  #growAndOffer() {
    if (this.#growSlots()) this.#offer().catch(() => this.#lost());
  }

  /** A lost socket is no failure here: joining again offers anew. */
  async #offer() {
    try {
      await this.#media?.offer();
    } catch (error) {
      if (!(error instanceof CallError) || !error.retryable) throw error;
    }
  }

  // ---- what the server tells

  /** @param {string} method @param {any} params */
  #notified(method, params) {
    if (method === 'slot.assigned') {
      this.#assign(params);
    } else if (method === 'slot.quality') {
      this.#emit('quality', {mid: params.mid, trackId: params.track_id, layer: params.layer, height: params.height,
        reason: params.reason, estimateKbps: params.estimate_kbps, neededKbps: params.needed_kbps});
    } else if (method === 'track.wanted') {
      const own = this.publications.find(({trackId}) => trackId === params.track_id);
      if (own) void this.#media?.limit(own.source, {height: params.height, singleLayer: params.single_layer});
    } else if (method === 'track.codec_wanted') {
      this.#media?.useCodec(params).catch(() => {}); // the server asks again if it matters
    } else if (method === 'speakers') {
      const participants = params.participant_ids.map((/** @type {string} */ id) => this.#roster.find(id)).filter(Boolean);
      this.#emit('speakers', {participants, dominant: this.#roster.find(params.dominant_id)});
    } else if (method === 'bye') {
      if (isRetryable(params.reason)) this.#lost();
      else this.#end(params.reason);
    } else if (method === 'participant.waiting' || method === 'participant.stopped_waiting') {
      if (params.participant) this.#inLobby.set(params.participant.participant_id, waitingFromWire(params.participant));
      else this.#inLobby.delete(params.participant_id);
      this.#emit('lobby', {waiting: this.inLobby});
    } else if (method.startsWith('chat.')) {
      this.#chat.notified(method, params);
    } else if (method === 'data.closed') {
      this.#channels.get(params.label)?.end(params.reason);
      this.#channels.delete(params.label);
    } else if (method === 'data') {
      const {participant_id: from, topic = null, data} = params;
      this.#emit('data', {participant: this.#roster.find(from) ?? (from ? fromWire(params) : null), topic, data});
    } else if (method === 'quota.warning') {
      this.#emit('quota', {remainingMs: params.remaining_ms});
    } else if (method === 'permissions') {
      Object.assign(this.#welcome, params);
      if (this.self) this.self.role = params.role;
      for (const source of this.#forbidden()) void this.unpublish(source).catch(() => this.#lost());
      this.#emit('permissions', {role: params.role, permissions: this.permissions});
    } else if (method.startsWith('timer.')) {
      this.#emit('timer', {event: method.slice('timer.'.length), timerId: params.timer_id, endsAtMs: params.ends_at_ms ?? null});
    } else if (method.startsWith('recording.')) {
      this.#recordingChanged(method.slice('recording.'.length), params);
    } else {
      this.#roster.notified(method, params);
    }
  }

  /** @param {string} name @param {any} detail */
  #rosterChanged(name, detail) {
    if (name === 'muted') return this.#trackMuted(detail);
    this.#emit(name, detail);
    if (name === 'joined' || name === 'updated') this.#nameSlots(detail.participant);
    const more = name === 'joined' || (name === 'published' && detail.participant !== this.self);
    if (more && this.#welcomed) this.#growAndOffer();
  }

  /** A picture may have come before the name. @param {Participant} participant */
  #nameSlots(participant) {
    for (const slot of this.#slots.values()) {
      if (slot.participantId !== participant.id || slot.participant === participant) continue;
      const unnamed = slot.participant === null;
      slot.participant = participant;
      if (unnamed) this.#emit('slot', slot);
    }
  }

  /** @param {{participant: Participant, track: Track|null, trackId: string, muted: boolean, by: string}} change */
  #trackMuted({participant, track, trackId, muted, by}) {
    if (participant === this.self) {
      const own = this.publications.find((one) => one.trackId === trackId);
      if (!own) return;
      if (by !== 'self' && own.muted !== muted) {
        own.muted = muted;
        void this.#media?.apply(own);
      }
      track ??= {id: trackId, kind: own.track.kind === 'audio' ? 'audio' : 'video', source: own.source, muted};
    }
    if (track) this.#emit('muted', {participant, track, muted, by});
  }

  /** @param {string} event @param {any} params */
  #recordingChanged(event, params) {
    const recordingId = params.recording_id;
    const startedMs = params.started_ms ?? this.#recording?.startedMs ?? Date.now();
    if (event === 'started') this.#recording = {recordingId, startedMs};
    else if (this.#recording?.recordingId === recordingId) this.#recording = null;
    this.#emit('recording', {event, recordingId, startedMs, reason: params.reason ?? null});
  }

  /** @param {any} params */
  #assign({mid, track_id: trackId, source, participant_id}) {
    const line = this.#media?.slot(mid);
    if (!line || (!trackId && !this.#slots.has(mid))) return;
    const slot = {mid, kind: line.kind, trackId: trackId ?? null, participantId: trackId ? participant_id : null,
      participant: trackId ? this.#roster.find(participant_id) : null, source: trackId ? source : null, stream: trackId ? line.stream : null};
    if (trackId) this.#slots.set(mid, slot);
    else this.#slots.delete(mid);
    this.#emit('slot', slot);
  }

  // ---- small things

  /** @returns {Promise<void>} */
  #untilJoined() {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#state !== 'joined' && this.#state !== 'ended') return;
        this.removeEventListener('state', look);
        if (this.#state === 'joined') resolve();
        else reject(new CallError('not_joined'));
      };
      this.addEventListener('state', look);
      look();
    });
  }

  /** @param {string} method @param {object} [params] */
  async #request(method, params) {
    if (!this.#socket) throw new CallError(this.#state === 'reconnecting' ? 'connection_lost' : 'not_joined');
    return this.#socket.request(method, params);
  }

  /** @param {CallState} state */
  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit('state', {state});
  }

  /** @param {string} name @param {object} detail */
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, {detail})); }

  /** A timer that dies with the call. @param {number} ms @param {() => void} action */
  #later(ms, action) {
    const timer = setTimeout(() => { this.#timers.delete(timer); action(); }, ms);
    this.#timers.add(timer);
  }
}

/** @param {any} wire */
const waitingFromWire = (wire) => ({id: wire.participant_id, identity: wire.identity, name: wire.name || wire.identity});

/** Resolves after a while, or as soon as the machine is online again. @param {number} ms */
const pause = (ms) => new Promise((resolve) => {
  const done = () => { clearTimeout(timer); removeEventListener('online', done); resolve(undefined); };
  const timer = setTimeout(done, ms);
  addEventListener('online', done);
});
