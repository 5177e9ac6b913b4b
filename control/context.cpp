#include "control/context.h"

#include "server/log.h"

namespace parley::control {

void Context::post(std::size_t worker, server::Command command) {
  if (!post_command(worker, std::move(command))) {
    server::log::limited("worker_mailbox_full", {{"worker", worker}});
  }
}

}  // namespace parley::control
