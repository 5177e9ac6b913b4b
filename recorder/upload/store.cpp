#include "recorder/upload/store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <thread>
#include <utility>

#include <curl/curl.h>
#include <sys/socket.h>

#include "recorder/upload/reply.h"

namespace parley::upload {
namespace {

constexpr std::chrono::milliseconds kLongestPause{10'000};
constexpr std::chrono::milliseconds kToConnect{10'000};
constexpr std::chrono::milliseconds kSlowedPause{2'000};  // libcurl sends what a second may have

struct EndTransfer {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct EndTransfers {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
// Codes of stores that ask for the same once more, or whose cause lies on the way.
bool is_passing(long status, std::string_view code) {
  constexpr std::array<std::string_view, 8> kPassing{
      "SlowDown",         "InternalError",  "ServiceUnavailable",        "RequestTimeout",
      "OperationAborted", "IncompleteBody", "XAmzContentSHA256Mismatch", "BadDigest"};
  return status >= 500 || status == 429 || status == 408 ||
         std::find(kPassing.begin(), kPassing.end(), code) != kPassing.end();
}

}  // namespace

struct Store::Ask {
  Request request;
  rtp::ConstBytes body;
  bool hash = false;  // of the answer's body, instead of keeping it
};

struct Store::Answer {
  long status = 0;
  Pairs headers;  // names in lower case
  std::string body;
  Sha256 sha256{};

  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

struct Store::Connection {
  std::unique_ptr<CURLM, EndTransfers> multi{curl_multi_init()};  // keeps the connection
  std::unique_ptr<CURL, EndTransfer> easy{curl_easy_init()};
  recorder::Hasher hash;
  const Ask* ask = nullptr;
  std::size_t sent = 0;
  Answer answer;

  [[nodiscard]] std::int64_t figure(CURLINFO which) const {
    curl_off_t value = 0;
    curl_easy_getinfo(easy.get(), which, &value);
    return value;
  }
  // Changes with each byte that comes or goes, and when the connection stands.
  [[nodiscard]] std::int64_t moved() const {
    long head = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_HEADER_SIZE, &head);
    return head + figure(CURLINFO_SIZE_UPLOAD_T) + figure(CURLINFO_SIZE_DOWNLOAD_T) +
           figure(CURLINFO_PRETRANSFER_TIME_T);
  }
  // As curl_easy_perform(), whose CURLOPT_LOW_SPEED_TIME counts whole seconds.
  CURLcode perform(std::chrono::milliseconds timeout) {
    curl_multi_add_handle(multi.get(), easy.get());
    const CURLcode result = run(timeout);
    curl_multi_remove_handle(multi.get(), easy.get());  // closes what has not ended
    return result;
  }
  CURLcode run(std::chrono::milliseconds timeout) {
    const auto turn = static_cast<int>(std::clamp<std::int64_t>(timeout.count() / 4, 1, 1'000));
    std::int64_t seen = 0;
    std::int64_t since_us = 0;
    for (int running = 1;;) {
      if (curl_multi_perform(multi.get(), &running) != CURLM_OK) return CURLE_RECV_ERROR;
      if (running == 0) break;
      const std::int64_t now_us = figure(CURLINFO_TOTAL_TIME_T);
      const std::int64_t all = moved();
      if (all != seen) since_us = now_us;
      seen = all;
      if (now_us - since_us >= std::chrono::microseconds(timeout).count()) {
        return CURLE_OPERATION_TIMEDOUT;
      }
      curl_multi_poll(multi.get(), nullptr, 0, turn, nullptr);
    }
    int left = 0;
    const CURLMsg* const message = curl_multi_info_read(multi.get(), &left);
    return message == nullptr ? CURLE_RECV_ERROR : message->data.result;
  }
  static std::size_t read(char* into, std::size_t size, std::size_t count, void* self) {
    auto* on = static_cast<Connection*>(self);
    const std::size_t left = on->ask->body.size() - on->sent;
    const std::size_t now = std::min(left, size * count);
    if (now > 0) std::memcpy(into, on->ask->body.data() + on->sent, now);
    on->sent += now;
    return now;
  }
  static int seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    static_cast<Connection*>(self)->sent = static_cast<std::size_t>(offset);
    return CURL_SEEKFUNC_OK;
  }
  static std::size_t write(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto* on = static_cast<Connection*>(self);
    const std::size_t all = size * count;
    if (on->ask->hash) {
      on->hash.update({reinterpret_cast<const std::uint8_t*>(bytes), all});
      if (on->answer.body.size() < kMaxReply) {  // what says why there is none
        on->answer.body.append(bytes, std::min(all, kMaxReply - on->answer.body.size()));
      }
      return all;
    }
    if (on->answer.body.size() + all > kMaxReply) return 0;
    on->answer.body.append(bytes, all);
    return all;
  }
  static int progress(void* settings, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto* const of = static_cast<const StoreSettings*>(settings);
    if (of->alive) of->alive();
    return 0;
  }
  // Who is killed takes back what the kernel has not sent yet: nothing of it arrives later, behind
  // what the next process does.
  static int connected(void*, curl_socket_t socket, curlsocktype) {
    const linger at_once{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return CURL_SOCKOPT_OK;
  }
  static std::size_t header(char* bytes, std::size_t size, std::size_t count, void* self) {
    const std::string_view line(bytes, size * count);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      std::string_view value = line.substr(colon + 1);
      while (!value.empty() && (value.back() == '\r' || value.back() == '\n'))
        value.remove_suffix(1);
      while (value.starts_with(' ')) value.remove_prefix(1);
      static_cast<Connection*>(self)->answer.headers.emplace_back(lower_case(line.substr(0, colon)),
                                                                  value);
    }
    return line.size();
  }
};

Store::Store(StoreSettings settings, std::function<std::int64_t()> wall_s)
    : settings_(std::move(settings)),
      wall_s_(std::move(wall_s)),
      connection_(std::make_unique<Connection>()) {}
Store::~Store() = default;

Result<Store::Answer> Store::once(const Ask& ask) {
  Connection& on = *connection_;
  on.ask = &ask;
  on.sent = 0;
  on.answer = {};
  on.hash = {};
  CURL* easy = on.easy.get();
  curl_easy_reset(easy);
  std::array<char, CURL_ERROR_SIZE> error{};
  Pairs headers = ask.request.headers;
  const Pairs proof =
      signed_headers(ask.request, settings_.place, settings_.credentials, wall_s_());
  headers.insert(headers.end(), proof.begin(), proof.end());
  headers.emplace_back("host", settings_.place.host);
  std::unique_ptr<curl_slist, FreeList> list;
  const auto add = [&](const std::string& line) {
    list.reset(curl_slist_append(list.release(), line.c_str()));
  };
  for (const auto& [name, value] : headers) add(name + ": " + value);
  add("expect:");  // nobody needs to be asked before
  const std::string url = settings_.place.scheme + "://" + settings_.place.host + ask.request.path +
                          query_text(ask.request.query);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // not by what the environment happens to say
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min(settings_.timeout, kToConnect).count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Connection::write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &on);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &Connection::connected);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &Connection::progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &settings_);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Connection::header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &on);
  if (!settings_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, settings_.ca_file.c_str());
  }
  std::chrono::milliseconds timeout = settings_.timeout;
  if (settings_.max_bytes_per_s > 0) {
    curl_easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE,
                     static_cast<curl_off_t>(settings_.max_bytes_per_s));
    timeout += kSlowedPause;
  }
  const std::string& method = ask.request.method;
  if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (method == "PUT" || method == "POST") {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Connection::read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &on);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &Connection::seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &on);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(ask.body.size()));
  }
  if (method != "HEAD") curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());

  const CURLcode result = on.perform(timeout);
  if (result != CURLE_OK) {
    return failed("store_unavailable", error[0] != 0 ? error.data() : curl_easy_strerror(result));
  }
  Answer answer = std::move(on.answer);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.sha256 = on.hash.digest();
  // Completing an upload is answered at once with 200, and then with what went wrong (S3 API,
  // CompleteMultipartUpload).
  const bool wrong = answer.status < 200 || answer.status > 299 ||
                     (!ask.hash && !elements(answer.body, "Error").empty());
  if (!wrong) return answer;
  const std::string code = text_in(answer.body, "Code").value_or(std::to_string(answer.status));
  const std::string message = text_in(answer.body, "Message").value_or("");
  const bool later = is_passing(answer.status, code);
  return failed(
      later ? "store_unavailable" : "store_refused",
      method + " " + ask.request.path + ": " + code + (message.empty() ? "" : ", ") + message,
      code);
}

