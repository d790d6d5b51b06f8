#include "host/zone/zone_queues.h"

#include "host/zone/zone_testing.h"

namespace weir {
namespace {

using testing::ExpectSound;
using testing::SharedZone;
using testing::View;

class Consumer final : public Plugin {
 public:
  explicit Consumer(View& view, bool takes = true) : view_(view), takes_(takes) {}
  const PluginSpec& spec() const override { return spec_; }
  const PluginStats& stats() const override { return stats_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream&) override { return nullptr; }
  void OnTick() override {}
  void OnQueueReady(uint32_t id) override {
    ++told;
    std::string item;
    if (takes_ && view_.queues.Dequeue(id, &item) == StoreStatus::kOk) items.push_back(item);
  }
  int told = 0;
  std::vector<std::string> items;

 private:
  View& view_;
  bool takes_;
  PluginSpec spec_;
  PluginStats stats_;
};

TEST(ZoneQueues, TellsEachItemOnceToOneConsumer) {
  SharedZone shared;
  View a(shared, 0), b(shared, 1);
  Consumer one(a), two(a), other(b);
  const uint32_t id = a.queues.Register("vm", "q", one);
  ASSERT_NE(id, 0u);
  EXPECT_EQ(a.queues.Register("vm", "q", one), id);
  EXPECT_EQ(a.queues.Register("vm", "q", two), id);
  EXPECT_EQ(b.queues.Register("vm", "q", other), id);
  EXPECT_EQ(b.queues.Resolve("vm", "q"), id);
  EXPECT_EQ(b.queues.Resolve("vm2", "q"), std::nullopt);
  EXPECT_EQ(b.queues.Resolve("v", "mq"), std::nullopt);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(a.queues.Enqueue(id, std::to_string(i)), StoreStatus::kOk);
    if (a.waker.self > 0) a.queues.Deliver();
    if (!a.waker.slots.empty()) {
      EXPECT_EQ(a.waker.slots, std::vector<uint32_t>{1});
      b.queues.Deliver();
    }
    a.waker.self = 0;
    a.waker.slots.clear();
  }
  EXPECT_EQ(one.told + two.told + other.told, 10);
  EXPECT_EQ(other.told, 5);  // the workers in turn
  EXPECT_GT(one.told, 0);
  EXPECT_GT(two.told, 0);
  std::string item;
  EXPECT_EQ(a.queues.Dequeue(id, &item), StoreStatus::kEmpty);
  EXPECT_EQ(a.queues.Dequeue(id + 1, &item), StoreStatus::kNotFound);
  EXPECT_EQ(a.queues.Enqueue(0, ""), StoreStatus::kNotFound);
  ExpectSound(a.zone);
}

TEST(ZoneQueues, WakesAWorkerOnceUntilItLooks) {
  SharedZone shared;
  View a(shared, 0), b(shared, 7);
  Consumer consumer(b);
  const uint32_t id = b.queues.Register("vm", "q", consumer);
  for (int i = 0; i < 100; ++i) a.queues.Enqueue(id, std::string(i % 3, 'x'));
  EXPECT_EQ(a.waker.slots, std::vector<uint32_t>{7});
  int rounds = 1;
  while (b.queues.Deliver()) ++rounds;
  EXPECT_EQ(consumer.items.size(), 100u);
  EXPECT_EQ(rounds, 7);  // 16 at a time
  a.queues.Enqueue(id, "");
  EXPECT_EQ(a.waker.slots.size(), 2u);
}

TEST(ZoneQueues, ItemsWaitForAConsumer) {
  SharedZone shared;
  View a(shared, 0);
  Consumer first(a), second(a);
  const uint32_t id = a.queues.Register("vm", "q", first);
  a.queues.Forget(first);
  EXPECT_FALSE(a.queues.consumes());
  EXPECT_EQ(a.queues.Enqueue(id, "x"), StoreStatus::kOk);
  EXPECT_FALSE(a.queues.Deliver());
  EXPECT_EQ(a.waker.self, 0);
  EXPECT_EQ(a.queues.Register("vm", "q", second), id);
  EXPECT_EQ(a.waker.self, 1);
  a.queues.Deliver();
  EXPECT_EQ(second.items, std::vector<std::string>{"x"});
  EXPECT_EQ(first.told, 0);
}

TEST(ZoneQueues, FullRefusesAndLosesNothing) {
  SharedZone shared;
  View a(shared, 0, {"p"}, {}, {.queues = 2, .items = 3, .bytes = 10, .name_bytes = 4});
  Consumer consumer(a, /*takes=*/false);
  const uint32_t id = a.queues.Register("vm", "name", consumer);
  EXPECT_NE(id, 0u);
  EXPECT_EQ(a.queues.Register("vm", "namex", consumer), 0u);
  EXPECT_NE(a.queues.Register("vm", "two", consumer), 0u);
  EXPECT_EQ(a.queues.Register("vm", "thr", consumer), 0u);
  EXPECT_EQ(a.queues.Enqueue(id, "12345678901"), StoreStatus::kFull);
  EXPECT_EQ(a.queues.Enqueue(id, "1234567890"), StoreStatus::kOk);
  EXPECT_EQ(a.queues.Enqueue(id, "1"), StoreStatus::kFull);
  EXPECT_EQ(a.queues.Enqueue(id, ""), StoreStatus::kOk);
  EXPECT_EQ(a.queues.Enqueue(id, ""), StoreStatus::kOk);
  EXPECT_EQ(a.queues.Enqueue(id, ""), StoreStatus::kFull);
  EXPECT_EQ(a.listener.queues, (std::vector<std::string>{"vm/name", "vm/name", "vm/name"}));
  std::string item;
  EXPECT_EQ(a.queues.Dequeue(id, &item), StoreStatus::kOk);
  EXPECT_EQ(item, "1234567890");
  EXPECT_EQ(a.queues.Enqueue(id, "x"), StoreStatus::kOk);
}

TEST(ZoneQueues, TheZoneItselfMayBeFull) {
  SharedZone shared;
  View a(shared, 0);
  Consumer consumer(a);
  const uint32_t id = a.queues.Register("vm", "q", consumer);
  size_t fit = 0;
  while (a.queues.Enqueue(id, std::string(1000, static_cast<char>('a' + fit % 26))) == StoreStatus::kOk) ++fit;
  EXPECT_GT(fit, 80u);
  for (size_t i = 0; i < fit; ++i) {
    std::string item;
    ASSERT_EQ(a.queues.Dequeue(id, &item), StoreStatus::kOk);
    ASSERT_EQ(item, std::string(1000, static_cast<char>('a' + i % 26)));
  }
  EXPECT_EQ(a.queues.Enqueue(id, std::string(50'000, 'x')), StoreStatus::kOk);
  ExpectSound(a.zone);
}

}  // namespace
}  // namespace weir
