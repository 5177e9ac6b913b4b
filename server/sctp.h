#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rtp/types.h"
#include "server/dcep.h"

struct socket;  // usrsctp's

namespace parley::server {

// One message of a stream, as it came.
struct SctpMessage {
  std::uint16_t stream = 0;
  std::uint32_t ppid = 0;
  std::vector<std::uint8_t> bytes;
};

// SCTP over DTLS for one peer (RFC 8261, RFC 8831), by usrsctp. Packets in, packets and messages
// out; it sends nothing by itself. One thread at a time; but usrsctp's state belongs to the whole
// process, so what one worker's timers do may concern the association of another: whatever it calls
// back with is put into a mailbox of the association, under a lock, and found there by its worker.
class SctpAssociation {
 public:
  static constexpr std::size_t kMaxMessage = 262'144;
  static constexpr std::uint16_t kStreams = 1'024;
  static constexpr std::size_t kMtu = 1'160;  // what DTLS and UDP leave of 1,200
  static constexpr int kBufferBytes = 1'048'576;
  static constexpr std::size_t kMaxOutgoing = 1'024;  // packets; more are lost, and sent again
  static constexpr std::size_t kMaxIncoming = 256;    // messages between two looks

  // Null when usrsctp gives no socket. `remote_port`: the peer's a=sctp-port.
  [[nodiscard]] static std::unique_ptr<SctpAssociation> open(std::uint16_t remote_port);
  ~SctpAssociation();
  SctpAssociation(const SctpAssociation&) = delete;
  SctpAssociation& operator=(const SctpAssociation&) = delete;

  void on_packet(rtp::ConstBytes packet);
  // Lets time pass for all associations of the process; each worker that has some calls it every
  // kTick. Whoever comes first in a tick does it.
  static void advance(rtp::Time now);
  static constexpr rtp::Duration kTick{10'000};

  enum class State : std::uint8_t { Connecting, Up, Down };
  [[nodiscard]] State state() const;
  enum class Sent : std::uint8_t { Yes, Full, Failed };  // Full: the peer does not take it so fast
  Sent send(std::uint16_t stream, DataPpid ppid, rtp::ConstBytes message, const Delivery& delivery);
  // Closes our direction of a stream (RFC 6525); the peer closes his.
  void reset(std::uint16_t stream);

  // What has come since the last time, in order; drain all of them after each call above, and in
  // each tick.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_packets();
  [[nodiscard]] std::vector<SctpMessage> take_messages();
  [[nodiscard]] std::vector<std::uint16_t> take_resets();  // streams that the peer closed
  [[nodiscard]] std::uint64_t dropped() const;             // packets and messages beyond the limits

 private:
  struct Mailbox;
  struct Stack;
  SctpAssociation(std::uintptr_t id, std::shared_ptr<Mailbox> mailbox);
  [[nodiscard]] bool connect(std::uint16_t remote_port);

  std::uintptr_t id_;
  std::shared_ptr<Mailbox> mailbox_;
  struct ::socket* socket_ = nullptr;
};

}  // namespace parley::server
