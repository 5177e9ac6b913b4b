#include "server/dtls.h"

#include <algorithm>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "rtp/bytes.h"
#include "server/dtls_bio.h"

namespace parley::server {
namespace {

//  struct {                      (RFC 6347, section 4.1)
//    ContentType type;           1 byte
//    ProtocolVersion version;    2
//    uint16 epoch;               2
//    uint48 sequence_number;     6
//    uint16 length;              2
//    opaque fragment[length];
//  } DTLSPlaintext;
constexpr std::size_t kRecordHeader = 13;
constexpr std::uint8_t kChangeCipherSpec = 20;
constexpr std::uint8_t kAlert = 21;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kApplicationData = 23;
constexpr std::uint8_t kFatal = 2;
//  struct {                      (section 4.2.2)
//    HandshakeType msg_type;     1 byte
//    uint24 length;              3
//    uint16 message_seq;         2
//    uint24 fragment_offset;     3
//    uint24 fragment_length;     3
//    body or a fragment of it    for a ClientHello: version (2), random (32), ...
//  } Handshake;
constexpr std::size_t kHandshakeHeader = 12;
constexpr std::uint8_t kClientHello = 1;
constexpr std::uint8_t kServerHello = 2;
constexpr std::size_t kRandomAt = kHandshakeHeader + 2;
// A tag and one byte: less is no record of any of our ciphers, and such have hurt OpenSSL.
constexpr std::size_t kMinProtected = 17;

const EVP_MD* digest_of(HashAlgorithm algorithm) noexcept {
  switch (algorithm) {
    case HashAlgorithm::Sha256:
      return EVP_sha256();
    case HashAlgorithm::Sha384:
      return EVP_sha384();
    case HashAlgorithm::Sha512:
      return EVP_sha512();
  }
  return nullptr;
}

// OpenSSL's own timer, out of reach: an hour in microseconds.
unsigned int never(SSL*, unsigned int) { return 3'600'000'000U; }

// Records in clear get numbers of our own: no tag covers them, and the handshake messages inside
// have their own. On the way in, because OpenSSL takes a number that it has seen, or a much lower
// one, for a replay, so that one forged record could shut out all that follow. On the way out,
// because a flight sent again must not look like a replay, nor that of a new attempt.
void number_clear_records(rtp::Bytes datagram, std::uint32_t& next) noexcept {
  while (datagram.size() >= kRecordHeader) {
    const std::size_t size = kRecordHeader + rtp::load16(datagram, 11);
    if (datagram.size() < size) return;
    if (rtp::load16(datagram, 3) == 0) {
      rtp::store16(datagram, 5, 0);
      rtp::store32(datagram, 7, next++);
    }
    datagram = datagram.subspan(size);
  }
}

}  // namespace

void Dtls::Free::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }

Dtls::Dtls(const DtlsContext& context, DtlsRole role, std::vector<Fingerprint> expected)
    : context_(context), role_(role), expected_(std::move(expected)) {
  begin_attempt();
}

Dtls::~Dtls() = default;

void Dtls::begin_attempt() {
  handshake_bytes_ = handshake_datagrams_ = early_records_ = 0;
  clear_records_in_ = 0;
  flights_ = 0;
  resend_at_.reset();
  ssl_.reset(SSL_new(context_.get()));
  BIO* const bio = ssl_ ? DtlsBio::make(*this) : nullptr;
  if (bio == nullptr) {
    ssl_.reset();
    state_ = State::Failed;
    failure_ = Failure::DtlsFailed;
    return;
  }
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mtu(ssl_.get(), static_cast<long>(kMtu));
  DTLS_set_timer_cb(ssl_.get(), &never);
  if (role_ == DtlsRole::Server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

// A failed attempt of a server is thrown away without a word: whoever forged the bytes that broke
// it shall not make us send a fatal alert to the real client, whose hello will come again.
void Dtls::fail_attempt(Failure why) {
  failure_ = why;
  if (role_ == DtlsRole::Server && why == Failure::DtlsFailed &&
      ++failed_attempts_ < kMaxAttempts) {
    flight_.clear();
    next_out_ = 0;
    begin_attempt();
    return;
  }
  resend_at_.reset();
  ssl_.reset();
  state_ = State::Failed;
}

void Dtls::start(rtp::Time now) {
  if (role_ == DtlsRole::Client && state_ == State::Handshaking && flights_ == 0) handshake(now);
}

Dtls::State Dtls::on_datagram(rtp::Time now, rtp::ConstBytes datagram) {
  if (!ssl_ || state_ == State::Failed || state_ == State::Closed) return state_;
  const bool handshaking = state_ == State::Handshaking;
  if (datagram.size() > kMaxDatagram ||
      (handshaking && (handshake_datagrams_ >= kMaxHandshakeDatagrams ||
                       handshake_bytes_ + datagram.size() > kMaxHandshakeBytes))) {
    ++dropped_;
    return state_;
  }
  if (handshaking) {
    ++handshake_datagrams_;
    handshake_bytes_ += datagram.size();
  }
  const int flights_before = flights_;
  Admitted admitted;
  const bool repeated = admit(now, datagram, admitted);
  if (admitted.size > 0 && ssl_) {
    incoming_ = rtp::ConstBytes(admitted.bytes).first(admitted.size);
    if (handshaking) {
      handshake(now);
    } else {
      read();
    }
    incoming_ = {};
  }
  // The peer says again what we have answered: our answer was lost.
  if (repeated && ssl_ && flights_ == flights_before && now - last_sent_ >= kMinResend) resend(now);
  return state_;
}

// Copies the records that OpenSSL may see. True if the peer repeats its last flight.
bool Dtls::admit(rtp::Time now, rtp::ConstBytes datagram, Admitted& admitted) {
  bool repeated = false;
  while (datagram.size() > kRecordHeader) {
    const std::size_t size = kRecordHeader + rtp::load16(datagram, 11);
    if (datagram.size() < size) break;
    const rtp::ConstBytes record = datagram.first(size);
    datagram = datagram.subspan(size);
    const Verdict verdict = judge(now, record);
    repeated |= verdict == Verdict::Repeated;
    if (verdict != Verdict::Admit) {
      dropped_ += verdict == Verdict::Drop ? 1 : 0;
      continue;
    }
    const rtp::Bytes copy = rtp::Bytes(admitted.bytes).subspan(admitted.size, size);
    std::copy(record.begin(), record.end(), copy.begin());
    number_clear_records(copy, clear_records_in_);
    admitted.size += size;
  }
  if (!datagram.empty()) ++dropped_;
  return repeated;
}

Dtls::Verdict Dtls::judge(rtp::Time now, rtp::ConstBytes record) {
  const std::uint8_t type = record[0];
  const std::uint16_t epoch = rtp::load16(record, 3);
  const std::size_t length = record.size() - kRecordHeader;
  // There are two epochs and no renegotiation. OpenSSL would keep records of later ones in memory.
  if (epoch > 1 || (epoch == 1 && length < kMinProtected)) return Verdict::Drop;

  if (state_ == State::Connected) {
    // What is in clear could come from anybody. A protected handshake record is the client's
    // Finished once more; even if it is not, the answer costs three hundred bytes and is limited.
    if (epoch == 0) return Verdict::Drop;
    if (type == kHandshake && role_ == DtlsRole::Server) return Verdict::Repeated;
    const bool wanted = type == kAlert || (type == kApplicationData && expects_data_);
    return wanted ? Verdict::Admit : Verdict::Drop;
  }
  if (epoch == 1) {
    const bool useful = type == kHandshake || type == kAlert;
    return useful && ++early_records_ <= kMaxEarlyRecords ? Verdict::Admit : Verdict::Drop;
  }
  if (type == kHandshake) return judge_handshake(now, record.subspan(kRecordHeader));
  if (type == kChangeCipherSpec && flights_ > 0) return Verdict::Admit;
  if (type == kAlert && role_ == DtlsRole::Client) return Verdict::Admit;
  if (type == kAlert && length >= 1 && record[kRecordHeader] == kFatal) {
    failure_ = Failure::DtlsFailed;  // to be believed only if nothing better comes in time
  }
  return Verdict::Drop;
}

Dtls::Verdict Dtls::judge_handshake(rtp::Time now, rtp::ConstBytes fragment) {
  if (fragment.size() < kHandshakeHeader) return Verdict::Drop;
  const auto load24 = [&](std::size_t at) {
    return std::size_t{fragment[at]} << 16 | rtp::load16(fragment, at + 1);
  };
  const std::size_t length = load24(1);
  const std::size_t offset = load24(6);
  const std::size_t size = load24(9);
  // Fragments that lie, or are empty, or of a message that nobody needs: OpenSSL would take some
  // of them for the end of the handshake.
  if (length > kMaxHandshakeMessage || offset + size > length || (size == 0 && length > 0) ||
      size > fragment.size() - kHandshakeHeader) {
    return Verdict::Drop;
  }
  const std::uint8_t message = fragment[0];
  if (role_ == DtlsRole::Client) {
    return message == kServerHello && flights_ >= 2 ? Verdict::Repeated : Verdict::Admit;
  }
  if (message == kClientHello) return judge_hello(now, fragment);
  return flights_ > 0 ? Verdict::Admit : Verdict::Drop;
}

Dtls::Verdict Dtls::judge_hello(rtp::Time now, rtp::ConstBytes fragment) {
  const bool first = rtp::load16(fragment, 6) == 0 && fragment[8] == 0;  // offset 0
  if (!first || fragment.size() < kRandomAt + hello_random_.size()) {
    return flights_ > 0 ? Verdict::Drop : Verdict::Admit;
  }
  const rtp::ConstBytes random = fragment.subspan(kRandomAt, hello_random_.size());
  if (flights_ > 0) {
    if (std::equal(random.begin(), random.end(), hello_random_.begin())) return Verdict::Repeated;
    if (now - last_made_ < kTakeOver) return Verdict::Drop;
    begin_attempt();
    if (!ssl_) return Verdict::Drop;
  }
  std::copy(random.begin(), random.end(), hello_random_.begin());
  return Verdict::Admit;
}

void Dtls::handshake(rtp::Time now) {
  ERR_clear_error();
  flight_open_ = false;
  const int done = SSL_do_handshake(ssl_.get());
  if (flight_open_) {
    ++flights_;
    last_made_ = last_sent_ = now;
    retry_ = kFirstRetry;
    resend_at_ = now + retry_;
    flight_open_ = false;
  }
  if (done == 1) {
    finish();
    return;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    fail_attempt(Failure::DtlsFailed);
  }
}

void Dtls::finish() {
  resend_at_.reset();  // the last flight goes again only when the peer asks for it
  const bool matches = certificate_matches();
  if (matches && export_keys()) {
    state_ = State::Connected;
    failure_ = Failure::None;
    read();  // a record may lie behind the Finished
    return;
  }
  flight_open_ = true;
  SSL_shutdown(ssl_.get());
  flight_open_ = false;
  fail_attempt(matches ? Failure::NoSrtpProfile : Failure::FingerprintMismatch);
}

bool Dtls::certificate_matches() const {
  X509* const certificate = SSL_get1_peer_certificate(ssl_.get());
  if (certificate == nullptr) return false;
  bool matches = false;
  for (const Fingerprint& expected : expected_) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    matches |= X509_digest(certificate, digest_of(expected.algorithm), digest.data(), &size) == 1 &&
               size == expected.digest.size() &&
               CRYPTO_memcmp(digest.data(), expected.digest.data(), size) == 0;
  }
  X509_free(certificate);
  return matches;
}

bool Dtls::export_keys() {
  const SRTP_PROTECTION_PROFILE* const chosen = SSL_get_selected_srtp_profile(ssl_.get());
  if (chosen == nullptr) return false;
  const auto profile = static_cast<SrtpProfile>(chosen->id);
  const std::size_t key = key_size(profile);
  const std::size_t salt = salt_size(profile);

  // client key, server key, client salt, server salt (RFC 5764, section 4.2)
  std::array<std::uint8_t, 2 * (SrtpMasterKey::kMaxKeySize + SrtpMasterKey::kMaxSaltSize)> out{};
  constexpr std::string_view kLabel = "EXTRACTOR-dtls_srtp";
  const bool done = SSL_export_keying_material(ssl_.get(), out.data(), 2 * (key + salt),
                                               kLabel.data(), kLabel.size(), nullptr, 0, 0) == 1;
  if (done) {
    const rtp::ConstBytes all(out);
    SrtpMasterKey client(all.subspan(0, key), all.subspan(2 * key, salt));
    SrtpMasterKey server(all.subspan(key, key), all.subspan(2 * key + salt, salt));
    const bool serving = role_ == DtlsRole::Server;
    keys_ = serving ? SrtpKeys{profile, server, client} : SrtpKeys{profile, client, server};
  }
  OPENSSL_cleanse(out.data(), out.size());
  return done;
}

// Only alerts get here once connected: close_notify, or a fatal one that was authenticated; and
// data where it is expected.
void Dtls::read() {
  std::array<std::uint8_t, kMaxDatagram> data{};
  int got = 0;
  do {
    ERR_clear_error();
    got = SSL_read(ssl_.get(), data.data(), static_cast<int>(data.size()));
    if (got > 0 && expects_data_) received_.emplace_back(data.begin(), data.begin() + got);
  } while (got > 0);
  const bool fatal = SSL_get_error(ssl_.get(), got) == SSL_ERROR_SSL;
  if (fatal || (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) {
    state_ = State::Closed;
    resend_at_.reset();
  }
}

// From inside OpenSSL. The first datagram of a flight takes the place of the flight before.
void Dtls::wrote(rtp::ConstBytes datagram) {
  if (sending_data_) {
    sealed_.emplace_back(datagram.begin(), datagram.end());
    return;
  }
  if (!flight_open_) {
    flight_.clear();
    next_out_ = 0;
    flight_open_ = true;
  }
  if (flight_.size() >= kMaxFlightDatagrams) {
    ++dropped_;
    return;
  }
  flight_.emplace_back(datagram.begin(), datagram.end());
  number_clear_records(flight_.back(), clear_records_out_);
}

void Dtls::resend(rtp::Time now) {
  for (std::vector<std::uint8_t>& datagram : flight_) {
    number_clear_records(datagram, clear_records_out_);
  }
  next_out_ = 0;
  last_sent_ = now;
}

void Dtls::tick(rtp::Time now) {
  if (!resend_at_ || now < *resend_at_) return;
  resend(now);
  retry_ = std::min(retry_ * 2, kMaxRetry);
  resend_at_ = now + retry_;
}

std::optional<rtp::Time> Dtls::next_deadline() const noexcept { return resend_at_; }

std::optional<rtp::ConstBytes> Dtls::poll_transmit() {
  if (next_out_ >= flight_.size()) return std::nullopt;
  return flight_[next_out_++];
}

std::optional<SrtpKeys> Dtls::take_keys() { return std::exchange(keys_, std::nullopt); }

void Dtls::close() {
  if (state_ == State::Connected && ssl_) {
    flight_open_ = false;
    SSL_shutdown(ssl_.get());
    flight_open_ = false;
  }
  if (state_ != State::Failed) state_ = State::Closed;
  resend_at_.reset();
}

bool Dtls::send(rtp::ConstBytes data) {
  if (state_ != State::Connected || !ssl_ || data.empty() || data.size() > kMaxData) return false;
  if (next_sealed_ >= sealed_.size()) {
    sealed_.clear();
    next_sealed_ = 0;
  }
  ERR_clear_error();
  sending_data_ = true;
  const int sent = SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
  sending_data_ = false;
  return sent > 0;
}

std::optional<rtp::ConstBytes> Dtls::poll_data() {
  if (next_sealed_ >= sealed_.size()) return std::nullopt;
  return sealed_[next_sealed_++];
}

void Dtls::release() noexcept {
  if (state_ == State::Handshaking) return;
  if (expects_data_ && state_ == State::Connected) {
    resend_at_.reset();
    return;
  }
  ssl_.reset();
  resend_at_.reset();
  if (next_out_ >= flight_.size()) std::exchange(flight_, {});
}

}  // namespace parley::server
