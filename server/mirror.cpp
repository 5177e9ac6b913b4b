#include "server/mirror.h"

#include <algorithm>
#include <utility>

namespace parley::server {

Mirror::Mirror(Context& context, Alarm& room_alarm, RoomId room, PublishSection section,
               std::shared_ptr<Relay> relay)
    : context_(context),
      alarm_(&room_alarm),
      relay_(std::move(relay)),
      track_(context, alarm_, no_clocks_, room, PeerId{}, std::move(section), relay_.get()) {
  context_.mirrors.push_back(this);
}

Mirror::~Mirror() {
  relay_->set_watched(false);
  std::erase(context_.mirrors, this);
}

bool Mirror::drain(rtp::Time now) {
  std::size_t taken = 0;
  for (; taken < kMaxDrained; ++taken) {
    const auto record = relay_->front();
    if (!record) break;
    take(now, *record);
    relay_->pop();
  }
  return taken > 0;
}

void Mirror::take(rtp::Time now, const Relay::Record& record) {
  rtp::Buffer copy;
  // Only a packet needs one: that an encoding restarted must be heard even when the pool is empty.
  if (record.kind == Relay::Kind::Rtp) {
    copy = context_.pool.take();
    if (!copy) return context_.counters.drop(Drop::PoolEmpty);
    if (record.bytes.size() > rtp::Buffer::kMaxDatagram) {
      return context_.counters.drop(Drop::TooLarge);
    }
    std::copy(record.bytes.begin(), record.bytes.end(), copy.storage().begin());
    copy.resize(record.bytes.size());
  }
  track_.on_relayed(now, record, std::move(copy));
}

void Mirror::tick(rtp::Time now) {
  alarm_.clear();
  track_.tick_mirror(now);
}

}  // namespace parley::server
