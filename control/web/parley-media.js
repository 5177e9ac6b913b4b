// @ts-check
/**
 * The media of a call: one RTCPeerConnection from the first offer until it is closed. Lines on which
 * the client sends are publications, lines on which it receives are slots. Only the client offers,
 * one offer at a time. It knows nothing of participants: parley.js gives slots their meaning.
 */
import {CallError} from './parley-signalling.js';

const CONNECT_TIMEOUT_MS = 15_000; // from the first offer to connected media
const DISCONNECTED_GRACE_MS = 2_000; // a short loss of packets is not worth an ICE restart

const UNKNOWN_HEIGHT = 1; // so low that any wish takes all layers
const PAUSE_RETRIES_MS = [100, 300, 1_000];
const SHORT_LIST = 8; // codecs

/** Bit rates suit a 1280x720 camera; a smaller one needs less and takes less. */
const CAMERA_LAYERS = [
  {rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000},
  {rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000},
  {rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000},
];
const CAMERA_SINGLE = [{maxBitrate: 1_500_000}];
const CAMERA_LAYERED_BITRATE = 2_000_000; // all layers inside one encoding
/** Slides and scrolling take ten times what a screen takes that stands still: who has no room for that gets the small one. */
const SCREEN_LAYERS = [
  {rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 400_000, maxFramerate: 10},
  {rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 15},
];
const SCREEN_SINGLE = SCREEN_LAYERS.slice(1).map(({rid, ...encoding}) => encoding);

/**
 * @typedef {'camera'|'microphone'|'screen_share'|'screen_share_audio'} Source
 * @typedef {{source: Source, track: MediaStreamTrack, simulcast: boolean, svc: string|null,
 *   codec: string|null, muted: boolean, trackId: string|null}} Publication  trackId is the server's,
 *   null until it has answered
 * @typedef {{kind: 'audio'|'video', transceiver: RTCRtpTransceiver, stream: MediaStream}} SlotLine
 * @typedef {{height: number, singleLayer: boolean}} Wanted  by all who watch; 0: nobody looks
 * @typedef {'connected'|'disconnected'|'failed'|'unreachable'} MediaState
 */

export class MediaConnection {
  #pc;
  #request;
  #onstate;
  /** @type {SlotLine[]} */ #slots = [];
  /** @type {Map<Source, RTCRtpTransceiver>} */ #senders = new Map();
  /** @type {Map<Source, Publication>} */ #publications;
  /** @type {Map<Source, Wanted>} */ #wanted = new Map();
  /** @type {Promise<unknown>} */ #changing = Promise.resolve(); // of senders' parameters
  #offerNeeded = false;
  /** @type {Promise<void>|null} */ #offering = null;
  /** @type {boolean|undefined} */ #asksRoundTrip;
  #closed = false;
  #wasConnected = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */ #connectTimer;

  /**
   * @param {{iceServers: RTCIceServer[], publications: Map<Source, Publication>,
   *   request: (method: string, params: object) => Promise<any>,
   *   onstate: (state: MediaState) => void}} options  publications belongs to the caller and is read
   */
  constructor({iceServers, publications, request, onstate}) {
    this.#pc = new RTCPeerConnection({iceServers, bundlePolicy: 'max-bundle'});
    this.#publications = publications;
    this.#request = request;
    this.#onstate = onstate;
    this.#pc.onconnectionstatechange = () => this.#stateChanged();
  }

