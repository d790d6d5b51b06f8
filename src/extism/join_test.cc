// A joined plugin does what the plugin itself does: each case runs both ways. Of several modules none is joined, so a second one
// that nobody uses makes the difference.
#include "extism/join.h"

#include <gtest/gtest.h>

#include "engine/instance.h"
#include "extism/kernel.h"
#include "weir/extism.h"

namespace weir::extism {
namespace {

constexpr std::string_view kImports = R"(
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
)";

std::string Wat(std::string_view body) { return "(module " + std::string(kImports) + std::string(body) + ")"; }

KernelJoin Join() { return KernelJoin(kKernelWasm, kEnvModule); }

class JoinTest : public testing::Test {
 protected:
  JoinTest() : runtime_(*Runtime::Create()) {}
  struct Both {
    std::unique_ptr<Plugin> joined, plain;
  };
  Result<std::unique_ptr<Plugin>> New(const std::string& module, bool join, std::string* cause = nullptr) {
    Manifest manifest;
    if (!join) manifest.modules.push_back({.data = "(module)", .name = "nobody"});
    manifest.modules.push_back({.data = module, .name = "main"});
    WEIR_TRY(auto compiled, runtime_->Compile(manifest, {.fuel = 1'000'000'000}, cause));
    return compiled->NewPlugin(cause);
  }
  /// The same plugin both ways. `joins`: whether the rewriting is expected to know it.
  Both Make(const std::string& wat, bool joins = true) {
    const auto wasm = engine::WatToWasm(wat);
    EXPECT_TRUE(wasm) << (wasm ? "" : wasm.error().message);
    if (!wasm) return {};
    EXPECT_EQ(Join().Join(*wasm).has_value(), joins);
    auto joined = New(*wasm, true), plain = New(*wasm, false);
    EXPECT_TRUE(joined && plain) << (joined ? "" : joined.error().message) << (plain ? "" : plain.error().message);
    if (!joined || !plain) return {};
    return {*std::move(joined), *std::move(plain)};
  }
  /// One call; every outcome is the same. Fuel too, but where code is cut off in its midst: what it used since the last call or loop is lost.
  std::string Same(Both& both, std::string_view function, std::string_view input) {
    const Outcome a = both.joined->CallRaw(function, input), b = both.plain->CallRaw(function, input);
    EXPECT_EQ(a.failed, b.failed) << function << a.error << b.error;
    EXPECT_EQ(a.code, b.code) << function;
    EXPECT_EQ(a.cause, b.cause) << function;
    EXPECT_EQ(a.output, b.output) << function;
    if (!a.failed) {
      EXPECT_EQ(both.joined->fuel_consumed(), both.plain->fuel_consumed()) << function;
    }
    return std::string(a.output);
  }
  std::unique_ptr<Runtime> runtime_;
};

std::string Words(std::initializer_list<uint64_t> words) {
  return {reinterpret_cast<const char*>(words.begin()), words.size() * sizeof(uint64_t)};
}

// Input: an offset and a value. Output: what each function says of it, and the memory's end after the stores.
TEST_F(JoinTest, LoadsAndStoresAreTheSameAtEveryEdge) {
  Both both = Make(Wat(R"(
    (memory (export "memory") 1)
    (func $put (param $h i64) (param $value i64) (result i64)
      (call $store_u64 (local.get $h) (local.get $value))
      (i64.add (local.get $h) (i64.const 8)))
    (func (export "all") (result i32) (local $p i64) (local $v i64) (local $h i64) (local $at i64)
      (local.set $p (call $input_load_u64 (i64.const 0)))
      (local.set $v (call $input_load_u64 (i64.const 8)))
      (local.set $h (call $alloc (i64.const 80)))
      (local.set $at (call $put (local.get $h) (call $load_u64 (local.get $p))))
      (local.set $at (call $put (local.get $at) (i64.extend_i32_u (call $load_u8 (local.get $p)))))
      (local.set $at (call $put (local.get $at) (call $input_load_u64 (local.get $p))))
      (local.set $at (call $put (local.get $at) (i64.extend_i32_u (call $input_load_u8 (local.get $p)))))
      (local.set $at (call $put (local.get $at) (i64.sub (call $input_offset) (local.get $h))))
      (local.set $at (call $put (local.get $at) (call $input_length)))
      (if (i64.ge_u (local.get $p) (i64.const 300)) (then
        (call $store_u64 (local.get $p) (local.get $v))
        (call $store_u8 (i64.add (local.get $p) (i64.const 3)) (i32.wrap_i64 (local.get $v)))))
      (local.set $at (call $put (local.get $at) (call $load_u64 (i64.and (local.get $p) (i64.const -8)))))
      (local.set $at (call $put (local.get $at) (call $load_u64 (i64.const 1048568))))
      (call $output_set (local.get $h) (i64.const 64))
      (i32.const 0)))"));
  constexpr uint64_t kMemory = 16 * 65536, k32 = uint64_t{1} << 32;
  std::vector<uint64_t> offsets = {0, 1, 8, 9, 15, 16, 17, 40, 41, 55, 56, 57, 58, 63, 64, 65, 66, 72, 300, k32 - 8, k32, k32 + 65, uint64_t{1} << 63};
  for (uint64_t near = 0; near < 20; ++near) offsets.insert(offsets.end(), {kMemory - near, kMemory + near, 0 - near});
  for (const uint64_t offset : offsets) {
    SCOPED_TRACE(offset);
    EXPECT_EQ(Same(both, "all", Words({offset, 0x1122334455667788})).size(), 64u);
  }
}

// One of each form of instruction, so that one read wrongly would be one that does not compile or answers something else.
TEST_F(JoinTest, CodeOfEveryFormStaysWhatItIs) {
  Both both = Make(Wat(R"(
    (type $binary (func (param i32 i32) (result i32)))
    (memory $mine (export "memory") 1 3)
    (table $t 4 8 funcref)
    (global $g (mut i64) (i64.const -1))
    (data $passive "passive bytes")
    (data (i32.const 16) "active bytes")
    (data (memory $mine) (offset (i32.const 64)) "named memory")
    (elem (i32.const 0) $add $add)
    (elem $later func $add)
    (elem declare func $load_u64 $add)
    (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
    (func $tail (param i32 i32) (result i32) (return_call $add (local.get 0) (local.get 1)))
    (func $tail_through (param i32 i32) (result i32) (return_call_indirect (type $binary) (local.get 0) (local.get 1) (i32.const 1)))
    (func $tail_load (param i64) (result i64) (return_call $load_u64 (local.get 0)))
    (func $many (param i32) (result i32)
      (block (block (block (br_table 0 1 2 2 1 (local.get 0))) (return (i32.const 10))) (return (i32.const 20))) (i32.const 30))
    (func $vectors (result i32) (local $v v128)
      (local.set $v (v128.load offset=3 align=1 (i32.const 13)))
      (local.set $v (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 16 (local.get $v) (v128.const i32x4 1 2 3 0x7fffffff)))
      (local.set $v (v128.load8_lane 5 (i32.const 17) (local.get $v)))
      (v128.store offset=200 (i32.const 0) (local.get $v))
      (v128.store64_lane offset=216 1 (i32.const 0) (local.get $v))
      (local.set $v (i32x4.relaxed_laneselect (local.get $v) (v128.load32_zero (i32.const 16)) (v128.const i64x2 -1 -1)))
      (i32.add (i8x16.extract_lane_u 5 (local.get $v)) (i32.wrap_i64 (i64x2.extract_lane 1 (i64x2.replace_lane 1 (local.get $v) (i64.const 77))))))
    (func $bulk (result i32)
      (memory.init $passive (i32.const 300) (i32.const 0) (i32.const 13))
      (data.drop $passive)
      (memory.copy (i32.const 320) (i32.const 16) (i32.const 12))
      (memory.fill (i32.const 340) (i32.const 0x41) (i32.const 9))
      (table.init $later (i32.const 3) (i32.const 0) (i32.const 1))
      (elem.drop $later)
      (table.copy (i32.const 2) (i32.const 3) (i32.const 1))
      (table.fill (i32.const 1) (ref.func $add) (i32.const 1))
      (drop (table.grow (ref.null func) (i32.const 1)))
      (table.set (i32.const 0) (table.get (i32.const 3)))
      (i32.add (table.size) (i32.add (memory.grow (i32.const 1)) (memory.size))))
    (func $floats (result i32)
      (i32.add (i32.trunc_sat_f64_u (f64.mul (f64.const 1.5) (f64.const 20))) (i32.trunc_f32_s (f32.const -3.25))))
    (func $select_typed (param i32) (result i32)
      (ref.is_null (select (result funcref) (ref.null func) (ref.func $load_u64) (local.get 0))))
    (func (export "all") (result i32) (local $h i64) (local $i i64) (local $a i32) (local $f f64) (local $s i64)
      (local.set $a (i32.add (call $tail (i32.const 1) (i32.const 2)) (call $tail_through (i32.const 3) (i32.const 4))))
      (local.set $a (i32.add (local.get $a) (i32.add (call $many (i32.const 0)) (call $many (i32.const 99)))))
      (local.set $a (i32.add (local.get $a) (i32.add (call $vectors) (call $bulk))))
      (local.set $a (i32.add (local.get $a) (i32.add (call $floats) (call_indirect (type $binary) (i32.const 5) (i32.const 6) (i32.const 3)))))
      (local.set $a (i32.add (local.get $a) (i32.add (call $select_typed (i32.const 0)) (call $select_typed (i32.const 1)))))
      (global.set $g (i64.add (global.get $g) (i64.extend_i32_u (local.get $a))))
      (i64.store (i32.const 400) (global.get $g))
      (i32.store8 offset=7 (i32.const 401) (i32.load16_s align=1 (i32.const 21)))
      (local.set $h (call $alloc (i64.const 420)))
      (loop $next
        (call $store_u8 (i64.add (local.get $h) (local.get $i)) (i32.load8_u (i32.wrap_i64 (local.get $i))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $next (i64.lt_u (local.get $i) (i64.const 408))))
      (block $caught
        (loop (result i64) (if (result i64) (i64.eqz (call $tail_load (i64.add (local.get $h) (i64.const 16)))) (then (call $load_u64 (local.get $h))) (else (call $input_length))))
        (local.set $s (i64.add (local.get $s)))
        (br $caught))
      (call $store_u64 (i64.add (local.get $h) (i64.const 408)) (local.get $s))
      (call $output_set (local.get $h) (i64.const 416))
      (i32.const 0)))"));
  const std::string output = Same(both, "all", "some input");
  ASSERT_EQ(output.size(), 416u);
  EXPECT_EQ(output.substr(16, 12), "active bytes");
  EXPECT_EQ(output.substr(64, 12), "named memory");
  EXPECT_EQ(output.substr(300, 13), "passive bytes");
  EXPECT_EQ(output.substr(340, 9), "AAAAAAAAA");
  EXPECT_EQ(Words({10}), output.substr(408));
}

TEST_F(JoinTest, TrapsAndEndlessLoopsEndTheSame) {
  Both both = Make(Wat(R"(
    (memory 1)
    (func (export "trap") (result i32) (drop (call $load_u8 (i64.const 70))) (i32.load (i32.const 65536)))
    (func (export "loop") (result i32) (loop $l (drop (call $load_u64 (i64.const 70))) (br $l)) (unreachable))
    (func (export "dead") (result i32) (return (i32.const 7)) (call $store_u64) (drop (call $load_u64))))"));
  Same(both, "trap", "");
  Same(both, "dead", "");
  EXPECT_EQ(both.joined->CallRaw("loop", "").error, both.plain->CallRaw("loop", "").error);
}

TEST_F(JoinTest, WithoutMemoryOrWithSeveral) {
  Both none = Make(Wat(R"((func (export "f") (result i32) (i32.add (call $load_u8 (call $input_offset)) (i32.wrap_i64 (call $input_length)))))"));
  EXPECT_EQ(none.joined->CallRaw("f", "a").code, 'a' + 1);
  Both two = Make(Wat(R"((memory 1) (memory 1) (func (export "f") (result i32) (drop (call $load_u8 (i64.const 0))) (i32.load 1 (i32.const 0))))"), false);
  Same(two, "f", "");
  Both wide = Make(Wat(R"((memory i64 1) (data (i64.const 5) "x") (func (export "f") (result i32)
    (call $store_u64 (i64.const 80) (i64.const 1)) (memory.fill (i64.const 9) (i32.const 2) (i64.const 1)) (i32.load (i64.const 5))))"));
  Same(wide, "f", "");
}

TEST_F(JoinTest, WhatCannotBeJoinedIsLeftAlone) {
  const KernelJoin join = Join();
  for (const char* wat : {
           "(module)",
           R"((module (import "extism:host/env" "alloc" (func (param i64) (result i64)))))",
           R"((module (import "extism:host/user" "load_u8" (func (param i64) (result i32)))))",
           R"((module (import "extism:host/env" "load_u8" (func (param i32) (result i32)))))",
           R"((module (import "extism:host/env" "load_u8" (func (param i64)))))",
           R"((module (import "extism:host/env" "load_u8" (func (param i64) (result i32))) (func $f) (start $f)))",
           R"((module (import "a" "b" (memory 1)) (import "extism:host/env" "load_u8" (func (param i64) (result i32)))))",
           R"((module (import "extism:host/env" "load_u8" (func (param i64) (result i32))) (type (struct (field i32)))))",
           R"((module (import "extism:host/env" "load_u8" (func (param i64) (result i32))) (tag)))",
       }) {
    EXPECT_FALSE(join.Join(*engine::WatToWasm(wat))) << wat;
  }
  EXPECT_FALSE(join.Join(""));
  EXPECT_FALSE(join.Join(std::string_view("\0asm\1\0\0\0", 8)));
  const std::string whole = *engine::WatToWasm(R"((module (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32))) (memory 1) (data (i32.const 0) "abc") (func (export "f") (result i32) (call $load_u8 (i64.const 65)))))");
  ASSERT_TRUE(join.Join(whole));
  for (size_t size = 0; size < whole.size(); ++size) join.Join(std::string_view(whole).substr(0, size));
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const char other : {'\0', '\1', '\x7f', '\xff'}) {
      std::string spoiled = whole;
      spoiled[at] = other;
      // Whether it loads, and what is said of it, is as if there was no joining.
      std::string cause, plain_cause;
      const auto joined = New(spoiled, true, &cause), plain = New(spoiled, false, &plain_cause);
      ASSERT_EQ(joined.has_value(), plain.has_value()) << at << " " << int(other) << ": " << cause << " / " << plain_cause;
      ASSERT_EQ(cause, plain_cause) << at;
    }
  }
}

TEST_F(JoinTest, DataUpTo128KiB) {
  constexpr size_t kMost = 128 << 10;
  for (const size_t bytes : {kMost, kMost + 1}) {
    Both both = Make(Wat("(memory (export \"memory\") 4) (data \"passive\") (data (i32.const 0) \"" + std::string(bytes, 'd') + R"(")
      (func (export "f") (result i32) (i32.add (i32.wrap_i64 (call $load_u64 (i64.const 65))) (i32.load8_u (i32.const 1000)))))"), bytes <= kMost);
    Same(both, "f", "");
    EXPECT_EQ(both.joined->CallRaw("f", "").code, 'd');
  }
}

// A local beyond the function's own is no way to what joining adds, nor is the name of the joined memory.
TEST_F(JoinTest, WhatIsAddedIsOutOfReach) {
  std::string wasm = *engine::WatToWasm(Wat(R"((func (export "f") (result i32) (local i32) (call $store_u64 (i64.const 80) (i64.const 1)) (local.get 0)))"));
  const size_t get = wasm.rfind(std::string_view("\x20\x00\x0b", 3));
  ASSERT_NE(get, wasm.npos);
  ASSERT_TRUE(New(wasm, true));
  wasm[get + 1] = 3;
  std::string cause;
  EXPECT_FALSE(New(wasm, true, &cause));
  EXPECT_NE(cause.find("unknown local 3"), cause.npos) << cause;

  const auto thief = New(*engine::WatToWasm(Wat(R"((import "weir:kernel" "memory" (memory 1))
    (func (export "f") (result i32) (i64.store (i32.const 17) (i64.const -1)) (call $load_u8 (i64.const 65))))")), true, &cause);
  EXPECT_FALSE(thief);
  EXPECT_EQ(cause, "unknown import: `weir:kernel::memory` has not been defined");
}

}  // namespace
}  // namespace weir::extism
