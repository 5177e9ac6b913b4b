/**
 * A participant made of synthetic media: a canvas in a colour of its own with a running counter and
 * an oscillator with a pitch of its own. So a receiver can tell from picture and sound alone whom it
 * gets, and that it moves. `install` runs inside the page and must not refer to this module.
 */

import {FIREFOX_MICROPHONE_HZ} from './browsers.mjs';

/** Puts `window.me` into the page. It uses the parley.js that the daemon serves. */
export async function install() {
  // Firefox gathers loopback candidates only while the page holds a device.
  const device = await navigator.mediaDevices.getUserMedia({audio: true});
  const {Call} = await import(new URL('/parley.js', location.href).href);
  const me = {
    device, call: null, seen: new Map(), heard: new Map(), gone: {}, ended: null, log: [], recordingAt: {}, data: [],

    /** Tracks of a canvas and an oscillator. @param {any} look */
    async makeSource({color, hz, width = 640, height = 360, fps = 15, flash = false, busy = false, hint = 'detail'}) {
      const canvas = document.createElement('canvas');
      Object.assign(canvas, {width, height});
      document.body.append(canvas);
      const paint = canvas.getContext('2d', {alpha: false});
      const audio = new AudioContext();
      const tone = new OscillatorNode(audio, {frequency: hz});
      const volume = new GainNode(audio, {gain: flash ? 0 : 0.5});
      const sink = audio.createMediaStreamDestination();
      tone.connect(volume).connect(sink);
      tone.start();
      let count = 0;
      let lit = false;
      const draw = () => {
        const on = flash && performance.now() % 1_000 < 150;
        if (on !== lit) volume.gain.setValueAtTime(on ? 0.8 : 0, audio.currentTime);
        lit = on;
        paint.fillStyle = on ? '#ffffff' : `rgb(${color.join(' ')})`;
        paint.fillRect(0, 0, width, height);
        paint.fillStyle = '#000';
        if (!flash) paint.fillRect((count++ * 7) % width, height - 20, 40, 20);
        for (let i = 0; busy && i < 300; ++i) { // costs bits, so that there are packets to lose
          paint.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
          paint.fillRect(Math.random() * width, height * (0.5 + Math.random() / 2), 9, 9);
        }
      };
      draw();
      me.timer = setInterval(draw, 1_000 / fps);
      me.video = canvas.captureStream(fps).getVideoTracks()[0];
      me.video.contentHint = hint; // 'detail': a busy machine costs frames, not layers
      me.audioContext = audio;
      // Without a sound card Firefox runs no AudioContext; its fake microphone sings there instead.
      const silent = new Promise((resolve) => { setTimeout(resolve, 1_000); });
      await Promise.race([audio.resume(), silent]);
      me.audio = (audio.state === 'running' ? sink.stream : device).getAudioTracks()[0];
    },

    /** @param {any} options */
    async join({url, token, simulcast = true, svc, codec, audioSlots, videoSlots, chatOverData, channels = {}}) {
      const call = me.call = new Call({url: url ?? location.origin, token});
      Object.assign(me, {gone: {}, ended: null, firstFrame: {}});
      const started = me.started = performance.now();
      call.addEventListener('slot', ({detail}) => me.slotChanged(detail, started));
      call.addEventListener('left', ({detail}) => { me.gone[detail.participant.identity] = Date.now(); });
      call.addEventListener('ended', ({detail}) => { me.ended = detail; });
      call.addEventListener('state', ({detail}) => me.log.push(detail.state));
      call.addEventListener('recording', ({detail}) => {
        me.log.push(`recording.${detail.event}`);
        me.recordingAt[detail.event] = performance.now();
      });
      for (const [label, delivery] of Object.entries(channels)) me.openChannel(label, delivery);
      if (me.audio) await call.publish(me.audio, {source: 'microphone'});
      if (me.video) await call.publish(me.video, {source: 'camera', simulcast, svc, codec});
      await call.join({audioSlots, videoSlots, chatOverData});
      me.joinedMs = performance.now() - started;
    },

    /** Notes what comes; of binary messages their size and the sum of their bytes. */
    openChannel(label, delivery) {
      const channel = me.call.openChannel(label, delivery);
      me.channels = {...me.channels, [label]: channel};
      channel.addEventListener('message', ({detail: {participantId, data}}) => {
        const from = me.call.participants.find(({id}) => id === participantId)?.identity ?? participantId;
        const binary = typeof data !== 'string' && new Uint8Array(data);
        me.data.push({label, from, data: binary ? {bytes: binary.length, sum: binary.reduce((a, b) => a + b, 0)} : data});
      });
      channel.addEventListener('ended', ({detail}) => me.log.push(`${label}.${detail.reason}`));
    },

    slotChanged(slot, started) {
      const shown = slot.kind === 'video' ? me.seen : me.heard;
      shown.get(slot.mid)?.stop();
      shown.delete(slot.mid);
      if (!slot.stream || !slot.participant) return;
      shown.set(slot.mid, slot.kind === 'video' ? me.watch(slot, started) : me.listen(slot));
    },

    watch(slot, started) {
      const {identity} = slot.participant;
      const video = document.createElement('video');
      Object.assign(video, {muted: true, playsInline: true, srcObject: slot.stream, width: 160, height: 90});
      document.body.append(video);
      const entry = {mid: slot.mid, identity, source: slot.source, video, frames: [], widths: [],
        stop: () => { video.srcObject = null; video.remove(); }};
      const frame = (now, {width}) => {
        me.firstFrame[identity] ??= performance.now() - started;
        entry.frames.push(now);
        entry.widths.push(width);
        entry.onframe?.(now);
        if (video.srcObject) video.requestVideoFrameCallback(frame);
      };
      video.requestVideoFrameCallback(frame);
      video.play().catch(() => {});
      return entry;
    },

    listen(slot) {
      const element = document.createElement('audio'); // Chromium decodes only what an element plays
      Object.assign(element, {muted: true, srcObject: slot.stream});
      element.play().catch(() => {});
      const context = me.audioContext ??= new AudioContext();
      const node = context.createMediaStreamSource(slot.stream);
      const analyser = new AnalyserNode(context, {fftSize: 4096, smoothingTimeConstant: 0});
      node.connect(analyser);
      return {mid: slot.mid, identity: slot.participant.identity, analyser,
        stop: () => { node.disconnect(); element.srcObject = null; }};
    },

    /** Whom this page sees now: identity, colour in the middle, frames so far. */
    pictures() {
      return [...me.seen.values()].map(({mid, identity, source, video, frames}) => {
        const probe = new OffscreenCanvas(1, 1).getContext('2d');
        if (frames.length > 0) probe.drawImage(video, video.videoWidth / 2, video.videoHeight / 3, 1, 1, 0, 0, 1, 1);
        return {mid, identity, source, color: [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3),
          frames: frames.length, width: video.videoWidth};
      });
    },

    /** Whom this page hears now: identity, level in dB, loudest pitch (null where it cannot be known). */
    async sounds() {
      const reports = [...(await me.call.peerConnection.getStats()).values()];
      return [...me.heard.values()].map(({mid, identity, analyser}) => {
        const {audioLevel = 0} = reports.find((report) => report.type === 'inbound-rtp' && report.mid === mid) ?? {};
        if (analyser.context.state !== 'running') return {mid, identity, level: 20 * Math.log10(audioLevel + 1e-9), hz: null};
        const bins = new Float32Array(analyser.frequencyBinCount);
        analyser.getFloatFrequencyData(bins);
        const loudest = bins.indexOf(Math.max(...bins));
        return {mid, identity, level: bins[loudest], hz: loudest * analyser.context.sampleRate / analyser.fftSize};
      });
    },

    /** Sums over what is received. */
    async received() {
      const sum = {packets: 0, lost: 0, freezes: 0, frozenS: 0, frames: 0};
      for (const report of (await me.call.peerConnection.getStats()).values()) {
        if (report.type !== 'inbound-rtp') continue;
        sum.packets += report.packetsReceived ?? 0;
        sum.lost += report.packetsLost ?? 0;
        sum.freezes += report.freezeCount ?? 0;
        sum.frozenS += report.totalFreezesDuration ?? 0;
        sum.frames += report.framesDecoded ?? 0;
      }
      return sum;
    },

    /** From when to when the page was told that it is recorded. */
    recordedMs() {
      return me.recordingAt.stopped - me.recordingAt.started;
    },

    async leave() {
      const at = Date.now();
      await me.call.leave();
      for (const entry of [...me.seen.values(), ...me.heard.values()]) entry.stop();
      me.seen.clear();
      me.heard.clear();
      return at;
    },
  };
  window.me = me;
}

/** Who is who: colours far apart in all channels, pitches far apart in the spectrum. */
export const LOOKS = {
  ada: {color: [200, 40, 40], hz: 440},
  ben: {color: [40, 170, 60], hz: 880},
  cleo: {color: [50, 70, 210], hz: 1_320},
  dora: {color: [210, 190, 40], hz: FIREFOX_MICROPHONE_HZ},
};

/** @param {number[]} seen @param {number[]} painted */
export const isColor = (seen, painted) => seen.every((value, i) => Math.abs(value - painted[i]) < 40);

/** @param {{hz: number, level: number}} sound @param {number} hz */
export const isPitch = (sound, hz) => sound.level > -60 && (sound.hz === null || Math.abs(sound.hz - hz) < 60);
