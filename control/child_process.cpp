#include "control/child_process.h"

#include <array>
#include <csignal>
#include <utility>

#include <unistd.h>
#include <uv.h>

#include "server/loop.h"

namespace parley::control {

// Lives until the loop has closed both handles, which may be after its owner.
struct ChildProcess::State {
  std::shared_ptr<State> self;  // until then
  uv_process_t process{};
  uv_pipe_t output{};
  std::array<char, 4'096> buffer{};
  std::string line;
  bool too_long = false;
  Events events;
  std::optional<End> end;
  bool read_all = false;
  int open = 0;  // handles

  void close(uv_handle_t* handle) {
    uv_close(handle, [](uv_handle_t* closed) {
      auto* state = static_cast<State*>(closed->data);
      if (--state->open == 0) state->self.reset();
    });
  }

  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        too_long = too_long || line.size() >= kMaxLine;
        if (!too_long) line += c;
        continue;
      }
      const std::string whole = std::exchange(line, {});
      if (std::exchange(too_long, false)) continue;
      const auto on_line = events.on_line;  // its owner may go in this call
      if (on_line) on_line(whole);
    }
  }

  void maybe_end() {
    if (!end || !read_all) return;
    // The owner may destroy itself in this call.
    if (const auto on_end = std::exchange(events.on_end, nullptr)) on_end(*end);
  }

  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* self = static_cast<State*>(stream->data);
    if (size >= 0) return self->take({buffer->base, static_cast<std::size_t>(size)});
    self->read_all = true;
    self->close(reinterpret_cast<uv_handle_t*>(stream));
    self->maybe_end();
  }

  static void on_exit(uv_process_t* process, std::int64_t code, int signal) {
    auto* self = static_cast<State*>(process->data);
    self->end = End{static_cast<int>(code), signal};
    self->close(reinterpret_cast<uv_handle_t*>(process));
    self->maybe_end();
  }
};

tl::expected<std::unique_ptr<ChildProcess>, std::string> ChildProcess::start(
    server::Loop& loop, const std::string& program, const std::vector<std::string>& arguments,
    Events events, const std::vector<std::string>& environment) {
  const auto state = std::make_shared<State>();
  state->events = std::move(events);
  state->process.data = state.get();
  state->output.data = state.get();
  uv_pipe_init(loop.uv(), &state->output, 0);

  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> settings = environment;
  std::vector<char*> envp;
  for (std::string& setting : settings) envp.push_back(setting.data());
  for (char** own = environ; *own != nullptr; ++own) envp.push_back(*own);
  envp.push_back(nullptr);
  std::array<uv_stdio_container_t, 3> stdio{};
  stdio[0].flags = UV_IGNORE;
  stdio[1].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
  stdio[1].data.stream = reinterpret_cast<uv_stream_t*>(&state->output);
  stdio[2].flags = UV_IGNORE;
  uv_process_options_t options{};
  options.file = program.c_str();
  options.args = argv.data();
  options.env = envp.data();
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  options.exit_cb = &State::on_exit;

  const int result = uv_spawn(loop.uv(), &state->process, &options);
  state->self = state;
  state->open = 2;  // the process is a handle even if nothing was started
  if (result != 0) {
    state->close(reinterpret_cast<uv_handle_t*>(&state->process));
    state->close(reinterpret_cast<uv_handle_t*>(&state->output));
    return tl::unexpected(std::string(uv_strerror(result)));
  }
  uv_read_start(
      reinterpret_cast<uv_stream_t*>(&state->output),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        auto* self = static_cast<State*>(handle->data);
        *buffer = uv_buf_init(self->buffer.data(), static_cast<unsigned>(self->buffer.size()));
      },
      &State::on_read);
  return std::unique_ptr<ChildProcess>(new ChildProcess(state));
}

ChildProcess::~ChildProcess() {
  state_->events = {};
  if (!state_->end) uv_process_kill(&state_->process, SIGKILL);
}

}  // namespace parley::control