  get peerConnection() { return this.#pc; }

  /** Of the slots that have been offered. @param {'audio'|'video'} kind */
  mids(kind) {
    return this.#slots.filter((slot) => slot.kind === kind && slot.transceiver.mid !== null)
        .map(({transceiver}) => /** @type {string} */ (transceiver.mid));
  }

  /** @param {string} mid @returns {SlotLine|undefined} */
  slot(mid) { return this.#slots.find(({transceiver}) => transceiver.mid === mid); }

  /**
   * Adds slots until there are `count`. Slots are never taken away.
   * @param {'audio'|'video'} kind @param {number} count @returns {boolean} whether an offer is due
   */
  growSlots(kind, count) {
    const missing = count - this.#slots.filter((slot) => slot.kind === kind).length;
    for (let i = 0; i < missing; ++i) {
      const transceiver = this.#pc.addTransceiver(kind, {direction: 'recvonly'});
      preferPlainCodecs(transceiver, kind);
      // Without the dependency descriptor a slot cannot be given the larger layers of AV1.
      if (kind === 'video') offerExtensions(transceiver, ['#dependency-descriptor']);
      this.#slots.push({kind, transceiver, stream: new MediaStream([transceiver.receiver.track])});
    }
    return missing > 0;
  }

  /** Starts to send a publication; `offer` makes it known. @param {Publication} publication */
  async send(publication) {
    const {source, track, simulcast, svc, codec} = publication;
    let transceiver = this.#senders.get(source);
    if (!transceiver) {
      /** @type {RTCRtpTransceiverInit} */ const init = {direction: 'sendonly'};
      if (source === 'screen_share') init.sendEncodings = simulcast ? SCREEN_LAYERS : SCREEN_SINGLE;
      if (source === 'camera') init.sendEncodings = simulcast ? cameraLayers(track) : CAMERA_SINGLE;
      if (svc) init.sendEncodings = [{maxBitrate: CAMERA_LAYERED_BITRATE, scalabilityMode: svc}];
      transceiver = this.#pc.addTransceiver(track, init);
      if (codec) preferCodec(transceiver, codec);
      if (track.kind === 'video') offerExtensions(transceiver, ['rtp-stream-id']);
      this.#senders.set(source, transceiver);
    }
    transceiver.direction = 'sendonly';
    await this.apply(publication);
  }

  /** Stops to send. The line is kept for the next time: sharing a screen again adds no SDP. @param {Source} source */
  async stop(source) {
    const transceiver = this.#senders.get(source);
    if (!transceiver) return;
    transceiver.direction = 'inactive';
    this.#wanted.set(source, {height: Infinity, singleLayer: false}); // the next one is another track
    await transceiver.sender.replaceTrack(null);
  }

  /** A muted microphone goes on sending silence; a camera that is off sends nothing. @param {Publication} publication */
  async apply({source, track, muted}) {
    if (track.kind === 'audio') track.enabled = !muted;
    const wanted = muted && track.kind === 'video' ? null : track;
    const sender = this.#senders.get(source)?.sender;
    if (!sender || sender.track === wanted) return;
    await sender.replaceTrack(wanted);
    await this.#applyWanted(source);
  }

  /**
   * Sends no more than somebody wants to see, and goes on so when a camera is on again.
   * @param {Source} source @param {Wanted} wanted
   */
  async limit(source, wanted) {
    this.#wanted.set(source, wanted);
    await this.#applyWanted(source);
  }

  /**
   * One change of a sender's parameters at a time: what was read before another one is not taken any more.
   * @template T @param {() => Promise<T>} change @returns {Promise<T>}
   */
  #change(change) {
    const done = this.#changing.then(change);
    this.#changing = done.catch(() => {});
    return done;
  }

  /** @param {Source} source */
  #applyWanted(source) {
    return this.#change(() => this.#pauseUnwanted(source));
  }

