#pragma once

#include <cstdint>
#include <functional>

#include "rtp/types.h"

// Chance as an argument: whoever needs it is given a source, so that a whole server can run from
// a seed inside a test.
namespace parley::server {

// Fills the bytes with chance.
using RandomSource = std::function<void(rtp::Bytes)>;

// From the operating system by way of OpenSSL; fit for keys. Any thread.
[[nodiscard]] RandomSource system_random();

// The same bytes for the same seed (splitmix64). For tests and the simulator, never for keys.
[[nodiscard]] RandomSource seeded_random(std::uint64_t seed);

}  // namespace parley::server
