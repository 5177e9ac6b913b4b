#include "server/sctp.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <utility>

#include <arpa/inet.h>
#include <usrsctp.h>

namespace parley::server {
namespace {

constexpr std::size_t kHeaderBytes = 12;     // of a packet (RFC 9260, section 3.1)
constexpr std::uint16_t kLocalPort = 5'000;  // as our answers say (RFC 8841)
// A lost INIT must not cost three seconds of a join, which is usrsctp's own first patience.
constexpr std::uint32_t kFirstRtoMs = 400;
constexpr std::uint32_t kMinRtoMs = 200;
constexpr std::uint32_t kMaxInitRtoMs = 1'000;
constexpr rtp::Duration kLongestStep{1'000'000};  // a clock that jumps is not followed
constexpr rtp::Duration kSkew{100'000};           // by so much one worker may be behind another

template <class Option>
bool set(struct socket* socket, int level, int name, const Option& option) {
  return usrsctp_setsockopt(socket, level, name, &option, sizeof(option)) == 0;
}

sockaddr_conn address_of(std::uintptr_t id, std::uint16_t port) {
  sockaddr_conn address{};
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(port);
  // usrsctp's addresses are pointers; ours are numbers, so that a late callback finds nothing
  // instead of freed memory.
  address.sconn_addr = reinterpret_cast<void*>(id);
  return address;
}

}  // namespace

struct SctpAssociation::Mailbox {
  std::mutex mutex;
  State state = State::Connecting;
  std::vector<std::vector<std::uint8_t>> packets;
  std::vector<SctpMessage> messages;
  std::vector<std::uint16_t> resets;
  SctpMessage partial;  // of a message that comes in parts
  bool partial_too_long = false;
  std::uint64_t dropped = 0;

  void take(const void* data, std::size_t size, const sctp_rcvinfo& info, bool complete);
  void notify(const sctp_notification& note, std::size_t size);
};

// What the process has of usrsctp: begun with the first association, never ended.
struct SctpAssociation::Stack {
  std::mutex mutex;
  std::map<std::uintptr_t, std::weak_ptr<Mailbox>> mailboxes;
  std::uintptr_t last_id = 0;
  std::mutex timers;  // one thread at a time lets time pass
  rtp::Time passed{};

  static Stack& get() {
    static Stack* const stack = new Stack;  // for the life of the process: it has a thread
    return *stack;
  }
  std::shared_ptr<Mailbox> find(const void* id) {
    const std::lock_guard lock(mutex);
    const auto it = mailboxes.find(reinterpret_cast<std::uintptr_t>(id));
    return it == mailboxes.end() ? nullptr : it->second.lock();
  }

