#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/json.h"
#include "control/schema.h"

namespace parley::cli {

// A result for people: a list of objects as a table, anything else as one line per member.
[[nodiscard]] std::string as_text(const control::Json& result);
// "2026-11-27 14:03:22 UTC" of milliseconds since 1970.
[[nodiscard]] std::string time_text(std::int64_t ms);

// The params of a method from the command line: one JSON object, or NAME=VALUE words, where the
// method's schema says what kind a value is. The error says what is wrong with which word.
[[nodiscard]] tl::expected<control::Json, std::string> read_params(
    const control::SchemaSet& schemas, const std::string& method,
    const std::vector<std::string>& words);

}  // namespace parley::cli
