#include "bench/load/peer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rtp/bytes.h"
#include "rtp/classify.h"
#include "rtp/packet.h"
#include "rtp/rtcp_writer.h"
#include "server/random.h"

namespace parley::bench {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBatch = 16;
constexpr std::size_t kMaxDatagram = 1'500;
// Where a packet says when it was sent: behind everything that a server looks at.
constexpr std::size_t kStampSize = 8;
constexpr std::size_t kMinStamped = 60;

int open_socket() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  const int on = 1;
  const int buffer = 1 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    throw std::runtime_error("no UDP socket; is the limit of open files high enough?");
  }
  return fd;
}

// What recvmmsg needs, shared by all peers: it is used within one call only.
struct Batch {
  std::array<mmsghdr, kBatch> headers{};
  std::array<iovec, kBatch> vectors{};
  std::array<std::array<std::uint8_t, kMaxDatagram>, kBatch> bytes{};
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, CMSG_SPACE(sizeof(timespec))> bytes{};
  };
  std::array<Control, kBatch> controls{};
};

Nanoseconds stamp_of(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec t{};
    std::memcpy(&t, CMSG_DATA(c), sizeof t);
    return static_cast<Nanoseconds>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
  }
  return 0;
}

}  // namespace

Peer::Peer(const server::DtlsContext& dtls, std::size_t index)
    : dtls_(dtls), index_(index), fd_(open_socket()) {}

Peer::~Peer() { close(fd_); }

server::IceCredentials Peer::credentials(std::size_t index) {
  return {"load" + std::to_string(index), "apasswordofaloadclient0000"};
}

bool Peer::advance() {
  const auto remote = entry_->advance();
  if (!remote) return false;
  sockaddr_storage to{};
  const std::size_t size = remote->address.to(to);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&to), static_cast<socklen_t>(size)) != 0) {
    throw std::runtime_error("cannot reach " + remote->address.to_string());
  }
  client_.emplace(dtls_,
                  client::ClientParams{credentials(index_), remote->credentials,
                                       remote->fingerprints, remote->address},
                  server::system_random());
  return true;
}

void Peer::publish_audio(client::SyntheticAudio::Options options) {
  audio_.emplace(options, transport_);
}

void Peer::start(rtp::Time now) {
  client_->start(now);
  // Spread over a second, as those of many browsers are.
  next_report_ = now + milliseconds(index_ * 37 % 1'000);
  flush();
}

void Peer::on_readable(rtp::Time now, Received& received) {
  static Batch b;
  for (;;) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      b.vectors[i] = {b.bytes[i].data(), kMaxDatagram};
      msghdr& header = b.headers[i].msg_hdr;
      header = {};
      header.msg_iov = &b.vectors[i];
      header.msg_iovlen = 1;
      header.msg_control = b.controls[i].bytes.data();
      header.msg_controllen = b.controls[i].bytes.size();
    }
    const int count = recvmmsg(fd_, b.headers.data(), kBatch, 0, nullptr);
    for (int k = 0; k < count; ++k) {
      const auto i = static_cast<std::size_t>(k);
      const rtp::Bytes datagram(b.bytes[i].data(), b.headers[i].msg_len);
      if (rtp::classify(datagram) == rtp::DatagramKind::Rtp) {
        on_rtp(now, datagram, stamp_of(b.headers[i].msg_hdr), received);
      } else {
        client_->on_datagram(now, datagram);
      }
    }
    if (count < static_cast<int>(kBatch)) break;
  }
  if (!connected_at_ && client_->connected()) connected_at_ = now;
  flush();
}

