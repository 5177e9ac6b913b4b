#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/sim.h"

namespace parley::sim {
namespace {

using server::ChannelOpen;
using server::DataClosed;
using server::DataOpened;
using server::DataPpid;
using server::DataReceived;
using server::Delivery;
using server::SctpMessage;
using Sent = server::SctpAssociation::Sent;

constexpr PeerOptions kPeer{.video = false, .audio_slots = 1, .data = true};

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

// Data channels of peers of one worker; the test decides who gets what, as control does.
class DataTest : public testing::Test {
 protected:
  SimPeer& add(PeerOptions options = kPeer) { return sim.add_peer(options); }
  void connect() {
    ASSERT_TRUE(sim.connect_all());
    ASSERT_TRUE(sim.run_until([&] { return up(); }, seconds(3)));
  }
  bool up() {
    for (const SimPeer* peer : peers) {
      if (!peer->sctp || peer->sctp->state() != server::SctpAssociation::State::Up) return false;
    }
    return true;
  }
  static void open(SimPeer& peer, std::uint16_t stream, const std::string& label,
                   const std::string& protocol = "", const Delivery& delivery = {}) {
    const ChannelOpen open{delivery, 0, label, protocol};
    EXPECT_EQ(peer.sctp->send(stream, DataPpid::Control, write_channel_open(open), {}), Sent::Yes);
  }
  void send(const SimPeer& to, const std::string& label, std::vector<std::uint8_t> message,
            bool text = true) {
    sim.command(
        server::SendData{{to.id()},
                         label,
                         "pa_x",
                         text,
                         std::make_shared<const std::vector<std::uint8_t>>(std::move(message))});
  }
  // What peer has received that is no DCEP.
  std::vector<SctpMessage> received(SimPeer& peer, rtp::Duration within = milliseconds(500)) {
    std::vector<SctpMessage> all;
    for (const rtp::Time end = sim.now + within; sim.now < end;) {
      sim.run_for(milliseconds(10));
      for (SctpMessage& message : peer.sctp->take_messages()) {
        if (message.ppid != static_cast<std::uint32_t>(DataPpid::Control)) {
          all.push_back(std::move(message));
        }
      }
    }
    return all;
  }
  [[nodiscard]] std::uint64_t dropped() const { return sim.counters.dropped(Drop::Data); }
  using Drop = server::Drop;

