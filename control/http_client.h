#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/loop.h"

namespace parley::control {

// HTTP POST without blocking: libcurl's transfers on our loop. Redirects are not followed, only
// http and https are spoken, and of an answer only its status matters.
class HttpClient {
 public:
  struct Request {
    std::string url;
    std::vector<std::string> headers;  // "Name: value"
    std::string body;
    std::chrono::milliseconds timeout{10'000};
  };
  struct Outcome {
    int status = 0;     // 0: none came
    std::string error;  // then, why
  };
  using Done = std::function<void(const Outcome&)>;

  explicit HttpClient(server::Loop& loop);
  // What is under way is dropped without a word.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called later, on the loop's thread.
  void post(Request request, Done done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace parley::control
