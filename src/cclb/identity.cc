// L1: the identity section, found with the framing rules of the reference's parser (wasmparser 0.252): sections are walked, not
// decoded. It also walks components, and the modules and components inside of them.
#include <algorithm>
#include <cstdio>
#include <string>

#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"

namespace weir::cclb {
namespace {

enum class SectionForm : uint8_t { kUnknown, kCounted, kStart, kDataCount, kCode, kNested, kComponentStart };
struct SectionRow {
  uint8_t id;
  uint8_t order;  ///< sections of a module come in this order, each once; 0: any
  SectionForm form;
};
constexpr SectionRow kModuleSections[] = {
    {1, 1, SectionForm::kCounted},   {2, 2, SectionForm::kCounted},   {3, 3, SectionForm::kCounted}, {4, 4, SectionForm::kCounted},
    {5, 5, SectionForm::kCounted},   {13, 6, SectionForm::kCounted},  {6, 7, SectionForm::kCounted}, {7, 8, SectionForm::kCounted},
    {8, 9, SectionForm::kStart},     {9, 10, SectionForm::kCounted},  {12, 11, SectionForm::kDataCount},
    {10, 12, SectionForm::kCode},    {11, 13, SectionForm::kCounted},
};
constexpr SectionRow kComponentSections[] = {
    {1, 0, SectionForm::kNested},  {2, 0, SectionForm::kCounted}, {3, 0, SectionForm::kCounted}, {4, 0, SectionForm::kNested},
    {5, 0, SectionForm::kCounted}, {6, 0, SectionForm::kCounted}, {7, 0, SectionForm::kCounted}, {8, 0, SectionForm::kCounted},
    {9, 0, SectionForm::kComponentStart}, {10, 0, SectionForm::kCounted}, {11, 0, SectionForm::kCounted},
};
constexpr uint8_t kFunctionId = 3, kDataId = 11;
constexpr std::string_view kWasmMagic("\0asm", 4);
constexpr std::string_view kModuleVersion("\1\0\0\0", 4), kComponentVersion("\x0D\0\1\0", 4);
// Of the reference's parser.
constexpr uint32_t kNameBytesMax = 100'000, kStartArgumentsMax = 1000, kStartResultsMax = 1000;
constexpr uint64_t kNestedBytesMax = 1ull << 30;

class Walker {
 public:
  explicit Walker(std::string_view wasm) : wasm_(wasm) {}

  Checked<PluginIdentity> Run() {
    struct Level {
      State state;
      uint64_t end, declared_end;
    };
    // A stack of our own: nesting costs a few bytes a level, and a module may have 30 MB of them.
    std::vector<Level> outer;
    State state;
    uint64_t end = wasm_.size();
    declared_end_ = UINT64_MAX;
    if (!Header(end, &state)) return Stop();
    while (true) {
      if (position_ == end) {
        if (!Finish(state)) return Stop();
        if (outer.empty()) break;
        state = outer.back().state;
        end = outer.back().end;
        declared_end_ = outer.back().declared_end;
        outer.pop_back();
        continue;
      }
      uint64_t nested = 0;
      if (!Section(end, &state, &nested)) return Stop();
      if (nested == 0) continue;
      outer.push_back({state, end, declared_end_});
      // A nested module that the file cuts short ends where the file does.
      declared_end_ = position_ + nested - 1;
      end = std::min(end, declared_end_);
      state = {};
      if (!Header(end, &state)) return Stop();
    }
    if (!found_) return Fault{"MissingCustomSection", "missing cc_lb.plugin.v1 custom section"};
    return std::move(identity_);
  }

 private:
  // Of one module or component.
  struct State {
    bool component = false;
    bool component_start = false;
    uint8_t order = 0;
    std::optional<uint32_t> functions, bodies, data_count, data;
  };

  Checked<PluginIdentity> Stop() { return std::move(fault_); }
  bool Bad(std::string_view what, uint64_t at) {
    char offset[24];
    std::snprintf(offset, sizeof offset, "%llx", static_cast<unsigned long long>(at));
    fault_ = {"WasmParseError", "invalid wasm: " + std::string(what) + " (at offset 0x" + offset + ")"};
    return false;
  }
  bool Eof() { return Bad("unexpected end-of-file", position_); }

