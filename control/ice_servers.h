#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/json.h"

namespace parley::control {

// What a participant's RTCPeerConnection is given to get through his network, as it goes into the
// answer of `join` and of `ice_servers.renew`: `ice_servers` in the form of RTCIceServer, and, if
// any of them are good for a time only, `ice_servers_expire_ms`: when the first of them is not any
// more.
//
// Where a TURN server shares a secret with us the credential is made for `identity` (the scheme of
// draft-uberti-behave-turn-rest-00, section 2.2, `use-auth-secret` of coturn): the username is
// "<seconds since 1970 when it expires>:<identity>", the credential the Base64 of its HMAC-SHA1
// under the secret. The TURN server needs nothing else to check it, and never asks us.
void add_ice_servers(Json& to, const std::vector<config::IceServer>& servers,
                     std::string_view identity, std::int64_t wall_ms);

}  // namespace parley::control
