/**
 * The methods and events of parley's control API. Generated from control/schema/ by
 * generate-types.mjs: do not edit. Answers and events may have members that are not here yet.
 */

export interface Message {
  message_id: string;
  /** of its event; in this order everybody sees a room's messages */
  seq: number;
  /** absent: the backend wrote it */
  participant_id?: string;
  identity?: string;
  name: string;
  role?: string;
  text: string;
  /** as its sender called it */
  ref?: string;
  /** milliseconds since 1970 */
  sent_ms: number;
}

export interface MessageSent {
  message_id: string;
  seq: number;
  /** milliseconds since 1970 */
  sent_ms: number;
  /** it was there, by its ref */
  already: boolean;
}

export interface EventEnvelope {
  /** its place in the log */
  seq: number;
  /** of the event before it for this consumer: whoever has seen that one has missed nothing */
  prev_seq?: number;
  id: string;
  type: string;
  /** of the shape of data */
  v: number;
  /** milliseconds since 1970 */
  time_ms: number;
  tenant: string;
  room_id?: string;
  session_id?: string;
  data: Record<string, unknown>;
}

/** how the one picture is made; h264 goes with AAC into MP4, vp9 and vp8 with Opus into WebM */
export interface Composite {
  /**
   * grid: all in one size; speaker: who speaks is large; presenter: the shared screen is large;
   * pip: the large one fills the picture, the others stand on it
   */
  layout?: 'grid' | 'speaker' | 'presenter' | 'pip';
  /** even */
  width?: number;
  /** even */
  height?: number;
  fps?: number;
  codec?: 'h264' | 'vp9' | 'vp8';
  /** 0: by size and pictures a second */
  video_kbps?: number;
  audio_kbps?: number;
  audio_only?: boolean;
  /** on the tiles */
  names?: boolean;
  /** made while the recording runs, to be there seconds after its end */
  live?: boolean;
}

export interface RecordingFile {
  name: string;
  participant_id?: string;
  identity: string;
  participant_name?: string;
  source: string;
  codecs?: string[];
  /** degrees clockwise, to show its picture upright; MP4 says so itself */
  rotation?: 0 | 90 | 180 | 270;
  offset_ms?: number;
  duration_ms: number;
  size_bytes: number;
  sha256?: string;
}

export interface Recording {
  recording_id: string;
  tenant?: string;
  room_id: string;
  room_name?: string;
  session_id: string;
  state:
    | 'active'
    | 'paused'
    | 'processing'
    | 'completed'
    | 'failed'
    | 'deleted';
  started_ms: number;
  duration_ms?: number;
  size_bytes?: number;
  truncated: boolean;
  /**
   * tracks: what each participant sent, as it came; composite: also one file with one picture and
   * one sound, made of them after the end
   */
  mode?: 'tracks' | 'composite';
  composite?: Composite;
  /** of composing, while it goes on */
  progress_percent?: number;
  /**
   * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has them)
   */
  stills?: boolean;
  /** so long after its end it is deleted; 0: never; not said: as configured */
  keep_days?: number;
  /** into the object store, where one is configured; not said: true */
  upload?: boolean;
  /** its files are on this server */
  local?: boolean;
  /** in the object store; delayed: it did not work and is tried again */
  stored?: {
    state: 'waiting' | 'delayed' | 'uploaded' | 'failed' | 'deleted';
    bucket: string;
    /** each file's name follows */
    key_prefix: string;
    uploaded_ms?: number;
    /** for programs */
    reason?: string;
    /** for people */
    detail?: string;
  };
  delete_at_ms?: number;
  deleted_ms?: number;
  deleted_reason?: 'deleted_by_api' | 'deleted_by_host' | 'kept_long_enough';
  /** since then nothing of it is left, here and in the store */
  erased_ms?: number;
  end_reason?: string;
  failure?: {
    /** for programs */
    reason: string;
    /** for people */
    detail: string;
  };
  files: RecordingFile[];
}

export interface Room {
  room_id: string;
  tenant: string;
  name: string;
  state: 'scheduled' | 'open' | 'locked' | 'expired';
  created_ms: number;
  version: number;
  /** milliseconds since 1970 */
  starts_at_ms?: number;
  /** milliseconds since 1970 */
  expires_at_ms?: number;
  max_participants?: number;
  empty_timeout_s?: number;
  departure_timeout_s?: number;
  recording?: {
    auto: 'off' | 'session';
    /**
     * tracks: what each participant sent, as it came; composite: also one file with one picture and
     * one sound, made of them after the end
     */
    mode?: 'tracks' | 'composite';
    composite?: Composite;
    /**
     * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has
     * them)
     */
    stills?: boolean;
    /** so long after its end it is deleted; 0: never; not said: as configured */
    keep_days?: number;
    /** into the object store, where one is configured; not said: true */
    upload?: boolean;
  };
  /** at most 4096 bytes as JSON; given back unchanged */
  attributes?: Record<string, unknown>;
  session_id?: string;
  participants?: number;
  /** who is no host waits until one lets him in */
  lobby?: boolean;
  max_duration_ms?: number;
  /** cameras that go to each at most, beside those he wants by name */
  last_n?: number;
  /** microphones that go to each at most, the loudest first */
  loudest?: number;
  /** continue, end, end_after_s:N or end_after_ms:N, at most a day */
  on_host_left?: string;
  /** that may be sent, the best first; empty: all, as each publisher likes */
  codecs?: string[];
  enable_chat?: boolean;
  /** who is no host may write only so often; 0: as he likes */
  chat_slow_mode_s?: number;
  enable_data?: boolean;
}

export interface ErrorObject {
  code: number;
  message: string;
  data: {
    status: string;
    reason: string;
    retryable: boolean;
    retry_after_ms?: number;
    field?: string;
    trace_id: string;
  };
}

export interface Consumer {
  consumer: string;
  key_id?: string;
  types?: string[];
  tenants?: string[];
  cursor: number;
  behind: number;
  connected: boolean;
  created_ms?: number;
  last_ack_ms?: number;
  oldest_unacked_ms?: number | null;
}

export interface Webhook {
  webhook: string;
  key_id?: string;
  url: string;
  types?: string[];
  tenants?: string[];
  enabled: boolean;
  cursor: number;
  behind: number;
  /** in a row, since the last success */
  failed_count: number;
  /** rooms whose events keep failing and wait apart from the others */
  set_aside?: number;
  last_error?: string;
  last_success_ms?: number | null;
  created_ms?: number;
  created?: boolean;
  secret?: string;
}

export interface Track {
  track_id: string;
  kind: 'audio' | 'video';
  source: 'camera' | 'microphone' | 'screen_share' | 'screen_share_audio';
  muted: boolean;
}

