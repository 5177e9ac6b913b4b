#include "control/connection.h"

#include <algorithm>
#include <cerrno>

#include "control/http_writer.h"
#include "control/websocket_handshake.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr std::uint32_t kCloseTimeoutMs = 2'000;
constexpr std::uint32_t kLingerTimeoutMs = 2'000;
// Pipelined bytes that wait for the answer before them.
constexpr std::size_t kMaxPipelined = 65'536;
// A peer that does not read is not read either, from here on.
constexpr std::size_t kPauseReadingAt = 1'048'576;
constexpr std::size_t kFileQueue = 262'144;

int status_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case ENXIO:
    case ENAMETOOLONG:
      return 404;
    case EMFILE:
    case ENFILE:
      return 503;
    default:
      return 500;
  }
}

std::string header_or_empty(const HttpRequest& request, std::string_view name) {
  const std::string* value = request.header(name);
  return value != nullptr ? *value : std::string();
}

}  // namespace

Connection::Connection(ConnectionId id, const ConnectionHost& host, SocketStream::Kind kind,
                       const TlsContext* tls)
    : id_(id),
      host_(host),
      stream_(host.loop.uv(), kind, tls,
              {[this](std::string_view plain) { on_bytes(plain); }, [this] { on_written(); },
               [this](SocketStream::End end) { on_end(end); }, [this] { host_.forget(id_); }}),
      parser_({16'384, 100, host.config.max_message_bytes}) {}

Connection::~Connection() {
  if (timer_) host_.loop.cancel(*timer_);
}

void Connection::start() {
  set_deadline(host_.config.handshake_timeout_ms);
  head_seen_ = true;  // the first head has the time from the accept on
  stream_.start_reading();
}

void Connection::on_bytes(std::string_view plain) {
  heard_at_ = server::Loop::now();
  if (phase_ == Phase::Lingering || phase_ == Phase::Gone) return;  // thrown away
  input_ += plain;
  process();
  steer_reading();
}

void Connection::on_written() {
  if (phase_ == Phase::Streaming) {
    set_deadline(host_.config.idle_timeout_ms);
    pump_file();
  } else if (phase_ == Phase::Reading && !head_seen_) {
    set_deadline(host_.config.idle_timeout_ms);  // it still takes the last answer
  } else if (phase_ == Phase::Lingering) {
    if (peer_ended_ && stream_.queued() == 0) return end();
    set_linger_deadline();
  } else if (phase_ == Phase::Closing && stream_.queued() == 0 && websocket_->peer_close()) {
    stream_.shutdown_when_written();
    return end();  // both close frames are through
  }
  steer_reading();
}

void Connection::on_end(SocketStream::End why) {
  if (why == SocketStream::End::TlsFailed) ++host_.stats.tls_failures;
  peer_ended_ = true;
  const bool answering = phase_ == Phase::Waiting || phase_ == Phase::Streaming;
  if (why == SocketStream::End::Eof && answering) {
    keep_alive_ = false;  // it may have closed its direction only
    return;
  }
  end();
}

void Connection::process() {
  if (processing_) return;  // a handler answered at once: the loop below goes on
  processing_ = true;
  while (phase_ == Phase::Reading && !input_.empty()) read_http();
  if (phase_ == Phase::Open || phase_ == Phase::Closing) read_websocket();
  processing_ = false;
}

void Connection::read_http() {
  const std::size_t taken = parser_.feed(input_);
  input_.erase(0, taken);
  if (parser_.state() != HttpParser::State::Idle && !head_seen_) {
    head_seen_ = true;
    set_deadline(host_.config.handshake_timeout_ms);
  }
  switch (parser_.state()) {
    case HttpParser::State::Failed:
      return fail_request();
    case HttpParser::State::Complete:
      return dispatch();
    case HttpParser::State::Body:
      if (!body_seen_) {
        body_seen_ = true;
        set_deadline(2 * host_.config.handshake_timeout_ms);
      }
      if (parser_.expects_continue() && !continue_sent_) {
        continue_sent_ = true;
        stream_.write("HTTP/1.1 100 Continue\r\n\r\n");
      }
      return;
    case HttpParser::State::Idle:
    case HttpParser::State::Head:
      return;
  }
}

void Connection::fail_request() {
  const HttpParser::Error error = parser_.error();
  const bool oversized = error.status == 413 || error.status == 431;
  ++(oversized ? host_.stats.oversized : host_.stats.bad_http);
  input_.clear();
  keep_alive_ = false;
  phase_ = Phase::Waiting;
  respond(plain_response(error.status, error.what));
}

void Connection::dispatch() {
  const bool websocket = parser_.wants_websocket();
  keep_alive_ = parser_.keep_alive() && !peer_ended_;
  HttpRequest request = parser_.take_request();
  request.remote_address = stream_.remote_address();
  request.tls = !host_.config.tls.certificate_file.empty();
  head_request_ = request.method == "HEAD";
  range_ = request.method == "GET" ? header_or_empty(request, "range") : std::string();
  if_range_ = header_or_empty(request, "if-range");
  if_none_match_ = header_or_empty(request, "if-none-match");
  head_seen_ = body_seen_ = continue_sent_ = false;
  phase_ = Phase::Waiting;
  set_deadline(host_.config.idle_timeout_ms);
  if (websocket) return upgrade(request);
  host_.handlers.on_request(id_, request);
}

void Connection::upgrade(const HttpRequest& request) {
  const auto refuse = [this](HttpResponse response) {
    keep_alive_ = false;  // the client may have sent frames already
    respond(std::move(response));
  };
  if (auto sound = check_websocket_handshake(request); !sound) {
    ++host_.stats.bad_websocket;
    return refuse(std::move(sound.error()));
  }
  auto accepted = host_.handlers.on_upgrade(id_, request);
  if (phase_ != Phase::Waiting) return;  // closed meanwhile
  if (!accepted) return refuse(std::move(accepted.error()));
  // A name that was not offered would make the client fail; none is always right.
  const bool offered = offers_subprotocol(request, accepted->subprotocol);
  stream_.write(switching_head(websocket_accept(*request.header("sec-websocket-key")),
                               offered ? accepted->subprotocol : std::string()));
  websocket_ = std::make_unique<WebSocket>(host_.config.max_message_bytes);
  phase_ = Phase::Open;
  heard_at_ = pinged_at_ = server::Loop::now();
  set_websocket_deadline();
}

void Connection::respond(HttpResponse response) {
  if (phase_ != Phase::Waiting) return;
  if (response.file) {
    response_ = std::move(response);
    return start_file();
  }
  write_response(response);
  finish_response();
}

void Connection::write_response(const HttpResponse& response) {
  std::string bytes =
      response_head(response, response.body.size(), keep_alive_, server::Loop::wall_ms());
  if (!head_request_ && response.status != 204 && response.status != 304) bytes += response.body;
  stream_.write(bytes);
}

void Connection::finish_response() {
  file_.reset();
  if (phase_ == Phase::Gone) return;
  if (!keep_alive_) return linger();
  phase_ = Phase::Reading;
  set_deadline(host_.config.idle_timeout_ms);
  process();
  steer_reading();
}

// Closing at once with bytes unread would make the kernel reset the connection and take the answer
// from the peer. So: say that we are done, throw away what comes, close when it does.
void Connection::linger() {
  phase_ = Phase::Lingering;
  input_.clear();
  if (peer_ended_ && stream_.queued() == 0) return end();
  stream_.shutdown_when_written();
  set_linger_deadline();
  stream_.start_reading();
}

void Connection::set_linger_deadline() {
  set_deadline(stream_.queued() > 0 ? host_.config.idle_timeout_ms : kLingerTimeoutMs);
}

void Connection::start_file() {
  phase_ = Phase::Streaming;
  set_deadline(host_.config.idle_timeout_ms);
  file_ = std::make_unique<FileBody>(
      host_.loop.uv(), *response_.file,
      [this](tl::expected<FileBody::Info, int> info) { on_file_opened(std::move(info)); });
}

void Connection::on_file_opened(tl::expected<FileBody::Info, int> info) {
  if (phase_ != Phase::Streaming) return;
  response_.body.clear();
  if (!info) {
    const int status = status_of_errno(info.error());
    write_response(plain_response(status, http_reason(status)));
    return finish_response();
  }
  response_.headers.emplace_back("ETag", info->entity_tag);
  response_.headers.emplace_back("Accept-Ranges", "bytes");
  if (!if_none_match_.empty() && matches_none_match(if_none_match_, info->entity_tag)) {
    response_.status = 304;
    write_response(response_);
    return finish_response();
  }
  file_at_ = 0;
  file_left_ = info->size;
  const std::string size = std::to_string(info->size);
  // If-Range guards against joining parts of two files (RFC 9110, section 13.1.5).
  const bool ranged = !range_.empty() && (if_range_.empty() || if_range_ == info->entity_tag);
  const RangeChoice choice = ranged ? choose_range(range_, info->size) : RangeChoice(WholeFile{});
  if (std::holds_alternative<Unsatisfiable>(choice)) {
    HttpResponse refused = plain_response(416, http_reason(416));
    refused.headers = {{"Content-Range", "bytes */" + size}, {"Accept-Ranges", "bytes"}};
    write_response(refused);
    return finish_response();
  }
  if (const auto* range = std::get_if<ByteRange>(&choice)) {
    response_.status = 206;
    file_at_ = range->first;
    file_left_ = range->count;
    response_.headers.emplace_back(
        "Content-Range", "bytes " + std::to_string(range->first) + "-" +
                             std::to_string(range->first + range->count - 1) + "/" + size);
  }
  stream_.write(response_head(response_, file_left_, keep_alive_, server::Loop::wall_ms()));
  if (head_request_) return finish_response();
  pump_file();
}

void Connection::pump_file() {
  if (phase_ != Phase::Streaming || file_->reading()) return;
  if (file_left_ == 0) return finish_response();
  if (stream_.queued() >= kFileQueue) return;  // on_written comes back here
  file_->read(file_at_, file_left_, [this](tl::expected<std::string_view, int> piece) {
    if (phase_ != Phase::Streaming) return;
    if (!piece || piece->empty()) {
      // The length is promised already: the only honest end is to break off.
      server::log::limited("file_read_failed", {{"file", *response_.file}});
      return end();
    }
    file_at_ += piece->size();
    file_left_ -= piece->size();
    stream_.write(*piece);
    pump_file();
  });
}

void Connection::read_websocket() {
  std::vector<std::string> messages;
  websocket_->receive(input_, messages);
  input_.clear();
  for (const std::string& message : messages) {
    if (phase_ != Phase::Open) break;  // closed by the handler of the one before
    host_.handlers.on_message(id_, message);
  }
  if (phase_ == Phase::Gone) return;
  const auto violation = websocket_->failed_with();
  const auto peer_close = websocket_->peer_close();
  if (peer_close) {
    close_code_ = *peer_close;
  } else if (violation && phase_ == Phase::Open) {
    close_code_ = *violation;
    ++(*violation == WebSocket::kTooBig ? host_.stats.oversized : host_.stats.bad_websocket);
  }
  flush_websocket();
  if (phase_ == Phase::Gone) return;
  if (phase_ == Phase::Open && websocket_->closing()) {
    phase_ = Phase::Closing;
    set_deadline(kCloseTimeoutMs);
  }
  if (!peer_close && !violation) {
    if (phase_ == Phase::Open) set_websocket_deadline();
    return;
  }
  if (peer_close && stream_.queued() == 0) {
    stream_.shutdown_when_written();
    end();
  }
}

void Connection::flush_websocket() {
  std::string frames;
  websocket_->take_output(frames);
  if (!frames.empty()) stream_.write(frames);
  if (phase_ != Phase::Open || stream_.queued() <= host_.config.max_send_queue_bytes) return;
  ++host_.stats.slow_readers;
  server::log::limited("slow_reader_closed", {{"address", stream_.remote_address()}});
  close(1008, "does not read");
}

void Connection::send(std::string_view text) {
  if (phase_ != Phase::Open) return;
  websocket_->send_text(text);
  flush_websocket();
}

void Connection::close(std::uint16_t code, std::string_view reason) {
  if (phase_ == Phase::Closing || phase_ == Phase::Gone) return;
  if (phase_ != Phase::Open) return end();
  phase_ = Phase::Closing;
  close_code_ = code;
  websocket_->send_close(code, reason);
  set_deadline(kCloseTimeoutMs);
  flush_websocket();
}

void Connection::steer_reading() {
  if (phase_ == Phase::Gone || peer_ended_) return;
  const bool answering = phase_ == Phase::Waiting || phase_ == Phase::Streaming;
  const bool full =
      stream_.queued() >= kPauseReadingAt || (answering && input_.size() >= kMaxPipelined);
  if (full && phase_ != Phase::Lingering) {
    stream_.stop_reading();
  } else {
    stream_.start_reading();
  }
}

void Connection::end() {
  if (phase_ == Phase::Gone) return;
  phase_ = Phase::Gone;
  file_.reset();
  if (timer_) host_.loop.cancel(*timer_);
  timer_.reset();
  stream_.close();
  if (websocket_ && !websocket_over_) {
    websocket_over_ = true;
    host_.handlers.on_close(id_, close_code_);
  }
}

void Connection::set_deadline(std::uint32_t milliseconds) {
  deadline_ = server::Loop::now() + std::chrono::milliseconds(milliseconds);
  if (timer_ && timer_at_ <= deadline_) return;  // it fires earlier and looks again
  if (timer_) host_.loop.cancel(*timer_);
  timer_at_ = deadline_;
  timer_ = host_.loop.at(timer_at_, [this] { on_timer(); });
}

void Connection::set_websocket_deadline() {
  const auto& config = host_.config;
  const rtp::Time ping_at =
      std::max(heard_at_, pinged_at_) + std::chrono::milliseconds(config.ping_interval_ms);
  const rtp::Time dead_at = heard_at_ + std::chrono::milliseconds(config.idle_timeout_ms);
  const auto wait = std::min(ping_at, dead_at) - server::Loop::now();
  set_deadline(static_cast<std::uint32_t>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(wait).count(), 0)));
}

