#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "config/config.h"
#include "rtp/types.h"
#include "server/srtp_cipher.h"
#include "server/srtp_keys.h"

// SRTP and SRTCP (RFC 3711, RFC 7714): the Sealer on the way out, the Opener on the way in, and
// the SrtpSession of one peer, which holds its keys, roll-over counters and replay windows. Both
// work on batches in place and allocate nothing but for the first packet of an SSRC.
namespace parley::server {

enum class SrtpKind : std::uint8_t { Rtp, Rtcp };

enum class OpenError : std::uint8_t {
  Malformed,       // too short for its own header, or SRTCP that is not encrypted
  Auth,            // the tag does not match
  Replay,          // seen before, or older than the window
  TooManyStreams,  // one SSRC more than the session may have
};

using SrtpEngine = config::SrtpEngine;
// The engine that is really used when this one is asked for: Auto is the fastest there is, and one
// that is not available here becomes the next.
[[nodiscard]] SrtpEngine available(SrtpEngine wanted) noexcept;
[[nodiscard]] std::string_view name_of(SrtpEngine engine) noexcept;

// Move-only; its destruction wipes the keys.
class SrtpSession {
 public:
  static constexpr unsigned long kReplayWindow = 1'024;
  // SSRCs the peer may have sent from in all: those he has left behind stay, or what he sent from
  // them could be played again. A camera and a screen that are begun anew take four.
  static constexpr std::size_t kMaxStreams = 256;

  // Nothing when the keys do not fit the profile or memory is out.
  [[nodiscard]] static std::optional<SrtpSession> create(const SrtpKeys& keys,
                                                         std::size_t max_streams = kMaxStreams,
                                                         SrtpEngine engine = SrtpEngine::Auto);
  SrtpSession(SrtpSession&&) noexcept;
  SrtpSession& operator=(SrtpSession&&) noexcept;
  ~SrtpSession();

  // Frees what is kept for an SSRC the peer sent from, or that we sent from. Its counters are
  // lost, so the SSRC must not come back with these keys.
  void forget_inbound(rtp::Ssrc ssrc) noexcept;
  void forget_outbound(rtp::Ssrc ssrc) noexcept;
  // SSRCs the peer has sent authenticated packets from (SRTP or SRTCP).
  [[nodiscard]] std::size_t inbound_streams() const noexcept;
  // Memory behind it; what OpenSSL and libsrtp allocate for themselves is not in it.
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  friend class Sealer;
  friend class Opener;
  struct Impl;
  explicit SrtpSession(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

// One packet to be sealed. `buffer` is the whole space, with at least Sealer::kOverhead bytes
// behind the `size` that the packet has; sealing makes `size` the size on the wire.
struct SealItem {
  SrtpSession* session = nullptr;
  rtp::Bytes buffer;
  std::size_t size = 0;
  SrtpKind kind = SrtpKind::Rtp;
  bool sealed = false;  // out: false means that it must not be sent
};

// What a batch of jobs for one cipher needs until it is done.
template <class Item>
struct SrtpBatch {
  // Of AEAD SRTCP: the header and the word with the index, which lie apart in the packet.
  using RtcpHeader = std::array<std::uint8_t, 12>;

  std::array<SrtpJob, SrtpCipher::kMaxBatch> jobs;
  std::array<Item*, SrtpCipher::kMaxBatch> items{};
  std::array<RtcpHeader, SrtpCipher::kMaxBatch> headers{};
  std::array<std::uint64_t, SrtpCipher::kMaxBatch> indices{};
  std::size_t count = 0;
  SrtpCipher* cipher = nullptr;
  SrtpProfile profile = SrtpProfile::AeadAes128Gcm;
};

class Sealer {
 public:
  // SRTCP index 4, tag 16; libsrtp's own bound is larger and asks only for space.
  static constexpr std::size_t kOverhead = 32;
  // Seals in the order given. The number that were sealed; a failure is our own mistake (a packet
  // that is none, or an index used before) and never leaves plain text to be sent.
  std::size_t seal(std::span<SealItem> batch) noexcept;

 private:
  static void prefetch(std::span<const SealItem> rest) noexcept;
  void add(SealItem& item) noexcept;
  void finish() noexcept;
  SrtpBatch<SealItem> batch_;
};

// One packet to be opened; `buffer` is the datagram, which is changed even when it is refused.
struct OpenItem {
  SrtpSession* session = nullptr;  // nobody's: it stays Malformed
  rtp::Bytes buffer;
  SrtpKind kind = SrtpKind::Rtp;
  tl::expected<std::size_t, OpenError> result = tl::unexpected(OpenError::Malformed);  // out: size
};

class Opener {
 public:
  // Opens in the order given, in place. A refused packet changes nothing in its session.
  void open(std::span<OpenItem> batch) noexcept;
  [[nodiscard]] tl::expected<std::size_t, OpenError> open(SrtpSession& session, rtp::Bytes datagram,
                                                          SrtpKind kind) noexcept;

 private:
  void add(OpenItem& item) noexcept;
  void finish() noexcept;
  SrtpBatch<OpenItem> batch_;
};

}  // namespace parley::server
