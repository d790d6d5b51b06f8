#include "engine/instance.h"

#include <algorithm>

#include "engine/engine_test_util.h"

namespace weir::engine {
namespace {


constexpr uint64_t kPage = 64 << 10;

constexpr char kBasics[] = R"((module $basics
  (memory (export "memory") 1)
  (global (export "version") i32 (i32.const 7))
  (func $add_ (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $wide_ (export "wide") (param i64 f32 f64) (result f64)
    (f64.add (f64.add (f64.convert_i64_s (local.get 0)) (f64.promote_f32 (local.get 1))) (local.get 2)))
  (func $nothing_ (export "nothing"))
  (func $grow_ (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func $inner (unreachable))
  (func $outer (call $inner))
  (func $trap_ (export "trap") (result i32) (call $outer) (i32.const 1))
  (func $div_ (export "div") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $load_ (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func $recurse (export "recurse") (result i32) (i32.add (call $recurse) (i32.const 1)))
))";

TEST(Instance, CallsWithEveryType) {
  Guest guest(kBasics);
  EXPECT_EQ(guest.Run("add", {2, 3}), 5u);
  EXPECT_TRUE(guest.ok);
  constexpr ValType kWide[] = {ValType::kI64, ValType::kF32, ValType::kF64};
  auto wide = guest->Find("wide", kWide, std::span(kWide + 2, 1));
  ASSERT_TRUE(wide);
  RawValue slots[3];
  slots[0].i64 = static_cast<uint64_t>(-3);
  slots[1].f32 = 0.5f;
  slots[2].f64 = 0.25;
  ASSERT_TRUE(guest->Call(*wide, slots, 3, 50));
  EXPECT_EQ(slots[0].f64, -2.25);
  auto nothing = guest->Find("nothing", {}, {});
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(guest->Call(*nothing, nullptr, 0, 50));
  EXPECT_TRUE(guest->alive());
}

TEST(Instance, FindTellsMissingFromOtherSignature) {
  Guest guest(kBasics);
  auto missing = guest->Find("subtract", I32s(2), I32s(1));
  ASSERT_TRUE(missing);
  EXPECT_FALSE(missing->exists);
  EXPECT_FALSE(guest->Exports("subtract"));
  auto other = guest->Find("add", I32s(1), {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "guest.wasm: export add: is (i32, i32) -> i32, must be (i32) -> ()");
  EXPECT_TRUE(guest->Exports("add"));
  auto global = guest->Find("version", {}, I32s(1));
  ASSERT_FALSE(global);
  EXPECT_EQ(global.error().message, "guest.wasm: export version: is no function");
  EXPECT_FALSE(guest->Exports("version"));
}

TEST(Instance, MemorySlicesEndAtItsEnd) {
  Guest guest(kBasics);
  const GuestMemory memory = guest->memory();
  ASSERT_EQ(memory.size(), kPage);
  EXPECT_TRUE(memory.Slice(kPage - 1, 1));
  EXPECT_TRUE(memory.Slice(kPage, 0));
  EXPECT_FALSE(memory.Slice(kPage, 1));
  EXPECT_FALSE(memory.Slice(kPage + 1, 0));
  EXPECT_FALSE(memory.Slice(UINT64_MAX, 2));
  EXPECT_FALSE(memory.Slice(1, UINT64_MAX));
  EXPECT_TRUE(memory.Store<uint32_t>(kPage - 4, 0xabcd));
  EXPECT_FALSE(memory.Store<uint32_t>(kPage - 3, 1));
  EXPECT_EQ(guest.Run("load", {kPage - 4}), 0xabcdu);
}

TEST(Instance, MemoryGrowsToTheLimitAndNoFurther) {
  Guest guest(kBasics, {}, {.memory_bytes = 16 * kPage});
  EXPECT_EQ(guest.Run("grow", {15}), 1u);
  EXPECT_EQ(guest->memory().size(), 16 * kPage);
  EXPECT_EQ(guest.Run("grow", {1}), UINT32_MAX);
  EXPECT_TRUE(guest->alive());
  guest.Run("trap");
  EXPECT_EQ(guest->trap().message, "unreachable (its memory is at the limit of 1 MiB)");
}

TEST(Instance, MemoryStaysWhereItIsWhenItGrows) {
  constexpr char kEmpty[] = R"((module (memory (export "memory") 0)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))))";
  for (const bool pooling : {true, false}) {
    Guest guest(kEmpty, {}, {}, {.pooling = pooling});
    EXPECT_EQ(guest->memory().size(), 0u);
    EXPECT_EQ(guest.Run("grow", {1}), 0u);
    EXPECT_TRUE(guest->memory().Store<uint32_t>(kPage - 4, 11));
    EXPECT_EQ(guest.Run("grow", {4095}), 1u);  // 256 MiB
    EXPECT_TRUE(guest->memory().Store<uint32_t>(4096 * kPage - 4, 12));
    EXPECT_EQ(guest.Run("load", {kPage - 4}), 11u);
    EXPECT_EQ(guest.Run("load", {4096 * kPage - 4}), 12u);
  }
}

TEST(Instance, TrapSaysWhenMemoryIsNearItsLimit) {
  Guest near(kBasics, {}, {.memory_bytes = 16 * kPage});
  near.Run("grow", {11});
  near.Run("trap");
  EXPECT_EQ(near->trap().message, "unreachable (its memory is 768 KiB, near the limit of 1 MiB)");
  Guest below(kBasics, {}, {.memory_bytes = 16 * kPage});
  below.Run("grow", {10});
  below.Run("trap");
  EXPECT_EQ(below->trap().message, "unreachable");
}

TEST(Instance, RefusesMoreInitialMemoryThanTheLimit) {
  constexpr char kTwoPages[] = R"((module (memory (export "memory") 2)))";
  EXPECT_TRUE(Guest(kTwoPages, {}, {.memory_bytes = 2 * kPage}).started());
  Guest guest(kTwoPages, {}, {.memory_bytes = 2 * kPage - 1});
  ASSERT_FALSE(guest.started());
  EXPECT_EQ(guest.error().code, ErrorCode::kLimit);
  EXPECT_EQ(guest.error().message,
            "guest.wasm: its memory begins with 2 pages of 64 KiB, more than its limit of 128.0 KiB; raise the limit");
}

TEST(Instance, TableGrowsToTheLimitAndNoFurther) {
  Guest guest(R"((module (table 1 funcref)
      (func $grow_ (export "grow") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))))",
              {}, {.table_elements = 100});
  EXPECT_EQ(guest.Run("grow", {99}), 1u);
  EXPECT_EQ(guest.Run("grow", {1}), UINT32_MAX);
  EXPECT_TRUE(guest->alive());
}

TEST(Instance, TrapHasBacktraceByNameAndEndsTheInstance) {
  Guest guest(kBasics);
  guest.Run("trap");
  EXPECT_FALSE(guest.ok);
  EXPECT_FALSE(guest->alive());
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kGuest);
  EXPECT_EQ(guest->trap().message, "unreachable");
  EXPECT_EQ(guest->trap().backtrace, "inner\nouter\ntrap_");
  guest.Run("add", {1, 1});
  EXPECT_FALSE(guest.ok) << "a dead instance is never entered";
  auto next = guest.NewInstance();
  ASSERT_TRUE(next);
  EXPECT_TRUE((*next)->alive());
}

