#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "host/clock.h"
#include "host/log.h"
#include "host/metrics.h"
#include "host/queues.h"
#include "host/shared_data.h"
#include "host/timers.h"
#include "base/script_plugin.h"

namespace weir {
namespace {

TEST(SharedData, CasStartsAtOneAndChangesWithEveryWrite) {
  ManualClock clock;
  InProcessSharedData data(clock);
  EXPECT_FALSE(data.Get("s", "k"));
  EXPECT_EQ(data.Set("s", "k", "v", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Get("s", "k")->cas, 1u);
  EXPECT_EQ(data.Set("s", "k", "w", 0), StoreStatus::kOk) << "cas 0 writes always";
  EXPECT_EQ(data.Get("s", "k")->cas, 2u);
  EXPECT_EQ(data.Get("s", "k")->value, "w");
}

TEST(SharedData, CasSkipsZero) {
  EXPECT_EQ(InProcessSharedData::NextCas(0), 1u);
  EXPECT_EQ(InProcessSharedData::NextCas(UINT32_MAX - 1), UINT32_MAX);
  EXPECT_EQ(InProcessSharedData::NextCas(UINT32_MAX), 1u);
}

TEST(SharedData, CasGuardsAWrite) {
  ManualClock clock;
  InProcessSharedData data(clock);
  EXPECT_EQ(data.Set("s", "k", "v", 1), StoreStatus::kCasMismatch) << "missing key";
  data.Set("s", "k", "v", 0);
  const uint32_t cas = data.Get("s", "k")->cas;
  EXPECT_EQ(data.Set("s", "k", "w", cas + 1), StoreStatus::kCasMismatch);
  EXPECT_EQ(data.Set("s", "k", "w", cas), StoreStatus::kOk);
  EXPECT_EQ(data.Set("s", "k", "x", cas), StoreStatus::kCasMismatch) << "used up";
  EXPECT_EQ(data.Get("s", "k")->value, "w");
}

TEST(SharedData, CasOfADeletedKeyNeverFitsItsSuccessor) {
  ManualClock clock;
  InProcessSharedData data(clock);
  data.Set("s", "k", "v", 0);
  const uint32_t cas = data.Get("s", "k")->cas;
  EXPECT_EQ(data.Delete("s", "k", cas + 1), StoreStatus::kCasMismatch);
  EXPECT_EQ(data.Delete("s", "k", cas), StoreStatus::kOk);
  EXPECT_EQ(data.Delete("s", "k", 0), StoreStatus::kNotFound);
  data.Set("s", "k", "w", 0);
  EXPECT_EQ(data.Set("s", "k", "x", cas), StoreStatus::kCasMismatch);
}

TEST(SharedData, KeysAndSpacesAreComparedWhole) {
  ManualClock clock;
  InProcessSharedData data(clock);
  const std::string with_nul("a\0b", 3);
  data.Set("s", with_nul, "1", 0);
  data.Set("s", "a", "2", 0);
  data.Set("t", "a", "3", 0);
  // One CRC-32, two keys.
  data.Set("s", "plumless", "4", 0);
  data.Set("s", "buckeroo", "5", 0);
  EXPECT_EQ(data.Get("s", with_nul)->value, "1");
  EXPECT_EQ(data.Get("s", "a")->value, "2");
  EXPECT_EQ(data.Get("t", "a")->value, "3");
  EXPECT_EQ(data.Get("s", "plumless")->value, "4");
  EXPECT_EQ(data.Get("s", "buckeroo")->value, "5");
  EXPECT_EQ(data.Keys("s", 10).size(), 4u);
  EXPECT_EQ(data.Keys("s", 2).size(), 2u);
  EXPECT_EQ(data.Keys("none", 2).size(), 0u);
}

TEST(SharedData, TtlOnBothSidesOfItsEdge) {
  ManualClock clock;
  InProcessSharedData data(clock);
  EXPECT_EQ(data.SetTtl("s", "k", 5), StoreStatus::kNotFound);
  data.Set("s", "k", "v", 0);
  const uint32_t cas = data.Get("s", "k")->cas;
  EXPECT_EQ(data.SetTtl("s", "k", 5), StoreStatus::kOk);
  clock.AdvanceMs(4);
  EXPECT_TRUE(data.Get("s", "k"));
  EXPECT_EQ(data.Get("s", "k")->cas, cas) << "a time to live is no write";
  clock.AdvanceMs(1);
  EXPECT_FALSE(data.Get("s", "k"));
  EXPECT_EQ(data.Set("s", "k", "w", cas), StoreStatus::kCasMismatch);
  data.Set("s", "k", "v", 0);
  data.SetTtl("s", "k", 5);
  data.SetTtl("s", "k", 0);
  clock.AdvanceMs(100);
  EXPECT_TRUE(data.Get("s", "k")) << "0: it stays";
  EXPECT_EQ(data.SetTtl("s", "k", UINT64_MAX), StoreStatus::kOk) << "no overflow";
  EXPECT_TRUE(data.Get("s", "k"));
}

TEST(SharedData, LimitsOnBothSides) {
  ManualClock clock;
  InProcessSharedData data(clock, {.space_bytes = 8, .space_entries = 2, .key_bytes = 4, .spaces = 2});
  EXPECT_EQ(data.Set("s", "12345", "", 0), StoreStatus::kFull) << "key";
  EXPECT_EQ(data.Set("s", "1234", "1234", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Set("s", "1234", "12345", 0), StoreStatus::kFull) << "bytes";
  EXPECT_EQ(data.Set("s", "1234", "12", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Set("s", "5", "6", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Set("s", "6", "", 0), StoreStatus::kFull) << "entries";
  data.SetTtl("s", "5", 1);
  clock.AdvanceMs(1);
  EXPECT_EQ(data.Set("s", "6", "", 0), StoreStatus::kOk) << "what is over gives its room back";
  EXPECT_EQ(data.Set("t", "1", "", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Set("u", "1", "", 0), StoreStatus::kFull) << "spaces";
}

TEST(SharedData, ManyThreadsCountWithCas) {
  SystemClock clock;
  InProcessSharedData data(clock);
  data.Set("s", "n", "", 0);
  auto count = [&] {
    for (int i = 0; i < 500; ++i) {
      while (true) {
        auto entry = data.Get("s", "n");
        if (data.Set("s", "n", entry->value + "+", entry->cas) == StoreStatus::kOk) break;
      }
    }
  };
  std::thread one(count), two(count);
  one.join(), two.join();
  EXPECT_EQ(data.Get("s", "n")->value.size(), 1000u);
}

TEST(Queues, SameNameSameIdWithinASpace) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues;
  EXPECT_EQ(queues.Resolve("s", "q"), std::nullopt);
  const uint32_t id = queues.Register("s", "q", a);
  EXPECT_NE(id, 0u);
  EXPECT_EQ(queues.Register("s", "q", a), id);
  EXPECT_EQ(queues.Resolve("s", "q"), id);
  EXPECT_NE(queues.Register("t", "q", a), id);
}

TEST(Queues, FirstInFirstOut) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues;
  const uint32_t id = queues.Register("s", "q", a);
  std::string item;
  EXPECT_EQ(queues.Dequeue(id, &item), StoreStatus::kEmpty);
  EXPECT_EQ(queues.Dequeue(id + 1, &item), StoreStatus::kNotFound);
  EXPECT_EQ(queues.Dequeue(0, &item), StoreStatus::kNotFound);
  EXPECT_EQ(queues.Enqueue(0, "x"), StoreStatus::kNotFound);
  queues.Enqueue(id, "1"), queues.Enqueue(id, "");
  EXPECT_EQ(queues.Dequeue(id, &item), StoreStatus::kOk);
  EXPECT_EQ(item, "1");
  EXPECT_EQ(queues.Dequeue(id, &item), StoreStatus::kOk);
  EXPECT_EQ(item, "");
  EXPECT_EQ(queues.Dequeue(id, &item), StoreStatus::kEmpty);
}

TEST(Queues, OneConsumerAnItemInTurnsAndNobodyAfterForget) {
  Journal journal;
  ScriptPlugin a("a", {}, journal), b("b", {}, journal);
  InProcessQueues queues;
  const uint32_t id = queues.Register("s", "q", a);
  queues.Register("s", "q", a);
  queues.Register("s", "q", b);
  EXPECT_FALSE(queues.ready());
  queues.Enqueue(id, "1"), queues.Enqueue(id, "2"), queues.Enqueue(id, "3");
  EXPECT_TRUE(queues.ready());
  EXPECT_EQ(queues.Deliver(), 3u);
  EXPECT_EQ(journal, (Journal{"a queue_ready 1", "b queue_ready 1", "a queue_ready 1"}));
  EXPECT_EQ(queues.Deliver(), 0u);
  queues.Forget(a), queues.Forget(b);
  queues.Enqueue(id, "4");
  EXPECT_EQ(queues.Deliver(), 0u);
  queues.Register("s", "q", b);
  EXPECT_EQ(queues.Deliver(), 1u) << "the item waited for a consumer";
}

TEST(Queues, LimitsOnBothSides) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues({.queues = 1, .items = 2, .bytes = 3});
  const uint32_t id = queues.Register("s", "q", a);
  EXPECT_EQ(queues.Register("s", "r", a), 0u);
  EXPECT_EQ(queues.Resolve("s", "r"), std::nullopt);
  EXPECT_EQ(queues.Enqueue(id, "1234"), StoreStatus::kFull);
  EXPECT_EQ(queues.Enqueue(id, "123"), StoreStatus::kOk);
  EXPECT_EQ(queues.Enqueue(id, "1"), StoreStatus::kFull);
  EXPECT_EQ(queues.Enqueue(id, ""), StoreStatus::kOk);
  EXPECT_EQ(queues.Enqueue(id, ""), StoreStatus::kFull);
  std::string item;
  queues.Dequeue(id, &item);
  EXPECT_EQ(queues.Enqueue(id, "123"), StoreStatus::kOk);
}

TEST(Queues, NamesHaveALimit) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues({.name_bytes = 3});
  EXPECT_EQ(queues.Register("s", "1234", a), 0u);
  EXPECT_NE(queues.Register("s", "123", a), 0u);
}

TEST(Queues, OneDeliveryIsShortAndNoQueueStarves) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues({.turns = 2});
  const uint32_t first = queues.Register("s", "q", a), second = queues.Register("s", "r", a);
  for (int i = 0; i < 3; ++i) queues.Enqueue(first, "x");
  queues.Enqueue(second, "y");
  EXPECT_EQ(queues.Deliver(), 2u);
  EXPECT_EQ(journal, (Journal{"a queue_ready 1", "a queue_ready 1"}));
  EXPECT_TRUE(queues.ready());
  EXPECT_EQ(queues.Deliver(), 2u);
  EXPECT_EQ(journal[2], "a queue_ready 2");
  EXPECT_EQ(queues.Deliver(), 0u);
  EXPECT_FALSE(queues.ready());
}

// Or a guest that puts in and takes out in a loop is told of a million items in the next round.
TEST(Queues, NobodyIsToldOfItemsThatAreGone) {
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  InProcessQueues queues;
  const uint32_t id = queues.Register("s", "q", a);
  std::string item;
  for (int i = 0; i < 1000; ++i) queues.Enqueue(id, "x"), queues.Dequeue(id, &item);
  EXPECT_FALSE(queues.ready());
  EXPECT_EQ(queues.Deliver(), 0u);
  queues.Enqueue(id, "x");
  EXPECT_EQ(queues.Deliver(), 1u);
}

TEST(Metrics, SameNameSameIdOtherTypeNone) {
  InProcessMetrics metrics;
  auto id = metrics.Define(MetricType::kCounter, "n", "p");
  ASSERT_TRUE(id);
  EXPECT_NE(*id, 0u);
  EXPECT_EQ(metrics.Define(MetricType::kCounter, "n", "p"), id);
  EXPECT_EQ(metrics.Define(MetricType::kGauge, "n", "p"), std::nullopt);
  EXPECT_EQ(metrics.TypeOf(*id), MetricType::kCounter);
  EXPECT_EQ(metrics.TypeOf(0), std::nullopt);
  EXPECT_EQ(metrics.TypeOf(*id + 1), std::nullopt);
}

TEST(Metrics, CountGaugeRecord) {
  InProcessMetrics metrics;
  const uint32_t counter = *metrics.Define(MetricType::kCounter, "c", "p");
  const uint32_t gauge = *metrics.Define(MetricType::kGauge, "g", "p");
  const uint32_t histogram = *metrics.Define(MetricType::kHistogram, "h", "p");
  metrics.Increment(counter, 2), metrics.Record(counter, 3);
  metrics.Record(gauge, 7), metrics.Record(gauge, 5), metrics.Increment(gauge, -2);
  metrics.Record(histogram, 10), metrics.Record(histogram, 20);
  EXPECT_EQ(metrics.Get(counter), 5u);
  EXPECT_EQ(metrics.Get(gauge), 3u);
  EXPECT_EQ(metrics.Get(histogram), 2u);
  EXPECT_EQ(metrics.Get(99), 0u);
  metrics.Increment(99, 1);
  auto all = metrics.Read();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].name, "h");
  EXPECT_EQ(all[2].sum, 30u);
}

