#include "control/outbox.h"

#include <utility>

namespace parley::control {

void Outbox::event(NewEvent event, std::int64_t time_ms) {
  EventRow row;
  row.seq = next_seq_++;
  row.id = random_id("ev", random_);
  row.type = event.type;
  row.tenant = event.tenant;
  row.room_id = event.room_id;
  row.time_ms = time_ms;
  Json body = Json::object({{"seq", row.seq},
                            {"id", row.id},
                            {"type", row.type},
                            {"v", 1},
                            {"time_ms", time_ms},
                            {"tenant", row.tenant}});
  if (!event.room_id.empty()) body.set("room_id", event.room_id);
  if (!event.session_id.empty()) body.set("session_id", event.session_id);
  body.set("data", std::move(event.data));
  row.body = body.dump();
  batch_.events.push_back(row);
  outputs_.push_back([this, row = std::move(row)](bool durable) {
    if (!durable) return;
    durable_seq_ = row.seq;
    if (sink_) sink_(row);
  });
}

void Outbox::flush() {
  if (batch_.empty() && outputs_.empty()) return;
  store_.commit(std::exchange(batch_, {}), [outputs = std::exchange(outputs_, {})](
                                               const tl::expected<void, std::string>& done) {
    for (const Output& output : outputs) output(done.has_value());
  });
}

}  // namespace parley::control