TEST(Instance, TrapsAreNamed) {
  struct {
    const char* function;
    std::vector<uint32_t> arguments;
    Trap::Kind kind;
    const char* message;
  } const kCases[] = {
      {"div", {0}, Trap::Kind::kGuest, "division by zero"},
      {"load", {kPage - 3}, Trap::Kind::kGuest, "memory access out of bounds"},
      {"recurse", {}, Trap::Kind::kStackOverflow, "its call stack overflowed (endless recursion?)"},
  };
  for (const auto& row : kCases) {
    Guest guest(kBasics);
    guest.Run(row.function, row.arguments);
    ASSERT_FALSE(guest.ok) << row.function;
    EXPECT_EQ(guest->trap().kind, row.kind);
    EXPECT_EQ(guest->trap().message, row.message);
    EXPECT_FALSE(guest->trap().backtrace.empty());
    EXPECT_LE(std::count(guest->trap().backtrace.begin(), guest->trap().backtrace.end(), '\n'), 63);
  }
  Guest guest(kBasics);
  EXPECT_EQ(guest.Run("load", {kPage - 4}), 0u);
  EXPECT_TRUE(guest.ok);
}

TEST(Instance, FuelRunsOut) {
  constexpr char kLoop[] = R"((module (func $spin_ (export "spin") (param i32) (result i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 1))))";
  Guest guest(kLoop, {}, {}, {.fuel = true});
  EXPECT_EQ(guest.Run("spin", {1000}), 1u);
  guest->SetFuel(1'000'000);
  EXPECT_EQ(guest.Run("spin", {1000}), 1u);
  EXPECT_LT(guest->fuel(), 1'000'000u - 1000);
  guest->SetFuel(1000);
  guest.Run("spin", {1000});
  EXPECT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kFuel);
}

