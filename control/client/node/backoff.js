/**
 * How long to wait before the next attempt: twice as long each time, less a random part, so that a
 * thousand clients of a daemon that was restarted do not come back at the same moment.
 * @param {number} attempt  0 for the first
 * @param {[number, number]} range  the first wait and the longest, in milliseconds
 */
export function backoff(attempt, [first, longest]) {
  return Math.min(longest, first * 2 ** Math.min(attempt, 30)) * (0.5 + Math.random() / 2);
}

/** @param {number} ms @param {AbortSignal} [signal]  ends the wait early */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, {once: true});
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
