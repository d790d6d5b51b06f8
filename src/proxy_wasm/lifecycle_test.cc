// The life of a plugin, its instances and contexts, through the real engine.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using enum Callback;
using Strings = std::vector<std::string>;

std::string LogText(Guest& guest, std::string_view text) { return Guest::Log(guest.S(text)); }

TEST(Lifecycle, RunsAStream) {
  Guest guest;
  guest.On(kOnRequestHeaders,
           Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("User-Agent") + std::string(kPut) + ")") +
               Guest::Do("(call $proxy_add_header_map_value (i32.const 0) " + guest.S("X-Weir") + std::string(kGot) + ")"));
  FakeWorld world;
  auto plugin = Load(guest, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  ASSERT_TRUE(filter);
  EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kContinue);
  EXPECT_EQ((*stream.maps[0])["x-weir"], "curl/8");
  EXPECT_EQ(filter->OnResponseHeaders(1, EndOfStream::kYes), FilterStatus::kContinue);  // absent: continue
  EXPECT_TRUE(filter->ignores_body(Direction::kRequest));
  filter->OnFinish();
  EXPECT_EQ((*plugin)->stats().streams, 1u);
}

TEST(Lifecycle, OrderOfCallbacks) {
  Guest guest;
  const std::pair<Callback, std::string> steps[] = {
      {kOnContextCreate, "create"}, {kOnVmStart, "vm_start"}, {kOnConfigure, "configure"}, {kOnRequestHeaders, "request"},
      {kOnDone, "done"}, {kOnLog, "log"}, {kOnDelete, "delete"}};
  for (const auto& [callback, name] : steps)
    guest.On(callback, LogText(guest, name), callback == kOnRequestHeaders ? "(i32.const 0)" : "(i32.const 1)");
  guest.more = "(func (export \"_initialize\") " + LogText(guest, "init") + ")" +
               "(func (export \"main\") (param i32 i32) (result i32) " + LogText(guest, "main") + "(i32.const 0))" +
               "(func (export \"_start\") unreachable)";
  FakeWorld world;
  {
    auto plugin = Load(guest, world);
    ASSERT_TRUE(plugin) << plugin.error().message;
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    filter->OnRequestHeaders(5, EndOfStream::kYes);
    filter->OnFinish();
  }
  EXPECT_EQ(world.log.lines, (Strings{"init", "main", "create", "vm_start", "configure", "create", "request", "done", "log",
                                      "delete", "done", "delete"}));  // the plugin context has no log
}

TEST(Lifecycle, RefusalsNameThePluginAndTheCallback) {
  for (Callback callback : {kOnVmStart, kOnConfigure}) {
    Guest guest;
    guest.On(callback, "", "(i32.const 0)");
    FakeWorld world;
    auto plugin = Load(guest, world);
    ASSERT_FALSE(plugin);
    EXPECT_EQ(plugin.error().code, ErrorCode::kRefused);
    EXPECT_NE(plugin.error().message.find("plugin \"t\" (test.wasm): " + std::string(Name(callback)) + " returned false"), std::string::npos)
        << plugin.error().message;
  }
}

TEST(Lifecycle, ATrapOfTheFirstContextSpeaksOfTheRootId) {
  Guest guest;
  guest.On(kOnContextCreate, "unreachable");
  FakeWorld world;
  for (const auto& [root_id, part] : {std::pair("", "needs that name: root_id=, --root-id\n"), {"other", "is there a plugin of this root_id=?\n"}}) {
    PluginSpec spec = SpecNamed("t");
    spec.root_id = root_id;
    auto plugin = Load(guest, world, spec);
    ASSERT_FALSE(plugin);
    EXPECT_EQ(plugin.error().code, ErrorCode::kTrapped);
    EXPECT_NE(plugin.error().message.find(part), std::string::npos) << plugin.error().message;
  }
}

