#include "recorder/vp9_superframe.h"

#include <algorithm>
#include <numeric>

#include "rtp/packet.h"
#include "rtp/vp9.h"

namespace parley::recorder {

namespace {

// superframe_header: 110, bytes per size - 1 (2 bits), frames - 1 (3 bits); the same byte at both
// ends, the sizes between them, little endian.
void append_index(std::vector<std::uint8_t>& picture, const std::vector<std::size_t>& sizes) {
  constexpr unsigned kSizeBytes = 4;
  const auto marker =
      static_cast<std::uint8_t>(0xc0U | (kSizeBytes - 1U) << 3U | (sizes.size() - 1U));
  picture.push_back(marker);
  for (const std::size_t size : sizes) {
    for (unsigned i = 0; i < kSizeBytes; ++i) {
      picture.push_back(static_cast<std::uint8_t>(size >> 8U * i));
    }
  }
  picture.push_back(marker);
}

}  // namespace

Vp9Superframe::Picture* Vp9Superframe::find(rtp::RtpTimestamp timestamp) noexcept {
  const auto found = std::find_if(pictures_.rbegin(), pictures_.rend(),
                                  [&](const Picture& p) { return p.timestamp == timestamp; });
  return found == pictures_.rend() ? nullptr : &*found;
}

void Vp9Superframe::on_packet(rtp::ConstBytes bytes) {
  // Packet is a view that could be written through; nothing here writes.
  const auto packet = rtp::Packet::parse({const_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  if (!packet) return;
  const auto payload = packet->payload();
  const auto descriptor = rtp::Vp9Descriptor::parse(payload);
  if (!descriptor || descriptor->spatial_id >= kMaxLayers) return;
  Picture* picture = find(packet->timestamp());
  if (picture == nullptr) {
    if (pictures_.size() == kMaxPictures) pictures_.pop_front();
    pictures_.push_back({packet->timestamp(), {}, {}});
    picture = &pictures_.back();
  }
  if (std::find(picture->seen.begin(), picture->seen.end(), packet->seq()) != picture->seen.end()) {
    return;
  }
  picture->seen.push_back(packet->seq());
  picture->sizes[descriptor->spatial_id] += payload.size() - descriptor->size;
}

bool Vp9Superframe::complete(rtp::RtpTimestamp timestamp, std::vector<std::uint8_t>& bytes) {
  const Picture* picture = find(timestamp);
  if (picture == nullptr) return true;  // forgotten: without layers it is right as it is
  std::vector<std::size_t> sizes;
  std::copy_if(std::begin(picture->sizes), std::end(picture->sizes), std::back_inserter(sizes),
               [](std::size_t size) { return size != 0; });
  while (!pictures_.empty() && !(pictures_.front().timestamp == timestamp)) pictures_.pop_front();
  pictures_.pop_front();
  if (sizes.size() <= 1) return true;
  if (std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}) != bytes.size()) return false;
  append_index(bytes, sizes);
  return true;
}

}  // namespace parley::recorder
