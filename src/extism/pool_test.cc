#include "weir/extism_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace weir::extism {
namespace {

// Functions that leave something: in a global, in memory, in a variable ("k" under the name "k"). `left` answers 0 where nothing is.
constexpr const char* kGuest = R"((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_set" (func $input_set (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (memory (export "memory") 1 4)
  (global $calls (mut i32) (i32.const 0))
  (func $name (result i64) (local $h i64) (local.set $h (call $alloc (i64.const 1))) (call $store_u8 (local.get $h) (i32.const 107)) (local.get $h))
  (func (export "leave") (result i32)
    (global.set $calls (i32.const 1)) (i32.store (i32.const 4096) (i32.const 1)) (drop (memory.grow (i32.const 1)))
    (call $var_set (call $name) (call $name)) (i32.const 0))
  (func (export "left") (result i32)
    (i32.add (i32.add (global.get $calls) (i32.load (i32.const 4096)))
             (i32.add (i32.sub (memory.size) (i32.const 1)) (i64.ne (call $var_get (call $name)) (i64.const 0)))))
  (func (export "echo") (result i32) (call $output_set (call $input) (call $input_length)) (i32.const 0))
  (func (export "five") (result i32) (i32.const 5))
  (func (export "fail") (result i32) (call $error_set (call $input)) (i32.const 1))
  (func (export "trap") unreachable)
  (func (export "spin") (loop (br 0)))
  (func (export "eat") (result i32) (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.const 0))
  ;; All that a guest can reach of its kernel: input, output and error anywhere, and 0xff from 64 on.
  (func (export "scribble") (result i32) (local $i i64)
    (drop (call $alloc (i64.const 60000)))
    (call $input_set (i64.const 70) (i64.const 60000))
    (call $output_set (i64.const 66) (i64.const 60000))
    (call $error_set (i64.const 67))
    (local.set $i (i64.const 0))
    (loop $next
      (call $store_u8 (local.get $i) (i32.const 255))
      (call $store_u64 (local.get $i) (i64.const -1))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $next (i64.lt_u (local.get $i) (i64.const 65536))))
    (i32.const 0))))";

class ExtismPool : public testing::Test {
 protected:
  ExtismPool() : runtime_(*Runtime::Create()) {}
  std::shared_ptr<Compiled> Compile(PluginOptions options = {}, ManifestLimits limits = {}, std::string wat = kGuest) {
    Manifest manifest;
    manifest.modules.push_back({.data = std::move(wat)});
    manifest.limits = limits;
    auto compiled = runtime_->Compile(manifest, std::move(options));
    EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message);
    return *compiled;
  }
  std::unique_ptr<Pool> New(PoolOptions options) { return *Pool::Create(Compile(), options); }
  static int32_t Code(Plugin& plugin, std::string_view function) { return plugin.CallRaw(function, "").code; }
  static void Await(const std::function<bool()>& done) {
    while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // ctest's limit ends it
  }
  std::unique_ptr<Runtime> runtime_;
};

TEST_F(ExtismPool, PluginsAreMadeWhenTheyAreNeededAndTakenAgain) {
  const auto pool = New({.plugins_max = 3});
  EXPECT_EQ(pool->counts().live, 1u);
  const Plugin* first = nullptr;
  {
    const auto a = pool->Take();
    first = &**a;
    const auto b = pool->Take();
    EXPECT_NE(&**a, &**b);
    EXPECT_EQ(pool->counts().out, 2u);
    EXPECT_EQ(pool->counts().idle, 0u);
    EXPECT_EQ(pool->counts().made, 2u);
  }
  EXPECT_EQ(pool->counts().out, 0u);
  EXPECT_EQ(pool->counts().idle, 2u);
  EXPECT_EQ(&**pool->Take(), first);  // given back last
  EXPECT_EQ(pool->counts().made, 2u);
  EXPECT_EQ(*pool->Call("echo", "once"), "once");
  EXPECT_EQ(pool->counts().waits, 0u);
}

