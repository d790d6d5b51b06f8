#include <gtest/gtest.h>

#include "engine/instance.h"
#include "measure/bench.h"
#include "measure/guest_profiler.h"
#include "measure/symbols.h"

namespace weir::measure {
namespace {

TEST(Numbers, PercentilesOfFewAndMany) {
  EXPECT_EQ(Percentile({}, 0.5), 0);
  EXPECT_EQ(Percentile({7}, 0.99), 7);
  EXPECT_EQ(Percentile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({3, 1, 2}, 0), 1);
  EXPECT_EQ(Percentile({3, 1, 2}, 1), 3);
  std::vector<double> hundred;
  for (int i = 100; i >= 0; --i) hundred.push_back(i);
  const Summary summary = Summarize(hundred);
  EXPECT_EQ(summary.median, 50);
  EXPECT_EQ(summary.p99, 99);
  EXPECT_EQ(summary.max, 100);
  EXPECT_EQ(summary.mean, 50);
  EXPECT_EQ(Summarize({}).count, 0u);
}

TEST(Numbers, IntervalsHoldTheMedianAndWidenWithTheSpread) {
  const std::vector<double> same(20, 5.0);
  const Interval sure = MedianInterval(same);
  EXPECT_EQ(sure.middle, 5);
  EXPECT_EQ(sure.low, 5);
  EXPECT_EQ(sure.high, 5);
  std::vector<double> before, twice;
  for (int i = 0; i < 40; ++i) {
    before.push_back(1 + i % 7);  // a machine that is slow now and then
    twice.push_back(2 * before.back() * (i % 2 == 0 ? 0.9 : 1.1));
  }
  const Interval ratio = RatioInterval(twice, before);
  EXPECT_LT(ratio.low, 2);
  EXPECT_GT(ratio.high, 2);
  EXPECT_GE(ratio.low, 1.8);
  EXPECT_LE(ratio.high, 2.2);
  EXPECT_EQ(RatioInterval(twice, {}).middle, 0);
}

TEST(FlameGraph, WidthsNamesAndNothingThatIsNotText) {
  const std::vector<Stack> stacks = {{{"main", "a<b>&\"c\""}, 3}, {{"main", "[host]"}, 1}};
  const std::string svg = FlameGraph(stacks, "p.wasm & more");
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("main (4 samples, 100.0 %)"), svg.npos);
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;&quot;c&quot; (3 samples, 75.0 %)"), svg.npos);
  EXPECT_NE(svg.find("p.wasm &amp; more"), svg.npos);
  EXPECT_EQ(svg.find("<b>"), svg.npos);
  EXPECT_NE(FlameGraph({}, "none").find("</svg>"), std::string::npos);
  EXPECT_EQ(FoldedStacks(stacks), "main;a<b>&\"c\" 3\nmain;[host] 1\n");
}

TEST(Symbols, NamesAsPeopleWroteThem) {
  EXPECT_EQ(FunctionName("wasm[0]::function[3]"), "function[3]");
  EXPECT_EQ(FunctionName("wasm[0]::function[4]::begin"), "begin");
  EXPECT_EQ(FunctionName("wasm[0]::function[12]::_ZN3foo3bar17h0123456789abcdefE"), "foo::bar");
  EXPECT_EQ(FunctionName("wasm[0]::function[12]::foo::h0123456789abcdeg"), "foo::h0123456789abcdeg");
  EXPECT_EQ(FunctionName("wasm[0]::function[7]::_RNvMs0_NtCskQ8xpqFOTWC_10proxy_wasm10dispatcherNtB5_10Dispatcher19create_http_context"),
            "proxy_wasm::dispatcher::Dispatcher::create_http_context");
  for (std::string_view broken : {"_R", "_R9999999999999999999999a", "_RNvs", "_RN", "_R5ab"}) (void)FunctionName("wasm[0]::function[7]::" + std::string(broken));
  EXPECT_EQ(FunctionName("wasm[0]::array_to_wasm_trampoline[3]"), "");
}

constexpr std::string_view kGuest = R"((module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func $spin (param $n i32) (result i32)
    (loop $again (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $again (local.get $n))) (i32.const 0))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $log (i32.const 0) (i32.const 0) (i32.const 5)))
    (call $spin (i32.const %COUNT%)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
  (data (i32.const 0) "hello")))";

