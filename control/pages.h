#pragma once

#include <string_view>

#include "control/listener.h"

namespace parley::control {

// The demo page and parley.js as they were compiled in (embedded_files.h), with headers that keep
// the page from loading or becoming anything else. 404 for every other path.
[[nodiscard]] HttpResponse serve_page(std::string_view path, bool demo_page);

}  // namespace parley::control
