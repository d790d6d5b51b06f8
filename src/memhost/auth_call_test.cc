// Authorization by a call, in memory: a plugin pauses the request, asks, and lets it go, answers it itself, or hears that nobody answered.
// The plugin is a guest in WebAssembly text, and then an example that four old releases of the Rust SDK carry.
#include <gtest/gtest.h>

#include "memhost/memory_stream.h"
#include "proxy_wasm/pairs.h"
#include "proxy_wasm/testing/guest.h"

namespace weir {
namespace {

using namespace proxy_wasm::testing;
using enum proxy_wasm::Callback;
using proxy_wasm::Version;

HttpMessage Get(const std::string& path) {
  return {.headers = {{":method", "GET"}, {":path", path}, {":authority", "example.test"}, {":scheme", "http"}}};
}

/// on_request_headers asks "authz" and pauses. 200: on with x-user from the answer; no headers: 503 with why; else 403.
std::string AuthWat(Version version) {
  Guest guest;
  guest.version = version;
  std::string headers;
  proxy_wasm::SerializePairs(HeaderList{{":method", "GET"}, {":path", "/check"}, {":authority", "authz"}}, &headers);
  const std::string none = "(i32.const 0) (i32.const 0) ", continue_request = version == Version::k0_1_0
      ? "(call $proxy_continue_request)" : "(call $proxy_continue_stream (i32.const 0))";
  guest.On(kOnRequestHeaders,
           Guest::Do("(call $proxy_http_call " + guest.S("authz") + guest.S(headers) + none + none + "(i32.const 300) (i32.const 700))") +
               "(i32.store (i32.const 704) (local.get 0))",
           "(i32.const 1)");
  const auto local = [&](const std::string& status, const std::string& body) {
    return Guest::Do("(call $proxy_send_local_response (i32.const " + status + ") " + none + body + none + "(i32.const -1))");
  };
  guest.On(kOnHttpCallResponse,
           Guest::Do("(call $proxy_set_effective_context (i32.load (i32.const 704)))") + "(if (i32.eqz (local.get 2)) (then " +
               Guest::Do("(call $proxy_get_status (i32.const 520) " + std::string(kPut) + ")") + local("503", std::string(kGot)) + "(return)))" +
               Guest::Do("(call $proxy_get_header_map_value (i32.const 6) " + guest.S(":status") + std::string(kPut) + ")") +
               "(if (i32.ne (i32.load8_u (i32.load (i32.const 512))) (i32.const 50)) (then " + local("403", guest.S("no")) + "(return)))" +
               Guest::Do("(call $proxy_get_header_map_value (i32.const 6) " + guest.S("user") + std::string(kPut) + ")") +
               Guest::Do("(call $proxy_add_header_map_value (i32.const 0) " + guest.S("x-user") + std::string(kGot) + ")") +
               Guest::Do(continue_request));
  return guest.Wat();
}

class AuthCall : public ::testing::TestWithParam<Version> {
 protected:
  AuthCall() {
    auto module = CompileWat(AuthWat(GetParam()));
    EXPECT_TRUE(module) << module.error().message;
    auto plugin = proxy_wasm::ProxyWasmPlugin::Load(TestEngine(), *module, GetParam(), SpecNamed("auth"), world_.host());
    EXPECT_TRUE(plugin) << plugin.error().message;
    plugin_ = std::move(*plugin);
  }
  StreamOutcome Run() {
    Plugin* const chain[] = {plugin_.get()};
    return RunStream(world_, chain, Get("/"), Answer(200, "page"));
  }
  MemoryHost world_;
  std::unique_ptr<Plugin> plugin_;
};
INSTANTIATE_TEST_SUITE_P(Versions, AuthCall, ::testing::Values(Version::k0_1_0, Version::k0_2_0, Version::k0_2_1), [](const auto& info) {
  return info.param == Version::k0_1_0 ? "v010" : info.param == Version::k0_2_0 ? "v020" : "v021";
});

std::string Find(const HttpMessage& message, std::string_view name) {
  for (const auto& [key, value] : message.headers)
    if (key == name) return value;
  return "(none)";
}

TEST_P(AuthCall, Granted) {
  world_.scripted_calls().Script("authz", HttpScript(200, "", {{"user", "ann"}}));
  for (int i = 0; i < 3; ++i) {
    const StreamOutcome outcome = Run();
    ASSERT_EQ(outcome.end, StreamOutcome::End::kResponse);
    EXPECT_EQ(outcome.response.BodyText(), "page");
    EXPECT_EQ(Find(*outcome.upstream, "x-user"), "ann");
  }
  EXPECT_EQ(world_.scripted_calls().seen().size(), 3u);
  EXPECT_EQ(world_.scripted_calls().in_flight(), 0u);
}

TEST_P(AuthCall, Refused) {
  world_.scripted_calls().Script("authz", HttpScript(401));
  const StreamOutcome outcome = Run();
  EXPECT_FALSE(outcome.upstream);
  EXPECT_EQ(Find(outcome.response, ":status"), "403");
}

TEST_P(AuthCall, NobodyAnswersInTime) {
  world_.scripted_calls().Script("authz", SilentScript());
  const uint64_t begin_ns = world_.clock().MonotonicNs();
  const StreamOutcome outcome = Run();
  EXPECT_EQ(Find(outcome.response, ":status"), "503");
  EXPECT_TRUE(outcome.response.BodyText().starts_with("timeout")) << outcome.response.BodyText();
  EXPECT_EQ((world_.clock().MonotonicNs() - begin_ns) / 1'000'000, 300u);
}

TEST_P(AuthCall, TheServerIsGone) {
  world_.scripted_calls().Script("authz", FailureScript(CallFailure::kConnect, "connection refused"));
  const StreamOutcome outcome = Run();
  EXPECT_EQ(Find(outcome.response, ":status"), "503");
  EXPECT_EQ(outcome.response.BodyText(), "connect: connection refused");
  EXPECT_FALSE(outcome.upstream);
}

TEST_P(AuthCall, TheClientIsGone) {
  CallScript slow = HttpScript(200);
  slow.after_ms = 100;
  world_.scripted_calls().Script("authz", slow);
  Plugin* const chain[] = {plugin_.get()};
  {
    MemoryStream stream(world_, chain, Get("/"));
    stream.SendRequest();
    EXPECT_TRUE(stream.paused(Direction::kRequest));
    EXPECT_EQ(world_.scripted_calls().in_flight(), 1u);
    stream.Finish();
  }
  EXPECT_EQ(world_.scripted_calls().in_flight(), 0u);
  EXPECT_EQ(plugin_->stats().calls_cancelled, 1u);
  EXPECT_FALSE(world_.Step(1000));
  EXPECT_EQ(plugin_->stats().failures, 0u) << plugin_->stats().last_error;
}

// The examples ask "httpbin" for a byte, and let the request go when it is even.
TEST(AuthCallOfOldSdks, AreLetGoAndAnswered) {
  size_t found = 0;
  for (const char* sdk : {"0.1.0", "0.1.2", "0.1.4", "0.2.0"}) {
    const std::string path = "build/plugins/http_auth_random-" + std::string(sdk) + ".wasm";
    auto bytes = ReadFile(path);
    if (!bytes) continue;
    ++found;
    auto module = TestEngine().Compile(*bytes, path);
    ASSERT_TRUE(module) << module.error().message;
    MemoryHost world;
    auto plugin = proxy_wasm::ProxyWasmPlugin::Load(TestEngine(), *module, *proxy_wasm::DeclaredVersion(**module), SpecNamed("random"), world.host());
    ASSERT_TRUE(plugin) << plugin.error().message;
    Plugin* const chain[] = {plugin->get()};
    world.scripted_calls().Script("httpbin", HttpScript(200, "\x02"));
    world.scripted_calls().Script("httpbin", HttpScript(200, "\x03"));
    world.scripted_calls().Script("httpbin", FailureScript(CallFailure::kConnect));
    const StreamOutcome even = RunStream(world, chain, Get("/"), Answer(200, "page"));
    EXPECT_EQ(even.response.BodyText(), "page") << sdk;
    EXPECT_EQ(Find(even.response, "powered-by"), "proxy-wasm") << sdk;
    for (int i = 0; i < 2; ++i) {  // odd, and no answer at all
      const StreamOutcome refused = RunStream(world, chain, Get("/"), Answer(200, "page"));
      EXPECT_EQ(Find(refused.response, ":status"), "403") << sdk;
      EXPECT_EQ(refused.response.BodyText(), "Access forbidden.\n") << sdk;
    }
    EXPECT_EQ((*plugin)->stats().failures, 0u) << sdk << ": " << (*plugin)->stats().last_error;
  }
  if (found == 0) GTEST_SKIP() << "no build/plugins/http_auth_random-*.wasm: make plugins";
  EXPECT_EQ(found, 4u);
}

}  // namespace
}  // namespace weir