bool Store::wait(int tried) const {
  thread_local std::minstd_rand random{std::random_device{}()};
  if (tried >= settings_.tries) return false;
  const int doubled = std::min(tried - 1, 16);
  const auto half = std::min(settings_.first_pause * (1 << doubled), kLongestPause).count() / 2;
  // Between half and all of it, so that many who failed together do not come back together.
  std::this_thread::sleep_for(std::chrono::milliseconds(
      half + std::uniform_int_distribution<std::int64_t>(0, half)(random)));
  return true;
}

Result<Store::Answer> Store::patiently(const Ask& ask,
                                       const std::function<bool(const Answer&)>& is_whole) {
  for (int tried = 1;; ++tried) {
    auto answer = once(ask);
    if (answer && is_whole && !is_whole(*answer)) {
      answer = failed("store_unavailable",
                      ask.request.method + " " + ask.request.path + ": the answer was cut off");
    }
    if (answer || !passes(answer.error()) || !wait(tried)) return answer;
  }
}

void Store::add_keeping(Pairs& headers, const std::string& content_type) const {
  headers.emplace_back("content-type", content_type);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) headers.emplace_back(name, value);
  };
  add("x-amz-server-side-encryption", settings_.encryption);
  add("x-amz-server-side-encryption-aws-kms-key-id", settings_.kms_key_id);
  add("x-amz-storage-class", settings_.storage_class);
}

