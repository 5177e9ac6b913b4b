#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "control/json.h"
#include "control/schema.h"

namespace parley::control {

// The API as other programs read it, made from the schemas: generators of clients take these, and
// `rpc.discover` answers with the first.

// OpenRPC 1.3: the backends' methods with their params by name. `mutates` says whether a method
// changes something, or nothing for one that is not to be shown.
[[nodiscard]] Json openrpc_document(
    const SchemaSet& schemas, std::string_view version,
    const std::function<std::optional<bool>(std::string_view method)>& mutates);
// AsyncAPI 3.0: the events, on the control socket and by webhooks.
[[nodiscard]] Json asyncapi_document(const SchemaSet& schemas, std::string_view version);

}  // namespace parley::control