export interface Participant {
  participant_id: string;
  identity: string;
  name: string;
  role: string;
  joined_ms: number;
  state: 'active' | 'reconnecting';
  tracks: Track[];
  /** since when, if it is */
  hand_raised_ms?: number;
  /** at most 4096 bytes as JSON; given back unchanged */
  attributes?: Record<string, unknown>;
}

export interface Session {
  session_id: string;
  tenant: string;
  room_id: string;
  room_name: string;
  state: 'active' | 'ended';
  started_ms: number;
  ended_ms?: number;
  duration_ms?: number;
  end_reason?: string;
  participants_peak?: number;
  participants_total?: number;
}

/** which layer of the track a slot shows, and why */
export interface LayerDecision {
  /** 0 is the lowest; null: paused */
  layer: number | null;
  height: number | null;
  bitrate_kbps?: number | null;
  /**
   * wanted: it is as large as was asked for; source: the publisher sends nothing larger; bandwidth:
   * the next larger does not fit; hold: it would, but was given up shortly before; paused: not even
   * the smallest fits
   */
  reason: 'wanted' | 'source' | 'bandwidth' | 'hold' | 'paused';
  /** what the way to the participant carries, as far as it is known */
  estimate_kbps: number | null;
  /** what it would have to carry in all for one layer more */
  needed_kbps: number | null;
  /** milliseconds since 1970 */
  decided_at_ms: number;
}

/** one slot; of video with the members of the latest decision, once there is one */
export interface Subscription {
  mid: string;
  kind: 'audio' | 'video';
  /**
   * hidden: the participant said that he shows it nowhere; undecodable: he lacks the codec that
   * comes
   */
  state:
    | 'shown'
    | 'muted'
    | 'paused'
    | 'waiting'
    | 'hidden'
    | 'undecodable'
    | 'empty';
  /** why this track is in this slot */
  assigned: 'empty' | 'wanted' | 'screen_share' | 'speaker' | 'free';
  track_id: string | null;
  source: string | null;
  publisher_id: string | null;
  wanted_height?: number;
  priority?: number;
  /** that the publisher may send */
  layers?: number;
  /** oldest first */
  history?: LayerDecision[];
}

export interface Waiting {
  participant_id: string;
  identity: string;
  name?: string;
  role?: string;
  state: 'waiting';
  since_ms?: number;
}

export interface Tenant {
  tenant: string;
  name?: string;
  suspended: boolean;
  max_rooms?: number | null;
  max_sessions?: number | null;
  max_participants?: number | null;
  /** of his recordings; when they are used none begins */
  max_storage_bytes?: number | null;
  /** of his recordings, in the answer of tenant.get */
  storage_bytes?: number;
  defaults?: RoomDefaults;
  roles?: RoleTable;
  attributes?: Record<string, unknown>;
  created_ms?: number;
  version: number;
}

/** what his rooms get where room.create does not say */
export interface RoomDefaults {
  max_participants?: number;
  empty_timeout_s?: number;
  departure_timeout_s?: number;
  recording?: {
    auto?: 'off' | 'session';
    /**
     * tracks: what each participant sent, as it came; composite: also one file with one picture and
     * one sound, made of them after the end
     */
    mode?: 'tracks' | 'composite';
    composite?: Composite;
    /**
     * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has
     * them)
     */
    stills?: boolean;
    /** so long after its end it is deleted; 0: never; not said: as configured */
    keep_days?: number;
    /** into the object store, where one is configured; not said: true */
    upload?: boolean;
  };
  /** who is no host waits until one lets him in */
  lobby?: boolean;
  max_duration_ms?: number;
  /** cameras that go to each at most, beside those he wants by name */
  last_n?: number;
  /** microphones that go to each at most, the loudest first */
  loudest?: number;
  /** continue, end, end_after_s:N or end_after_ms:N, at most a day */
  on_host_left?: string;
  /** that may be sent, the best first; empty: all, as each publisher likes */
  codecs?: string[];
  enable_chat?: boolean;
  /** who is no host may write only so often; 0: as he likes */
  chat_slow_mode_s?: number;
  enable_data?: boolean;
}

/** what these roles may, in place of what they may by themselves */
export interface RoleTable {
  host?: (
    | 'publish_camera'
    | 'publish_microphone'
    | 'publish_screen_share'
    | 'subscribe'
    | 'mute_others'
    | 'remove_others'
    | 'end_session'
    | 'record'
    | 'list_recordings'
    | 'admit_others'
    | 'run_timers'
    | 'send_chat'
    | 'moderate_chat'
    | 'send_data')[];
  co_host?: (
    | 'publish_camera'
    | 'publish_microphone'
    | 'publish_screen_share'
    | 'subscribe'
    | 'mute_others'
    | 'remove_others'
    | 'end_session'
    | 'record'
    | 'list_recordings'
    | 'admit_others'
    | 'run_timers'
    | 'send_chat'
    | 'moderate_chat'
    | 'send_data')[];
  participant?: (
    | 'publish_camera'
    | 'publish_microphone'
    | 'publish_screen_share'
    | 'subscribe'
    | 'mute_others'
    | 'remove_others'
    | 'end_session'
    | 'record'
    | 'list_recordings'
    | 'admit_others'
    | 'run_timers'
    | 'send_chat'
    | 'moderate_chat'
    | 'send_data')[];
  viewer?: (
    | 'publish_camera'
    | 'publish_microphone'
    | 'publish_screen_share'
    | 'subscribe'
    | 'mute_others'
    | 'remove_others'
    | 'end_session'
    | 'record'
    | 'list_recordings'
    | 'admit_others'
    | 'run_timers'
    | 'send_chat'
    | 'moderate_chat'
    | 'send_data')[];
  observer?: (
    | 'publish_camera'
    | 'publish_microphone'
    | 'publish_screen_share'
    | 'subscribe'
    | 'mute_others'
    | 'remove_others'
    | 'end_session'
    | 'record'
    | 'list_recordings'
    | 'admit_others'
    | 'run_timers'
    | 'send_chat'
    | 'moderate_chat'
    | 'send_data')[];
}

export interface Grant {
  grant_id: string;
  ms: number;
  used_ms: number;
  valid_from_ms?: number;
  /** milliseconds since 1970 */
  expires_at_ms?: number;
}

