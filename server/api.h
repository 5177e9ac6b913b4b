#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rtp/allocation.h"
#include "rtp/extensions.h"
#include "rtp/tap.h"
#include "rtp/types.h"

// The whole surface between control/ and a worker: commands one way, events the other, as plain
// values. Control invents every id and every local secret, so it can answer an offer at once
// without asking the worker anything.
namespace parley::server {

class Relay;

using RoomId = rtp::Strong<struct RoomIdTag, std::uint64_t>;
using PeerId = rtp::Strong<struct PeerIdTag, std::uint64_t>;
using TapId = rtp::Strong<struct TapIdTag, std::uint64_t>;
// Also the `track_no` that rides as CSRC in every forwarded packet, so that a receiver can tell
// whom it hears and sees from the packets alone. Unique in the daemon, never 0.
using TrackNo = rtp::Strong<struct TrackNoTag, std::uint32_t>;

struct IceCredentials {
  std::string ufrag;  // RFC 8839: 4..256 ice-chars
  std::string pwd;    // 22..256 ice-chars
  friend bool operator==(const IceCredentials&, const IceCredentials&) = default;
};

enum class HashAlgorithm : std::uint8_t { Sha256, Sha384, Sha512 };
struct Fingerprint {  // RFC 8122
  HashAlgorithm algorithm = HashAlgorithm::Sha256;
  std::vector<std::uint8_t> digest;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// One negotiated codec of an m-line, with this peer's payload types.
struct CodecParams {
  rtp::Codec codec = rtp::Codec::Opus;
  rtp::PayloadType pt;
  std::optional<rtp::PayloadType> rtx_pt;
  std::optional<rtp::PayloadType> red_pt;  // of a slot: Opus may come with redundancy (RFC 2198)
  std::uint32_t clock_rate_hz = 90'000;
  std::uint32_t h264_profile = 0;  // profile-level-id as a number, H.264 only
  std::uint8_t packetization_mode = 0;
  std::uint8_t vp9_profile = 0;
  bool nack = false;
  bool pli = false;
  bool transport_cc = false;
  bool remb = false;  // of a slot that has no transport-cc: draft-alvestrand-rmcat-remb-03
  friend bool operator==(const CodecParams&, const CodecParams&) = default;
};
// What a receiver who offered `offered` calls the publisher's codec; nullptr when he cannot decode
// it (codec_match.cpp). Control agrees on codecs by the same rules as the worker forwards.
[[nodiscard]] const CodecParams* match_codec(const CodecParams& wanted,
                                             std::span<const CodecParams> offered) noexcept;

// One m-line on which the peer sends to us.
struct PublishSection {
  TrackNo track;
  rtp::Mid mid;
  rtp::MediaKind kind = rtp::MediaKind::Audio;
  std::vector<CodecParams> codecs;  // the peer's order of preference
  rtp::ExtensionMap extensions;
  std::vector<rtp::Rid> rids;  // simulcast, lowest layer first; empty without simulcast
  struct SsrcPair {
    rtp::Ssrc ssrc;
    std::optional<rtp::Ssrc> rtx;
  };
  std::vector<SsrcPair> ssrcs;  // announced by a=ssrc and FID groups; may be empty
};

// One recvonly m-line of the peer: a slot that tracks are assigned to. Its numbers stay for life.
struct SlotSection {
  rtp::Mid mid;
  rtp::MediaKind kind = rtp::MediaKind::Audio;
  rtp::Ssrc ssrc;
  rtp::Ssrc rtx_ssrc;
  std::vector<CodecParams> codecs;
  rtp::ExtensionMap extensions;
};

// Data channels (RFC 8831), where the peer has offered them first and they are allowed.
struct DataParams {
  std::uint16_t remote_port = 5'000;  // a=sctp-port (RFC 8841)
  std::size_t max_message = 262'144;  // that the peer takes
  friend bool operator==(const DataParams&, const DataParams&) = default;
};
// On channels of this protocol a message has in front of it who has sent it: the length of an id in
// one byte, and the id.
inline constexpr std::string_view kDataProtocol = "parley.data.v1";

struct PeerParams {
  IceCredentials local;
  IceCredentials remote;
  std::vector<Fingerprint> fingerprints;  // any one of them must match the peer's certificate
  std::string cname;                      // for our sender reports (RFC 7022)
  std::vector<PublishSection> publishes;
  std::vector<SlotSection> slots;
  std::optional<DataParams> data;  // of the first one; later ones change nothing
};

// ---- commands: control -> worker -------------------------------------------------------------

struct OpenRoom {
  RoomId room;
};
struct CloseRoom {  // closes its peers too; no PeerClosed follows, but a last RoomTraffic
  RoomId room;
};
// Adds the peer, or changes it after a new offer. Sections keep their identity by mid: a publish
// section that is gone ends its track, a slot that is gone ends its subscription. Other remote
// credentials are an ICE restart: both old and new are accepted until a check with the new ones
// has come. Another fingerprint after the handshake is refused by control, not here.
struct SetPeer {
  RoomId room;
  PeerId peer;
  PeerParams params;
};
struct RemovePeer {
  PeerId peer;
};
// Puts a track into a slot, or empties it. `max_height` bounds the layer, be it an encoding of
// simulcast or a spatial layer inside one: the smallest at least that high is sent, the highest
// living one if there is none; 0 means the lowest. Where the way down does not carry all that its
// slots want, those of a higher priority come first.
struct Assign {
  PeerId peer;
  rtp::Mid slot;
  std::optional<TrackNo> track;
  std::uint32_t max_height = 720;
  std::int32_t priority = 0;
};
// Forwarding stops within the turn and starts again on a key frame.
struct MuteTrack {
  TrackNo track;
  bool muted = false;
};
// shared_ptr with reason: worker and recorder threads end at times of their own, and the ring
// must outlive both ends.
struct OpenTap {
  TapId tap;
  TrackNo track;
  std::shared_ptr<rtp::Tap> ring;
};
struct CloseTap {
  TapId tap;
};
// A room may have peers on several workers; then OpenRoom goes to each, and each track has a relay
// from its own worker to each other one (server/relay.h): OpenRelay to the first, OpenMirror to the
// second, where the track is known by the same number from then on. The relay is shared for the
// reason above.
[[nodiscard]] std::shared_ptr<Relay> make_relay(std::size_t from_worker, std::size_t to_worker,
                                                rtp::MediaKind kind);
struct OpenRelay {
  TrackNo track;
  std::shared_ptr<Relay> relay;
};
// Again, with another section and no relay, after another offer of the publisher.
struct OpenMirror {
  RoomId room;
  PublishSection section;
  std::shared_ptr<Relay> relay;
};
struct CloseMirror {
  TrackNo track;
};

// A message for these peers' channels of this label. `from`: the id for kDataProtocol.
struct SendData {
  std::vector<PeerId> peers;
  std::string label;
  std::string from;
  bool text = false;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;
};
struct CloseData {
  PeerId peer;
  std::uint16_t channel = 0;
};

using Command = std::variant<OpenRoom, CloseRoom, SetPeer, RemovePeer, Assign, MuteTrack, OpenTap,
                             CloseTap, OpenRelay, OpenMirror, CloseMirror, SendData, CloseData>;

// ---- events: worker -> control ---------------------------------------------------------------

enum class CloseReason : std::uint8_t {
  ConsentExpired,       // RFC 7675: nothing authenticated for consent_timeout
  ConnectTimeout,       // no valid check, or no finished handshake, in time
  DtlsFailed,           // alert, no common cipher or SRTP profile
  FingerprintMismatch,  // the certificate is not the one the offer named
  DtlsClosed,           // the peer sent close_notify
};

struct PeerConnected {  // DTLS finished, keys in place
  PeerId peer;
};
struct PeerAway {  // silent for away_after; PeerBack or PeerClosed follows
  PeerId peer;
  rtp::Time last_heard;  // the last packet that was proven to be his
};
struct PeerBack {
  PeerId peer;
};
struct PeerClosed {  // the worker has forgotten the peer
  PeerId peer;
  CloseReason reason = CloseReason::ConsentExpired;
  rtp::Time last_heard{};
};
// The first authenticated media packet of a section has come, or the codec has changed; of a
// publisher who changes it all the time not more than ten times a second.
struct TrackStarted {
  PeerId peer;
  TrackNo track;
  CodecParams codec;
};
// A packet of the assigned track has left for the slot (for video: its key frame), or its picture
// has another height than was told, or it was emptied. Told again after a time in which the slot
// could not decode what the track carried. `height` is 0 while unknown.
struct SlotSwitched {
  PeerId peer;
  rtp::Mid slot;
  std::optional<TrackNo> track;
  std::uint32_t height = 0;
};
// What a slot of video is to show of its track and why, when that changed; of the reason alone it
// is told at most every half second.
struct SlotLayer {
  PeerId peer;
  rtp::Mid slot;
  TrackNo track;
  std::optional<std::uint8_t> layer;  // lowest is 0; nothing: paused
  std::uint8_t layers = 0;            // that the publisher may send
  std::uint32_t height = 0;           // of the layer; 0: unknown
  rtp::Bitrate bitrate;               // of the layer, as it is sent now
  rtp::LayerReason reason = rtp::LayerReason::Wanted;
  rtp::Bitrate estimate;  // what the way down carries; 0: nothing is known
  rtp::Bitrate needed;    // in all, for one layer more; 0: none is wanted, or there
};
// At most every 200 ms, when it changed; silent tracks are left out (rtp/speaker_order.h).
struct Speakers {
  RoomId room;
  std::vector<TrackNo> tracks;   // loudest first
  std::vector<TrackNo> talkers;  // for a while already: who has the floor, then the most recent
};

// Payload of media packets as reports count it (RFC 3550, section 6.4.1): without headers, and what
// was sent again counts once.
struct Traffic {
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;