TEST(Lifecycle, TrapInStartIsAnErrorWithTheTrap) {
  Guest guest;
  guest.On(kOnConfigure, "unreachable", "(i32.const 1)");
  FakeWorld world;
  auto plugin = Load(guest, world);
  ASSERT_FALSE(plugin);
  EXPECT_EQ(plugin.error().code, ErrorCode::kTrapped);
  EXPECT_NE(plugin.error().message.find("proxy_on_configure: "), std::string::npos) << plugin.error().message;
}

TEST(Lifecycle, TrapEndsTheInstanceFailsItsStreamsAndTheNextStreamGetsAFreshOne) {
  Guest guest;
  guest.On(kOnRequestBody, "unreachable");
  FakeWorld world;
  auto plugin = Load(guest, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream one, two, three;
  auto first = (*plugin)->NewHttpFilter(one);
  auto second = (*plugin)->NewHttpFilter(two);
  EXPECT_EQ(first->OnRequestBody(1, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_EQ(one.failed, 0);  // it was told by kFailed
  EXPECT_EQ(two.failed, 1);
  EXPECT_EQ(second->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kFailed);
  second->OnFinish();
  EXPECT_EQ((*plugin)->stats().failures, 1u);
  EXPECT_TRUE(world.log.Has("proxy_on_request_body (context 2)")) << ::testing::PrintToString(world.log.lines);
  auto third = (*plugin)->NewHttpFilter(three);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kContinue);
  EXPECT_EQ((*plugin)->stats().instances, 2u);
}

TEST(Lifecycle, RestartsAreLimited) {
  Guest guest;
  guest.On(kOnRequestHeaders, "unreachable");
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.restarts_burst = 2;
  spec.limits.restart_interval_ms = 1000;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin);
  auto once = [&] {
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    if (!filter) return false;
    EXPECT_EQ(filter->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kFailed);
    return true;
  };
  EXPECT_TRUE(once());  // the instance of the load
  EXPECT_TRUE(once());
  EXPECT_TRUE(once());
  EXPECT_FALSE(once());
  EXPECT_FALSE((*plugin)->stats().up);
  EXPECT_EQ(world.log.Count("down after 3 failures"), 1u);
  EXPECT_FALSE(once());
  EXPECT_EQ(world.log.Count("down after"), 1u);  // said once
  world.clock.now_ns += 999'000'000;
  EXPECT_FALSE(once());
  world.clock.now_ns += 1'000'000;
  EXPECT_TRUE(once());
  EXPECT_FALSE(once());
}

/// A plugin that is down after two failures (of "/b" in :path), and a second later may be probed.
class ProbeTest : public ::testing::Test {
 protected:
  ProbeTest() {
    guest_.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest_.S(":path") + std::string(kPut) + ")") +
                                     "(if (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 1))) (i32.const 98)) (then unreachable))");
    guest_.On(kOnLog, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest_.S(":path") + std::string(kPut) + ")") +
                          "(if (i32.eq (i32.load8_u (i32.add (i32.load (i32.const 512)) (i32.const 1))) (i32.const 108)) (then unreachable))");
    spec_.limits.restarts_burst = 1;
    spec_.limits.restart_interval_ms = 1000;
    plugin_ = std::move(*Load(guest_, world_, spec_));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Headers(New("/bad")), FilterStatus::kFailed);
    EXPECT_FALSE(New("/"));
    EXPECT_EQ(world_.log.Count("down after 2 failures"), 1u);
    Later(1000);
  }
  struct Stream {
    explicit operator bool() const { return filter != nullptr; }
    std::unique_ptr<FakeStream> stream;
    std::unique_ptr<HttpFilter> filter;
  };
  Stream New(const std::string& path) {
    Stream one{std::make_unique<FakeStream>(), nullptr};
    one.stream->maps[0]->Replace(":path", path);
    one.filter = plugin_->NewHttpFilter(*one.stream);
    return one;
  }
  static FilterStatus Headers(const Stream& one) { return one ? one.filter->OnRequestHeaders(1, EndOfStream::kYes) : FilterStatus::kFailed; }
  void Later(uint64_t ms) { world_.clock.now_ns += ms * 1'000'000; }

  Guest guest_;
  FakeWorld world_;
  PluginSpec spec_ = SpecNamed("t");
  std::unique_ptr<Plugin> plugin_;
};