void Peer::on_rtp(rtp::Time now, rtp::Bytes datagram, Nanoseconds stamp, Received& received) {
  ++received.packets;
  received.bytes += datagram.size();
  // The header is not encrypted.
  const rtp::Ssrc ssrc{rtp::load32(datagram, 8)};
  auto& stream = streams_.try_emplace(ssrc.value, 90'000).first->second;
  std::ignore = stream.on_packet(rtp::Seq{rtp::load16(datagram, 2)},
                                 rtp::RtpTimestamp{rtp::load32(datagram, 4)}, datagram.size(), now);
  if (arrivals_) arrivals_->on_datagram(datagram, client::kTransportCcId, now);
  if (counted_++ % kOpenEvery != 0) return;
  const auto opened = client_->on_datagram(now, datagram);
  ++received.opened;
  if (opened.kind != client::Client::Received::Kind::Rtp) {
    ++received.refused;
    return;
  }
  std::vector<std::uint8_t> copy(opened.packet.begin(), opened.packet.end());
  const auto packet = rtp::Packet::parse(copy);
  if (!packet || packet->payload().size() < kMinStamped || stamp == 0) return;
  const rtp::ConstBytes tail = packet->payload().last(kStampSize);
  const auto sent = static_cast<Nanoseconds>(rtp::load64(tail, 0));
  if (stamp > sent && stamp - sent < 60'000'000'000) received.latency.add(stamp - sent);
}

void Peer::tell_arrivals() {
  const rtp::Ssrc sender{static_cast<std::uint32_t>(0x1000'0000 + index_)};
  arrivals_ = std::make_unique<client::Arrivals>(milliseconds(100), sender);
}

void Peer::send_media(rtp::ConstBytes packet) {
  std::array<std::uint8_t, kMaxDatagram> copy;
  std::copy(packet.begin(), packet.end(), copy.begin());
  const rtp::Bytes bytes(copy.data(), packet.size());
  const auto parsed = rtp::Packet::parse(bytes);
  if (parsed && parsed->payload().size() >= kMinStamped) {
    rtp::store64(parsed->mutable_payload().last(kStampSize), 0,
                 static_cast<std::uint64_t>(stamp_clock()));
  }
  if (client_->send_rtp(bytes)) ++sent_;
}

void Peer::tick(rtp::Time now) {
  client_->tick(now);
  if (client_->connected()) {
    if (!media_started_ && publish_from_ && now >= *publish_from_) {
      media_started_ = true;
      if (player_) player_->start(now);
      if (audio_) audio_->start(now);
    }
    while (player_ && media_started_) {
      const auto packet = player_->poll(now);
      if (!packet) break;
      send_media(*packet);
    }
    if (audio_ && media_started_)
      audio_->poll(now, [this](rtp::ConstBytes packet) { send_media(packet); });
    if (arrivals_) arrivals_->tick(now, *client_);
    if (now >= next_report_) {
      next_report_ = now + milliseconds(1'000);
      send_reports(now);
    }
  }
  flush();
}

void Peer::send_reports(rtp::Time now) {
  std::vector<rtp::ReportBlock> blocks;
  for (auto& [ssrc, stream] : streams_) {
    const auto report = stream.take_report(now);
    if (!report || blocks.size() == rtp::RtcpWriter::kMaxBlocks) continue;
    rtp::ReportBlock block;
    block.ssrc = rtp::Ssrc{ssrc};
    block.fraction_lost = report->fraction_lost;
    block.cumulative_lost = report->cumulative_lost;
    block.highest_seq = report->highest_seq;
    block.jitter = report->jitter;
    blocks.push_back(block);
  }
  if (blocks.empty()) return;
  std::array<std::uint8_t, 1'200> bytes{};
  rtp::RtcpWriter out(bytes);
  const rtp::Ssrc sender{static_cast<std::uint32_t>(0x1000'0000 + index_)};
  out.receiver_report(sender, blocks);
  out.cname(sender, "load");
  client_->send_rtcp(out.written());
}

rtp::Time Peer::next_deadline() const {
  rtp::Time at = client_->next_deadline().value_or(rtp::Time::max());
  if (!client_->connected()) return at;
  at = std::min(at, next_report_);
  if (arrivals_) at = std::min(at, arrivals_->next_deadline().value_or(at));
  if (!media_started_) return std::min(at, publish_from_.value_or(at));
  if (player_) at = std::min(at, player_->next_deadline().value_or(at));
  if (audio_) at = std::min(at, audio_->next_deadline().value_or(at));
  return at;
}

std::int64_t Peer::lost() const {
  std::int64_t sum = 0;
  for (const auto& [ssrc, stream] : streams_) sum += stream.cumulative_lost();
  return sum;
}

void Peer::flush() {
  while (const auto datagram = client_->poll_transmit()) {
    std::ignore = ::send(fd_, datagram->data(), datagram->size(), 0);
  }
}

}  // namespace parley::bench
