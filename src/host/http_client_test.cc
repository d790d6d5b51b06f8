// HTTP calls to real servers, of this machine.
#include "host/http_client.h"

#include "host/testing/upstream.h"

namespace weir {
namespace {

class HttpClient : public testing::Test {
 protected:
  static void SetUpTestSuite() { upstream = new TestUpstream; }
  static void TearDownTestSuite() {
    delete upstream;
    upstream = nullptr;
  }
  static Cluster Plain() { return {.name = "plain", .urls = {upstream->url("http")}}; }
  static ClientOptions Options(Cluster cluster = Plain()) { return {.clusters = {std::move(cluster)}}; }
  static TestUpstream* upstream;
};
TestUpstream* HttpClient::upstream = nullptr;

TEST_F(HttpClient, SendsWhatItWasGivenAndNothingElse) {
  TestCaller caller(Options());
  const HttpAnswer answer = caller.Get("plain", "/echo/../x?a=%41#b", {{"x-a", "1"}, {"x-empty", ""}, {"x-a", "2"}});
  EXPECT_EQ(Name(answer.failure), "none") << answer.reason;
  EXPECT_EQ(answer.headers.front(), (std::pair<std::string, std::string>{":status", "200"}));
  EXPECT_EQ(answer.body, "GET /echo/../x?a=%41#b HTTP/1.1\r\nHost: svc.example\r\nx-a: 1\r\nx-empty:\r\nx-a: 2\r\n\r\n");
}

TEST_F(HttpClient, SendsBodiesAndMethodsAsTheyAre) {
  TestCaller caller(Options());
  EXPECT_EQ(caller.Get("plain", "/echo", {}, "a\r\nb").body, "POST /echo HTTP/1.1\r\nHost: svc.example\r\nContent-Length: 4\r\n\r\na\r\nb");
  EXPECT_EQ(caller.Get("plain", "/echo", {{"content-type", "x/y"}}, "b", 5000, "GET").body,
            "GET /echo HTTP/1.1\r\nHost: svc.example\r\ncontent-type: x/y\r\nContent-Length: 1\r\n\r\nb");
  EXPECT_EQ(caller.Get("plain", "/echo", {}, "", 5000, "POST").body, "POST /echo HTTP/1.1\r\nHost: svc.example\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(caller.Get("plain", "/echo", {}, "", 5000, "DELETE").body, "DELETE /echo HTTP/1.1\r\nHost: svc.example\r\n\r\n");
  EXPECT_EQ(caller.Get("plain", "/echo", {}, "", 5000, "BREW").body.substr(0, 5), "BREW ");
  EXPECT_EQ(caller.Get("plain", "*", {}, "", 5000, "OPTIONS").headers.front().second, "404");  // it came, and is no path of the test
  const std::string large(3 << 20, 'b');
  Cluster wide = Plain();
  wide.answer_bytes_max = 4 << 20;
  TestCaller other(Options(wide));
  const HttpAnswer answer = other.Get("plain", "/echo", {}, large);
  EXPECT_EQ(answer.body.substr(answer.body.find("\r\n\r\n") + 4), large);
}

TEST_F(HttpClient, LeavesOutWhatBelongsToTheConnection) {
  TestCaller caller(Options());
  const HttpAnswer answer = caller.Get("plain", "/echo",
                                       {{"connection", "close"}, {"transfer-encoding", "chunked"}, {"content-length", "7"}, {"host", "evil"},
                                        {"expect", "100-continue"}, {"upgrade", "x"}, {"te", "trailers"}, {"keep-alive", "1"}, {"accept", "a/b"}},
                                       "b");
  EXPECT_EQ(answer.body, "POST /echo HTTP/1.1\r\nHost: svc.example\r\nte: trailers\r\naccept: a/b\r\nContent-Length: 1\r\n\r\nb");
}

TEST_F(HttpClient, RefusesHeadersThatWouldNotStayHeaders) {
  TestCaller caller(Options());
  const HeaderList bad[] = {{{"x", "a\r\ny: b"}}, {{"x\n", "a"}}, {{"x", std::string("a\0b", 3)}}, {{"", "a"}}, {{"x y", "a"}}, {{"x:", "a"}}};
  for (const HeaderList& more : bad) EXPECT_EQ(caller.Start("plain", "/echo", more).error().code, ErrorCode::kInvalidArgument);
  for (const char* path : {"", "/a b", "/a\r\nx: y"}) EXPECT_EQ(caller.Start("plain", path).error().code, ErrorCode::kInvalidArgument) << path;
  EXPECT_EQ(caller.Start("plain", "/", {}, "", 1, "GET /x HTTP/1.1\r\n").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(caller.Start("plain", "/", {}, "", 1, "CONNECT").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(caller.Start("plain", "/", {}, "", 1, "GET", {{"t", "\n"}}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(caller.Start("nobody", "/").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(caller.client().in_flight(), 0u);
}

TEST_F(HttpClient, TakesAnswersAsTheyAre) {
  TestCaller caller(Options());
  HttpAnswer answer = caller.Get("plain", "/status/302");  // no redirect is followed, no cookie kept
  const HeaderList expected = {{":status", "302"}, {"content-length", "0"}, {"x-twice", "a"}, {"x-twice", "b"}, {"set-cookie", "s=1"}, {"location", "/echo"}};
  EXPECT_EQ(answer.headers, expected);
  EXPECT_EQ(caller.Get("plain", "/echo").body.find("ookie"), std::string::npos);
  for (const char* status : {"204", "304", "404", "500", "599"}) EXPECT_EQ(caller.Get("plain", std::string("/status/") + status).headers.front().second, status);
  EXPECT_EQ(caller.Get("plain", "/gzip").body, "\x1f\x8b not unpacked");
  answer = caller.Get("plain", "/interim");
  EXPECT_EQ(answer.headers, (HeaderList{{":status", "200"}, {"content-length", "5"}}));
  EXPECT_EQ(answer.body, "final");
  EXPECT_EQ(caller.Get("plain", "/unframed/5").body, "xxxxx");
  EXPECT_EQ(caller.Get("plain", "/chunked/50000").body.size(), 50000u);
}

TEST_F(HttpClient, HeadHasNoBodyWhateverItsLength) {
  TestCaller caller(Options());
  const HttpAnswer first = caller.Get("plain", "/head-length", {}, "", 5000, "HEAD");
  EXPECT_EQ(ValueOf(first.headers, "content-length"), "99999999") << first.reason;
  EXPECT_EQ(caller.Get("plain", "/head-length", {}, "body", 5000, "HEAD").headers.front().second, "200");
}

TEST_F(HttpClient, TrailersGoBothWays) {
  TestCaller caller(Options());
  HttpAnswer answer = caller.Get("plain", "/trailers");
  EXPECT_EQ(answer.body, "onetwo");
  EXPECT_EQ(answer.trailers, (HeaderList{{"x-one", "1"}, {"x-two", ""}, {"http/x", "y"}}));
  EXPECT_EQ(ValueOf(answer.headers, "x-one"), "");
  answer = caller.Get("plain", "/echo", {}, "body", 5000, "POST", {{"x-last", "1"}, {"x-last", "2"}});
  EXPECT_EQ(answer.body, "POST /echo HTTP/1.1\r\nHost: svc.example\r\nTransfer-Encoding: chunked\r\n\r\nbody--trailers--\r\nx-last: 1\r\nx-last: 2\r\n") << answer.reason;
  answer = caller.Get("plain", "/echo", {}, "", 5000, "GET", {{"x-last", "1"}});
  EXPECT_EQ(answer.body.substr(0, 9), "GET /echo") << answer.reason;
  EXPECT_NE(answer.body.find("x-last: 1"), std::string::npos);
}

TEST_F(HttpClient, ConnectionsAreKept) {
  TestCaller caller(Options());
  const std::string first = caller.Get("plain", "/conn").body;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(caller.Get("plain", "/conn").body, first);
  // A server that closes a kept connection costs nothing: the call goes over another.
  const std::string once = caller.Get("plain", "/once").body;
  EXPECT_EQ(once, first);
  usleep(20'000);
  const HttpAnswer answer = caller.Get("plain", "/conn", {}, "body of a post");
  EXPECT_EQ(Name(answer.failure), "none") << answer.reason;
  EXPECT_NE(answer.body, first);
}

TEST_F(HttpClient, EachFailureSaysWhichItWas) {
  TestCaller caller({.clusters = {Plain(),
                                  {.name = "closed", .urls = {"http://127.0.0.1:1"}},
                                  {.name = "unnamed", .urls = {"http://no-such-host.invalid"}},
                                  {.name = "gone", .urls = {"http://unix:/nonexistent/socket"}},
                                  {.name = "nottls", .urls = {upstream->url("http", "https")}},
                                  {.name = "noth2", .urls = {upstream->url("http")}, .http2 = Http2::kAlways}}});
  const struct {
    const char *upstream, *path, *failure, *reason;
  } cases[] = {
      {"closed", "/", "connect", "127.0.0.1:1: "},
      {"gone", "/", "connect", "unix:/nonexistent/socket: "},
      {"unnamed", "/", "resolve", "no-such-host.invalid"},
      {"nottls", "/", "tls", "wrong version number"},
      {"plain", "/reset", "reset", "reset by peer"},
      {"plain", "/close", "reset", "Empty reply"},
      {"plain", "/half", "reset", "6 bytes remaining"},
      {"plain", "/half-head", "reset", ""},
      {"plain", "/garbage", "protocol", ""},
      {"plain", "/bad-chunk", "protocol", "chunked"},
      {"plain", "/switch", "protocol", "101"},
  };
  for (const auto& one : cases) {
    const HttpAnswer answer = caller.Get(one.upstream, one.path);
    EXPECT_EQ(Name(answer.failure), one.failure) << one.upstream << one.path << ": " << answer.reason;
    EXPECT_NE(answer.reason.find(one.reason), std::string::npos) << answer.reason;
    EXPECT_EQ(answer.reason.find('\n'), std::string::npos);
    EXPECT_FALSE(answer.reason.empty());
    EXPECT_TRUE(answer.headers.empty() && answer.body.empty());
  }
  EXPECT_NE(Name(caller.Get("noth2", "/").failure), "none");  // which one: how the server takes "PRI * HTTP/2.0"
}

TEST_F(HttpClient, TimeOutsAtEachStage) {
  TestUpstream silent;  // accepts nothing more once its queue is full
  Cluster impatient = Plain();
  impatient.name = "impatient";
  impatient.timeout_ms = 60;
  TestCaller caller({.clusters = {Plain(), impatient, {.name = "blackhole", .urls = {"http://192.0.2.1"}, .connect_timeout_ms = 60}}});
  HttpAnswer answer = caller.Get("plain", "/delay/2000", {}, "", 60);
  EXPECT_EQ(Name(answer.failure), "timeout");
  EXPECT_NE(answer.reason.find("no answer after "), std::string::npos) << answer.reason;
  answer = caller.Get("plain", "/slow-body/2000", {}, "", 60);
  EXPECT_EQ(Name(answer.failure), "timeout");
  EXPECT_NE(answer.reason.find("not complete after "), std::string::npos) << answer.reason;
  EXPECT_EQ(Name(caller.Get("impatient", "/delay/2000", {}, "", 0).failure), "timeout");  // the cluster's own time
  answer = caller.Get("blackhole", "/");
  EXPECT_TRUE(answer.failure == CallFailure::kTimeout || answer.failure == CallFailure::kConnect) << answer.reason;  // some networks say no at once
  EXPECT_EQ(Name(caller.Get("plain", "/delay/50", {}, "", 2000).failure), "none");
}

TEST_F(HttpClient, LimitsOfAnswersAreExact) {
  Cluster small = Plain();
  small.answer_bytes_max = 1000;
  small.header_bytes_max = 2000;
  TestCaller caller(Options(small));
  for (const char* path : {"/size/", "/unframed/", "/chunked/"}) {
    EXPECT_EQ(caller.Get("plain", std::string(path) + "1000").body.size(), 1000u) << path;
    const HttpAnswer over = caller.Get("plain", std::string(path) + (path[1] == 'c' ? "2000" : "1001"));
    EXPECT_EQ(Name(over.failure), "too_large") << path;
    EXPECT_NE(over.reason.find("over 1000 bytes"), std::string::npos) << over.reason;
  }
  EXPECT_EQ(Name(caller.Get("plain", "/header/1900").failure), "none");
  EXPECT_EQ(Name(caller.Get("plain", "/header/2000").failure), "too_large");
  EXPECT_EQ(Name(caller.Get("plain", "/fat-trailers/1900").failure), "none");
  const HttpAnswer trailers = caller.Get("plain", "/fat-trailers/2000");
  EXPECT_EQ(Name(trailers.failure), "too_large");
  EXPECT_NE(trailers.reason.find("trailers"), std::string::npos);
}

TEST_F(HttpClient, UnixSockets) {
  TestCaller caller({.clusters = {{.name = "sock", .urls = {"http://unix:" + (*upstream)["unix"]}}, {.name = "colon", .urls = {"unix:" + (*upstream)["unix"] + ":"}}}});
  EXPECT_EQ(caller.Get("sock", "/echo").body, "GET /echo HTTP/1.1\r\nHost: svc.example\r\n\r\n");
  EXPECT_EQ(Name(caller.Get("colon", "/echo").failure), "none");
}

TEST_F(HttpClient, SeveralUrlsTakeTurnsAndTheDeadAreSkipped) {
  TestUpstream second;
  TestCaller caller({.clusters = {{.name = "two", .urls = {upstream->url("http"), second.url("http")}},
                                  {.name = "dead", .urls = {"http://127.0.0.1:1", "http://unix:/nonexistent", upstream->url("http")}},
                                  {.name = "all-dead", .urls = {"http://127.0.0.1:1", "http://127.0.0.1:2"}}}});
  std::map<std::string, int> by_port;
  for (int i = 0; i < 10; ++i) {
    const HttpAnswer answer = caller.Get("two", "/echo");
    EXPECT_EQ(Name(answer.failure), "none");
  }
  EXPECT_EQ(second.url("http") == upstream->url("http"), false);
  const std::string a = caller.Get("two", "/conn").body, b = caller.Get("two", "/conn").body, c = caller.Get("two", "/conn").body;
  EXPECT_EQ(a, c);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(Name(caller.Get("dead", "/echo", {}, "body").failure), "none") << i;
  EXPECT_EQ(Name(caller.Get("all-dead", "/").failure), "connect");
  EXPECT_EQ(Name(caller.Get("two", "/reset").failure), "reset");  // it was sent: never twice
}

TEST_F(HttpClient, ManyCallsAtOnce) {
  TestCaller caller(Options());
  std::vector<CallToken> tokens;
  for (int i = 0; i < 200; ++i) {
    auto token = caller.Start("plain", i % 2 ? "/size/" + std::to_string(i) : "/delay/20");
    ASSERT_TRUE(token);
    tokens.push_back(*token);
  }
  caller.WaitUntil([&] { return caller.answers.size() == 200; });
  for (int i = 0; i < 200; ++i) {
    const HttpAnswer& answer = caller.answers[tokens[static_cast<size_t>(i)]];
    EXPECT_EQ(Name(answer.failure), "none") << answer.reason;
    EXPECT_EQ(answer.body.size(), i % 2 ? static_cast<size_t>(i) : 4u);
  }
  EXPECT_EQ(caller.client().in_flight(), 0u);
}

TEST_F(HttpClient, NoMoreInFlightThanAllowed) {
  Cluster narrow = Plain();
  narrow.calls_max = 2;
  TestCaller caller(Options(narrow));
  auto first = caller.Start("plain", "/delay/50"), second = caller.Start("plain", "/delay/50");
  EXPECT_TRUE(first && second);
  EXPECT_EQ(caller.Start("plain", "/echo").error().code, ErrorCode::kLimit);
  caller.client().Cancel(*first);
  auto third = caller.Start("plain", "/echo");
  EXPECT_TRUE(third);
  caller.Answer(*third);
  caller.Answer(*second);
  ClientOptions all = Options();
  all.calls_max = 1;
  TestCaller one(all);
  EXPECT_TRUE(one.Start("plain", "/delay/50"));
  EXPECT_EQ(one.Start("plain", "/echo").error().code, ErrorCode::kLimit);
}

TEST_F(HttpClient, CancelledCallsSayNothing) {
  TestCaller caller(Options());
  auto at_once = caller.Start("plain", "/echo"), waiting = caller.Start("plain", "/delay/50"), arrived = caller.Start("plain", "/echo");
  caller.client().Cancel(*at_once);
  usleep(20'000);  // the third answer waits for its delivery
  caller.client().Cancel(*arrived);
  caller.client().Cancel(*waiting);
  caller.client().Cancel(*waiting);
  caller.client().Cancel(123456789);
  caller.Idle(100);
  EXPECT_TRUE(caller.answers.empty());
  EXPECT_EQ(Name(caller.Get("plain", "/echo").failure), "none");
}

TEST_F(HttpClient, GoesAwayWithCallsInFlight) {
  for (int i = 0; i < 20; ++i) {
    TestCaller caller(Options());
    for (int n = 0; n < 5; ++n) ASSERT_TRUE(caller.Start("plain", n % 2 ? "/delay/2000" : "/echo"));
    if (i % 2) usleep(1000 * static_cast<useconds_t>(i));
  }
  TestCaller never_called(Options());
}

/// Calls again from inside an answer, and cancels another.
class Reentrant final : public TestCaller {
 public:
  using TestCaller::TestCaller;
  void OnHttpAnswer(CallToken token, HttpAnswer answer) override {
    TestCaller::OnHttpAnswer(token, std::move(answer));
    if (victim) client().Cancel(std::exchange(victim, 0));
    if (more-- > 0) {
      EXPECT_TRUE(Start("plain", "/echo"));
    }
    client().Deliver();
  }
  CallToken victim = 0;
  int more = 3;
};

TEST_F(HttpClient, AnswersMayCallAndCancel) {
  Reentrant caller(Options());
  ASSERT_TRUE(caller.Start("plain", "/echo"));
  caller.victim = *caller.Start("plain", "/delay/30");
  caller.WaitUntil([&] { return caller.answers.size() == 4; });
  caller.Idle(60);
  EXPECT_EQ(caller.answers.size(), 4u);
}

TEST_F(HttpClient, AllowedHostsAreCalledByName) {
  const std::string port = (*upstream)["http"];
  TestCaller caller({.allowed_hosts = {"localhost:" + port, "*.suffix.example"}});
  EXPECT_EQ(caller.Get("localhost:" + port, "/echo").body, "GET /echo HTTP/1.1\r\nHost: svc.example\r\n\r\n");
  EXPECT_EQ(Name(caller.Get("LOCALHOST:" + port, "/echo").failure), "none");
  for (const std::string& name : {std::string("localhost:1"), std::string("127.0.0.1:") + port, std::string("localhost"), "localhost:" + port + "/x",
                                 "user@localhost:" + port, std::string("suffix.example"), std::string("badsuffix.example"), std::string(".suffix.example")}) {
    EXPECT_FALSE(caller.client().KnowsUpstream(name)) << name;
    EXPECT_EQ(caller.Start(name, "/").error().code, ErrorCode::kNotFound) << name;
  }
  EXPECT_TRUE(caller.client().KnowsUpstream("a.suffix.example"));
  EXPECT_TRUE(caller.client().KnowsUpstream("a.b.suffix.example:8443"));
}

TEST_F(HttpClient, NamesThatAreNotInTheTableAreLookedUp) {
  int asked = 0;
  ClientOptions options;
  options.find_cluster = [&](std::string_view name) -> std::optional<Cluster> {
    ++asked;
    if (name != "later") return std::nullopt;
    Cluster cluster = Plain();
    cluster.name = name;
    return cluster;
  };
  TestCaller caller(std::move(options));
  EXPECT_TRUE(caller.client().KnowsUpstream("later"));
  EXPECT_EQ(Name(caller.Get("later", "/echo").failure), "none");
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(caller.client().KnowsUpstream("never"));
}

TEST_F(HttpClient, TheEnvironmentsProxyIsNotOurs) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  TestCaller caller(Options());
  EXPECT_EQ(Name(caller.Get("plain", "/echo").failure), "none");
  unsetenv("http_proxy");
}

}  // namespace
}  // namespace weir