  Sim sim{5};
  SimPeer& a = add();
  SimPeer& b = add();
  std::vector<SimPeer*> peers{&a, &b};
};

TEST_F(DataTest, MessagesGoToControlAndComeFromThere) {
  connect();
  open(a, 0, "pointer");
  open(b, 2, "pointer", std::string(server::kDataProtocol));
  sim.run_for(milliseconds(200));
  const auto opened = sim.events_of<DataOpened>();
  ASSERT_EQ(opened.size(), 2U);
  EXPECT_EQ(opened[0].label, "pointer");
  EXPECT_EQ(opened[1].channel, 2);
  EXPECT_EQ(opened[1].protocol, server::kDataProtocol);
  EXPECT_EQ(a.sctp->send(0, DataPpid::Text, bytes_of("hello"), {}), Sent::Yes);
  EXPECT_EQ(a.sctp->send(0, DataPpid::EmptyBinary, bytes_of("-"), {}), Sent::Yes);
  sim.run_for(milliseconds(200));
  const auto came = sim.events_of<DataReceived>();
  ASSERT_EQ(came.size(), 2U);
  EXPECT_TRUE(came[0].text);
  EXPECT_EQ(text_of(*came[0].bytes), "hello");
  EXPECT_FALSE(came[1].text);
  EXPECT_TRUE(came[1].bytes->empty());
  std::ignore = received(a);
  send(a, "pointer", bytes_of("raw"));
  send(b, "pointer", bytes_of("framed"));
  send(b, "another", bytes_of("of no channel of his"));
  const auto for_b = received(b);
  ASSERT_EQ(for_b.size(), 1U);
  EXPECT_EQ(text_of(for_b[0].bytes), "\x04pa_xframed");
  EXPECT_EQ(for_b[0].stream, 2);
  const auto for_a = received(a);
  ASSERT_EQ(for_a.size(), 1U);
  EXPECT_EQ(text_of(for_a[0].bytes), "raw");
}

TEST_F(DataTest, EverythingReliableComesInOrderThroughLoss) {
  SimPeer& lossy = add({.video = false,
                        .audio_slots = 1,
                        .data = true,
                        .up = {.loss = 0.05},
                        .down = {.loss = 0.05}});
  peers.push_back(&lossy);
  ASSERT_TRUE(sim.connect_all());
  ASSERT_TRUE(sim.run_until([&] { return up(); }, seconds(10)));
  open(lossy, 0, "x");
  sim.run_for(seconds(2));
  for (int i = 0; i < 100; ++i) {
    send(lossy, "x", bytes_of(std::to_string(i)));
    EXPECT_EQ(lossy.sctp->send(0, DataPpid::Text, bytes_of(std::to_string(i)), {}), Sent::Yes);
    sim.run_for(milliseconds(10));
  }
  const auto down = received(lossy, seconds(20));
  const auto up_there = sim.events_of<DataReceived>();
  ASSERT_EQ(down.size(), 100U);
  ASSERT_EQ(up_there.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(text_of(down[i].bytes), std::to_string(i));
    EXPECT_EQ(text_of(*up_there[i].bytes), std::to_string(i));
  }
}

TEST_F(DataTest, OpensOnlyWhatMayBeOpened) {
  connect();
  for (std::uint16_t i = 0; i < 70; ++i) open(a, static_cast<std::uint16_t>(i * 2), "many");
  open(b, 1, "an odd one");
  open(b, 4, "once");
  open(b, 4, "and again");
  open(b, 6, std::string(129, 'l'));
  EXPECT_EQ(b.sctp->send(8, DataPpid::Control, bytes_of("\x03 is no open"), {}), Sent::Yes);
  EXPECT_EQ(b.sctp->send(10, DataPpid::Text, bytes_of("of no channel"), {}), Sent::Yes);
  sim.run_for(seconds(1));
  const auto opened = sim.events_of<DataOpened>();
  const auto of = [&](const SimPeer& peer) {
    return std::count_if(opened.begin(), opened.end(),
                         [&](const DataOpened& one) { return one.peer == peer.id(); });
  };
  EXPECT_EQ(of(a), 64);
  EXPECT_EQ(of(b), 1);
  EXPECT_EQ(sim.events_of<DataReceived>().size(), 0U);
  EXPECT_EQ(dropped(), 6U + 5U);
}

TEST_F(DataTest, AChannelThatIsClosedCanBeOpenedAgain) {
  connect();
  open(a, 0, "x");
  sim.run_for(milliseconds(200));
  a.sctp->reset(0);
  sim.run_for(milliseconds(500));
  const auto closed = sim.events_of<DataClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].reason, DataClosed::Reason::ByPeer);
  EXPECT_EQ(a.sctp->take_resets(), std::vector<std::uint16_t>{0}) << "both directions";
  open(a, 0, "y");
  sim.run_for(milliseconds(200));
  EXPECT_EQ(sim.events_of<DataOpened>().back().label, "y");
  sim.command(server::CloseData{a.id(), 0});
  sim.run_for(milliseconds(200));
  EXPECT_EQ(sim.events_of<DataClosed>().back().reason, DataClosed::Reason::TooFast);
}

