#include "engine/trap_text.h"

#include <cstdio>
#include <cstring>

namespace weir::engine {
namespace {

constexpr uint64_t kPage = 64 << 10;
constexpr size_t kFramesMax = 64;

struct CodeText {
  wasmtime_trap_code_t code;
  Trap::Kind kind;
  const char* text;
};
constexpr CodeText kCodes[] = {
    {WASMTIME_TRAP_CODE_STACK_OVERFLOW, Trap::Kind::kStackOverflow, "its call stack overflowed (endless recursion?)"},
    {WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS, Trap::Kind::kGuest, "memory access out of bounds"},
    {WASMTIME_TRAP_CODE_HEAP_MISALIGNED, Trap::Kind::kGuest, "misaligned atomic access"},
    {WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS, Trap::Kind::kGuest, "table access out of bounds"},
    {WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL, Trap::Kind::kGuest, "indirect call to null"},
    {WASMTIME_TRAP_CODE_BAD_SIGNATURE, Trap::Kind::kGuest, "indirect call with another signature"},
    {WASMTIME_TRAP_CODE_INTEGER_OVERFLOW, Trap::Kind::kGuest, "integer overflow"},
    {WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO, Trap::Kind::kGuest, "division by zero"},
    {WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER, Trap::Kind::kGuest, "a float that fits no integer"},
    {WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED, Trap::Kind::kGuest, "unreachable"},
    {WASMTIME_TRAP_CODE_INTERRUPT, Trap::Kind::kDeadline, "interrupted"},
    {WASMTIME_TRAP_CODE_OUT_OF_FUEL, Trap::Kind::kFuel, "used its fuel"},
    {WASMTIME_TRAP_CODE_NULL_REFERENCE, Trap::Kind::kGuest, "null reference"},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// "   12:   0x2a1 - plugin!alloc::alloc::h0123" -> "alloc::alloc"; empty: no frame.
std::string_view FrameName(std::string_view line) {
  size_t at = line.find_first_not_of(' ');
  if (at == line.npos || at == 0 || !IsDigit(line[at])) return {};
  while (at < line.size() && IsDigit(line[at])) ++at;
  if (at >= line.size() || line[at] != ':') return {};
  const size_t dash = line.find(" - ", at);
  if (dash == line.npos) return {};
  std::string_view name = line.substr(dash + 3);
  // The module's name in front; operators of C++ have a '!' too, but not as their first one.
  if (const size_t mark = name.find('!'); mark != name.npos && mark > 0 && mark + 1 < name.size()) name.remove_prefix(mark + 1);
  // Rust's hash of the function says nothing to a reader: "::h0123456789abcdef".
  constexpr size_t kHashBytes = 19;
  if (name.size() > kHashBytes && name.substr(name.size() - kHashBytes).starts_with("::h") &&
      name.find_last_not_of("0123456789abcdef") == name.size() - kHashBytes + 2) {
    name.remove_suffix(kHashBytes);
  }
  return name;
}

/// The "      at file:line:column" below a frame.
std::string_view FramePlace(std::string_view line) {
  const size_t at = line.find_first_not_of(' ');
  if (at == line.npos || at == 0 || !line.substr(at).starts_with("at ")) return {};
  return line.substr(at + 3);
}

}  // namespace

Trap DecodeTrap(const wasm_trap_t& trap) {
  const std::string message = Message(trap);
  wasmtime_trap_code_t code;
  if (wasmtime_trap_code(&trap, &code)) {
    for (const CodeText& row : kCodes) {
      if (row.code == code) return {.kind = row.kind, .message = row.text, .backtrace = BacktraceOf(message)};
    }
  }
  return {.kind = Trap::Kind::kGuest, .message = message.substr(0, message.find('\n')), .backtrace = BacktraceOf(message)};
}

std::string BacktraceOf(std::string_view message) {
  std::string text;
  size_t frames = 0;
  while (!message.empty() && frames < kFramesMax) {
    const size_t end = std::min(message.find('\n'), message.size());
    const std::string_view line = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    if (const std::string_view name = FrameName(line); !name.empty()) {
      if (!text.empty()) text += '\n';
      text += name;
      ++frames;
    } else if (const std::string_view place = FramePlace(line); !place.empty() && frames > 0) {
      text += " (" + std::string(place) + ")";
    }
  }
  return text;
}

std::string MemoryNote(uint64_t size_bytes, uint64_t limit_bytes) {
  if (size_bytes + kPage > limit_bytes) return " (its memory is at the limit of " + Bytes(limit_bytes) + ")";
  // Guests grow by more than a page: near it, the limit is probably why.
  if (size_bytes >= limit_bytes / 4 * 3) {
    return " (its memory is " + Bytes(size_bytes) + ", near the limit of " + Bytes(limit_bytes) + ")";
  }
  return "";
}

std::string Bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, value == static_cast<double>(static_cast<uint64_t>(value)) ? "%.0f %s" : "%.1f %s", value,
                kUnits[unit]);
  return text;
}

}  // namespace weir::engine
