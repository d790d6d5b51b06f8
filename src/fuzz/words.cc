#include "fuzz/words.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "base/wasm_cursor.h"
#include "base/wasm_module.h"

namespace weir::fuzz {
namespace {

constexpr size_t kTextsMax = 4096, kNumbersMax = 1024, kAddressesMax = 1 << 20;
constexpr size_t kWordMin = 2, kWordMax = 64;
constexpr uint8_t kI32Const = 0x41, kI64Const = 0x42, kEnd = 0x0b;
constexpr size_t kNear = 24;  // bytes of code in which the next constant belongs to the one before

bool IsPrintable(char c) { return c >= 0x20 && c < 0x7f; }
bool AllPrintable(std::string_view text) { return std::all_of(text.begin(), text.end(), IsPrintable); }

/// Signed LEB128 of at most `bits` at `*at`, which goes behind it. nullopt: it is none.
std::optional<int64_t> Signed(std::string_view bytes, size_t* at, unsigned bits) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < bits && *at < bytes.size(); shift += 7) {
    const auto byte = uint8_t(bytes[(*at)++]);
    value |= uint64_t(byte & 0x7f) << shift;
    if ((byte & 0x80) != 0) continue;
    if ((byte & 0x40) != 0 && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
    return int64_t(value);
  }
  return std::nullopt;
}

struct Segment {
  uint64_t address = 0;
  bool placed = false;  ///< its address is known
  std::string_view bytes;
};

std::vector<Segment> Segments(std::string_view wasm, const WasmModule& module) {
  std::vector<Segment> segments;
  for (const WasmSection& section : module.sections) {
    if (section.id != 11) continue;
    WasmCursor cursor(wasm, section.offset, section.offset + section.size);
    const uint64_t count = cursor.Count("segments");
    for (uint64_t i = 0; i < count && cursor.ok(); ++i) {
      const uint64_t flags = cursor.Number("flags");
      if (flags == 2) cursor.Number("memory");
      Segment segment;
      if (flags != 1) {
        size_t at = size_t(cursor.position()) + 1;
        const auto opcode = cursor.Byte("offset");
        const auto value = Signed(wasm, &at, opcode == kI64Const ? 64 : 32);
        segment.placed = (opcode == kI32Const || opcode == kI64Const) && value && at < wasm.size() && uint8_t(wasm[at]) == kEnd;
        if (segment.placed) segment.address = opcode == kI32Const ? uint32_t(*value) : uint64_t(*value);
        while (cursor.ok() && cursor.Byte("offset") != kEnd) {
        }
      }
      segment.bytes = cursor.Bytes(cursor.Number("size"), "data");
      if (cursor.ok()) segments.push_back(segment);
    }
  }
  return segments;
}

class Reader {
 public:
  Reader(std::string_view wasm, const WasmModule& module) : segments_(Segments(wasm, module)) {
    for (const WasmSection& section : module.sections)
      if (section.id == 10) Code(wasm.substr(section.offset, section.size));
    EndLetters();
    for (const Segment& segment : segments_) Pointers(segment);
    for (const Segment& segment : segments_) Runs(segment);
  }

  Words Take() {
    Words words;
    std::set<std::string> seen;
    const auto put = [&](const std::vector<std::string>& from) {
      for (const std::string& text : from)
        if (words.texts.size() < kTextsMax && Useful(text) && seen.insert(text).second) words.texts.push_back(text);
    };
    put(whole_);
    words.whole = words.texts.size();
    put(guessed_);
    words.numbers.assign(numbers_.begin(), numbers_.end());
    return words;
  }

 private:
  /// Not what compilers leave: paths of sources, messages of panics.
  static bool Useful(const std::string& text) {
    constexpr std::string_view kNoise[] = {".rs", ".go", "rustc", "src/", "runtime.", "panicked", "internal error", "Option::", "Result::", "goroutine"};
    if (text.size() < kWordMin || text.size() > kWordMax || !AllPrintable(text)) return false;
    return std::none_of(std::begin(kNoise), std::end(kNoise), [&](std::string_view noise) { return text.find(noise) != text.npos; });
  }

  const Segment* At(uint64_t address) const {
    for (const Segment& segment : segments_)
      if (segment.placed && address >= segment.address && address - segment.address < segment.bytes.size()) return &segment;
    return nullptr;
  }
  void Whole(uint64_t address, uint64_t size) {
    const Segment* segment = size >= kWordMin && size <= kWordMax ? At(address) : nullptr;
    if (segment == nullptr || address - segment->address + size > segment->bytes.size()) return;
    const std::string_view text = segment->bytes.substr(address - segment->address, size);
    if (AllPrintable(text) && whole_.size() < kTextsMax) whole_.emplace_back(text);
  }

