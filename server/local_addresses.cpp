#include "server/local_addresses.h"

#include <algorithm>
#include <memory>

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

namespace parley::server {
namespace {

void add(std::vector<Candidate>& list, const TransportAddress& address) {
  const Candidate candidate{address.ip_string(), address.port()};
  if (std::find(list.begin(), list.end(), candidate) == list.end()) list.push_back(candidate);
}

bool link_local(const TransportAddress& address) {
  const rtp::ConstBytes ip = address.ip();
  if (address.is_v4()) return ip[0] == 169 && ip[1] == 254;
  return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

}  // namespace

std::vector<TransportAddress> interface_addresses() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(raw, &::freeifaddrs);
  std::vector<TransportAddress> found;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0 || entry->ifa_addr == nullptr) continue;
    const auto address = TransportAddress::from(entry->ifa_addr);
    if (address && !link_local(*address)) found.push_back(*address);
  }
  std::stable_partition(found.begin(), found.end(),
                        [](const TransportAddress& a) { return !a.is_loopback(); });
  return found;
}

std::vector<Candidate> candidates_for(const std::vector<TransportAddress>& bound,
                                      const std::vector<std::string>& announced,
                                      const std::vector<TransportAddress>& interfaces) {
  std::vector<Candidate> public_ones;
  std::vector<Candidate> loopback;
  for (const TransportAddress& address : bound) {
    for (const std::string& text : announced) {
      const auto named = TransportAddress::parse_ip(text, address.port());
      if (named && named->is_v4() == address.is_v4()) add(public_ones, *named);
    }
    std::vector<TransportAddress> own{address};
    if (address.is_unspecified()) own = interfaces;
    for (const TransportAddress& one : own) {
      if (one.is_v4() != address.is_v4()) continue;
      if (one.is_loopback()) {
        add(loopback, one.with_port(address.port()));
      } else if (announced.empty()) {
        add(public_ones, one.with_port(address.port()));
      }
    }
  }
  public_ones.insert(public_ones.end(), loopback.begin(), loopback.end());
  return public_ones;
}

}  // namespace parley::server
