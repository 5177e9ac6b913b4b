#include "control/sdp.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "control/answer.h"
#include "control/negotiation.h"

// Whatever an offer says, reading, planning and answering neither crash nor hang, and our own
// answer is well-formed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  using namespace parley::control;
  const auto offer = sdp::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!offer) return 0;
  std::vector<SendIntent> intents;
  for (const sdp::Section& section : offer->sections) {
    if (!section.kind || !sdp::sends(section.direction)) continue;
    intents.push_back({section.mid, section.kind == rtp::MediaKind::Audio ? TrackSource::Microphone
                                                                          : TrackSource::Camera});
  }
  std::uint32_t next = 1;
  std::uint8_t chance = 0;
  Negotiation negotiation([&] { return server::TrackNo(next++); },
                          [&](std::span<std::uint8_t> into) {
                            for (std::uint8_t& byte : into) byte = chance++;
                          });
  const auto plan = negotiation.offer(*offer, intents, {Permissions::all(), 16, 64});
  if (!plan) return 0;
  static_cast<void>(peer_params(*offer, *plan));
  const std::string answer =
      write_answer(*offer, *plan, {"sha-256 AA:BB", {{"192.0.2.1", 40'000}}, 0});
  if (plan->has_media() && answer.find("a=ice-lite\r\n") == std::string::npos) std::abort();
  return 0;
}
