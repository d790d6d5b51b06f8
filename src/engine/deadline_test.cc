#include <time.h>

#include <atomic>
#include <thread>

#include "engine/engine_test_util.h"
#include "engine/engine_impl.h"

namespace weir::engine {
namespace {

uint64_t CpuMs() { return ThreadCpuNs() / 1'000'000; }

void BurnMs(uint64_t ms) {
  const uint64_t end = ThreadCpuNs() + ms * 1'000'000;
  while (ThreadCpuNs() < end) {
  }
}

void Sleep(long ms) {
  const struct timespec time = {ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&time, nullptr);
}

struct World {
  Function loop;
};

HostOutcome Burn(Instance&, void*, RawValue* slots) noexcept {
  BurnMs(slots[0].i32);
  return HostOutcome::kReturn;
}
HostOutcome Nap(Instance&, void*, RawValue* slots) noexcept {
  Sleep(slots[0].i32);
  return HostOutcome::kReturn;
}
HostOutcome Allocate(Instance& instance, void* self, RawValue* slots) noexcept {
  return instance.CallNested(static_cast<World*>(self)->loop, slots, 1) ? HostOutcome::kReturn : HostOutcome::kTrap;
}
const HostImport kHost[] = {
    {"env", "burn", I32s(1), I32s(1), &Burn},
    {"env", "nap", I32s(1), I32s(1), &Nap},
    {"env", "allocate", I32s(1), I32s(1), &Allocate},
};

constexpr char kWat[] = R"((module
  (import "env" "burn" (func $burn (param i32) (result i32)))
  (import "env" "nap" (func $nap (param i32) (result i32)))
  (import "env" "allocate" (func $allocate (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $nothing_ (export "nothing") (result i32) (i32.const 7))
  (func $loop (export "loop") (result i32) (loop $l (br $l)) (i32.const 0))
  (func $looping_malloc_ (export "looping_malloc") (param i32) (result i32) (call $loop))
  (func $allocate_ (export "allocate") (result i32) (call $allocate (i32.const 8)))
  (func $burn_ (export "burn") (param i32) (result i32) (call $burn (local.get 0)) (drop) (i32.const 7))
  (func $burn_each_ (export "burn_each") (param i32) (result i32) (loop $l (drop (call $burn (local.get 0))) (br $l)) (i32.const 0))
  (func $nap_ (export "nap") (param i32) (result i32) (call $nap (local.get 0)) (drop) (i32.const 7))
  (func $grow_spin_ (export "grow_spin") (result i32) (loop $l (drop (memory.grow (i32.const 1))) (br $l)) (i32.const 0))
))";

struct DeadlineGuest : World, Guest {
  DeadlineGuest() : Guest(kWat, kHost, {.memory_bytes = 1 << 20}, {}, static_cast<World*>(this)) {
    loop = *instance().Find("looping_malloc", I32s(1), I32s(1));
  }
};

TEST(Deadline, EndsALoopNeverEarly) {
  for (uint32_t budget_ms : {1u, 10u, 50u}) {
    DeadlineGuest guest;
    const uint64_t start_ns = ThreadCpuNs();
    guest.Run("loop", {}, budget_ms);
    const uint64_t used_ns = ThreadCpuNs() - start_ns;
    ASSERT_FALSE(guest.ok);
    EXPECT_GE(used_ns, budget_ms * 1'000'000ull);
    EXPECT_LT(used_ns, budget_ms * 1'000'000ull + 200'000'000) << "loose: the machine may be busy";
    EXPECT_EQ(guest->trap().kind, Trap::Kind::kDeadline);
    EXPECT_EQ(guest->trap().message, "used its " + std::to_string(budget_ms) + " ms of CPU time");
    EXPECT_EQ(guest->trap().backtrace, "loop");
    EXPECT_FALSE(guest->alive());
  }
}

TEST(Deadline, IsPerCallNotPerInstance) {
  DeadlineGuest guest;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(guest.Run("burn", {20}, 50), 7u);
    ASSERT_TRUE(guest.ok) << guest->trap().message;
  }
}

TEST(Deadline, IsOfTheThreadThatCalls) {
  DeadlineGuest guest;
  BurnMs(100);  // more than this thread may use in a call: no other thread's calls answer for it
  EXPECT_EQ(guest.Run("nothing", {}, 50), 7u);
  for (int i = 0; i < 5; ++i) {  // one at a time, so they get one another's address
    std::thread([&] {
      if (i % 2 == 0) BurnMs(60);
      EXPECT_EQ(guest.Run("burn", {20}, 50), 7u);
    }).join();
    ASSERT_TRUE(guest.ok) << guest->trap().message;
  }
  uint64_t used_ns = 0;
  std::thread([&] {
    const uint64_t start_ns = ThreadCpuNs();
    guest.Run("loop", {}, 50);
    used_ns = ThreadCpuNs() - start_ns;
  }).join();
  ASSERT_FALSE(guest.ok);
  EXPECT_GE(used_ns, 50'000'000u);
  EXPECT_LT(used_ns, 250'000'000u) << "loose: the machine may be busy";
}

TEST(Deadline, SleepIsNotCpuTime) {
  DeadlineGuest guest;
  EXPECT_EQ(guest.Run("nap", {100}, 20), 7u);
  EXPECT_TRUE(guest.ok) << guest->trap().message;
}

TEST(Deadline, HostCallThatRanLongIsCheckedOnReturn) {
  DeadlineGuest below;
  EXPECT_EQ(below.Run("burn", {30}, 200), 7u);
  EXPECT_TRUE(below.ok);
  DeadlineGuest above;
  above.Run("burn", {60}, 20);
  ASSERT_FALSE(above.ok);
  EXPECT_EQ(above->trap().kind, Trap::Kind::kDeadline);
  EXPECT_EQ(above->trap().backtrace, "burn_");
}

TEST(Deadline, ManyHostCallsAddUp) {
  DeadlineGuest guest;
  const uint64_t start = CpuMs();
  guest.Run("burn_each", {1}, 20);
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kDeadline);
  EXPECT_GE(CpuMs() - start, 19u);
}

