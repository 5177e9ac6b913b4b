#pragma once

#include <string>

#include <tl/expected.hpp>

namespace parley::control {

// A consistent copy of the store's file, made while a daemon writes to it: all that was durable at
// one moment, compacted, checked, and on the disk when it returns. `to` must not exist.
[[nodiscard]] tl::expected<void, std::string> backup_store(const std::string& file,
                                                           const std::string& to);

}  // namespace parley::control
