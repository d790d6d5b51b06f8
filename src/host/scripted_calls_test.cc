#include "host/scripted_calls.h"

#include <gtest/gtest.h>

#include "host/clock.h"

namespace weir {
namespace {

/// Writes down what it hears.
class Listener final : public CallEvents {
 public:
  void OnHttpAnswer(CallToken, HttpAnswer answer) override {
    heard += answer.failure == CallFailure::kNone ? "answer " + answer.headers.front().second + " " + answer.body + ";"
                                                  : std::string(Name(answer.failure)) + ";";
  }
  void OnGrpcMetadata(CallToken, HeaderList metadata) override { heard += "metadata " + std::to_string(metadata.size()) + ";"; }
  void OnGrpcMessage(CallToken, std::string message) override { heard += "message " + message + ";"; }
  void OnGrpcTrailers(CallToken, HeaderList metadata) override { heard += "trailers " + std::to_string(metadata.size()) + ";"; }
  void OnGrpcClose(CallToken, GrpcStatus status, std::string message) override {
    heard += "close " + std::to_string(static_cast<uint32_t>(status)) + " " + message + ";";
  }
  std::string heard;
};

struct Fixture : testing::Test {
  ManualClock clock;
  ScriptedCalls calls{clock};
  Listener listener;
  Result<CallToken> Http(const std::string& upstream, uint32_t timeout_ms = 0) {
    return calls.StartHttp({.upstream = upstream, .headers = {{":method", "GET"}, {":path", "/"}, {":authority", "a"}}, .timeout_ms = timeout_ms}, listener);
  }
  std::string Heard() {
    calls.Deliver();
    return std::exchange(listener.heard, {});
  }
};
using ScriptedCallsTest = Fixture;

TEST_F(ScriptedCallsTest, AnswersInOrderAndTheLastForEver) {
  calls.Script("a", HttpScript(200, "one"));
  calls.Script("a", HttpScript(403, "two"));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Http("a"));
  EXPECT_EQ(listener.heard, "");  // never inside Start
  EXPECT_EQ(Heard(), "answer 200 one;answer 403 two;answer 403 two;");
  EXPECT_EQ(calls.seen().size(), 3u);
  EXPECT_EQ(calls.in_flight(), 0u);
}

TEST_F(ScriptedCallsTest, RefusesWhatARealClientRefuses) {
  EXPECT_EQ(Http("a").error().code, ErrorCode::kNotFound);
  calls.Script("a", HttpScript(200));
  EXPECT_EQ(calls.StartHttp({.upstream = "a"}, listener).error().code, ErrorCode::kInvalidArgument);
  calls.set_calls_max(1);
  EXPECT_TRUE(Http("a"));
  EXPECT_EQ(Http("a").error().code, ErrorCode::kLimit);
}

TEST_F(ScriptedCallsTest, TheClockBringsAnswersAndTimeouts) {
  CallScript slow = HttpScript(200, "slow");
  slow.after_ms = 100;
  calls.Script("slow", slow);
  calls.Script("silent", SilentScript());
  ASSERT_TRUE(Http("slow", 101));
  ASSERT_TRUE(Http("slow", 100));  // the time is over when the answer comes
  ASSERT_TRUE(Http("silent", 50));
  ASSERT_TRUE(Http("silent"));
  EXPECT_EQ(calls.next_ns(), clock.MonotonicNs() + 50'000'000);
  clock.AdvanceMs(49);
  EXPECT_EQ(Heard(), "");
  clock.AdvanceMs(1);
  EXPECT_EQ(Heard(), "timeout;");
  clock.AdvanceMs(50);
  EXPECT_EQ(Heard(), "answer 200 slow;timeout;");
  EXPECT_EQ(calls.next_ns(), std::nullopt);
  EXPECT_EQ(calls.in_flight(), 1u);
}

TEST_F(ScriptedCallsTest, CancelledCallsSayNothing) {
  calls.Script("a", HttpScript(200));
  auto token = Http("a");
  calls.Cancel(*token);
  calls.Cancel(*token);
  EXPECT_EQ(Heard(), "");
}

TEST_F(ScriptedCallsTest, GrpcUnary) {
  calls.Script("g", GrpcScript({"one", "two"}, GrpcStatus::kAborted, "why", {{"x", "1"}}));
  auto token = calls.StartGrpc({.upstream = "g", .service = "S", .method = "M", .message = "m"}, listener);
  ASSERT_TRUE(token);
  EXPECT_FALSE(calls.GrpcSend(*token, "more", EndOfStream::kNo));
  EXPECT_EQ(Heard(), "metadata 1;message one;message two;trailers 0;close 10 why;");
  EXPECT_FALSE(calls.GrpcCloseSend(*token));
}

TEST_F(ScriptedCallsTest, GrpcStreamAnswersMessageByMessage) {
  CallScript script;
  script.grpc = {{GrpcMetadata{}},
                 {GrpcMessage{"re:1"}, GrpcStep::When::kAfterMessage},
                 {GrpcMessage{"re:2"}, GrpcStep::When::kAfterMessage, 10},
                 {GrpcTrailers{}, GrpcStep::When::kAfterHalfClose},
                 {GrpcClose{}}};
  calls.Script("g", script);
  auto token = calls.StartGrpc({.upstream = "g", .service = "S", .method = "M"}, listener);
  ASSERT_TRUE(token);
  EXPECT_EQ(Heard(), "metadata 0;");
  EXPECT_TRUE(calls.GrpcSend(*token, "1", EndOfStream::kNo));
  EXPECT_EQ(Heard(), "message re:1;");
  EXPECT_TRUE(calls.GrpcSend(*token, "2", EndOfStream::kYes));
  EXPECT_FALSE(calls.GrpcSend(*token, "3", EndOfStream::kYes));
  EXPECT_TRUE(calls.GrpcCloseSend(*token));  // is closed already
  EXPECT_EQ(Heard(), "");
  clock.AdvanceMs(10);
  EXPECT_EQ(Heard(), "message re:2;trailers 0;close 0 ;");
  EXPECT_EQ(calls.seen().front().messages, (std::vector<std::string>{"1", "2"}));
}

TEST_F(ScriptedCallsTest, GrpcFailuresHaveTheirStatus) {
  calls.Script("gone", FailureScript(CallFailure::kConnect, "refused"));
  calls.Script("silent", SilentScript());
  ASSERT_TRUE(calls.StartGrpc({.upstream = "gone", .service = "S", .method = "M", .message = ""}, listener));
  ASSERT_TRUE(calls.StartGrpc({.upstream = "silent", .service = "S", .method = "M", .message = "", .timeout_ms = 5}, listener));
  EXPECT_EQ(Heard(), "close 14 refused;");
  clock.AdvanceMs(5);
  EXPECT_EQ(Heard(), "close 4 no answer in time;");
}

/// Starts the next call from inside an answer.
class Chain final : public CallEvents {
 public:
  explicit Chain(ScriptedCalls& calls) : calls_(calls) {}
  void OnHttpAnswer(CallToken, HttpAnswer) override {
    ++count;
    (void)calls_.StartHttp({.upstream = "a", .headers = {{":method", "GET"}, {":path", "/"}, {":authority", "a"}}}, *this);
  }
  void OnGrpcMetadata(CallToken, HeaderList) override {}
  void OnGrpcMessage(CallToken, std::string) override {}
  void OnGrpcTrailers(CallToken, HeaderList) override {}
  void OnGrpcClose(CallToken, GrpcStatus, std::string) override {}
  int count = 0;

 private:
  ScriptedCalls& calls_;
};

TEST_F(ScriptedCallsTest, CallsFromAnswersWaitForTheNextDelivery) {
  calls.Script("a", HttpScript(200));
  Chain chain(calls);
  chain.OnHttpAnswer(0, {});
  EXPECT_EQ(calls.Deliver(), 1u);
  EXPECT_EQ(chain.count, 2);
}

}  // namespace
}  // namespace weir