void Connection::on_timer() {
  timer_.reset();
  if (server::Loop::now() >= deadline_) return on_deadline();
  timer_at_ = deadline_;
  timer_ = host_.loop.at(timer_at_, [this] { on_timer(); });
}

void Connection::on_deadline() {
  switch (phase_) {
    case Phase::Reading:
      if (!head_seen_) return end();  // nothing was asked for: no fault
      ++host_.stats.timeouts;
      if (parser_.state() == HttpParser::State::Idle) return end();
      keep_alive_ = false;
      phase_ = Phase::Waiting;
      return respond(plain_response(408, "the request took too long"));
    case Phase::Waiting:
      ++host_.stats.timeouts;
      keep_alive_ = false;
      return respond(plain_response(503, "no answer in time"));
    case Phase::Streaming:
      ++host_.stats.timeouts;
      return end();
    case Phase::Open:
      if (server::Loop::now() >=
          heard_at_ + std::chrono::milliseconds(host_.config.idle_timeout_ms)) {
        ++host_.stats.timeouts;
        return end();
      }
      pinged_at_ = server::Loop::now();
      websocket_->send_ping();
      flush_websocket();
      if (phase_ == Phase::Open) set_websocket_deadline();
      return;
    case Phase::Lingering:
    case Phase::Closing:
      return end();
    case Phase::Gone:
      return;
  }
}

}  // namespace parley::control
