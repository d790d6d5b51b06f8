// A bounds-checked cursor over the bytes of a Wasm binary: numbers, names, limits, value types. For wasm_module.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/wasm_module.h"

namespace weir {

struct ValTypeRow {
  uint8_t byte;
  std::string_view name;
};
inline constexpr ValTypeRow kValTypes[] = {
    {0x7F, "i32"},     {0x7E, "i64"},       {0x7D, "f32"},      {0x7C, "f64"},          {0x7B, "v128"},
    {0x78, "i8"},      {0x77, "i16"},       {0x74, "nullexnref"}, {0x73, "nullfuncref"}, {0x72, "nullexternref"},
    {0x71, "nullref"}, {0x70, "funcref"},   {0x6F, "externref"}, {0x6E, "anyref"},      {0x6D, "eqref"},
    {0x6C, "i31ref"},  {0x6B, "structref"}, {0x6A, "arrayref"}, {0x69, "exnref"},
};
inline constexpr uint8_t kRefNull = 0x63, kRef = 0x64;

inline bool IsUtf8(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    const auto lead = static_cast<uint8_t>(s[i]);
    const size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2
                        : lead >= 0xF0 && lead < 0xF5 ? 3 : 4;
    if (more == 4 || more >= s.size() - i) return false;
    uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<uint8_t>(s[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      code = code << 6 | (next & 0x3F);
    }
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

/// A cursor over [position, end) of the file. The first fault stays; after it every read gives zero or nothing.
class WasmCursor {
 public:
  WasmCursor(std::string_view bytes, uint64_t begin, uint64_t end) : bytes_(bytes), position_(begin), end_(end) {}

  bool ok() const { return fault_.empty(); }
  const std::string& fault() const { return fault_; }
  uint64_t position() const { return position_; }
  uint64_t left() const { return end_ - position_; }
  /// What is being read, for messages: "import 3 of 12".
  void SetThing(std::string thing) { thing_ = std::move(thing); }

  void Fail(std::string_view what, uint64_t at) {
    if (!ok()) return;
    fault_ = "at byte " + std::to_string(at) + ", " + thing_ + ": " + std::string(what);
  }
  void Fail(std::string_view what) { Fail(what, position_); }

  uint8_t Byte(std::string_view what) {
    if (!ok()) return 0;
    if (left() == 0) {
      Fail(std::string(what) + " is missing: the section ends here");
      return 0;
    }
    return static_cast<uint8_t>(bytes_[position_++]);
  }

  /// Unsigned LEB128 of at most `bits`.
  uint64_t Number(std::string_view what, unsigned bits = 32) {
    const uint64_t at = position_;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
      const uint8_t byte = Byte(what);
      if (!ok()) return 0;
      const unsigned room = bits - shift;  // bits of this byte that still fit
      if (room < 7 && (byte & 0x7F) >> room != 0) break;
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    Fail(std::string(what) + " is not a number of " + std::to_string(bits) + " bits", at);
    return 0;
  }

  /// Skips a signed LEB128 of 33 bits (a heap type) and returns it as unsigned bits.
  uint64_t HeapType() {
    const uint64_t at = position_;
    for (unsigned count = 0; count < 5; ++count) {
      const uint8_t byte = Byte("heap type");
      if (!ok()) return 0;
      if ((byte & 0x80) == 0) return byte;
    }
    Fail("heap type is not a number of 33 bits", at);
    return 0;
  }

  /// How many items follow: each takes at least a byte, so a larger count is a lie.
  uint64_t Count(std::string_view what) {
    const uint64_t at = position_;
    const uint64_t count = Number(what);
    if (ok() && count > left()) {
      Fail(std::string(what) + " is " + std::to_string(count) + ", with " + std::to_string(left()) +
               " bytes left in the section", at);
    }
    return ok() ? count : 0;
  }

  std::string_view Bytes(uint64_t size, std::string_view what) {
    if (!ok()) return {};
    if (size > left()) {
      Fail(std::string(what) + " wants " + std::to_string(size) + " bytes, with " + std::to_string(left()) +
           " left in the section");
      return {};
    }
    const std::string_view view = bytes_.substr(position_, size);
    position_ += size;
    return view;
  }

  std::string_view Name(std::string_view what) {
    const uint64_t size = Number(what);
    const uint64_t at = position_;
    const std::string_view name = Bytes(size, what);
    if (ok() && !IsUtf8(name)) Fail(std::string(what) + " is not UTF-8", at);
    return ok() ? name : std::string_view();
  }

  WasmLimits Limits(std::string_view what) {
    const uint8_t flags = Byte(what);
    if (ok() && flags > 7) Fail(std::string(what) + " have unknown flags " + std::to_string(flags), position_ - 1);
    WasmLimits limits;
    limits.shared = (flags & 2) != 0;
    limits.is_64 = (flags & 4) != 0;
    const unsigned bits = limits.is_64 ? 64 : 32;
    limits.min = Number(what, bits);
    if ((flags & 1) != 0) limits.max = Number(what, bits);
    if (ok() && limits.max && *limits.max < limits.min) Fail(std::string(what) + " have a maximum below the minimum");
    return limits;
  }

  std::string ValType() {
    const uint8_t byte = Byte("value type");
    for (const ValTypeRow& row : kValTypes) {
      if (row.byte == byte) return std::string(row.name);
    }
    if (byte == kRefNull || byte == kRef) {
      const uint64_t heap = HeapType();
      return (byte == kRefNull ? "(ref null " : "(ref ") + std::to_string(heap) + ")";
    }
    Fail("unknown value type " + std::to_string(byte), position_ - 1);
    return {};
  }

 private:
  std::string_view bytes_;
  uint64_t position_, end_;
  std::string thing_ = "section header";
  std::string fault_;
};

}  // namespace weir