TEST(Instance, SlotsAreLimitedAndComeBack) {
  Guest guest(kBasics, {}, {}, {.instances_max = 2});
  auto second = guest.NewInstance();
  ASSERT_TRUE(second);
  auto third = guest.NewInstance();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kLimit);
  EXPECT_EQ(third.error().message, "guest.wasm: no instance: maximum concurrent limit of 2 for core instances reached");
  second->reset();
  EXPECT_TRUE(guest.NewInstance());
}

TEST(Instance, MemoryTakenBeforeItGrewReachesWhatIsNew) {
  Guest guest(kBasics, {}, {.memory_bytes = 32 * kPage});
  const GuestMemory before = guest->memory();
  const uint64_t size = before.size();
  EXPECT_TRUE(before.View(size - 1, 1));
  EXPECT_FALSE(before.View(size, 1));
  EXPECT_FALSE(before.Store(size - 1, uint16_t{7}));
  guest.Run("grow", {1});
  EXPECT_TRUE(before.Store(size + kPage - 2, uint16_t{7}));
  EXPECT_FALSE(before.Store(size + kPage - 1, uint16_t{7}));
  uint16_t value = 0;
  EXPECT_TRUE(guest->memory().Load(size + kPage - 2, &value));
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(guest->memory().size(), size + kPage);
}

TEST(Instance, WithoutPoolingToo) {
  Guest guest(kBasics, {}, {.memory_bytes = 4 * kPage}, {.pooling = false});
  EXPECT_EQ(guest.Run("grow", {3}), 1u);
  EXPECT_EQ(guest.Run("grow", {1}), UINT32_MAX);
  guest.Run("trap");
  EXPECT_FALSE(guest->alive());
}

// Host functions.

struct Calls {
  Function again;
  uint32_t count = 0;
  uint32_t deepest = 0;
  uint64_t memory_bytes = 0;
  bool inner_failed = false;
};

HostOutcome Count(Instance& instance, void* self, RawValue* slots) noexcept {
  auto& calls = *static_cast<Calls*>(self);
  ++calls.count;
  calls.memory_bytes = instance.memory().size();
  slots[0].i32 = slots[0].i32 + slots[1].i32;
  return HostOutcome::kReturn;
}

HostOutcome Exit(Instance& instance, void*, RawValue* slots) noexcept {
  instance.SetTrap({.kind = Trap::Kind::kExit, .message = "proc_exit(3)", .exit_code = static_cast<int32_t>(slots[0].i32)});
  return HostOutcome::kTrap;
}

HostOutcome Refuse(Instance&, void*, RawValue*) noexcept { return HostOutcome::kTrap; }

HostOutcome Again(Instance& instance, void* self, RawValue* slots) noexcept {
  auto& calls = *static_cast<Calls*>(self);
  calls.deepest = std::max(calls.deepest, instance.depth());
  RawValue inner[1] = {{.i32 = slots[0].i32}};
  if (!instance.CallNested(calls.again, inner, 1)) {
    calls.inner_failed = true;
    return HostOutcome::kTrap;
  }
  slots[0].i32 = inner[0].i32;
  return HostOutcome::kReturn;
}

