#pragma once

#include <cstddef>
#include <memory>

#include <tl/expected.hpp>

#include "rtp/types.h"
#include "server/srtp.h"
#include "server/srtp_keys.h"

struct srtp_ctx_t_;

namespace parley::server {

// The whole of SRTP as libsrtp does it, for one session: the slow engine that the others are judged
// by, since it was written by others. Packets must be well-formed (srtp_layout.h): this library was
// hurt in the past by short headers, CSRC counts, extension lengths and SRTCP without encryption.
class LibSrtp {
 public:
  // nullptr when libsrtp refuses the keys.
  [[nodiscard]] static std::unique_ptr<LibSrtp> create(const SrtpKeys& keys);
  ~LibSrtp();
  LibSrtp(const LibSrtp&) = delete;
  LibSrtp& operator=(const LibSrtp&) = delete;

  // In place, with Sealer::kOverhead bytes behind `size`. The size on the wire, or 0.
  [[nodiscard]] std::size_t seal(rtp::Bytes buffer, std::size_t size, SrtpKind kind) noexcept;
  [[nodiscard]] tl::expected<std::size_t, OpenError> open(rtp::Bytes datagram,
                                                          SrtpKind kind) noexcept;
  void forget_inbound(rtp::Ssrc ssrc) noexcept;
  void forget_outbound(rtp::Ssrc ssrc) noexcept;

 private:
  struct Free {
    void operator()(srtp_ctx_t_* context) const noexcept;
  };
  using Context = std::unique_ptr<srtp_ctx_t_, Free>;
  [[nodiscard]] static Context make(SrtpProfile profile, const SrtpMasterKey& master,
                                    bool inbound) noexcept;
  LibSrtp(Context inbound, Context outbound) noexcept;

  Context inbound_;
  Context outbound_;
};

}  // namespace parley::server