Result<void> Store::put(const std::string& key, const std::string& content_type,
                        rtp::ConstBytes bytes) {
  const Sha256 hash = sha256(bytes);
  Ask ask{{"PUT", settings_.place.path(key), {}, {}, hash}, bytes};
  add_keeping(ask.request.headers, content_type);
  ask.request.headers.emplace_back("x-amz-checksum-sha256", base64(hash));
  auto answer = patiently(ask);
  if (!answer) return tl::unexpected(answer.error());
  return {};
}

Result<std::string> Store::begin(const std::string& key, const std::string& content_type) {
  Ask ask{{"POST", settings_.place.path(key), {{"uploads", ""}}, {}, sha256(std::string_view())},
          {}};
  add_keeping(ask.request.headers, content_type);
  ask.request.headers.emplace_back("x-amz-checksum-algorithm", "SHA256");
  auto answer = once(ask);
  if (!answer) return tl::unexpected(answer.error());
  auto id = text_in(answer->body, "UploadId");
  if (!id || id->empty()) return failed("store_unavailable", "an answer without an UploadId");
  return *id;
}

Result<Part> Store::put_part(const std::string& key, const std::string& upload_id, int number,
                             rtp::ConstBytes bytes) {
  const Sha256 hash = sha256(bytes);
  Ask ask{{"PUT",
           settings_.place.path(key),
           {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}},
           {{"x-amz-checksum-sha256", base64(hash)}},
           hash},
          bytes};
  auto answer = patiently(ask, [](const Answer& a) { return !a.header("etag").empty(); });
  if (!answer) return tl::unexpected(answer.error());
  return Part{number, answer->header("etag"), hash};
}

Result<void> Store::complete(const std::string& key, const std::string& upload_id,
                             const std::vector<Part>& parts) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const Part& part : parts) {
    body += "<Part><ChecksumSHA256>" + base64(part.sha256) + "</ChecksumSHA256><ETag>" +
            xml_escaped(part.etag) + "</ETag><PartNumber>" + std::to_string(part.number) +
            "</PartNumber></Part>";
  }
  body += "</CompleteMultipartUpload>";
  const rtp::ConstBytes bytes{reinterpret_cast<const std::uint8_t*>(body.data()), body.size()};
  Ask ask{{"POST",
           settings_.place.path(key),
           {{"uploadId", upload_id}},
           {{"content-type", "application/xml"}},
           sha256(bytes)},
          bytes};
  auto answer = patiently(ask, [](const Answer& a) { return text_in(a.body, "ETag").has_value(); });
  if (!answer) return tl::unexpected(answer.error());
  return {};
}

