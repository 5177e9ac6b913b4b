#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/config.h"
#include "rtp/packet_pool.h"
#include "rtp/types.h"
#include "server/address.h"
#include "server/alarm.h"
#include "server/api.h"
#include "server/context.h"
#include "server/counters.h"
#include "server/datagram.h"
#include "server/dtls.h"
#include "server/egress.h"
#include "server/path_table.h"
#include "server/random.h"
#include "server/room.h"
#include "server/srtp.h"

namespace parley::server {

// The media server as one value: datagrams and commands in, datagrams and events out, time and
// chance as arguments. It opens no socket and reads no clock, so a whole server runs inside a test
// on virtual time. One thread at a time.
//
//   for (bool more = worker.on_datagrams(now, batch); more; more = worker.go_on(now)) send_all();
//   worker.on_command(now, command);
//   if (worker.next_deadline() <= now) worker.tick(now);
//   for (datagram : worker.flush()) send(datagram);      // the end of the turn
//   worker.take_events(events);
class Worker {
 public:
  // One step of a handshake costs as much as a hundred packets of media, which would all wait for
  // it: so many are done in a turn, and so many may wait for the next one.
  static constexpr std::size_t kHandshakesPerTurn = 4;
  static constexpr std::size_t kMaxHandshakes = 1'024;
  // Media from an address of nobody may be a peer's whose NAT has rebound: it is tried with the
  // keys of so many, so often. More is somebody else's noise.
  static constexpr std::size_t kMaxTries = 8;
  static constexpr rtp::Duration kTryInterval{10'000};

  // `dtls` and `counters` must outlive it.
  Worker(const config::Config& config, const DtlsContext& dtls, RandomSource random,
         WorkerCounters& counters);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // All datagrams of one read, in Buffers of pool(). True when so much is to be sent that the turn
  // should be flushed now; then go_on() with the rest, until it says false. The batch must stay.
  [[nodiscard]] bool on_datagrams(rtp::Time now, std::span<Arrived> batch);
  [[nodiscard]] bool go_on(rtp::Time now);
  // The same for a single one.
  void on_datagram(rtp::Time now, const Path& path, rtp::Buffer datagram);
  // A TCP connection was closed: whoever was there comes back over another path, or not.
  void on_path_closed(const Path& path);
  // A command that names something unknown changes nothing and is counted.
  void on_command(rtp::Time now, Command command);
  // Another worker has put something into a relay. True as on_datagrams(): flush, call again.
  [[nodiscard]] bool on_relays(rtp::Time now);
  void tick(rtp::Time now);
  // Time::max() when nobody wants anything.
  [[nodiscard]] rtp::Time next_deadline() const noexcept { return alarm_.at(); }

  // True when so much is to be sent that the turn should end here.
  [[nodiscard]] bool wants_flush() const noexcept { return context_.egress.wants_flush(); }
  // What the turn sends, sealed; valid until the next call on the worker.
  [[nodiscard]] std::span<const Datagram> flush() noexcept { return context_.egress.flush(); }
  // Swaps the events of the turn into `into`, which is cleared first.
  void take_events(std::vector<Event>& into);

  // Swaps the workers that are to be woken, because something is in a relay for them, into `into`.
  void take_wakes(std::vector<std::size_t>& into);

  [[nodiscard]] rtp::PacketPool& pool() noexcept { return context_.pool; }

 private:
  // Looks up by view, so that a check costs no string.
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void open_media();
  [[nodiscard]] bool hand_out(rtp::Time now);
  void on_media(rtp::Time now, Arrived& arrived, std::size_t opened);
  void on_strange_media(rtp::Time now, Arrived& arrived, SrtpKind kind);
  void change_path(Peer& peer, const Path& path, const Connection::PathChange& change);
  void on_other(rtp::Time now, Arrived& arrived);
  [[nodiscard]] bool take_data(rtp::Time now, const Arrived& arrived);
  void do_handshakes(rtp::Time now);
  void on_stun(rtp::Time now, const Path& path, rtp::ConstBytes datagram);
  void carry_out(rtp::Time now, OpenRoom& command);
  void carry_out(rtp::Time now, CloseRoom& command);
  void carry_out(rtp::Time now, SetPeer& command);
  void carry_out(rtp::Time now, RemovePeer& command);
  void carry_out(rtp::Time now, Assign& command);
  void carry_out(rtp::Time now, MuteTrack& command);
  void carry_out(rtp::Time now, OpenTap& command);
  void carry_out(rtp::Time now, CloseTap& command);
  void carry_out(rtp::Time now, OpenRelay& command);
  void carry_out(rtp::Time now, OpenMirror& command);
  void carry_out(rtp::Time now, CloseMirror& command);
  void carry_out(rtp::Time now, SendData& command);
  void carry_out(rtp::Time now, CloseData& command);
  void bad_command() noexcept { context_.counters.bad_commands.add(); }
  void add_peer(rtp::Time now, Room& room, SetPeer& command);
  [[nodiscard]] Track* find_track(TrackNo number) const;
  void forget_addresses(Peer& peer);
  void remove_peer(PeerId id);
  void close_if_over(Peer& peer);
  void forget_ended_taps();
  void measure(rtp::Time now);

  Context context_;
  Alarm alarm_;
  std::unordered_map<RoomId, std::unique_ptr<Room>> rooms_;
  std::unordered_map<PeerId, Peer*> peers_;
  PathTable<Peer> paths_;
  std::unordered_map<std::string, Peer*, TextHash, std::equal_to<>> ufrags_;
  std::unordered_map<TapId, TrackNo> taps_;
  std::vector<PeerId> over_;         // scratch of tick()
  std::vector<std::uint8_t> tried_;  // a copy of what is tried with several keys
  rtp::Time next_measure_{};
  rtp::Time next_try_{};
  // The batch that is worked on: done up to next_, media that was opened from open_begin_ to
  // open_end_.
  std::span<Arrived> batch_;
  std::size_t next_ = 0;
  std::size_t open_begin_ = 0;
  std::size_t open_end_ = 0;
  std::vector<OpenItem> opened_;
  std::vector<Peer*> opened_for_;   // whose each is
  std::size_t handed_ = 0;          // so many of the context's bursts are done
  std::deque<Arrived> handshakes_;  // datagrams of DTLS that wait
};

}  // namespace parley::server
