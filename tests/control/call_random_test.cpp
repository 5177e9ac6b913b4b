#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "call_fixture.h"

// Random lives of a room. Whatever happens, what each client was told adds up to what is so, and
// what the log says adds up to who is there.
namespace parley::control {
namespace {

using namespace std::chrono_literals;

class RandomCalls : public CallTest {
 protected:
  // A client as parley.js is one: the join answer, then the notifications.
  struct Client {
    std::string identity;
    std::string participant_id;
    std::map<std::string, std::set<std::string>> others;  // participant -> tracks
    std::size_t read = 0;
    bool joined = false;
  };

  void read_news(std::uint64_t connection, Client& client) {
    auto& messages = sent[connection];
    for (; client.read < messages.size(); ++client.read) {
      const Json& message = messages[client.read];
      const Json* method = message.find("method");
      if (method == nullptr) continue;
      const Json& params = *message.find("params");
      const std::string who = text(params, "participant_id");
      const std::string name = *method->as_string();
      if (name == "participant.joined") {
        take(client, *params.find("participant"));
      } else if (name == "participant.left") {
        client.others.erase(who);
      } else if (name == "track.published") {
        client.others[who].insert(text(*params.find("track"), "track_id"));
      } else if (name == "track.unpublished") {
        client.others[who].erase(text(params, "track_id"));
      } else if (name == "bye") {
        client.joined = false;
      }
    }
  }
  void take(Client& client, const Json& participant) {
    auto& tracks = client.others[text(participant, "participant_id")];
    tracks.clear();
    for (const Json& track : *participant.find("tracks")->as_array()) {
      tracks.insert(text(track, "track_id"));
    }
  }

  void join_somebody(std::uint64_t connection, const std::string& identity) {
    Client& client = clients_[connection];
    client.identity = identity;
    const Json answer = join(connection, identity);
    client.participant_id = text(answer, "participant_id");
    client.joined = !client.participant_id.empty();
    if (!client.joined) return;
    for (const Json& other : *answer.find("participants")->as_array()) take(client, other);
    // The answer is the snapshot: what came on this socket before it is not for this client.
    client.read = sent[connection].size();
  }

  void check(std::uint64_t seed, int step) {
    Session* running = sessions->find_by_room(rooms->find("seller-1", "main")->id);
    for (auto& [connection, client] : clients_) {
      read_news(connection, client);
      if (!client.joined || closed.count(connection) != 0) continue;
      ASSERT_NE(running, nullptr) << "seed " << seed << " step " << step;
      std::map<std::string, std::set<std::string>> truth;
      for (const auto& p : running->participants()) {
        if (p->id == client.participant_id) continue;
        auto& tracks = truth[p->id];
        for (const Track& track : p->tracks) tracks.insert(track.id);
      }
      ASSERT_EQ(client.others, truth) << "seed " << seed << " step " << step;
    }
    for (; events_read_ < store.events.size(); ++events_read_) {
      const EventRow& event = store.events[events_read_];
      if (!event.type.starts_with("participant.")) continue;
      const auto body = Json::parse(event.body);
      const std::string who = text(*body->find("data"), "participant_id");
      if (event.type == "participant.joined") present_.insert(who);
      if (event.type == "participant.left") present_.erase(who);
    }
    ASSERT_EQ(present_.size(), running == nullptr ? 0 : running->participants().size())
        << "seed " << seed << " step " << step;
  }

  std::map<std::uint64_t, Client> clients_;
  std::set<std::string> present_;  // by the event log
  std::size_t events_read_ = 0;
};

TEST_F(RandomCalls, EveryClientsPictureOfTheRoomStaysTrue) {
  for (std::uint32_t seed = 1; seed <= 10; ++seed) {
    room();
    std::mt19937 chance(seed);
    const auto pick = [&](std::uint32_t n) { return static_cast<std::uint32_t>(chance() % n); };
    std::uint64_t next_connection = seed * 1'000;
    for (int step = 0; step < 80; ++step) {
      std::vector<std::uint64_t> open;
      for (const auto& [connection, client] : clients_) {
        if (client.joined && closed.count(connection) == 0 && rtc->knows({connection})) {
          open.push_back(connection);
        }
      }
      const std::uint64_t who =
          open.empty() ? 0 : open[pick(static_cast<std::uint32_t>(open.size()))];
      const std::uint32_t action = who == 0 ? 0 : pick(9);
      if (action <= 1) {
        join_somebody(++next_connection, "person-" + std::to_string(pick(6)));
      } else if (action == 2) {
        publish(who);
      } else if (action == 3) {
        subscribe(who);
      } else if (action == 4) {
        Json none = Json::array();
        offer(who, "chromium-simulcast-vp8-offer.sdp", std::move(none));
      } else if (action == 5) {
        clients_[who].joined = false;
        ask(who, "leave");
      } else if (action == 6) {  // the network is gone, without a word
        clients_[who].joined = false;
        rtc->closed({who}, 1006);
        outbox->flush();
      } else if (action == 7) {
        wait(std::chrono::seconds(pick(12)));
      } else {
        std::vector<server::Event> events;
        for (const auto& p : session().participants()) {
          if (p->peer && pick(2) == 0) events.push_back(server::PeerConnected{*p->peer});
          if (p->peer && pick(3) == 0) events.push_back(server::PeerAway{*p->peer, now});
          if (p->peer && pick(6) == 0) events.push_back(server::PeerClosed{*p->peer, {}, now});
        }
        worker_says(events);
      }
      check(seed, step);
      if (HasFatalFailure()) return;
    }
    sessions->end_all("server_shutdown");
    outbox->flush();
    clients_.clear();
    sent.clear();
  }
}

}  // namespace
}  // namespace parley::control
