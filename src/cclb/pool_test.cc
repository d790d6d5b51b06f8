// Instances that are pooled and replaced, and events in batches.
#include "weir/cclb/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "weir/cclb/samples.h"

namespace weir::cclb {
namespace {

// `observe` answers {"_v":1}; its second call traps where `trap` says so. `shape` answers the same, which is no shape.
std::string Plugin(std::string_view body) {
  return R"((module
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (import "extism:host/env" "input_length" (func $input_length (result i64)))
    (memory (export "memory") 1)
    (global $calls (mut i32) (i32.const 0))
    (func $answer (local $block i64)
      (local.set $block (call $alloc (i64.const 8)))
      (call $store (local.get $block) (i64.const 0x7D313A22765F227B))
      (call $output (local.get $block) (i64.const 8)))
    (func (export "observe") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      )" + std::string(body) + R"(
      (call $answer) (i32.const 0))
    (func (export "shape") (result i32) (call $answer) (i32.const 0))))";
}
constexpr std::string_view kTrapsOnSecond = "(if (i32.eq (global.get $calls) (i32.const 2)) (then unreachable))";

struct Recorder final : Telemetry {
  std::mutex mutex;
  std::map<std::string, uint64_t> counters;
  std::vector<std::string> logs;
  void Count(std::string_view name, std::span<const Pair> labels, uint64_t increment) override {
    std::lock_guard lock(mutex);
    std::string key(name);
    for (const auto& [label, value] : labels) key += " " + std::string(label) + "=" + std::string(value);
    counters[key] += increment;
  }
  void Log(Level, std::string_view, std::string_view message, std::span<const Pair>) override {
    std::lock_guard lock(mutex);
    logs.emplace_back(message);
  }
};

class Pool : public testing::Test {
 protected:
  void SetUp() override {
    auto host = Host::Create({.telemetry = &recorder_});
    ASSERT_TRUE(host) << host.error().message;
    host_ = std::move(*host);
  }
  std::unique_ptr<PluginPool> Make(const std::string& wat, PoolOptions options = {}) {
    AugmentedMetadata metadata;
    metadata.negotiated_functions = {{"observe", 1}, {"shape", 1}};
    auto pool = PluginPool::Create(host_->Open(wat), metadata, std::move(options));
    EXPECT_TRUE(pool) << pool.fault().message;
    return std::move(*pool);
  }
  static std::string Outcomes(PluginPool& pool, int calls) {
    std::string out;
    for (int i = 0; i < calls; ++i) out += pool.Dispatch<fn::Observe>({}) ? 'o' : 'x';
    return out;
  }
  Recorder recorder_;
  std::unique_ptr<Host> host_;
};

TEST_F(Pool, AdmissionAndCallsUseOneCompilation) {
  const auto code = host_->Open(Plugin(""));
  (void)code->Handshake(BuildOffer({}));  // which it does not export; it is compiled all the same
  (void)code->SelfCheck();
  EXPECT_TRUE(code->Exports("observe"));
  const auto storage = NewMemoryStorage();
  const HostFunctions functions{.plugin = "p", .storage = storage.get()};
  EXPECT_TRUE(code->NewInstance({}));
  EXPECT_TRUE(code->NewInstance({.wall_ms = 100, .fuel = 10'000'000, .memory_pages = std::nullopt}));
  EXPECT_TRUE(code->NewInstance({.memory_pages = 1}, &functions));
  EXPECT_EQ(host_->modules_made(), 1u);
  EXPECT_TRUE(host_->Open(Plugin(kTrapsOnSecond))->NewInstance({}));
  EXPECT_EQ(host_->modules_made(), 2u);
}

TEST_F(Pool, AnInstanceThatTrappedIsReplaced) {
  auto pool = Make(Plugin(kTrapsOnSecond));
  EXPECT_EQ(Outcomes(*pool, 6), "oxoxox");
  EXPECT_EQ(pool->stats().replaced, 3u);
  EXPECT_EQ(recorder_.counters["cc_lb_plugin_dispatch_errors_total function=observe stage=plugin_call"], 3u);
  EXPECT_EQ(recorder_.logs.at(0), "dispatch error, applying fallback SilentSkip");
}

TEST_F(Pool, OrKeptAsTheReferenceDoes) {
  auto pool = Make(Plugin(kTrapsOnSecond), {.broken = BrokenInstances::kKeep});
  EXPECT_EQ(Outcomes(*pool, 6), "oxoooo");
  EXPECT_EQ(pool->stats().replaced, 0u);
}

