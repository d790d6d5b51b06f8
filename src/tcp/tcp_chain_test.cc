#include "tcp/tcp_chain.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/script_tcp.h"

namespace weir {
namespace {

constexpr TcpSide kDown = TcpSide::kDownstream, kUp = TcpSide::kUpstream;
const TcpStep &kGoOn = kGoOnStep, &kPause = kPauseStep, &kFail = kFailStep;

class TcpChainTest : public ::testing::Test, public TcpExchange {
 public:
  std::optional<PropertyValue> property(Property) override { return std::nullopt; }
  std::optional<std::string> variable(std::string_view) override { return std::nullopt; }
  bool SetVariable(std::string_view, std::string_view) override { return false; }
  void Wake(TcpSide side) override { woken[size_t(side)] = true; }
  void OnNote(TcpNote note, std::string_view) override { notes.push_back(note); }

  TcpChain& Chain() {
    if (!chain) chain.emplace(*this, plugins);
    return *chain;
  }
  /// What left: the bytes, "!" for an end, "~" behind what may be forwarded as it came, "x" for a close, "." for a pause.
  std::string Data(TcpSide side, std::string_view chunk, EndOfStream end = EndOfStream::kNo) {
    DataOut out;
    const TcpVerdict verdict = Chain().OnData(side, chunk, end, &out);
    return Text(verdict, chunk, out);
  }
  std::string Pump(TcpSide side) {
    EXPECT_TRUE(std::exchange(woken[size_t(side)], false));
    DataOut out;
    const TcpVerdict verdict = Chain().Continue(side, &out);
    return Text(verdict, "", out);
  }
  static std::string Text(TcpVerdict verdict, std::string_view chunk, const DataOut& out) {
    std::string text = out.connection_passed ? "C" : "";
    text += out.unchanged ? std::string(chunk) + "~" : out.bytes;
    if (out.end == EndOfStream::kYes) text += "!";
    return text + (verdict == TcpVerdict::kClose ? "x" : verdict == TcpVerdict::kPause ? "." : "");
  }

  std::vector<std::string> journal;
  ScriptTcpPlugin a{"a", journal}, b{"b", journal};
  std::vector<Plugin*> plugins{&a, &b};
  bool woken[kTcpSides] = {};
  std::vector<TcpNote> notes;
  std::optional<TcpChain> chain;
};
using Lines = std::vector<std::string>;

TEST_F(TcpChainTest, AsksInOrderDownstreamAndInReverseUpstream) {
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kContinue);
  EXPECT_EQ(Data(kDown, "hi"), "hi~");
  EXPECT_EQ(Data(kUp, "ho"), "ho~");
  Chain().OnClose(kDown, PeerType::kRemote);
  Chain().OnClose(kUp, PeerType::kLocal);
  Chain().OnClose(kUp, PeerType::kRemote);  // the first counts
  Chain().Finish();
  EXPECT_EQ(journal, (Lines{"a new", "b new", "a down hi", "b down hi", "b up ho", "a up ho", "a down closed 2", "b down closed 2",
                            "b up closed 1", "a up closed 1", "a finish", "b finish"}));
}

TEST_F(TcpChainTest, WhatIsClosedAtCreationIsTheFirstVerdict) {
  a.closes_at_once = true;
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kClose);
  EXPECT_FALSE(woken[0] || woken[1]);
  EXPECT_TRUE(journal.empty());
}

TEST_F(TcpChainTest, PausedNewConnectionGoesOnWhenResumed) {
  a.connection = {kPause};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kPause);
  a.stream->Resume(kDown);
  EXPECT_EQ(Pump(kDown), "C");
  EXPECT_EQ(journal, (Lines{"a new", "b new"}));
}

TEST_F(TcpChainTest, DataWaitsUnseenWhileTheNewConnectionIsPaused) {
  a.connection = {kPause};
  a.down = {kPause};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kPause);
  EXPECT_EQ(Data(kDown, "x"), ".");
  EXPECT_EQ(Data(kDown, "y"), ".");
  EXPECT_EQ(journal, (Lines{"a new"}));
  a.stream->Resume(kDown);
  EXPECT_EQ(Pump(kDown), "C");
  EXPECT_EQ(journal, (Lines{"a new", "b new", "a down xy"}));
  EXPECT_EQ(Data(kDown, "z"), "xyz");
}

TEST_F(TcpChainTest, ContinueToDataLetsAPausedNewConnectionGoOn) {
  a.spec_.header_pause = b.spec_.header_pause = HeaderPause::kHeadersOnly;
  a.connection = {kPause};
  a.down = {kPause, kGoOn};
  b.connection = {kPause};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kPause);
  EXPECT_EQ(Data(kDown, "x"), ".");
  EXPECT_EQ(Data(kDown, "y"), "Cxy");
  EXPECT_EQ(journal, (Lines{"a new", "a down x", "a down xy", "b new", "b down xy"}));
}

