// Plugins that share a VM: what each of them is told, and what the failure of one means for the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "proxy_wasm/pairs.h"
#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using enum Callback;
using Strings = std::vector<std::string>;

/// Each callback says its name and its first parameter, and the request callbacks how many of them the instance has had. A request for
/// "/bad" traps. on_configure ticks each 250 ms, registers the queue "q", and traps or answers false when the shared data has the key
/// "trap-" or "refuse-" and the plugin's configuration, of one byte.
class SharedVmTest : public ::testing::Test {
 protected:
  SharedVmTest() {
    guest_.more = "(global $n (mut i32) (i32.const 0))";
    for (Callback callback : {kOnContextCreate, kOnTick, kOnLog, kOnDelete}) guest_.On(callback, Says(Name(callback)));
    guest_.On(kOnVmStart, Says("vm_start"), "(i32.const 1)").On(kOnDone, Says("done"), "(i32.const 1)");
    guest_.On(kOnConfigure,
              Says("configure") + Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))") +
                  Guest::Do("(call $proxy_register_shared_queue " + guest_.S("q") + " (i32.const 512))") +
                  Guest::Do("(call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 9) " + std::string(kPut) + ")") + Guest::Log(kGot) +
                  "(if (i32.eqz " + Told("trap-") + ") (then unreachable))",
              Told("refuse-"));
    guest_.On(kOnRequestHeaders,
              "(global.set $n (i32.add (global.get $n) (i32.const 1)))" + Says("count", "(global.get $n)") +
                  Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest_.S(":path") + std::string(kPut) + ")") +
                  "(if (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 1))) (i32.const 98)) (then unreachable))");
    guest_.On(kOnQueueReady, Says("queue_ready"));
    for (PluginSpec* spec : {&a_, &b_}) spec->vm_id = "vm", spec->configuration = spec->name;
  }
  /// "WHAT N" in the log, N of one digit.
  std::string Says(std::string_view what, const std::string& number = "(local.get 0)") {
    const std::string text = guest_.S(std::string(what) + " ?");
    const std::string at = text.substr(0, text.find(')') + 1);
    return "(i32.store8 (i32.add " + at + " (i32.const " + std::to_string(what.size() + 1) + ")) (i32.add (i32.const 48) " + number + "))" +
           Guest::Log(text);
  }
  /// The status of reading the shared data by `prefix` and the byte at the address in 512: 1 is NOT_FOUND.
  std::string Told(std::string_view prefix) {
    const std::string key = guest_.S(std::string(prefix) + "?");
    const std::string at = key.substr(0, key.find(')') + 1);
    return "(block (result i32) (i32.store8 (i32.add " + at + " (i32.const " + std::to_string(prefix.size()) +
           ")) (i32.load8_u (i32.load (i32.const 512)))) (call $proxy_get_shared_data " + key + " (i32.const 520) (i32.const 524) (i32.const 528)))";
  }
  void Tell(const std::string& key) { world_.shared_data.Set("vm", key, "", 0); }
  void Untell(const std::string& key) { world_.shared_data.Delete("vm", key, 0); }
  std::unique_ptr<Plugin> LoadOne(const PluginSpec& spec) {
    auto plugin = Load(guest_, world_, spec);
    EXPECT_TRUE(plugin) << plugin.error().message;
    return plugin ? std::move(*plugin) : nullptr;
  }
  void LoadBoth() {
    one_ = LoadOne(a_);
    two_ = LoadOne(b_);
    ASSERT_TRUE(one_ && two_);
    world_.log.by.clear();
  }
  /// What was logged since.
  Strings Said() { return std::exchange(world_.log.by, {}); }
  struct Stream {
    explicit operator bool() const { return filter != nullptr; }
    FilterStatus Headers() const { return filter->OnRequestHeaders(1, EndOfStream::kYes); }
    std::unique_ptr<FakeStream> stream;
    std::unique_ptr<HttpFilter> filter;
  };
  static Stream New(Plugin& plugin, const std::string& path = "/") {
    Stream one{std::make_unique<FakeStream>(), nullptr};
    one.stream->maps[0]->Replace(":path", path);
    one.filter = plugin.NewHttpFilter(*one.stream);
    return one;
  }
  static void Trap(Plugin& plugin) { EXPECT_EQ(New(plugin, "/bad").Headers(), FilterStatus::kFailed); }

  Guest guest_;
  FakeWorld world_;
  PluginSpec a_ = SpecNamed("a"), b_ = SpecNamed("b");
  std::unique_ptr<Plugin> one_, two_;
};

