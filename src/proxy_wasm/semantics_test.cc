// Rows of docs/proxy-wasm.md that no other test of this folder shows, through the real engine; in both modes where a status is in them.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using enum Callback;
using Strings = std::vector<std::string>;
using Numbers = std::vector<uint32_t>;

std::string LogText(Guest& guest, std::string_view text) { return Guest::Log(guest.S(text)); }
std::string Param(int i) { return Guest::Report("(local.get " + std::to_string(i) + ")"); }

TEST(Loading, StartFunctions) {
  struct Row {
    std::vector<std::string> exports;
    Strings runs;
  };
  const Row rows[] = {{{"_start"}, {"_start"}},
                      {{"_initialize"}, {"_initialize"}},
                      {{"_initialize", "main"}, {"_initialize", "main"}},
                      {{"_initialize", "__main_void"}, {"_initialize", "__main_void"}},
                      {{"_initialize", "main", "__main_void"}, {"_initialize", "main"}},
                      {{"_initialize", "_start"}, {"_initialize"}},
                      {{"main"}, {}},  // of a command, whose _start would call it
                      {{}, {}}};
  for (const Row& row : rows) {
    Guest guest;
    for (const std::string& name : row.exports) {
      const std::string_view type = name == "main" ? "(param i32 i32) (result i32)" : name == "__main_void" ? "(result i32)" : "";
      guest.more += "(func (export \"" + name + "\") " + std::string(type) + LogText(guest, name) + (type.empty() ? "" : "(i32.const 0)") + ")";
    }
    FakeWorld world;
    auto plugin = Load(guest, world);
    ASSERT_TRUE(plugin) << plugin.error().message;
    EXPECT_EQ(world.log.lines, row.runs) << ::testing::PrintToString(row.exports);
  }
}

TEST(Loading, AMainOfAnotherShapeIsNotTheSpecifications) {
  Guest guest;
  guest.more = "(func (export \"_initialize\"))(func (export \"main\") (param i64) unreachable)";
  FakeWorld world;
  EXPECT_TRUE(Load(guest, world));
}

TEST(Loading, MallocIsTheSecondChoiceOfAllocator) {
  constexpr std::string_view kMalloc = "(func (export \"malloc\") (param i32) (result i32) (i32.const 70000))";
  constexpr std::string_view kOwn = "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (i32.const 80000))";
  for (const bool both : {false, true}) {
    Guest guest;
    guest.allocator = std::string(kMalloc) + (both ? std::string(kOwn) : "");
    guest.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")") +
                                    Guest::Report("(i32.load (i32.const 512))"));
    FakeWorld world;
    auto plugin = Load(guest, world);
    ASSERT_TRUE(plugin) << plugin.error().message;
    FakeStream stream;
    (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(1, EndOfStream::kYes);
    EXPECT_EQ(world.timers.periods[0], both ? 80000u : 70000u);
  }
}

TEST(Lifecycle, TheRootContextIsCreatedFirstAndIsTheFirstArgument) {
  Guest guest;
  guest.On(kOnContextCreate, Param(0) + Param(1)).On(kOnVmStart, Param(0) + Param(1), "(i32.const 1)");
  guest.On(kOnConfigure, Param(0) + Param(1), "(i32.const 1)").On(kOnTick, Param(0));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.vm_configuration = "abc";
  spec.configuration = "de";
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream one, two;
  auto first = (*plugin)->NewHttpFilter(one), second = (*plugin)->NewHttpFilter(two);
  (*plugin)->OnTick();
  EXPECT_EQ(world.timers.periods, (Numbers{1, 0, 1, 3, 1, 2, 2, 1, 3, 1, 1}));
}