export interface Quota {
  tenant: string;
  policy?: {
    /** which of the two units ends calls; both are always metered */
    enforce?: 'none' | 'room_ms' | 'participant_ms';
    limit_ms?: number | null;
    /** limit_ms is given anew with each */
    period?: 'none' | 'day' | 'month';
    /** where a period begins at midnight: UTC, an offset as +02:00, or a name as Europe/Berlin */
    timezone?: string;
    start_condition?:
      | 'first_participant'
      | 'two_participants'
      | 'host_and_participant'
      | 'first_media';
    on_exhausted?: 'terminate' | 'restrict' | 'notify_only';
    restrict?: ('audio_only' | 'no_recording' | 'no_new_joins')[];
    grace_ms?: number;
    /** with less left no session begins */
    min_start_ms?: number;
    /**
     * when no backend that serves the tenant holds a socket at /v1/control: nothing, or its
     * sessions end and none begins
     */
    on_authority_lost?: 'continue' | 'terminate';
    /**
     * how long terminate waits for a socket to come back; after the daemon's start 30000 at least
     */
    authority_grace_ms?: number;
    /**
     * after a crash, what ran is booked up to a second too far instead of a second too short;
     * default false
     */
    charge_ahead?: boolean;
    warn?: 'nobody' | 'hosts' | 'everybody';
    warn_percent?: number[];
    warn_remaining_ms?: number[];
    /** of billed_ms in usage records; the account is never rounded */
    rounding?:
      | 'exact_ms'
      | 'second_up'
      | '6s_up'
      | 'minute_up_per_session'
      | 'minute_up_per_connection';
  };
  limited: boolean;
  granted_ms: number;
  used_ms: number;
  used_ever_ms?: number;
  reserved_ms?: number;
  available_ms: number;
  room_ms: number;
  participant_ms: number;
  /** what ran beyond the end: in a grace period, or with notify_only */
  over_ms?: number;
  running_sessions?: number;
  running_participants?: number;
  lasts_ms?: number | null;
  grants?: Grant[];
}

export interface Interval {
  participant_id?: string;
  identity: string;
  joined_ms: number;
  left_ms?: number;
  ms: number;
  end_reason?: string;
}

export interface Usage {
  session_id: string;
  tenant: string;
  room_id?: string;
  room_name?: string;
  started_ms?: number;
  ended_ms?: number;
  end_reason?: string;
  room_ms: number;
  participant_ms: number;
  recording_ms?: number;
  /**
   * media payload received from the participants, each packet once; in session.ended the last
   * second may be missing
   */
  bytes_in: number;
  /** media payload sent to them, without what was sent again */
  bytes_out: number;
  intervals: Interval[];
  /** what it costs in the enforced unit, as the policy rounds it */
  billed_ms?: number;
}

export interface Reserved {
  reservation_id: string;
  reserved_ms: number;
  used_ms?: number;
  final?: boolean;
}

/** Writes in a room, whether somebody is in it or not. With a ref, once only. */
export interface ChatSendParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  text: string;
  name?: string;
  ref?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type ChatSendResult = MessageSent;

/** The latest messages of a room, or those in front of before_seq; the oldest first. */
export interface ChatListParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  before_seq?: number;
  limit?: number;
}

export interface ChatListResult {
  messages: Message[];
  more: boolean;
}

/** The message is gone for everybody, and from the store. */
export interface ChatDeleteParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  message_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ChatDeleteResult {
  message_id: string;
  already: boolean;
}

/** To the applications of those in the session; it is not kept. */
export interface DataSendParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  /** any JSON, at most 65536 bytes */
  data: unknown;
  topic?: string;
  /** participant ids; everybody unless told */
  to?: string[];
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface DataSendResult {
  sent_to: number;
}

/**
 * Records every track of the running session from now on, and those that come. What is not said is
 * as in the room's recording.
 */
export interface RecordingStartParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  /**
   * tracks: what each participant sent, as it came; composite: also one file with one picture and
   * one sound, made of them after the end
   */
  mode?: 'tracks' | 'composite';
  composite?: Composite;
  /**
   * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has them)
   */
  stills?: boolean;
  /** so long after its end it is deleted; 0: never; not said: as configured */
  keep_days?: number;
  /** into the object store, where one is configured; not said: true */
  upload?: boolean;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingStartResult {
  recording_id: string;
  started_ms: number;
  already: boolean;
}

