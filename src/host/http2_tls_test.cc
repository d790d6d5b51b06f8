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
  EXPECT_EQ(answer.body, ":method: POST\n:path: /echo\n:scheme: https\n:authority: svc.example\nx-a: 1\nte: trailers\ncontent-length: 4\nbody") << answer.reason;
  EXPECT_EQ(ValueOf(answer.headers, "x-proto"), "h2");
  EXPECT_EQ(caller.Get("old", "/echo").body.substr(0, 18), "GET /echo HTTP/1.1");
  // Trailers of a request need HTTP/1.1 with libcurl, also where a connection of HTTP/2 is at hand.
  EXPECT_NE(caller.Get("tls_h2", "/echo", {}, "body", 5000, "POST", {{"x-last", "1"}}).body.find("x-last: 1"), std::string::npos);
}

TEST_F(Tls, Http2WithoutTls) {
  TestCaller caller({.clusters = {H2c()}});
  HttpAnswer answer = caller.Get("h2c", "/echo?x#y", {{"x-a", "1"}});
  EXPECT_EQ(answer.body, ":method: GET\n:path: /echo?x#y\n:scheme: http\n:authority: svc.example\nx-a: 1\n") << answer.reason;
  answer = caller.Get("h2c", "/trailers");
  EXPECT_EQ(answer.body, "one");
  EXPECT_EQ(answer.trailers, (HeaderList{{"x-one", "1"}}));
  EXPECT_EQ(caller.Start("h2c", "/echo", {}, "", 100, "POST", {{"x", "1"}}).error().code, ErrorCode::kInvalidArgument);
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
  Cluster big = H2c();
  big.answer_bytes_max = 10'000'000;
  TestCaller caller({.clusters = {big}});
  for (size_t i = 0; i < 200; ++i) {
    const HttpAnswer answer = caller.Get("h2c", "/size/" + std::to_string(100'000 + i));
    ASSERT_EQ(answer.body.size(), 100'000 + i) << answer.reason;
  }
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
