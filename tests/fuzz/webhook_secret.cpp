// Webhook secrets: one that is taken signs, one that is refused does not.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/webhooks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool taken = is_webhook_secret(text);
  const std::string signature = sign_webhook(text, "ev_1", 1'795'000'000, "{}");
  if (taken != !signature.empty()) std::abort();
  // "v1," and the Base64 of 32 bytes.
  if (taken && (!signature.starts_with("v1,") || signature.size() != 47)) std::abort();
  if (taken && !text.starts_with("whsec_")) std::abort();
  return 0;
}
