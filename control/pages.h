#pragma once

#include <string_view>

#include "control/json.h"
#include "control/listener.h"

namespace parley::control {

// The demo page and parley.js as they were compiled in (embedded_files.h), with headers that keep
// the page from loading or becoming anything else. `media_origin`: from where it may play besides
// its own, "https://calls.example.org". 404 for every other path.
[[nodiscard]] HttpResponse serve_page(std::string_view path, bool demo_page,
                                      std::string_view media_origin = {});
// The page that plays a recording: control/web/player.js says what it wants to know of it.
[[nodiscard]] HttpResponse serve_player(const Json& recording, std::string_view media_origin);

}  // namespace parley::control
