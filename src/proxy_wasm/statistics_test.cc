// What Weir counts of a plugin, through the real engine.
#include "proxy_wasm/statistics.h"

#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using enum Callback;

uint64_t Calls(const FakeWorld& world, std::string_view callback) {
  return world.metrics.OwnValue("weir_callbacks_total{plugin=\"t\",callback=\"" + std::string(callback) + "\"}");
}
uint64_t Timed(const FakeWorld& world, std::string_view callback) {
  uint64_t count = 0;
  for (size_t bucket = 0; bucket < kDurationBuckets; ++bucket)
    count += world.metrics.OwnValue("weir_callback_duration_seconds{plugin=\"t\",callback=\"" + std::string(callback) + "\"}", 1 + bucket);
  return count;
}
uint64_t Failures(const FakeWorld& world, std::string_view reason) {
  return world.metrics.OwnValue("weir_plugin_failures_total{plugin=\"t\",reason=\"" + std::string(reason) + "\"}");
}

TEST(Statistics, CountsEachCallAndTimesTheFirstOfSixteen) {
  Guest guest;
  guest.On(kOnRequestHeaders, "", "(i32.const 0)").On(kOnLog, "");
  FakeWorld world;
  auto plugin = Load(guest, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  for (uint64_t streams = 1; streams <= 33; ++streams) {
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    filter->OnRequestHeaders(1, EndOfStream::kYes);
    filter->OnResponseHeaders(1, EndOfStream::kYes);  // not there: not counted
    filter->OnFinish();
    EXPECT_EQ(Calls(world, "proxy_on_request_headers"), streams);
    EXPECT_EQ(Timed(world, "proxy_on_request_headers"), (streams + 15) / 16);
  }
  EXPECT_EQ(Calls(world, "proxy_on_log"), 33u);
  EXPECT_EQ(world.metrics.own.count("weir_callbacks_total{plugin=\"t\",callback=\"proxy_on_response_headers\"}"), 0u);
  EXPECT_EQ(world.metrics.OwnValue("weir_plugin_streams_total{plugin=\"t\"}"), 33u);
}

TEST(Statistics, FollowsInstancesAndTheirEnds) {
  Guest guest;
  guest.On(kOnRequestHeaders, "unreachable", "(i32.const 0)").On(kOnResponseHeaders, "(loop $l (br $l))", "(i32.const 0)");
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.callback_ms = 5;
  spec.limits.restarts_burst = 2;
  spec.limits.restart_interval_ms = 60'000;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  const auto own = [&](std::string_view name) { return world.metrics.OwnValue(std::string(name) + "{plugin=\"t\"}"); };
  EXPECT_EQ(own("weir_plugin_up"), 1u);
  EXPECT_EQ(own("weir_plugin_instances_total"), 1u);
  EXPECT_EQ(own("weir_plugin_memory_bytes"), kMemoryBytes);
  FakeStream stream;
  (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(1, EndOfStream::kYes);
  EXPECT_EQ(Failures(world, "trap"), 1u);
  EXPECT_EQ(own("weir_plugin_memory_bytes"), 0u);
  EXPECT_EQ(own("weir_plugin_up"), 1u);  // the next stream gets an instance
  (*plugin)->NewHttpFilter(stream)->OnResponseHeaders(1, EndOfStream::kYes);
  EXPECT_EQ(Failures(world, "deadline"), 1u);
  EXPECT_EQ(own("weir_plugin_instances_total"), 2u);
  (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(1, EndOfStream::kYes);
  EXPECT_EQ((*plugin)->NewHttpFilter(stream), nullptr);
  EXPECT_EQ(own("weir_plugin_up"), 0u);
  EXPECT_EQ(own("weir_plugin_instances_total"), 3u);
  EXPECT_EQ(Failures(world, "trap"), 2u);
}

}  // namespace
}  // namespace weir::proxy_wasm
