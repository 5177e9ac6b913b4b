#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/negotiation.h"
#include "control/sdp.h"
#include "server/api.h"

namespace parley::control {

// Our end of the transport, the same for every participant of a worker.
struct AnswerTransport {
  std::string fingerprint;  // "sha-256 4A:AD:..."
  std::vector<server::Candidate> candidates;
  std::uint32_t max_publish_bitrate_kbps = 0;  // 0: nothing said
};

// The answer to an offer (RFC 3264, RFC 8829): ICE-lite, DTLS server, one bundle, m-lines in the
// offer's order with its mids, payload types and extension ids; rejected ones with port 0.
[[nodiscard]] std::string write_answer(const sdp::Offer& offer, const Plan& plan,
                                       const AnswerTransport& transport);

}  // namespace parley::control
