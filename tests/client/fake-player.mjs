/**
 * Another conference service, in memory and over HTTP, with the names and shapes of the one that
 * many backends come from: rooms with a unique_name that end with Status=completed, participants
 * that are disconnected, recording rules and compositions, and webhooks that are form-encoded,
 * signed, and may come twice. Below it is the module that fits it to the example backend's Player.
 */
import crypto from 'node:crypto';
import http from 'node:http';

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sid = (kind) => `${kind}${crypto.randomBytes(16).toString('hex')}`;
const hs256 = (text, secret) =>
  crypto.createHmac('sha256', secret).update(text).digest('base64url');

/** Over the address and all fields in the order of their names, as that service signs. */
function signature(url, fields, secret) {
  const text = Object.keys(fields).sort().reduce((sum, name) => sum + name + fields[name], url);
  return crypto.createHmac('sha1', secret).update(text).digest('base64');
}

export class FakeService {
  #server;
  #secret;
  #rooms = new Map();
  #compositions = new Map();
  #posts = Promise.resolve();
  #clockMs = Date.now();

  /** @param {{id: string, secret: string}} key */
  static async start({secret}) {
    const service = new FakeService();
    service.#secret = secret;
    service.#server = http.createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      const {status, content} = service.#answer(request, new URLSearchParams(body));
      response.writeHead(status, {'content-type': 'application/json'});
      response.end(typeof content === 'string' ? content : JSON.stringify(content));
    });
    await new Promise((resolve) => { service.#server.listen(0, '127.0.0.1', resolve); });
    return service;
  }

  get url() { return `http://127.0.0.1:${this.#server.address().port}`; }
  /** Its clock stands still but for this. */
  pass(ms) { this.#clockMs += ms; }

  async stop() {
    await this.#posts;
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  /** Somebody opens a link. */
  connect(link) {
    const [head, claims, signed] = new URL(link).searchParams.get('token').split('.');
    if (hs256(`${head}.${claims}`, this.#secret) !== signed) throw new Error('invalid token');
    const {grants: {identity, video}} = JSON.parse(Buffer.from(claims, 'base64url'));
    const room = this.#rooms.get(video.room);
    if (!room || room.status !== 'in-progress') throw new Error('there is no such room');
    const participant = {sid: sid('PA'), identity, status: 'connected', rules: []};
    room.participants.push(participant);
    room.startedMs ??= this.#clockMs;
    this.#post(room, 'participant-connected', participant);
    return {leave: () => this.#disconnect(room, participant)};
  }

  /** Does anybody else get the sound of this one? */
  isHeard(roomSid, identity) {
    const room = this.#rooms.get(roomSid);
    const others = room.participants.filter((one) =>
      one.status === 'connected' && one.identity !== identity);
    return others.some(({rules}) => !rules.some(({type, publisher, kind}) =>
      type === 'exclude' && publisher === identity && kind === 'audio'));
  }

  #disconnect(room, participant) {
    if (participant.status !== 'connected') return;
    participant.status = 'disconnected';
    this.#post(room, 'participant-disconnected', participant);
  }

  #answer({method, url, headers}, form) {
    if (!headers.authorization?.startsWith('Basic ')) return {status: 401, content: {code: 20_003}};
    const {pathname, searchParams} = new URL(url, this.url);
    const [, , collection, id, part, member, rest] = pathname.split('/');
    const ok = (content) => ({status: method === 'POST' && !id ? 201 : 200, content});
    const missing = {status: 404, content: {code: 20_404, message: 'not found'}};
    if (collection === 'Compositions') {
      const made = id ? this.#compositions.get(id) : this.#compose(form.get('RoomSid'));
      if (!made) return missing;
      return ok(part === 'Media' ? {redirect_to: `${this.url}/v1/Compositions/${id}/Bytes`} :
        part === 'Bytes' ? `the sound and pictures of ${made.room_sid}` : made);
    }
    if (collection !== 'Rooms') return missing;
    if (!id) return this.#create(form);
    const room = this.#rooms.get(id) ??
      [...this.#rooms.values()].find((one) =>
        one.unique_name === id && one.status === 'in-progress');
    if (!room) return missing;
    if (part === 'Participants' && !member) {
      const participants = room.participants.filter(({status}) =>
        status === (searchParams.get('Status') ?? status));
      return ok({participants, meta: {page_size: 50}});
    }
    const participant = room.participants.findLast(({identity}) => identity === member);
    if (part === 'Participants' && !participant) return missing;
    if (rest === 'SubscribeRules') participant.rules = JSON.parse(form.get('Rules'));
    else if (form.get('Status') === 'disconnected') this.#disconnect(room, participant);
    else if (part === 'RecordingRules') room.recorded = true;
    else if (form.get('Status') === 'completed') this.#complete(room);
    return ok(participant ?? this.#view(room));
  }

  #create(form) {
    const name = form.get('UniqueName');
    const exists = [...this.#rooms.values()].some((one) =>
      one.unique_name === name && one.status === 'in-progress');
    if (exists) return {status: 400, content: {code: 53_113, message: 'room exists'}};
    const room = {sid: sid('RM'), unique_name: name, status: 'in-progress', participants: [],
      callback: form.get('StatusCallback'), events: 0, startedMs: null, duration: null};
    this.#rooms.set(room.sid, room);
    this.#post(room, 'room-created');
    return {status: 201, content: this.#view(room)};
  }

  #complete(room) {
    if (room.status === 'completed') return;
    for (const participant of room.participants) this.#disconnect(room, participant);
    room.status = 'completed';
    room.duration = Math.round((this.#clockMs - (room.startedMs ?? this.#clockMs)) / 1_000);
    this.#post(room, 'room-ended');
  }

  #compose(roomSid) {
    const room = this.#rooms.get(roomSid);
    if (!room?.recorded) return undefined;
    const composition = {sid: sid('CJ'), room_sid: roomSid, status: 'completed', format: 'webm'};
    this.#compositions.set(composition.sid, composition);
    this.#post(room, 'composition-available', undefined, {CompositionSid: composition.sid});
    return composition;
  }

  #view({sid: roomSid, unique_name: name, status, duration}) {
    return {sid: roomSid, unique_name: name, status, duration, type: 'group'};
  }

  /** Each comes twice, as it does when the first answer was slow. */
  #post(room, event, participant, more = {}) {
    const fields = {
      StatusCallbackEvent: event,
      RoomSid: room.sid,
      RoomName: room.unique_name,
      RoomStatus: room.status,
      SequenceNumber: String(room.events++),
      Timestamp: new Date(this.#clockMs).toISOString(),
      ...(participant && {
        ParticipantSid: participant.sid, ParticipantIdentity: participant.identity,
      }),
      ...(room.duration !== null && {RoomDuration: String(room.duration)}),
      ...more,
    };
    const send = () => fetch(room.callback, {
      method: 'POST',
      headers: {'x-twilio-signature': signature(room.callback, fields, this.#secret)},
      body: new URLSearchParams(fields),
    });
    this.#posts = this.#posts.then(send).then(send).catch(() => {});
  }
}

/**
 * The other service as a player. It tells less than the backend wants to know, so this keeps count:
 * who is the host stands in the identity, that he is absent follows from who is there.
 * @param {{url: string, callbackUrl: string, key: {id: string, secret: string}}} settings
 * @returns {import('../../docs/examples/backend/player.mjs').Player}
 */
export function createPlayer({url, callbackUrl = process.env.PLAYER_CALLBACK_URL, key}) {
  let inbox;
  const banned = new Set();
  const recorded = new Set();

  async function ask(method, path, fields) {
    const response = await fetch(`${url}/v1/${path}`, {
      method,
      headers: {authorization: `Basic ${btoa(`${key.id}:${key.secret}`)}`},
      body: fields && new URLSearchParams(fields),
    });
    const content = await response.json();
    if (!response.ok) throw Object.assign(new Error(content.message), {reason: content.code});
    return content;
  }
  const identityOf = (person, role) => `${role}~${person}`;
  const personOf = (identity) => identity.slice(identity.indexOf('~') + 1);
  const connected = async (room) =>
    (await ask('GET', `Rooms/${room}/Participants?Status=connected`)).participants;

  return {
    async create({id}) {
      try {
        return (await ask('POST', 'Rooms', {UniqueName: id, StatusCallback: callbackUrl})).sid;
      } catch (error) {
        if (error.reason !== 53_113) throw error;
        return (await ask('GET', `Rooms/${id}`)).sid;
      }
    },
    async invite(room, {person, role, endsAtMs}) {
      const grants = {identity: identityOf(person, role), video: {room}};
      const text = `${base64url({alg: 'HS256', typ: 'JWT'})}.` +
        base64url({iss: key.id, exp: Math.ceil(endsAtMs / 1_000), grants});
      return `${url}/call?token=${text}.${hs256(text, key.secret)}`;
    },
    async present(room) {
      return (await connected(room)).map(({identity}) => personOf(identity));
    },
    async kick(room, person) {
      const found = (await connected(room)).find(({identity}) => personOf(identity) === person);
      if (!found) return;
      banned.add(`${room}/${found.identity}`);
      await ask('POST', `Rooms/${room}/Participants/${found.identity}`, {Status: 'disconnected'});
    },
    async muteAll(room, except) {
      const all = await connected(room);
      const silenced = all.filter(({identity}) => !except.includes(personOf(identity)));
      const rules = [{type: 'include', all: true}, ...silenced.map(({identity}) =>
        ({type: 'exclude', publisher: identity, kind: 'audio'}))];
      for (const {identity} of all) {
        await ask('POST', `Rooms/${room}/Participants/${identity}/SubscribeRules`,
            {Rules: JSON.stringify(rules)});
      }
    },
    async end(room) { await ask('POST', `Rooms/${room}`, {Status: 'completed'}); },
    async record(room) {
      recorded.add(room);
      await ask('POST', `Rooms/${room}/RecordingRules`,
          {Rules: JSON.stringify([{type: 'include', all: true}])});
    },
    async files(recording) {
      const {redirect_to: link} = await ask('GET', `Compositions/${recording}/Media`);
      return [{name: `${recording}.webm`, url: link}];
    },
    async usedMs(room) { return (await ask('GET', `Rooms/${room}`)).duration * 1_000; },
    async listen(into) { inbox = into; },
    async close() {},

    async posted(headers, body) {
      const fields = Object.fromEntries(new URLSearchParams(body.toString()));
      const wanted = Buffer.from(signature(callbackUrl, fields, key.secret));
      const given = Buffer.from(headers['x-twilio-signature'] ?? '');
      if (wanted.length !== given.length || !crypto.timingSafeEqual(wanted, given)) return false;
      for (const event of await this.translate(fields)) await inbox.apply(event, null);
      return true;
    },
    async translate({StatusCallbackEvent: name, RoomSid: room, ParticipantIdentity: identity,
      SequenceNumber: number, Timestamp: time, RoomDuration: seconds, CompositionSid: recording}) {
      const base = {id: `${room}/${number}`, room, atMs: Date.parse(time)};
      switch (name) {
        case 'participant-connected': {
          const joined = {...base, type: 'joined', person: personOf(identity)};
          if (banned.has(`${room}/${identity}`)) {
            await ask('POST', `Rooms/${room}/Participants/${identity}`, {Status: 'disconnected'});
            return [joined];
          }
          const there = (await connected(room)).map((one) => one.identity);
          if (there.length === 0 || there.some((one) => one.startsWith('host~'))) return [joined];
          const absent = {...base, id: `${base.id}/host`, type: 'host_absent'};
          return [joined, {...absent, waiting: there.map(personOf)}];
        }
        case 'participant-disconnected':
          return [{...base, type: 'left', person: personOf(identity)}];
        case 'room-ended':
          if (recorded.delete(room)) await ask('POST', 'Compositions', {RoomSid: room});
          return [{...base, type: 'ended', usedMs: Number(seconds) * 1_000}];
        case 'composition-available':
          return [{...base, type: 'recorded', recording}];
        default:
          return [];
      }
    },
  };
}