TEST_F(ProbeTest, OneStreamProbesTheNewInstanceAndTheOthersWaitForIt) {
  auto probe = New("/");
  ASSERT_TRUE(probe);
  EXPECT_EQ(Headers(probe), FilterStatus::kContinue);
  EXPECT_FALSE(New("/"));
  EXPECT_FALSE(plugin_->stats().up);
  EXPECT_EQ(plugin_->stats().streams_refused, 2u);
  EXPECT_FALSE(world_.log.Has("up again"));
  probe.filter->OnFinish();
  EXPECT_TRUE(plugin_->stats().up);
  EXPECT_EQ(world_.log.Count("up again"), 1u);
  auto one = New("/"), two = New("/");
  EXPECT_TRUE(one && two);
}

TEST_F(ProbeTest, AProbeThatFailsKeepsItDownForAnotherInterval) {
  EXPECT_EQ(Headers(New("/bad")), FilterStatus::kFailed);
  EXPECT_FALSE(New("/"));
  EXPECT_EQ(world_.log.Count("down after"), 1u);  // it never was up
  Later(999);
  EXPECT_FALSE(New("/"));
  Later(1);
  EXPECT_TRUE(New("/"));
}

TEST_F(ProbeTest, AProbeFailsToTheLastCallback) {
  auto probe = New("/log");
  EXPECT_EQ(Headers(probe), FilterStatus::kContinue);
  probe.filter->OnFinish();
  EXPECT_FALSE(world_.log.Has("up again"));
  EXPECT_FALSE(New("/"));
}

TEST_F(ProbeTest, AnInstanceThatLivesForAnIntervalIsGoodEnough) {
  auto probe = New("/");
  EXPECT_EQ(Headers(probe), FilterStatus::kContinue);  // and then waits for something
  Later(999);
  EXPECT_FALSE(New("/"));
  Later(1);
  EXPECT_TRUE(New("/"));
  EXPECT_TRUE(plugin_->stats().up);
  EXPECT_EQ(world_.log.Count("up again"), 1u);
}

TEST_F(ProbeTest, AnotherFailureLaterIsSaidAgain) {
  New("/").filter->OnFinish();
  EXPECT_EQ(Headers(New("/bad")), FilterStatus::kFailed);
  EXPECT_FALSE(New("/"));
  EXPECT_EQ(world_.log.Count("down after"), 2u);
}

TEST(Lifecycle, FailuresAreLoggedWithTheGuestsStackAndNoMoreOftenThanRestarts) {
  Guest guest;
  guest.more = "(func $deep (export \"deep\") unreachable)";
  guest.On(kOnRequestHeaders, "(call $deep)");
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.restarts_burst = 3;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  for (int i = 0; i < 100; ++i) {
    FakeStream stream;
    if (auto filter = (*plugin)->NewHttpFilter(stream)) filter->OnRequestHeaders(1, EndOfStream::kYes);
  }
  EXPECT_EQ((*plugin)->stats().failures, 4u);
  EXPECT_EQ((*plugin)->stats().streams_refused, 96u);
  EXPECT_EQ(world.log.Count("callback failed"), 4u);
  EXPECT_EQ(world.log.Count("deep"), 4u) << ::testing::PrintToString(world.log.lines);  // a frame of the stack
}

