#include "host/zone/zone_data.h"

#include <cstring>
#include <span>
#include <thread>

#include "host/zone/zone_testing.h"

namespace weir {
namespace {

using testing::ExpectSound;
using testing::SharedZone;
using testing::View;

TEST(ZoneSizes, SayWhatIsWrongAndWhatTheLeastIs) {
  EXPECT_EQ(ZoneSizes{}.Fault(), "");
  EXPECT_EQ(ZoneSizes{.bytes = 512 << 10}.Fault(), "");
  EXPECT_NE((ZoneSizes{.bytes = (512 << 10) - 1}.Fault()).find("the least is 512k"), std::string::npos);
  EXPECT_EQ((ZoneSizes{.bytes = 1 << 20, .data = 64 << 10, .queues = 64 << 10}.Fault()), "");
  EXPECT_NE((ZoneSizes{.bytes = 1 << 20, .data = (64 << 10) - 1}.Fault()).find("data= is too small"), std::string::npos);
  EXPECT_NE((ZoneSizes{.bytes = 1 << 20, .queues = 1}.Fault()).find("queues= is too small"), std::string::npos);
  EXPECT_NE((ZoneSizes{.bytes = 1 << 20, .data = 900 << 10}.Fault()).find("must leave"), std::string::npos);
  EXPECT_NE((ZoneSizes{.bytes = 1 << 20, .data = 4 << 20}.Fault()).find("must leave"), std::string::npos);
}

TEST(ZoneSharedData, ComparesAndSwaps) {
  SharedZone shared;
  View view(shared);
  SharedData& data = view.data;
  EXPECT_EQ(data.Get("a", "k"), std::nullopt);
  EXPECT_EQ(data.Set("a", "k", "v", 7), StoreStatus::kCasMismatch);  // none there
  EXPECT_EQ(data.Set("a", "k", "v", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Get("a", "k")->cas, 1u);
  EXPECT_EQ(data.Set("a", "k", "longer", 1), StoreStatus::kOk);
  EXPECT_EQ(data.Set("a", "k", "x", 1), StoreStatus::kCasMismatch);
  EXPECT_EQ(data.Get("a", "k")->value, "longer");
  EXPECT_EQ(data.Set("a", "k", "", 0), StoreStatus::kOk);
  EXPECT_EQ(data.Get("a", "k")->value, "");
  EXPECT_EQ(data.Delete("a", "k", 1), StoreStatus::kCasMismatch);
  EXPECT_EQ(data.Delete("a", "k", data.Get("a", "k")->cas), StoreStatus::kOk);
  EXPECT_EQ(data.Delete("a", "k", 0), StoreStatus::kNotFound);
  view.zone.root().data.last_cas = UINT32_MAX - 1;
  data.Set("a", "k", "v", 0);
  EXPECT_EQ(data.Get("a", "k")->cas, UINT32_MAX);
  data.Set("a", "k", "v", 0);
  EXPECT_EQ(data.Get("a", "k")->cas, 1u);  // never 0
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, KeysAreComparedWholeAndByNameSpace) {
  SharedZone shared;
  View view(shared);
  const std::string nul("a\0b", 3);
  view.data.Set("s", nul, "1", 0);
  view.data.Set("s", "a", "2", 0);
  view.data.Set("sa", "", "3", 0);
  view.data.Set("", "sa", "4", 0);
  EXPECT_EQ(view.data.Get("s", nul)->value, "1");
  EXPECT_EQ(view.data.Get("s", "a")->value, "2");
  EXPECT_EQ(view.data.Get("sa", "")->value, "3");
  EXPECT_EQ(view.data.Get("", "sa")->value, "4");
  EXPECT_EQ(view.data.Keys("s", 10), (std::vector<std::string>{"a", nul}));
  EXPECT_EQ(view.data.Keys("s", 1).size(), 1u);
  EXPECT_TRUE(view.data.Keys("t", 10).empty());
  // Two entries whose hashes are the same are two entries.
  for (auto& bucket : std::span(view.zone.root().data.buckets, view.zone.root().data.bucket_mask + 1)) {
    for (DataEntry* entry = Follow(bucket); entry != nullptr; entry = Follow(entry->next)) {
      if (entry->key() == "a") std::memcpy(entry->bytes(), "b", 1);  // as if "b" had the hash of "a"
    }
  }
  EXPECT_EQ(view.data.Get("s", "a"), std::nullopt);
}

TEST(ZoneSharedData, ExpiresAtItsTime) {
  SharedZone shared;
  View view(shared);
  view.data.Set("s", "k", "v", 0);
  EXPECT_EQ(view.data.SetTtl("s", "k", 100), StoreStatus::kOk);
  EXPECT_EQ(view.data.SetTtl("s", "other", 100), StoreStatus::kNotFound);
  view.clock.AdvanceMs(99);
  EXPECT_TRUE(view.data.Get("s", "k"));
  const uint32_t cas = view.data.Get("s", "k")->cas;
  view.data.Set("s", "k", "w", 0);  // keeps its time
  view.clock.AdvanceMs(1);
  EXPECT_FALSE(view.data.Get("s", "k"));
  EXPECT_EQ(view.data.Set("s", "k", "w", cas + 1), StoreStatus::kCasMismatch);
  view.data.Set("s", "k", "v", 0);
  view.data.SetTtl("s", "k", 100);
  view.data.SetTtl("s", "k", 0);
  view.clock.AdvanceMs(1000);
  EXPECT_TRUE(view.data.Get("s", "k"));
  EXPECT_EQ(view.data.SetTtl("s", "k", UINT64_MAX), StoreStatus::kOk);
  EXPECT_TRUE(view.data.Get("s", "k"));
}

TEST(ZoneSharedData, ExpiredEntriesGiveTheirRoomBack) {
  SharedZone shared;
  View view(shared);
  int fit = 0;
  while (view.data.Set("s", "k" + std::to_string(fit), std::string(1000, 'v'), 0) == StoreStatus::kOk) {
    view.data.SetTtl("s", "k" + std::to_string(fit), 50);
    ++fit;
  }
  EXPECT_GT(fit, 200);
  EXPECT_EQ(view.listener.data, 1);
  view.clock.AdvanceMs(50);
  EXPECT_EQ(view.data.Set("s", "large", std::string(200'000, 'v'), 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Keys("s", 1000).size(), 1u);
  ExpectSound(view.zone);
  // Without being full, writes clear them little by little.
  view.data.Delete("s", "large", 0);
  for (int i = 0; i < 100; ++i) {
    view.data.Set("s", std::to_string(i), "v", 0);
    view.data.SetTtl("s", std::to_string(i), 1);
  }
  view.clock.AdvanceMs(1);
  for (int i = 0; i < 2000; ++i) view.data.Set("s", "x", "v", 0);
  EXPECT_EQ(Follow(view.zone.root().data.spaces)->entries, 1u);
}

TEST(ZoneSharedData, FullRefusesAndLosesNothing) {
  SharedZone shared;
  View view(shared);
  std::vector<std::string> keys;
  for (int i = 0;; ++i) {
    if (view.data.Set("s", "key" + std::to_string(i), "value" + std::to_string(i), 0) != StoreStatus::kOk) break;
    keys.push_back("key" + std::to_string(i));
  }
  EXPECT_GT(keys.size(), 2000u);
  EXPECT_EQ(view.listener.data, 1);
  EXPECT_EQ(view.zone.root().data.full, 1u);
  for (size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(view.data.Get("s", keys[i])->value, "value" + std::to_string(i));
  // A counter that is there already can still be counted.
  const uint32_t cas = view.data.Get("s", "key0")->cas;
  EXPECT_EQ(view.data.Set("s", "key0", "Value0", cas), StoreStatus::kOk);
  EXPECT_EQ(view.data.Get("s", "key0")->value, "Value0");
  EXPECT_EQ(view.data.Set("s", "key0", std::string(100, 'x'), 0), StoreStatus::kFull);
  EXPECT_EQ(view.data.Get("s", "key0")->value, "Value0");
  EXPECT_EQ(view.data.Set("s", "new", std::string(4 << 20, 'x'), 0), StoreStatus::kFull);  // more than the zone
  EXPECT_EQ(view.data.Set("s", std::string((64 << 10) + 1, 'k'), "", 0), StoreStatus::kFull);
  view.data.Delete("s", "key1", 0);
  EXPECT_EQ(view.data.Set("s", "keyX", "valueX", 0), StoreStatus::kOk);
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, EvictsWhatWasNotUsedForLongest) {
  SharedZone shared;
  View view(shared, 0, {"p"}, {.full = ZoneDataLimits::Full::kEvict});
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(view.data.Set("s", "key" + std::to_string(i), "value", 0), StoreStatus::kOk);
    ASSERT_TRUE(i == 0 || view.data.Get("s", "key0")) << i;  // used all the time
    if (i == 0) view.data.Get("s", "key0");
  }
  EXPECT_EQ(view.listener.data, 0);
  EXPECT_GT(view.zone.root().data.evicted, 10'000u);
  EXPECT_TRUE(view.data.Get("s", "key19999"));
  EXPECT_EQ(view.data.Set("s", "key0", std::string(100'000, 'v'), 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "x", std::string(4 << 20, 'v'), 0), StoreStatus::kFull);
  EXPECT_TRUE(view.data.Get("s", "key0"));
  ExpectSound(view.zone);
}

/// Of an entry, as the arena counts it.
size_t Taken(std::string_view key, std::string_view value) { return Arena::TakenBy(sizeof(DataEntry) + key.size() + value.size()); }

const DataSpace* SpaceNamed(Zone& zone, std::string_view name) {
  for (const DataSpace* space = Follow(zone.root().data.spaces); space != nullptr; space = Follow(space->next)) {
    if (space->name() == name) return space;
  }
  return nullptr;
}

/// Its counts are those of its entries, and its ring has each of them once.
void ExpectCounted(Zone& zone, std::string_view name) {
  const ZoneGuard guard(zone);
  const DataSpace* space = SpaceNamed(zone, name);
  size_t bytes = 0, entries = 0, ringed = 0;
  for (const auto& bucket : std::span(zone.root().data.buckets, zone.root().data.bucket_mask + 1)) {
    for (const DataEntry* entry = Follow(bucket); entry != nullptr; entry = Follow(entry->next)) {
      if (entry->space == space) bytes += Arena::Taken(entry), ++entries;
    }
  }
  EXPECT_EQ(space->bytes, bytes);
  EXPECT_EQ(space->entries, entries);
  const DataEntry* entry = space->hand;
  for (; ringed < entries && entry != nullptr; ++ringed, entry = entry->after) ASSERT_EQ(entry->after->before, entry);
  EXPECT_EQ(entry, space->hand);
}

TEST(ZoneSizes, ANameSpaceMayTakeAShare) {
  const ZoneSizes sizes{.bytes = 1 << 20, .data = 256 << 10};
  EXPECT_EQ(sizes.SpaceLimit(1), 0u);  // all there is
  EXPECT_EQ(sizes.SpaceLimit(2), 128u << 10);
  EXPECT_EQ((ZoneSizes{.bytes = 1 << 20}.SpaceLimit(2)), 256u << 10);
  const auto with = [&](size_t space) { return ZoneSizes{.bytes = 1 << 20, .data = 256 << 10, .space = space}; };
  EXPECT_EQ(with(8 << 10).SpaceLimit(1), 8u << 10);
  EXPECT_EQ(with(8 << 10).SpaceLimit(9), 8u << 10);
  EXPECT_EQ(with(4 << 10).Fault(), "");
  EXPECT_EQ(with((4 << 10) - 1).Fault(), "space= is too small: the least is 4k");
  EXPECT_EQ(with(256 << 10).Fault(), "");
  EXPECT_EQ(with((256 << 10) + 1).Fault(), "space= is too large: all shared data has 256k (data=)");
}

TEST(ZoneSharedData, ANameSpaceTakesItsShareAndNoByteMore) {
  SharedZone shared;
  const std::string value(1000, 'v');
  const size_t limit = 10 * Taken("k0", value);
  View view(shared, 0, {"p"}, {.space_bytes = limit});
  for (int i = 0; i < 10; ++i) ASSERT_EQ(view.data.Set("s", "k" + std::to_string(i), value, 0), StoreStatus::kOk) << i;
  EXPECT_EQ(SpaceNamed(view.zone, "s")->bytes, limit);
  EXPECT_EQ(view.data.Set("s", "x", "", 0), StoreStatus::kFull);
  EXPECT_EQ(view.data.Set("s", "k0", value + std::string(16, 'v'), 0), StoreStatus::kFull);
  EXPECT_EQ(view.listener.data, 2);
  EXPECT_EQ(view.listener.last_limit_bytes, limit);
  EXPECT_EQ(view.zone.root().data.full, 2u);
  EXPECT_EQ(view.data.Get("s", "k0")->value, value);
  // Others have theirs; what is there can be written again; what is given back can be taken again.
  EXPECT_EQ(view.data.Set("t", "k0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "k0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "k0", "", 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "k0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Delete("s", "k3", 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "x0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "x1", value, 0), StoreStatus::kFull);
  ExpectCounted(view.zone, "s");
  // A single entry: to the byte.
  size_t most = limit;
  while (Taken("k", std::string(most, 'v')) > limit) --most;
  EXPECT_EQ(view.data.Set("u", "k", std::string(most + 1, 'v'), 0), StoreStatus::kFull);
  EXPECT_EQ(view.data.Set("u", "k", std::string(most, 'v'), 0), StoreStatus::kOk);
  EXPECT_EQ(SpaceNamed(view.zone, "u")->bytes, limit);
  // A lower limit, as after a reload: nothing goes, nothing grows.
  View lower(shared, 1, {"p"}, {.space_bytes = limit / 2});
  EXPECT_EQ(lower.data.Set("s", "k0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(lower.data.Set("s", "x1", "", 0), StoreStatus::kFull);
  for (int i = 4; i < 10; ++i) EXPECT_EQ(lower.data.Delete("s", "k" + std::to_string(i), 0), StoreStatus::kOk);
  EXPECT_EQ(lower.data.Set("s", "x1", "", 0), StoreStatus::kOk);
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, ExpiredEntriesGiveTheirShareBack) {
  SharedZone shared;
  const std::string value(1000, 'v');
  View view(shared, 0, {"p"}, {.space_bytes = 10 * Taken("k0", value)});
  for (int i = 0; i < 10; ++i) {
    view.data.Set("s", "k" + std::to_string(i), value, 0);
    if (i % 2 == 0) view.data.SetTtl("s", "k" + std::to_string(i), 50 + i);
  }
  view.clock.AdvanceMs(49);
  EXPECT_EQ(view.data.Set("s", "x0", value, 0), StoreStatus::kFull);
  view.clock.AdvanceMs(1);  // k0 alone
  EXPECT_EQ(view.data.Set("s", "x0", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.data.Set("s", "x1", value, 0), StoreStatus::kFull);
  view.clock.AdvanceMs(8);
  for (int i = 1; i < 5; ++i) EXPECT_EQ(view.data.Set("s", "x" + std::to_string(i), value, 0), StoreStatus::kOk) << i;
  EXPECT_EQ(view.data.Set("s", "x5", value, 0), StoreStatus::kFull);
  EXPECT_EQ(view.zone.root().data.expired, 5u);
  EXPECT_EQ(view.data.Keys("s", 100).size(), 10u);
  ExpectCounted(view.zone, "s");
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, ANameSpaceEvictsItsOwnOnly) {
  SharedZone shared;
  const std::string value(1000, 'v');
  View view(shared, 0, {"p"}, {.full = ZoneDataLimits::Full::kEvict, .space_bytes = 10 * Taken("k000", value)});
  view.data.Set("t", "old", "kept", 0);
  for (int i = 100; i < 200; ++i) {
    ASSERT_EQ(view.data.Set("s", "k" + std::to_string(i), value, 0), StoreStatus::kOk);
    ASSERT_TRUE(view.data.Get("s", "k100")) << i;  // used all the time
  }
  EXPECT_EQ(view.data.Keys("s", 100).size(), 10u);
  EXPECT_TRUE(view.data.Get("s", "k199"));
  EXPECT_EQ(view.data.Get("t", "old")->value, "kept");
  EXPECT_EQ(view.zone.root().data.evicted, 90u);
  // One that takes all: the others of its name space go, and of itself the old value.
  EXPECT_EQ(view.data.Set("s", "k199", std::string(9 * Taken("k000", value), 'v'), 0), StoreStatus::kOk);
  EXPECT_LE(view.data.Keys("s", 100).size(), 2u);
  EXPECT_EQ(view.data.Set("s", "k199", std::string(10 * Taken("k000", value), 'v'), 0), StoreStatus::kFull);
  EXPECT_TRUE(view.data.Get("s", "k199"));
  ExpectCounted(view.zone, "s");
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, RepairCountsSharesAnew) {
  SharedZone shared;
  const std::string value(1000, 'v');
  View view(shared, 0, {"p"}, {.space_bytes = 10 * Taken("k0", value)});
  for (int i = 0; i < 9; ++i) view.data.Set("s", "k" + std::to_string(i), value, 0);
  view.data.SetTtl("s", "k0", 50);
  // As if a process had died in the middle of anything: what counts are the lists of the buckets.
  auto* space = const_cast<DataSpace*>(SpaceNamed(view.zone, "s"));
  space->bytes = space->entries = 12345;
  space->first_gone_ns = 0;
  space->hand->after = space->hand->before = nullptr;
  space->hand = nullptr;
  view.zone.root().busy = 1;
  EXPECT_EQ(view.data.Set("s", "k9", value, 0), StoreStatus::kOk);
  EXPECT_EQ(view.zone.root().repairs, 1u);
  ExpectCounted(view.zone, "s");
  EXPECT_EQ(view.data.Set("s", "x", value, 0), StoreStatus::kFull);
  view.clock.AdvanceMs(50);
  EXPECT_EQ(view.data.Set("s", "x", value, 0), StoreStatus::kOk);
  ExpectCounted(view.zone, "s");
  ExpectSound(view.zone);
}

TEST(ZoneSharedData, ManyThreadsCountExactly) {
  SharedZone shared;
  View view(shared);
  view.data.Set("s", "n", "0", 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < 2000;) {
        const auto entry = view.data.Get("s", "n");
        if (view.data.Set("s", "n", std::to_string(std::strtol(entry->value.c_str(), nullptr, 10) + 1), entry->cas) == StoreStatus::kOk) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(view.data.Get("s", "n")->value, "8000");
}

}  // namespace
}  // namespace weir