TEST_F(SharedVmTest, EachPluginHasItsContextAndItsConfigurationAndAllHaveTheMemory) {
  one_ = LoadOne(a_);
  two_ = LoadOne(b_);
  EXPECT_EQ(Said(), (Strings{"a: proxy_on_context_create 1", "a: vm_start 1", "a: configure 1", "a: a", "b: proxy_on_context_create 2", "b: vm_start 2",
                             "b: configure 2", "b: b"}));
  Stream first = New(*one_), second = New(*two_);
  EXPECT_EQ(first.Headers(), FilterStatus::kContinue);
  EXPECT_EQ(second.Headers(), FilterStatus::kContinue);
  EXPECT_EQ(Said(), (Strings{"a: proxy_on_context_create 3", "b: proxy_on_context_create 4", "a: count 1", "b: count 2"}));
  second.filter->OnFinish();
  first.filter->OnFinish();
  EXPECT_EQ(Said(), (Strings{"b: done 4", "b: proxy_on_log 4", "b: proxy_on_delete 4", "a: done 3", "a: proxy_on_log 3", "a: proxy_on_delete 3"}));
  EXPECT_EQ(one_->stats().streams, 1u);
  EXPECT_EQ(world_.metrics.OwnValue("weir_plugin_streams_total{plugin=\"b\"}"), 1u);
  EXPECT_EQ(world_.metrics.OwnValue("weir_callbacks_total{plugin=\"b\",callback=\"proxy_on_request_headers\"}"), 1u);
}

TEST_F(SharedVmTest, OneThatIsConfiguredOtherwiseHasItsOwn) {
  one_ = LoadOne(a_);
  const auto shares = [&](auto change) {
    PluginSpec spec = b_;
    change(spec);
    world_.log.by.clear();
    const auto plugin = LoadOne(spec);
    return Said().at(0) == "b: proxy_on_context_create 2";
  };
  // What is the plugin's own. Ids are not reused, so each is tried on an instance of its own.
  const std::function<void(PluginSpec&)> own[] = {
      [](PluginSpec& spec) { spec.root_id = "root"; },           [](PluginSpec& spec) { spec.configuration = "x"; },
      [](PluginSpec& spec) { spec.on_error = OnError::kOpen; },  [](PluginSpec& spec) { spec.on_buffer_full = OnBufferFull::kRelease; },
      [](PluginSpec& spec) { spec.header_pause = HeaderPause::kHeadersOnly; }, [](PluginSpec& spec) { spec.path = "other.wasm"; }};
  for (const auto& change : own) {
    one_.reset();
    one_ = LoadOne(a_);
    EXPECT_TRUE(shares(change));
  }
  const std::function<void(PluginSpec&)> of_the_vm[] = {
      [](PluginSpec& spec) { spec.vm_id.clear(); },
      [](PluginSpec& spec) { spec.vm_id = "other"; },
      [](PluginSpec& spec) { spec.vm_configuration = "x"; },
      [](PluginSpec& spec) { spec.environment.emplace_back("A", "b"); },
      [](PluginSpec& spec) { spec.limits.memory_bytes -= 65536; },
      [](PluginSpec& spec) { spec.limits.callback_ms += 1; },
      [](PluginSpec& spec) { spec.allow.upstreams = {"up"}; },
      [](PluginSpec& spec) { spec.statuses = Statuses::kStrict; },
      [](PluginSpec& spec) { spec.stderr_level = LogLevel::kInfo; }};
  for (size_t i = 0; i < std::size(of_the_vm); ++i) EXPECT_FALSE(shares(of_the_vm[i])) << i;
  guest_.more += "(func (export \"another\"))";
  EXPECT_FALSE(shares([](PluginSpec&) {}));  // other code
}

TEST_F(SharedVmTest, WithoutAVmIdOrAPoolNothingIsShared) {
  a_.vm_id.clear();
  b_.vm_id = "a";  // the name space of `a`, which did not ask for company
  one_ = LoadOne(a_);
  two_ = LoadOne(b_);
  EXPECT_EQ(Said().at(4), "b: proxy_on_context_create 1");
  a_.vm_id = b_.vm_id = "vm";
  world_.host.vms = nullptr;
  one_ = LoadOne(a_);
  Said();
  two_ = LoadOne(b_);
  EXPECT_EQ(Said().at(0), "b: proxy_on_context_create 1");
}