TEST_F(ExtismPool, NoMoreThanTheMostAreOut) {
  const auto pool = New({.plugins_max = 2, .wait_ms = 0});
  auto a = pool->Take(), b = pool->Take();
  const auto none = pool->Take();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kLimit);
  EXPECT_EQ(none.error().message, "waited 0 ms for a plugin: 2 are out, and plugins_max is 2; allow more, wait longer, or end leases sooner");
  EXPECT_FALSE(pool->Take(1));
  EXPECT_EQ(pool->counts().timeouts, 2u);
  { const Lease ends = *std::move(a); }
  EXPECT_TRUE(pool->Take());
  EXPECT_EQ(pool->counts().live, 2u);
}

TEST_F(ExtismPool, ATakerWaitsUntilOneIsGivenBack) {
  const auto pool = New({.plugins_max = 1, .wait_ms = std::nullopt});
  auto lease = std::make_optional(*pool->Take());
  std::atomic<bool> got = false;
  std::thread waits([&] { got = (*pool->Take())->Call("echo", "x").has_value(); });
  Await([&] { return pool->counts().waits == 1; });
  EXPECT_FALSE(got);
  lease.reset();
  waits.join();
  EXPECT_TRUE(got);
  EXPECT_EQ(pool->counts().made, 1u);
}

TEST_F(ExtismPool, WhatALeaseLeavesIsThereOrNot) {
  for (const Begin begin : {Begin::kKept, Begin::kFresh}) {
    for (const uint32_t slots : {0u, 2u}) {
      const auto pool = *Pool::Create(Compile({.slots = slots}), {.plugins_max = 1, .begin = begin});
      for (int round = 0; round < 3; ++round) {
        const auto lease = pool->Take();
        ASSERT_TRUE(lease) << lease.error().message;
        // A global, a word, a page (of each round), a variable; in one lease all of it stays.
        EXPECT_EQ(Code(**lease, "left"), begin == Begin::kFresh || round == 0 ? 0 : 3 + round);
        EXPECT_EQ(Code(**lease, "leave"), 0);
        EXPECT_EQ(Code(**lease, "left"), begin == Begin::kFresh ? 4 : 4 + round);
      }
      EXPECT_EQ(pool->counts().made, begin == Begin::kFresh ? 3u : 1u);
      EXPECT_EQ(pool->counts().replaced, 0u);
    }
  }
}

