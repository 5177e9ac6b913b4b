#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "rtp/forwarder.h"
#include "rtp/packet_pool.h"
#include "rtp/tap.h"
#include "rtp/types.h"
#include "server/api.h"
#include "server/context.h"
#include "server/media_packet.h"

namespace parley::server {

class Track;

// A subscriber without an address: the recorder's end of a track. It goes through a Forwarder like
// any slot, so the ring gets one gapless, key-gated stream of the highest living layer.
class TapSubscription {
 public:
  // shared_ptr with reason: worker and recorder end at times of their own (api.h).
  TapSubscription(Context& context, Track& track, TapId id, std::shared_ptr<rtp::Tap> ring);
  ~TapSubscription();
  TapSubscription(const TapSubscription&) = delete;
  TapSubscription& operator=(const TapSubscription&) = delete;

  void forward(const MediaPacket& media);
  void on_sender_report(rtp::Time now, rtp::Source source, rtp::NtpTime ntp,
                        rtp::RtpTimestamp timestamp);
  void on_source_restarted(rtp::Source source) { forwarder_.on_source_restarted(source); }
  [[nodiscard]] bool rewind(rtp::Source source) noexcept { return forwarder_.rewind(source); }
  void set_muted(rtp::Time now, bool muted);
  // The track is gone.
  void end();
  // Looks for a better layer and for wishes of the consumer.
  void tick(rtp::Time now);
  [[nodiscard]] bool waits_for(rtp::Source source) const noexcept;
  [[nodiscard]] TapId id() const noexcept { return id_; }

 private:
  bool push(const rtp::Tap::Record& record);

  Context& context_;
  Track& track_;
  TapId id_;
  std::shared_ptr<rtp::Tap> ring_;
  rtp::Forwarder forwarder_;
  rtp::Codec codec_ = rtp::Codec::Opus;
  rtp::ExtensionMap extensions_ = rtp::tap_extensions();
  std::array<std::uint8_t, rtp::Buffer::kCapacity> scratch_{};
};

}  // namespace parley::server
