// @ts-check
/** The page during a call: control bar, host's controls, banners, and the others' sound. */
import {ChatPanel} from './chat.js';
import {Recordings} from './recordings.js';
import {Stage} from './stage.js';
import {byId, clock, confirmed, dress, element, icon, showPage, toast} from './ui.js';

/** @typedef {import('./parley.js').Participant} Participant */

const REASONS_HOST_DID = new Set(['removed', 'banned']);

export class CallPage {
  joined = false;
  #call;
  #devices;
  #speakerId;
  #stage;
  #startedMs = 0;
  #timer = 0;
  /** @type {Map<string, HTMLAudioElement>} */ #audio = new Map();
  #busy = new Set();
  #chat;
  #closing = new AbortController();

  /**
   * @param {import('./parley.js').Call} call @param {import('./devices.js').Devices} devices
   * @param {{speakerId: string}} options
   */
  constructor(call, devices, {speakerId}) {
    this.#call = call;
    this.#devices = devices;
    this.#speakerId = speakerId;
    this.recordings = new Recordings(call);
    this.#stage = new Stage(call, (participant) => this.#tileActions(participant));
    this.#chat = new ChatPanel(call, this.#closing.signal, () => { if (this.joined) this.#refresh(); });
    this.#listen();
  }

  /** Puts the opened devices into the first offer. @param {{microphone: boolean, camera: boolean}} wanted */
  async publishLocal(wanted) {
    const {microphone, camera} = this.#devices.tracks;
    if (microphone) await this.#call.publish(microphone, {source: 'microphone', muted: !wanted.microphone});
    if (camera && wanted.camera) await this.#call.publish(camera, {source: 'camera', simulcast: true});
  }

