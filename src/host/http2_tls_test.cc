// Calls over TLS, with good and bad certificates, and over HTTP/2.
#include "host/testing/upstream.h"

namespace weir {
namespace {

class Tls : public testing::Test {
 protected:
  static void SetUpTestSuite() { upstream = new TestUpstream({"--tls"}); }
  static void TearDownTestSuite() {
    delete upstream;
    upstream = nullptr;
  }
  static Cluster To(const std::string& name, const std::string& host = "127.0.0.1") {
    return {.name = name, .urls = {"https://" + host + ":" + (*upstream)[name]}, .ca_file = upstream->file("ca.pem")};
  }
  static Cluster H2c() { return {.name = "h2c", .urls = {upstream->url("h2c")}, .http2 = Http2::kAlways}; }
  static TestUpstream* upstream;
};
TestUpstream* Tls::upstream = nullptr;

TEST_F(Tls, CertificatesAreVerified) {
  TestCaller caller({.clusters = {To("tls_good"), To("tls_wrong"), To("tls_expired"), To("tls_other")}});
  HttpAnswer answer = caller.Get("tls_good", "/echo");
  EXPECT_EQ(answer.body, "GET /echo HTTP/1.1\r\nHost: svc.example\r\n\r\n") << answer.reason;
  EXPECT_EQ(caller.Get("tls_good", "/conn").body, caller.Get("tls_good", "/conn").body);
  const std::pair<const char*, const char*> bad[] = {
      {"tls_wrong", "no alternative certificate subject name matches"}, {"tls_expired", "certificate has expired"}, {"tls_other", "self-signed certificate"}};
  for (const auto& [name, reason] : bad) {
    answer = caller.Get(name, "/echo");
    EXPECT_EQ(Name(answer.failure), "tls") << name;
    EXPECT_NE(answer.reason.find(reason), std::string::npos) << answer.reason;
  }
}

TEST_F(Tls, TheClusterSaysWhomToTrust) {
  Cluster unchecked = To("tls_expired");
  unchecked.verify = VerifyTls::kNo;
  Cluster own = To("tls_other");
  own.ca_file = upstream->file("other.pem");
  Cluster system = To("tls_good");
  system.ca_file.clear();
  TestCaller caller({.clusters = {unchecked, own, system}});
  EXPECT_EQ(Name(caller.Get("tls_expired", "/echo").failure), "none");
  EXPECT_EQ(Name(caller.Get("tls_other", "/echo").failure), "none");
  EXPECT_EQ(Name(caller.Get("tls_good", "/echo").failure), "tls");  // the system does not know our CA
}

TEST_F(Tls, ConnectionsAreNotSharedByClustersThatTrustOthers) {
  Cluster lax = To("tls_wrong"), strict = To("tls_wrong");
  lax.name = "lax", lax.verify = VerifyTls::kNo;
  strict.name = "strict";
  TestCaller caller({.clusters = {lax, strict}});
  EXPECT_EQ(Name(caller.Get("lax", "/echo").failure), "none");
  EXPECT_EQ(Name(caller.Get("strict", "/echo").failure), "tls");
}

TEST_F(Tls, TheNameMayBeGiven) {
  Cluster named = To("tls_wrong"), misnamed = To("tls_good");
  named.tls_name = "elsewhere.example";
  misnamed.tls_name = "nobody.example";
  TestCaller caller({.clusters = {named, misnamed}});
  EXPECT_EQ(Name(caller.Get("tls_wrong", "/echo").failure), "none");
  EXPECT_EQ(Name(caller.Get("tls_good", "/echo").failure), "tls");
}

TEST_F(Tls, ClientCertificates) {
  Cluster with = To("tls_client"), without = To("tls_client");
  with.name = "with", with.certificate_file = upstream->file("good.pem"), with.key_file = upstream->file("good.key");
  without.name = "without";
  TestCaller caller({.clusters = {with, without}});
  EXPECT_EQ(Name(caller.Get("with", "/echo").failure), "none");
  const HttpAnswer answer = caller.Get("without", "/echo");
  EXPECT_TRUE(answer.failure == CallFailure::kTls || answer.failure == CallFailure::kReset) << Name(answer.failure) << answer.reason;
}

TEST_F(Tls, Http2ByAlpn) {
  Cluster old = To("tls_h2");
  old.name = "old", old.http2 = Http2::kNever;
  TestCaller caller({.clusters = {To("tls_h2"), old}});
  const HttpAnswer answer = caller.Get("tls_h2", "/echo", {{"x-a", "1"}, {"connection", "close"}, {"te", "trailers"}}, "body");
  EXPECT_EQ(answer.body, ":method: POST\n:scheme: https\n:path: /echo\n:authority: svc.example\nx-a: 1\nte: trailers\ncontent-length: 4\nbody") << answer.reason;
  EXPECT_EQ(ValueOf(answer.headers, "x-proto"), "h2");
  EXPECT_EQ(caller.Get("old", "/echo").body.substr(0, 18), "GET /echo HTTP/1.1");
  EXPECT_NE(caller.Get("tls_h2", "/echo", {}, "body", 5000, "POST", {{"X-Last", "1"}}).body.find("body--trailers--\nx-last: 1\n"), std::string::npos);
}

TEST_F(Tls, Http1WhereTheServerChoosesIt) {
  Cluster on = To("tls_good");
  on.name = "on", on.http2 = Http2::kAlways;
  TestCaller caller({.clusters = {To("tls_good"), on}});
  for (const char* cluster : {"tls_good", "on"}) {
    const std::string first = caller.Get(cluster, "/conn").body;
    ASSERT_FALSE(first.empty());
    EXPECT_EQ(caller.Get(cluster, "/conn").body, first) << "HTTP/2 is not tried again at once";
    std::vector<CallToken> tokens;
    TestCaller many({.clusters = {To("tls_good"), on}});
    for (int i = 0; i < 30; ++i) tokens.push_back(*many.Start(cluster, "/size/" + std::to_string(i)));
    for (int i = 0; i < 30; ++i) EXPECT_EQ(many.Answer(tokens[i]).body.size(), static_cast<size_t>(i)) << many.Answer(tokens[i]).reason;
  }
}

TEST_F(Tls, Http2WithoutTls) {
  TestCaller caller({.clusters = {H2c()}});
  HttpAnswer answer = caller.Get("h2c", "/echo?x#y", {{"x-a", "1"}});
  EXPECT_EQ(answer.body, ":method: GET\n:scheme: http\n:path: /echo?x#y\n:authority: svc.example\nx-a: 1\n") << answer.reason;
  answer = caller.Get("h2c", "/trailers");
  EXPECT_EQ(answer.body, "one");
  EXPECT_EQ(answer.trailers, (HeaderList{{"x-one", "1"}}));
  EXPECT_EQ(caller.Get("h2c", "/echo", {{"X-Upper", " \tpadded "}, {"x-blank", "  "}}, "", 5000, "PUT", {{"x-last", " 1"}}).body,
            ":method: PUT\n:scheme: http\n:path: /echo\n:authority: svc.example\nx-upper: padded\nx-blank: \ncontent-length: 0\n--trailers--\nx-last: 1\n");
  EXPECT_EQ(caller.Get("h2c", "/length", {}, std::string(1 << 20, 'x')).body, "1048576");
}

TEST_F(Tls, Http2CallsShareAConnection) {
  TestCaller caller({.clusters = {H2c()}});
  std::vector<CallToken> tokens;
  for (int i = 0; i < 100; ++i) tokens.push_back(*caller.Start("h2c", i % 2 ? "/conn" : "/size/" + std::to_string(i * 100)));
  caller.WaitUntil([&] { return caller.answers.size() == 100; });
  std::map<std::string, int> connections;
  for (size_t i = 0; i < 100; ++i) {
    const HttpAnswer& answer = caller.answers[tokens[i]];
    ASSERT_EQ(Name(answer.failure), "none") << answer.reason;
    if (i % 2) {
      ++connections[answer.body];
    } else {
      EXPECT_EQ(answer.body.size(), i * 100);
    }
  }
  EXPECT_EQ(connections.size(), 1u);
}

TEST_F(Tls, Http2ConnectionsStayGoodForLargeAnswers) {
  Cluster plain = H2c(), tls = To("tls_h2");
  plain.answer_bytes_max = tls.answer_bytes_max = 10'000'000;
  for (const Cluster& cluster : {plain, tls}) {
    TestCaller caller({.clusters = {cluster}});
    for (size_t i = 0; i < 200; ++i) {
      const HttpAnswer answer = caller.Get(cluster.name, "/size/" + std::to_string(100'000 + i));
      ASSERT_EQ(answer.body.size(), 100'000 + i) << answer.reason;
    }
    std::vector<CallToken> tokens;  // on several connections, each with answers that wait for one another
    for (size_t i = 0; i < 250; ++i) tokens.push_back(*caller.Start(cluster.name, "/size/" + std::to_string(200'000 + i), {}, {}, 60'000));
    caller.WaitUntil([&] { return caller.answers.size() == 450; }, 60);
    for (size_t i = 0; i < 250; ++i) {
      const HttpAnswer& answer = caller.answers[tokens[i]];
      ASSERT_EQ(answer.body.size(), 200'000 + i) << answer.reason;
    }
  }
}

TEST_F(Tls, Http2AnswersWithoutABody) {
  TestCaller caller({.clusters = {H2c()}});
  HttpAnswer answer = caller.Get("h2c", "/head", {}, {}, 5000, "HEAD");
  EXPECT_EQ(Name(answer.failure), "none") << answer.reason;
  EXPECT_EQ(ValueOf(answer.headers, "content-length"), "99999999");
  for (const char* status : {"204", "304", "500"}) {
    answer = caller.Get("h2c", "/status/" + std::string(status));
    EXPECT_EQ(ValueOf(answer.headers, ":status"), status) << answer.reason;
  }
  EXPECT_EQ(caller.Get("h2c", "/early").body, "early");
}

TEST_F(Tls, Http2AnswersThatAreCutShort) {
  TestCaller caller({.clusters = {H2c()}});
  for (const char* path : {"/short/0", "/short/2", "/short/8", "/raw/Reset0"}) {
    const HttpAnswer answer = caller.Get("h2c", path);
    EXPECT_EQ(Name(answer.failure), "reset") << path;
    EXPECT_TRUE(answer.headers.empty());
  }
  const HttpAnswer late = caller.Get("h2c", "/raw/Silent", {}, {}, 50);
  EXPECT_EQ(Name(late.failure), "timeout");
  EXPECT_NE(late.reason.find(": no answer after "), std::string::npos) << late.reason;
}

TEST_F(Tls, Http2CallsTryTheNextEndpoint) {
  Cluster several = H2c();
  several.urls = {"http://127.0.0.1:1", upstream->url("h2c")};
  Cluster mixed = To("tls_h2");
  mixed.name = "mixed", mixed.urls = {"https://127.0.0.1:1", upstream->url("http")};  // the second speaks HTTP/1.1
  TestCaller caller({.clusters = {several, mixed}});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Name(caller.Get("h2c", "/echo").failure), "none");
    EXPECT_EQ(caller.Get("mixed", "/echo").body.substr(0, 18), "GET /echo HTTP/1.1");
  }
}

TEST_F(Tls, Http2CallsMayBeCancelled) {
  TestCaller caller({.clusters = {H2c()}});
  EXPECT_EQ(Name(caller.Get("h2c", "/echo").failure), "none");
  const CallToken gone = *caller.Start("h2c", "/raw/Silent");
  const CallToken large = *caller.Start("h2c", "/size/900000");
  caller.client().Cancel(gone);
  EXPECT_EQ(caller.Answer(large).body.size(), 900'000u);
  EXPECT_EQ(caller.answers.count(gone), 0u);
}

TEST_F(Tls, Http2Limits) {
  Cluster small = H2c();
  small.answer_bytes_max = 100'000;
  TestCaller caller({.clusters = {small}});
  EXPECT_EQ(caller.Get("h2c", "/size/100000").body.size(), 100'000u);
  EXPECT_EQ(Name(TestCaller({.clusters = {small}}).Get("h2c", "/size/100001").failure), "too_large");
  const HttpAnswer reset = caller.Get("h2c", "/raw/Reset2");
  EXPECT_EQ(Name(reset.failure), "reset");
  EXPECT_NE(reset.reason.find("INTERNAL_ERROR"), std::string::npos) << reset.reason;
  EXPECT_EQ(Name(caller.Get("h2c", "/raw/Gone").failure), "reset");
  EXPECT_EQ(Name(caller.Get("h2c", "/echo").failure), "none");
}

}  // namespace
}  // namespace weir