  bool Header(uint64_t end, State* state) {
    if (end - position_ < 4) return Eof();
    if (wasm_.substr(position_, 4) != kWasmMagic) return Bad("magic header not detected: bad magic number", position_);
    if (end - position_ < 8) return Eof();
    const std::string_view version = wasm_.substr(position_ + 4, 4);
    if (version != kModuleVersion && version != kComponentVersion) return Bad("unknown binary version", position_ + 4);
    state->component = version == kComponentVersion;
    position_ += 8;
    return true;
  }

  bool Leb(uint64_t end, uint32_t* out) {
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      if (position_ >= end) return Eof();
      const auto byte = static_cast<uint8_t>(wasm_[position_++]);
      if (shift == 28 && byte >> 4 != 0) {
        return Bad((byte & 0x80) != 0 ? "invalid var_u32: integer representation too long" : "invalid var_u32: integer too large",
                   position_ - 1);
      }
      value |= static_cast<uint32_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) break;
    }
    *out = value;
    return true;
  }

  // `nested`: 0, or 1 + the bytes of a module or component that begins here.
  bool Section(uint64_t end, State* state, uint64_t* nested) {
    if (end - position_ >= 4 && wasm_.substr(position_, 4) == kWasmMagic) return Bad("expected section, got wasm magic number", position_);
    const uint64_t at = position_;
    const auto id = static_cast<uint8_t>(wasm_[position_++]);
    if ((id & 0x80) != 0) return Bad("malformed section id", at);
    uint32_t size = 0;
    if (!Leb(end, &size)) return false;
    if (size > declared_end_ - position_) return Bad("section too large", at + 1);
    const SectionRow* row = nullptr;
    const auto find = [&](const auto& rows) {
      for (const SectionRow& candidate : rows) {
        if (candidate.id == id) row = &candidate;
      }
    };
    state->component ? find(kComponentSections) : find(kModuleSections);
    if (row != nullptr && row->order != 0) {
      if (row->order <= state->order) return Bad("section out of order", position_);
      state->order = row->order;
    }
    const SectionForm form = row == nullptr ? SectionForm::kUnknown : row->form;
    if (form == SectionForm::kNested) {
      if (size > kNestedBytesMax) return Bad("section is too large", at);
      *nested = 1 + static_cast<uint64_t>(size);
      return true;
    }
    if (form == SectionForm::kCode) return Code(end, size, state);
    if (size > end - position_) return Eof();
    const uint64_t stop = position_ + size;
    if (id == 0) {
      if (!Custom(stop)) return false;
    } else if (form != SectionForm::kUnknown && !Content(form, id, stop, state)) {
      return false;
    }
    position_ = stop;
    return true;
  }

  bool Content(SectionForm form, uint8_t id, uint64_t stop, State* state) {
    uint32_t first = 0;
    if (form == SectionForm::kComponentStart) {
      if (state->component_start) return Bad("component cannot have more than one start function", position_);
      state->component_start = true;
    }
    if (!Leb(stop, &first)) return false;
    switch (form) {
      case SectionForm::kCounted:
        if (state->component) return true;
        if (id == kFunctionId) state->functions = first;
        if (id == kDataId) {
          state->data = first;
          return CheckDataCount(*state);
        }
        return true;
      case SectionForm::kComponentStart: {
        uint32_t count = 0, value = 0;
        if (!Leb(stop, &count)) return false;
        if (count > kStartArgumentsMax) return Bad("start function arguments size is out of bounds", position_);
        for (uint32_t i = 0; i < count; ++i) {
          if (!Leb(stop, &value)) return false;
        }
        if (!Leb(stop, &value)) return false;
        if (value > kStartResultsMax) return Bad("start function results size is out of bounds", position_);
        break;
      }
      case SectionForm::kDataCount: state->data_count = first; break;
      default: break;
    }
    return position_ == stop || Bad("unexpected content in the section", position_);
  }

  // Bodies are framed one by one, by the section's size: it may lie about the file's end until a body does.
  bool Code(uint64_t end, uint32_t size, State* state) {
    uint64_t left = size;
    uint64_t start = position_;
    uint32_t count = 0;
    if (!Leb(end, &count)) return false;
    if (position_ - start > left) return Bad("unexpected end-of-file", start);
    left -= position_ - start;
    state->bodies = count;
    if (!CheckBodies(*state)) return false;
    for (uint32_t i = 0; i < count; ++i) {
      start = position_;
      uint32_t body = 0;
      if (!Leb(end, &body)) return false;
      if (body > end - position_) return Eof();
      position_ += body;
      if (position_ - start > left) return Bad("unexpected end-of-file", start);
      left -= position_ - start;
    }
    return left == 0 || Bad("trailing bytes at end of section", position_);
  }

