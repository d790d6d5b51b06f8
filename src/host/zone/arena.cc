#include "host/zone/arena.h"

#include <algorithm>
#include <bit>
#include <new>

#include "base/check.h"

namespace weir {
namespace {

constexpr size_t kLooksInClass = 32;  // blocks of a request's own class that are tried before a larger class

}  // namespace

const size_t Arena::kPrologue = (sizeof(Arena) + kUnit - 1) / kUnit * kUnit;

Arena* Arena::Make(void* memory, size_t bytes) {
  if (bytes < kPrologue + 2 * kUnit) return nullptr;
  const size_t units = (bytes - kPrologue) / kUnit;
  if (units >= kUsed) return nullptr;
  return new (memory) Arena(static_cast<uint32_t>(units));
}

Arena::Arena(uint32_t units) : units_(units) {
  first_.fill(kNone);
  AddFree(0, units, 0);
}

uint32_t Arena::OffsetOf(const Block* block) const {
  return static_cast<uint32_t>((reinterpret_cast<const char*>(block) - const_cast<Arena*>(this)->start()) / static_cast<ptrdiff_t>(kUnit));
}

/// Four classes for each power of two: 4·log2, then the two bits below the highest.
size_t Arena::ClassOf(uint32_t units) {
  const auto log = static_cast<size_t>(std::bit_width(units) - 1);
  const size_t below = log >= 2 ? units >> (log - 2) & 3 : (size_t{units} << (2 - log)) & 3;
  return log * 4 + below;
}

void Arena::AddFree(uint32_t offset, uint32_t units, uint32_t before) {
  const size_t of = ClassOf(units);
  *At(offset) = {units, before, first_[of], kNone};
  if (first_[of] != kNone) At(first_[of])->previous = offset;
  first_[of] = offset;
  filled_[of / 64] |= uint64_t{1} << of % 64;
  if (offset + units < units_) At(offset + units)->before = units;
}

void Arena::TakeFree(uint32_t offset) {
  const Block* block = At(offset);
  const size_t of = ClassOf(block->size_used);
  if (block->next != kNone) At(block->next)->previous = block->previous;
  if (block->previous != kNone) {
    At(block->previous)->next = block->next;
  } else {
    first_[of] = block->next;
    if (block->next == kNone) filled_[of / 64] &= ~(uint64_t{1} << of % 64);
  }
}

uint32_t Arena::FindFree(uint32_t units) const {
  const size_t own = ClassOf(units);
  uint32_t at = first_[own];
  for (size_t looks = 0; at != kNone && looks < kLooksInClass; ++looks, at = At(at)->next) {
    if (At(at)->size_used >= units) return at;
  }
  for (size_t of = own + 1; of < kClasses;) {  // any block of a larger class is large enough
    const uint64_t word = filled_[of / 64] >> of % 64;
    if (word != 0) return first_[of + static_cast<size_t>(std::countr_zero(word))];
    of = (of / 64 + 1) * 64;
  }
  for (; at != kNone; at = At(at)->next) {
    if (At(at)->size_used >= units) return at;
  }
  return kNone;
}

void* Arena::Allocate(size_t bytes) {
  const size_t wanted = TakenBy(bytes) / kUnit;
  if (bytes > size_bytes() || wanted > units_) return nullptr;
  const auto units = static_cast<uint32_t>(wanted);
  const uint32_t offset = FindFree(units);
  if (offset == kNone) return nullptr;
  Block* block = At(offset);
  const uint32_t size = SizeOf(block), before = block->before;
  TakeFree(offset);
  if (size > units) AddFree(offset + units, size - units, units);
  block->before = before;
  block->size_used = units | kUsed;
  used_ += units;
  return reinterpret_cast<char*>(block) + kHeader;
}

void Arena::Free(void* memory) {
  Block* block = BlockOf(memory);
  WEIR_CHECK((block->size_used & kUsed) != 0);
  uint32_t offset = OffsetOf(block), size = SizeOf(block), before = block->before;
  used_ -= size;
  if (offset + size < units_ && (At(offset + size)->size_used & kUsed) == 0) {
    const uint32_t after = offset + size;
    size += SizeOf(At(after));
    TakeFree(after);
  }
  if (before != 0 && (At(offset - before)->size_used & kUsed) == 0) {
    offset -= before;
    size += before;
    before = At(offset)->before;
    TakeFree(offset);
  }
  AddFree(offset, size, before);
}

size_t Arena::Taken(const void* memory) {
  return size_t{SizeOf(BlockOf(const_cast<void*>(memory)))} * kUnit;
}

void Arena::Rebuild(std::vector<void*> live) {
  std::sort(live.begin(), live.end());
  first_.fill(kNone);
  filled_[0] = filled_[1] = 0;
  used_ = 0;
  uint32_t at = 0, before = 0;
  const auto gap = [&](uint32_t until) {
    if (until <= at) return;
    AddFree(at, until - at, before);
    before = until - at;
  };
  for (void* memory : live) {
    Block* block = BlockOf(memory);
    gap(OffsetOf(block));
    at = OffsetOf(block) + SizeOf(block);
    block->size_used |= kUsed;
    block->before = before;
    before = SizeOf(block);
    used_ += before;
  }
  gap(units_);
}

bool Arena::Sound() const {
  uint32_t at = 0, before = 0, used = 0;
  size_t free_blocks = 0, listed = 0;
  bool free_before = false;
  while (at < units_) {
    const Block* block = At(at);
    const uint32_t size = SizeOf(block);
    const bool free = (block->size_used & kUsed) == 0;
    if (size == 0 || size > units_ - at || block->before != before || (free && free_before)) return false;
    used += free ? 0 : size;
    free_blocks += free;
    free_before = free;
    before = size;
    at += size;
  }
  for (size_t of = 0; of < kClasses; ++of) {
    if ((first_[of] != kNone) != ((filled_[of / 64] >> of % 64 & 1) != 0)) return false;
    uint32_t previous = kNone;
    for (uint32_t i = first_[of]; i != kNone; previous = i, i = At(i)->next) {
      if (++listed > free_blocks || ClassOf(At(i)->size_used) != of || At(i)->previous != previous) return false;
    }
  }
  return used == used_ && listed == free_blocks;
}

}  // namespace weir