TEST_F(TcpChainTest, DataWaitsUnseenForAFilterWithoutACallback) {
  a.connection = {kPause};
  a.ignores[0] = true;
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kPause);
  EXPECT_FALSE(Chain().ignores_data(kDown));
  EXPECT_EQ(Data(kDown, "x"), ".");
  a.stream->Resume(kDown);
  EXPECT_EQ(Pump(kDown), "Cx");
  EXPECT_EQ(journal, (Lines{"a new", "b new", "b down x"}));
}

TEST_F(TcpChainTest, PauseShowsTheTotalAndResumePassesItUnseen) {
  (void)Chain().OnNewConnection();
  a.down = {kPause, kPause};
  EXPECT_EQ(Data(kDown, "one"), ".");
  EXPECT_EQ(Data(kDown, "two", EndOfStream::kYes), ".");
  EXPECT_EQ(Data(kUp, "other side"), "other side~");
  a.stream->Resume(kDown);
  EXPECT_EQ(Pump(kDown), "onetwo!");
  EXPECT_EQ(Data(kDown, "late"), "");
  EXPECT_EQ(journal, (Lines{"a new", "b new", "a down one", "a down onetwo end", "b up other side", "a up other side",
                            "b down onetwo end"}));
}

TEST_F(TcpChainTest, ResumeInsideTheDecidingEventDoesNothing) {
  (void)Chain().OnNewConnection();
  a.up = {[](TcpStream& s) { return s.Resume(kUp), FilterStatus::kPause; }};
  EXPECT_EQ(Data(kUp, "x"), ".");
  EXPECT_FALSE(woken[1]);
  EXPECT_EQ(Data(kUp, "y"), "xy");
}

TEST_F(TcpChainTest, ChangedDataIsSeenByTheNext) {
  (void)Chain().OnNewConnection();
  a.down = {[](TcpStream& s) { return s.ReplaceData(kDown, 1, 2, "--"), FilterStatus::kContinue; }};
  b.down = {[](TcpStream& s) { return s.ReplaceData(kDown, 99, 99, "!"), FilterStatus::kPause; }, kGoOn};
  EXPECT_EQ(Data(kDown, "abcd"), ".");
  EXPECT_EQ(Data(kDown, "e"), "a--d!e");
  EXPECT_EQ(journal.back(), "b down a--d!e");
}

TEST_F(TcpChainTest, DataOutsideOfAnEventIsWhatIsHeld) {
  (void)Chain().OnNewConnection();
  EXPECT_EQ(a.stream->data(kDown), std::nullopt);
  EXPECT_FALSE(a.stream->ReplaceData(kDown, 0, 0, "x"));
  a.down = {kPause};
  (void)Data(kDown, "held");
  EXPECT_EQ(a.stream->data(kDown), "held");
  EXPECT_TRUE(a.stream->ReplaceData(kDown, 0, 4, "changed"));
  a.stream->Resume(kDown);
  EXPECT_EQ(Pump(kDown), "changed");
  EXPECT_EQ(a.stream->data(kDown), std::nullopt);
}

TEST_F(TcpChainTest, FullAtTheLimitAndNotBefore) {
  a.spec_.limits.body_bytes = 4;
  a.down = {kPause, kPause};
  (void)Chain().OnNewConnection();
  EXPECT_EQ(Data(kDown, "123"), ".");
  EXPECT_FALSE(Chain().full(kDown));
  EXPECT_EQ(Data(kDown, "4"), ".");
  EXPECT_TRUE(Chain().full(kDown));
  EXPECT_FALSE(Chain().full(kUp));
  EXPECT_EQ(notes, std::vector{TcpNote::kHeldFull});
  a.stream->Resume(kDown);
  EXPECT_FALSE(Chain().full(kDown));
  EXPECT_EQ(Pump(kDown), "1234");
  EXPECT_EQ(Chain().OnHeldTooLong(kDown), TcpVerdict::kContinue);
}

TEST_F(TcpChainTest, FullForTooLongCloses) {
  b.spec_.limits.body_bytes = 2;
  b.spec_.limits.full_ms = 500;
  b.up = {kPause};
  (void)Chain().OnNewConnection();
  (void)Data(kUp, "123");
  EXPECT_EQ(Chain().full_ms(kUp), 500u);
  EXPECT_EQ(Chain().OnHeldTooLong(kUp), TcpVerdict::kClose);
  EXPECT_EQ(notes.back(), TcpNote::kHeldTooLong);
  EXPECT_EQ(Data(kUp, "4"), "x");
}

TEST_F(TcpChainTest, FullReleasesWhereThePluginSaysSo) {
  a.spec_.limits.body_bytes = 4;
  a.spec_.on_buffer_full = OnBufferFull::kRelease;
  a.down = {kPause, kPause, kPause, kPause};
  (void)Chain().OnNewConnection();
  EXPECT_EQ(Data(kDown, "123"), ".");
  EXPECT_EQ(Data(kDown, "45"), "12345");
  EXPECT_EQ(Data(kDown, "6"), "6~");
  EXPECT_EQ(Data(kDown, "7"), "7~");
  EXPECT_EQ(notes, (std::vector{TcpNote::kHeldReleased, TcpNote::kPauseIgnored}));
}

