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

}  // namespace
}  // namespace weir