TEST(Metrics, CapOnSeries) {
  InProcessMetrics metrics({.series = 1, .name_bytes = 2});
  EXPECT_FALSE(metrics.Define(MetricType::kCounter, "abc", "p"));
  EXPECT_TRUE(metrics.Define(MetricType::kCounter, "ab", "p"));
  EXPECT_FALSE(metrics.Define(MetricType::kCounter, "x", "p"));
  EXPECT_TRUE(metrics.Define(MetricType::kCounter, "ab", "p"));
}

TEST(Clocks, ManualStandsStillAndSystemRuns) {
  ManualClock manual;
  EXPECT_EQ(manual.RealtimeNs(), ManualClock::kStartRealtimeNs);
  manual.AdvanceMs(3);
  EXPECT_EQ(manual.MonotonicNs(), ManualClock::kStartMonotonicNs + 3'000'000);
  EXPECT_EQ(manual.RealtimeNs(), ManualClock::kStartRealtimeNs + 3'000'000);
  SystemClock system;
  const uint64_t before = system.MonotonicNs();
  EXPECT_LE(before, system.MonotonicNs());
  EXPECT_GT(system.RealtimeNs(), 1'600'000'000'000'000'000u);
}

TEST(StreamLog, WritesWhatIsAtLeastItsLevel) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  StreamLog log(out, LogLevel::kInfo);
  log.Write(LogLevel::kDebug, "p", "hidden");
  log.Write(LogLevel::kInfo, "p", "seen");
  log.Write(LogLevel::kCritical, "p", "too");
  std::fclose(out);
  EXPECT_EQ(std::string(text, size), "info p: seen\ncritical p: too\n");
  std::free(text);
  EXPECT_EQ(LogLevelOf("warn"), LogLevel::kWarn);
  EXPECT_EQ(LogLevelOf("loud"), std::nullopt);
}

