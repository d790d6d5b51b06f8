// Which statuses a plugin survives. The Rust SDK panics on each one that it does not expect, and a panic is an outage; so with
// `statuses lenient` a host call answers only what every SDK tolerates. What each call tolerates stands in its row
// (host_functions.cc), in HostFunction::extra:   bit N: status N is tolerated    bits 16 to 20: its Group
//                                                bit 31: may be called from the allocator
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy_wasm/types.h"

namespace weir::proxy_wasm {

inline constexpr uint32_t kFromAllocator = 1u << 31;

/// What `allow=` names. Rows of kAlways are never refused.
enum class Group : uint8_t {
  kAlways,
  kTimer,
  kBody,
  kHeaders,
  kStream,
  kLocalResponse,
  kHttpCall,
  kGrpc,
  kSharedData,
  kQueue,
  kMetrics,
  kProperties,
  kForeign,
};
inline constexpr size_t kGroups = size_t(Group::kForeign) + 1;
inline constexpr uint32_t kGroupShift = 16, kGroupMask = 31;
constexpr uint32_t Of(Group group) { return uint32_t(group) << kGroupShift; }
constexpr Group GroupOf(uint32_t extra) { return Group(extra >> kGroupShift & kGroupMask); }
/// A set of groups, one bit each.
using Groups = uint32_t;
constexpr Groups Bit(Group group) { return 1u << uint32_t(group); }

consteval uint32_t Tolerates(std::initializer_list<Status> statuses) {
  uint32_t set = 0;
  for (Status s : statuses) set |= 1u << uint32_t(s);
  return set;
}

/// OK and INVALID_MEMORY_ACCESS always pass.
constexpr bool Tolerated(uint32_t extra, Status status) {
  constexpr uint32_t kAlways = 1u << uint32_t(Status::kOk) | 1u << uint32_t(Status::kInvalidMemoryAccess);
  return ((extra | kAlways) >> uint32_t(status) & 1) != 0;
}

/// "NOT_FOUND"
std::string_view Name(Status status);
/// "NOT_FOUND, EMPTY": for the documentation.
std::string ToleratedNames(uint32_t extra);

}  // namespace weir::proxy_wasm
