#include "scenario/scenario.h"

#include <gtest/gtest.h>

namespace weir::scenarios {
namespace {

constexpr std::string_view kWhole = R"(# a comment
about   what it shows
plugin  p script on_error=open memory=2m timeout=20ms
plugin  q noop
config  p do rh add x-a 1
config  p "trace\x21"
max-body 1k

request POST /x?y=1
header  X-User: ann
header  x-user: bob
body    "a\n"
body    *3 bc
upstream 404
header  x-up: 1
body    no
expect-upstream POST /z
header  x-a: 1
header  x-a: 2
header  :authority: example.test
no-header x-b
expect-client 404
body    "no"
expect-log p trace
request GET /
expect-upstream nothing
expect-client reset
)";

TEST(Scenario, ParsesEveryLine) {
  auto parsed = Parse(kWhole, "f");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->plugins.size(), 2u);
  const PluginSpec& spec = parsed->plugins[0].spec;
  EXPECT_EQ(spec.on_error, OnError::kOpen);
  EXPECT_EQ(spec.limits.memory_bytes, 2u << 20);
  EXPECT_EQ(spec.limits.callback_ms, 20u);
  EXPECT_EQ(spec.limits.body_bytes, 1024u);
  EXPECT_EQ(spec.configuration, "do rh add x-a 1\ntrace!");
  ASSERT_EQ(parsed->exchanges.size(), 2u);
  const Exchange& first = parsed->exchanges[0];
  EXPECT_EQ(first.request_headers, (HeaderList{{"x-user", "ann"}, {"x-user", "bob"}}));
  EXPECT_EQ(first.request_body, (std::vector<std::string>{"a\n", "bcbcbc"}));
  EXPECT_EQ(first.status, "404");
  EXPECT_EQ(first.upstream.headers, (HeaderList{{"x-a", "1, 2"}, {":authority", "example.test"}}));
  EXPECT_EQ(first.upstream.no_headers, std::vector<std::string>{"x-b"});
  EXPECT_EQ(first.upstream.body, std::nullopt);
  EXPECT_EQ(first.client.body, "no");
  EXPECT_EQ(first.logs.size(), 1u);
  EXPECT_EQ(parsed->exchanges[1].expect_upstream, Exchange::Upstream::kNothing);
  EXPECT_EQ(parsed->exchanges[1].client_status, "reset");
}

struct Bad {
  const char* text;
  const char* message;
};
constexpr Bad kBad[] = {
    {"", "f:0: no request"},
    {"plugin p script", "f:1: the first line must be \"about TEXT\""},
    {"about", "f:1: about wants a sentence"},
    {"about a\nabout b", "f:2: a second \"about\""},
    {"about a\nplugin p", "f:2: wants NAME GUEST"},
    {"about a\nplugin p g x", "f:2: wants option=value"},
    {"about a\nplugin p g on_error=maybe", "f:2: unknown option or value \"on_error=maybe\""},
    {"about a\nplugin p g timeout=5", "f:2: timeout wants a time"},
    {"about a\nplugin p g memory=lots", "f:2: memory wants a size"},
    {"about a\nplugin p g\nplugin p g", "f:3: a second plugin \"p\""},
    {"about a\nconfig p x", "f:2: no plugin \"p\""},
    {"about a\nplugin p g\nconfig p \"x", "f:3: bad text"},
    {"about a\nplugin p g\nconfig p \"x\\q\"", "f:3: bad text"},
    {"about a\nplugin p g\nconfig p \"x\" y", "f:3: bad text"},
    {"about a\nplugin p g\nconfig p *x y", "f:3: bad text"},
    {"about a\nplugin p g\nbody x", "f:3: \"body\" means nothing before the first request"},
    {"about a\nrequest GET /", "f:2: a scenario needs a plugin"},
    {"about a\nplugin p g\nrequest GET", "f:3: wants METHOD TARGET"},
    {"about a\nplugin p g\nrequest GET / x", "f:3: wants METHOD TARGET"},
    {"about a\nplugin p g\nrequest GET /\nheader x", "f:4: wants NAME: VALUE"},
    {"about a\nplugin p g\nrequest GET /\nno-header x", "f:4: wants NAME, under expect"},
    {"about a\nplugin p g\nrequest GET /\nupstream ok", "f:4: wants a status"},
    {"about a\nplugin p g\nrequest GET /\nupstream 200\nupstream 200", "f:5: a second upstream"},
    {"about a\nplugin p g\nrequest GET /\nexpect-upstream", "f:4: wants METHOD TARGET or nothing"},
    {"about a\nplugin p g\nrequest GET /\nexpect-upstream nothing\nheader x: y", "f:5: \"header\" means nothing here"},
    {"about a\nplugin p g\nrequest GET /\nexpect-client 20", "f:4: wants a status of three digits or reset"},
    {"about a\nplugin p g\nrequest GET /\nexpect-log q x", "f:4: no plugin \"q\""},
    {"about a\nplugin p g\nrequest GET /\nnonsense", "f:4: \"nonsense\" means nothing here"},
    {"about a\nplugin p g\nrequest GET /\nrequest GET /", "f:4: no expect-client for the request of line 3"},
    {"about a\nplugin p g\nrequest GET /\n", "f:3: no expect-client for the request of line 3"},
    {"about a\nplugin p g\nonly sometimes", "f:3: wants memory or nginx"},
};

TEST(Scenario, ErrorsNameFileAndLine) {
  for (const Bad& bad : kBad) {
    auto parsed = Parse(bad.text, "f");
    ASSERT_FALSE(parsed) << bad.text;
    EXPECT_TRUE(parsed.error().message.starts_with(bad.message)) << parsed.error().message << "\nwanted " << bad.message;
  }
}

}  // namespace
}  // namespace weir::scenarios