TEST_F(TcpChainTest, ReplaceMayGrowByTheLimitAndNoMore) {
  a.spec_.limits.body_bytes = 4;
  (void)Chain().OnNewConnection();
  a.down = {[](TcpStream& s) {
    EXPECT_FALSE(s.ReplaceData(kDown, 1, 0, "12345"));
    EXPECT_TRUE(s.ReplaceData(kDown, 1, 0, "1234"));
    EXPECT_FALSE(s.ReplaceData(kDown, 0, 0, "5"));
    EXPECT_TRUE(s.ReplaceData(kDown, 0, 1, ""));
    return FilterStatus::kPause;
  }};
  EXPECT_EQ(Data(kDown, "x"), ".");
  EXPECT_FALSE(a.stream->ReplaceData(kDown, 0, 0, "5"));  // a tick must not make it grow for ever
  EXPECT_TRUE(a.stream->ReplaceData(kDown, 0, 4, "abc"));
  EXPECT_EQ(std::count(notes.begin(), notes.end(), TcpNote::kReplaceRefused), 3);
}

TEST_F(TcpChainTest, CloseDeliversWhatPassesInItsEvent) {
  (void)Chain().OnNewConnection();
  b.up = {[](TcpStream& s) { return s.Close(kUp), s.ReplaceData(kUp, 0, 3, "bye"), FilterStatus::kContinue; }};
  EXPECT_EQ(Data(kUp, "abc"), "byex");
  EXPECT_EQ(Data(kDown, "more"), "x");
}

TEST_F(TcpChainTest, CloseWithAPauseDropsWhatIsHeld) {
  (void)Chain().OnNewConnection();
  a.down = {[](TcpStream& s) { return s.Close(kDown), FilterStatus::kPause; }};
  EXPECT_EQ(Data(kDown, "abc"), "x");
}

TEST_F(TcpChainTest, CloseInTheNewConnectionSparesTheNext) {
  a.connection = {[](TcpStream& s) { return s.Close(kDown), FilterStatus::kContinue; }};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kClose);
  EXPECT_EQ(journal, (Lines{"a new"}));
}

TEST_F(TcpChainTest, CloseFromOutsideWakes) {
  (void)Chain().OnNewConnection();
  a.stream->Close(kUp);
  EXPECT_EQ(Pump(kDown), "x");
}

TEST_F(TcpChainTest, FailureClosesOrGoesOnWithoutThePlugin) {
  for (const OnError policy : {OnError::kClosed, OnError::kOpen}) {
    chain.reset();
    journal.clear(), notes.clear();
    a.spec_.on_error = policy;
    a.down = {kFail};
    (void)Chain().OnNewConnection();
    EXPECT_EQ(Data(kDown, "x"), policy == OnError::kOpen ? "x~" : "x");
    EXPECT_EQ(notes, std::vector{policy == OnError::kOpen ? TcpNote::kFailedOpen : TcpNote::kFailedClosed});
    Chain().Finish();
    EXPECT_EQ(journal.back(), "b finish");
    EXPECT_EQ(std::count(journal.begin(), journal.end(), "a finish"), 0);
  }
}

TEST_F(TcpChainTest, FullNewConnectionIsReleasedWhereThePluginSaysSo) {
  a.spec_.limits.body_bytes = 2;
  a.spec_.on_buffer_full = OnBufferFull::kRelease;
  a.connection = {kPause};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kPause);
  EXPECT_EQ(Data(kDown, "xy"), "Cxy");
  EXPECT_EQ(journal, (Lines{"a new", "a down xy", "b new", "b down xy"}));
}

TEST_F(TcpChainTest, FailureFromOutsideLetsHeldDataGoOn) {
  a.spec_.on_error = OnError::kOpen;
  a.connection = {kPause};
  a.down = {kPause};
  (void)Chain().OnNewConnection();
  EXPECT_EQ(Data(kDown, "x"), ".");
  a.stream->Fail();
  EXPECT_EQ(Pump(kDown), "Cx");
}

TEST_F(TcpChainTest, DownPluginClosesOrIsPassedOver) {
  b.is_down = true;
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kClose);
  EXPECT_EQ(journal, (Lines{"a new"}));
  chain.reset();
  b.spec_.on_error = OnError::kOpen;
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kContinue);
  EXPECT_EQ(notes.back(), TcpNote::kPluginDown);
}

TEST_F(TcpChainTest, PropertiesOfOnePluginAreSeenByTheNext) {
  a.connection = {[](TcpStream& s) {
    EXPECT_TRUE(s.SetCustomProperty("my.user", "ann"));
    EXPECT_FALSE(s.SetCustomProperty("source.address", "1.2.3.4"));
    EXPECT_FALSE(s.SetCustomProperty("ngx.x", "1"));
    return FilterStatus::kContinue;
  }};
  b.connection = {[](TcpStream& s) {
    EXPECT_EQ(s.custom_property("my.user"), "ann");
    return FilterStatus::kContinue;
  }};
  EXPECT_EQ(Chain().OnNewConnection(), TcpVerdict::kContinue);
}

}  // namespace
}  // namespace weir