// Who takes nothing loses his channel; nobody else notices.
TEST_F(DataTest, ASlowReceiverLosesWhatMustNotBeLostAsAWhole) {
  connect();
  sim.assign_all(b);
  sim.run_for(seconds(1));
  open(a, 0, "must");
  open(a, 2, "may", "", {false, 0, {}});
  sim.run_for(milliseconds(200));
  a.silent = true;
  const std::uint64_t heard = b.audio_slot(0).packets;
  const std::size_t capacity = 64;
  for (std::size_t i = 0; i < capacity; ++i) {
    send(a, "must", std::vector<std::uint8_t>(32'768));
    send(a, "may", std::vector<std::uint8_t>(100));
    sim.run_for(milliseconds(20));
  }
  const auto closed = sim.events_of<DataClosed>();
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_EQ(closed[0].channel, 0);
  EXPECT_EQ(closed[0].reason, DataClosed::Reason::TooSlow);
  EXPECT_GE(b.audio_slot(0).packets, heard) << "he still is there";
}

// One who sends as fast as his line takes it is slowed down, and media of the others goes on.
TEST_F(DataTest, AFloodIsCutToWhatOneMaySend) {
  SimPeer& loud = add({.video = false, .audio_slots = 0});
  connect();
  sim.assign(b, b.audio_mid(0), loud.audio_track());
  open(a, 0, "flood");
  sim.run_for(milliseconds(200));
  const std::uint64_t before = b.audio_slot(0).packets;
  const std::uint64_t bytes_before = sim.counters.data_bytes_in.value();
  const std::vector<std::uint8_t> message(16'384);
  const rtp::Time end = sim.now + seconds(5);
  while (sim.now < end) {
    while (a.sctp->send(0, DataPpid::Binary, message, {}) == Sent::Yes) {
    }
    sim.run_for(milliseconds(10));
  }
  const std::uint64_t bytes = sim.counters.data_bytes_in.value() - bytes_before;
  EXPECT_LE(bytes, 5U * 2'097'152U + 1'048'576U);
  EXPECT_GE(bytes, 1'000'000U);
  EXPECT_GE(b.audio_slot(0).packets - before, 245U);
  EXPECT_EQ(b.audio_slot(0).missing(), 0U);
}

TEST_F(DataTest, SmallMessagesAreCountedToo) {
  connect();
  open(a, 0, "small");
  sim.run_for(milliseconds(200));
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k < 100; ++k) a.sctp->send(0, DataPpid::Text, bytes_of("x"), {});
    sim.run_for(milliseconds(20));
  }
  EXPECT_LE(sim.events_of<DataReceived>().size(), 3'100U);
  ASSERT_FALSE(sim.events_of<DataClosed>().empty());
  EXPECT_EQ(sim.events_of<DataClosed>()[0].reason, DataClosed::Reason::TooFast);
  const auto churn = server::write_channel_open({{}, 0, "churn", ""});
  for (std::uint16_t i = 0; i < 3'000; ++i) {
    a.sctp->send(2, DataPpid::Control, churn, {});
    a.sctp->reset(2);
    if (i % 100 == 0) sim.run_for(milliseconds(20));
  }
  EXPECT_LE(sim.events.size(), 6'000U);
  EXPECT_TRUE(a.client.connected());
}

TEST_F(DataTest, NoiseInsideTheConnectionEndsNothing) {
  connect();
  open(a, 0, "x");
  open(b, 0, "x");
  sim.run_for(milliseconds(200));
  for (int i = 0; i < 2'000; ++i) {
    std::vector<std::uint8_t> noise(sim.dice.below(1'100) + 1);
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(sim.dice.below(256));
    EXPECT_TRUE(a.client.send_data(noise));
    if (i % 50 == 0) sim.run_for(milliseconds(100));
  }
  send(a, "x", bytes_of("still here"));
  send(b, "x", bytes_of("and here"));
  EXPECT_EQ(received(a).size(), 1U);
  EXPECT_EQ(text_of(received(b).at(0).bytes), "and here");
  EXPECT_TRUE(a.client.connected());
}

TEST_F(DataTest, WhoHasNoneIsSentNone) {
  SimPeer& plain = add({.video = false});
  connect();
  send(plain, "x", bytes_of("nobody listens"));
  sim.run_for(milliseconds(100));
  EXPECT_EQ(dropped(), 1U);
  EXPECT_TRUE(plain.client.connected());
}

}  // namespace
}  // namespace parley::sim
