#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "control/data_address.h"
#include "server/dcep.h"

// What a peer says inside his data channels: the message that opens one, and the address in front
// of others. What is read is written again as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  const rtp::ConstBytes bytes(data, size);
  if (const auto open = server::read_channel_open(bytes)) {
    if (server::read_channel_open(server::write_channel_open(*open)) != open) std::abort();
  }
  (void)server::is_channel_ack(bytes);
  const auto address = control::read_data_address(bytes);
  if (address && address->size > size) std::abort();
  return 0;
}
