#include "control/http_parser.h"

#include <algorithm>
#include <utility>

#include <llhttp.h>

#include "control/url.h"

namespace parley::control {
namespace {

// A chunked body of one byte per chunk takes seven on the wire; more than this is padding.
constexpr std::size_t kWireBytesPerBodyByte = 8;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_no_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// Fields that may come once only: which of two counts would be a guess, and guesses differ.
bool must_be_single(std::string_view name) {
  return name == "host" || name == "authorization" || name == "content-type" ||
         name == "content-length" || name == "range" || name == "expect" ||
         name == "sec-websocket-key" || name == "sec-websocket-version";
}

}  // namespace

struct HttpParser::Impl {
  explicit Impl(Limits wanted) : limits(wanted) {
    llhttp_settings_init(&settings);
    settings.on_message_begin = [](llhttp_t* p) { return self(p).begin(); };
    settings.on_url = [](llhttp_t* p, const char* at, std::size_t size) {
      self(p).url.append(at, size);
      return 0;
    };
    settings.on_header_field = [](llhttp_t* p, const char* at, std::size_t size) {
      self(p).name.append(at, size);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, std::size_t size) {
      self(p).value.append(at, size);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* p) { return self(p).header_complete(); };
    settings.on_headers_complete = [](llhttp_t* p) { return self(p).head_complete(); };
    settings.on_body = [](llhttp_t* p, const char* at, std::size_t size) {
      return self(p).body(at, size);
    };
    settings.on_message_complete = [](llhttp_t* p) { return self(p).message_complete(); };
    start();
  }
  static Impl& self(llhttp_t* p) { return *static_cast<Impl*>(p->data); }

  void start() {
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = this;
    request = {};
    url.clear();
    name.clear();
    value.clear();
    wire_bytes = 0;
    previous = '\0';
    line_seen = false;
    head_scanned = false;
    websocket = false;
    expect_continue = false;
    state = State::Idle;
  }

  int fail(int status, std::string what) {
    if (state != State::Failed) error = {status, std::move(what)};
    state = State::Failed;
    return -1;
  }

  int begin() {
    state = State::Head;
    return 0;
  }

  int header_complete() {
    if (state == State::Body) {  // a trailer of a chunked body: allowed, and of no use to us
      name.clear();
      value.clear();
      return 0;
    }
    if (request.headers.size() >= limits.headers) return fail(431, "too many header fields");
    if (name.empty()) return fail(400, "header field without a name");
    std::transform(name.begin(), name.end(), name.begin(), lower);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
    if (must_be_single(name) && request.header(name) != nullptr) {
      return fail(400, "header field " + name + " comes twice");
    }
    request.headers.emplace_back(std::move(name), std::move(value));
    name.clear();
    value.clear();
    return 0;
  }

  int head_complete() {
    const auto method = static_cast<llhttp_method_t>(parser.method);
    if (parser.http_major != 1 || parser.http_minor > 1) return fail(505, "not HTTP/1.1");
    if (method == HTTP_CONNECT) return fail(405, "CONNECT is not served");
    request.method = llhttp_method_name(method);
    auto target = parse_target(url);
    if (!target) return fail(400, "bad request target");
    request.path = std::move(target->path);
    request.query = std::move(target->query);
    if (parser.http_minor == 1 && request.header("host") == nullptr) {
      return fail(400, "header field host is missing");
    }
    if (const std::string* expect = request.header("expect")) {
      if (!equals_no_case(*expect, "100-continue")) return fail(417, "unknown expectation");
      expect_continue = parser.http_minor == 1;
    }
    if ((parser.flags & F_CONTENT_LENGTH) != 0 && parser.content_length > limits.body_bytes) {
      return fail(413, "body is too long");
    }
    const std::string* upgrade = request.header("upgrade");
    websocket = parser.upgrade != 0 && upgrade != nullptr && equals_no_case(*upgrade, "websocket");
    // Other upgrades may be ignored (RFC 9110, section 7.8): curl offers h2c as it goes.
    if (!websocket) parser.upgrade = 0;
    state = State::Body;
    return 0;
  }

