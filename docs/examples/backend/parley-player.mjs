/** parley as a player: each operation is one call, and each event is told exactly once. */
// Elsewhere this is 'parley-control', from npm install.
import {Control, joinLink, joinToken} from '../../../control/client/node/index.js';

const TYPES = ['participant.joined', 'participant.left', 'host.absent', 'session.ended',
  'recording.completed'];
const ROLES = {host: 'host', guest: 'participant'};
const LINK_TTL_S = 3_600;

/**
 * @param {object} settings
 * @param {string} settings.url  of the daemon, as this backend reaches it
 * @param {string} [settings.publicUrl]  as browsers do
 * @param {{id: string, secret: string}} settings.key
 * @param {string} settings.consumer  the name under which events are read
 * @returns {import('./player.mjs').Player}
 */
export function createPlayer({url, publicUrl = url, key, consumer}) {
  const control = new Control({url, key, client: 'appointments/1'});
  return {
    async create({id, seller, startsAtMs, endsAtMs}) {
      const {room_id: room} = await control.call('room.create', {
        tenant: seller, name: id, starts_at_ms: startsAtMs, expires_at_ms: endsAtMs,
        on_host_left: 'end_after_s:120', idempotency_key: id,
      });
      return room;
    },
    async invite(room, {seller, person, role, startsAtMs, endsAtMs}) {
      const opensMs = Math.max(startsAtMs, Date.now());
      return joinLink(publicUrl, joinToken({
        key, tenant: seller, room, identity: person, role: ROLES[role],
        notBeforeMs: startsAtMs, ttlS: Math.ceil((endsAtMs - opensMs) / 1_000),
      }));
    },
    async present(room) {
      const present = [];
      for (let page = {}; ;) { // of a hundred people each
        const {participants, next_page_token: next} = await control.call('participant.list', {room_id: room, ...page});
        present.push(...participants.map(({identity}) => identity));
        if (!next) return present;
        page = {page_token: next};
      }
    },
    async kick(room, person) {
      await control.call('participant.remove', {room_id: room, identity: person, ban: true});
    },
    async muteAll(room, except) {
      await control.call('room.mute_all', {room_id: room, except});
    },
    async end(room) {
      await control.call('session.end', {room_id: room});
    },
    async record(room) {
      await control.call('recording.start', {room_id: room});
    },
    async files(recording) {
      const {files} = await control.call('recording.access_link',
          {recording_id: recording, ttl_s: LINK_TTL_S});
      return files.filter(({name}) => name !== 'manifest.json')
          .map(({name, url: link}) => ({name, url: new URL(link, publicUrl).href}));
    },
    async usedMs(room) {
      const {usage} = await control.call('usage.list', {room_id: room});
      return usage.reduce((sum, session) => sum + session.room_ms, 0);
    },

    async listen(inbox) {
      const {done} = control.consume({
        consumer,
        types: TYPES,
        start: 'earliest',
        load: () => inbox.load(),
        handle: (event, cursor) => inbox.apply(translate(event), cursor),
        reset: ({rooms}, cursor) => inbox.reset(rooms.map((room) => room.room_id), cursor),
      });
      done.catch((error) => {
        console.error(`no more events: ${error.stack}`);
        process.exit(1); // whoever started this starts it again
      });
    },
    posted: async () => false,
    close: () => control.close(),
  };
}

/** @returns {import('./player.mjs').PlayerEvent} */
function translate({id, type, time_ms: atMs, room_id: room, data}) {
  const base = {id, room, atMs};
  switch (type) {
    case 'participant.joined': return {...base, type: 'joined', person: data.identity};
    case 'participant.left': return {...base, type: 'left', person: data.identity};
    case 'host.absent': return {...base, type: 'host_absent', waiting: data.waiting};
    case 'session.ended': return {...base, type: 'ended', usedMs: data.room_ms};
    default: return {...base, type: 'recorded', recording: data.recording_id};
  }
}
