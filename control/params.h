#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/json.h"
#include "control/rpc.h"

namespace parley::control {

struct Length {  // of a text, in bytes
  std::size_t min = 1;
  std::size_t max = 128;
};

// Reads the params of one request by name and type. The first mistake is kept and everything after
// it reads as a default, so a handler reads all it needs and then asks `finish()` once, which also
// refuses parameters nobody asked for. Nothing may be changed before finish() said yes.
class Params {
 public:
  explicit Params(const Json& params) : params_(params) {}

  [[nodiscard]] std::string text(std::string_view name, Length length = {});
  [[nodiscard]] std::optional<std::string> optional_text(std::string_view name, Length length = {});
  [[nodiscard]] std::optional<std::int64_t> optional_integer(
      std::string_view name, std::int64_t min,
      std::int64_t max = std::numeric_limits<std::int64_t>::max());
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::optional<bool> optional_flag(std::string_view name);
  [[nodiscard]] bool flag(std::string_view name);
  // Of any type; null (the pointer) when it is absent.
  [[nodiscard]] const Json* any(std::string_view name) { return take(name); }
  // Null (the pointer) when it is absent.
  [[nodiscard]] const Json::Object* object(std::string_view name);
  [[nodiscard]] const Json::Array* array(std::string_view name, std::size_t max);
  [[nodiscard]] bool names(std::string_view name) const { return params_.find(name) != nullptr; }
  // It is there and says null: of a member that is to be cleared.
  [[nodiscard]] bool is_null(std::string_view name) const;
  // One of `allowed`.
  [[nodiscard]] std::optional<std::string> choice(std::string_view name,
                                                  const std::vector<std::string_view>& allowed);

  [[nodiscard]] const Json& all() const noexcept { return params_; }
  // For checks of meaning: remembers the mistake unless there was one before.
  void refuse(std::string_view name, std::string message);
  // What was wrong within the object `name`, read by Params of its own.
  void refuse_inside(std::string_view name, RpcError error);
  [[nodiscard]] RpcResult<void> finish();

 private:
  // The member, marked as known; null when absent or JSON null.
  const Json* take(std::string_view name);
  const Json* require(std::string_view name);
  std::string checked_text(std::string_view name, const Json& value, Length length);

  const Json& params_;
  std::vector<std::string_view> known_;
  std::optional<RpcError> error_;
};

// An array of texts, `of` what; empty when it is absent.
[[nodiscard]] std::vector<std::string> read_texts(Params& params, std::string_view name,
                                                  std::size_t max, std::string_view of);
// An array of identities; empty when it is absent.
[[nodiscard]] std::vector<std::string> read_identities(Params& params, std::string_view name);

// UTF-8 text that people see: no C0/C1 controls, no line separators, no bidirectional overrides
// that could make one name look like another (A43).
[[nodiscard]] bool is_printable_text(std::string_view text) noexcept;
// Letters, digits, '.', '_', '-', 1..64 of them: tenants, keys, consumers.
[[nodiscard]] bool is_plain_name(std::string_view text) noexcept;

}  // namespace parley::control
