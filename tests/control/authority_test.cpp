#include "tests/control/metering_fixture.h"

namespace parley::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

// Calls whose backend comes and goes, long after the daemon's start.
class AuthorityTest : public MeteringTest {
 protected:
  AuthorityTest() {
    watch();
    wait(milliseconds(Metering::kStartUpMs));
  }
  void watch() {
    metering->has_authority = [this](std::string_view tenant) {
      return tenant == "seller-1" && connected;
    };
  }
  void connect_backend(bool now_connected) {
    connected = now_connected;
    metering->authority_changed();
  }
  void terminate_after(std::int64_t ms) {
    set_limit(600'000, [&](QuotaPolicy& policy) {
      policy.on_authority_lost = OnAuthorityLost::Terminate;
      policy.authority_grace_ms = ms;
    });
  }
  void call_of_two() {
    call(1, "seller", "host");
    call(2, "buyer");
  }

  bool connected = true;
};

TEST_F(AuthorityTest, WithoutABackendTheCallGoesOn) {
  set_limit(600'000);
  call_of_two();
  connect_backend(false);
  wait(seconds(60));
  EXPECT_EQ(sessions->running(), 1U);
  ask(1, "leave");
  ask(2, "leave");
  wait(seconds(30));
  EXPECT_NE(join(3, "buyer").find("participant_id"), nullptr);
}

TEST_F(AuthorityTest, WithTheLastSocketTheCallsEndAtOnce) {
  terminate_after(0);
  call_of_two();
  wait(seconds(7));
  connect_backend(false);
  wait(milliseconds(0));
  EXPECT_EQ(sessions->running(), 0U);
  const auto ended = events("session.ended");
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(text(ended[0], "end_reason"), "authority_lost");
  EXPECT_EQ(integer_member(ended[0], "room_ms"), 7'000);
  EXPECT_EQ(quota("used_ms"), 7'000);
  ASSERT_THAT(notified(2, "bye"), SizeIs(1));
  EXPECT_EQ(text(notified(2, "bye")[0], "reason"), "authority_lost");
}

TEST_F(AuthorityTest, EndsThoseWhoAreNotMeteredToo) {
  terminate_after(0);
  call(2, "buyer");  // alone
  connect_backend(false);
  wait(milliseconds(0));
  EXPECT_EQ(sessions->running(), 0U);
}

TEST_F(AuthorityTest, AGraceLastsAsLongAsItSays) {
  terminate_after(45'000);
  call_of_two();
  connect_backend(false);
  wait(milliseconds(44'999));
  EXPECT_EQ(sessions->running(), 1U);
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(quota("used_ms"), 45'000);
}

TEST_F(AuthorityTest, ASocketThatIsBackInTimeStopsTheClock) {
  terminate_after(10'000);
  call_of_two();
  connect_backend(false);
  wait(seconds(9));
  connect_backend(true);
  wait(seconds(30));
  EXPECT_EQ(sessions->running(), 1U);
  // The next loss has the whole grace again.
  connect_backend(false);
  wait(seconds(9));
  metering->authority_changed();  // of sockets that have nothing to do with it
  EXPECT_EQ(sessions->running(), 1U);
  wait(seconds(1));
  EXPECT_EQ(sessions->running(), 0U);
}

TEST_F(AuthorityTest, NoSessionBeginsUntilABackendIsBack) {
  terminate_after(5'000);
  connect_backend(false);
  wait(seconds(3));
  EXPECT_NE(join(1, "seller", "host").find("participant_id"), nullptr);  // still in the grace
  wait(seconds(2));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(join(2, "buyer"), "reason"), "authority_lost");
  EXPECT_EQ(text(events("participant.rejected").back(), "reason"), "authority_lost");
  connect_backend(true);
  EXPECT_NE(join(3, "buyer").find("participant_id"), nullptr);
}

TEST_F(AuthorityTest, ThePolicyCountsFromWhenItIsSet) {
  connect_backend(false);
  wait(seconds(100));
  set_limit(600'000);
  call_of_two();
  terminate_after(5'000);
  wait(milliseconds(4'999));
  EXPECT_EQ(sessions->running(), 1U);
  set_limit(600'000);  // another thought
  wait(seconds(60));
  EXPECT_EQ(sessions->running(), 1U);
  terminate_after(5'000);
  wait(seconds(5));
  EXPECT_EQ(sessions->running(), 0U);
}

TEST_F(AuthorityTest, AfterItsStartTheDaemonWaitsForTheBackend) {
  terminate_after(0);
  call_of_two();
  connected = false;
  crash();
  watch();
  metering->authority_changed();
  EXPECT_EQ(text(events("session.ended").at(0), "end_reason"), "server_restart");
  // Everybody joins again before the backend does.
  call_of_two();
  wait(milliseconds(Metering::kStartUpMs - 1));
  EXPECT_EQ(sessions->running(), 1U);
  EXPECT_THAT(events("participant.rejected"), IsEmpty());
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
  EXPECT_EQ(text(join(5, "buyer"), "reason"), "authority_lost");
}

TEST_F(AuthorityTest, ABackendThatComesAfterTheStartInTimeKeepsTheCalls) {
  terminate_after(0);
  connected = false;
  crash();
  watch();
  metering->authority_changed();
  call_of_two();
  wait(seconds(20));
  connect_backend(true);
  wait(seconds(60));
  EXPECT_EQ(sessions->running(), 1U);
}

TEST_F(AuthorityTest, ALongerGraceIsLongerAfterTheStartToo) {
  terminate_after(50'000);
  connected = false;
  crash();
  watch();
  metering->authority_changed();
  call_of_two();
  wait(milliseconds(49'999));
  EXPECT_EQ(sessions->running(), 1U);
  wait(milliseconds(1));
  EXPECT_EQ(sessions->running(), 0U);
}

}  // namespace
}  // namespace parley::control