  /// Constants wherever the code may have them: what is none is a word that nothing asks for, no harm.
  void Code(std::string_view code) {
    uint64_t last_address = 0;
    size_t last_at = 0, fragment_at = 0;
    std::string fragment;
    for (size_t i = 0; i < code.size(); ++i) {
      const auto opcode = uint8_t(code[i]);
      if (opcode != kI32Const && opcode != kI64Const) continue;
      size_t end = i + 1;
      const auto value = Signed(code, &end, opcode == kI32Const ? 32 : 64);
      if (!value) continue;
      const bool short_one = opcode == kI32Const;
      const uint64_t number = short_one ? uint32_t(*value) : uint64_t(*value);
      if (number >= 2 && number <= 65536 && numbers_.size() < kNumbersMax) numbers_.insert(uint32_t(number));
      if (last_at != 0 && i - last_at < kNear) Whole(last_address, number);
      last_at = 0;
      if (short_one && At(number) != nullptr && starts_.size() < kAddressesMax) {
        starts_.insert(number);
        last_address = number;
        last_at = end;
      }
      Letter(number, i);
      std::string text = Immediate(number, short_one ? 4 : 8);
      if (text.empty()) continue;
      if (!fragment.empty() && i - fragment_at < kNear * 2) text = Joined(fragment, text);
      whole_.push_back(text);
      fragment = text.size() <= kWordMax ? text : "";
      fragment_at = end;
    }
  }
  /// Texts that are compared letter by letter, as a loop that was unrolled.
  void Letter(uint64_t number, size_t at) {
    const bool letter = number > 0x20 && number < 0x7f;
    if (letter && at - letter_at_ < kNear && letters_.size() < kWordMax) {
      letters_ += char(number);
    } else if (letter) {
      EndLetters();
      letters_ = char(number);
    } else {
      return;
    }
    letter_at_ = at;
  }
  void EndLetters() {
    constexpr size_t kLeast = 4;
    if (letters_.size() >= kLeast && whole_.size() < kTextsMax) whole_.push_back(letters_);
    letters_.clear();
  }
  /// Short texts are compared as numbers: their bytes are in the code. Empty: it is none.
  static std::string Immediate(uint64_t number, size_t bytes) {
    char text[8];
    std::memcpy(text, &number, sizeof text);
    const size_t size = size_t(std::find(text, text + bytes, '\0') - text);
    return size >= 3 && AllPrintable({text, size}) && number >> (size * 8 - 1) <= 1 ? std::string(text, size) : "";
  }
  /// A longer one is compared in parts, which overlap.
  static std::string Joined(const std::string& first, const std::string& second) {
    for (size_t common = std::min(first.size(), second.size()); common > 0; --common)
      if (first.ends_with(second.substr(0, common))) return first + second.substr(common);
    return first + second;
  }

  /// Static texts of Rust and Go are an address and a length.
  void Pointers(const Segment& segment) {
    const auto word = [&](size_t at) {
      uint32_t value;
      std::memcpy(&value, segment.bytes.data() + at, sizeof value);
      return uint64_t{value};
    };
    for (size_t at = size_t(-segment.address & 3); at + 8 <= segment.bytes.size(); at += 4) {
      const uint64_t address = word(at);
      if (address == 0 || At(address) == nullptr) continue;
      if (starts_.size() < kAddressesMax) starts_.insert(address);
      Whole(address, word(at + 4));
    }
  }

  /// Printable bytes in a row, apart where a text begins.
  void Runs(const Segment& segment) {
    const std::string_view bytes = segment.bytes;
    for (size_t begin = 0; begin < bytes.size();) {
      if (!IsPrintable(bytes[begin])) {
        ++begin;
        continue;
      }
      size_t end = begin + 1;
      while (end < bytes.size() && IsPrintable(bytes[end]) && !(segment.placed && starts_.contains(segment.address + end))) ++end;
      if (guessed_.size() < kTextsMax * 4) guessed_.emplace_back(bytes.substr(begin, std::min(end - begin, kWordMax)));
      begin = end;
    }
  }

  std::vector<Segment> segments_;
  std::set<uint64_t> starts_;  ///< addresses of texts
  std::string letters_;
  size_t letter_at_ = 0;
  std::vector<std::string> whole_, guessed_;
  std::set<uint32_t> numbers_;
};

}  // namespace

Words WordsOfModule(std::string_view wasm) {
  const auto module = ReadWasmModule(wasm, "plugin");
  return module ? Reader(wasm, *module).Take() : Words();
}

bool IsHeaderName(std::string_view text) {
  if (text.starts_with(':')) text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; });
}

}  // namespace weir::fuzz