TEST(Deadline, NestedCallSharesTheBudget) {
  DeadlineGuest guest;
  guest.Run("allocate", {}, 20);
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().message, "used its 20 ms of CPU time");
  EXPECT_EQ(guest->trap().backtrace, "loop\nlooping_malloc_\nallocate_");
}

TEST(Deadline, SpinningOnAFullMemoryEnds) {
  DeadlineGuest guest;
  guest.Run("grow_spin", {}, 10);
  ASSERT_FALSE(guest.ok);
  EXPECT_EQ(guest->trap().kind, Trap::Kind::kDeadline);
}

TEST(Deadline, ZeroIsNone) {
  DeadlineGuest guest;
  EXPECT_EQ(guest.Run("burn", {100}, 0), 7u);
  EXPECT_TRUE(guest.ok);
}

const Ticker& TickerOf(Guest& guest) { return static_cast<EngineImpl&>(guest.engine()).ticker(); }

TEST(Ticker, ParksWhenNothingRunsAndWakes) {
  DeadlineGuest guest;  // its start was a call with a budget
  for (int i = 0; i < 200 && !TickerOf(guest).parked(); ++i) Sleep(10);
  ASSERT_TRUE(TickerOf(guest).parked());
  const uint64_t ticks = TickerOf(guest).ticks();
  Sleep(50);
  EXPECT_EQ(TickerOf(guest).ticks(), ticks);
  guest.Run("loop", {}, 5);
  EXPECT_FALSE(guest.ok) << "it woke up";
  EXPECT_GT(TickerOf(guest).ticks(), ticks);
}

// Where a sandbox forbids membarrier the ticker rests by looking seldom.
TEST(Ticker, RestsAndComesBackWithoutMembarrier) {
  auto engine = NewEngine();
  InFlight slot;
  Ticker ticker(static_cast<EngineImpl&>(*engine).get(), Ticker::Membarrier::kNever);
  ticker.Add(&slot);
  const auto ticks_in_ms = [&](long ms) {
    const uint64_t before = ticker.ticks();
    Sleep(ms);
    return ticker.ticks() - before;
  };
  for (int round = 0; round < 3; ++round) {
    ticker.Begin(slot, 50);
    uint64_t ticks = 0;
    for (int i = 0; i < 100 && ticks == 0; ++i) ticks = ticks_in_ms(20);
    EXPECT_GT(ticks, 0u);
    EXPECT_EQ(slot.sample_serial, slot.serial) << "its clock was noted";
    ticker.End(slot);
    uint64_t resting = 1;
    for (int i = 0; i < 100 && resting != 0; ++i) resting = ticks_in_ms(60);
    EXPECT_EQ(resting, 0u);
  }
  ticker.Remove(&slot);
}

TEST(Ticker, StaysParkedWithoutABudget) {
  auto engine = NewEngine();
  EXPECT_TRUE(static_cast<EngineImpl&>(*engine).ticker().parked());
}

// For ThreadSanitizer: calls, deadlines, parking and instances that come and go, all at once.
TEST(Threads, ShareAnEngine) {
  auto engine = NewEngine();
  auto module = engine->Compile(Wasm(kWat), "shared.wasm");
  ASSERT_TRUE(module);
  auto linked = Linked::Create(*engine, *module, kHost);
  ASSERT_TRUE(linked);
  std::atomic<int> deadlines = 0, answers = 0;
  auto work = [&] {
    for (int round = 0; round < 8; ++round) {
      World world;
      auto instance = Instance::Create(**linked, &world, {}, 1000);
      ASSERT_TRUE(instance) << instance.error().message;
      auto nothing = (*instance)->Find("nothing", {}, I32s(1));
      auto loop = (*instance)->Find("loop", {}, I32s(1));
      RawValue slots[1];
      for (int i = 0; i < 500; ++i) {
        if ((*instance)->Call(*nothing, slots, 1, 1000) && slots[0].i32 == 7) ++answers;
      }
      if (round % 2 == 1) Sleep(30);  // long enough for the ticker to park now and then
      if (!(*instance)->Call(*loop, slots, 1, 3)) ++deadlines;
    }
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  EXPECT_EQ(answers, 2 * 8 * 500);
  EXPECT_EQ(deadlines, 2 * 8);
}

TEST(Threads, InstanceMovesBetweenThreads) {
  DeadlineGuest guest;
  guest.Run("burn", {3}, 100);
  std::thread([&] {
    BurnMs(30);  // that thread's clock is elsewhere
    EXPECT_EQ(guest.Run("burn", {3}, 20), 7u);
    EXPECT_TRUE(guest.ok) << guest->trap().message;
  }).join();
  EXPECT_EQ(guest.Run("burn", {3}, 20), 7u);
  EXPECT_TRUE(guest.ok);
}

}  // namespace
}  // namespace weir::engine
