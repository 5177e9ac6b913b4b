import {EventEmitter} from 'node:events';

import type {EventEnvelope, Events, Methods, StateSnapshotResult} from './methods.js';

export * from './methods.js';

export type MethodName = keyof Methods;
export type EventType = keyof Events;

/** An event whose `type` tells the shape of its `data`. Other types may come: ignore them. */
export type ParleyEvent = {
  [T in EventType]: Omit<EventEnvelope, 'type' | 'data'> & {type: T; data: Events[T]};
}[EventType];

/** An API key of the daemon's configuration (auth.api_keys). */
export interface Key {
  id: string;
  secret: string;
}

export interface ControlOptions {
  /** The daemon, http(s)://host:port. */
  url: string;
  /** Signs a token of its own for each connection; or give `token`. */
  key?: Key;
  /** Gives an API token: for keys that live elsewhere, and for EdDSA. */
  token?: () => string | Promise<string>;
  /** Who we are, as the User-Agent: 'crm/4.2'. */
  client?: string;
  /** 'http' sends each call by itself with POST and needs no connection; it brings no events. */
  transport?: 'socket' | 'http';
  /** How long a call may take, waiting for the connection included. */
  timeoutMs?: number;
  /** Calls that may wait for the connection; more fail with `queue_full`. */
  maxQueued?: number;
  /** Calls under way at a time; the daemon takes 256 on a socket. */
  maxInFlight?: number;
  pingIntervalMs?: number;
  /** Silence after which a socket counts as dead. */
  deadAfterMs?: number;
  /** The first and the longest wait between attempts. */
  backoffMs?: [number, number];
}

export interface CallOptions {
  timeoutMs?: number;
}

type CallArguments<M extends MethodName> = {} extends Methods[M]['params'] ?
  [params?: Methods[M]['params'], options?: CallOptions] :
  [params: Methods[M]['params'], options?: CallOptions];

/** A place in one event log. */
export interface Cursor {
  /** Which log; a new store has another. */
  epoch: string;
  seq: number;
}

export interface Snapshot {
  rooms: StateSnapshotResult['rooms'];
  as_of_seq: number;
  epoch: string;
}

export interface ConsumeOptions {
  /** Its name within the key; one process at a time reads under it, the newest wins. */
  consumer: string;
  /** 'session.ended', 'recording.*'; all without. */
  types?: string[];
  /** 'seller-1', 'seller-*'; all that the key serves without. */
  tenants?: string[];
  /** Events under way without acknowledgement, at most 1,000; 256 without. */
  window?: number;
  /** The stored cursor, or null when there is none. */
  load: () => Cursor | null | Promise<Cursor | null>;
  /** Makes the event's effect and stores `cursor` in one transaction. */
  handle: (event: ParleyEvent, cursor: Cursor) => unknown;
  /**
   * The log does not go on from the stored cursor: replaces what is known by `snapshot` and stores
   * `cursor` in one transaction. Without it such a consumer ends with `cursor_expired`.
   */
  reset?: (snapshot: Snapshot, cursor: Cursor) => unknown;
  /** Where to begin while load() gives null; 'snapshot' calls reset first. 'latest' without. */
  start?: 'latest' | 'earliest' | 'snapshot';
  /** How often in a row load, handle or reset may throw before `done` does; 5 without. */
  attempts?: number;
}

export interface Consumption {
  /** Why it ended. Throws what handle, load or reset threw too often, or a ParleyError. */
  done: Promise<{reason: 'superseded' | 'stopped'}>;
  /** Of the last event that was handled. */
  readonly cursor: Cursor | null;
  /** Ends after the event under way. */
  stop(): Promise<void>;
}

export interface Heartbeat {
  type: 'server.heartbeat';
  time_ms: number;
  data: {last_seq: number};
}

export class Control extends EventEmitter {
  constructor(options: ControlOptions);
  readonly url: string;
  readonly connected: boolean;
  /**
   * Calls a method; throws ParleyError. When the connection breaks under it, a call that only reads
   * or that has an `idempotency_key` is sent again; every other fails with `connection_lost`.
   */
  call<M extends MethodName>(method: M, ...args: CallArguments<M>): Promise<Methods[M]['result']>;
  consume(options: ConsumeOptions): Consumption;
  close(): Promise<void>;

  on(event: 'open', listener: () => void): this;
  on(event: 'lost', listener: (problem: Error | null) => void): this;
  on(event: 'heartbeat', listener: (heartbeat: Heartbeat) => void): this;
  on(event: 'event', listener: (event: ParleyEvent) => void): this;
}

/**
 * What a call failed with. Besides the daemon's reasons (docs/control.md) there are
 * connection_lost, timeout, queue_full, message_too_big, bad_answer, events_missing,
 * webhook_unverified and closed.
 */
export class ParleyError extends Error {
  reason: string;
  status: string;
  code: number;
  /** The same call may go well later. */
  retryable: boolean;
  retryAfterMs?: number;
  /** The parameter that is to blame. */
  field?: string;
  /** Stands in the daemon's log. */
  traceId?: string;
  /** Further members, such as `differs` or `earliest_seq`. */
  details: Record<string, unknown>;
}

export type Role = 'host' | 'co_host' | 'participant' | 'viewer' | 'observer';

export interface JoinTokenOptions {
  key: Key;
  tenant: string;
  /** Its id or its name. */
  room: string;
  /** Who this is for you, at most 128 bytes. */
  identity: string;
  /** 'participant' without. */
  role?: Role;
  /** What the others see; the identity without. */
  name?: string;
  /** An hour without; counts from notBeforeMs if that is later than now. */
  ttlS?: number;
  notBeforeMs?: number;
  /** To revoke this one token by. */
  jti?: string;
  canPublish?: ('camera' | 'microphone' | 'screen_share')[];
  canSubscribe?: boolean;
  hidden?: boolean;
  bypassLobby?: boolean;
  maxSessionMs?: number;
  /** Sends him away when the token ends, not only keeps him from joining. */
  ejectAtExp?: boolean;
  /** At most 4 KiB; shown to the others. */
  attributes?: Record<string, unknown>;
}

/** A join token, signed without asking the daemon. */
export function joinToken(options: JoinTokenOptions): string;
/** What a person opens: `${url}/#token=...`. */
export function joinLink(url: string, token: string): string;
/** For `Authorization: Bearer` with POST /v1/rpc; good for a minute. */
export function apiToken(key: Key): string;

/** The event of a webhook. Throws ParleyError `webhook_unverified` unless the daemon signed it. */
export function verifyWebhook(webhook: {
  headers: Headers | Record<string, string | string[] | undefined>;
  /** As it came, before any parsing. */
  body: string | Uint8Array;
  /** whsec_...; several while it is being changed. */
  secret: string | string[];
  /** How old it may be; 300 without. */
  toleranceS?: number;
}): ParleyEvent;

/** A JSON value in a file that is always whole; a write is on disk when it resolves. */
export function durableFile<T>(file: string): {
  read(): Promise<T | null>;
  write(value: T): Promise<void>;
};
/** A cursor in a file by itself, for examples and effects that may happen twice. */
export function fileCursor(file: string): {
  load(): Promise<Cursor | null>;
  store(cursor: Cursor): Promise<void>;
};