TEST(Timers, FirstAfterOnePeriodThenEach) {
  ManualClock clock;
  PolledTimers timers(clock);
  Journal journal;
  ScriptPlugin a("a", {}, journal);
  EXPECT_EQ(timers.next_ns(), std::nullopt);
  timers.SetTick(a, 10);
  EXPECT_EQ(timers.Run(), 0u);
  clock.AdvanceMs(9);
  EXPECT_EQ(timers.Run(), 0u);
  clock.AdvanceMs(1);
  EXPECT_EQ(timers.next_ns(), clock.MonotonicNs());
  EXPECT_EQ(timers.Run(), 1u);
  EXPECT_EQ(timers.Run(), 0u);
  clock.AdvanceMs(35);
  EXPECT_EQ(timers.Run(), 1u) << "lost ticks are lost";
  timers.SetTick(a, 0);
  clock.AdvanceMs(100);
  EXPECT_EQ(timers.Run(), 0u);
}

TEST(Timers, AChangeReplacesThePeriodAndATickMayStopOthers) {
  ManualClock clock;
  PolledTimers timers(clock);
  Journal journal;
  ScriptPlugin a("a", {}, journal), b("b", {}, journal);
  timers.SetTick(a, 10);
  timers.SetTick(a, 5);
  timers.SetTick(b, 5);
  a.on_tick = [&] { timers.Forget(b), timers.SetTick(a, 20); };
  clock.AdvanceMs(5);
  EXPECT_EQ(timers.Run(), 1u);
  clock.AdvanceMs(19);
  EXPECT_EQ(timers.Run(), 0u);
  clock.AdvanceMs(1);
  EXPECT_EQ(timers.Run(), 1u);
}

}  // namespace
}  // namespace weir
