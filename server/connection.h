#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include <tl/expected.hpp>

#include "rtp/packet_pool.h"
#include "rtp/prefetch.h"
#include "rtp/types.h"
#include "server/alarm.h"
#include "server/context.h"
#include "server/dtls.h"
#include "server/egress.h"
#include "server/ice.h"
#include "server/srtp.h"

namespace parley::server {

class Downlink;

// The secured way to one peer: ICE finds it, DTLS makes its keys, SRTP uses them. It decides when a
// peer is connected, away or gone, and where its packets are sent; what is in them is not its
// business.
class Connection {
 public:
  enum class State : std::uint8_t { Connecting, Connected, Away, Closed };

  Connection(Context& context, Alarm& alarm, rtp::Time now, const PeerParams& params);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Other credentials are an ICE restart.
  void update(const IceCredentials& local, const IceCredentials& remote);

  // What the worker's address table has to learn from a STUN datagram.
  struct PathChange {
    bool added = false;
    std::optional<Path> evicted;
  };
  [[nodiscard]] PathChange on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram);
  void on_dtls(rtp::Time now, const Path& path, rtp::ConstBytes datagram);
  // Data of the application, where PeerParams had some: what has come, and what is to be sent.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_data() { return dtls_.take_data(); }
  void send_data(rtp::ConstBytes data);
  // Whether media from a path of nobody may be his: he came from the same IP, and no longer does.
  [[nodiscard]] bool may_have_moved(rtp::Time now, const Path& path) const noexcept;
  // It was: it opened with session().
  [[nodiscard]] PathChange on_moved(rtp::Time now, const Path& path, std::size_t bytes);
  // Its TCP connection was closed.
  void on_path_closed(const Path& path) noexcept;
  // What opens media of the peer; nullptr before the handshake is done.
  [[nodiscard]] SrtpSession* session() noexcept { return session_ ? &*session_ : nullptr; }
  // Takes note of a datagram of media: where the peer is and that he lives. Shortens the Buffer to
  // what was in it, or says why it is dropped.
  [[nodiscard]] tl::expected<void, Drop> on_opened(rtp::Time now, Arrived& arrived,
                                                   const OpenItem& opened);

  // Retransmits handshakes and checks, watches over silence. Sets the alarm for the next time.
  void tick(rtp::Time now);

  // What reserve() and commit() need.
  void prefetch() const noexcept { rtp::prefetch(&session_, 192); }
  // Space for one packet to the peer; empty when it cannot be reached now or the turn is full.
  [[nodiscard]] rtp::Bytes reserve() noexcept;
  // Sends the first `size` bytes of it, sealed at the end of the turn. False when the peer's
  // address is not proven and has had its share (counted).
  bool commit(Outgoing what, std::size_t size) noexcept;

  // Who takes note of what is sent, if the peer tells what arrives; it must outlive the connection.
  void set_downlink(Downlink* downlink) noexcept { downlink_ = downlink; }
  [[nodiscard]] Downlink* downlink() const noexcept { return downlink_; }

  [[nodiscard]] bool ready() const noexcept { return session_.has_value() && lane_ready_; }
  // Ready, and without a limit: the peer has proven that he receives where we send.
  [[nodiscard]] bool reached() const noexcept { return ready() && proven_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  // The last packet that was proven to be the peer's.
  [[nodiscard]] rtp::Time last_heard() const noexcept { return last_heard_; }
  // Of Closed.
  [[nodiscard]] CloseReason close_reason() const noexcept { return close_reason_; }
  [[nodiscard]] const IceLite& ice() const noexcept { return ice_; }
  // Memory behind it, without that of a handshake in progress.
  [[nodiscard]] std::size_t bytes() const noexcept { return session_ ? session_->bytes() : 0; }
  // Says goodbye if the handshake state is still there.
  void say_bye();

 private:
  void heard(rtp::Time now);
  void update_lane() noexcept;
  void send_checks(rtp::Time now);
  void send_flight(const Path& path);
  void on_dtls_state(rtp::Time now, const Path& path);
  void close(CloseReason reason) noexcept;
  void watch(rtp::Time now);

  Context& context_;
  Alarm& alarm_;
  IceLite ice_;
  Dtls dtls_;
  std::optional<SrtpSession> session_;
  Lane lane_;
  bool lane_ready_ = false;
  Downlink* downlink_ = nullptr;
  bool proven_ = false;  // the lane's path is verified: no limit
  State state_ = State::Connecting;
  CloseReason close_reason_ = CloseReason::ConnectTimeout;
  rtp::Time connect_by_;
  rtp::Time last_heard_;
  rtp::Time release_at_{};  // of the handshake's memory, once connected
  rtp::Time last_noted_;    // when ICE was last told of media
};

}  // namespace parley::server