TEST_F(Pool, AnAnswerOfAnotherTypeIsAnErrorOfDecodingAndKeepsTheInstance) {
  auto pool = Make(Plugin(""));
  const auto outcome = pool->Dispatch<fn::Shape>(DryRunRequest<fn::Shape>());
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->stage, DispatchStage::kResponseDecode);
  EXPECT_EQ(outcome.error->fallback, FallbackPolicy::kFailRequest);
  EXPECT_EQ(outcome.error->debug, "ResponseDecode { reason: \"missing field `url`\" }");
  EXPECT_EQ(pool->stats().replaced, 0u);
}

TEST_F(Pool, WhatWasNotNegotiatedIsNotCalled) {
  auto pool = Make(Plugin(""));
  const auto outcome = pool->Dispatch<fn::Filter>(DryRunRequest<fn::Filter>());
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(DispatchStageName(outcome.error->stage), "version_lookup");
}

TEST_F(Pool, ThreadsHaveInstancesOfTheirOwnUpToTheLimit) {
  auto pool = Make(Plugin(""), {.instances_max = 3});
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) good += pool->Dispatch<fn::Observe>({}) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 300);
  EXPECT_LE(pool->stats().made, 3u);
  EXPECT_EQ(pool->stats().busy, 0u);
}

TEST_F(Pool, TwoLeasesAreTwoInstances) {
  auto pool = Make(Plugin(""), {.instances_max = 2});
  PluginPool::Lease first(*pool), second(*pool);
  EXPECT_NE(&first.instance(), &second.instance());
  EXPECT_EQ(pool->stats().busy, 2u);
}

TEST_F(Pool, WhatCannotBeBuiltIsRefusedAtOnce) {
  auto pool = PluginPool::Create(host_->Open("(module (import \"a\" \"b\" (func)))"), {});
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.fault().reason, "unknown import: `a::b` has not been defined");
}

TEST_F(Pool, LoopsEndWithFuelAndWithTime) {
  const std::string loop = Plugin("(loop $again (br $again))");
  auto by_fuel = Make(loop, {.limits = {.wall_ms = 60000, .fuel = 100'000}});
  auto outcome = by_fuel->Dispatch<fn::Observe>({});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->debug, "PluginCall { reason: \"plugin ran out of fuel\" }");
  auto by_time = Make(loop, {.limits = {.wall_ms = 20, .fuel = UINT64_MAX / 2}});
  outcome = by_time->Dispatch<fn::Observe>({});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->debug, "PluginCall { reason: \"timeout\" }");
  EXPECT_EQ(by_time->stats().replaced, 1u);
}

TEST_F(Pool, EventsGoInBatches) {
  auto pool = Make(Plugin(""));
  {
    ObserveBatcher batcher(*pool, {.events_max = 32, .wait_ms = 60000});
    for (int i = 0; i < 64; ++i) EXPECT_TRUE(batcher.Add(SampleEvent()));
    batcher.Flush();
    EXPECT_EQ(batcher.stats().sent, 64u);
    EXPECT_GE(batcher.stats().batches, 2u);
    EXPECT_TRUE(batcher.Add(SampleEvent()));
    batcher.Flush();  // does not wait for more
    EXPECT_EQ(batcher.stats().sent, 65u);
  }
  ObserveBatcher late(*pool, {.events_max = 1000, .wait_ms = 1});
  EXPECT_TRUE(late.Add(SampleEvent()));
  while (late.stats().sent == 0) std::this_thread::yield();  // by itself, after its time
}

TEST_F(Pool, EventsBeyondTheQueueAreDropped) {
  auto pool = Make(Plugin(""));
  ObserveBatcher batcher(*pool, {.events_max = 1000, .wait_ms = 60000, .queue_max = 10});
  int taken = 0;
  for (int i = 0; i < 12; ++i) taken += batcher.Add(SampleEvent()) ? 1 : 0;
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(batcher.stats().dropped, 2u);
}

TEST(Storage, QuotaCountsKeysWithTheirPrefixAndIsMetExactly) {
  const auto storage = NewMemoryStorage();
  EXPECT_TRUE(storage->Put("p", "k", "value", 8));  // "p:k" and "value"
  EXPECT_FALSE(storage->Put("p", "k", "values", 8));
  EXPECT_EQ(*storage->Get("p", "k"), "value");
  EXPECT_TRUE(storage->Put("p", "k", "", 8));
  EXPECT_TRUE(storage->Put("q", "k", "value", 8));  // another plugin's
  EXPECT_EQ(*storage->Get("q", "x"), std::nullopt);
}

}  // namespace
}  // namespace weir::cclb
