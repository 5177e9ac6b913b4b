/** What can go wrong between a program and its store, and by what chance. */

/**
 * A request's faults; one has `ops` where it makes sense for these requests only. `fatal` are those
 * that nobody should try again.
 */
export const FAULTS = {
  slow_down: {why: '503 SlowDown before the body was read'},
  internal_error: {why: '500 after the body was read'},
  cut_body: {why: 'the connection is reset in the middle of the body'},
  lost_answer: {why: 'it took effect, and the connection is reset instead of an answer'},
  hang: {why: 'no answer ever'},
  hang_after: {why: 'it took effect, and there is no answer ever'},
  close_after: {why: 'a good answer, and then the kept connection is closed unannounced'},
  cut_answer: {why: 'it took effect, and the connection is closed in the middle of the answer',
    ops: ['create', 'complete', 'list', 'list_objects', 'get']},
  truncated: {why: 'it took effect; most of the answer is missing though its length agrees',
    ops: ['create', 'complete', 'list', 'list_objects']},
  error_in_200: {why: '200 with an error in the body; nothing took effect', ops: ['complete']},
  forget: {why: 'the store knows the upload no more', ops: ['upload_part', 'complete']},
  flip: {why: 'a byte is stored that was not sent', ops: ['put', 'upload_part']},
  skewed: {why: '403 RequestTimeTooSkewed', fatal: true},
  denied: {why: '403 AccessDenied', fatal: true},
  redirect: {why: '301 or 307 to somewhere else', fatal: true},
};

/** @param {keyof typeof FAULTS} kind @param {string} op */
export const canHave = (kind, op) => FAULTS[kind].ops?.includes(op) ?? true;

/** The same numbers from 0 to 1 for the same seed: mulberry32. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Faults by chance. A hang costs the client its whole timeout, a flipped byte or a forgotten upload
 * a whole file, so there are few of them.
 * @param {() => number} random
 * @param {{rate?: number, hangs?: number, flips?: number, forgets?: number}} [limits]
 */
export function randomFaults(random, {rate = 0.2, hangs = 1, flips = 1, forgets = 2} = {}) {
  const left = {hang: hangs, hang_after: hangs, flip: flips, forget: forgets};
  const kinds = Object.keys(FAULTS).filter((kind) => !FAULTS[kind].fatal);
  return ({op}) => {
    if (random() >= rate) return undefined;
    const able = kinds.filter((kind) => canHave(kind, op) && left[kind] !== 0);
    const kind = able[Math.floor(random() * able.length)];
    if (kind in left) --left[kind];
    return {kind};
  };
}
