// Zones between real processes, which are killed at any moment.
#include <random>

#include "host/zone/zone_testing.h"

namespace weir {
namespace {

using testing::ExpectSound;
using testing::SharedZone;
using testing::Spawn;
using testing::View;
using testing::Wait;

class Taker final : public Plugin {
 public:
  explicit Taker(View& view, void (*on_item)(std::string_view, void*), void* to) : view_(view), on_item_(on_item), to_(to) {}
  const PluginSpec& spec() const override { return spec_; }
  const PluginStats& stats() const override { return stats_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream&) override { return nullptr; }
  void OnTick() override {}
  void OnQueueReady(uint32_t id) override {
    std::string item;
    if (view_.queues.Dequeue(id, &item) == StoreStatus::kOk) on_item_(item, to_);
  }

 private:
  View& view_;
  void (*on_item_)(std::string_view, void*);
  void* to_;
  PluginSpec spec_;
  PluginStats stats_;
};

TEST(ZoneProcesses, CountExactlyByCompareAndSwap) {
  SharedZone shared;
  View view(shared);
  view.data.Set("s", "n", "0", 0);
  std::vector<pid_t> children;
  for (int c = 0; c < 3; ++c) {
    children.push_back(Spawn([&] {
      View own(shared, 1);
      const uint32_t metric = *own.metrics.Define(MetricType::kCounter, "done", "p");
      for (int done = 0; done < 1000;) {
        const auto entry = own.data.Get("s", "n");
        const long next = std::strtol(entry->value.c_str(), nullptr, 10) + 1;
        if (own.data.Set("s", "n", std::to_string(next), entry->cas) == StoreStatus::kOk) ++done, own.metrics.Increment(metric, 1);
      }
      if (getpid() % 2 == 0) own.zone.Leave();  // the others just end
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(view.data.Get("s", "n")->value, "3000");
  view.zone.Reap();
  EXPECT_EQ(view.metrics.Get(*view.metrics.Define(MetricType::kCounter, "done", "p")), 3000u);
}

TEST(ZoneProcesses, ADeadConsumersItemsAreToldToAnother) {
  SharedZone shared;
  View view(shared, 0);
  // The child is told of items, and dies in the middle of it.
  const pid_t child = Spawn([&] {
    View own(shared, 1);
    Taker dying(own, [](std::string_view, void*) { kill(getpid(), SIGKILL); }, nullptr);
    const uint32_t id = own.queues.Register("vm", "q", dying);
    for (int i = 0; i < 10; ++i) own.queues.Enqueue(id, "item" + std::to_string(i));
    own.queues.Deliver();
    return 0;
  });
  EXPECT_EQ(Wait(child), -SIGKILL);
  std::vector<std::string> taken;
  Taker taker(view, [](std::string_view item, void* to) { static_cast<std::vector<std::string>*>(to)->emplace_back(item); }, &taken);
  view.queues.Register("vm", "q", taker);
  view.queues.Rescue();
  EXPECT_GT(view.waker.self, 0);
  while (view.queues.Deliver()) {
  }
  ASSERT_EQ(taken.size(), 9u);  // the first one was taken by the one that died
  for (size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i], "item" + std::to_string(i + 1));
  ExpectSound(view.zone);
}

/// What the children are killed at: every operation, without a pause.
void WorkUntilLeaving(SharedZone& shared, std::mt19937& random) {
  const auto full = random() % 2 ? ZoneDataLimits::Full::kEvict : ZoneDataLimits::Full::kRefuse;
  View own(shared, 1, {"p", "q"}, {.full = full, .space_bytes = 100'000});
  Taker taker(own, [](std::string_view, void*) {}, nullptr);
  const uint32_t queue = own.queues.Register("vm", "work", taker);
  for (;;) {
    const std::string key = "k" + std::to_string(random() % 400);
    switch (random() % 12) {
      case 0: own.data.Delete("s", key, 0); break;
      case 1: own.data.SetTtl("s", key, 1 + random() % 3); break;
      case 2: own.queues.Enqueue(queue, std::string(random() % 3000, 'q')); break;
      case 3: own.queues.Deliver(); break;
      case 4: own.metrics.Define(MetricType(random() % 3), "m" + std::to_string(random() % 200), random() % 2 ? "p" : "q"); break;
      case 5: own.metrics.Record(2 + random() % 100, 3); break;
      case 6:
        if (random() % 50 != 0) break;
        own.zone.Leave();
        return;
      default: own.data.Set("s", key, key + std::string(random() % 2000, key.back()), 0);
    }
  }
}

int Work(SharedZone& shared, unsigned seed) {
  std::mt19937 random(seed);
  for (;;) WorkUntilLeaving(shared, random);
}

TEST(ZoneProcesses, SurviveTheDeathOfAnyProcessAtAnyMoment) {
  SharedZone shared;
  View view(shared);
  // What nobody touches is still there at the end.
  for (int i = 0; i < 100; ++i) view.data.Set("kept", "k" + std::to_string(i), std::string(100, static_cast<char>('a' + i % 26)), 0);
  Taker nobody(view, [](std::string_view, void*) {}, nullptr);
  const uint32_t kept = view.queues.Register("vm", "kept", nobody);
  view.queues.Forget(nobody);
  for (int i = 0; i < 50; ++i) view.queues.Enqueue(kept, "item" + std::to_string(i));
  const uint32_t counter = *view.metrics.Define(MetricType::kCounter, "kept", "p");
  view.metrics.Increment(counter, 42);

  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::vector<pid_t> children;
    for (int c = 0; c < 3; ++c) children.push_back(Spawn([&shared, seed = random()] { return Work(shared, seed); }));
    for (const pid_t child : children) {
      usleep(500 + random() % 4000);
      kill(child, SIGKILL);
      EXPECT_EQ(Wait(child), -SIGKILL);
      view.zone.Reap();
      ExpectSound(view.zone);
      // Values are whole: each begins with its key, and goes on with the key's last letter.
      for (const std::string& key : view.data.Keys("s", 1000)) {
        const auto entry = view.data.Get("s", key);
        if (!entry) continue;
        ASSERT_EQ(entry->value.substr(0, key.size()), key);
        ASSERT_EQ(entry->value.find_first_not_of(key.back(), key.size()), std::string::npos);
      }
    }
  }
  for (int i = 0; i < 100; ++i) ASSERT_EQ(view.data.Get("kept", "k" + std::to_string(i))->value, std::string(100, static_cast<char>('a' + i % 26)));
  for (int i = 0; i < 50; ++i) {
    std::string item;
    ASSERT_EQ(view.queues.Dequeue(kept, &item), StoreStatus::kOk);
    ASSERT_EQ(item, "item" + std::to_string(i));
  }
  EXPECT_EQ(view.metrics.Get(counter), 42u);
  EXPECT_GT(view.zone.root().repairs, 0u) << "no child died inside of the lock: the test tried nothing";
}

}  // namespace
}  // namespace weir
