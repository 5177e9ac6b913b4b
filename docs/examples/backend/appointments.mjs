/** What this backend does: it books appointments and reacts to what happens in their rooms. */
import crypto from 'node:crypto';

const MAX_MINUTES = 8 * 60;

/** Something the caller did wrong. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Appointments {
  #store;
  #player;

  /**
   * @param {import('./store.mjs').Store} store
   * @param {import('./player.mjs').Player} player
   */
  constructor(store, player) {
    this.#store = store;
    this.#player = player;
  }

  listen() {
    return this.#player.listen({
      load: async () => this.#store.cursor,
      apply: (event, cursor) => this.#store.update((state) => {
        if (cursor) state.cursor = cursor;
        react(state, event);
      }),
      // What happened in between is asked for when somebody wants to know.
      reset: (rooms, cursor) => this.#store.update((state) => {
        state.cursor = cursor;
        for (const one of Object.values(state.appointments)) {
          if (one.room && !rooms.includes(one.room)) one.state = 'over';
        }
      }),
    });
  }

  /**
   * Books one and gives the two links. The same key books once, however often it is sent.
   * @param {object} wish
   * @param {string} wish.seller
   * @param {string} wish.buyer
   * @param {number} [wish.starts_at_ms]
   * @param {number} [wish.minutes]
   * @param {string} [wish.key]
   */
  async book({seller, buyer, starts_at_ms: startsAtMs = Date.now(), minutes = 30,
    key = crypto.randomBytes(12).toString('hex')}) {
    for (const [what, value] of Object.entries({seller, buyer, key})) {
      if (!/^[A-Za-z0-9._-]{1,30}$/.test(value ?? '')) throw new Refused(400, `${what} is no name`);
    }
    if (!(minutes > 0 && minutes <= MAX_MINUTES)) throw new Refused(400, 'minutes is no length');
    const id = `${seller}-${key}`;
    await this.#store.update(({appointments}) => {
      appointments[id] ??= {id, seller, buyer, startsAtMs, endsAtMs: startsAtMs + minutes * 60_000,
        state: 'booked', room: null, journal: [], usedMs: 0, recordings: []};
    });
    const one = this.#known(id);
    // Whoever is killed here finds the same room when he books again, and nobody has a link before.
    const room = await this.#player.create(one);
    await this.#store.update(({appointments}) => { appointments[id].room = room; });
    const invite = (person, role) => this.#player.invite(room, {...one, person, role});
    return {id, links: {host: await invite(seller, 'host'), guest: await invite(buyer, 'guest')}};
  }

  async get(id) {
    const one = this.#known(id);
    return {...one, present: one.state === 'running' ? await this.#player.present(one.room) : []};
  }

  kick(id, {person}) { return this.#player.kick(this.#known(id).room, person); }
  muteAll(id) {
    const {room, seller} = this.#known(id);
    return this.#player.muteAll(room, [seller]);
  }
  end(id) { return this.#player.end(this.#known(id).room); }
  record(id) { return this.#player.record(this.#known(id).room); }
  async usage(id) { return {used_ms: await this.#player.usedMs(this.#known(id).room)}; }

  async files(id) {
    const files = [];
    for (const recording of this.#known(id).recordings) {
      files.push(...await this.#player.files(recording));
    }
    return {files};
  }

  #known(id) {
    const one = this.#store.appointment(id);
    if (!one) throw new Refused(404, 'there is no such appointment');
    return one;
  }
}

/** The effect of one event. What came before, by whatever way, has its id in the journal. */
function react(state, event) {
  const one = Object.values(state.appointments).find(({room}) => room === event.room);
  if (!one || one.journal.some(({id}) => id === event.id)) return;
  one.journal.push(event);
  switch (event.type) {
    case 'joined':
      one.state = 'running';
      break;
    case 'host_absent':
      state.mails.push({to: one.seller, text: `${event.waiting.join(', ')} is waiting for you`});
      break;
    case 'ended':
      one.state = 'over';
      one.usedMs += event.usedMs;
      state.mails.push({to: one.seller, text: `${event.usedMs} ms were used`});
      break;
    case 'recorded':
      one.recordings.push(event.recording);
      state.mails.push({to: one.buyer, text: 'the recording is ready'});
      break;
  }
}
