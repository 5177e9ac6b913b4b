#include "server/relay.h"

#include <array>
#include <cstring>

#include "server/api.h"

namespace parley::server {

struct Relay::Head {
  Kind kind = Kind::Rtp;
  std::uint8_t encoding = 0;
  bool captured = false;
  rtp::ExtSeq seq;
  rtp::Time arrival{};
  rtp::Time capture{};
};

std::shared_ptr<Relay> make_relay(std::size_t from_worker, std::size_t to_worker,
                                  rtp::MediaKind kind) {
  const bool video = kind == rtp::MediaKind::Video;
  return std::make_shared<Relay>(from_worker, to_worker,
                                 video ? Relay::kVideoBytes : Relay::kAudioBytes);
}

bool Relay::push(const Record& record) noexcept {
  const Head head{record.kind, record.encoding, record.capture.has_value(),
                  record.seq,  record.arrival,  record.capture.value_or(rtp::Time{})};
  std::array<std::uint8_t, sizeof head> bytes;
  std::memcpy(bytes.data(), &head, sizeof head);
  return ring_.push(bytes, record.bytes);
}

std::optional<Relay::Record> Relay::front() noexcept {
  const auto record = ring_.front();
  if (!record) return std::nullopt;
  Head head;
  std::memcpy(&head, record->data(), sizeof head);
  return Record{head.kind,
                head.encoding,
                head.seq,
                head.arrival,
                head.captured ? std::optional(head.capture) : std::nullopt,
                record->subspan(sizeof head)};
}

}  // namespace parley::server