TEST(Lifecycle, DeadlineEndsTheInstance) {
  Guest guest;
  guest.On(kOnRequestHeaders, "(loop $l (br $l))");
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.callback_ms = 20;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  EXPECT_EQ(filter->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_NE((*plugin)->stats().last_error.find("20 ms"), std::string::npos) << (*plugin)->stats().last_error;
}

TEST(Lifecycle, DoneFalseDelaysLogAndDeleteAndKeepsTheHeaders) {
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)");
  guest.On(kOnLog, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")") +
                       Guest::Log(kGot));
  guest.On(kOnDelete, LogText(guest, "delete"));
  guest.On(kOnTick, Guest::Report("(call $proxy_set_effective_context (i32.const 2))") + Guest::Report("(call $proxy_done)") +
                        Guest::Report("(call $proxy_done)"));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.statuses = Statuses::kStrict;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  {
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    filter->OnFinish();
  }
  EXPECT_EQ(world.log.lines, Strings());
  (*plugin)->OnTick();
  EXPECT_EQ(world.log.lines, (Strings{"/a/b?c=d", "delete"}));
  EXPECT_EQ(world.timers.periods, (std::vector<uint32_t>{0, 0, 1}));  // OK, OK, NOT_FOUND
  world.timers.periods.clear();
  (*plugin)->OnTick();
  EXPECT_EQ(world.timers.periods, (std::vector<uint32_t>{2, 1, 1}));  // gone: BAD_ARGUMENT, and no root is pending
}

TEST(Lifecycle, DoneThatNeverComesEndsAtTheLimit) {
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)").On(kOnDelete, LogText(guest, "delete")).On(kOnTick, "");
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.done_ms = 1000;
  auto plugin = Load(guest, world, spec);
  FakeStream stream;
  (*plugin)->NewHttpFilter(stream)->OnFinish();
  world.clock.now_ns += 999'999'999;
  (*plugin)->OnTick();
  EXPECT_EQ(world.log.lines, Strings());
  world.clock.now_ns += 1;
  (*plugin)->OnTick();
  EXPECT_EQ(world.log.lines, Strings{"delete"});
}

// Of many that wait, those that are done end, in whatever order; and nobody looks at all of them for each.
TEST(Lifecycle, ManyPendingContextsEndWhenTheyAreDone) {
  constexpr int kStreams = 50'000;
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)").On(kOnDelete, "(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))");
  // proxy_done for every context, the newest first, but for context 2
  guest.On(kOnTick, "(local $i i32) (local.set $i (i32.const " + std::to_string(kStreams + 1) + "))"
                    "(loop $l (drop (call $proxy_set_effective_context (local.get $i))) (drop (call $proxy_done))"
                    "(br_if $l (i32.gt_u (local.tee $i (i32.sub (local.get $i) (i32.const 1))) (i32.const 2))))");
  guest.On(kOnQueueReady, Guest::Report("(i32.load (i32.const 512))"));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.callback_ms = 10'000;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  for (int i = 0; i < kStreams; ++i) {
    FakeStream stream;
    (*plugin)->NewHttpFilter(stream)->OnFinish();
  }
  (*plugin)->OnTick();
  (*plugin)->OnQueueReady(1);
  EXPECT_EQ(world.timers.period_ms, uint32_t(kStreams - 1));
  world.clock.now_ns += uint64_t(spec.limits.done_ms) * 1'000'000;
  (*plugin)->OnQueueReady(1);  // ends the last one after its callback
  (*plugin)->OnQueueReady(1);
  EXPECT_EQ(world.timers.period_ms, uint32_t(kStreams));
}

TEST(Lifecycle, ATrapWithManyPendingAndLiveContexts) {
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)").On(kOnTick, "unreachable");
  FakeWorld world;
  auto plugin = Load(guest, world);
  std::vector<std::unique_ptr<FakeStream>> streams;
  std::vector<std::unique_ptr<HttpFilter>> filters;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(std::make_unique<FakeStream>());
    auto filter = (*plugin)->NewHttpFilter(*streams.back());
    if (i % 2 == 0) filter->OnFinish();  // pending; every fourth lives on without its owner
    if (i % 4 != 0) filters.push_back(std::move(filter));
  }
  (*plugin)->OnTick();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(streams[size_t(i)]->failed, i % 2) << i;
  for (auto& filter : filters) filter->OnFinish();
  EXPECT_TRUE((*plugin)->NewHttpFilter(*streams[0]));
}

