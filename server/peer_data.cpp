#include "server/peer.h"

// The part of Peer that deals with data channels.
namespace parley::server {

void Peer::read_data(rtp::Time now) {
  for (const std::vector<std::uint8_t>& packet : connection_.take_data()) {
    data_->on_packet(now, packet);
  }
  send_data(now);
}

void Peer::tick_data(rtp::Time now) {
  if (now < next_data_) return alarm_.set(next_data_);
  data_->tick(now);
  send_data(now);
}

void Peer::send_data(rtp::Time now) {
  for (const std::vector<std::uint8_t>& packet : data_->take_packets()) {
    connection_.send_data(packet);
  }
  next_data_ = data_->next_tick(now);
  alarm_.set(next_data_);
}

void Peer::send(rtp::Time now, const SendData& message) {
  if (!data_) return context_.counters.drop(Drop::Data);
  data_->send(now, message);
  send_data(now);
}

void Peer::close_data(rtp::Time now, std::uint16_t channel) {
  if (!data_) return context_.counters.drop(Drop::Data);
  data_->close(channel);
  send_data(now);
}

}  // namespace parley::server
