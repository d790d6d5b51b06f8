// Plugins that mean harm: each ends as an error of its stage, within its limits, and the host goes on.
#include <gtest/gtest.h>

#include "weir/cclb/pool.h"
#include "weir/cclb/samples.h"

namespace weir::cclb {
namespace {

// A plugin whose `observe` and `cc_lb_handshake` do `body`. $fill(n, word): a block of n bytes full of `word`; it becomes the output.
std::string Plugin(std::string_view body) {
  return R"((module
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (memory (export "memory") 1)
    (func $fill (param $n i64) (param $word i64) (local $block i64) (local $i i64)
      (local.set $block (call $alloc (local.get $n)))
      (loop $next
        (call $store (i64.add (local.get $block) (local.get $i)) (local.get $word))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br_if $next (i64.lt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n))))
      (call $output (local.get $block) (local.get $n)))
    (func $deeper (param $n i32) (result i32) (i32.add (i32.const 1) (call $deeper (i32.add (local.get $n) (i32.const 1)))))
    (func $harm )" + std::string(body) + R"()
    (func (export "observe") (result i32) (call $harm) (i32.const 0))
    (func (export "cc_lb_handshake") (result i32) (call $harm) (i32.const 0))
    (func (export "cc_lb_self_check") (result i32) (call $harm) (i32.const 0))))";
}
constexpr std::string_view kBrackets = "(call $fill (i64.const 400000) (i64.const 0x5B5B5B5B5B5B5B5B))";  // [[[[[[[[
constexpr std::string_view kDigits = "(call $fill (i64.const 400000) (i64.const 0x3939393939393939))";    // 99999999
constexpr std::string_view kBadUtf8 = "(call $fill (i64.const 400000) (i64.const 0xFFFFFFFFFFFFFFFF))";
constexpr std::string_view kQuotes = "(call $fill (i64.const 400000) (i64.const 0x6161616161616122))";    // "aaaaaaa, again and again
constexpr std::string_view kBigOutput = "(call $output (call $alloc (i64.const 50000000)) (i64.const 50000000))";
constexpr std::string_view kRecursion = "(drop (call $deeper (i32.const 0)))";
constexpr std::string_view kGrow = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable";
constexpr std::string_view kAllocate = "(loop $more (br_if $more (i64.ne (call $alloc (i64.const 1000000)) (i64.const 0)))) unreachable";

struct Row {
  const char* name;
  std::string_view body;
  std::string_view stage;    // of dispatch
  std::string_view reason;   // part of the error
};
constexpr Row kRows[] = {
    {"deep", kBrackets, "deserialize_response", "recursion limit exceeded"},
    {"digits", kDigits, "deserialize_response", "number out of range"},
    {"utf8", kBadUtf8, "plugin_call", "invalid utf-8 sequence of 1 bytes from index 0"},
    {"quotes", kQuotes, "deserialize_response", "trailing characters"},
    {"output", kBigOutput, "deserialize_response", "expected value"},
    {"recursion", kRecursion, "plugin_call", "error while executing at wasm backtrace"},
    {"grow", kGrow, "plugin_call", "oom"},
    {"allocate", kAllocate, "plugin_call", "oom"},
};

class Bombs : public testing::TestWithParam<Row> {};
INSTANTIATE_TEST_SUITE_P(All, Bombs, testing::ValuesIn(kRows), [](const auto& row) { return std::string(row.param.name); });

TEST_P(Bombs, EndAsAnErrorAndTheNextPluginRuns) {
  auto host = Host::Create();
  ASSERT_TRUE(host);
  const auto code = (*host)->Open(Plugin(GetParam().body));
  EXPECT_FALSE(code->Handshake(BuildOffer({})));  // by size, fuel or time, whichever comes first
  EXPECT_FALSE(code->SelfCheck());
  AugmentedMetadata metadata;
  metadata.negotiated_functions = {{"observe", 1}};
  // Room for the outputs, not for those that never end.
  auto pool = PluginPool::Create(code, metadata, {.limits = {.wall_ms = 30000, .memory_pages = 4096}});
  ASSERT_TRUE(pool) << pool.fault().message;
  for (int i = 0; i < 2; ++i) {
    const auto outcome = (*pool)->Dispatch<fn::Observe>({});
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(DispatchStageName(outcome.error->stage), GetParam().stage) << outcome.error->debug.substr(0, 200);
    EXPECT_NE(outcome.error->debug.find(GetParam().reason), std::string::npos) << outcome.error->debug.substr(0, 200);
  }
}

}  // namespace
}  // namespace weir::cclb
