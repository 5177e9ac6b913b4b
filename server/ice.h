#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "rtp/types.h"
#include "server/address.h"
#include "server/api.h"
#include "server/random.h"
#include "server/stun.h"

// The ICE agent of one peer: lite, and so always controlled (RFC 8445, sections 2.5 and 7.3).
//
// It answers checks and remembers which paths have passed one; it never answers or remembers
// anything without a valid MESSAGE-INTEGRITY. Beyond a plain lite agent it proves that the peer
// can be reached before media moves: a path that the peer nominates gets a check of our own, and
// until that is answered at most three times the bytes received from there go there. So a peer
// cannot aim our media at a stranger by a forged source address.
namespace parley::server {

// The local half of USERNAME of a Binding request, by which the worker finds the peer. Reads
// nothing else; nothing is authenticated. A response has no USERNAME: find its peer by the path.
[[nodiscard]] std::optional<std::string_view> local_ufrag_of(rtp::ConstBytes stun) noexcept;

// Why a STUN datagram was dropped without an answer; counted by the caller.
enum class IceDrop : std::uint8_t {
  None,
  Malformed,        // not STUN, no or a wrong FINGERPRINT
  NotBinding,       // another method, or an indication
  WrongUsername,    // none, or not of this peer
  WrongIntegrity,   // none, or made with another password
  UnknownResponse,  // not to a check of ours from this path
};

struct IceResult {
  IceDrop drop = IceDrop::None;
  // To be sent back on the same path, if not empty. Valid until the next call on this agent.
  rtp::ConstBytes reply;
  bool authenticated = false;     // a sign of life, consent renewed
  bool path_added = false;        // the first valid check from this path: it may now do DTLS
  bool selected_changed = false;  // selected() is another path than before
  bool restart_finished = false;  // the credentials before the restart are void
  // A path that had to make room for a new one: the worker forgets its address.
  std::optional<Path> evicted;
};

class IceLite {
 public:
  static constexpr std::size_t kMaxPaths = 8;           // config.ice.max_addresses_per_peer <= this
  static constexpr std::size_t kAmplification = 3;      // as QUIC has it (RFC 9000, section 8.1)
  static constexpr int kMaxChecks = 7;                  // sendings of one own check
  static constexpr rtp::Duration kFirstRetry{100'000};  // doubles up to kMaxRetry
  static constexpr rtp::Duration kMaxRetry{1'600'000};
  // A check without USE-CANDIDATE moves the peer only if the selected path has been silent for so
  // long: from the same IP address (a NAT gave it another port), or from another.
  static constexpr rtp::Duration kSilentSameIp{1'000'000};
  static constexpr rtp::Duration kSilentOtherIp{3'000'000};
  // The same for media, which comes much more often, from another port.
  static constexpr rtp::Duration kSilentMedia{250'000};

  IceLite(IceCredentials local, IceCredentials remote, RandomSource random,
          std::size_t max_paths = kMaxPaths);

  // New credentials. Both pairs are accepted until a nominating check with the new ones has come.
  // The same credentials again change nothing.
  void restart(IceCredentials local, IceCredentials remote);

  // A STUN datagram from a path.
  [[nodiscard]] IceResult on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram);
  // So many bytes of the peer's media came from a path of which no check was heard: it has passed.
  [[nodiscard]] IceResult on_moved(rtp::Time now, const Path& path, std::size_t bytes);
  // A datagram of another kind came from a path that has passed: it counts for may_send().
  void on_received(const Path& path, std::size_t bytes) noexcept;
  // It was authenticated (SRTP opened): the path is not silent. Does not renew consent. Call it
  // every 100 ms of the selected path, of each datagram of another one: when only that is heard any
  // more, a NAT has rebound, of which the peer knows nothing, and where he sends from is selected
  // once he has answered a check there. True when selected() or next_deadline() changed.
  bool on_heard(rtp::Time now, const Path& path);
  // The handshake finished over this path, so the peer does receive there.
  // True if selected() changed by it.
  bool on_verified(const Path& path) noexcept;
  // The path is gone for good: its TCP connection was closed. The verified one that was heard last
  // is selected instead, or none until the next check. True if selected() changed.
  bool remove(const Path& path) noexcept;
  // Call before sending anything but a reply to a path; counts the bytes when it says yes.
  [[nodiscard]] bool may_send(const Path& path, std::size_t bytes) noexcept;

  // Own checks that are due. Call at next_deadline(), and after on_stun().
  struct Transmit {
    Path path;
    rtp::ConstBytes datagram;  // valid until the next call
  };
  [[nodiscard]] std::optional<Transmit> poll_transmit(rtp::Time now);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;

  // A check from there was valid, so DTLS and SRTP may be taken from it: before any nomination,
  // because Chromium sends its ClientHello right after the first answer.
  [[nodiscard]] bool passed(const Path& path) const noexcept;
  [[nodiscard]] bool verified(const Path& path) const noexcept;
  // Where media goes. Before any nomination the first path that passed.
  [[nodiscard]] const std::optional<Path>& selected() const noexcept { return selected_; }
  // Time of the last authenticated request or response, from any path (RFC 7675).
  [[nodiscard]] std::optional<rtp::Time> last_consent() const noexcept { return last_consent_; }
  [[nodiscard]] std::string_view local_ufrag() const noexcept;
  // While a restart is going on: the former local ufrag, still accepted.
  [[nodiscard]] std::optional<std::string_view> previous_local_ufrag() const noexcept;
  [[nodiscard]] std::vector<Path> paths() const;

 private:
  struct Secrets {
    Secrets(IceCredentials local_credentials, IceCredentials remote_credentials);
    IceCredentials local;
    IceCredentials remote;
    StunKey local_key;
    StunKey remote_key;
  };
  struct Check {
    StunTransaction transaction{};
    int sent = 0;
    rtp::Time next;
    rtp::Duration retry = kFirstRetry;
  };
  struct Known {
    Path path;
    rtp::Time last_check;
    rtp::Time last_heard;
    std::size_t received = 0;
    std::size_t sent = 0;
    bool verified = false;
    std::optional<Check> check;
  };

  [[nodiscard]] IceResult on_request(rtp::Time now, const Path& path, const StunMessage& request);
  [[nodiscard]] IceResult on_response(rtp::Time now, const Path& path, const StunMessage& response);
  [[nodiscard]] const Secrets* secrets_for(std::string_view username) const noexcept;
  [[nodiscard]] Known* find(const Path& path) noexcept;
  [[nodiscard]] const Known* find(const Path& path) const noexcept;
  Known& admit(rtp::Time now, const Path& path, IceResult& result);
  void consider(rtp::Time now, Known& known, bool nominated, IceResult& result);
  bool want(rtp::Time now, Known& known);
  bool select(const Path& path) noexcept;
  void start_check(rtp::Time now, Known& known);

  Secrets current_;
  std::optional<Secrets> previous_;
  RandomSource random_;
  std::size_t max_paths_;
  std::uint64_t tie_breaker_ = 0;
  std::vector<Known> known_;
  std::optional<Path> selected_;
  std::optional<Path> wanted_;  // nominated, waiting for the answer to our own check
  std::optional<rtp::Time> last_consent_;
  std::array<std::uint8_t, 640> out_{};  // the longest is a check with two long ufrags
};

}  // namespace parley::server
