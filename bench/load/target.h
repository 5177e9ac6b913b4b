#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "server/client/sdp.h"

namespace parley::bench {

// What one endpoint sends, and how many tracks it wants to receive.
struct Shape {
  bool send_audio = false;
  bool send_video = false;
  std::size_t audio_slots = 0;
  std::size_t video_slots = 0;
  [[nodiscard]] bool sends() const { return send_audio || send_video; }
};

// The server does not let somebody in.
struct Refused : std::runtime_error {
  Refused(std::string why, const std::string& answer)
      : std::runtime_error(answer), reason(std::move(why)) {}
  std::string reason;
};

// One endpoint on its way in, over the signalling of its server.
class Entry {
 public:
  virtual ~Entry() = default;
  // Goes on as far as the server has answered; once it is in, where the media goes.
  [[nodiscard]] virtual std::optional<client::Remote> advance() = 0;
  // Waits for the server's next word.
  virtual void wait() const = 0;
  // Afterwards, from time to time: throws away what the server tells and answers its pings.
  virtual void drain() = 0;
  // What the server has said over this one's signalling so far, frames included.
  struct Told {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
    std::uint64_t join_bytes = 0;  // of that, before it answered the join, with the answer
  };
  [[nodiscard]] virtual Told told() const { return {}; }
};

// A server that can be put under load.
class Target {
 public:
  static constexpr std::size_t kManyPeople = 5'000;

  struct Endpoint {
    std::string room;
    std::size_t participant = 0;  // who has a number of their own in the whole run
    std::string role;             // "host", "participant" or "observer"
    std::vector<client::Line> lines;
    server::IceCredentials credentials;
    std::string fingerprint;
  };
  // What the server itself counts.
  struct Counters {
    double packets_in = 0;
    double packets_out = 0;
    double bytes_out = 0;
    double messages_out = 0;  // walks through the kernel
    double peers = 0;
    double peer_bytes = 0;  // of all peers
    double streams = 0;
    double stream_bytes = 0;  // of all published streams
  };

  virtual ~Target() = default;
  // Writes its configuration into the folder; the command that starts it, and a word of its output
  // that says it is ready.
  [[nodiscard]] virtual std::vector<std::string> configure(const std::filesystem::path& folder) = 0;
  [[nodiscard]] virtual std::string ready() const = 0;
  // The connections that such a participant has here, those that send before those that only
  // receive.
  [[nodiscard]] virtual std::vector<Shape> connections(const Shape& participant) const = 0;
  virtual void make_room(const std::string& name, std::size_t people) = 0;
  void make_room(const std::string& name) { make_room(name, kManyPeople); }
  [[nodiscard]] virtual std::unique_ptr<Entry> enter(Endpoint endpoint) = 0;
  // Nothing where the server does not tell.
  [[nodiscard]] virtual std::optional<Counters> counters() const = 0;
};

}  // namespace parley::bench
