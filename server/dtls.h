#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rtp/types.h"
#include "server/api.h"
#include "server/certificate.h"
#include "server/srtp_keys.h"

struct ssl_st;
struct ssl_ctx_st;

// DTLS 1.2 (RFC 6347) for the keys of SRTP (RFC 5764): datagrams in, datagrams out, either role.
//
// The caller hands in only datagrams from a path that passed an ICE check, and ends an attempt
// that takes too long. OpenSSL does the handshake; its own timer reads a clock, so it is set out
// of reach and the last flight is resent from here.
namespace parley::server {

enum class DtlsRole : std::uint8_t { Server, Client };

// What all handshakes of one thread share. One thread at a time.
class DtlsContext {
 public:
  // Startup only: throws std::runtime_error when OpenSSL cannot.
  explicit DtlsContext(const Certificate& certificate);
  [[nodiscard]] ssl_ctx_st* get() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

class Dtls {
 public:
  static constexpr std::size_t kMtu = 1'200;
  static constexpr std::size_t kMaxDatagram = 1'500;  // longer ones are dropped
  // Of one attempt while its handshake lasts; what comes beyond is dropped and counted.
  static constexpr std::size_t kMaxHandshakeBytes = 131'072;
  static constexpr std::size_t kMaxHandshakeDatagrams = 128;
  static constexpr std::size_t kMaxEarlyRecords = 32;  // of the next epoch
  static constexpr int kMaxAttempts = 8;               // a server's; a client has one
  static constexpr std::size_t kMaxFlightDatagrams = 16;
  static constexpr rtp::Duration kFirstRetry{100'000};  // doubles up to kMaxRetry
  static constexpr rtp::Duration kMaxRetry{1'000'000};
  static constexpr rtp::Duration kMinResend{50'000};  // between answers to repeated flights
  // A ClientHello with another random takes over only if our answer to the one before has been
  // waiting for so long, so that a late or forged one does not disturb a handshake in progress.
  static constexpr rtp::Duration kTakeOver{500'000};
  static constexpr std::size_t kMaxHandshakeMessage = 16'384;

  enum class State : std::uint8_t { Handshaking, Connected, Failed, Closed };
  enum class Failure : std::uint8_t { None, FingerprintMismatch, DtlsFailed, NoSrtpProfile };

  // The peer's certificate must match one of `expected`. The context must outlive this.
  Dtls(const DtlsContext& context, DtlsRole role, std::vector<Fingerprint> expected);
  ~Dtls();
  Dtls(Dtls&&) = delete;  // OpenSSL holds a pointer to this

  // The client's first flight. A server waits for one.
  void start(rtp::Time now);
  State on_datagram(rtp::Time now, rtp::ConstBytes datagram);
  // Resends our last flight when that is due.
  void tick(rtp::Time now);
  [[nodiscard]] std::optional<rtp::Time> next_deadline() const noexcept;
  // The next datagram to send, valid until the next call on this object. Drain it after each of
  // the calls above and below.
  [[nodiscard]] std::optional<rtp::ConstBytes> poll_transmit();

  [[nodiscard]] State state() const noexcept { return state_; }
  // Why it failed. While Handshaking: why the attempt before this one did, or an alert that the
  // peer sent in clear, which anybody could; what to report when the deadline passes.
  [[nodiscard]] Failure failure() const noexcept { return failure_; }
  // Once, after Connected.
  [[nodiscard]] std::optional<SrtpKeys> take_keys();

  // From now on data of an application is taken, and release() keeps what that needs.
  void expect_data() noexcept { expects_data_ = true; }
  // Seals at most kMaxData bytes, for poll_data(). False when it cannot.
  bool send(rtp::ConstBytes data);
  static constexpr std::size_t kMaxData = 1'160;
  // The next datagram of those, valid until the next call on this object.
  [[nodiscard]] std::optional<rtp::ConstBytes> poll_data();
  // What on_datagram() has found, in order.
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take_data() {
    return std::exchange(received_, {});
  }

  // Sends close_notify if connected and not released.
  void close();
  // Call after the first packet that the peer's new keys authenticated: it has our last flight,
  // so everything of OpenSSL goes, some 70 KiB, unless data is expected. A close_notify is not
  // understood afterwards.
  void release() noexcept;
  [[nodiscard]] bool released() const noexcept { return ssl_ == nullptr; }
  // Datagrams and records refused by a limit or by their epoch.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  friend class DtlsBio;  // gives OpenSSL incoming_ and takes what it writes
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };

  enum class Verdict : std::uint8_t { Admit, Drop, Repeated };

  void begin_attempt();
  void fail_attempt(Failure why);
  struct Admitted {
    std::array<std::uint8_t, kMaxDatagram> bytes;
    std::size_t size = 0;
  };
  [[nodiscard]] bool admit(rtp::Time now, rtp::ConstBytes datagram, Admitted& admitted);
  [[nodiscard]] Verdict judge(rtp::Time now, rtp::ConstBytes record);
  [[nodiscard]] Verdict judge_handshake(rtp::Time now, rtp::ConstBytes fragment);
  [[nodiscard]] Verdict judge_hello(rtp::Time now, rtp::ConstBytes fragment);
  void handshake(rtp::Time now);
  void finish();
  void read();
  [[nodiscard]] bool certificate_matches() const;
  [[nodiscard]] bool export_keys();
  void wrote(rtp::ConstBytes datagram);
  void resend(rtp::Time now);

  const DtlsContext& context_;
  const DtlsRole role_;
  const std::vector<Fingerprint> expected_;
  std::unique_ptr<ssl_st, Free> ssl_;
  State state_ = State::Handshaking;
  Failure failure_ = Failure::None;
  int failed_attempts_ = 0;
  std::size_t handshake_bytes_ = 0;
  std::size_t handshake_datagrams_ = 0;
  std::size_t early_records_ = 0;
  std::uint32_t clear_records_in_ = 0;           // admitted in this attempt
  std::uint32_t clear_records_out_ = 0;          // in all attempts
  std::array<std::uint8_t, 32> hello_random_{};  // of the ClientHello of this attempt
  std::uint64_t dropped_ = 0;
  rtp::ConstBytes incoming_;  // what the BIO gives OpenSSL next; only during a call
  std::vector<std::vector<std::uint8_t>> flight_;  // the last one, to be resent
  bool flight_open_ = false;                       // what OpenSSL writes belongs to it
  int flights_ = 0;                                // made in this attempt
  std::size_t next_out_ = 0;                       // first of flight_ not polled yet
  std::optional<rtp::Time> resend_at_;
  rtp::Time last_made_;
  rtp::Time last_sent_;
  rtp::Duration retry_ = kFirstRetry;
  std::optional<SrtpKeys> keys_;
  bool expects_data_ = false;
  bool sending_data_ = false;  // what OpenSSL writes is of an application
  std::vector<std::vector<std::uint8_t>> received_;
  std::vector<std::vector<std::uint8_t>> sealed_;
  std::size_t next_sealed_ = 0;  // first of sealed_ not polled yet
};

}  // namespace parley::server