// The guest accepts its configuration while the key is not there: NOT_FOUND is 1, which is true.
TEST(Lifecycle, ARefusalAtARestartCountsAsACrash) {
  Guest guest;
  guest.On(kOnConfigure, "", "(call $proxy_get_shared_data " + guest.S("refuse") + std::string(kPut) + " (i32.const 520))");
  guest.On(kOnRequestHeaders, "unreachable");
  FakeWorld world;
  auto plugin = Load(guest, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  world.shared_data.Set("t", "refuse", "yes", 0);
  FakeStream one, two;
  EXPECT_EQ((*plugin)->NewHttpFilter(one)->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_EQ((*plugin)->NewHttpFilter(two), nullptr);
  EXPECT_EQ((*plugin)->stats().failures, 2u);
  EXPECT_NE((*plugin)->stats().last_error.find("proxy_on_configure returned false"), std::string::npos) << (*plugin)->stats().last_error;
  world.shared_data.entries.clear();
  EXPECT_NE((*plugin)->NewHttpFilter(two), nullptr);
}

TEST(Lifecycle, APendingContextReadsWhatItsStreamHad) {
  Guest guest;
  guest.On(kOnDone, "", "(i32.const 0)").On(kOnTick, "");
  std::string log;
  for (std::string_view path : {"my.own", "source.address", "request.path"})
    log += Guest::Do("(call $proxy_get_property " + guest.S(path) + std::string(kPut) + ")") + Guest::Log(kGot);
  log += Guest::Report("(call $proxy_set_property " + guest.S("my.own") + guest.S("late") + ")");
  guest.On(kOnLog, log);
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.limits.done_ms = 1;
  spec.statuses = Statuses::kStrict;
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message;
  {
    FakeStream stream;
    stream.custom["my.own"] = "mine";
    stream.properties[Property::kSourceAddress] = std::string("192.0.2.1:7");
    (*plugin)->NewHttpFilter(stream)->OnFinish();
  }
  world.clock.now_ns += 1'000'000;
  (*plugin)->OnTick();
  EXPECT_EQ(world.log.lines, (Strings{"mine", "192.0.2.1:7", "/a/b?c=d"}));
  EXPECT_EQ(world.timers.periods[0], 1u) << "nobody could read it";
}

class Modes : public ::testing::TestWithParam<Statuses> {
 protected:
  bool strict() const { return GetParam() == Statuses::kStrict; }
  PluginSpec Spec(std::string name = "t") const {
    PluginSpec spec = SpecNamed(std::move(name));
    spec.statuses = GetParam();
    return spec;
  }
  FakeWorld world_;
};
INSTANTIATE_TEST_SUITE_P(Semantics, Modes, ::testing::Values(Statuses::kLenient, Statuses::kStrict),
                         [](const auto& info) { return info.param == Statuses::kStrict ? "strict" : "lenient"; });

TEST_P(Modes, AContextOfAnotherPluginIsNone) {
  Guest guest;
  guest.On(kOnTick, Guest::Report("(call $proxy_set_effective_context (i32.const 2))") +
                        Guest::Report("(call $proxy_set_effective_context (i32.const 3))"));
  auto one = Load(guest, world_, Spec("a")), other = Load(guest, world_, Spec("b"));
  FakeStream s1, s2, s3;
  auto f1 = (*one)->NewHttpFilter(s1), f2 = (*other)->NewHttpFilter(s2), f3 = (*other)->NewHttpFilter(s3);
  (*one)->OnTick();
  EXPECT_EQ(world_.timers.periods, (Numbers{0, 2})) << "both modes: SDKs expect BAD_ARGUMENT";
}

TEST_P(Modes, DoneWhenNothingIsPending) {
  Guest guest;
  guest.On(kOnRequestHeaders, Guest::Report("(call $proxy_done)"));
  auto plugin = Load(guest, world_, Spec());
  FakeStream stream;
  (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(1, EndOfStream::kYes);
  EXPECT_EQ(world_.timers.periods[0], strict() ? 1u : 0u);
}

// lenient: the twin lives its own life, under its own name and labels; each plugin and name is warned of once.
TEST_P(Modes, AMetricOfAnotherTypeGetsATwin) {
  Guest guest;
  const std::string counter = "(call $proxy_define_metric (i32.const 0) " + guest.S("m{a=1}") + "(i32.const 512))";
  const std::string gauge = "(call $proxy_define_metric (i32.const 1) " + guest.S("m{a=1}") + "(i32.const 516))";
  guest.On(kOnConfigure,
           Guest::Report(counter) + Guest::Report(gauge) + Guest::Report(gauge) +
               Guest::Report("(call $proxy_increment_metric (i32.load (i32.const 512)) (i64.const 3))") +
               Guest::Report("(call $proxy_increment_metric (i32.load (i32.const 512)) (i64.const -1))") +
               Guest::Do("(call $proxy_record_metric (i32.load (i32.const 516)) (i64.const 9))") +
               Guest::Do("(call $proxy_increment_metric (i32.load (i32.const 516)) (i64.const -4))"),
           "(i32.const 1)");
  auto plugin = Load(guest, world_, Spec());
  ASSERT_TRUE(plugin) << plugin.error().message;
  const uint32_t swallowed = strict() ? 2 : 0;
  EXPECT_EQ(world_.timers.periods, (Numbers{0, swallowed, swallowed, 0, 2}));
  auto value = [&](std::string_view name) -> int64_t {
    for (const auto& cell : world_.metrics.cells)
      if (cell.name == name) return int64_t(cell.value);
    return -1;
  };
  EXPECT_EQ(value("m{a=1}"), 3);
  EXPECT_EQ(value("m_gauge{a=1}"), strict() ? -1 : 5);
  EXPECT_EQ(world_.log.Count("exists with another type: defined as m_gauge{a=1}"), strict() ? 0u : 1u);
}

TEST_P(Modes, TicksStopWithPeriodZeroAndChangeWhileTheyRun) {
  Guest guest;
  guest.On(kOnConfigure, Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 20))"), "(i32.const 1)");
  guest.On(kOnTick, Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 7))") +
                        Guest::Do("(call $proxy_set_tick_period_milliseconds (i32.const 0))"));
  auto plugin = Load(guest, world_, Spec());
  EXPECT_EQ(world_.timers.period_ms, 20u);
  (*plugin)->OnTick();
  EXPECT_EQ(world_.timers.periods, (Numbers{20, 7, 0}));
}

}  // namespace
}  // namespace weir::proxy_wasm
