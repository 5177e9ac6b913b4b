#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "control/listener.h"
#include "tests/control/raw_client.h"

namespace parley::control::test {

// A listener on 127.0.0.1 with a loop on a thread of its own; the test is its blocking client.
// What it answers: /echo gives the body back, /later after a turn of the loop, /never not at all,
// /file/NAME a file of the folder, everything else 404. WebSockets echo, but for a few words.
class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "parley-listener-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    config_.listen = {"127.0.0.1:0"};
  }
  ~ListenerTest() override {
    stop();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    ListenerHandlers handlers;
    handlers.on_request = [this](ConnectionId id, const HttpRequest& request) {
      on_request(id, request);
    };
    handlers.on_upgrade = [this](ConnectionId id, const HttpRequest& request) {
      return on_upgrade(id, request);
    };
    handlers.on_message = [this](ConnectionId id, std::string_view text) { on_message(id, text); };
    handlers.on_close = [this](ConnectionId, std::uint16_t code) {
      const std::lock_guard lock(mutex_);
      closed_.push_back(code);
      changed_.notify_one();
    };
    auto opened = Listener::open(loop_, config_, std::move(handlers));
    ASSERT_TRUE(opened.has_value()) << opened.error();
    listener_ = std::move(*opened);
    const std::string url = listener_->urls().front();
    port_ = static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
    thread_ = std::thread([this] { loop_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    listener_.reset();
  }
  // Runs on the loop's thread and waits for it.
  template <class Work>
  auto on_loop(Work work) {
    std::promise<decltype(work())> done;
    (void)loop_.post([&] { done.set_value(work()); });
    return done.get_future().get();
  }
  // The code of the next WebSocket that ended; waits for it. 0 when none does in 10 s.
  std::uint16_t next_close() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !closed_.empty(); });
    if (closed_.empty()) return 0;
    const std::uint16_t code = closed_.front();
    closed_.pop_front();
    return code;
  }
  ListenerStats stats() {
    return on_loop([this] { return listener_->stats(); });
  }
  // What comes about on the loop's side a little after the client saw its part.
  template <class Condition>
  bool eventually(Condition condition) {
    for (int turns = 0; turns < 2'000'000; ++turns) {
      if (condition(stats())) return true;
    }
    return false;
  }
  std::string write_file(const std::string& name, const std::string& content) {
    const auto path = directory_ / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }

  void on_request(ConnectionId id, const HttpRequest& request) {
    HttpResponse response;
    if (request.path == "/echo") {
      response.body = request.body;
      response.headers.emplace_back("X-Remote", request.remote_address);
      response.headers.emplace_back("X-Tls", request.tls ? "yes" : "no");
    } else if (request.path == "/later") {
      response.body = "later";
      (void)loop_.post([this, id, response] { listener_->respond(id, response); });
      return;
    } else if (request.path == "/never") {
      return;
    } else if (request.path == "/split") {
      response.headers.emplace_back("X-A", "b\r\nX-Injected: c");
    } else if (request.path.starts_with("/file/")) {
      response.content_type = "video/webm";
      response.file = (directory_ / request.path.substr(6)).string();
    } else {
      response.status = 404;
      response.body = "{}";
    }
    listener_->respond(id, std::move(response));
    listener_->respond(id, HttpResponse{});  // a second answer counts for nothing
  }

  tl::expected<AcceptWebSocket, HttpResponse> on_upgrade(ConnectionId id,
                                                         const HttpRequest& request) {
    if (request.path == "/ws") {
      last_ = id;
      return AcceptWebSocket{"parley.control.v1"};
    }
    HttpResponse refused;
    refused.status = 401;
    return tl::unexpected(refused);
  }

  void on_message(ConnectionId id, std::string_view text) {
    if (text == "bye") {
      listener_->send(id, "one");
      listener_->send(id, "two");
      listener_->close(id, 4'000, "as you wish");
      listener_->send(id, "never sent");
    } else if (text == "flood") {
      for (int i = 0; i < 1'000; ++i) listener_->send(id, std::string(60'000, 'f'));
    } else {
      listener_->send(id, text);
    }
  }

  std::filesystem::path directory_;
  config::Control config_;
  server::Loop loop_;
  std::unique_ptr<Listener> listener_;
  std::uint16_t port_ = 0;
  ConnectionId last_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::uint16_t> closed_;
  std::thread thread_;
};

}  // namespace parley::control::test
