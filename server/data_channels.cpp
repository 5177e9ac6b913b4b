#include "server/data_channels.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/alarm.h"

namespace parley::server {
namespace {

// What stands for an empty message (RFC 8831, section 6.6).
constexpr std::uint8_t kNothing = 0;

}  // namespace

DataChannels::DataChannels(Context& context, PeerId peer, DataParams params)
    : context_(context), peer_(peer), params_(params) {}

void DataChannels::start(rtp::Time now) {
  if (association_ || over_) return;
  association_ = SctpAssociation::open(params_.remote_port);
  over_ = !association_;
  allowed_at_ = active_at_ = now;
}

void DataChannels::on_packet(rtp::Time now, rtp::ConstBytes packet) {
  if (!association_) return drop();
  const double passed = std::chrono::duration<double>(now - allowed_at_).count();
  allowed_at_ = now;
  allowance_ = std::min(allowance_ + passed * kBytesPerS, kBytesAtOnce);
  messages_allowed_ = std::min(messages_allowed_ + passed * kMessagesPerS, kMessagesAtOnce);
  if (allowance_ < static_cast<double>(packet.size())) return drop();  // SCTP slows him down
  allowance_ -= static_cast<double>(packet.size());
  context_.counters.data_bytes_in.add(packet.size());
  association_->on_packet(packet);
  active_at_ = now;
  look(now);
}

void DataChannels::tick(rtp::Time now) {
  if (!association_) return;
  SctpAssociation::advance(now);
  look(now);
}

rtp::Time DataChannels::next_tick(rtp::Time now) const noexcept {
  if (!association_) return rtp::Time::max();
  return on_grid(now + (now - active_at_ < kIdleAfter ? SctpAssociation::kTick : kIdleTick));
}

std::vector<std::vector<std::uint8_t>> DataChannels::take_packets() {
  if (!association_) return {};
  return association_->take_packets();
}

// What the association has to tell.
void DataChannels::look(rtp::Time now) {
  for (SctpMessage& message : association_->take_messages()) {
    active_at_ = now;
    on_message(message);
  }
  for (const std::uint16_t stream : association_->take_resets()) {
    const Channel* const channel = find(stream);
    if (channel == nullptr) continue;
    close(static_cast<std::size_t>(channel - channels_.data()), DataClosed::Reason::ByPeer);
  }
  const std::uint64_t dropped = association_->dropped();
  if (dropped > dropped_) drop(dropped - std::exchange(dropped_, dropped));
  if (over_ || association_->state() != SctpAssociation::State::Down) return;
  over_ = true;
  while (!channels_.empty()) close(channels_.size() - 1, DataClosed::Reason::ByPeer);
}

DataChannels::Channel* DataChannels::find(std::uint16_t stream) noexcept {
  const auto it = std::find_if(channels_.begin(), channels_.end(),
                               [&](const Channel& one) { return one.stream == stream; });
  return it == channels_.end() ? nullptr : &*it;
}

void DataChannels::on_message(SctpMessage& message) {
  if (messages_allowed_ < 1) {
    drop();
    return close(message.stream);
  }
  --messages_allowed_;
  switch (static_cast<DataPpid>(message.ppid)) {
    case DataPpid::Control:
      if (!is_channel_ack(message.bytes)) on_open(message.stream, message.bytes);
      return;
    case DataPpid::Text:
    case DataPpid::Binary:
      break;
    case DataPpid::EmptyText:
    case DataPpid::EmptyBinary:
      message.bytes.clear();
      break;
    default:
      return drop();
  }
  const auto ppid = static_cast<DataPpid>(message.ppid);
  if (find(message.stream) == nullptr) return drop();
  const bool text = ppid == DataPpid::Text || ppid == DataPpid::EmptyText;
  context_.counters.data_messages_in.add();
  context_.emit(
      DataReceived{peer_, message.stream, text,
                   std::make_shared<const std::vector<std::uint8_t>>(std::move(message.bytes))});
}

// Streams of who is the client in DTLS have even numbers (RFC 8832, section 6).
void DataChannels::on_open(std::uint16_t stream, rtp::ConstBytes message) {
  auto open = read_channel_open(message);
  const bool taken = find(stream) != nullptr;
  if (!open || taken || stream % 2 != 0 || channels_.size() >= kMaxChannels) {
    drop();
    if (!taken) association_->reset(stream);
    return;
  }
  const auto acknowledged =
      association_->send(stream, DataPpid::Control, write_channel_ack(), Delivery{});
  if (acknowledged != SctpAssociation::Sent::Yes) return drop();
  channels_.push_back({stream, open->label, open->protocol, open->delivery});
  context_.emit(DataOpened{peer_, stream, std::move(open->label), std::move(open->protocol)});
}

void DataChannels::close(std::size_t index, DataClosed::Reason reason) {
  const std::uint16_t stream = channels_[index].stream;
  association_->reset(stream);
  channels_.erase(channels_.begin() + static_cast<std::ptrdiff_t>(index));
  context_.emit(DataClosed{peer_, stream, reason});
}

void DataChannels::close(std::uint16_t stream) {
  const Channel* const channel = find(stream);
  if (channel == nullptr) return;
  close(static_cast<std::size_t>(channel - channels_.data()), DataClosed::Reason::TooFast);
}

void DataChannels::send(rtp::Time now, const SendData& message) {
  if (!association_) return drop();
  active_at_ = now;
  for (std::size_t i = channels_.size(); i-- > 0;) {
    const Channel& channel = channels_[i];
    if (channel.label != message.label) continue;
    rtp::ConstBytes bytes(*message.bytes);
    if (channel.protocol == kDataProtocol) {
      framed_.assign(1, static_cast<std::uint8_t>(message.from.size()));
      framed_.insert(framed_.end(), message.from.begin(), message.from.end());
      framed_.insert(framed_.end(), bytes.begin(), bytes.end());
      bytes = framed_;
    }
    if (bytes.size() > params_.max_message) {
      drop();
      continue;
    }
    const bool empty = bytes.empty();
    const DataPpid ppid = message.text ? (empty ? DataPpid::EmptyText : DataPpid::Text)
                                       : (empty ? DataPpid::EmptyBinary : DataPpid::Binary);
    const auto sent = association_->send(
        channel.stream, ppid, empty ? rtp::ConstBytes(&kNothing, 1) : bytes, channel.delivery);
    if (sent == SctpAssociation::Sent::Yes) {
      context_.counters.data_messages_out.add();
      continue;
    }
    drop();
    const bool may_lose = channel.delivery.max_retransmits || channel.delivery.max_lifetime_ms;
    if (!may_lose) close(i, DataClosed::Reason::TooSlow);
  }
}

std::size_t DataChannels::bytes() const noexcept {
  std::size_t total = sizeof *this + framed_.capacity();
  for (const Channel& channel : channels_) {
    total += sizeof channel + channel.label.capacity() + channel.protocol.capacity();
  }
  return total;
}

}  // namespace parley::server