TEST_F(ExtismPool, BrokenPluginsAreReplacedOrKept) {
  struct Case {
    const char* function;
    bool broken;
  };
  // Fuel and memory are as little as ends `spin` and `eat`.
  const auto fuelled = Compile({.fuel = 100'000}), capped = Compile({}, {.memory_pages_max = 2}), timed = Compile({}, {.timeout_ms = 20}), plain = Compile();
  const std::pair<std::shared_ptr<Compiled>, Case> cases[] = {
      {plain, {"trap", true}}, {plain, {"five", false}}, {plain, {"fail", false}}, {plain, {"none", false}}, {fuelled, {"spin", true}}, {capped, {"eat", true}}, {timed, {"spin", true}}};
  for (const auto& [compiled, it] : cases) {
    for (const BrokenPlugins broken : {BrokenPlugins::kReplace, BrokenPlugins::kKeep}) {
      const auto pool = *Pool::Create(compiled, {.plugins_max = 1, .wait_ms = 0, .broken = broken});
      const Plugin* before = nullptr;
      {
        const auto lease = pool->Take();
        before = &**lease;
        (*lease)->CallRaw(it.function, "why");
        EXPECT_EQ((*lease)->broken(), it.broken) << it.function;
        EXPECT_EQ((*lease)->CallRaw("echo", "x").output, "x");
        EXPECT_EQ((*lease)->broken(), it.broken) << "it is forgotten by a good call";
      }
      const bool replaced = it.broken && broken == BrokenPlugins::kReplace;
      EXPECT_EQ(pool->counts().replaced, replaced ? 1u : 0u) << it.function;
      EXPECT_EQ(pool->counts().idle, replaced ? 0u : 1u);
      const auto lease = pool->Take();
      ASSERT_TRUE(lease);
      EXPECT_TRUE(replaced || &**lease == before);
      EXPECT_EQ(*(*lease)->Call("echo", "y"), "y");
    }
  }
}

TEST_F(ExtismPool, ACancelledPluginIsReplaced) {
  const auto pool = New({.plugins_max = 1});
  {
    const auto lease = pool->Take();
    std::atomic<bool> done = false;
    std::thread canceller([&, handle = (*lease)->cancel_handle()] {
      while (!done) {
        handle->Cancel();  // no effect until the call runs
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    EXPECT_EQ((*lease)->CallRaw("spin", "").error, "timeout");
    done = true;
    canceller.join();
  }
  EXPECT_EQ(pool->counts().replaced, 1u);
  EXPECT_EQ(*pool->Call("echo", "after"), "after");
}

TEST_F(ExtismPool, AnInputThatIsTooLargeBreaksNothing) {
  const auto pool = *Pool::Create(Compile({}, {.memory_pages_max = 2}), {.plugins_max = 1});
  const auto answer = pool->Call("echo", std::string(1 << 20, 'x'));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kLimit);
  EXPECT_EQ(*pool->Call("echo", "small"), "small");
  EXPECT_EQ(pool->counts().replaced, 0u);
}

TEST_F(ExtismPool, AScribblerDoesNotHurtTheNext) {
  for (const Begin begin : {Begin::kKept, Begin::kFresh}) {
    const auto pool = *Pool::Create(Compile({.slots = 1}), {.begin = begin});
    for (int round = 0; round < 3; ++round) {
      {
        const auto lease = pool->Take();
        (*lease)->CallRaw("scribble", std::string(5000, 'i'));
        (*lease)->GuestError();
      }
      const auto lease = pool->Take();
      ASSERT_TRUE(lease);
      if (begin == Begin::kFresh) {
        EXPECT_FALSE((*lease)->GuestError());
      }
      for (const size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{300'000}}) {
        const std::string input(size, 'n');
        const auto output = (*lease)->Call("echo", input);
        ASSERT_TRUE(output) << output.error().message;
        EXPECT_EQ(*output, input);
        EXPECT_FALSE((*lease)->GuestError());
      }
    }
    EXPECT_EQ(pool->counts().replaced, 0u);
  }
}

TEST_F(ExtismPool, IdlePluginsAreFreedInTime) {
  const auto pool = New({.plugins_max = 3, .idle_ms = 5});
  for (int round = 0; round < 2; ++round) {
    {
      const auto a = pool->Take(), b = pool->Take();
      EXPECT_GE(pool->counts().live, 2u);
    }
    Await([&] { return pool->counts().live == 0; });
  }
  EXPECT_EQ(pool->counts().idle, 0u);
  EXPECT_GE(pool->counts().expired, 4u);
  EXPECT_EQ(*pool->Call("echo", "again"), "again");
  const auto never = New({.idle_ms = 0});
  EXPECT_EQ(never->counts().live, 0u);
  EXPECT_EQ(*never->Call("echo", "x"), "x");
  EXPECT_EQ(never->counts().live, 0u);
}

TEST_F(ExtismPool, ReadyPluginsAreMadeAheadAndNotFreed) {
  const auto pool = New({.plugins_max = 3, .begin = Begin::kFresh, .idle_ms = 1, .ready_plugins = 2});
  for (int round = 0; round < 5; ++round) {
    Await([&] { return pool->counts().idle == 2; });
    const auto lease = pool->Take();
    EXPECT_EQ(Code(**lease, "left"), 0);
    EXPECT_EQ(Code(**lease, "leave"), 0);
  }
  Await([&] { return pool->counts().idle == 2; });
  EXPECT_LE(pool->counts().live, 3u);
  EXPECT_EQ(pool->counts().expired, 0u);
}

TEST_F(ExtismPool, WhatCannotBeMadeReadySaysSoWhenItIsCalled) {
  const auto pool = *Pool::Create(Compile({}, {}, R"((module (func (export "hs_init") (param i32 i32) unreachable) (func (export "go"))))"),
                                  {.plugins_max = 2, .ready_plugins = 1});
  for (int round = 0; round < 3; ++round) {
    const auto answer = pool->Call("go", "");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().message, "failed to initialize Haskell using hs_init");
  }
  EXPECT_EQ(pool->counts().replaced, 3u);
}

TEST_F(ExtismPool, ManyThreadsShareFewPlugins) {
  for (const Begin begin : {Begin::kKept, Begin::kFresh}) {
    const auto pool = *Pool::Create(Compile({.slots = 3}), {.wait_ms = std::nullopt, .begin = begin, .idle_ms = 1, .ready_plugins = 1});
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 40; ++i) {
          auto lease = pool->Take();
          if (!lease) {
            ADD_FAILURE() << lease.error().message;
            continue;
          }
          const std::string input = std::to_string(t) + " " + std::to_string(i);
          if ((t + i) % 7 == 0) (*lease)->CallRaw("trap", "");
          const auto output = (*lease)->Call("echo", input);
          good += output && *output == input ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 320);
    const PoolCounts counts = pool->counts();
    EXPECT_EQ(counts.out, 0u);
    EXPECT_LE(counts.live, 3u);
    EXPECT_EQ(counts.timeouts, 0u);
    EXPECT_GE(counts.replaced, 40u);
  }
}

TEST_F(ExtismPool, ALeaseOutlivesItsPool) {
  auto pool = New({.plugins_max = 1, .idle_ms = 1000, .ready_plugins = 1});
  Lease lease = *pool->Take();
  pool.reset();
  EXPECT_EQ(*lease->Call("echo", "alone"), "alone");
  Lease moved = std::move(lease);
  EXPECT_EQ(*moved->Call("echo", "moved"), "moved");
  const auto other = New({.plugins_max = 1, .wait_ms = 0});
  moved = *other->Take();  // ends the lease before it
  EXPECT_FALSE(other->Take());
}

TEST_F(ExtismPool, WrongOptionsAreRefused) {
  const auto message = [&](uint32_t slots, PoolOptions options) {
    const auto pool = Pool::Create(Compile({.slots = slots}), options);
    return pool ? "" : pool.error().message;
  };
  EXPECT_EQ(message(2, {.plugins_max = 2}), "");
  EXPECT_EQ(message(2, {.plugins_max = 3}), "plugins_max 3: the plugin was compiled with slots for 2");
  EXPECT_EQ(message(0, {.plugins_max = 2, .ready_plugins = 2}), "");
  EXPECT_EQ(message(0, {.plugins_max = 2, .ready_plugins = 3}), "ready_plugins 3: is more than plugins_max, 2");
  const auto bad = Pool::Create(Compile({}, {}, "(module (import \"a\" \"b\" (func)))"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "unknown import: `a::b` has not been defined");
  const auto many = runtime_->Compile("(module)", {.slots = 5001});
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().message, "slots 5001: at most 5000");
}

TEST_F(ExtismPool, SlotsAreTakenAndGivenBack) {
  const auto compiled = Compile({.slots = 2});
  for (int round = 0; round < 3; ++round) {
    const auto a = compiled->NewPlugin(), b = compiled->NewPlugin();
    ASSERT_TRUE(a && b);
    EXPECT_EQ(*(*a)->Call("echo", "a"), "a");
    EXPECT_EQ(*(*b)->Call("echo", "b"), "b");
    const auto c = compiled->NewPlugin();
    ASSERT_FALSE(c);
    EXPECT_EQ(c.error().message, "all 2 slots of the compiled plugin are taken");
  }
}

TEST_F(ExtismPool, SlotsAreEnoughForPluginsOfSeveralModules) {
  Manifest manifest;
  manifest.modules.push_back({.data = "(module (memory 1) (func (export \"three\") (result i32) (i32.const 3)))", .name = "a"});
  manifest.modules.push_back({.data = "(module (import \"a\" \"three\" (func $f (result i32))) (memory 1) (func (export \"_initialize\")) (func (export \"go\") (result i32) (call $f)))"});
  const auto compiled_or = runtime_->Compile(manifest, {.slots = 3});
  ASSERT_TRUE(compiled_or) << compiled_or.error().message;
  const auto& compiled = *compiled_or;
  std::vector<std::unique_ptr<Plugin>> plugins;
  for (int i = 0; i < 3; ++i) {
    auto plugin = compiled->NewPlugin();
    ASSERT_TRUE(plugin) << plugin.error().message;
    plugins.push_back(*std::move(plugin));
    EXPECT_EQ(plugins.back()->CallRaw("go", "").code, 3);
  }
}

}  // namespace
}  // namespace weir::extism
