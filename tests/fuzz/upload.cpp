// What a store answers, and a journal and a manifest as anybody may have changed them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "recorder/upload/journal.h"
#include "recorder/upload/reply.h"
#include "recorder/upload/uploader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view upload : parley::upload::elements(text, "Upload")) {
    (void)parley::upload::text_in(upload, "UploadId");
  }
  (void)parley::upload::text_in(text, "Code");
  const auto contents = parley::upload::Journal::parse(text);
  if (contents.bytes > size) __builtin_trap();
  (void)parley::upload::files_in(text);
  return 0;
}