TEST_F(SharedVmTest, TicksQueuesAndPeriodsAreThePluginsOwn) {
  LoadBoth();
  EXPECT_EQ(world_.timers.of[one_.get()], 250u);
  EXPECT_EQ(world_.timers.of[two_.get()], 250u);
  two_->OnTick();
  one_->OnTick();
  two_->OnQueueReady(1);
  EXPECT_EQ(Said(), (Strings{"b: proxy_on_tick 2", "a: proxy_on_tick 1", "b: queue_ready 2"}));
  two_.reset();
  EXPECT_EQ(world_.timers.of[one_.get()], 250u);
}

TEST_F(SharedVmTest, OneThatRefusesLeavesAndTheOthersStay) {
  one_ = LoadOne(a_);
  Said();
  Tell("refuse-b");
  auto refused = Load(guest_, world_, b_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_NE(refused.error().message.find("plugin \"b\" (test.wasm): proxy_on_configure returned false"), std::string::npos);
  EXPECT_EQ(Said(), (Strings{"b: proxy_on_context_create 2", "b: vm_start 2", "b: configure 2", "b: b", "b: done 2", "b: proxy_on_delete 2"}));
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(one_->stats().instances, 1u);
  Untell("refuse-b");
  two_ = LoadOne(b_);
  Said();
  Stream stream = New(*two_);
  EXPECT_EQ(stream.Headers(), FilterStatus::kContinue);
  EXPECT_EQ(Said().back(), "b: count 2");
}

TEST_F(SharedVmTest, ATrapEndsTheInstanceOfAllAndTheNextEventRestoresAll) {
  LoadBoth();
  Stream of_a = New(*one_), of_b = New(*two_);
  Said();
  Trap(*one_);
  EXPECT_EQ(of_a.stream->failed, 1);
  EXPECT_EQ(of_b.stream->failed, 1);
  EXPECT_EQ(of_b.Headers(), FilterStatus::kFailed);
  const Strings said = Said();
  ASSERT_EQ(std::count(said.begin(), said.end(),
                       "b: plugin \"b\" (test.wasm): its VM ended with a failure of plugin \"a\", which shares it (vm_id=vm)"), 1)
      << ::testing::PrintToString(said);
  EXPECT_EQ(one_->stats().failures, 1u);
  EXPECT_EQ(two_->stats().failures, 0u);
  EXPECT_NE(two_->stats().last_error.find("failure of plugin \"a\""), std::string::npos);
  EXPECT_EQ(world_.metrics.OwnValue("weir_plugin_failures_total{plugin=\"a\",reason=\"trap\"}"), 1u);
  EXPECT_EQ(world_.metrics.OwnValue("weir_plugin_failures_total{plugin=\"b\",reason=\"shared\"}"), 1u);

  two_->OnTick();
  EXPECT_EQ(Said(), (Strings{"a: proxy_on_context_create 1", "a: vm_start 1", "a: configure 1", "a: a", "b: proxy_on_context_create 2", "b: vm_start 2",
                             "b: configure 2", "b: b", "b: proxy_on_tick 2"}));
  EXPECT_EQ(one_->stats().instances, 2u);
  EXPECT_EQ(two_->stats().instances, 2u);
  EXPECT_EQ(world_.metrics.OwnValue("weir_plugin_instances_total{plugin=\"b\"}"), 2u);
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(Said().back(), "b: proxy_on_delete 4");
}

TEST_F(SharedVmTest, OnlyTheCulpritGoesDown) {
  a_.limits.restarts_burst = b_.limits.restarts_burst = 1;
  LoadBoth();
  Trap(*one_);
  Trap(*one_);
  EXPECT_FALSE(New(*one_));
  EXPECT_FALSE(one_->stats().up);
  EXPECT_EQ(world_.log.Count("plugin \"a\" (test.wasm): down after 2 failures"), 1u);
  Said();
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  EXPECT_TRUE(two_->stats().up);
  EXPECT_EQ(Said().at(0), "b: proxy_on_context_create 1");  // alone
  EXPECT_FALSE(New(*one_));

  world_.clock.now_ns += 1'000'000'000;  // the culprit is on probation, in the instance that lives
  Stream probe = New(*one_);
  ASSERT_TRUE(probe);
  EXPECT_FALSE(New(*one_));
  EXPECT_TRUE(New(*two_));
  EXPECT_EQ(probe.Headers(), FilterStatus::kContinue);
  probe.filter->OnFinish();
  EXPECT_TRUE(one_->stats().up);
  EXPECT_EQ(two_->stats().instances, 3u);
  EXPECT_EQ(two_->stats().failures, 0u);
}

TEST_F(SharedVmTest, ATrapAtTheStartOfOneEndsTheInstanceOfTheOthers) {
  one_ = LoadOne(a_);
  Stream stream = New(*one_);
  Tell("trap-b");
  auto trapped = Load(guest_, world_, b_);
  ASSERT_FALSE(trapped);
  EXPECT_EQ(trapped.error().code, ErrorCode::kTrapped);
  EXPECT_EQ(stream.stream->failed, 1);
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(one_->stats().failures, 0u);
  EXPECT_EQ(one_->stats().instances, 2u);
}

TEST_F(SharedVmTest, OneThatRefusesARestartIsOutUntilItsNextOne) {
  b_.limits.restarts_burst = a_.limits.restarts_burst = 1;
  LoadBoth();
  Tell("refuse-b");
  Trap(*one_);
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(two_->stats().failures, 1u);
  EXPECT_FALSE(New(*two_));  // its one restart: refused again
  EXPECT_FALSE(New(*two_));
  EXPECT_EQ(world_.log.Count("plugin \"b\" (test.wasm): down after 2 failures"), 1u);
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(one_->stats().instances, 2u);
  Untell("refuse-b");
  world_.clock.now_ns += 1'000'000'000;
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(one_->stats().instances, 2u);
}

TEST_F(SharedVmTest, OneThatTrapsARestartDoesNotCountForTheOther) {
  LoadBoth();
  Tell("trap-b");
  Trap(*one_);
  EXPECT_FALSE(New(*one_));  // b, which starts with it, ends the instance
  EXPECT_EQ(one_->stats().failures, 1u);
  EXPECT_EQ(two_->stats().failures, 1u);
  Untell("trap-b");
  EXPECT_EQ(New(*one_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(one_->stats().failures, 1u);
}

TEST_F(SharedVmTest, APluginThatLeavesTakesItsContextAlone) {
  guest_.On(kOnDone, Says("done"), "(i32.eq (local.get 0) (i32.const 1))");  // streams wait for proxy_done
  LoadBoth();
  New(*one_).filter->OnFinish();
  New(*two_).filter->OnFinish();
  Said();
  one_.reset();
  EXPECT_EQ(Said(), (Strings{"a: proxy_on_log 3", "a: proxy_on_delete 3", "a: done 1", "a: proxy_on_delete 1"}));
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  Said();
  one_ = LoadOne(a_);
  EXPECT_EQ(Said().at(0), "a: proxy_on_context_create 6");
  two_.reset();
  one_.reset();
  one_ = LoadOne(a_);
  EXPECT_EQ(world_.log.by.at(world_.log.by.size() - 4), "a: proxy_on_context_create 1");
}

TEST_F(SharedVmTest, LastWordsThatTrapEndTheInstanceOfTheOthers) {
  guest_.On(kOnDelete, "(if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))");
  LoadBoth();
  Stream stream = New(*two_);
  one_.reset();
  EXPECT_EQ(stream.stream->failed, 1);
  EXPECT_EQ(New(*two_).Headers(), FilterStatus::kContinue);
  EXPECT_EQ(two_->stats().instances, 2u);
  EXPECT_EQ(world_.log.Count("plugin \"a\" (test.wasm): at the end of the plugin context: "), 1u);
}

/// A request of the stream `path` makes its context effective: "/N" of context N. Says the status.
class SharedContextsTest : public SharedVmTest {
 protected:
  SharedContextsTest() {
    guest_.On(kOnRequestHeaders,
              Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest_.S(":path") + std::string(kPut) + ")") +
                  Says("status", "(call $proxy_set_effective_context (i32.sub (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 1))) (i32.const 48)))"));
  }
};

TEST_F(SharedContextsTest, OnlyThePluginsOwnCanBeMadeEffective) {
  LoadBoth();
  Stream of_a = New(*one_), of_b = New(*two_);  // contexts 3 and 4
  const std::pair<std::string, int> statuses[] = {{"/1", 0}, {"/2", 2}, {"/3", 0}, {"/4", 2}, {"/9", 2}};
  for (const auto& [path, status] : statuses) {
    of_a.stream->maps[0]->Replace(":path", path);
    of_a.Headers();
    EXPECT_EQ(Said().back(), "a: status " + std::to_string(status)) << path;
  }
  of_b.stream->maps[0]->Replace(":path", "/2");
  of_b.Headers();
  EXPECT_EQ(Said().back(), "b: status 0");
}

/// A request makes an HTTP call and a gRPC stream; "/cN" cancels the gRPC stream of call N.
class SharedCallsTest : public SharedVmTest {
 protected:
  SharedCallsTest() {
    std::string pairs;
    SerializePairs({{":method", "GET"}, {":path", "/"}, {":authority", "up"}}, &pairs);
    const std::string empty = "(i32.const 0) (i32.const 0) ";
    const std::string make = Guest::Do("(call $proxy_http_call " + guest_.S("up") + guest_.S(pairs) + empty + empty + "(i32.const 100) (i32.const 700))") +
                             Says("http", "(i32.load (i32.const 700))") +
                             Guest::Do("(call $proxy_grpc_stream " + guest_.S("up") + guest_.S("a.B") + guest_.S("C") + empty + "(i32.const 700))") +
                             Says("grpc", "(i32.load (i32.const 700))");
    guest_.On(kOnRequestHeaders,
              Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest_.S(":path") + std::string(kPut) + ")") +
                  "(if (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 1))) (i32.const 99)) (then " +
                  Says("cancel", "(call $proxy_grpc_cancel (i32.sub (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 2))) (i32.const 48)))") +
                  ") (else " + make + "))");
    guest_.On(kOnTick, make);
    guest_.On(kOnHttpCallResponse, Says("root") + Says("answer", "(local.get 1)"));
  }
};

TEST_F(SharedCallsTest, AnswersComeToTheContextOfTheirPluginAndCallsAreItsOwn) {
  LoadBoth();
  auto* b = static_cast<ProxyWasmPlugin*>(two_.get());
  Stream of_a = New(*one_), of_b = New(*two_);
  of_a.Headers();
  CallEvents& a_events = *world_.calls.events;
  of_b.Headers();
  CallEvents& b_events = *world_.calls.events;
  EXPECT_NE(&a_events, &b_events);
  EXPECT_EQ(Said(), (Strings{"a: proxy_on_context_create 3", "b: proxy_on_context_create 4", "a: http 1", "a: grpc 2", "b: http 3", "b: grpc 4"}));
  EXPECT_EQ(b->stats().calls_started, 2u);
  b_events.OnHttpAnswer(1003, HttpAnswer{.headers = {{":status", "200"}}});
  a_events.OnHttpAnswer(1001, HttpAnswer{.headers = {{":status", "200"}}});
  EXPECT_EQ(Said(), (Strings{"b: root 2", "b: answer 3", "a: root 1", "a: answer 1"}));

  of_a.stream->maps[0]->Replace(":path", "/c4");  // the stream of b
  of_a.Headers();
  EXPECT_EQ(Said().back(), "a: cancel 1");  // NOT_FOUND
  of_b.stream->maps[0]->Replace(":path", "/c4");
  of_b.Headers();
  EXPECT_EQ(Said().back(), "b: cancel 0");
  EXPECT_EQ(world_.calls.cancelled, std::vector<CallToken>{1004});
  EXPECT_EQ(one_->stats().calls_cancelled, 0u);
  EXPECT_EQ(two_->stats().calls_cancelled, 1u);
}

TEST_F(SharedCallsTest, CallsOfAPluginContextEndWithThePlugin) {
  LoadBoth();
  one_->OnTick();
  two_->OnTick();
  EXPECT_EQ(Said(), (Strings{"a: http 1", "a: grpc 2", "b: http 3", "b: grpc 4"}));
  one_.reset();
  std::sort(world_.calls.cancelled.begin(), world_.calls.cancelled.end());
  EXPECT_EQ(world_.calls.cancelled, (std::vector<CallToken>{1001, 1002}));
  world_.calls.cancelled.clear();
  two_.reset();
  EXPECT_EQ(world_.calls.cancelled.size(), 2u);
}

TEST(SharedVm, WhatTheFirstPluginGaveOutlivesIt) {
  constexpr std::string_view kWat = R"((module
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (data (i32.const 200) "\40\01\00\00\27\00\00\00")
    (func (export "proxy_on_tick") (param i32)
      (drop (call $environ_get (i32.const 300) (i32.const 320)))
      (drop (call $fd_write (i32.const 1) (i32.const 200) (i32.const 1) (i32.const 100))))))";
  FakeWorld world;
  PluginSpec spec = SpecNamed("the first one, with a long name that is on the heap");
  spec.vm_id = "vm";
  spec.environment = {{"REGION", "a long value that is on the heap"}};
  auto first = LoadWat(kWat, world, spec);
  ASSERT_TRUE(first) << first.error().message;
  spec.name = "second";
  auto second = LoadWat(kWat, world, spec);
  ASSERT_TRUE(second);
  (*first)->OnTick();
  first->reset();
  (*second)->OnTick();
  EXPECT_EQ(world.log.by, (Strings{"the first one, with a long name that is on the heap: REGION=a long value that is on the heap",
                                   "second: REGION=a long value that is on the heap"}));
}

}  // namespace
}  // namespace weir::proxy_wasm