 private:
  Stack();
  // Called by usrsctp, on whichever thread it is at work.
  static int on_output(void* id, void* packet, std::size_t size, std::uint8_t, std::uint8_t);
  static int on_receive(struct socket*, sctp_sockstore, void* data, std::size_t size,
                        sctp_rcvinfo info, int flags, void* id);
  friend class SctpAssociation;
};

SctpAssociation::Stack::Stack() {
  usrsctp_init_nothreads(0, &on_output, nullptr);
  usrsctp_sysctl_set_sctp_blackhole(2);  // no word to packets of no association
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auth_enable(0);
  usrsctp_sysctl_set_sctp_sendspace(kBufferBytes);
  usrsctp_sysctl_set_sctp_recvspace(kBufferBytes);
  usrsctp_sysctl_set_sctp_rto_initial_default(kFirstRtoMs);
  usrsctp_sysctl_set_sctp_rto_min_default(kMinRtoMs);
  usrsctp_sysctl_set_sctp_init_rto_max_default(kMaxInitRtoMs);
  usrsctp_sysctl_set_sctp_nr_outgoing_streams_default(kStreams);
  usrsctp_sysctl_set_sctp_nr_incoming_streams_default(kStreams);
  usrsctp_sysctl_set_sctp_delayed_sack_time_default(20);
}

int SctpAssociation::Stack::on_output(void* id, void* packet, std::size_t size, std::uint8_t,
                                      std::uint8_t) {
  const auto mailbox = get().find(id);
  if (!mailbox) return 0;
  const std::lock_guard lock(mailbox->mutex);
  if (mailbox->packets.size() >= kMaxOutgoing) {
    ++mailbox->dropped;
    return 0;
  }
  const auto* bytes = static_cast<const std::uint8_t*>(packet);
  mailbox->packets.emplace_back(bytes, bytes + size);
  return 0;
}

int SctpAssociation::Stack::on_receive(struct socket*, sctp_sockstore, void* data, std::size_t size,
                                       sctp_rcvinfo info, int flags, void* id) {
  const std::unique_ptr<void, decltype(&std::free)> owned(data, &std::free);
  const auto mailbox = get().find(id);
  if (data == nullptr || !mailbox) return 1;
  const std::lock_guard lock(mailbox->mutex);
  if ((flags & MSG_NOTIFICATION) == 0) {
    mailbox->take(data, size, info, (flags & MSG_EOR) != 0);
  } else if (size >= sizeof(sctp_notification::sctp_tlv)) {
    mailbox->notify(*static_cast<const sctp_notification*>(data), size);
  }
  return 1;
}

// Messages that are longer than usrsctp likes come in parts, one message after the other.
void SctpAssociation::Mailbox::take(const void* data, std::size_t size, const sctp_rcvinfo& info,
                                    bool complete) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  partial.stream = info.rcv_sid;
  partial.ppid = ntohl(info.rcv_ppid);
  if (partial.bytes.size() + size > kMaxMessage) {
    partial_too_long = true;
  } else if (!partial_too_long) {
    partial.bytes.insert(partial.bytes.end(), bytes, bytes + size);
  }
  if (!complete) return;
  SctpMessage message = std::exchange(partial, {});
  const bool refused = std::exchange(partial_too_long, false) || messages.size() >= kMaxIncoming;
  if (refused) {
    ++dropped;
  } else {
    messages.push_back(std::move(message));
  }
}

void SctpAssociation::Mailbox::notify(const sctp_notification& note, std::size_t size) {
  if (note.sn_header.sn_type == SCTP_ASSOC_CHANGE && size >= sizeof(sctp_assoc_change)) {
    switch (note.sn_assoc_change.sac_state) {
      case SCTP_COMM_UP:
      case SCTP_RESTART:
        state = State::Up;
        break;
      default:
        state = State::Down;
        break;
    }
  }
  if (note.sn_header.sn_type != SCTP_STREAM_RESET_EVENT || size < sizeof(sctp_stream_reset_event)) {
    return;
  }
  const sctp_stream_reset_event& event = note.sn_strreset_event;
  if ((event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) == 0) return;
  const std::size_t count = (size - sizeof(event)) / sizeof(std::uint16_t);
  for (std::size_t i = 0; i < count && resets.size() < kStreams; ++i) {
    resets.push_back(event.strreset_stream_list[i]);
  }
}

SctpAssociation::SctpAssociation(std::uintptr_t id, std::shared_ptr<Mailbox> mailbox)
    : id_(id), mailbox_(std::move(mailbox)) {}

std::unique_ptr<SctpAssociation> SctpAssociation::open(std::uint16_t remote_port) {
  Stack& stack = Stack::get();
  auto mailbox = std::make_shared<Mailbox>();
  std::uintptr_t id = 0;
  {
    const std::lock_guard lock(stack.mutex);
    id = ++stack.last_id;
    stack.mailboxes[id] = mailbox;
  }
  usrsctp_register_address(reinterpret_cast<void*>(id));
  std::unique_ptr<SctpAssociation> association(new SctpAssociation(id, std::move(mailbox)));
  if (!association->connect(remote_port)) return nullptr;
  return association;
}

bool SctpAssociation::connect(std::uint16_t remote_port) {
  socket_ = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, &Stack::on_receive, nullptr, 0,
                           reinterpret_cast<void*>(id_));
  if (socket_ == nullptr) return false;
  const linger at_once{1, 0};
  const std::uint32_t yes = 1;
  sctp_assoc_value resets{};
  resets.assoc_id = SCTP_ALL_ASSOC;
  resets.assoc_value = SCTP_ENABLE_RESET_STREAM_REQ;
  sctp_initmsg streams{};
  streams.sinit_num_ostreams = kStreams;
  streams.sinit_max_instreams = kStreams;
  sctp_paddrparams path{};
  path.spp_flags = SPP_PMTUD_DISABLE;
  path.spp_pathmtu = static_cast<std::uint32_t>(kMtu - kHeaderBytes);  // usrsctp adds it
  bool done = usrsctp_set_non_blocking(socket_, 1) == 0 &&
              set(socket_, SOL_SOCKET, SO_LINGER, at_once) &&
              set(socket_, IPPROTO_SCTP, SCTP_NODELAY, yes) &&
              set(socket_, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, resets) &&
              set(socket_, IPPROTO_SCTP, SCTP_INITMSG, streams) &&
              set(socket_, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, path);
  for (const int type : {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT}) {
    sctp_event event{};
    event.se_assoc_id = SCTP_ALL_ASSOC;
    event.se_type = static_cast<std::uint16_t>(type);
    event.se_on = 1;
    done = done && set(socket_, IPPROTO_SCTP, SCTP_EVENT, event);
  }
  sockaddr_conn local = address_of(id_, kLocalPort);
  sockaddr_conn remote = address_of(id_, remote_port);
  done = done && usrsctp_bind(socket_, reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0;
  if (!done) return false;
  return usrsctp_connect(socket_, reinterpret_cast<sockaddr*>(&remote), sizeof(remote)) == 0 ||
         errno == EINPROGRESS;
}

SctpAssociation::~SctpAssociation() {
  if (socket_ != nullptr) usrsctp_close(socket_);
  usrsctp_deregister_address(reinterpret_cast<void*>(id_));
  Stack& stack = Stack::get();
  const std::lock_guard lock(stack.mutex);
  stack.mailboxes.erase(id_);
}

void SctpAssociation::on_packet(rtp::ConstBytes packet) {
  usrsctp_conninput(reinterpret_cast<void*>(id_), packet.data(), packet.size(), 0);
}

void SctpAssociation::advance(rtp::Time now) {
  Stack& stack = Stack::get();
  const std::unique_lock lock(stack.timers, std::try_to_lock);
  if (!lock) return;
  const rtp::Duration step = now - stack.passed;
  if (step < -kSkew || step > kLongestStep) {
    stack.passed = now;
    return;
  }
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(step);
  if (whole.count() < 1) return;
  stack.passed += whole;
  usrsctp_handle_timers(static_cast<std::uint32_t>(whole.count()));
}

SctpAssociation::State SctpAssociation::state() const {
  const std::lock_guard lock(mailbox_->mutex);
  return mailbox_->state;
}

SctpAssociation::Sent SctpAssociation::send(std::uint16_t stream, DataPpid ppid,
                                            rtp::ConstBytes message, const Delivery& delivery) {
  sctp_sendv_spa how{};
  how.sendv_flags = SCTP_SEND_SNDINFO_VALID;
  how.sendv_sndinfo.snd_sid = stream;
  how.sendv_sndinfo.snd_ppid = htonl(static_cast<std::uint32_t>(ppid));
  how.sendv_sndinfo.snd_flags = SCTP_EOR;
  if (!delivery.ordered) how.sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
  if (delivery.max_retransmits) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo.pr_policy = SCTP_PR_SCTP_RTX;
    how.sendv_prinfo.pr_value = *delivery.max_retransmits;
  } else if (delivery.max_lifetime_ms) {
    how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    how.sendv_prinfo.pr_policy = SCTP_PR_SCTP_TTL;
    how.sendv_prinfo.pr_value = *delivery.max_lifetime_ms;
  }
  const auto sent = usrsctp_sendv(socket_, message.data(), message.size(), nullptr, 0, &how,
                                  sizeof(how), SCTP_SENDV_SPA, 0);
  if (sent >= 0) return Sent::Yes;
  return errno == EWOULDBLOCK || errno == EAGAIN || errno == EMSGSIZE ? Sent::Full : Sent::Failed;
}

