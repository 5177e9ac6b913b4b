#pragma once

#include <sys/types.h>

namespace parley::recorder {

// For programs that work on recordings beside a server: a call on this machine comes first, where
// memory runs out they are what may go, what they write is for its owner's group at most, and a
// file size limit is an error like others. With a `parent` the process ends when that process does;
// false: it has already.
[[nodiscard]] bool work_in_background(pid_t parent);

}  // namespace parley::recorder
