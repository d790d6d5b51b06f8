// An allocator inside a piece of memory that several processes see at one address. The caller holds their lock.
//
//   [Arena][block][block]…       block: [size, size of the one before | payload]; sizes in units of 16 bytes
//
// Free blocks are in lists by size (four classes for each power of two), so allocating and freeing take the same time however full
// it is; neighbours are joined at once. A process that dies in the middle leaves lists that cannot be trusted, but the sizes of
// blocks in use always can be: Rebuild makes the rest anew from them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir {

class Arena {
 public:
  /// Lays an arena out in `bytes` bytes at `memory` (aligned to 16). Null: too small, or more than 32 GiB.
  static Arena* Make(void* memory, size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Aligned to 8. Null: no piece of that size is free.
  void* Allocate(size_t bytes);
  void Free(void* memory);
  /// What a live allocation takes, its header included.
  static size_t Taken(const void* memory);
  /// What an allocation of that many bytes would take.
  static size_t TakenBy(size_t bytes) { return (bytes + kHeader + kUnit - 1) / kUnit * kUnit; }
  size_t size_bytes() const { return size_t{units_} * kUnit; }
  size_t used_bytes() const { return size_t{used_} * kUnit; }
  /// Exactly `live` (each from Allocate, in any order) stay; all the rest is free.
  void Rebuild(std::vector<void*> live);
  /// For tests: the blocks, their neighbours and the lists agree.
  bool Sound() const;

 private:
  static constexpr size_t kUnit = 16, kHeader = 8;
  static constexpr size_t kClasses = 128;
  struct Block {
    uint32_t size_used;  ///< units, and kUsed
    uint32_t before;     ///< units of the block before; 0: this is the first
    uint32_t next, previous;  ///< free: offsets (units) in the list; kNone: end
  };
  static_assert(sizeof(Block) == kUnit);
  static constexpr uint32_t kUsed = 1u << 31, kNone = UINT32_MAX;

  explicit Arena(uint32_t units);
  static size_t ClassOf(uint32_t units);
  Block* At(uint32_t offset) { return reinterpret_cast<Block*>(start() + size_t{offset} * kUnit); }
  const Block* At(uint32_t offset) const { return const_cast<Arena*>(this)->At(offset); }
  char* start() { return reinterpret_cast<char*>(this) + kPrologue; }
  uint32_t OffsetOf(const Block* block) const;
  static Block* BlockOf(void* memory) { return reinterpret_cast<Block*>(static_cast<char*>(memory) - kHeader); }
  static uint32_t SizeOf(const Block* block) { return block->size_used & ~kUsed; }
  uint32_t FindFree(uint32_t units) const;
  void AddFree(uint32_t offset, uint32_t units, uint32_t before);
  void TakeFree(uint32_t offset);

  static const size_t kPrologue;  ///< bytes of this, rounded up to units
  uint32_t units_;                ///< of all blocks
  uint32_t used_ = 0;             ///< units of those in use
  uint64_t filled_[kClasses / 64] = {};  ///< a bit for each class whose list is not empty
  std::array<uint32_t, kClasses> first_;
};

}  // namespace weir
