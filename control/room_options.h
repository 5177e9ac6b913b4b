#pragma once

#include <string>

#include <tl/expected.hpp>

#include "config/config.h"
#include "control/json.h"
#include "control/params.h"
#include "control/room.h"
#include "control/tenants.h"

namespace parley::control {

// What a backend decides about a kind of room rather than about one: who waits, what is recorded,
// when it ends. Read in one place, for room.create and room.update and for what the rooms of a
// tenant get when room.create does not say (tenant.put, `defaults`), so that both take the same.

// Members that are named replace those of the config.
void read_room_options(Params& params, const config::Rooms& limits, RoomConfig& config);
// The params' `defaults`, as a tenant keeps them; a mistake in them is told as `defaults.x`.
[[nodiscard]] Json read_room_defaults(Params& params, const config::Rooms& limits);
// What the configuration says of codecs, or which name is none.
[[nodiscard]] tl::expected<void, std::string> check_codecs(const config::Rooms& server);
// A room of this tenant (null: nobody told us of him) before room.create has said anything.
[[nodiscard]] RoomConfig default_room(const config::Rooms& server, const Tenant* tenant);

}  // namespace parley::control
