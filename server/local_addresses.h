#pragma once

#include <string>
#include <vector>

#include "server/address.h"
#include "server/api.h"

namespace parley::server {

// The addresses of this host's interfaces that are up, without link-local ones (a candidate with a
// zone means nothing elsewhere). Loopback ones come last.
[[nodiscard]] std::vector<TransportAddress> interface_addresses();

// What an answer's candidate lines say for sockets bound to `bound`: `announced` instead, if there
// are any (1:1 NAT); else the bound addresses, a wildcard standing for all of `interfaces` of its
// family. Loopback always comes last and is kept, so that a browser on the same machine connects.
[[nodiscard]] std::vector<Candidate> candidates_for(
    const std::vector<TransportAddress>& bound, const std::vector<std::string>& announced,
    const std::vector<TransportAddress>& interfaces);

}  // namespace parley::server
