#include "control/people.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/random.h"

namespace parley::control {
namespace {

using testing::ElementsAre;

class PeopleTest : public testing::Test {
 protected:
  Participant& come(const std::string& name) {
    JoinClaims claims;
    claims.identity = name;
    auto one = std::make_unique<Participant>(
        std::move(claims), Negotiation([] { return server::TrackNo{1}; }, server::system_random()));
    one->id = "pa_" + name;
    one->order = ++order_;
    return people_.add(std::move(one));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& p : people_) all.push_back(p->claims.identity);
    return all;
  }
  std::vector<std::string> publishing() const {
    std::vector<std::string> all;
    for (const Participant* p : people_.publishers()) all.push_back(p->claims.identity);
    return all;
  }

  People people_;
  std::uint64_t order_ = 0;
};

TEST_F(PeopleTest, AreFoundByWhatTheyAreKnownBy) {
  Participant& anna = come("anna");
  Participant& ben = come("ben");
  EXPECT_EQ(people_.find("pa_anna"), &anna);
  EXPECT_EQ(people_.find_identity("ben"), &ben);
  EXPECT_EQ(people_.find("anna"), nullptr);
  people_.set_peer(anna, server::PeerId{7});
  EXPECT_EQ(people_.find_peer(server::PeerId{7}), &anna);
  people_.set_peer(anna, server::PeerId{8});
  EXPECT_EQ(people_.find_peer(server::PeerId{7}), nullptr);
  EXPECT_EQ(people_.find_peer(server::PeerId{8}), &anna);
  people_.remove(anna);
  EXPECT_EQ(people_.find("pa_anna"), nullptr);
  EXPECT_EQ(people_.find_identity("anna"), nullptr);
  EXPECT_EQ(people_.find_peer(server::PeerId{8}), nullptr);
  EXPECT_THAT(names(), ElementsAre("ben"));
  people_.clear();
  EXPECT_TRUE(people_.empty());
  EXPECT_EQ(people_.find_identity("ben"), nullptr);
}

TEST_F(PeopleTest, WhoPublishesIsAtHandInTheOrderOfComing) {
  std::vector<Participant*> all;
  for (const char* name : {"anna", "ben", "cora", "dan"}) all.push_back(&come(name));
  for (const std::size_t i : {3U, 0U, 2U, 2U}) {
    all[i]->tracks.resize(1);
    people_.note(*all[i]);
  }
  EXPECT_THAT(publishing(), ElementsAre("anna", "cora", "dan"));
  all[2]->tracks.clear();
  people_.note(*all[2]);
  people_.note(*all[1]);
  EXPECT_THAT(publishing(), ElementsAre("anna", "dan"));
  people_.remove(*all[3]);
  EXPECT_THAT(publishing(), ElementsAre("anna"));
  EXPECT_THAT(names(), ElementsAre("anna", "ben", "cora"));
}

TEST_F(PeopleTest, HostsAndTheWorkersPeersAreCounted) {
  Participant& anna = come("anna");
  Participant& ben = come("ben");
  EXPECT_TRUE(people_.hosts().empty());
  ben.claims.role = Role::Host;
  people_.note(ben);
  EXPECT_THAT(people_.hosts(), ElementsAre(&ben));
  ben.claims.hidden = true;
  people_.note(ben);
  EXPECT_TRUE(people_.hosts().empty());
  anna.worker = 2;
  people_.set_peer(anna, server::PeerId{1});
  people_.set_peer(ben, server::PeerId{2});
  EXPECT_EQ(people_.peers_on(2), 1U);
  EXPECT_EQ(people_.peers_on(0), 1U);
  people_.set_peer(anna, std::nullopt);
  people_.remove(ben);
  EXPECT_EQ(people_.peers_on(2), 0U);
  EXPECT_EQ(people_.peers_on(0), 0U);
}

}  // namespace
}  // namespace parley::control