  open() {
    this.joined = true;
    this.#startedMs = Date.now();
    const {room, self} = this.#call;
    byId('call-room').textContent = room?.name ?? '';
    showPage('call');
    this.#closeForbidden();
    byId(this.#call.permissions.has('publish_microphone') ? 'mic' : 'hand').focus({preventScroll: true});
    if (self) this.#stage.addSelf(self.name, self.identity);
    for (const participant of this.#call.participants) this.#stage.update(participant);
    for (const slot of this.#call.slots) this.#showSlot(slot);
    this.#timer = window.setInterval(() => this.#tick(), 500);
    this.#wireControls();
    this.#chat.start();
    this.#refresh();
    this.#tick();
    if (this.#call.inLobby.length > 0) this.#showLobby(this.#call.inLobby);
    const {others} = this.#call;
    toast(others === 0 ? 'You are in the call. Nobody else is here yet.' : `You are in the call with ${others === 1 ? 'one other' : `${others} others`}.`);
  }

  close() {
    this.#closing.abort();
    this.#chat.close();
    clearInterval(this.#timer);
    this.#stage.close();
    this.#stopScreen();
    for (const audio of this.#audio.values()) audio.remove();
    this.#audio.clear();
    byId('host-menu').hidePopover?.();
    for (const id of ['recordings', 'confirm']) /** @type {HTMLDialogElement} */ (byId(id)).close();
    byId('banner').hidden = true;
    byId('recording-pill').hidden = true;
  }

  async leave() {
    if (this.#call.state !== 'ended') await this.#call.leave();
  }

  /** @param {string} key */
  key(key) {
    const id = /** @type {Record<string, string>} */ ({m: 'mic', v: 'camera', s: 'screen', h: 'hand'})[key];
    if (id && !byId(id).hidden) byId(id).click(); // what one may not do has no button
    if (key === 'c') this.#chat.toggle();
  }

  // ---- what the call tells

  #listen() {
    const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ react) =>
      this.#call.addEventListener(name, (event) => {
        if (this.joined) react(/** @type {CustomEvent} */ (event).detail);
      }, {signal: this.#closing.signal});
    on('count', () => this.#refresh());
    on('joined', ({participant}) => {
      this.#stage.update(participant);
      this.#refresh();
      toast(`${participant.name} joined.`);
    });
    on('left', ({participant, reason}) => {
      this.#stage.remove(participant.id);
      this.#refresh();
      toast(`${participant.name} ${REASONS_HOST_DID.has(reason) ? 'was removed' : 'left'}.`);
    });
    for (const name of ['updated', 'published', 'unpublished']) {
      on(name, ({participant}) => {
        if (participant !== this.#call.self) return this.#stage.update(participant);
        this.#refresh(); // a host has lowered the hand
      });
    }
    on('permissions', ({permissions}) => {
      this.#closeForbidden();
      this.#refresh();
      toast(permissions.has('publish_microphone') ? 'You may speak now.' : 'You only watch and listen now.');
    });
    on('muted', (detail) => this.#muted(detail));
    on('slot', (slot) => this.#showSlot(slot));
    on('speakers', ({participants, dominant}) =>
      this.#stage.setSpeakers(participants.map((/** @type {Participant} */ p) => p.id), dominant?.id ?? null));
    on('quality', ({mid, reason}) => this.#stage.setQuality(mid, reason));
    on('lobby', ({waiting}) => this.#showLobby(waiting));
    on('quota', ({remainingMs}) => toast(`The booked time is over in ${clock(Math.ceil(remainingMs / 1_000) * 1_000)}.`));
    on('recording', (detail) => this.#recordingChanged(detail));
    on('state', ({state}) => this.#stateChanged(state));
    this.#devices.addEventListener('lost', (event) => {
      const {device} = /** @type {CustomEvent} */ (event).detail;
      toast(this.#devices.problems[/** @type {'camera'} */ (device)], {bad: true});
      void this.#act(device, () => this.#call.setMuted(device, true));
    }, {signal: this.#closing.signal});
  }

  /** @param {any} detail */
  #muted({participant, track, muted, by}) {
    if (participant !== this.#call.self) return this.#stage.update(participant);
    if (by !== 'self' && muted) toast(by === 'host' ? 'The host muted you.' : 'You were muted.');
    if (track.source === 'camera' && muted && by !== 'self') this.#devices.close('camera');
    this.#refresh();
  }

  /** @param {import('./parley.js').Slot} slot */
  #showSlot(slot) {
    if (slot.kind === 'video') return this.#stage.setSlot(slot);
    let audio = this.#audio.get(slot.mid);
    if (!audio) {
      audio = /** @type {HTMLAudioElement} */ (element('audio', {autoplay: ''}));
      byId('audio-sink').append(audio);
      this.#audio.set(slot.mid, audio);
      if (this.#speakerId && 'setSinkId' in audio) void /** @type {any} */ (audio).setSinkId(this.#speakerId).catch(() => {});
    }
    audio.srcObject = slot.stream;
    audio.dataset.participant = slot.participant?.id ?? '';
    if (slot.stream) audio.play().catch(() => this.#offerSound());
  }

  /** @param {{id: string, name: string}[]} waiting */
  #showLobby(waiting) {
    if (waiting.length === 0) { byId('banner').hidden = true; return; }
    const [first] = waiting;
    const others = waiting.length === 1 ? '' : ` and ${waiting.length - 1} more`;
    this.#banner(`${first.name}${others} would like to come in.`, `Let ${first.name} in`, () => void this.#act('admit', () => this.#call.admit(first.id)));
  }

  /** Some browsers want one more click before they let a page be heard. */
  #offerSound() {
    this.#banner('The browser keeps this page silent.', 'Turn sound on', () => {
      for (const audio of this.#audio.values()) void audio.play().catch(() => {});
      byId('banner').hidden = true;
    });
  }

  /** @param {string} state */
  #stateChanged(state) {
    if (state === 'reconnecting') this.#banner('The connection is interrupted. Reconnecting…');
    if (state === 'joined') {
      byId('banner').hidden = true;
      this.#stage.resubscribe();
      toast('You are back in the call.');
    }
    byId('call').classList.toggle('reconnecting', state === 'reconnecting');
    this.#refresh();
  }

  /** @param {any} detail */
  #recordingChanged({event, reason}) {
    if (event === 'started') toast('This call is being recorded.');
    if (event === 'stopped') toast('The recording has stopped.');
    if (event === 'completed' && this.recordings.allowed) toast('The recording is ready: Host, Recordings.');
    if (event === 'failed') toast(`The recording failed${reason ? ` (${reason.replaceAll('_', ' ')})` : ''}. The call goes on.`, {bad: true});
    this.#refresh();
  }

  // ---- what the person does

  #wireControls() {
    byId('mic').onclick = () => void this.#toggleMicrophone();
    byId('camera').onclick = () => void this.#toggleCamera();
    byId('screen').onclick = () => void this.#toggleScreen();
    byId('hand').onclick = () => void this.#act('hand', () => this.#call.raiseHand(!this.#call.self?.handRaisedMs));
    byId('chat-button').onclick = () => this.#chat.toggle();
    byId('record').onclick = () => void this.#act('record', () =>
      this.#call.recording ? this.#call.stopRecording() : this.#call.startRecording());
    byId('leave').onclick = () => void this.#act('leave', async () => {
      await this.recordings.settle();
      await this.#call.leave();
    });
    const fromMenu = (/** @type {string} */ id, /** @type {() => Promise<void>} */ action) => {
      byId(id).onclick = () => {
        byId('host-menu').hidePopover();
        void this.#act(id, action);
      };
    };
    fromMenu('mute-all', async () => {
      await this.#call.muteAll();
      toast('Everybody else is muted.');
    });
    fromMenu('show-recordings', () => this.recordings.open());
    byId('recordings-close').onclick = () => /** @type {HTMLDialogElement} */ (byId('recordings')).close();
    fromMenu('end-all', async () => {
      const sure = await confirmed({title: 'End the call for everybody?', text: 'All participants are disconnected. A running recording is finished first.', yes: 'End the call'});
      if (!sure) return;
      this.#banner('Ending the call…');
      try {
        await this.recordings.settle({stop: true});
        await this.#call.endForAll();
      } catch (error) {
        byId('banner').hidden = true;
        throw error;
      }
    });
  }

  async #toggleMicrophone() {
    await this.#act('microphone', async () => {
      const on = !this.#isOn('microphone');
      const track = this.#devices.tracks.microphone ?? (on ? await this.#devices.open('microphone') : null);
      if (!track) throw new Error(this.#devices.problems.microphone);
      if (!this.#has('microphone')) await this.#call.publish(track, {source: 'microphone'});
      else await this.#call.replaceTrack('microphone', track);
      await this.#call.setMuted('microphone', !on);
    });
  }

  async #toggleCamera() {
    await this.#act('camera', async () => {
      if (this.#isOn('camera')) {
        await this.#call.setMuted('camera', true);
        this.#devices.close('camera');
        return;
      }
      const track = await this.#devices.open('camera');
      if (!track) throw new Error(this.#devices.problems.camera);
      if (!this.#has('camera')) await this.#call.publish(track, {source: 'camera', simulcast: true});
      else await this.#call.replaceTrack('camera', track);
      await this.#call.setMuted('camera', false);
    });
  }

  async #toggleScreen() {
    await this.#act('screen', async () => {
      if (this.#has('screen_share')) return this.#unshare();
      const stream = await navigator.mediaDevices.getDisplayMedia({video: {frameRate: 15}, audio: true}).catch((error) => {
        if (error.name === 'NotAllowedError') return null; // changed their mind
        throw new Error('The screen could not be shared.');
      });
      if (!stream) return;
      const [video] = stream.getVideoTracks();
      video.onended = () => void this.#act('screen', () => this.#unshare());
      await this.#call.publish(video, {source: 'screen_share'});
      const [audio] = stream.getAudioTracks();
      if (audio) await this.#call.publish(audio, {source: 'screen_share_audio'});
      toast('You are sharing your screen.');
    });
  }

  async #unshare() {
    this.#stopScreen();
    await this.#call.unpublish('screen_share');
    await this.#call.unpublish('screen_share_audio');
    toast('You stopped sharing your screen.');
  }

  #stopScreen() {
    for (const {source, track} of this.#call.publications) if (source.startsWith('screen')) track.stop();
  }

  /** @param {Participant} participant @returns {HTMLElement[]} */
  #tileActions(participant) {
    /** @type {HTMLElement[]} */ const buttons = [];
    const {permissions} = this.#call;
    const add = (/** @type {string} */ symbol, /** @type {string} */ label, /** @type {() => Promise<void>} */ action) => {
      const button = element('button', {type: 'button', class: 'round small', 'aria-label': label, title: label}, icon(symbol));
      button.onclick = () => void this.#act(label, action);
      buttons.push(button);
    };
    if (permissions.has('mute_others')) {
      add('mic-off', `Mute ${participant.name}`, async () => {
        const track = [...participant.tracks.values()].find(({source}) => source === 'microphone');
        if (track && !track.muted) await this.#call.muteTrack(track.id);
      });
      add('hand', `Lower the hand of ${participant.name}`, () => this.#call.lowerHand(participant.id));
      buttons.at(-1)?.classList.add('lower-hand');
    }
    if (permissions.has('remove_others')) {
      add('remove', `Remove ${participant.name}`, async () => {
        const sure = await confirmed({title: `Remove ${participant.name}?`, text: `${participant.name} is disconnected at once.`, yes: 'Remove'});
        if (sure) await this.#call.remove(participant.id);
      });
    }
    return buttons;
  }

  /** Runs one action at a time of a kind; a failure is told. @param {string} kind @param {() => Promise<any>} action */
  async #act(kind, action) {
    if (this.#busy.has(kind)) return;
    this.#busy.add(kind);
    try {
      await action();
    } catch (error) {
      if (this.#call.state !== 'ended') toast(/** @type {Error} */ (error).message, {bad: true});
    } finally {
      this.#busy.delete(kind);
      if (this.#call.state !== 'ended') this.#refresh();
    }
  }

  /** A viewer's camera is nobody's business. */
  #closeForbidden() {
    for (const device of /** @type {('microphone'|'camera')[]} */ (['microphone', 'camera'])) {
      if (!this.#call.permissions.has(`publish_${device}`)) this.#devices.close(device);
    }
  }

  // ---- showing

  /** @param {string} source */
  #has(source) { return this.#call.publications.some((publication) => publication.source === source); }
  /** @param {string} source */
  #isOn(source) { return this.#call.publications.some((publication) => publication.source === source && !publication.muted); }

  #refresh() {
    const mic = this.#isOn('microphone');
    const camera = this.#isOn('camera');
    const sharing = this.#has('screen_share');
    const recording = this.#call.recording !== null;
    const {permissions} = this.#call;
    dress(byId('mic'), {icon: mic ? 'mic' : 'mic-off', label: mic ? 'Mute microphone' : 'Unmute microphone', short: mic ? 'Mute' : 'Unmute', key: 'm', off: !mic});
    dress(byId('camera'), {icon: camera ? 'camera' : 'camera-off', label: camera ? 'Turn camera off' : 'Turn camera on', short: 'Camera', key: 'v', off: !camera});
    dress(byId('screen'), {icon: 'screen', label: sharing ? 'Stop sharing the screen' : 'Share your screen', short: sharing ? 'Stop' : 'Share', key: 's'});
    byId('mic').hidden = !permissions.has('publish_microphone');
    byId('camera').hidden = !permissions.has('publish_camera');
    byId('screen').classList.toggle('on', sharing);
    byId('screen').hidden = !navigator.mediaDevices?.getDisplayMedia || !permissions.has('publish_screen_share');
    const raised = Boolean(this.#call.self?.handRaisedMs);
    dress(byId('hand'), {icon: 'hand', label: raised ? 'Lower your hand' : 'Raise your hand', short: raised ? 'Lower' : 'Hand', key: 'h'});
    byId('hand').classList.toggle('on', raised);
    byId('hand').setAttribute('aria-pressed', String(raised));
    const {unread} = this.#chat;
    dress(byId('chat-button'), {icon: 'chat', label: unread ? `Chat, ${unread} unread` : 'Chat', short: 'Chat', key: 'c'});
    byId('chat-button').classList.toggle('on', this.#chat.open);
    byId('chat-button').setAttribute('aria-expanded', String(this.#chat.open));
    this.#chat.refresh();
    dress(byId('record'), {icon: recording ? 'stop' : 'record', label: recording ? 'Stop recording' : 'Record the call', short: recording ? 'Stop' : 'Record'});
    byId('record').classList.toggle('recording', recording);
    byId('record').hidden = !permissions.has('record');
    dress(byId('host'), {icon: 'host', label: 'Host controls', short: 'Host'});
    byId('host').hidden = !permissions.has('end_session');
    dress(byId('leave'), {icon: 'leave', label: 'Leave the call', short: 'Leave'});
    byId('recording-pill').hidden = !recording;
    const people = this.#call.others + 1;
    byId('call-count').textContent = people === 1 ? 'Only you are here' : `${people} people`;
    document.title = `${recording ? '● ' : ''}${this.#call.room?.name ?? 'Call'} · parley`;
    this.#stage.updateSelf(camera ? this.#devices.tracks.camera : null, !mic);
  }

  #tick() {
    byId('call-time').textContent = clock(Date.now() - this.#startedMs);
    const {recording} = this.#call;
    if (recording) byId('recording-time').textContent = clock(Date.now() - recording.startedMs);
  }

  /** @param {string} text @param {string} [action] @param {() => void} [react] */
  #banner(text, action, react) {
    byId('banner').hidden = false;
    byId('banner').classList.toggle('plain', Boolean(action));
    byId('banner-text').textContent = text;
    const button = byId('banner-action');
    button.hidden = !action;
    button.textContent = action ?? '';
    button.onclick = react ?? null;
  }
}
