/**
 * Appointments and what was done about them, in one file that is always whole: an event's effect
 * and the place in the event log are stored together, so neither is ever there without the other.
 */
import {durableFile} from '../../../control/client/node/index.js';

export class Store {
  #file;
  #state;
  #last = Promise.resolve();

  static async open(path) {
    const store = new Store();
    store.#file = durableFile(path);
    store.#state = await store.#file.read() ?? {cursor: null, appointments: {}, mails: []};
    return store;
  }

  get cursor() { return this.#state.cursor; }
  get mails() { return this.#state.mails; }
  appointment(id) { return this.#state.appointments[id]; }

  /**
   * Changes a copy and keeps it when it is on disk; one change after the other.
   * @param {(state: any) => void} change
   */
  update(change) {
    const done = this.#last.then(async () => {
      const next = structuredClone(this.#state);
      change(next);
      await this.#file.write(next);
      this.#state = next;
    });
    this.#last = done.catch(() => {});
    return done;
  }
}
