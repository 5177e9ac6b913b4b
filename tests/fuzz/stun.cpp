#include "server/stun.h"

#include <cstddef>
#include <cstdint>

#include "server/ice.h"

// STUN from anybody: the parser, the look-up of the ufrag, and an agent that has been through a
// check. Nothing that the fuzzer can make has a valid integrity, so nothing may ever be answered.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley;
  const rtp::ConstBytes bytes(data, size);
  static const server::StunKey key("server-password-22-chars!");
  static server::IceLite ice({"srvU", "server-password-22-chars!"},
                             {"cliU", "client-password-22-chars!"}, server::seeded_random(1));
  (void)server::local_ufrag_of(bytes);
  if (const auto message = server::StunMessage::parse(bytes)) (void)message->verify(key);
  const server::Path path{*server::TransportAddress::parse("203.0.113.1:40000"),
                          *server::TransportAddress::parse("192.0.2.1:5000"), 0};
  const server::IceResult result = ice.on_stun(rtp::Time{}, path, bytes);
  if (result.authenticated || !result.reply.empty() || ice.passed(path)) __builtin_trap();
  return 0;
}
