#include "host/cluster.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Endpoint, TakesUrlsApart) {
  const struct {
    const char *url, *tls_name, *origin, *connect_to, *unix_socket;
    bool tls;
  } cases[] = {
      {"http://a.example", "", "http://a.example:80", "", "", false},
      {"http://a.example:8080/", "", "http://a.example:8080", "", "", false},
      {"https://a.example", "", "https://a.example:443", "", "", true},
      {"https://127.0.0.1:8443", "a.example", "https://a.example:8443", "::127.0.0.1:8443", "", true},
      {"http://127.0.0.1:80", "a.example", "http://127.0.0.1:80", "", "", false},
      {"http://[::1]:81", "", "http://[::1]:81", "", "", false},
      {"https://[::1]", "x", "https://x:443", "::[::1]:443", "", true},
      {"http://unix:/run/a.sock", "", "http://localhost", "", "/run/a.sock", false},
      {"https://unix:/run/a.sock:", "x", "https://x", "", "/run/a.sock", true},
      {"unix:/run/a.sock", "", "http://localhost", "", "/run/a.sock", false},
  };
  for (const auto& one : cases) {
    const auto endpoint = ParseEndpoint(one.url, one.tls_name);
    ASSERT_TRUE(endpoint) << one.url;
    EXPECT_EQ(endpoint->origin, one.origin);
    EXPECT_EQ(endpoint->connect_to, one.connect_to);
    EXPECT_EQ(endpoint->unix_socket, one.unix_socket);
    EXPECT_EQ(endpoint->tls, one.tls);
  }
}

TEST(Endpoint, RefusesWhatIsNoOrigin) {
  for (std::string url : {"", "a.example", "ftp://a", "http://", "http://a/path", "http://a?x", "http://u@a", "http://a:0", "http://a:65536", "http://a:", "http://a:b",
                          "http://a b", "http://[::1", "http://[]", "http://unix:relative", "unix:", "http://a\r\nb", "file:///etc/passwd", "http://a,b"}) {
    EXPECT_FALSE(ParseEndpoint(url)) << url;
  }
  EXPECT_TRUE(ParseEndpoint("unix:/" + std::string(106, 'x')));
  EXPECT_FALSE(ParseEndpoint("unix:/" + std::string(107, 'x')));
  EXPECT_TRUE(ParseEndpoint("http://" + std::string(253, 'x')));
  EXPECT_FALSE(ParseEndpoint("http://" + std::string(254, 'x')));
}

TEST(CheckCluster, NamesTheClusterAndTheRemedy) {
  const Cluster good{.name = "auth", .urls = {"http://127.0.0.1:80"}};
  EXPECT_TRUE(CheckCluster(good));
  auto refused = [&](auto change) {
    Cluster cluster = good;
    change(cluster);
    auto result = CheckCluster(cluster);
    return result ? "" : result.error().message;
  };
  EXPECT_NE(refused([](Cluster& c) { c.urls.clear(); }).find("cluster \"auth\": has no url"), std::string::npos);
  EXPECT_NE(refused([](Cluster& c) { c.urls.push_back("http://x/path"); }).find("\"http://x/path\" is not http://HOST"), std::string::npos);
  EXPECT_NE(refused([](Cluster& c) { c.ca_file = "/nonexistent/ca.pem"; }).find("cannot read \"/nonexistent/ca.pem\""), std::string::npos);
  EXPECT_NE(refused([](Cluster& c) { c.timeout_ms = 0; }).find("timeout is 0"), std::string::npos);
  EXPECT_NE(refused([](Cluster& c) { c.answer_bytes_max = 0; }), "");
  EXPECT_NE(refused([](Cluster& c) { c.tls_name = "a/b"; }), "");
  EXPECT_NE(refused([](Cluster& c) { c.name.clear(); }), "");
}

TEST(CheckAllowedHost, KnowsThePatterns) {
  for (const char* good : {"a.example", "*.example", "a.example:80", "*.a.example:443", "127.0.0.1", "[::1]:80"}) EXPECT_TRUE(CheckAllowedHost(good)) << good;
  for (const char* bad : {"", "*", "*.", "a.*", "http://a", "a:0", "a b", "a/b"}) EXPECT_FALSE(CheckAllowedHost(bad)) << bad;
}

TEST(ClusterTable, AllowedHosts) {
  ClusterTable table({}, {"one.example", "two.example:8080", "*.suffix.example", "*.Ported.example:9000", "bad/pattern"}, {.timeout_ms = 7}, nullptr);
  for (const char* name : {"one.example", "ONE.example", "one.example:1", "two.example:8080", "a.suffix.example", "a.b.suffix.example:5", "x.ported.example:9000"}) {
    EXPECT_TRUE(table.Knows(name)) << name;
    EXPECT_TRUE(table.Find(name, false)) << name;
  }
  for (const char* name : {"two.example", "two.example:80", "suffix.example", "xsuffix.example", "x.ported.example", "x.ported.example:90", "one.example.evil", "bad", ""}) {
    EXPECT_FALSE(table.Knows(name)) << name;
    EXPECT_FALSE(table.Find(name, false)) << name;
  }
  auto found = table.Find("one.example", false);
  EXPECT_EQ(found->config.timeout_ms, 7u);
  EXPECT_EQ(found->endpoints[0].origin, "http://one.example:80");
  EXPECT_EQ(found, table.Find("ONE.example:80", false));  // one cluster, one limit
  EXPECT_EQ(table.Find("one.example", true)->endpoints[0].origin, "https://one.example:443");
  EXPECT_EQ(table.Find("one.example:443", false)->endpoints[0].origin, "https://one.example:443");
}

TEST(ClusterTable, RemembersNotEveryHostForEver) {
  ClusterTable table({}, {"*.x.example"}, {}, nullptr);
  auto kept = table.Find("first.x.example", false);
  kept->in_flight = 1;
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(table.Find("h" + std::to_string(i) + ".x.example", false));
  EXPECT_EQ(table.Find("first.x.example", false), kept);
}

}  // namespace
}  // namespace weir
