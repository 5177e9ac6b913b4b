// A compound RTCP datagram: every message is looked at to its last byte, and what the writer can
// say must read back.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>
#include <vector>

#include "rtp/rtcp_reader.h"
#include "rtp/rtcp_writer.h"
#include "rtp/twcc.h"

using namespace parley::rtp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<ReportBlock> copy_of(const WireList<ReportBlock>& blocks) {
  std::vector<ReportBlock> copy;
  for (const ReportBlock block : blocks) copy.push_back(block);
  return copy;
}

struct Rewrite {
  RtcpWriter& writer;

  bool operator()(const SenderReport& m) const {
    const SenderInfo info{m.sender, m.ntp, m.timestamp, m.packets_sent, m.octets_sent};
    return writer.sender_report(info, copy_of(m.blocks));
  }
  bool operator()(const ReceiverReport& m) const {
    return writer.receiver_report(m.sender, copy_of(m.blocks));
  }
  bool operator()(const SourceDescription& m) const { return writer.cname(m.source, m.cname); }
  bool operator()(const Bye& m) const {
    std::vector<Ssrc> sources;
    for (const Ssrc source : m.sources) sources.push_back(source);
    return writer.bye(sources) || sources.empty();
  }
  bool operator()(const Nack& m) const {
    std::vector<Seq> missing;
    m.for_each_missing([&](Seq seq) { missing.push_back(seq); });
    return writer.nack(m.sender, m.media, missing);
  }
  bool operator()(const Pli& m) const { return writer.pli(m.sender, m.media); }
  bool operator()(const Fir& m) const {
    bool ok = true;
    for (const FirItem item : m.items) ok = writer.fir(m.sender, item.media, item.number) && ok;
    return ok;
  }
  bool operator()(const Remb& m) const {
    require(m.bitrate.value >= 0);
    for (const Ssrc source : m.sources) (void)source;
    return true;
  }
  bool operator()(const ReferenceTime& m) const {
    return writer.reference_delays(Ssrc{1}, std::array{ReferenceDelay{m.receiver, 2, 3}});
  }
  bool operator()(const TransportCc& m) const {
    (void)TwccFeedback::parse(m.feedback);
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // no datagram
  const std::vector<std::uint8_t> bytes(data, data + size);
  // Numbers out of order cost an item each: 17 times what was read, at the most.
  std::vector<std::uint8_t> out(32 * size + 64);
  RtcpWriter writer(out);
  RtcpReader reader(bytes);
  while (const auto message = reader.next()) {
    const std::size_t before = writer.size();
    const bool written = std::visit(Rewrite{writer}, *message);
    require(written || writer.room().size() < 0x10000 || writer.size() == before);
  }
  RtcpReader again(writer.written());
  while (again.next()) {
  }
  require(again.malformed() == 0);
  return 0;
}