HostOutcome AgainButIgnoresTheTrap(Instance& instance, void* self, RawValue* slots) noexcept {
  (void)Again(instance, self, slots);
  return HostOutcome::kReturn;
}

const HostImport kHost[] = {
    {"env", "count", I32s(2), I32s(1), &Count},
    {"env", "exit", I32s(1), I32s(1), &Exit},
    {"env", "refuse", I32s(0), I32s(1), &Refuse},
    {"env", "again", I32s(1), I32s(1), &Again},
    {"env", "again_ignoring", I32s(1), I32s(1), &AgainButIgnoresTheTrap},
    {"env", "nobody_wants_me", I32s(1), I32s(1), &Refuse},
};

constexpr char kHosted[] = R"((module
  (import "env" "count" (func $count (param i32 i32) (result i32)))
  (import "env" "count" (func $count2 (param i32 i32) (result i32)))
  (import "env" "exit" (func $exit (param i32) (result i32)))
  (import "env" "refuse" (func $refuse (result i32)))
  (import "env" "again" (func $again (param i32) (result i32)))
  (import "env" "again_ignoring" (func $ignoring (param i32) (result i32)))
  (memory (export "memory") 3)
  (func $count_ (export "count") (param i32 i32) (result i32) (call $count2 (call $count (local.get 0) (local.get 1)) (i32.const 1)))
  (func $exit_ (export "exit") (param i32) (result i32) (call $exit (local.get 0)))
  (func $refuse_ (export "refuse") (result i32) (call $refuse))
  (func $down_ (export "down") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 100)) (else (i32.add (i32.const 1) (call $again (i32.sub (local.get 0) (i32.const 1)))))))
  (func $innermost (unreachable))
  (func $down_trap_ (export "down_trap") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (call $innermost))) (call $again (i32.sub (local.get 0) (i32.const 1))))
  (func $ignore_trap_ (export "ignore_trap") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (call $innermost))) (call $ignoring (i32.sub (local.get 0) (i32.const 1))))
  (func $recurse_ (export "recurse") (param i32) (result i32) (call $again (i32.add (local.get 0) (i32.const 1))))
))";

struct HostedGuest : Calls, Guest {
  HostedGuest() : Guest(kHosted, kHost, {}, {}, static_cast<Calls*>(this)) {}
  void Nest(std::string_view name) { again = *instance().Find(name, I32s(1), I32s(1)); }
};

TEST(HostFunction, TakesArgumentsAndSeesMemory) {
  HostedGuest guest;
  EXPECT_EQ(guest.Run("count", {20, 21}), 42u);
  EXPECT_EQ(guest.count, 2u);
  EXPECT_EQ(guest.memory_bytes, 3 * kPage);
}

TEST(HostFunction, ItsTrapIsTheTrap) {
  HostedGuest guest;
  guest.Run("exit", {3});
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kExit);
  EXPECT_EQ(guest->trap().message, "proc_exit(3)");
  EXPECT_EQ(guest->trap().exit_code, 3);
  EXPECT_EQ(guest->trap().backtrace, "exit_");
  HostedGuest other;
  other.Run("refuse");
  ASSERT_FALSE(other.ok);
  EXPECT_EQ(other->trap().kind, Trap::Kind::kHost);
  EXPECT_EQ(other->trap().message, "refuse failed");
}

TEST(HostFunction, ExitOfAGuestWithoutMemorySaysSo) {
  for (const auto& [code, message] : {std::pair{2u, "proc_exit(3) (its memory is at the limit of 192 KiB)"}, {0u, "proc_exit(3)"}}) {
    Guest guest(kHosted, kHost, {.memory_bytes = 3 * kPage});
    guest.Run("exit", {code});
    EXPECT_EQ(guest->trap().message, message);
  }
}

