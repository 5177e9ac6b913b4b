// HTTP requests: bytes in one piece and in small pieces must give the same requests, and no
// request escapes the rules for its path. The first byte chooses the size of the pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "control/http_parser.h"
#include "control/http_range.h"
#include "control/websocket_handshake.h"

namespace {

using namespace parley::control;

struct Outcome {
  std::vector<std::string> requests;
  int status = 0;
};

Outcome read(std::string_view bytes, std::size_t piece) {
  HttpParser parser({2'048, 20, 4'096});
  Outcome outcome;
  while (!bytes.empty() && parser.state() != HttpParser::State::Failed) {
    const std::size_t taken = parser.feed(bytes.substr(0, piece));
    bytes.remove_prefix(taken);
    if (parser.state() != HttpParser::State::Complete) continue;
    const HttpRequest request = parser.take_request();
    if (!request.path.starts_with('/') || request.path.find("/../") != std::string::npos ||
        request.path.find('\0') != std::string::npos || request.body.size() > 4'096) {
      std::abort();
    }
    (void)check_websocket_handshake(request);
    (void)request.parameter("a");
    if (const std::string* range = request.header("range")) (void)choose_range(*range, 1'000);
    outcome.requests.push_back(request.method + " " + request.path + "?" + request.query + "\n" +
                               request.body);
  }
  if (parser.state() == HttpParser::State::Failed) outcome.status = parser.error().status;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(bytes, SIZE_MAX);
  const Outcome pieces = read(bytes, std::max<std::size_t>(data[0], 1));
  if (whole.requests != pieces.requests) std::abort();
  return 0;
}