  int body(const char* at, std::size_t size) {
    if (request.body.size() + size > limits.body_bytes) return fail(413, "body is too long");
    request.body.append(at, size);
    return 0;
  }

  int message_complete() {
    state = State::Complete;
    keeps_alive = llhttp_should_keep_alive(&parser) != 0;
    return HPE_PAUSED;
  }

  // What llhttp lets pass and other servers read differently (RFC 9112, sections 2.2 and 5.2): a
  // line that ends without CR, a field that goes on in the next line. Empty if there is none.
  std::string_view bad_line(std::string_view bytes) {
    for (const char c : bytes) {
      if (head_scanned) return {};
      if (c == '\n' && previous != '\r') return "line feed without carriage return";
      if (previous == '\n' && (c == ' ' || c == '\t')) return "folded header field";
      head_scanned = line_seen && previous == '\n' && c == '\r';
      line_seen = line_seen || (c != '\r' && c != '\n');  // empty lines may come before
      previous = c;
    }
    return {};
  }

  std::size_t execute(std::string_view bytes) {
    if (const std::string_view what = bad_line(bytes); !what.empty()) {
      (void)fail(400, std::string(what));
      return 0;
    }
    const llhttp_errno_t result = llhttp_execute(&parser, bytes.data(), bytes.size());
    if (result == HPE_OK) return bytes.size();
    const char* stopped = llhttp_get_error_pos(&parser);
    const std::size_t taken =
        stopped != nullptr ? static_cast<std::size_t>(stopped - bytes.data()) : 0;
    if (state != State::Complete && state != State::Failed) {
      const char* why = llhttp_get_error_reason(&parser);
      (void)fail(result == HPE_INVALID_VERSION ? 505 : 400,
                 why != nullptr && *why != '\0' ? why : llhttp_errno_name(result));
    }
    return std::min(taken, bytes.size());
  }

  Limits limits;
  llhttp_settings_t settings{};
  llhttp_t parser{};
  State state = State::Idle;
  Error error;
  HttpRequest request;
  std::string url;
  std::string name;
  std::string value;
  std::size_t wire_bytes = 0;  // of this request
  char previous = '\0';
  bool line_seen = false;
  bool head_scanned = false;  // the empty line has come
  bool websocket = false;
  bool expect_continue = false;
  bool keeps_alive = false;
};

HttpParser::HttpParser() : HttpParser(Limits{}) {}
HttpParser::HttpParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpParser::~HttpParser() = default;

std::size_t HttpParser::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && impl_->state != State::Complete && impl_->state != State::Failed) {
    const bool in_head = impl_->state != State::Body;
    const std::size_t limit =
        in_head ? impl_->limits.head_bytes
                : impl_->limits.head_bytes + impl_->limits.body_bytes * kWireBytesPerBodyByte;
    if (impl_->wire_bytes >= limit) {
      (void)(in_head ? impl_->fail(431, "header is too long")
                     : impl_->fail(413, "body is too long"));
      break;
    }
    // Never more than the limit at once, so that the limit holds whatever comes in one piece.
    const std::string_view piece = bytes.substr(taken, limit - impl_->wire_bytes);
    const std::size_t used = impl_->execute(piece);
    impl_->wire_bytes += used;
    taken += used;
    if (used == 0) break;
  }
  return taken;
}

HttpParser::State HttpParser::state() const noexcept { return impl_->state; }
const HttpRequest& HttpParser::request() const noexcept { return impl_->request; }
bool HttpParser::expects_continue() const noexcept { return impl_->expect_continue; }
bool HttpParser::wants_websocket() const noexcept { return impl_->websocket; }
bool HttpParser::keep_alive() const noexcept { return impl_->keeps_alive; }
const HttpParser::Error& HttpParser::error() const noexcept { return impl_->error; }

HttpRequest HttpParser::take_request() {
  HttpRequest request = std::move(impl_->request);
  impl_->start();
  return request;
}

std::string_view http_reason(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace parley::control
