#include "host/zone/zone_metrics.h"

#include <algorithm>

#include "host/zone/zone_testing.h"

namespace weir {
namespace {

using testing::ExpectSound;
using testing::SharedZone;
using testing::View;

std::vector<std::string> Names(View& view) {
  std::vector<std::string> names;
  for (const MetricReading& reading : view.metrics.Read()) names.push_back(reading.name);
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ZoneMetrics, AnotherLayoutIsNotRead) {
  SharedZone shared;
  EXPECT_TRUE(Zone::Readable(shared.zone()));
  static_cast<ZoneRoot*>(shared.zone())->layout ^= 1;
  EXPECT_FALSE(Zone::Readable(shared.zone()));
}

TEST(ZoneMetrics, AReaderThatIsNoWorkerSeesAllAndAddsNothing) {
  SharedZone shared;
  View worker(shared);
  worker.metrics.Increment(*worker.metrics.Define(MetricType::kCounter, "c", "p"), 2);
  testing::RobustLock lock(shared.mutex());
  Zone zone(shared.zone(), lock);
  ZoneMetrics reader(zone);
  ASSERT_EQ(reader.Read().size(), 1u);
  EXPECT_EQ(reader.Read()[0].cells[0], 2u);
  EXPECT_EQ(zone.Reap(), 0u);
  EXPECT_EQ(zone.worker(), nullptr);
  worker.metrics.Increment(1, 1);
  EXPECT_EQ(reader.Read()[0].cells[0], 3u);
}

TEST(ZoneMetrics, SumsOverWorkers) {
  SharedZone shared;
  View a(shared, 0), b(shared, 1);
  const uint32_t counter = *a.metrics.Define(MetricType::kCounter, "c", "p");
  const uint32_t gauge = *a.metrics.Define(MetricType::kGauge, "g", "p");
  const uint32_t histogram = *a.metrics.Define(MetricType::kHistogram, "h", "p");
  EXPECT_EQ(b.metrics.Define(MetricType::kCounter, "c", "p"), counter);
  EXPECT_EQ(b.metrics.Define(MetricType::kGauge, "c", "p"), std::nullopt);
  EXPECT_EQ(a.metrics.Define(MetricType::kGauge, "c", "p"), std::nullopt);  // known here already
  EXPECT_EQ(b.metrics.TypeOf(histogram), MetricType::kHistogram);
  EXPECT_EQ(b.metrics.TypeOf(99), std::nullopt);
  EXPECT_EQ(b.metrics.TypeOf(0), std::nullopt);
  a.metrics.Increment(counter, 2);
  b.metrics.Increment(counter, 3);
  b.metrics.Record(counter, 5);
  EXPECT_EQ(a.metrics.Get(counter), 10u);
  a.metrics.Record(gauge, 7);
  b.metrics.Record(gauge, 4);
  b.metrics.Increment(gauge, -1);
  EXPECT_EQ(a.metrics.Get(gauge), 10u);
  for (const uint64_t value : {1, 2, 5, 3'600'000, 3'600'001}) b.metrics.Record(histogram, value);
  a.metrics.Record(histogram, 1);
  EXPECT_EQ(a.metrics.Get(histogram), 6u);
  for (const MetricReading& reading : a.metrics.Read()) {
    if (reading.type != MetricType::kHistogram) continue;
    EXPECT_EQ(reading.cells[0], 1u + 2 + 5 + 3'600'000 + 3'600'001 + 1);
    EXPECT_EQ(reading.cells[1], 2u);
    EXPECT_EQ(reading.cells[2], 2u);
    EXPECT_EQ(reading.cells[kHistogramBuckets - 1], 1u);
    EXPECT_EQ(reading.cells[kHistogramBuckets], 1u);
  }
  // A worker that leaves: what it counted stays, what it said of itself goes.
  b.zone.Leave();
  EXPECT_EQ(a.metrics.Get(counter), 10u);
  EXPECT_EQ(a.metrics.Get(gauge), 7u);
  EXPECT_EQ(a.metrics.Get(histogram), 6u);
  View c(shared, 1);
  c.metrics.Increment(counter, 1);
  EXPECT_EQ(a.metrics.Get(counter), 11u);
  ExpectSound(a.zone);
}

TEST(ZoneMetrics, LiveAsLongAsAPluginThatDefinedThemIsLoaded) {
  SharedZone shared;
  View old(shared, 0, {"a", "b"});
  old.metrics.Define(MetricType::kCounter, "of a", "a");
  old.metrics.Define(MetricType::kCounter, "of b", "b");
  const uint32_t both = *old.metrics.Define(MetricType::kCounter, "of both", "a");
  EXPECT_EQ(old.metrics.Define(MetricType::kCounter, "of both", "b"), both);
  old.metrics.Increment(both, 3);
  old.metrics.Own(OwnMetric::kPluginUp, OwnLabels(OwnMetric::kPluginUp, {"a"}))->Set(1);
  old.metrics.Own(OwnMetric::kPluginUp, OwnLabels(OwnMetric::kPluginUp, {"b"}))->Set(1);
  old.metrics.Own(OwnMetric::kStreams, "")->Set(1);
  View now(shared, 0, {"b", "c"});  // the reload
  EXPECT_EQ(Names(now), (std::vector<std::string>{"of a", "of b", "of both"}));
  old.zone.Leave();
  EXPECT_EQ(Names(now), (std::vector<std::string>{"of b", "of both"}));
  EXPECT_EQ(now.metrics.Get(both), 3u);
  EXPECT_EQ(now.metrics.ReadOwn().size(), 2u);
  // A name that was dropped may come back, from 0 and as another type.
  const uint32_t again = *now.metrics.Define(MetricType::kGauge, "of a", "c");
  EXPECT_EQ(now.metrics.Get(again), 0u);
  // A process that only uses an id keeps the metric too.
  View user(shared, 0, {"d"});
  user.metrics.Increment(both, 1);
  now.zone.Leave();
  EXPECT_EQ(Names(user), (std::vector<std::string>{"of both"}));
  EXPECT_EQ(user.metrics.Get(both), 4u);
  ExpectSound(user.zone);
}

TEST(ZoneMetrics, HaveACapAndALongestName) {
  SharedZone shared;
  View view(shared, 0, {"p"}, {}, {}, {.series = 3, .name_bytes = 8});
  EXPECT_EQ(view.metrics.Define(MetricType::kCounter, "123456789", "p"), std::nullopt);
  for (const char* name : {"12345678", "b", "c"}) EXPECT_TRUE(view.metrics.Define(MetricType::kCounter, name, "p"));
  EXPECT_EQ(view.metrics.Define(MetricType::kCounter, "d", "p"), std::nullopt);
  EXPECT_TRUE(view.metrics.Define(MetricType::kCounter, "b", "p"));
  EXPECT_NE(view.metrics.Own(OwnMetric::kStreams, ""), nullptr);  // not of the cap
  EXPECT_EQ(view.zone.root().metrics.full, 1u);
}

TEST(ZoneMetrics, FillTheZoneAndStop) {
  SharedZone shared;
  View a(shared, 0);
  std::vector<uint32_t> ids;
  for (int i = 0;; ++i) {
    const auto id = a.metrics.Define(i % 3 == 0 ? MetricType::kHistogram : MetricType::kCounter, "name" + std::to_string(i), "p");
    if (!id) break;
    ids.push_back(*id);
  }
  EXPECT_GT(ids.size(), 100u);
  View b(shared, 1, {"p"});  // no room for its cells: counts all the same
  for (const uint32_t id : ids) {
    a.metrics.Record(id, 2);
    b.metrics.Record(id, 2);
  }
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(a.metrics.Get(ids[i]), i % 3 == 0 ? 2u : 4u) << i;
  ExpectSound(a.zone);
}

TEST(ZoneMetrics, MorePluginsThanBitsShareOne) {
  std::vector<std::string> plugins;
  for (int i = 0; i < 70; ++i) plugins.push_back("p" + std::to_string(i));
  SharedZone shared;
  View old(shared, 0, plugins);
  for (const std::string& plugin : plugins) old.metrics.Define(MetricType::kCounter, "of " + plugin, plugin);
  EXPECT_EQ(Names(old).size(), 70u);
  View now(shared, 0, {"p0", "p69"});
  old.zone.Leave();
  EXPECT_EQ(Names(now).size(), 1u + 7u);  // p0, and the 63rd to the 69th, which share a bit
}

TEST(ZoneMetrics, OwnNumbersAreThoseOfTheirLabels) {
  SharedZone shared;
  View a(shared, 0), b(shared, 1);
  const std::string labels = OwnLabels(OwnMetric::kCallbackSeconds, {"p", "proxy_on_log"});
  OwnCell* cells = a.metrics.Own(OwnMetric::kCallbackSeconds, labels);
  ASSERT_NE(cells, nullptr);
  EXPECT_EQ(a.metrics.Own(OwnMetric::kCallbackSeconds, labels), cells);
  EXPECT_NE(a.metrics.Own(OwnMetric::kCallbacks, labels), cells);
  AddDuration(cells, 600);
  AddDuration(b.metrics.Own(OwnMetric::kCallbackSeconds, labels), 600);
  for (const OwnReading& reading : a.metrics.ReadOwn()) {
    if (reading.metric != OwnMetric::kCallbackSeconds) continue;
    EXPECT_EQ(reading.labels, labels);
    EXPECT_EQ(reading.cells[0], 1200u);
    EXPECT_EQ(reading.cells[3], 2u);
  }
}

}  // namespace
}  // namespace weir
