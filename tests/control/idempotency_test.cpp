#include "control/idempotency.h"

#include <gtest/gtest.h>

#include "call_fixture.h"

namespace parley::control {
namespace {

class IdempotencyTest : public CallTest {
 protected:
  Json params(int value) { return Json::object({{"idempotency_key", "k"}, {"value", value}}); }
  void remember() {
    idempotency->remember("crm/room.create", params(1), Json::object({{"room_id", "rm_1"}}));
    outbox->flush();
  }
};

TEST_F(IdempotencyTest, TheSameCallGetsTheStoredAnswer) {
  remember();
  const auto found = idempotency->find("crm/room.create", params(1));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(*(*found)->find("room_id"), Json("rm_1"));
  EXPECT_EQ(*(*found)->find("replayed"), Json(true));
}

TEST_F(IdempotencyTest, OtherParamsUnderTheKeyAreAMismatch) {
  remember();
  const auto found = idempotency->find("crm/room.create", params(2));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().reason, "idempotency_mismatch");
}

TEST_F(IdempotencyTest, AnotherKeyOrMethodIsAnotherScope) {
  remember();
  EXPECT_FALSE(*idempotency->find("blue/room.create", params(2)));
  EXPECT_FALSE(*idempotency->find("crm/room.delete", params(2)));
}

TEST_F(IdempotencyTest, IsRememberedOverARestartAndForgottenAfterADay) {
  remember();
  make_parts();
  idempotency->load(store.all_rows());
  EXPECT_TRUE(*idempotency->find("crm/room.create", params(1)));
  wait(std::chrono::hours(24));
  EXPECT_FALSE(*idempotency->find("crm/room.create", params(1)));
  make_parts();
  idempotency->load(store.all_rows());
  outbox->flush();
  EXPECT_TRUE(store.all_rows().empty());
}

TEST(CanonicalParams, DoNotDependOnTheOrderOfMembers) {
  const auto a = Json::parse(R"({"b":{"y":1,"x":[{"q":2,"p":1}]},"a":1,"idempotency_key":"k"})");
  const auto b = Json::parse(R"({"idempotency_key":"z","a":1,"b":{"x":[{"p":1,"q":2}],"y":1}})");
  EXPECT_EQ(canonical_params(*a), canonical_params(*b));
}

}  // namespace
}  // namespace parley::control
