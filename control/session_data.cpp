#include <algorithm>
#include <map>
#include <utility>

#include "control/data_address.h"
#include "control/session.h"

// Data channels: whoever opens one of a label gets what the others send on theirs of that label.
// The workers carry the messages; who gets what is decided here, where everybody is known.
namespace parley::control {

// What comes on a channel of chat comes from the server, so nothing else may have its label.
void Session::data_opened(Participant& participant, const server::DataOpened& channel) {
  const auto is_chat = [](const auto& one) { return one.protocol == Participant::kChatProtocol; };
  const bool clashes =
      std::any_of(participant.channels.begin(), participant.channels.end(), [&](const auto& other) {
        if (is_chat(other) && is_chat(channel)) return true;  // a second one
        return other.label == channel.label && (is_chat(other) || is_chat(channel));
      });
  if (clashes && participant.peer) {
    context_.post(participant.worker, server::CloseData{*participant.peer, channel.channel});
    return;
  }
  participant.channels.push_back({channel.channel, channel.label, channel.protocol});
}

// An answer, or something that all are told, on the channel on which he wants it.
void Session::send_chat(const Participant& participant, std::string_view text) {
  const Participant::DataChannel* channel = participant.chat_channel();
  if (channel == nullptr) return;
  context_.post(participant.worker,
                server::SendData{
                    {*participant.peer},
                    channel->label,
                    "",
                    true,
                    std::make_shared<const std::vector<std::uint8_t>>(text.begin(), text.end())});
}

void Session::data_closed(Participant& participant, const server::DataClosed& channel) {
  auto& channels = participant.channels;
  const auto it = std::find_if(channels.begin(), channels.end(),
                               [&](const auto& one) { return one.number == channel.channel; });
  if (it == channels.end()) return;
  const std::string label = it->label;
  channels.erase(it);
  using Reason = server::DataClosed::Reason;
  if (channel.reason == Reason::ByPeer) return;
  notify(participant, "data.closed",
         Json::object({{"label", label},
                       {"reason", channel.reason == Reason::TooSlow ? "too_slow" : "too_fast"}}));
}

std::vector<const Participant*> Session::receivers(
    const Participant& from, std::string_view label,
    const std::optional<std::vector<std::string>>& to) const {
  std::vector<const Participant*> found;
  for (const auto& p : participants_) {
    if (p.get() == &from || !p->peer) continue;
    const bool meant = !to || std::find(to->begin(), to->end(), p->id) != to->end();
    const bool has = std::any_of(p->channels.begin(), p->channels.end(), [&](const auto& channel) {
      return channel.label == label && channel.protocol != Participant::kChatProtocol;
    });
    if (meant && has) found.push_back(p.get());
  }
  return found;
}

void Session::data_received(Participant& from, const server::DataReceived& message) {
  const auto channel = std::find_if(from.channels.begin(), from.channels.end(),
                                    [&](const auto& one) { return one.number == message.channel; });
  if (channel == from.channels.end() || !from.peer) return;
  const rtp::Time now = context_.now();
  if (!from.data_messages) {
    from.data_messages.emplace(kDataMessagesPerS, kDataMessagesAtOnce, now);
    from.data_bytes.emplace(kDeliveredBytesPerS, kDeliveredBytesAtOnce, now);
  }
  if (from.data_messages->take(now)) {
    context_.post(from.worker, server::CloseData{*from.peer, message.channel});
    return;
  }
  if (channel->protocol == Participant::kChatProtocol) {
    const auto* text = reinterpret_cast<const char*>(message.bytes->data());
    if (message.text && on_chat_request) on_chat_request(from, {text, message.bytes->size()});
    return;
  }
  if (!data_enabled_ || !from.may(Permission::SendData)) return;
  DataAddress address;
  auto bytes = message.bytes;
  if (channel->protocol == server::kDataProtocol) {
    auto read = read_data_address(*bytes);
    if (!read) return;
    address = std::move(*read);
    bytes = std::make_shared<const std::vector<std::uint8_t>>(
        bytes->begin() + static_cast<std::ptrdiff_t>(address.size), bytes->end());
  }
  const auto found = receivers(from, channel->label, address.to);
  // Each costs something, however small it is.
  constexpr std::size_t kEach = 64;
  const auto delivered = static_cast<double>((bytes->size() + kEach) * found.size());
  if (from.data_bytes->take(now, delivered)) {
    context_.post(from.worker, server::CloseData{*from.peer, message.channel});
    return;
  }
  std::map<std::size_t, std::vector<server::PeerId>> by_worker;
  for (const Participant* one : found) by_worker[one->worker].push_back(*one->peer);
  for (auto& [worker, peers] : by_worker) {
    context_.post(worker,
                  server::SendData{std::move(peers), channel->label, from.id, message.text, bytes});
  }
}

}  // namespace parley::control
