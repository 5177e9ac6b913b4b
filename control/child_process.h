#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace parley::server {
class Loop;
}

namespace parley::control {

// A program that this process has started, and reads line by line.
class ChildProcess {
 public:
  static constexpr std::size_t kMaxLine = 64U << 10U;  // what is longer is left out

  struct End {
    int exit_code = 0;
    int signal = 0;  // that killed it; 0: none
  };
  struct Events {
    std::function<void(std::string_view line)> on_line;  // of what it prints, without the newline
    std::function<void(End end)> on_end;                 // once, after the last line
  };

  // What it complains about goes to nobody; it reads nothing. `environment`: "NAME=value" besides
  // what this process has. All on the loop's thread. The error is the system's.
  [[nodiscard]] static tl::expected<std::unique_ptr<ChildProcess>, std::string> start(
      server::Loop& loop, const std::string& program, const std::vector<std::string>& arguments,
      Events events, const std::vector<std::string>& environment = {});
  // Kills it if it still runs. It may be destroyed in its own events.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

 private:
  struct State;
  explicit ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace parley::control
