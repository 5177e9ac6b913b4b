#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rtp/types.h"
#include "server/api.h"
#include "server/context.h"
#include "server/sctp.h"

namespace parley::server {

// The data channels of one peer (RFC 8831): what he opens, sends and is sent. It decides nothing
// about who gets what: messages go to control, and come from there.
//
// Media never waits for it. What one peer may bring in a second is bounded, and so is what waits
// for him: a channel whose messages he does not take is closed, unless it may lose some.
class DataChannels {
 public:
  static constexpr std::size_t kMaxChannels = 64;
  static constexpr double kBytesPerS = 2'097'152;  // of packets that he sends
  static constexpr double kBytesAtOnce = 1'048'576;
  // Messages, each of which costs control something. It allows less; this is for who wants to hurt.
  static constexpr double kMessagesPerS = 1'000;
  static constexpr double kMessagesAtOnce = 2'000;
  static constexpr rtp::Duration kIdleTick{100'000};
  static constexpr rtp::Duration kIdleAfter{1'000'000};

  DataChannels(Context& context, PeerId peer, DataParams params);

  // The handshake of DTLS is done.
  void start(rtp::Time now);
  void on_packet(rtp::Time now, rtp::ConstBytes packet);
  void tick(rtp::Time now);
  void send(rtp::Time now, const SendData& message);
  // Because he sends too much.
  void close(std::uint16_t stream);
  // What is to be sent to him; drain it after each call above.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_packets();
  [[nodiscard]] rtp::Time next_tick(rtp::Time now) const noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  struct Channel {
    std::uint16_t stream = 0;
    std::string label;
    std::string protocol;
    Delivery delivery;
  };
  void look(rtp::Time now);
  void on_message(SctpMessage& message);
  void on_open(std::uint16_t stream, rtp::ConstBytes message);
  void close(std::size_t index, DataClosed::Reason reason);
  [[nodiscard]] Channel* find(std::uint16_t stream) noexcept;
  void drop(std::uint64_t count = 1) noexcept { context_.counters.drop(Drop::Data, count); }

  Context& context_;
  PeerId peer_;
  DataParams params_;
  std::unique_ptr<SctpAssociation> association_;
  std::vector<Channel> channels_;
  std::vector<std::uint8_t> framed_;  // scratch
  bool over_ = false;
  double allowance_ = kBytesAtOnce;
  double messages_allowed_ = kMessagesAtOnce;
  rtp::Time allowed_at_{};
  rtp::Time active_at_{};
  std::uint64_t dropped_ = 0;  // of the association's, counted so far
};

}  // namespace parley::server
