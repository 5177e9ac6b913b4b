#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

struct ssl_st;
struct ssl_ctx_st;

namespace parley::control {

// A certificate and its key for one name, signed by itself: browsers warn once and go on. Used by
// `scripts/run --public`. `host` is a DNS name or an IP address and becomes the only
// subjectAltName; ECDSA P-256, valid for 397 days from `now_ms` (wall clock).
struct SelfSigned {
  std::string cert_pem;
  std::string key_pem;
};
[[nodiscard]] tl::expected<SelfSigned, std::string> make_self_signed(std::string_view host,
                                                                     std::int64_t now_ms);

// What all connections of a listener share: TLS 1.2 or newer, no renegotiation, no compression,
// buffers given back while idle.
class TlsContext {
 public:
  // Reads PEM files; the error names the file and the reason.
  [[nodiscard]] static tl::expected<TlsContext, std::string> from_files(
      const std::string& certificate_file, const std::string& key_file);
  [[nodiscard]] ssl_ctx_st* get() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

// One TLS connection between two memory buffers (server side). It touches no socket: ciphertext
// goes in by `receive`, comes out by `take_output`, after each call.
class TlsStream {
 public:
  explicit TlsStream(const TlsContext& context);

  enum class Status : std::uint8_t { Ok, Closed /* the peer's close_notify */, Failed };
  // Appends what it deciphers to `plain`.
  [[nodiscard]] Status receive(std::string_view ciphertext, std::string& plain);
  // Enciphers all of it; false when the connection is broken or not yet shaken hands.
  [[nodiscard]] bool send(std::string_view plain);
  // Queues our close_notify.
  void shutdown();
  // Moves ciphertext that waits to the end of `into`.
  void take_output(std::string& into);
  [[nodiscard]] bool established() const noexcept;

 private:
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  std::unique_ptr<ssl_st, Free> ssl_;
};

}  // namespace parley::control
