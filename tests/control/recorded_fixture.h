#pragma once

#include <string>

#include "call_fixture.h"

namespace parley::control {

// Calls whose recordings end as the test says: the recorder's words are the test's.
class RecordedTest : public CallTest {
 protected:
  [[nodiscard]] recorder::Completed completed(const std::string& id) const {
    recorder::Completed done;
    done.recording_id = id;
    done.manifest = "/tmp/x/manifest.json";
    recorder::RecordedFile file;
    file.name = "anna-camera-1.webm";
    file.participant_id = recordings->find(id)->people.at(0).participant_id;
    file.identity = "anna";
    file.source = "camera";
    file.size_bytes = 1'000;
    file.sha256 = "a1b2";
    done.files = {file};
    done.size_bytes = file.size_bytes;
    done.duration_ms = 5'000;
    done.end_reason = "stopped_by_host";
    return done;
  }
  // A recording of the host on socket 1 whose tracks are on the disk.
  std::string recorded() {
    const std::string id = text(ask(1, "recording.start"), "recording_id");
    static_cast<void>(ask(1, "recording.stop"));
    recordings->on_recorder_event(completed(id));
    outbox->flush();
    return id;
  }
  // One as the API starts it.
  std::string recorded(const RecordingOptions& options) {
    const auto started = recordings->start(session(), options);
    const std::string id = started ? (*started)->id : "";
    outbox->flush();
    recordings->stop(id, "stopped_by_api");
    recordings->on_recorder_event(completed(id));
    outbox->flush();
    return id;
  }
};

}  // namespace parley::control
