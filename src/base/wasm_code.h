// The code of functions, instruction by instruction: where each ends and what of it names a local, a function, a memory. For
// rewriting; it validates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// Reads bytes and LEB128 numbers. After the first that is not there it is bad and gives 0.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  bool good() const { return good_; }
  bool at_end() const { return at_ == bytes_.size(); }
  size_t at() const { return at_; }
  std::string_view Since(size_t begin) const { return bytes_.substr(begin, at_ - begin); }

  uint8_t Byte() {
    if (at_ < bytes_.size()) [[likely]] return static_cast<uint8_t>(bytes_[at_++]);
    good_ = false;
    return 0;
  }
  uint32_t U32() {
    uint32_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      const uint8_t byte = Byte();
      if (shift == 28 && byte > 0x0f) break;  // more than 32 bits
      value |= static_cast<uint32_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    good_ = false;
    return 0;
  }
  /// A number of up to 64 bits whose value is of no interest.
  void SkipNumber() {
    for (int i = 0; i < 10; ++i) {
      if (Byte() < 0x80) return;
    }
    good_ = false;
  }
  std::string_view Bytes(size_t size) {
    if (size > bytes_.size() - at_) {
      good_ = false;
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  /// A length and so many bytes.
  std::string_view Sized() { return Bytes(U32()); }
  /// A value type, also one of two parts. Its first byte.
  uint8_t ValType();

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool good_ = true;
};

void AppendU32(uint32_t value, std::string* out);
/// A length and the bytes.
void AppendSized(std::string_view bytes, std::string* out);

struct WasmInstruction {
  enum class Names : uint8_t {
    kNothing,  ///< of these
    kLocal, kFunction,
    kMemory,     ///< `index` is a memory's, behind `flags` and before the offset where has_flags
    kTwoMemories  ///< `index` and `index2`
  };
  Names names = Names::kNothing;
  uint8_t opcode = 0;       ///< the first byte
  bool has_flags = false;   ///< a load or store: alignment and offset
  uint32_t flags = 0;       ///< of has_flags; bit 6: the memory's index is written
  uint32_t index = 0, index2 = 0;
  size_t begin = 0;         ///< in the reader
  size_t operands = 0;      ///< where flags, else the index, begin
  size_t rest = 0;          ///< behind what was named: the offset, a lane; else the instruction's end
};
/// The next one. nullopt: cut off, or of a proposal that is not known here (garbage collection, threads, legacy exceptions).
std::optional<WasmInstruction> NextInstruction(ByteReader& reader);

}  // namespace weir
