// WebSocket frames from a client: the same messages and the same end in whatever pieces they come,
// never more than the limit, and the server's own
// frames always whole.
#include "control/websocket.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"

namespace {

using namespace parley::control;

constexpr std::size_t kLimit = 1'000;

struct Outcome {
  std::vector<std::string> messages;
  std::string output;
  std::optional<std::uint16_t> failed;
  std::optional<std::uint16_t> peer_close;
};

Outcome read(std::string_view bytes, std::size_t piece) {
  WebSocket socket(kLimit);
  Outcome outcome;
  while (!bytes.empty()) {
    socket.receive(bytes.substr(0, piece), outcome.messages);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  socket.take_output(outcome.output);
  outcome.failed = socket.failed_with();
  outcome.peer_close = socket.peer_close();
  for (const std::string& message : outcome.messages) {
    // Writing replaces bad UTF-8, so a message that comes back changed was no UTF-8.
    const auto back = Json::parse(Json(message).dump());
    if (message.size() > kLimit || !back || *back->as_string() != message) std::abort();
  }
  return outcome;
}

void check_frames(std::string_view output) {
  while (!output.empty()) {
    if (output.size() < 2 || (output[1] & 0x80) != 0) std::abort();  // a server never masks
    const auto length = static_cast<std::size_t>(output[1]);
    if (length > 125 || output.size() < 2 + length) std::abort();  // only control frames here
    output.remove_prefix(2 + length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(bytes, SIZE_MAX);
  const Outcome pieces = read(bytes, std::max<std::size_t>(data[0] % 32, 1));
  check_frames(whole.output);
  check_frames(pieces.output);
  if (whole.messages != pieces.messages || whole.failed != pieces.failed ||
      whole.peer_close != pieces.peer_close || whole.output != pieces.output) {
    std::abort();
  }
  return 0;
}
