#include "recorder/interleaver.h"

#include <utility>

namespace parley::recorder {

void Interleaver::push(Stream stream, MediaPacket packet) {
  bytes_ += packet.bytes.size();
  queues_[index(stream)].push_back(std::move(packet));
}

std::optional<Stream> Interleaver::earliest() const noexcept {
  const auto& audio = queues_[index(Stream::Audio)];
  const auto& video = queues_[index(Stream::Video)];
  if (audio.empty() && video.empty()) return std::nullopt;
  if (audio.empty()) return Stream::Video;
  if (video.empty()) return Stream::Audio;
  return audio.front().time <= video.front().time ? Stream::Audio : Stream::Video;
}

Interleaver::Out Interleaver::take(Stream stream) {
  auto& queue = queues_[index(stream)];
  Out out{stream, std::move(queue.front())};
  queue.pop_front();
  bytes_ -= out.packet.bytes.size();
  return out;
}

std::optional<Interleaver::Out> Interleaver::pop(Offset now, bool audio, bool video) {
  const auto next = earliest();
  if (!next) return std::nullopt;
  const bool waits = (audio && queues_[index(Stream::Audio)].empty()) ||
                     (video && queues_[index(Stream::Video)].empty());
  const bool overdue = queues_[index(*next)].front().time + kHold <= now;
  if (waits && !overdue && bytes_ <= kMaxBytes) return std::nullopt;
  return take(*next);
}

std::optional<Interleaver::Out> Interleaver::pop_any() {
  const auto next = earliest();
  if (!next) return std::nullopt;
  return take(*next);
}

bool Interleaver::empty() const noexcept { return !earliest(); }

std::optional<Offset> Interleaver::front_time() const noexcept {
  const auto next = earliest();
  if (!next) return std::nullopt;
  return queues_[index(*next)].front().time;
}

}  // namespace parley::recorder
