#include "server/srtp.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

using namespace parley;

server::SrtpKeys keys(server::SrtpProfile profile) {
  const std::vector<std::uint8_t> key(server::key_size(profile), 0x42);
  const std::vector<std::uint8_t> salt(server::salt_size(profile), 0x24);
  return {profile, {key, salt}, {key, salt}};
}

}  // namespace

// The first byte chooses profile, kind and direction; the rest is a datagram. As one from outside
// it must not open; as one of ours it must, once sealed, open again to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 1'500) return 0;
  constexpr std::array kProfiles = {server::SrtpProfile::AeadAes128Gcm,
                                    server::SrtpProfile::AeadAes256Gcm,
                                    server::SrtpProfile::AesCm128HmacSha1_80};
  const std::size_t which = (data[0] & 0x0F) % kProfiles.size();
  const server::SrtpKind kind =
      (data[0] & 0x80) != 0 ? server::SrtpKind::Rtcp : server::SrtpKind::Rtp;
  const std::vector<std::uint8_t> plain(data + 1, data + size);
  server::Opener opener;

  if ((data[0] & 0x40) == 0) {
    // These never open anything, so they may serve for good: making one is slow.
    static std::array sessions = {server::SrtpSession::create(keys(kProfiles[0])),
                                  server::SrtpSession::create(keys(kProfiles[1])),
                                  server::SrtpSession::create(keys(kProfiles[2]))};
    server::SrtpSession& session = *sessions[which];
    std::vector<std::uint8_t> forged = plain;
    if (opener.open(session, forged, kind) || session.inbound_streams() != 0) std::abort();
    return 0;
  }
  auto session = server::SrtpSession::create(keys(kProfiles[which]));
  if (!session) std::abort();
  std::vector<std::uint8_t> buffer = plain;
  buffer.resize(plain.size() + server::Sealer::kOverhead);
  server::SealItem item{&*session, buffer, plain.size(), kind};
  if (server::Sealer().seal({&item, 1}) == 0) return 0;
  const auto opened = opener.open(*session, rtp::Bytes(buffer).first(item.size), kind);
  if (!opened || *opened != plain.size()) std::abort();
  if (!std::equal(plain.begin(), plain.end(), buffer.begin())) std::abort();
  return 0;
}