TEST(Lifecycle, ContextsHaveALimitAndIdsAreNotReused) {
  Guest guest;
  guest.On(kOnContextCreate, Guest::Report("(local.get 0)"));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.contexts = 2;
  auto plugin = Load(guest, world, spec);
  FakeStream stream;
  auto a = (*plugin)->NewHttpFilter(stream);
  auto b = (*plugin)->NewHttpFilter(stream);
  EXPECT_FALSE((*plugin)->NewHttpFilter(stream));
  a->OnFinish();
  a.reset();
  auto c = (*plugin)->NewHttpFilter(stream);
  EXPECT_TRUE(c);
  EXPECT_EQ(world.timers.periods, (std::vector<uint32_t>{1, 2, 3, 4}));
}

TEST(Lifecycle, ManyContextsAreFoundById) {
  Guest guest;
  guest.On(kOnTick, Guest::Report("(call $proxy_set_effective_context (i32.const 900))") +
                        Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")") +
                        Guest::Log(kGot));
  FakeWorld world;
  auto plugin = Load(guest, world);
  std::vector<std::unique_ptr<FakeStream>> streams;
  std::vector<std::unique_ptr<HttpFilter>> filters;
  for (int i = 0; i < 1000; ++i) {
    streams.push_back(std::make_unique<FakeStream>());
    streams.back()->maps[0]->Replace(":path", "/" + std::to_string(i));
    filters.push_back((*plugin)->NewHttpFilter(*streams.back()));
  }
  (*plugin)->OnTick();
  EXPECT_EQ(world.log.lines, Strings{"/898"});  // the first stream is context 2
  for (auto& filter : filters) filter->OnFinish();
}

TEST(Lifecycle, TicksAndQueues) {
  Guest guest;
  guest.On(kOnConfigure,
           Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))") +
               Guest::Do("(call $proxy_register_shared_queue " + guest.S("q") + " (i32.const 512))"),
           "(i32.const 1)");
  guest.On(kOnTick, Guest::Do("(call $proxy_enqueue_shared_queue (i32.load (i32.const 512)) " + guest.S("item") + ")"));
  guest.On(kOnQueueReady, Guest::Do("(call $proxy_dequeue_shared_queue (local.get 1) " + std::string(kPut) + ")") + Guest::Log(kGot));
  FakeWorld world;
  {
    auto plugin = Load(guest, world);
    EXPECT_EQ(world.timers.period_ms, 250u);
    (*plugin)->OnTick();
    ASSERT_EQ(world.queues.items.at(0).size(), 1u);
    (*plugin)->OnQueueReady(1);
    EXPECT_EQ(world.log.lines, Strings{"item"});
    EXPECT_EQ(world.queues.consumer, plugin->get());
  }
  EXPECT_EQ(world.queues.consumer, nullptr);
  EXPECT_EQ(world.timers.period_ms, 0u);
}

TEST(Lifecycle, APluginOfTicksIsRestartedByItsTick) {
  Guest guest;
  guest.On(kOnConfigure, Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))"), "(i32.const 1)");
  guest.On(kOnTick, "unreachable");
  FakeWorld world;
  auto plugin = Load(guest, world);
  (*plugin)->OnTick();
  EXPECT_EQ(world.timers.period_ms, 1000u);  // restart_interval_ms
  (*plugin)->OnTick();
  EXPECT_EQ((*plugin)->stats().instances, 2u);
  EXPECT_EQ((*plugin)->stats().failures, 2u);
}

TEST(Lifecycle, TicksOfADeadInstanceEndWithIt) {
  Guest guest;
  guest.On(kOnRequestHeaders, Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))") + "unreachable");
  guest.On(kOnTick, LogText(guest, "tick"));
  FakeWorld world;
  auto plugin = Load(guest, world);
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_EQ(world.timers.period_ms, 1000u);  // to restart it
  auto next = (*plugin)->NewHttpFilter(stream);  // restarted by a stream, before that tick
  EXPECT_EQ(world.timers.period_ms, 0u);
  EXPECT_EQ(next->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kFailed);
  (*plugin)->OnTick();  // restarted by the tick, but the new one asked for none
  EXPECT_EQ((*plugin)->stats().instances, 3u);
  EXPECT_EQ(world.timers.period_ms, 0u);
  EXPECT_EQ(world.log.Count("tick"), 0u);
}

