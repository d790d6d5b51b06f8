// The kernel's memory from the host's side (kernel.wat has the layout). What a guest may have written there is looked at with
// suspicion: nothing that is read here is an offset until it was compared with the memory's size.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace weir::extism {

/// The module of the kernel: kernel.wat as a binary.
extern const std::string_view kKernelWasm;

inline constexpr std::string_view kEnvModule = "extism:host/env", kUserModule = "extism:host/user";

/// A view of the memory as it is now; memory that grows needs another.
class KernelMemory {
 public:
  explicit KernelMemory(std::span<uint8_t> memory) : memory_(memory) {}

  uint64_t position() const { return Load(kPosition); }
  uint64_t error() const { return Load(kError); }
  struct Range {
    uint64_t offset = 0, length = 0;
  };
  Range output() const { return {Load(kOutputOffset), Load(kOutputLength)}; }
  /// nullopt: not all inside.
  std::optional<std::span<uint8_t>> Bytes(uint64_t offset, uint64_t length) const {
    if (offset > memory_.size() || length > memory_.size() - offset) return std::nullopt;
    return memory_.subspan(offset, length);
  }
  void ClearError() { Store(kError, 0); }
  /// As the kernel's own `reset`.
  void Reset() {
    const uint64_t used = position();
    std::memset(&memory_[kBlocks], 0, used < memory_.size() - kBlocks ? used : memory_.size() - kBlocks);
    Store(kPosition, 0);
    std::memset(&memory_[kError], 0, kBlocks - kError);
  }
  /// After Reset: the first block is the input, `bytes` long. False: it needs more memory, by the kernel's own `alloc`.
  bool PlaceInput(uint64_t bytes) {
    if (bytes + kHeader >= Load(kCapacity) - kRoot) return false;
    PlaceFirst(static_cast<uint32_t>(bytes));
    return true;
  }
  /// A first block of so many bytes, for which there is room, and no other.
  void PlaceFirst(uint32_t bytes) {
    memory_[kBlocks] = 1;
    std::memcpy(&memory_[kBlocks + 4], &bytes, sizeof bytes);
    std::memcpy(&memory_[kBlocks + 8], &bytes, sizeof bytes);
    Store(kPosition, kHeader + bytes);
  }
  /// No block is left, and no byte changed: `alloc` gives the first one again, where it was.
  void Rewind() { Store(kPosition, 0); }
  /// The first bytes of the first block are the input.
  void SetInput(uint32_t length) {
    std::memcpy(&memory_[kBlocks + 8], &length, sizeof length);
    Store(kInputOffset, length == 0 ? 0 : kFirstHandle);
    Store(kInputLength, length);
  }
  static constexpr uint64_t kFirstHandle = 77;

 private:
  static constexpr size_t kPosition = 9, kCapacity = 17, kError = 25, kInputOffset = 33, kInputLength = 41, kOutputOffset = 49,
                          kOutputLength = 57, kBlocks = 65, kRoot = 64, kHeader = 12;
  static_assert(kFirstHandle == kBlocks + kHeader);
  uint64_t Load(size_t at) const {
    uint64_t value;
    std::memcpy(&value, &memory_[at], sizeof value);
    return value;
  }
  void Store(size_t at, uint64_t value) { std::memcpy(&memory_[at], &value, sizeof value); }

  std::span<uint8_t> memory_;
};

}  // namespace weir::extism
