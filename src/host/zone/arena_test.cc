#include "host/zone/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>

namespace weir {
namespace {

struct Room {
  explicit Room(size_t bytes) : memory(new (std::align_val_t(64)) char[bytes]), arena(Arena::Make(memory, bytes)) {}
  ~Room() { ::operator delete[](memory, std::align_val_t(64)); }
  char* memory;
  Arena* arena;
};

TEST(Arena, GivesAllOfItAndTakesItBack) {
  Room room(64 << 10);
  Arena& arena = *room.arena;
  EXPECT_EQ(arena.used_bytes(), 0u);
  EXPECT_EQ(arena.Allocate(arena.size_bytes() - 7), nullptr);
  void* all = arena.Allocate(arena.size_bytes() - 8);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(arena.Allocate(0), nullptr);
  arena.Free(all);
  std::vector<void*> pieces;
  while (void* piece = arena.Allocate(24)) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 8, 0u);
    std::memset(piece, 0xee, 24);
    pieces.push_back(piece);
  }
  EXPECT_EQ(pieces.size(), arena.size_bytes() / 32);
  for (size_t i = 0; i < pieces.size(); i += 2) arena.Free(pieces[i]);
  EXPECT_EQ(arena.Allocate(25), nullptr);  // holes of 32 bytes, header included
  EXPECT_TRUE(arena.Sound());
  for (size_t i = 1; i < pieces.size(); i += 2) arena.Free(pieces[i]);
  EXPECT_TRUE(arena.Sound());
  EXPECT_NE(arena.Allocate(arena.size_bytes() - 8), nullptr);  // neighbours were joined
}

TEST(Arena, RefusesMemoryThatIsTooSmall) {
  alignas(16) char memory[1024];
  EXPECT_EQ(Arena::Make(memory, 16), nullptr);
  EXPECT_NE(Arena::Make(memory, sizeof memory), nullptr);
}

TEST(Arena, KeepsWhatItGaveThroughAnything) {
  Room room(256 << 10);
  Arena& arena = *room.arena;
  std::mt19937 random(1);
  std::map<char*, std::pair<size_t, char>> live;
  for (int round = 0; round < 20'000; ++round) {
    if (random() % 3 != 0 || live.empty()) {
      const size_t bytes = random() % (random() % 8 == 0 ? 20'000 : 200);
      auto* memory = static_cast<char*>(arena.Allocate(bytes));
      if (memory == nullptr) continue;
      const char fill = static_cast<char>(random());
      std::memset(memory, fill, bytes);
      ASSERT_TRUE(live.emplace(memory, std::pair(bytes, fill)).second);
    } else {
      auto at = std::next(live.begin(), static_cast<ptrdiff_t>(random() % live.size()));
      for (size_t i = 0; i < at->second.first; ++i) ASSERT_EQ(at->first[i], at->second.second);
      arena.Free(at->first);
      live.erase(at);
    }
    if (round % 500 == 0) {
      ASSERT_TRUE(arena.Sound());
    }
    if (round % 3000 == 2999) {  // as after a death: only the live blocks are known
      std::vector<void*> blocks;
      for (const auto& [memory, of] : live) blocks.push_back(memory);
      std::shuffle(blocks.begin(), blocks.end(), random);
      const size_t used = arena.used_bytes();
      arena.Rebuild(blocks);
      ASSERT_TRUE(arena.Sound());
      ASSERT_EQ(arena.used_bytes(), used);
    }
  }
  for (const auto& [memory, of] : live) arena.Free(memory);
  EXPECT_EQ(arena.used_bytes(), 0u);
  EXPECT_NE(arena.Allocate(arena.size_bytes() - 8), nullptr);
}

}  // namespace
}  // namespace weir