/** Ends the recording; its files are complete when recording.completed comes. */
export interface RecordingStopParams {
  recording_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingStopResult {
  recording_id: string;
  already: boolean;
}

/** The layout of the composed picture from now on, while the recording runs. */
export interface RecordingSetLayoutParams {
  recording_id: string;
  /**
   * grid: all in one size; speaker: who speaks is large; presenter: the shared screen is large;
   * pip: the large one fills the picture, the others stand on it
   */
  layout: 'grid' | 'speaker' | 'presenter' | 'pip';
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingSetLayoutResult {
  recording_id: string;
  /**
   * grid: all in one size; speaker: who speaks is large; presenter: the shared screen is large;
   * pip: the large one fills the picture, the others stand on it
   */
  layout: 'grid' | 'speaker' | 'presenter' | 'pip';
  already: boolean;
}

/**
 * Makes one picture and one sound of a recording that is over, or makes them anew;
 * recording.completed follows once more. A layout given here is that of all of it.
 */
export interface RecordingComposeParams {
  recording_id: string;
  composite?: Composite;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type RecordingComposeResult = Recording;

/** One recording with its files. */
export interface RecordingGetParams {
  recording_id: string;
}

export type RecordingGetResult = Recording;

/** Recordings, newest first, in pages. */
export interface RecordingListParams {
  /** the seller */
  tenant?: string;
  room_id?: string;
  session_id?: string;
  state?:
    | 'active'
    | 'paused'
    | 'processing'
    | 'completed'
    | 'failed'
    | 'deleted';
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface RecordingListResult {
  recordings: Recording[];
  next_page_token?: string;
}

/** Signed links to the files and to a page that plays them, valid for ttl_s. */
export interface RecordingAccessLinkParams {
  recording_id: string;
  file?: string;
  ttl_s?: number;
  /** for whom the links are meant; it stands in them */
  audience?: 'backend' | 'participants';
}

export interface RecordingAccessLinkResult {
  /** of the file that was asked for, else of the first: the composite, where there is one */
  url?: string;
  /** milliseconds since 1970 */
  expires_at_ms?: number;
  /** of a page that plays it, as long as the links */
  page?: string;
  files?: {
    name: string;
    url: string;
    /** milliseconds since 1970 */
    expires_at_ms: number;
  }[];
}

/** Keeps nothing until recording.resume: a gap in the files. Everybody is told. */
export interface RecordingPauseParams {
  recording_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingPauseResult {
  recording_id: string;
  already: boolean;
}

/** Goes on with what was paused, once everybody has been told. */
export interface RecordingResumeParams {
  recording_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingResumeResult {
  recording_id: string;
  already: boolean;
}

/**
 * Copies a recording that is over into the object store: one that was to stay, that was over before
 * there was a store, or whose copy has failed. recording.uploaded follows.
 */
export interface RecordingUploadParams {
  recording_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingUploadResult {
  recording_id: string;
  /** it is there, or on its way */
  already: boolean;
}

/**
 * Deletes the files of a recording that is over, on the server and in the object store;
 * recording.erased tells when nothing is left. Its record stays, with the files' hashes, as the
 * proof.
 */
export interface RecordingDeleteParams {
  recording_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RecordingDeleteResult {
  recording_id: string;
  already: boolean;
}

/**
 * Makes a room. What is not said is as in the tenant's defaults, then as in the configuration. The
 * same name with the same settings gives the room that is there.
 */
export interface RoomCreateParams {
  /** the seller */
  tenant: string;
  name: string;
  /** milliseconds since 1970 */
  starts_at_ms?: number;
  /** milliseconds since 1970 */
  expires_at_ms?: number;
  max_participants?: number;
  empty_timeout_s?: number;
  departure_timeout_s?: number;
  recording?: {
    auto?: 'off' | 'session';
    /**
     * tracks: what each participant sent, as it came; composite: also one file with one picture and
     * one sound, made of them after the end
     */
    mode?: 'tracks' | 'composite';
    composite?: Composite;
    /**
     * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has
     * them)
     */
    stills?: boolean;
    /** so long after its end it is deleted; 0: never; not said: as configured */
    keep_days?: number;
    /** into the object store, where one is configured; not said: true */
    upload?: boolean;
  };
  /** at most 4096 bytes as JSON; given back unchanged */
  attributes?: Record<string, unknown>;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** who is no host waits until one lets him in */
  lobby?: boolean;
  max_duration_ms?: number;
  /** cameras that go to each at most, beside those he wants by name */
  last_n?: number;
  /** microphones that go to each at most, the loudest first */
  loudest?: number;
  /** continue, end, end_after_s:N or end_after_ms:N, at most a day */
  on_host_left?: string;
  /** that may be sent, the best first; empty: all, as each publisher likes */
  codecs?: string[];
  enable_chat?: boolean;
  /** who is no host may write only so often; 0: as he likes */
  chat_slow_mode_s?: number;
  enable_data?: boolean;
}

export interface RoomCreateResult {
  room_id: string;
  name: string;
  version: number;
  created: boolean;
  replayed: boolean;
}

/** One room, and who is in it in numbers. */
export interface RoomGetParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
}

export type RoomGetResult = Room;

/** Rooms, oldest first, in pages. */
export interface RoomListParams {
  /** the seller */
  tenant?: string;
  state?: 'scheduled' | 'open' | 'locked' | 'expired';
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface RoomListResult {
  rooms: Room[];
  next_page_token?: string;
}

/** Ends its session and forgets the room. */
export interface RoomDeleteParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RoomDeleteResult {
  room_id: string;
}

/** Stops forwarding all microphones, those of later comers too, until it is cleared. */
export interface RoomMuteAllParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  except?: string[];
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** true: whoever is muted may unmute himself */
  unmute_allowed?: boolean;
}

export interface RoomMuteAllResult {
  muted: number;
}

/** A join token for one room, signed by the key that asks. */
export interface TokenCreateParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** who somebody is for the backend; no control characters */
  identity: string;
  name?: string;
  role?: 'host' | 'co_host' | 'participant' | 'viewer' | 'observer';
  ttl_s?: number;
  /** within a year */
  not_before_ms?: number;
  max_session_ms?: number;
  hidden?: boolean;
  can_subscribe?: boolean;
  can_publish?: ('camera' | 'microphone' | 'screen_share')[];
  /** at most 4096 bytes as JSON; given back unchanged */
  attributes?: Record<string, unknown>;
  bypass_lobby?: boolean;
  /** the stay ends with the token */
  eject_at_exp?: boolean;
}

export interface TokenCreateResult {
  token: string;
  room_id: string;
  identity: string;
  /** milliseconds since 1970 */
  expires_at_ms: number;
}

/** Changes what is named; null takes a time or a limit away. */
export interface RoomUpdateParams {
  starts_at_ms?: number | null;
  expires_at_ms?: number | null;
  /** null: as many as the server takes */
  max_participants?: number | null;
  empty_timeout_s?: number;
  departure_timeout_s?: number;
  recording?: {
    auto?: 'off' | 'session';
    /**
     * tracks: what each participant sent, as it came; composite: also one file with one picture and
     * one sound, made of them after the end
     */
    mode?: 'tracks' | 'composite';
    composite?: Composite;
    /**
     * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has
     * them)
     */
    stills?: boolean;
    /** so long after its end it is deleted; 0: never; not said: as configured */
    keep_days?: number;
    /** into the object store, where one is configured; not said: true */
    upload?: boolean;
  };
  /** at most 4096 bytes as JSON; given back unchanged */
  attributes?: Record<string, unknown>;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** who is no host waits until one lets him in */
  lobby?: boolean;
  max_duration_ms?: number | null;
  /** cameras that go to each at most, beside those he wants by name */
  last_n?: number | null;
  /** microphones that go to each at most, the loudest first */
  loudest?: number | null;
  /** continue, end, end_after_s:N or end_after_ms:N, at most a day */
  on_host_left?: string;
  /** that may be sent, the best first; empty: all, as each publisher likes */
  codecs?: string[];
  enable_chat?: boolean;
  /** who is no host may write only so often; 0: as he likes */
  chat_slow_mode_s?: number;
  enable_data?: boolean;
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  if_version?: number;
}

export type RoomUpdateResult = Room;

/** Only hosts come in, and who was in it. */
export interface RoomLockParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RoomLockResult {
  locked: boolean;
  already: boolean;
}

/** Everybody with a token comes in again. */
export interface RoomUnlockParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RoomUnlockResult {
  locked: boolean;
  already: boolean;
}

/** Lets everybody be heard again who has not muted himself. */
export interface RoomClearMuteAllParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface RoomClearMuteAllResult {
  already: boolean;
}

/**
 * By its jti, or all of an identity's that were issued until then (now). Whoever is in a session
 * with one is sent away.
 */
export interface TokenRevokeParams {
  /** the seller */
  tenant: string;
  jti?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
  issued_until_ms?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type TokenRevokeResult = Record<string, unknown>;

/**
 * Who speaks with whom. From now on this socket gets all events, or with a consumer those of its
 * subscription.
 */
export interface HelloParams {
  client?: string;
  /** false: this socket wants none; true unless told */
  events?: boolean;
  consumer?: string;
  /** where the consumer is by its own note */
  resume?: {epoch: string; after_seq: number};
}

export interface HelloResult {
  protocol: string;
  server: string;
  boot_id: string;
  epoch: string;
  last_seq: number;
  earliest_seq: number;
  capabilities?: string[];
  limits?: {max_frame: number; inflight: number};
  server_time_ms: number;
  /** with a consumer: as events.subscribe answers */
  subscription?: Record<string, unknown>;
}

/** The server's clock. */
export type PingParams = Record<string, never>;

export interface PingResult {
  server_time_ms: number;
}

/** The OpenRPC description of the methods this key may call. */
export type RpcDiscoverParams = Record<string, never>;

export interface RpcDiscoverResult {
  openrpc: string;
  methods: Record<string, unknown>[];
}

/** Version, times and counts. */
export type ServerInfoParams = Record<string, never>;

export interface ServerInfoResult {
  version: string;
  boot_id: string;
  uptime_ms?: number;
  workers?: number;
  rooms?: number;
  sessions?: number;
  participants?: number;
  store_healthy?: boolean;
}

/** The durable event log, oldest first; go on with next_after_seq. */
export interface EventsListParams {
  after_seq?: number;
  /** rows of one page; 100 unless told */
  limit?: number;
}

export interface EventsListResult {
  events: EventEnvelope[];
  next_after_seq: number;
  last_seq: number;
  epoch: string;
}

/**
 * Makes this socket the consumer's; only over /v1/control. Events come after the answer, at most
 * `window` without acknowledgement.
 */
export interface EventsSubscribeParams {
  consumer: string;
  types?: string[];
  tenants?: string[];
  from?: 'cursor' | 'earliest' | 'latest' | number;
  epoch?: string;
  window?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface EventsSubscribeResult {
  consumer: string;
  epoch: string;
  cursor: number;
  last_seq: number;
  earliest_seq: number;
  window: number;
}

/** Everything up to and with this seq was dealt with. */
export interface EventsAckParams {
  consumer: string;
  seq: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface EventsAckResult {
  cursor: number;
  already: boolean;
}

/** This key's consumers and how far they are. */
export type ConsumerListParams = Record<string, never>;

export interface ConsumerListResult {
  consumers: Consumer[];
}

/** Forgets a consumer and its place in the log. */
export interface ConsumerDeleteParams {
  consumer: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** of another key; for an admin of all tenants */
  key_id?: string;
}

export interface ConsumerDeleteResult {
  consumer?: string;
  already: boolean;
}

/** Rooms with their running sessions, to begin with: subscribe from as_of_seq afterwards. */
export interface StateSnapshotParams {
  /** the seller */
  tenant?: string;
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface StateSnapshotResult {
  rooms: Record<string, unknown>[];
  as_of_seq: number;
  epoch: string;
  next_page_token?: string;
}

/** No session begins any more; those that run go on, for limit_ms at most. cancel takes it back. */
export interface ServerDrainParams {
  limit_ms?: number;
  cancel?: boolean;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ServerDrainResult {
  draining: boolean;
  sessions: number;
}

/** Creates or changes one. Its secret is in the answer when it is new. */
export interface WebhookPutParams {
  webhook: string;
  url: string;
  types?: string[];
  tenants?: string[];
  /** whsec_ and the Base64 of 24 to 64 bytes */
  secret?: string;
  enabled?: boolean;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type WebhookPutResult = Webhook;

/** This key's webhooks and how far they are. */
export type WebhookListParams = Record<string, never>;

export interface WebhookListResult {
  webhooks: Webhook[];
}

/** Ends a webhook. */
export interface WebhookDeleteParams {
  webhook: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** of another key; for an admin of all tenants */
  key_id?: string;
}

export interface WebhookDeleteResult {
  webhook?: string;
  already: boolean;
}

/** Sends an event webhook.test at once and says what came back. */
export interface WebhookTestParams {
  webhook: string;
}

export interface WebhookTestResult {
  delivered: boolean;
  status?: number;
  error?: string;
}

/** All events from this one on, once more. */
export interface WebhookRedeliverParams {
  webhook: string;
  from_seq: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type WebhookRedeliverResult = Webhook;

/** All metrics of /metrics but the histograms. */
export type ServerStatsParams = Record<string, never>;

export interface ServerStatsResult {
  /** milliseconds since 1970 */
  time_ms: number;
  metrics: {
    name: string;
    labels?: Record<string, unknown>;
    value: number;
  }[];
}

/**
 * Reads the configuration file again: keys, timers, limits of rooms, the log's level. The rest
 * waits for a restart.
 */
export interface ServerReloadParams {
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ServerReloadResult {
  /** sections that are not the same any more */
  restart_needed: string[];
}

/** How much is logged, until the next start or reload. */
export interface LogSetParams {
  level: 'debug' | 'info' | 'warn' | 'error';
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface LogSetResult {
  level: string;
}

/** One session, running or over. */
export interface SessionGetParams {
  session_id: string;
}

export type SessionGetResult = Session;

/** Sessions, oldest first, in pages. */
export interface SessionListParams {
  /** the seller */
  tenant?: string;
  room_id?: string;
  state?: 'active' | 'ended';
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface SessionListResult {
  sessions: Session[];
  next_page_token?: string;
}

/** Ends the call for everybody. */
export interface SessionEndParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface SessionEndResult {
  already: boolean;
}

/** Who is in the session, and who waits in the lobby. */
export interface ParticipantListParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface ParticipantListResult {
  session_id?: string;
  participants: Participant[];
  next_page_token?: string;
  /** on all pages together */
  count: number;
  waiting?: Waiting[];
}

/** Sends somebody away; with ban, for good. */
export interface ParticipantRemoveParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
  ban?: boolean;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ParticipantRemoveResult {
  already: boolean;
}

/** What the participants publish. */
export interface TrackListParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
}

export interface TrackListResult {
  tracks: Track[];
}

/** Stops or begins forwarding one track. */
export interface TrackMuteParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  track_id: string;
  muted: boolean;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface TrackMuteResult {
  already: boolean;
}

/** One participant of the running session. */
export interface ParticipantGetParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
}

export type ParticipantGetResult = Participant | Waiting;

/** What reaches one participant, slot by slot, and why. */
export interface SubscriptionGetParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
}

export interface SubscriptionGetResult {
  participant_id: string;
  identity: string;
  subscriptions: Subscription[];
}

/** Another role takes effect at once. */
export interface ParticipantUpdateParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  name?: string;
  role?: 'host' | 'co_host' | 'participant' | 'viewer';
  attributes?: Record<string, unknown>;
}

export type ParticipantUpdateResult = Participant;

/** Lets somebody in from the lobby. */
export interface ParticipantAdmitParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ParticipantAdmitResult {
  already: boolean;
}

/** Refuses somebody in the lobby. */
export interface ParticipantDenyParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  participant_id?: string;
  /** who somebody is for the backend; no control characters */
  identity?: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ParticipantDenyResult {
  already: boolean;
}

/** Bars all tokens of the identity that were issued until now. */
export interface ParticipantBanParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** who somebody is for the backend; no control characters */
  identity: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ParticipantBanResult {
  identity: string;
}

/** Lets an identity's tokens count again. */
export interface ParticipantUnbanParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  /** who somebody is for the backend; no control characters */
  identity: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface ParticipantUnbanResult {
  identity?: string;
  already: boolean;
}

/** timer_id is one of the configuration's timers. */
export interface TimerStartParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  timer_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface TimerStartResult {
  timer_id: string;
  already: boolean;
}

/** timer_id is one of the configuration's timers. */
export interface TimerCancelParams {
  room_id?: string;
  /** the seller */
  tenant?: string;
  /** unique within a tenant */
  room?: string;
  session_id?: string;
  timer_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface TimerCancelResult {
  timer_id: string;
  already: boolean;
}

/** Creates a tenant's record or replaces it whole. if_version 0: only if there is none. */
export interface TenantPutParams {
  /** the seller */
  tenant: string;
  name?: string;
  suspended?: boolean;
  max_rooms?: number | null;
  max_sessions?: number | null;
  max_participants?: number | null;
  max_storage_bytes?: number | null;
  /** what his rooms get where room.create does not say; those that are there stay as they are */
  defaults?: {
    max_participants?: number;
    empty_timeout_s?: number;
    departure_timeout_s?: number;
    recording?: {
      auto?: 'off' | 'session';
      /**
       * tracks: what each participant sent, as it came; composite: also one file with one picture
       * and one sound, made of them after the end
       */
      mode?: 'tracks' | 'composite';
      composite?: Composite;
      /**
       * chapters, a thumbnail and a sheet of stills, also where no one picture is made (which has
       * them)
       */
      stills?: boolean;
      /** so long after its end it is deleted; 0: never; not said: as configured */
      keep_days?: number;
      /** into the object store, where one is configured; not said: true */
      upload?: boolean;
    };
    /** who is no host waits until one lets him in */
    lobby?: boolean;
    max_duration_ms?: number;
    /** cameras that go to each at most, beside those he wants by name */
    last_n?: number;
    /** microphones that go to each at most, the loudest first */
    loudest?: number;
    /** continue, end, end_after_s:N or end_after_ms:N, at most a day */
    on_host_left?: string;
    /** that may be sent, the best first; empty: all, as each publisher likes */
    codecs?: string[];
    enable_chat?: boolean;
    /** who is no host may write only so often; 0: as he likes */
    chat_slow_mode_s?: number;
    enable_data?: boolean;
  };
  /** what these roles may, in place of what they may by themselves, of who joins from then on */
  roles?: {
    host?: (
      | 'publish_camera'
      | 'publish_microphone'
      | 'publish_screen_share'
      | 'subscribe'
      | 'mute_others'
      | 'remove_others'
      | 'end_session'
      | 'record'
      | 'list_recordings'
      | 'admit_others'
      | 'run_timers'
      | 'send_chat'
      | 'moderate_chat'
      | 'send_data')[];
    co_host?: (
      | 'publish_camera'
      | 'publish_microphone'
      | 'publish_screen_share'
      | 'subscribe'
      | 'mute_others'
      | 'remove_others'
      | 'end_session'
      | 'record'
      | 'list_recordings'
      | 'admit_others'
      | 'run_timers'
      | 'send_chat'
      | 'moderate_chat'
      | 'send_data')[];
    participant?: (
      | 'publish_camera'
      | 'publish_microphone'
      | 'publish_screen_share'
      | 'subscribe'
      | 'mute_others'
      | 'remove_others'
      | 'end_session'
      | 'record'
      | 'list_recordings'
      | 'admit_others'
      | 'run_timers'
      | 'send_chat'
      | 'moderate_chat'
      | 'send_data')[];
    viewer?: (
      | 'publish_camera'
      | 'publish_microphone'
      | 'publish_screen_share'
      | 'subscribe'
      | 'mute_others'
      | 'remove_others'
      | 'end_session'
      | 'record'
      | 'list_recordings'
      | 'admit_others'
      | 'run_timers'
      | 'send_chat'
      | 'moderate_chat'
      | 'send_data')[];
    observer?: (
      | 'publish_camera'
      | 'publish_microphone'
      | 'publish_screen_share'
      | 'subscribe'
      | 'mute_others'
      | 'remove_others'
      | 'end_session'
      | 'record'
      | 'list_recordings'
      | 'admit_others'
      | 'run_timers'
      | 'send_chat'
      | 'moderate_chat'
      | 'send_data')[];
  };
  /** at most 4096 bytes as JSON */
  attributes?: Record<string, unknown>;
  if_version?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type TenantPutResult = Tenant;

/** One tenant's record. */
export interface TenantGetParams {
  /** the seller */
  tenant: string;
}

export type TenantGetResult = Tenant;

/** Tenants that were put, in pages. */
export interface TenantListParams {
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface TenantListResult {
  tenants: Tenant[];
  next_page_token?: string;
}

/** Forgets a tenant's record; refused while rooms of his are there. */
export interface TenantDeleteParams {
  /** the seller */
  tenant: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface TenantDeleteResult {
  tenant?: string;
  already: boolean;
}

/** Changes the members that are named, keeps the others. */
export interface QuotaSetParams {
  /** the seller */
  tenant: string;
  /** which of the two units ends calls; both are always metered */
  enforce?: 'none' | 'room_ms' | 'participant_ms';
  limit_ms?: number | null;
  /** limit_ms is given anew with each */
  period?: 'none' | 'day' | 'month';
  /** where a period begins at midnight: UTC, an offset as +02:00, or a name as Europe/Berlin */
  timezone?: string;
  start_condition?:
    | 'first_participant'
    | 'two_participants'
    | 'host_and_participant'
    | 'first_media';
  on_exhausted?: 'terminate' | 'restrict' | 'notify_only';
  restrict?: ('audio_only' | 'no_recording' | 'no_new_joins')[];
  grace_ms?: number;
  /** with less left no session begins */
  min_start_ms?: number;
  /**
   * when no backend that serves the tenant holds a socket at /v1/control: nothing, or its sessions
   * end and none begins
   */
  on_authority_lost?: 'continue' | 'terminate';
  /** how long terminate waits for a socket to come back; after the daemon's start 30000 at least */
  authority_grace_ms?: number;
  /**
   * after a crash, what ran is booked up to a second too far instead of a second too short; default
   * false
   */
  charge_ahead?: boolean;
  warn?: 'nobody' | 'hosts' | 'everybody';
  warn_percent?: number[];
  warn_remaining_ms?: number[];
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
  /** of billed_ms in usage records; the account is never rounded */
  rounding?:
    | 'exact_ms'
    | 'second_up'
    | '6s_up'
    | 'minute_up_per_session'
    | 'minute_up_per_connection';
}

export type QuotaSetResult = Quota;

/** Adds minutes, once per grant_id. */
export interface QuotaGrantParams {
  /** the seller */
  tenant: string;
  grant_id: string;
  ms: number;
  valid_from_ms?: number;
  /** milliseconds since 1970 */
  expires_at_ms?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface QuotaGrantResult {
  grant_id: string;
  already: boolean;
  available_ms: number;
}

/** A tenant's policy, balance, grants and reservations. */
export interface QuotaGetParams {
  /** the seller */
  tenant: string;
}

export type QuotaGetResult = Quota;

/**
 * Sets minutes aside for somebody who meters by himself. They come back when he is not heard of for
 * twice valid_for_ms.
 */
export interface QuotaReserveParams {
  /** the seller */
  tenant: string;
  reservation_id: string;
  n?: number;
  ms: number;
  valid_for_ms?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type QuotaReserveResult = Reserved;

/**
 * Books used_ms of a reservation, gives back the rest and sets more_ms aside. Repeats of the same n
 * change nothing.
 */
export interface QuotaCommitParams {
  /** the seller */
  tenant: string;
  reservation_id: string;
  n: number;
  used_ms: number;
  more_ms?: number;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export type QuotaCommitResult = Reserved;

/** Gives back all that a reservation holds. */
export interface QuotaReleaseParams {
  /** the seller */
  tenant: string;
  reservation_id: string;
  /** the same key with the same params gives the stored answer, for 24 hours */
  idempotency_key?: string;
}

export interface QuotaReleaseResult {
  reservation_id?: string;
  already: boolean;
}

/**
 * One record per session; to the millisecond, their sum is what the tenant's account has metered.
 */
export interface UsageListParams {
  /** the seller */
  tenant?: string;
  room_id?: string;
  from_ms?: number;
  to_ms?: number;
  /** rows of one page; 100 unless told */
  limit?: number;
  /** next_page_token of the page before */
  page_token?: string;
}

export interface UsageListResult {
  usage: Usage[];
  next_page_token?: string;
  /** older records may have been forgotten */
  complete_from_ms?: number;
}

/** Of every method. */
export interface Methods {
  'chat.delete': {params: ChatDeleteParams; result: ChatDeleteResult};
  'chat.list': {params: ChatListParams; result: ChatListResult};
  'chat.send': {params: ChatSendParams; result: ChatSendResult};
  'consumer.delete': {params: ConsumerDeleteParams; result: ConsumerDeleteResult};
  'consumer.list': {params: ConsumerListParams; result: ConsumerListResult};
  'data.send': {params: DataSendParams; result: DataSendResult};
  'events.ack': {params: EventsAckParams; result: EventsAckResult};
  'events.list': {params: EventsListParams; result: EventsListResult};
  'events.subscribe': {params: EventsSubscribeParams; result: EventsSubscribeResult};
  'hello': {params: HelloParams; result: HelloResult};
  'log.set': {params: LogSetParams; result: LogSetResult};
  'participant.admit': {params: ParticipantAdmitParams; result: ParticipantAdmitResult};
  'participant.ban': {params: ParticipantBanParams; result: ParticipantBanResult};
  'participant.deny': {params: ParticipantDenyParams; result: ParticipantDenyResult};
  'participant.get': {params: ParticipantGetParams; result: ParticipantGetResult};
  'participant.list': {params: ParticipantListParams; result: ParticipantListResult};
  'participant.remove': {params: ParticipantRemoveParams; result: ParticipantRemoveResult};
  'participant.unban': {params: ParticipantUnbanParams; result: ParticipantUnbanResult};
  'participant.update': {params: ParticipantUpdateParams; result: ParticipantUpdateResult};
  'ping': {params: PingParams; result: PingResult};
  'quota.commit': {params: QuotaCommitParams; result: QuotaCommitResult};
  'quota.get': {params: QuotaGetParams; result: QuotaGetResult};
  'quota.grant': {params: QuotaGrantParams; result: QuotaGrantResult};
  'quota.release': {params: QuotaReleaseParams; result: QuotaReleaseResult};
  'quota.reserve': {params: QuotaReserveParams; result: QuotaReserveResult};
  'quota.set': {params: QuotaSetParams; result: QuotaSetResult};
  'recording.access_link': {params: RecordingAccessLinkParams; result: RecordingAccessLinkResult};
  'recording.compose': {params: RecordingComposeParams; result: RecordingComposeResult};
  'recording.delete': {params: RecordingDeleteParams; result: RecordingDeleteResult};
  'recording.get': {params: RecordingGetParams; result: RecordingGetResult};
  'recording.list': {params: RecordingListParams; result: RecordingListResult};
  'recording.pause': {params: RecordingPauseParams; result: RecordingPauseResult};
  'recording.resume': {params: RecordingResumeParams; result: RecordingResumeResult};
  'recording.set_layout': {params: RecordingSetLayoutParams; result: RecordingSetLayoutResult};
  'recording.start': {params: RecordingStartParams; result: RecordingStartResult};
  'recording.stop': {params: RecordingStopParams; result: RecordingStopResult};
  'recording.upload': {params: RecordingUploadParams; result: RecordingUploadResult};
  'room.clear_mute_all': {params: RoomClearMuteAllParams; result: RoomClearMuteAllResult};
  'room.create': {params: RoomCreateParams; result: RoomCreateResult};
  'room.delete': {params: RoomDeleteParams; result: RoomDeleteResult};
  'room.get': {params: RoomGetParams; result: RoomGetResult};
  'room.list': {params: RoomListParams; result: RoomListResult};
  'room.lock': {params: RoomLockParams; result: RoomLockResult};
  'room.mute_all': {params: RoomMuteAllParams; result: RoomMuteAllResult};
  'room.unlock': {params: RoomUnlockParams; result: RoomUnlockResult};
  'room.update': {params: RoomUpdateParams; result: RoomUpdateResult};
  'rpc.discover': {params: RpcDiscoverParams; result: RpcDiscoverResult};
  'server.drain': {params: ServerDrainParams; result: ServerDrainResult};
  'server.info': {params: ServerInfoParams; result: ServerInfoResult};
  'server.reload': {params: ServerReloadParams; result: ServerReloadResult};
  'server.stats': {params: ServerStatsParams; result: ServerStatsResult};
  'session.end': {params: SessionEndParams; result: SessionEndResult};
  'session.get': {params: SessionGetParams; result: SessionGetResult};
  'session.list': {params: SessionListParams; result: SessionListResult};
  'state.snapshot': {params: StateSnapshotParams; result: StateSnapshotResult};
  'subscription.get': {params: SubscriptionGetParams; result: SubscriptionGetResult};
  'tenant.delete': {params: TenantDeleteParams; result: TenantDeleteResult};
  'tenant.get': {params: TenantGetParams; result: TenantGetResult};
  'tenant.list': {params: TenantListParams; result: TenantListResult};
  'tenant.put': {params: TenantPutParams; result: TenantPutResult};
  'timer.cancel': {params: TimerCancelParams; result: TimerCancelResult};
  'timer.start': {params: TimerStartParams; result: TimerStartResult};
  'token.create': {params: TokenCreateParams; result: TokenCreateResult};
  'token.revoke': {params: TokenRevokeParams; result: TokenRevokeResult};
  'track.list': {params: TrackListParams; result: TrackListResult};
  'track.mute': {params: TrackMuteParams; result: TrackMuteResult};
  'usage.list': {params: UsageListParams; result: UsageListResult};
  'webhook.delete': {params: WebhookDeleteParams; result: WebhookDeleteResult};
  'webhook.list': {params: WebhookListParams; result: WebhookListResult};
  'webhook.put': {params: WebhookPutParams; result: WebhookPutResult};
  'webhook.redeliver': {params: WebhookRedeliverParams; result: WebhookRedeliverResult};
  'webhook.test': {params: WebhookTestParams; result: WebhookTestResult};
}

export interface RoomLockedData {
  room_id: string;
  version: number;
}

export interface RoomUnlockedData {
  room_id: string;
  version: number;
}

export interface RoomDeletedData {
  room_id: string;
  name: string;
}

/** the usage record; its sum over all sessions is the tenant's account */
export type SessionEndedData = Session & Usage;

export interface ParticipantAdmittedData {
  participant_id: string;
  identity: string;
  waited_ms: number;
}

export interface ParticipantDeniedData {
  participant_id: string;
  identity: string;
  reason: string;
  waiting: boolean;
}

/** nobody came in: the reason is the one the client was told */
export interface ParticipantRejectedData {
  identity: string;
  reason: string;
}

export type ParticipantJoinedData = Participant & {
  hidden: boolean;
};

/** the whole participant, or his state alone */
export interface ParticipantUpdatedData {
  participant_id: string;
  identity: string;
  name?: string;
  role?: string;
  state?: 'active' | 'reconnecting';
  /** milliseconds since 1970 */
  joined_ms?: number;
  tracks?: Track[];
  hand_raised_ms?: number | null;
  attributes?: Record<string, unknown>;
}

export interface ParticipantReconnectingData {
  participant_id: string;
  identity: string;
  state: 'reconnecting';
}

/**
 * his media connection broke; he stays for the reconnect window. Or, with no_shared_codec, his
 * offer was refused: he has these codecs and one of those is needed
 */
export interface ParticipantFailedData {
  participant_id: string;
  identity: string;
  reason: string;
  have?: string[];
  need?: string[];
}

export interface ParticipantLeftData {
  participant_id: string;
  identity: string;
  reason: string;
  /** milliseconds since 1970 */
  joined_ms?: number;
  /** milliseconds since 1970 */
  left_ms?: number;
  /** he never came out of the lobby */
  waiting?: boolean;
}

export interface ParticipantBannedData {
  identity: string;
  participant_id?: string;
}

export interface HostAbsentData {
  waiting: string[];
  /** milliseconds since 1970 */
  since_ms: number;
  reason: 'join_before_host' | 'host_left';
}

export interface HostPresentData {
  waited_ms: number;
}

export interface TrackPublishedData {
  participant_id: string;
  identity: string;
  track: Track;
}

export interface TrackUnpublishedData {
  participant_id: string;
  track_id: string;
  source: string;
}

export interface TrackMutedData {
  participant_id: string;
  track_id: string;
  by: string;
}

export interface TrackUnmutedData {
  participant_id: string;
  track_id: string;
  by: string;
}

/** for five seconds now somebody has seen less than he wants because of his line */
export interface QualityDegradedData {
  participant_id: string;
  identity: string;
  reason: 'bandwidth' | 'paused';
  estimate_kbps?: number | null;
  needed_kbps?: number | null;
}

export interface QualityRecoveredData {
  participant_id: string;
  identity: string;
}

/** a session that was to be recorded by itself is not */
export interface RecordingRefusedData {
  /** for programs */
  reason: string;
  /** for people */
  detail: string;
}

export interface QuotaThresholdData {
  percent?: number;
  remaining_ms?: number;
  granted_ms: number;
  used_ms: number;
  available_ms: number;
  lasts_ms: number | null;
}

export interface QuotaExhaustedData {
  granted_ms: number;
  used_ms: number;
  policy: Record<string, unknown>;
}

export interface QuotaReplenishedData {
  grant_id: string;
  ms: number;
  available_ms: number;
}

export interface MessageDeletedData {
  message_id: string;
  /** who had written it; empty: the backend */
  identity: string;
  by: string;
}

export interface TimerStartedData {
  timer_id: string;
  duration_ms: number;
  /** milliseconds since 1970 */
  ends_at_ms: number;
  /** milliseconds since 1970 */
  server_time_ms: number;
  by: string;
}

export interface TimerFiredData {
  timer_id: string;
}

export interface TimerCancelledData {
  timer_id: string;
  by: string;
}

export interface ConsumerLaggingData {
  consumer: string;
  key_id: string;
  lag_ms: number;
  cursor: number;
  /** how far the log is on its way to being trimmed beyond cursor */
  retention_percent: number;
  /** which limit of the log the percentage is of, the nearer one */
  retention_bound: 'age' | 'size';
  /** how much may be written, roughly, until the first event after cursor goes */
  bytes_to_edge: number;
  connected: boolean;
}

export type ServerDrainingData = Record<string, unknown>;

/** The data of every event. */
export interface Events {
  'room.created': Room;
  'room.updated': Room;
  'room.expired': Room;
  'room.locked': RoomLockedData;
  'room.unlocked': RoomUnlockedData;
  'room.deleted': RoomDeletedData;
  'session.started': Session;
  'session.ended': SessionEndedData;
  'participant.waiting': Waiting;
  'participant.admitted': ParticipantAdmittedData;
  'participant.denied': ParticipantDeniedData;
  'participant.rejected': ParticipantRejectedData;
  'participant.joined': ParticipantJoinedData;
  'participant.updated': ParticipantUpdatedData;
  'participant.reconnecting': ParticipantReconnectingData;
  'participant.failed': ParticipantFailedData;
  'participant.left': ParticipantLeftData;
  'participant.banned': ParticipantBannedData;
  'host.absent': HostAbsentData;
  'host.present': HostPresentData;
  'track.published': TrackPublishedData;
  'track.unpublished': TrackUnpublishedData;
  'track.muted': TrackMutedData;
  'track.unmuted': TrackUnmutedData;
  'quality.degraded': QualityDegradedData;
  'quality.recovered': QualityRecoveredData;
  'recording.started': Recording;
  'recording.refused': RecordingRefusedData;
  'recording.paused': Recording;
  'recording.resumed': Recording;
  'recording.stopped': Recording;
  'recording.progress': Recording;
  'recording.completed': Recording;
  'recording.failed': Recording;
  'recording.uploaded': Recording;
  'recording.upload_delayed': Recording;
  'recording.upload_failed': Recording;
  'recording.deleted': Recording;
  'recording.erased': Recording;
  'quota.threshold': QuotaThresholdData;
  'quota.exhausted': QuotaExhaustedData;
  'quota.replenished': QuotaReplenishedData;
  'message.sent': Message;
  'message.deleted': MessageDeletedData;
  'timer.started': TimerStartedData;
  'timer.fired': TimerFiredData;
  'timer.cancelled': TimerCancelledData;
  'consumer.lagging': ConsumerLaggingData;
  'server.draining': ServerDrainingData;
}
