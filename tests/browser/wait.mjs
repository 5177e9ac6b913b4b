/** Waiting for conditions. Tests never sleep for a fixed time: they ask until a deadline. */

const POLL_MS = 50;

/**
 * Asks until the answer is truthy and returns it.
 * @param {string} what  for the message of the failure
 * @param {() => unknown} ask  may be async; an exception counts as "not yet"
 */
export async function until(what, ask, timeoutMs = 10_000) {
  const deadline = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not within ${timeoutMs} ms: ${what} (last: ${seen})`);
    }
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
  }
}

/** @param {number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