  /** @param {Source} source */
  async #pauseUnwanted(source) {
    for (const delay of PAUSE_RETRIES_MS) {
      const wanted = this.#wanted.get(source);
      const sender = this.#senders.get(source)?.sender;
      const parameters = sender?.getParameters();
      if (!wanted || !sender?.track || !parameters?.encodings?.length || this.#closed) return;
      if (parameters.encodings.length > 1) pauseLarger(parameters.encodings, sender.track, wanted.height);
      else pauseSingle(parameters.encodings[0], this.#publications.get(source)?.svc, wanted);
      const changed = await sender.setParameters(parameters).then(() => true, () => false);
      if (changed) return;
      await new Promise((resolve) => { setTimeout(resolve, delay); }); // an offer was under way, perhaps
    }
  }

  /**
   * Sends a line in another codec, which the server asks for when somebody cannot decode what comes.
   * By the sender's parameters where the browser has that (Chromium), else by an offer that prefers
   * the codec and whose answer begins with it (Firefox).
   * @param {{mid: string, codec: string, payload_type: number}} wanted
   */
  async useCodec({mid, codec, payload_type: payloadType}) {
    await this.#offering?.catch(() => {}); // it may bring the codec
    const transceiver = [...this.#senders.values()].find((one) => one.mid === mid);
    if (!transceiver || this.#closed) return;
    if (await this.#change(() => setSenderCodec(transceiver.sender, payloadType))) return;
    preferCodec(transceiver, codec.split('/')[0]);
    await this.offer();
  }

  /** Makes the server know the lines as they are now; a change meanwhile goes into the next offer. */
  offer() {
    this.#offerNeeded = true;
    this.#connectTimer ??= setTimeout(() => this.#checkConnected(), CONNECT_TIMEOUT_MS);
    this.#offering ??= this.#offerUntilDone().finally(() => { this.#offering = null; });
    return this.#offering;
  }

  /** From the next ICE restart on; what is connected stays so. @param {RTCIceServer[]} iceServers */
  setIceServers(iceServers) {
    if (!this.#closed) this.#pc.setConfiguration({...this.#pc.getConfiguration(), iceServers});
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#connectTimer);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  async #offerUntilDone() {
    const pc = this.#pc;
    while (this.#offerNeeded && !this.#closed) {
      this.#offerNeeded = false;
      // Kept once it was asked for: to change it would begin all pictures anew.
      this.#asksRoundTrip ??= this.#senders.size === 0;
      await setOffer(pc, this.#asksRoundTrip);
      const sending = [...this.#publications.values()].map((publication) =>
        ({publication, mid: this.#senders.get(publication.source)?.mid})).filter(({mid}) => mid);
      const tracks = sending.map(({publication, mid}) => ({mid, source: publication.source}));
      try {
        const answer = await this.#request('offer', {sdp: pc.localDescription?.sdp, tracks});
        if (this.#closed) return;
        for (const {publication, mid} of sending) {
          publication.trackId = answer.tracks.find((/** @type {any} */ track) => track.mid === mid)?.track_id ?? null;
        }
        await pc.setRemoteDescription({type: 'answer', sdp: answer.sdp});
      } catch (error) {
        if (this.#closed) return;
        await pc.setLocalDescription({type: 'rollback'}).catch(() => {});
        if (error instanceof CallError) throw error;
        throw new CallError('media_failure', 'This browser did not accept the server\'s media description.');
      }
    }
  }

  #stateChanged() {
    const state = this.#pc.connectionState;
    this.#wasConnected ||= state === 'connected';
    if (state === 'connected') this.#onstate('connected');
    // Media that never came will not come by trying the same again.
    if (state === 'failed') this.#onstate(this.#wasConnected ? 'failed' : 'unreachable');
    if (state !== 'disconnected') return;
    setTimeout(() => {
      if (this.#closed || this.#pc.connectionState !== 'disconnected') return;
      this.#onstate('disconnected');
      this.#pc.restartIce();
      this.offer().catch(() => this.#onstate('failed'));
    }, DISCONNECTED_GRACE_MS);
  }

  #checkConnected() {
    if (['new', 'connecting'].includes(this.#pc.connectionState)) this.#onstate('unreachable');
  }
}

/**
 * Chromium sends the upper layers of a small picture never, whatever their scale: three layers
 * take 960x540, two take 480x270. So a small camera gets fewer, and its full size is among them.
 * @param {MediaStreamTrack} track
 */
function cameraLayers(track) {
  const {height = 720} = track.getSettings();
  return CAMERA_LAYERS.slice(height >= 540 ? 0 : height >= 270 ? 1 : 2);
}

/**
 * Who sends nothing gets no reports to take the round trip from, and would repeat a request for a lost
 * packet too rarely. Chromium asks for it where its own offer says so (RFC 3611, section 4.4), for which
 * there is no call.
 * @param {RTCPeerConnection} pc @param {boolean} asksRoundTrip
 */
async function setOffer(pc, asksRoundTrip) {
  const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs ?? [];
  if (!asksRoundTrip || codecs.length <= SHORT_LIST) return pc.setLocalDescription();  // Firefox takes its own only
  const {sdp = ''} = await pc.createOffer();
  const asking = sdp.replace(/^(a=rtcp-fb:\d+ )nack\r\n/gm, '$&$1rrtr\r\n');
  return pc.setLocalDescription({type: 'offer', sdp: asking}).catch(() => pc.setLocalDescription());
}

/**
 * Moves a codec to the front of what is offered, for browsers send the first. One that the browser does not have changes nothing.
 * @param {RTCRtpTransceiver} transceiver @param {string} codec  like 'VP9'
 */
function preferCodec(transceiver, codec) {
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
  const wanted = codecs.filter(({mimeType}) => mimeType.toLowerCase() === `video/${codec.toLowerCase()}`);
  if (wanted.length === 0) return;
  transceiver.setCodecPreferences?.([...wanted, ...codecs.filter((other) => !wanted.includes(other))]);
}

/**
 * Chromium offers some only when told to, and on a line that comes later none that the lines before it do
 * without: a camera that is turned on in mid-call would have no names for its layers.
 * @param {RTCRtpTransceiver} transceiver @param {string[]} names  what their addresses contain
 */
function offerExtensions(transceiver, names) {
  /** @type {any} */ const line = transceiver; // not yet in the types of TypeScript
  const extensions = line.getHeaderExtensionsToNegotiate?.();
  if (!extensions) return;
  for (const extension of extensions) {
    if (names.some((name) => extension.uri.includes(name))) extension.direction = 'sendrecv';
  }
  line.setHeaderExtensionsToNegotiate(extensions);
}

/**
 * A slot needs only what the server forwards; without the rest an offer of ten slots is a third as long.
 * @param {RTCRtpTransceiver} transceiver @param {'audio'|'video'} kind
 */
function preferPlainCodecs(transceiver, kind) {
  const codecs = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  if (codecs.length <= SHORT_LIST) return; // Firefox: short as it is, and it keeps feedback lines of what was dropped
  const plain = codecs.filter(({mimeType, sdpFmtpLine = ''}) => {
    const name = mimeType.split('/')[1].toLowerCase();
    if (name === 'h264') return sdpFmtpLine.includes('packetization-mode=1');
    if (name === 'vp9') return !/profile-id=[1-9]/.test(sdpFmtpLine);
    if (name === 'red') return kind === 'audio'; // the server protects audio on a line that loses packets
    if (name === 'h265') return !/profile-id=[2-9]/.test(sdpFmtpLine);
    return ['opus', 'vp8', 'av1', 'rtx'].includes(name);
  });
  if (plain.length > 0) transceiver.setCodecPreferences?.(plain);
}

/**
 * Those go on that are needed to reach the wanted height, the smallest as soon as anybody looks.
 * @param {RTCRtpEncodingParameters[]} encodings @param {MediaStreamTrack} track @param {number} wanted  height
 */
function pauseLarger(encodings, track, wanted) {
  const {height: full = UNKNOWN_HEIGHT} = track.getSettings();
  const heights = encodings.map(({scaleResolutionDownBy = 1}) => full / scaleResolutionDownBy);
  encodings.forEach((encoding, i) => {
    const below = Math.max(0, ...heights.filter((other) => other < heights[i]));
    encoding.active = below < wanted;
  });
}

/**
 * @param {RTCRtpEncodingParameters & {scalabilityMode?: string}} encoding
 * @param {string|null|undefined} svc  its mode, if it was asked for @param {Wanted} wanted
 */
function pauseSingle(encoding, svc, {height, singleLayer}) {
  encoding.active = height > 0;
  if (!svc || !encoding.scalabilityMode) return;
  const single = svc.replace(/^[LS]\d(T\d).*$/, 'L1$1');
  if (singleLayer) encoding.scalabilityMode = single;
  else if (encoding.scalabilityMode === single) encoding.scalabilityMode = svc; // else the codec may lack it
}

/**
 * Chromium changes codecs without an offer; a browser that does not know how leaves `codec` out.
 * @param {RTCRtpSender} sender @param {number} payloadType @returns {Promise<boolean>} whether it does
 */
async function setSenderCodec(sender, payloadType) {
  /** @type {any} */ const parameters = sender.getParameters();
  const codec = parameters.codecs?.find((/** @type {any} */ one) => one.payloadType === payloadType);
  if (!codec || !parameters.encodings?.length) return false;
  // Without a mode Chromium sends of several encodings in VP9 or AV1 the lowest alone.
  const needsMode = parameters.encodings.length > 1 && /VP9|AV1/i.test(codec.mimeType);
  for (const encoding of parameters.encodings) {
    encoding.codec = codec;
    if (needsMode) encoding.scalabilityMode ??= 'L1T1';
  }
  try {
    await sender.setParameters(parameters);
  } catch {
    return false;
  }
  /** @type {any[]} */ const now = sender.getParameters().encodings;
  return now.every((encoding) => encoding.codec?.mimeType === codec.mimeType);
}
