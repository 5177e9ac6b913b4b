#include "control/rpc.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "control/params.h"
#include "control/schema.h"

// A request is refused with a named error or has a usable id, whatever its params are held against;
// our answers are always JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace parley::control;
  const auto request = parse_request(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!request) {
    if (request.error().error.reason.empty()) std::abort();
    const std::string text = rpc_error_answer(request.error().id, request.error().error, "err");
    if (!Json::parse(text)) std::abort();
    return 0;
  }
  if (request->id.is_null()) std::abort();
  Params params(request->params);
  static_cast<void>(params.optional_text("token", {1, 64}));
  static_cast<void>(params.optional_integer("height", 0, 8'640));
  static_cast<void>(params.optional_flag("muted"));
  static_cast<void>(params.array("tracks", 4));
  static_cast<void>(params.finish());
  const SchemaSet& schemas = SchemaSet::of_api();
  for (const SchemaSet::Methods* methods :
       {&schemas.backend_methods(), &schemas.participant_methods()}) {
    const auto fits = schemas.check_request(*methods, *request);
    if (!fits && fits.error().reason.empty()) std::abort();
  }
  if (!Json::parse(rpc_answer(request->id, request->params))) std::abort();
  return 0;
}