  bool CheckBodies(const State& state) {
    if (state.functions && state.bodies && *state.functions != *state.bodies) {
      return Bad("function and code section have inconsistent lengths", position_);
    }
    if (state.functions.value_or(0) > 0 && !state.bodies) {
      return Bad("function section has non-zero count but code section is absent", position_);
    }
    if (state.bodies.value_or(0) > 0 && !state.functions) {
      return Bad("function section is absent but code section has non-zero count", position_);
    }
    return true;
  }
  bool CheckDataCount(const State& state) {
    if (state.data_count && state.data && *state.data_count != *state.data) {
      return Bad("data count and data section have inconsistent lengths", position_);
    }
    if (state.data_count.value_or(0) > 0 && !state.data) return Bad("data count is non-zero but data section is absent", position_);
    return true;
  }
  bool Finish(const State& state) { return CheckBodies(state) && CheckDataCount(state); }

  bool Custom(uint64_t stop) {
    uint32_t size = 0;
    if (!Leb(stop, &size)) return false;
    if (size > kNameBytesMax) return Bad("string size out of bounds", position_ - 1);
    if (size > stop - position_) return Eof();
    const std::string_view name = wasm_.substr(position_, size);
    if (!IsValidUtf8(name)) return Bad("malformed UTF-8 encoding", position_);
    if (name != kIdentitySection) return true;
    return Identity(wasm_.substr(position_ + size, stop - position_ - size));
  }

  bool Identity(std::string_view payload) {
    const std::string section(kIdentitySection);
    if (found_) {
      fault_ = {"DuplicateCustomSection", "duplicate " + section + " custom section"};
      return false;
    }
    if (payload.size() > Limit::kCustomSectionBytes) {
      fault_ = {"SectionTooLarge", section + " custom section is " + std::to_string(payload.size()) + " bytes, max " +
                                       std::to_string(Limit::kCustomSectionBytes)};
      return false;
    }
    Checked<PluginIdentity> read = ReadChecked<PluginIdentity>(payload);
    if (!read) {
      fault_ = {"MalformedPayload", "malformed " + section + " payload: " + read.fault().message};
      return false;
    }
    if (std::optional<Fault> fault = Validate(*read)) {
      fault_ = fault->variant == "MagicMismatch"
                   ? Fault{"MagicMismatch", "magic mismatch in " + section + " custom section"}
                   : Fault{"Validation." + fault->variant, "invalid plugin identity: " + fault->message};
      return false;
    }
    identity_ = std::move(*read);
    found_ = true;
    return true;
  }

  std::string_view wasm_;
  uint64_t position_ = 0;
  uint64_t declared_end_ = 0;  // of the module or component that is being walked; the file may end before
  Fault fault_;
  bool found_ = false;
  PluginIdentity identity_;
};

bool IsPluginName(std::string_view name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  if (name.size() > Limit::kPluginNameBytes || !lower(name[0])) return false;
  for (const char c : name) {
    if (!lower(c) && !(c >= '0' && c <= '9') && c != '_' && c != '-') return false;
  }
  return true;
}

}  // namespace

std::optional<Fault> Validate(const PluginIdentity& identity) {
  if (identity.magic != kMagic) return Fault{"MagicMismatch", "magic number mismatch"};
  if (identity.plugin_name.empty()) return Fault{"PluginNameEmpty", "plugin name is empty"};
  if (!IsPluginName(identity.plugin_name)) {
    return Fault{"PluginNameInvalid", "plugin name does not match pattern " + std::string(Limit::kPluginNamePattern) + " (max " +
                                          std::to_string(Limit::kPluginNameBytes) + " bytes)"};
  }
  if (identity.plugin_version.empty()) return Fault{"PluginVersionEmpty", "plugin version is empty"};
  if (identity.plugin_version.size() > Limit::kPluginVersionBytes) {
    return Fault{"PluginVersionTooLong", "plugin version exceeds max length of " + std::to_string(Limit::kPluginVersionBytes) + " bytes"};
  }
  return std::nullopt;
}

Checked<PluginIdentity> ReadIdentity(std::string_view wasm) { return Walker(wasm).Run(); }

}  // namespace weir::cclb