void SctpAssociation::reset(std::uint16_t stream) {
  alignas(sctp_reset_streams) std::array<std::uint8_t, sizeof(sctp_reset_streams) + 2> room{};
  auto* const request = reinterpret_cast<sctp_reset_streams*>(room.data());
  request->srs_assoc_id = SCTP_ALL_ASSOC;
  request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  request->srs_number_streams = 1;
  std::memcpy(room.data() + sizeof(sctp_reset_streams), &stream, sizeof(stream));
  // Refused while another reset is under way; the peer, who closes his direction too, asks again.
  usrsctp_setsockopt(socket_, IPPROTO_SCTP, SCTP_RESET_STREAMS, request,
                     static_cast<socklen_t>(room.size()));
}

std::vector<std::vector<std::uint8_t>> SctpAssociation::take_packets() {
  const std::lock_guard lock(mailbox_->mutex);
  return std::exchange(mailbox_->packets, {});
}

std::vector<SctpMessage> SctpAssociation::take_messages() {
  const std::lock_guard lock(mailbox_->mutex);
  return std::exchange(mailbox_->messages, {});
}

std::vector<std::uint16_t> SctpAssociation::take_resets() {
  const std::lock_guard lock(mailbox_->mutex);
  return std::exchange(mailbox_->resets, {});
}

std::uint64_t SctpAssociation::dropped() const {
  const std::lock_guard lock(mailbox_->mutex);
  return mailbox_->dropped;
}

}  // namespace parley::server
