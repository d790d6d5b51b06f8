// Values of WASI preview1 (wasi_snapshot_preview1.witx), those that Weir answers or reads.
#pragma once

#include <cstdint>
#include <string_view>

#include "abi/status_abi.h"

namespace weir::wasi {

enum class Errno : uint16_t {
  kSuccess = 0,
  kBadf = 8,
  kFault = 21,
  kInval = 28,
  kIo = 29,
  kNosys = 52,
  kNotsup = 58,
  kSpipe = 70,
};

/// "BADF"
constexpr std::string_view Name(Errno error) {
  switch (error) {
    case Errno::kSuccess: return "SUCCESS";
    case Errno::kBadf: return "BADF";
    case Errno::kFault: return "FAULT";
    case Errno::kInval: return "INVAL";
    case Errno::kIo: return "IO";
    case Errno::kNosys: return "NOSYS";
    case Errno::kNotsup: return "NOTSUP";
    case Errno::kSpipe: return "SPIPE";
  }
  return "?";
}

template <class T>
using Answer = abi::Answer<Errno, T>;

enum class ClockId : uint32_t { kRealtime = 0, kMonotonic = 1 };  // 2, 3: CPU time, which Weir does not offer
enum class EventType : uint8_t { kClock = 0, kFdRead = 1, kFdWrite = 2 };
inline constexpr uint8_t kCharacterDevice = 2;  // filetype
inline constexpr uint64_t kRightFdRead = 1ull << 1, kRightFdWrite = 1ull << 6;

struct Fdstat {
  uint8_t filetype = 0;
  uint8_t padding = 0;
  uint16_t flags = 0;
  uint32_t padding2 = 0;
  uint64_t rights_base = 0;
  uint64_t rights_inheriting = 0;
};
static_assert(sizeof(Fdstat) == 24);

struct Filestat {
  uint64_t device = 0, inode = 0;
  uint8_t filetype = 0;
  uint8_t padding[7] = {};
  uint64_t links = 0, size = 0;
  uint64_t accessed_ns = 0, modified_ns = 0, changed_ns = 0;
};
static_assert(sizeof(Filestat) == 64);

inline constexpr uint32_t kIovecBytes = 8;
inline constexpr uint32_t kEventBytes = 32;
inline constexpr uint32_t kSubscriptionBytes = 48;
inline constexpr uint32_t kUnstableSubscriptionBytes = 56;  // wasi_unstable: a clock has an identifier in front

}  // namespace weir::wasi