TEST(Lifecycle, LastWordsLeaveNothingBehind) {
  const std::string ask = Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))");
  for (Callback callback : {kOnDone, kOnDelete}) {
    for (const char* end : {"", "unreachable"}) {
      Guest guest;
      guest.On(callback, ask + Guest::Do("(call $proxy_register_shared_queue " + guest.S("q") + " (i32.const 512))") + end, "(i32.const 1)");
      FakeWorld world;
      ASSERT_TRUE(Load(guest, world));  // and gone again
      EXPECT_EQ(world.timers.period_ms, 0u) << Name(callback) << " " << end;
      EXPECT_EQ(world.queues.consumer, nullptr) << Name(callback) << " " << end;
    }
  }
}

TEST(Lifecycle, LastWordsOfAPendingStreamLeaveNothingBehind) {
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)");
  guest.On(kOnDelete, Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 250))") + "unreachable");
  FakeWorld world;
  {
    auto plugin = Load(guest, world);
    FakeStream stream;
    (*plugin)->NewHttpFilter(stream)->OnFinish();
  }
  EXPECT_TRUE(world.log.Has("proxy_on_delete (context 2)")) << ::testing::PrintToString(world.log.lines);
  EXPECT_EQ(world.timers.period_ms, 0u);
}

// The text of 0.1.0 declares these without a result, SDKs with one.
TEST(Lifecycle, Version010FunctionsInBothShapes) {
  for (const char* result : {"", "(result i32)"}) {
    std::string wat = "(module\n", calls;
    for (const char* name : {"proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache"}) {
      wat += "(import \"env\" \"" + std::string(name) + "\" (func $" + name + " " + result + "))\n";
      const std::string call = "(call $" + std::string(name) + ")";
      calls += *result == 0 ? call : Guest::Do(call);
    }
    wat += "(memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_1_0\"))\n"
           "(func (export \"proxy_on_tick\") (param i32) " + calls + ")"
           "(func (export \"proxy_on_request_headers\") (param i32 i32) (result i32) " + calls + "(i32.const 0)))";
    FakeWorld world;
    auto plugin = LoadWat(wat, world);
    ASSERT_TRUE(plugin) << plugin.error().message;
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kContinue);
    (*plugin)->OnTick();  // without a stream: nothing
    EXPECT_EQ(stream.resumed[0], 1);
    EXPECT_EQ(stream.resumed[1], 1);
    EXPECT_EQ(stream.route_clears, 1);
    EXPECT_EQ((*plugin)->stats().failures, 0u);
  }
}

TEST(Lifecycle, Version010HasTwoParametersAndItsOwnFunctions) {
  Guest guest;
  guest.version = Version::k0_1_0;
  guest.On(kOnConfigure, Guest::Do("(call $proxy_get_configuration " + std::string(kPut) + ")") + Guest::Log(kGot), "(i32.const 1)");
  guest.On(kOnVmStart, Guest::Do("(call $proxy_get_configuration " + std::string(kPut) + ")") + Guest::Log(kGot), "(i32.const 1)");
  guest.On(kOnRequestHeaders, Guest::Report("(local.get 1)") + Guest::Do("(call $proxy_continue_request)") +
                                  Guest::Report("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("none") + std::string(kPut) + ")"));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.configuration = "plugin conf";
  spec.vm_configuration = "vm conf";
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  EXPECT_EQ(world.log.lines, (Strings{"vm conf", "plugin conf"}));
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kContinue);
  EXPECT_EQ(world.timers.periods, (std::vector<uint32_t>{5, 0}));  // a missing key is OK in 0.1.0
  EXPECT_EQ(stream.resumed[0], 1);
}

}  // namespace
}  // namespace weir::proxy_wasm