Result<void> Store::abort(const std::string& key, const std::string& upload_id) {
  const auto answer = patiently({{"DELETE",
                                  settings_.place.path(key),
                                  {{"uploadId", upload_id}},
                                  {},
                                  sha256(std::string_view())},
                                 {}});
  if (answer || answer.error().code == "NoSuchUpload" || answer.error().code == "404") return {};
  return tl::unexpected(answer.error());
}

Result<std::vector<OpenUpload>> Store::open_uploads(const std::string& prefix) {
  std::vector<OpenUpload> found;
  std::string key_marker;
  std::string id_marker;
  for (;;) {
    Ask ask{{"GET",
             settings_.place.path(""),
             {{"prefix", prefix}, {"uploads", ""}},
             {},
             sha256(std::string_view())},
            {}};
    if (!key_marker.empty()) {
      ask.request.query.emplace_back("key-marker", key_marker);
      ask.request.query.emplace_back("upload-id-marker", id_marker);
    }
    auto answer = patiently(ask, [](const Answer& a) {
      return !elements(a.body, "ListMultipartUploadsResult").empty();
    });
    if (!answer) return tl::unexpected(answer.error());
    for (const std::string_view upload : elements(answer->body, "Upload")) {
      auto key = text_in(upload, "Key");
      auto id = text_in(upload, "UploadId");
      if (key && id) found.push_back({*std::move(key), *std::move(id)});
    }
    const auto next = text_in(answer->body, "NextKeyMarker");
    if (text_in(answer->body, "IsTruncated") != "true" || !next || next->empty() ||
        found.size() >= kMaxElements) {
      return found;
    }
    key_marker = *next;
    id_marker = text_in(answer->body, "NextUploadIdMarker").value_or("");
  }
}

Result<std::vector<std::string>> Store::keys_below(const std::string& prefix) {
  std::vector<std::string> found;
  std::string token;
  for (std::size_t page = 0; page < kMaxElements; ++page) {
    Ask ask{{"GET",
             settings_.place.path(""),
             {{"delimiter", "/"}, {"list-type", "2"}, {"prefix", prefix}},
             {},
             sha256(std::string_view())},
            {}};
    if (!token.empty()) ask.request.query.emplace_back("continuation-token", token);
    auto answer = patiently(
        ask, [](const Answer& a) { return !elements(a.body, "ListBucketResult").empty(); });
    if (!answer) return tl::unexpected(answer.error());
    for (const std::string_view object : elements(answer->body, "Contents")) {
      auto key = text_in(object, "Key");
      const bool ours = key && key->starts_with(prefix) &&  // not of a store that filters nothing
                        key->find('/', prefix.size()) == std::string::npos;
      if (ours) found.push_back(*std::move(key));
    }
    const auto next = text_in(answer->body, "NextContinuationToken");
    if (text_in(answer->body, "IsTruncated") != "true" || !next || next->empty() ||
        found.size() >= kMaxElements) {
      return found;
    }
    token = *next;
  }
  return found;
}

Result<std::optional<Stored>> Store::head(const std::string& key) {
  const auto answer = patiently({{"HEAD",
                                  settings_.place.path(key),
                                  {},
                                  {{"x-amz-checksum-mode", "ENABLED"}},
                                  sha256(std::string_view())},
                                 {}});
  if (!answer) {
    if (answer.error().code == "404") return std::optional<Stored>();
    return tl::unexpected(answer.error());
  }
  Stored stored;
  stored.size = std::strtoull(answer->header("content-length").c_str(), nullptr, 10);
  stored.checksum = answer->header("x-amz-checksum-sha256");
  return stored;
}

Result<Sha256> Store::sha256_of(const std::string& key) {
  auto answer =
      patiently({{"GET", settings_.place.path(key), {}, {}, sha256(std::string_view())}, {}, true});
  if (!answer) return tl::unexpected(answer.error());
  return answer->sha256;
}

Result<void> Store::remove(const std::string& key) {
  const auto answer =
      patiently({{"DELETE", settings_.place.path(key), {}, {}, sha256(std::string_view())}, {}});
  if (answer || answer.error().code == "NoSuchKey" || answer.error().code == "404") return {};
  return tl::unexpected(answer.error());
}

}  // namespace parley::upload
