#pragma once

#include <algorithm>
#include <optional>

#include "rtp/rtcp_writer.h"
#include "server/connection.h"

namespace parley::server {

// Collects the RTCP packets that one peer gets in one turn into as few datagrams as they fit
// (compound, RFC 3550 section 6.1; reduced-size, RFC 5506). Sends on destruction.
class RtcpBatch {
 public:
  static constexpr std::size_t kMaxSize = 1'200;

  RtcpBatch(Connection& connection, rtp::Ssrc sender) : connection_(connection), sender_(sender) {}
  ~RtcpBatch() { flush(); }
  RtcpBatch(const RtcpBatch&) = delete;
  RtcpBatch& operator=(const RtcpBatch&) = delete;

  // `write(RtcpWriter&)` writes one packet or says false when it does not fit; then it is asked
  // again with an empty datagram. False when nothing can be sent now.
  template <class Write>
  bool add(Write write) {
    if (open() && write(*writer_)) return true;
    flush();
    return open() && write(*writer_);
  }
  // Our own SSRC as a receiver.
  [[nodiscard]] rtp::Ssrc sender() const noexcept { return sender_; }

 private:
  bool open() {
    if (writer_) return true;
    const rtp::Bytes out = connection_.reserve();
    if (out.empty()) return false;
    writer_.emplace(out.first(std::min(out.size(), kMaxSize)));
    return true;
  }
  void flush() {
    if (writer_ && !writer_->empty()) connection_.commit(Outgoing::Report, writer_->size());
    writer_.reset();
  }

  Connection& connection_;
  rtp::Ssrc sender_;
  std::optional<rtp::RtcpWriter> writer_;
};

}  // namespace parley::server
