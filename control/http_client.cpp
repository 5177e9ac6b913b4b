#include "control/http_client.h"

#include <map>
#include <mutex>
#include <utility>

#include <curl/curl.h>
#include <uv.h>

namespace parley::control {
namespace {

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
struct EndTransfer {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};

// One POST under way. The body stays here while libcurl reads it.
struct Transfer {
  std::unique_ptr<CURL, EndTransfer> easy;
  std::unique_ptr<curl_slist, FreeList> headers;
  HttpClient::Request request;
  HttpClient::Done done;
  char error[CURL_ERROR_SIZE] = {};
};

// A socket of libcurl's as the loop watches it; freed by the loop when it is closed.
struct Watch {
  uv_poll_t poll{};
  void* impl = nullptr;
  curl_socket_t socket = 0;

  static void close(Watch* watch) {
    uv_poll_stop(&watch->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll),
             [](uv_handle_t* closed) { delete static_cast<Watch*>(closed->data); });
  }
};

std::size_t swallow(char*, std::size_t size, std::size_t count, void*) { return size * count; }

}  // namespace

struct HttpClient::Impl {
  explicit Impl(server::Loop& on) : loop(on) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timeout_wish);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 64L);
  }
  ~Impl() {
    if (timer != 0) loop.cancel(timer);
    for (auto& [easy, transfer] : transfers) curl_multi_remove_handle(multi, easy);
    transfers.clear();
    curl_multi_cleanup(multi);  // closes its sockets, of which on_socket() is told
    for (auto& [socket, watch] : watches) Watch::close(watch);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
    return static_cast<Impl*>(self)->watch(socket, what);
  }
  int watch(curl_socket_t socket, int what) {
    const auto found = watches.find(socket);
    if (what == CURL_POLL_REMOVE) {
      if (found != watches.end()) {
        Watch::close(found->second);
        watches.erase(found);
      }
      return 0;
    }
    Watch* watch = found == watches.end() ? nullptr : found->second;
    if (watch == nullptr) {
      watch = new Watch;  // the loop frees it, after this object perhaps
      watch->impl = this;
      watch->socket = socket;
      watch->poll.data = watch;
      if (uv_poll_init_socket(loop.uv(), &watch->poll, socket) != 0) {
        delete watch;
        return -1;
      }
      watches[socket] = watch;
    }
    const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                       ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, [](uv_poll_t* poll, int status, int ready) {
      auto* self = static_cast<Watch*>(poll->data);
      const int flags = status < 0 ? CURL_CSELECT_ERR
                                   : ((ready & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                         ((ready & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
      static_cast<Impl*>(self->impl)->act(self->socket, flags);
    });
  }

  static int on_timeout_wish(CURLM*, long timeout_ms, void* self) {
    auto* impl = static_cast<Impl*>(self);
    if (impl->timer != 0) impl->loop.cancel(impl->timer);
    impl->timer = 0;
    if (timeout_ms < 0) return 0;
    impl->timer =
        impl->loop.at(server::Loop::now() + std::chrono::milliseconds(timeout_ms), [impl] {
          impl->timer = 0;
          impl->act(CURL_SOCKET_TIMEOUT, 0);
        });
    return 0;
  }

  void act(curl_socket_t socket, int flags) {
    int running = 0;
    curl_multi_socket_action(multi, socket, flags, &running);
    // All results first: what is told may ask for more.
    std::vector<std::pair<std::unique_ptr<Transfer>, Outcome>> over;
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* easy = message->easy_handle;
      const CURLcode result = message->data.result;
      const auto found = transfers.find(easy);
      auto transfer = std::move(found->second);
      transfers.erase(found);
      Outcome outcome;
      if (result == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        outcome.status = static_cast<int>(status);
      } else {
        outcome.error = transfer->error[0] != 0 ? transfer->error : curl_easy_strerror(result);
      }
      curl_multi_remove_handle(multi, easy);
      over.emplace_back(std::move(transfer), std::move(outcome));
    }
    for (auto& [transfer, outcome] : over) transfer->done(outcome);
  }

  void start(Request request, Done done) {
    auto transfer = std::make_unique<Transfer>();
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    transfer->easy.reset(curl_easy_init());
    CURL* easy = transfer->easy.get();
    for (const std::string& header : transfer->request.headers) {
      transfer->headers.reset(curl_slist_append(transfer->headers.release(), header.c_str()));
    }
    const Request& asked = transfer->request;
    curl_easy_setopt(easy, CURLOPT_URL, asked.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, asked.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(asked.body.size()));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &swallow);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(asked.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // not by what the environment happens to say
    transfers[easy] = std::move(transfer);
    curl_multi_add_handle(multi, easy);
  }

  server::Loop& loop;
  CURLM* multi = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers;
  std::map<curl_socket_t, Watch*> watches;
  server::Loop::TimerId timer = 0;
};

HttpClient::HttpClient(server::Loop& loop) : impl_(std::make_unique<Impl>(loop)) {}
HttpClient::~HttpClient() = default;

void HttpClient::post(Request request, Done done) {
  impl_->start(std::move(request), std::move(done));
}

}  // namespace parley::control