TEST(HostFunction, CallsBackIntoTheGuest) {
  HostedGuest guest;
  guest.Nest("down");
  EXPECT_EQ(guest->depth(), 0u);
  EXPECT_EQ(guest.Run("down", {5}), 105u);
  EXPECT_TRUE(guest.ok);
  EXPECT_EQ(guest.deepest, 5u);
  EXPECT_EQ(guest->depth(), 0u);
}

TEST(HostFunction, TrapInsideNestedCallEndsTheOuterOne) {
  HostedGuest guest;
  guest.Nest("down_trap");
  guest.Run("down_trap", {3});
  ASSERT_FALSE(guest.ok);
  EXPECT_TRUE(guest.inner_failed);
  EXPECT_EQ(guest->trap().message, "unreachable");
  EXPECT_EQ(guest->trap().backtrace, "innermost\ndown_trap_\ndown_trap_\ndown_trap_\ndown_trap_");
  EXPECT_FALSE(guest->alive());
}

TEST(HostFunction, CannotIgnoreTheTrapOfANestedCall) {
  HostedGuest guest;
  guest.Nest("ignore_trap");
  guest.Run("ignore_trap", {2});
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().message, "unreachable");
  EXPECT_FALSE(guest->alive());
}

TEST(HostFunction, MutualRecursionIsAStackOverflow) {
  HostedGuest guest;
  guest.Nest("recurse");
  guest.Run("recurse", {0});
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kStackOverflow);
  EXPECT_GT(guest.deepest, 100u);
}

// Linking.

std::string LinkMessage(std::string_view wat) {
  auto engine = NewEngine();
  auto module = engine->Compile(Wasm(wat), "p.wasm");
  WEIR_CHECK(module);
  auto linked = Linked::Create(*engine, *module, kHost);
  return linked ? "linked" : linked.error().message;
}

TEST(Linked, NamesWhatDoesNotFit) {
  EXPECT_EQ(LinkMessage(R"((module (import "env" "count" (func (param i32 i32) (result i32)))))"), "linked");
  EXPECT_EQ(LinkMessage(R"((module (import "env" "cuont" (func))))"), "p.wasm: import env.cuont: unknown function");
  EXPECT_EQ(LinkMessage(R"((module (import "other" "count" (func))))"), "p.wasm: import other.count: unknown function");
  EXPECT_EQ(LinkMessage(R"((module (import "env" "count" (func (param i64)))))"),
            "p.wasm: import env.count: is (i32, i32) -> i32 here, but the plugin wants (i64) -> ()");
  EXPECT_EQ(LinkMessage(R"((module (import "env" "memory" (memory 1))))"),
            "p.wasm: import env.memory: is no function; a plugin brings its own memory, tables and globals");
}

// Start functions.

TEST(Start, HostFunctionSeesMemoryBeforeTheInstanceIsThere) {
  Calls calls;
  Guest guest(R"((module (import "env" "count" (func $count (param i32 i32) (result i32))) (memory (export "memory") 2)
      (func $start (drop (call $count (i32.const 1) (i32.const 2)))) (start $start)))",
              kHost, {}, {}, &calls);
  ASSERT_TRUE(guest.started()) << guest.error().message;
  EXPECT_EQ(calls.count, 1u);
  EXPECT_EQ(calls.memory_bytes, 2 * kPage);
}

TEST(Start, TrapIsTheErrorOfCreate) {
  Guest guest("(module (func $boom (unreachable)) (start $boom))");
  ASSERT_FALSE(guest.started());
  EXPECT_EQ(guest.error().code, ErrorCode::kTrapped);
  EXPECT_EQ(guest.error().message, "guest.wasm: its start function failed: unreachable\nboom");
}

TEST(Start, LoopEndsByTheDeadline) {
  Guest guest("(module (func $spin (loop $l (br $l))) (start $spin))", {}, {}, {}, nullptr, 20);
  ASSERT_FALSE(guest.started());
  EXPECT_EQ(guest.error().code, ErrorCode::kTrapped);
  EXPECT_EQ(guest.error().message, "guest.wasm: its start function failed: used its 20 ms of CPU time\nspin");
}

}  // namespace
}  // namespace weir::engine