BenchSubject Subject(std::string_view wat, int count, std::string name) {
  std::string text(wat);
  text.replace(text.find("%COUNT%"), 7, std::to_string(count));
  auto wasm = engine::WatToWasm(text);
  EXPECT_TRUE(wasm) << wasm.error().message;
  BenchSubject subject{.wasm = *wasm};
  subject.spec.name = "p";
  subject.spec.path = std::move(name);
  return subject;
}

BenchPlan Plan(BenchSubject subject) {
  BenchPlan plan{.request = {.headers = RequestHeaders("GET", "/")}, .response = {.headers = ResponseHeaders(200, {})}, .subject = std::move(subject)};
  plan.seconds = 0.3;
  return plan;
}

TEST(Bench, MeasuresComparesAndProfiles) {
  BenchPlan plan = Plan(Subject(kGuest, 20000, "new.wasm"));
  plan.against = Subject(kGuest, 200, "old.wasm");
  plan.profile_hz = 2000;
  const auto report = RunBench(plan);
  ASSERT_TRUE(report) << report.error().message;
  const SubjectNumbers& numbers = report->subject;
  EXPECT_EQ(numbers.status, 200u);
  EXPECT_FALSE(numbers.local);
  EXPECT_GT(numbers.requests, 10u);
  EXPECT_GT(numbers.us.middle, report->embedder_us.middle);
  EXPECT_LE(numbers.us.low, numbers.us.middle);
  EXPECT_EQ(numbers.memory_bytes_end, 65536u);
  std::vector<std::string> names;
  for (const auto& row : numbers.callbacks) {
    names.push_back(row.name);
    EXPECT_DOUBLE_EQ(row.per_request, 1);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"proxy_on_request_headers", "proxy_on_response_headers"}));
  ASSERT_EQ(numbers.host_calls.size(), 1u);
  EXPECT_EQ(numbers.host_calls[0].name, "proxy_log");
  EXPECT_DOUBLE_EQ(numbers.host_calls_per_request, 1);
  EXPECT_GT(report->ratio.low, 1.5);  // a hundred times the work
  uint64_t in_spin = 0;
  for (const Stack& stack : report->profile)
    if (stack.frames.back() == "spin") in_spin += stack.samples;
  EXPECT_GT(report->profile_samples, 50u);
  EXPECT_GT(in_spin, report->profile_samples / 4);
}

TEST(Bench, APluginThatFailsIsAnErrorThatSaysHow) {
  BenchPlan plan = Plan(Subject(kGuest, 1, "p.wasm"));
  std::string wat(kGuest);
  wat.replace(wat.find("(call $spin (i32.const %COUNT%))"), std::string_view("(call $spin (i32.const %COUNT%))").size(), "(unreachable)");
  plan.subject.wasm = *engine::WatToWasm(wat);
  const auto report = RunBench(plan);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("p.wasm failed at this request"), std::string::npos) << report.error().message;
  EXPECT_NE(report.error().message.find("unreachable"), std::string::npos) << report.error().message;
}

TEST(Bench, ARequestThatStaysPausedIsAnError) {
  std::string wat(kGuest);
  wat.replace(wat.find("(call $spin (i32.const %COUNT%))"), std::string_view("(call $spin (i32.const %COUNT%))").size(), "(i32.const 1)");
  BenchPlan plan = Plan(Subject(kGuest, 1, "p.wasm"));
  plan.subject.wasm = *engine::WatToWasm(wat);
  const auto report = RunBench(plan);
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("stays paused"), std::string::npos) << report.error().message;
}

}  // namespace
}  // namespace weir::measure
