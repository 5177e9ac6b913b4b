#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "rtp/types.h"
#include "server/client/synthetic.h"
#include "tests/rtp/svc_source.h"

namespace parley::sim {

// Video with layers inside one encoding, thirty pictures a second, paced as a browser paces it: a
// key picture first and whenever one is asked for.
class SvcVideo {
 public:
  SvcVideo(rtp::SvcSource::Options options, client::TransportSequence& transport)
      : ssrc_(options.ssrc), source_(std::move(options)), transport_(transport) {}

  void start(rtp::Time now) { next_ = now; }
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const { return next_; }
  void poll(rtp::Time now, const client::PacketSink& sink) {
    for (; next_ && *next_ <= now; *next_ += rtp::Duration{33'333}) {
      const bool key = std::exchange(key_wanted_, false);
      key_pictures += key ? 1 : 0;
      const auto extend = [this](rtp::ExtensionWriter& out) {
        out.add(4, std::string_view("1"));
        out.add_transport_cc(3, rtp::Seq{transport_.next++});
      };
      for (rtp::SvcPacket& packet : source_.next(key, spatial, extend)) {
        sink(packet.bytes);
        kept_[rtp::load16(packet.bytes, 2)] = std::move(packet.bytes);
      }
    }
  }
  void request_key_frame(rtp::Ssrc ssrc) { key_wanted_ = key_wanted_ || ssrc == ssrc_; }
  [[nodiscard]] std::optional<rtp::ConstBytes> sent(rtp::Ssrc ssrc, rtp::Seq seq) const {
    const auto found = kept_.find(seq.value);
    if (ssrc != ssrc_ || found == kept_.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] std::uint32_t timestamp() const { return source_.timestamp(); }

  unsigned spatial = 3;  // so many layers are sent, at most those of the mode
  std::uint64_t key_pictures = 0;

 private:
  rtp::Ssrc ssrc_;
  rtp::SvcSource source_;
  client::TransportSequence& transport_;
  std::optional<rtp::Time> next_;
  bool key_wanted_ = true;
  std::map<std::uint16_t, rtp::WireBytes> kept_;
};

}  // namespace parley::sim
