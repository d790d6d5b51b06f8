// gRPC calls to Google's server, and to one that breaks the rules.
#include <charconv>

#include "host/testing/upstream.h"

namespace weir {
namespace {

class GrpcClient : public testing::Test {
 protected:
  static void SetUpTestSuite() { upstream = new TestUpstream({"--tls", "--grpc"}); }
  static void TearDownTestSuite() {
    delete upstream;
    upstream = nullptr;
  }
  static Cluster Plain() { return {.name = "plain", .urls = {upstream->url("grpc")}, .answer_bytes_max = 4 << 20}; }
  static ClientOptions Options() {
    return {.clusters = {Plain(),
                         {.name = "tls", .urls = {upstream->url("grpc_tls", "https")}, .ca_file = upstream->file("ca.pem")},
                         {.name = "raw", .urls = {upstream->url("h2c")}},
                         {.name = "old", .urls = {upstream->url("http")}, .http2 = Http2::kNever},
                         {.name = "h1", .urls = {upstream->url("http")}},
                         {.name = "h1tls", .urls = {upstream->url("tls_good", "https")}, .ca_file = upstream->file("ca.pem")},
                         {.name = "closed", .urls = {"http://127.0.0.1:1"}}}};
  }
  static TestUpstream* upstream;
};
TestUpstream* GrpcClient::upstream = nullptr;

CallToken Start(TestCaller& caller, const std::string& upstream, const std::string& method, std::optional<std::string> message, uint32_t timeout_ms = 5000,
                HeaderList metadata = {}, const std::string& service = "weir.Test") {
  auto token = caller.client().StartGrpc(
      {.upstream = upstream, .service = service, .method = method, .metadata = std::move(metadata), .message = std::move(message), .timeout_ms = timeout_ms}, caller);
  EXPECT_TRUE(token) << token.error().message;
  return token ? *token : 0;
}

TestCaller::Grpc& Closed(TestCaller& caller, CallToken token) {
  caller.WaitUntil([&] { return caller.grpc[token].closed; });
  return caller.grpc[token];
}

int Count(const std::string& digits) {
  int number = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

uint32_t Number(GrpcStatus status) { return static_cast<uint32_t>(status); }

TEST_F(GrpcClient, AllFourKinds) {
  TestCaller caller(Options());
  for (const std::string to : {"plain", "tls"}) {
    const auto unary = Closed(caller, Start(caller, to, "Unary", "hello"));
    EXPECT_EQ(unary.messages, std::vector<std::string>{"re:hello"});
    EXPECT_EQ(Number(unary.status), 0u) << unary.message;
    EXPECT_TRUE(unary.metadata_came && unary.trailers_came);
    EXPECT_EQ(Closed(caller, Start(caller, to, "Unary", "")).messages, std::vector<std::string>{"re:"});

    const auto down = Closed(caller, Start(caller, to, "Down", "x"));
    EXPECT_EQ(down.messages, (std::vector<std::string>{"0:x", "1:x", "2:x", "3:x", "4:x"}));

    const CallToken up = Start(caller, to, "Up", std::nullopt);
    EXPECT_TRUE(caller.client().GrpcSend(up, "a", EndOfStream::kNo));
    EXPECT_TRUE(caller.client().GrpcSend(up, "", EndOfStream::kNo));  // an empty message is one
    caller.Idle(20);
    EXPECT_TRUE(caller.client().GrpcSend(up, "c", EndOfStream::kYes));
    EXPECT_FALSE(caller.client().GrpcSend(up, "d", EndOfStream::kNo));
    EXPECT_EQ(Closed(caller, up).messages, std::vector<std::string>{"a++c"});

    const CallToken both = Start(caller, to, "Both", std::nullopt, 0);
    for (size_t i = 0; i < 20; ++i) {  // each waits for the answer to the one before: full duplex
      EXPECT_TRUE(caller.client().GrpcSend(both, std::to_string(i), EndOfStream::kNo));
      caller.WaitUntil([&] { return caller.grpc[both].messages.size() == i + 1; });
      EXPECT_EQ(caller.grpc[both].messages.back(), "re:" + std::to_string(i));
    }
    EXPECT_FALSE(caller.grpc[both].closed);
    EXPECT_TRUE(caller.client().GrpcCloseSend(both));
    EXPECT_TRUE(caller.client().GrpcCloseSend(both));
    EXPECT_EQ(Number(Closed(caller, both).status), 0u);
    EXPECT_FALSE(caller.client().GrpcCloseSend(both));
    EXPECT_FALSE(caller.client().GrpcSend(both, "late", EndOfStream::kNo));
  }
  EXPECT_EQ(caller.client().in_flight(), 0u);
}

TEST_F(GrpcClient, TheServerMayEndAnOpenStream) {
  TestCaller caller(Options());
  for (const std::string to : {"plain", "tls"}) {
    const CallToken token = Start(caller, to, "Both", std::nullopt, 0);
    caller.client().GrpcSend(token, "one", EndOfStream::kNo);
    caller.client().GrpcSend(token, "stop", EndOfStream::kNo);
    const auto& call = Closed(caller, token);
    EXPECT_EQ(call.messages, std::vector<std::string>{"re:one"});
    EXPECT_EQ(Number(call.status), 0u) << call.message;
    const CallToken refused = Start(caller, to, "FailBoth", std::nullopt, 0);
    caller.client().GrpcSend(refused, "one", EndOfStream::kNo);
    EXPECT_EQ(Number(Closed(caller, refused).status), Number(GrpcStatus::kPermissionDenied));
    const CallToken unknown = Start(caller, to, "Nothing", std::nullopt, 0);
    EXPECT_EQ(Number(Closed(caller, unknown).status), Number(GrpcStatus::kUnimplemented));
  }
}

TEST_F(GrpcClient, MetadataGoesBothWays) {
  TestCaller caller(Options());
  const auto call = Closed(caller, Start(caller, "plain", "Metadata", "", 5000,
                                         {{"x-a", "1"}, {"x-a", "2"}, {"x-b-bin", std::string("\0\xff", 2)}, {"grpc-timeout", "1n"}, {"content-type", "x"}, {"te", "y"}}));
  ASSERT_EQ(call.messages.size(), 1u) << call.message;
  EXPECT_EQ(call.messages[0], "[('x-a', '1'), ('x-a', '2'), ('x-b-bin', b'\\x00\\xff')]");
  EXPECT_EQ(ValueOf(call.metadata, "x-initial"), "i");
  EXPECT_EQ(ValueOf(call.metadata, "x-initial-bin"), "\1\2\3");
  EXPECT_EQ(ValueOf(call.metadata, ":status"), "");
  EXPECT_EQ(ValueOf(call.trailers, "x-trailing"), "t");
  EXPECT_EQ(ValueOf(call.trailers, "x-trailing-bin"), std::string("\0\xfe\xff", 3));
}

TEST_F(GrpcClient, StatusAndMessageOfTheServer) {
  TestCaller caller(Options());
  const auto call = Closed(caller, Start(caller, "plain", "Fail", ""));
  EXPECT_EQ(Number(call.status), Number(GrpcStatus::kFailedPrecondition));
  EXPECT_EQ(call.message, "not so: 100 % \xc3\xbc");
  EXPECT_EQ(ValueOf(call.trailers, "x-why"), "so");
  EXPECT_EQ(ValueOf(call.trailers, "x-why-bin"), std::string("\0\xff", 2));
  EXPECT_EQ(Number(Closed(caller, Start(caller, "plain", "X", "", 5000, {}, "no.Service")).status), Number(GrpcStatus::kUnimplemented));
}

TEST_F(GrpcClient, Deadlines) {
  TestCaller caller(Options());
  const auto sent = Closed(caller, Start(caller, "plain", "Deadline", "", 3000));
  ASSERT_EQ(sent.messages.size(), 1u);
  EXPECT_GT(Count(sent.messages[0]), 2000);
  EXPECT_LE(Count(sent.messages[0]), 3000);
  EXPECT_EQ(Number(Closed(caller, Start(caller, "plain", "Slow", "2000", 80)).status), Number(GrpcStatus::kDeadlineExceeded));
  const CallToken stream = Start(caller, "plain", "Both", std::nullopt, 80);
  EXPECT_EQ(Number(Closed(caller, stream).status), Number(GrpcStatus::kDeadlineExceeded));
  EXPECT_EQ(Number(Closed(caller, Start(caller, "plain", "Slow", "20", 2000)).status), 0u);
}

TEST_F(GrpcClient, CancelReachesTheServer) {
  TestCaller caller(Options());
  const CallToken token = Start(caller, "plain", "WaitCancel", "");
  caller.WaitUntil([&] { return !caller.grpc[token].messages.empty(); });
  caller.client().Cancel(token);
  EXPECT_EQ(Closed(caller, Start(caller, "plain", "WasCancelled", "3000")).messages, std::vector<std::string>{"yes"});
  caller.Idle(20);
  EXPECT_FALSE(caller.grpc[token].closed);
  EXPECT_FALSE(caller.client().GrpcSend(token, "x", EndOfStream::kNo));
}

TEST_F(GrpcClient, LargeMessagesBothWays) {
  TestCaller caller(Options());
  const std::string large(3 << 20, 'm');
  const auto call = Closed(caller, Start(caller, "plain", "Unary", large));
  ASSERT_EQ(call.messages.size(), 1u) << call.message;
  EXPECT_EQ(call.messages[0], "re:" + large);
  const CallToken up = Start(caller, "plain", "Count", std::nullopt, 0);
  for (int i = 0; i < 30; ++i) {
    caller.client().GrpcSend(up, std::string(1 << 20, 'u'), i == 29 ? EndOfStream::kYes : EndOfStream::kNo);
    usleep(20'000);  // as fast as the server takes them
  }
  EXPECT_EQ(Closed(caller, up).messages, std::vector<std::string>{std::to_string(30 << 20)}) << caller.grpc[up].message;
}

TEST_F(GrpcClient, MessagesOverTheLimit) {
  TestCaller caller(Options());
  const auto call = Closed(caller, Start(caller, "plain", "Big", "4194305 1"));
  EXPECT_EQ(Number(call.status), Number(GrpcStatus::kResourceExhausted));
  EXPECT_NE(call.message.find("over 4194304 bytes"), std::string::npos) << call.message;
  EXPECT_EQ(Closed(caller, Start(caller, "plain", "Big", "4194304 1")).bytes, 4194304u);
}

TEST_F(GrpcClient, AServerThatSendsFasterThanWeTakeIsHeldBack) {
  TestCaller caller(Options());
  caller.keep_messages = false;
  const CallToken token = Start(caller, "plain", "Big", "1000000 60", 0);
  const CallToken other = Start(caller, "plain", "Unary", "beside");
  usleep(300'000);  // nobody takes anything
  EXPECT_EQ(Number(Closed(caller, token).status), 0u) << caller.grpc[token].message;
  EXPECT_EQ(caller.grpc[token].bytes, 60'000'000u);
  std::vector<CallToken> many;  // more held back than a connection's window has room for
  for (int i = 0; i < 10; ++i) many.push_back(Start(caller, "plain", "Big", "1000000 12", 0));
  const CallToken last = Start(caller, "plain", "Unary", "beside");
  usleep(300'000);
  EXPECT_EQ(Number(Closed(caller, last).status), 0u);
  for (CallToken one : many) EXPECT_EQ(Closed(caller, one).bytes, 12'000'000u) << caller.grpc[one].message;
  EXPECT_EQ(Number(Closed(caller, other).status), 0u);
}

TEST_F(GrpcClient, ManyCallsAndStreamsAtOnce) {
  TestCaller caller(Options());
  std::vector<CallToken> unary, streams;
  for (int i = 0; i < 8; ++i) streams.push_back(Start(caller, "plain", "Both", std::nullopt));
  for (int i = 0; i < 200; ++i) {
    unary.push_back(Start(caller, "plain", "Unary", std::to_string(i)));
    caller.client().GrpcSend(streams[static_cast<size_t>(i) % 8], std::to_string(i), EndOfStream::kNo);
  }
  for (CallToken token : streams) caller.client().GrpcCloseSend(token);
  for (size_t i = 0; i < 200; ++i) {
    const auto& call = Closed(caller, unary[i]);
    EXPECT_EQ(call.messages, std::vector<std::string>{"re:" + std::to_string(i)}) << call.message;
  }
  for (size_t s = 0; s < 8; ++s) {
    const auto& call = Closed(caller, streams[s]);
    ASSERT_EQ(call.messages.size(), 25u) << call.message;
    for (size_t i = 0; i < 25; ++i) EXPECT_EQ(call.messages[i], "re:" + std::to_string(i * 8 + s));
  }
}

TEST_F(GrpcClient, FailuresHaveTheirStatus) {
  TestCaller caller(Options());
  const struct {
    const char *upstream, *service, *method;
    GrpcStatus status;
    const char* message;
  } cases[] = {
      {"closed", "weir.Test", "Unary", GrpcStatus::kUnavailable, "127.0.0.1:1: "},
      {"raw", "raw", "Status503", GrpcStatus::kUnavailable, "answer 503"},
      {"raw", "raw", "NotGrpc", GrpcStatus::kUnknown, "\"text/html\" is not application/grpc"},
      {"raw", "raw", "Compressed", GrpcStatus::kUnimplemented, "\"gzip\""},
      {"raw", "raw", "CompressedUnsaid", GrpcStatus::kInternal, "without a grpc-encoding"},
      {"raw", "raw", "BadFlag", GrpcStatus::kInternal, "neither 0 nor 1"},
      {"raw", "raw", "Truncated", GrpcStatus::kInternal, "inside a message"},
      {"raw", "raw", "EndWithoutTrailers", GrpcStatus::kUnknown, "without a grpc-status"},
      {"raw", "raw", "Reset2", GrpcStatus::kInternal, "INTERNAL_ERROR"},
      {"raw", "raw", "Reset8", GrpcStatus::kCancelled, "CANCEL"},
      {"raw", "raw", "Reset11", GrpcStatus::kResourceExhausted, "ENHANCE_YOUR_CALM"},
      {"raw", "raw", "Gone", GrpcStatus::kUnavailable, ""},
  };
  for (const auto& one : cases) {
    for (const bool stream : {false, true}) {
      const auto call = Closed(caller, Start(caller, one.upstream, one.method, stream ? std::nullopt : std::optional<std::string>("m"), 5000, {}, one.service));
      EXPECT_EQ(Number(call.status), Number(one.status)) << one.method << stream << ": " << call.message;
      EXPECT_NE(call.message.find(one.message), std::string::npos) << one.method << stream << ": " << call.message;
    }
  }
}

TEST_F(GrpcClient, EarlyErrorsAreNeverLost) {  // the server sends head and reset at once, while we send
  TestCaller caller(Options());
  for (int i = 0; i < 200; ++i) {
    const CallToken token = Start(caller, "plain", "Nothing", std::nullopt, 0);
    caller.client().GrpcSend(token, std::string(1000, 'x'), EndOfStream::kNo);
    ASSERT_EQ(Number(Closed(caller, token).status), Number(GrpcStatus::kUnimplemented)) << i << caller.grpc[token].message;
  }
}

TEST_F(GrpcClient, DeadEndpointsAreSkippedAndConnectionsKept) {
  ClientOptions options;
  options.clusters = {{.name = "some", .urls = {"http://127.0.0.1:1", upstream->url("grpc"), "http://unix:/nonexistent"}},
                      {.name = "hops", .urls = {upstream->url("h2c")}}};
  TestCaller caller(std::move(options));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Number(Closed(caller, Start(caller, "some", "Unary", "x")).status), 0u) << i;
  // A kept connection that turns out dead: the call goes over a new one.
  EXPECT_EQ(Number(Closed(caller, Start(caller, "hops", "Status503", "", 5000, {}, "raw")).status), 14u);
  EXPECT_EQ(Number(Closed(caller, Start(caller, "hops", "Gone", "", 5000, {}, "raw")).status), 14u);
  EXPECT_NE(Closed(caller, Start(caller, "hops", "Status503", "", 5000, {}, "raw")).message.find("answer 503"), std::string::npos);
}

TEST_F(GrpcClient, WhatTheServerRefusedUnseenIsSentAgain) {
  TestCaller caller(Options());
  for (const bool stream : {false, true}) {
    const auto call = Closed(caller, Start(caller, "raw", "RefuseFirst", stream ? std::nullopt : std::optional<std::string>("m"), 5000, {}, "raw"));
    EXPECT_EQ(Number(call.status), Number(GrpcStatus::kNotFound)) << call.message;
  }
  EXPECT_EQ(Number(Closed(caller, Start(caller, "raw", "GoAway", "", 5000, {}, "raw")).status), Number(GrpcStatus::kUnavailable));
  TestCaller other(Options());
  EXPECT_EQ(Number(Closed(other, Start(other, "raw", "Reset7", "", 5000, {}, "raw")).status), Number(GrpcStatus::kUnavailable));  // once, not for ever
}

TEST_F(GrpcClient, MessagesThatNobodyTakesEndTheStream) {
  Cluster narrow = Plain();
  narrow.send_bytes_max = 1 << 20;
  TestCaller caller({.clusters = {narrow}});
  const CallToken token = Start(caller, "plain", "WaitCancel", std::nullopt, 0);
  for (int i = 0; i < 40; ++i) caller.client().GrpcSend(token, std::string(1 << 20, 'x'), EndOfStream::kNo);
  const auto call = Closed(caller, token);
  EXPECT_EQ(Number(call.status), Number(GrpcStatus::kResourceExhausted)) << call.message;
}

TEST_F(GrpcClient, GoesAwayWithStreamsOpen) {
  for (int i = 0; i < 10; ++i) {
    TestCaller caller(Options());
    for (const char* to : {"plain", "tls", "closed"}) {
      const CallToken token = Start(caller, to, "Both", std::nullopt, 0);
      caller.client().GrpcSend(token, "x", EndOfStream::kNo);
    }
    if (i % 2) usleep(3000 * static_cast<useconds_t>(i));
  }
}

TEST_F(GrpcClient, ServersWithoutHttp2AreUnavailable) {
  TestCaller caller(Options());
  EXPECT_EQ(caller.client().StartGrpc({.upstream = "old", .service = "S", .method = "M", .message = ""}, caller).error().code, ErrorCode::kInvalidArgument);
  for (const char* upstream : {"h1", "h1tls"}) {
    for (const bool stream : {false, true}) {
      const auto call = Closed(caller, Start(caller, upstream, "M", stream ? std::nullopt : std::optional<std::string>("m"), 3000, {}, "echo"));
      EXPECT_NE(Number(call.status), 0u) << upstream << stream;
      EXPECT_NE(Number(call.status), Number(GrpcStatus::kDeadlineExceeded)) << upstream << stream << call.message;
    }
  }
}

TEST_F(GrpcClient, RefusesWhatIsNoCall) {
  TestCaller caller(Options());
  auto start = [&](GrpcCall call) { return caller.client().StartGrpc(std::move(call), caller); };
  EXPECT_EQ(start({.upstream = "nobody", .service = "S", .method = "M"}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(start({.upstream = "plain", .service = "", .method = "M"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(start({.upstream = "plain", .service = "S\r\n", .method = "M"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(start({.upstream = "plain", .service = "S", .method = "M", .metadata = {{"x", "a\nb"}}}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(caller.client().GrpcSend(1, "x", EndOfStream::kNo));
  EXPECT_FALSE(caller.client().GrpcCloseSend(1));
  auto http = caller.client().StartHttp({.upstream = "h1", .headers = {{":method", "GET"}, {":path", "/delay/50"}, {":authority", "a"}}}, caller);
  EXPECT_FALSE(caller.client().GrpcCloseSend(*http));
  EXPECT_FALSE(caller.client().GrpcSend(*http, "x", EndOfStream::kNo));
}

}  // namespace
}  // namespace weir