  Traffic& operator+=(const Traffic& more) noexcept {
    bytes_in += more.bytes_in;
    bytes_out += more.bytes_out;
    return *this;
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};
// Of all peers that the room ever had on this worker. Totals, so that one that is lost is made good
// by the next: once a second while they grow, and a last time when the room is closed.
struct RoomTraffic {
  RoomId room;
  Traffic total;
  bool last = false;
};

// A peer has opened a data channel, `channel` being its stream.
struct DataOpened {
  PeerId peer;
  std::uint16_t channel = 0;
  std::string label;
  std::string protocol;
};
struct DataClosed {
  enum class Reason : std::uint8_t {
    ByPeer,   // or with his association
    TooSlow,  // he does not take what he is sent
    TooFast,  // he sends more messages than anybody may
  };
  PeerId peer;
  std::uint16_t channel = 0;
  Reason reason = Reason::ByPeer;
};
struct DataReceived {
  PeerId peer;
  std::uint16_t channel = 0;
  bool text = false;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;
};

using Event =
    std::variant<PeerConnected, PeerAway, PeerBack, PeerClosed, TrackStarted, SlotSwitched,
                 SlotLayer, Speakers, RoomTraffic, DataOpened, DataClosed, DataReceived>;

// ---- what control knows of the workers; server/server.h provides it, main.cpp hands it over
// ------

// An address at which a worker can be reached, for the answer's candidate lines; best first.
struct Candidate {
  std::string ip;  // IPv4 or IPv6 text without brackets
  std::uint16_t port = 0;
  bool tcp = false;  // passive: the client connects (RFC 6544)
  friend bool operator==(const Candidate&, const Candidate&) = default;
};
struct WorkerInfo {
  std::vector<Candidate> candidates;  // those of UDP first
};
// Puts a command into the mailbox of worker `index`, from any thread. False when it is full.
using PostCommand = std::function<bool(std::size_t index, Command command)>;
// Receives a worker's events, on the control loop, in the order they happened.
using OnEvents = std::function<void(std::size_t index, std::vector<Event> events)>;

}  // namespace parley::server
