/** What a call fails with, whether the daemon or this client says so. */

// The numbers that the daemon gives for each status word, for the errors made here.
const CODES = {
  invalid_argument: -32602,
  internal: -32603,
  unauthenticated: -32001,
  resource_exhausted: -32005,
  failed_precondition: -32006,
  unavailable: -32008,
  deadline_exceeded: -32009,
};

export class ParleyError extends Error {
  /**
   * @param {object} about  of which `reason` is what programs look at
   * @param {string} about.reason
   * @param {string} about.message  for people
   */
  constructor({reason, message, status = 'internal', code = CODES[status] ?? CODES.internal,
    retryable = false, retryAfterMs, field, traceId, details = {}, cause}) {
    super(message, cause === undefined ? undefined : {cause});
    this.name = 'ParleyError';
    this.reason = reason;
    this.status = status;
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.field = field;
    this.traceId = traceId;
    this.details = details;
  }

  /** Of the `error` member of an answer. */
  static fromAnswer({code, message, data = {}}) {
    const {status, reason, retryable, retry_after_ms: retryAfterMs, field, trace_id: traceId,
      ...details} = data;
    return new ParleyError({reason: reason ?? status ?? 'internal', message, status, code,
      retryable: retryable ?? false, retryAfterMs, field, traceId, details});
  }
}

export const connectionLost = (cause) => new ParleyError({
  reason: 'connection_lost',
  message: 'the connection broke before the answer came; the call may have been carried out',
  status: 'unavailable',
  retryable: true,
  cause,
});

export const timedOut = (method, timeoutMs, cause) => new ParleyError({
  reason: 'timeout',
  message: `${method}: no answer within ${Math.ceil(timeoutMs)} ms` +
      (cause ? ` (${cause.message})` : ''),
  status: 'deadline_exceeded',
  retryable: true,
  cause,
});

export const queueFull = () => new ParleyError({
  reason: 'queue_full',
  message: 'too many calls wait for the connection',
  status: 'resource_exhausted',
  retryable: true,
});

export const tooBig = (bytes) => new ParleyError({
  reason: 'message_too_big',
  message: `the request has ${bytes} bytes, the daemon takes at most 262144`,
  status: 'invalid_argument',
});

export const closed = () => new ParleyError({
  reason: 'closed',
  message: 'this Control was closed',
  status: 'failed_precondition',
});

export const unauthenticated = () => new ParleyError({
  reason: 'unauthenticated',
  message: 'the credential was refused',
  status: 'unauthenticated',
});
