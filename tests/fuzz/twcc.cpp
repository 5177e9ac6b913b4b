// Even first byte: the rest is a feedback to be read. Odd: the rest drives a recorder, whose every
// packet must read back.
#include "rtp/twcc.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>
#include <vector>

#include "rtp/bytes.h"
#include "rtp/rtcp_reader.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::size_t count_statuses(const TwccFeedback& feedback) {
  auto cursor = feedback.statuses();
  std::size_t count = 0;
  while (cursor.next()) ++count;
  require(count == feedback.status_count());
  return count;
}

void drain(TwccRecorder& recorder, std::size_t room) {
  std::vector<std::uint8_t> out(room);
  // Each packet tells one number at least.
  for (std::size_t i = 0; i <= TwccRecorder::kWindow; ++i) {
    const std::size_t size = recorder.build(Ssrc{1}, Ssrc{2}, out);
    if (size == 0) {
      require(!recorder.pending() || room < TwccRecorder::kMinSize);
      return;
    }
    RtcpReader reader(ConstBytes(out).first(size));
    const auto message = reader.next();
    require(message && std::holds_alternative<TransportCc>(*message));
    const auto feedback = TwccFeedback::parse(std::get<TransportCc>(*message).feedback);
    require(feedback.has_value());
    count_statuses(*feedback);
  }
  std::abort();
}

// Four bytes a step: a step of the number, a step of the time, and sometimes a feedback.
void drive(ConstBytes script) {
  static TwccRecorder recorder;
  recorder = TwccRecorder{};
  std::uint16_t seq = 0;
  Time now{};
  for (Reader reader(script); reader.remaining() >= 4;) {
    const std::uint16_t step = reader.u16();
    seq = static_cast<std::uint16_t>(seq + ((step & 0x8000) != 0 ? step : step % 8));
    const std::uint8_t pause = reader.u8();
    now += Duration{pause < 250 ? pause * 100 : pause * 50'000};
    recorder.on_packet(Seq{seq}, now);
    const std::uint8_t room = reader.u8();
    if (room > 200) drain(recorder, std::size_t{room} * 5);
    if (room < 40) drain(recorder, room);
  }
  drain(recorder, 1200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  if (data[0] % 2 != 0) {
    drive(bytes);
  } else if (const auto feedback = TwccFeedback::parse(bytes)) {
    count_statuses(*feedback);
  }
  return 0;
}
