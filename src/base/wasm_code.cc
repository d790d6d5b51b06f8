#include "base/wasm_code.h"

#include <array>

namespace weir {
namespace {

/// What follows an opcode.
enum class Form : uint8_t {
  kUnknown, kNone, kNumber, kTwoNumbers, kBlock, kTargets, kTypes, kCatches, kHeapType, kFour, kEight,
  kLocal, kFunction, kLoadStore, kMemory, kLong, kVector
};

struct Span {
  uint8_t first, last;
  Form form;
};
constexpr Span kForms[] = {
    {0x00, 0x01, Form::kNone},    {0x02, 0x04, Form::kBlock},     {0x05, 0x05, Form::kNone},   {0x08, 0x08, Form::kNumber},
    {0x0A, 0x0B, Form::kNone},    {0x0C, 0x0D, Form::kNumber},    {0x0E, 0x0E, Form::kTargets}, {0x0F, 0x0F, Form::kNone},
    {0x10, 0x10, Form::kFunction}, {0x11, 0x11, Form::kTwoNumbers}, {0x12, 0x12, Form::kFunction}, {0x13, 0x13, Form::kTwoNumbers},
    {0x14, 0x15, Form::kNumber},  {0x1A, 0x1B, Form::kNone},      {0x1C, 0x1C, Form::kTypes},  {0x1F, 0x1F, Form::kCatches},
    {0x20, 0x22, Form::kLocal},   {0x23, 0x26, Form::kNumber},    {0x28, 0x3E, Form::kLoadStore}, {0x3F, 0x40, Form::kMemory},
    {0x41, 0x42, Form::kNumber},  {0x43, 0x43, Form::kFour},      {0x44, 0x44, Form::kEight},  {0x45, 0xC4, Form::kNone},
    {0xD0, 0xD0, Form::kHeapType}, {0xD1, 0xD1, Form::kNone},     {0xD2, 0xD2, Form::kFunction}, {0xD3, 0xD4, Form::kNone},
    {0xD5, 0xD6, Form::kNumber},  {0xFC, 0xFC, Form::kLong},      {0xFD, 0xFD, Form::kVector},
};
constexpr std::array<Form, 256> MakeForms() {
  std::array<Form, 256> forms{};
  for (const Span& row : kForms) {
    for (unsigned op = row.first; op <= row.last; ++op) forms[op] = row.form;
  }
  return forms;
}
constexpr std::array<Form, 256> kFormOf = MakeForms();

constexpr uint8_t kRefNull = 0x63, kRef = 0x64;  // types of two parts
constexpr uint32_t kIndexed = 0x40;              // in the flags of a load or store

void ReadLoadStore(ByteReader& reader, WasmInstruction* out) {
  out->names = WasmInstruction::Names::kMemory;
  out->has_flags = true;
  out->flags = reader.U32();
  if ((out->flags & kIndexed) != 0) out->index = reader.U32();
  out->rest = reader.at();
  reader.SkipNumber();  // the offset
}

void ReadMemories(ByteReader& reader, int count, WasmInstruction* out) {
  out->names = count == 1 ? WasmInstruction::Names::kMemory : WasmInstruction::Names::kTwoMemories;
  out->index = reader.U32();
  if (count == 2) out->index2 = reader.U32();
}

/// 0xFC: saturating conversions, bulk operations. False: not known.
bool ReadLong(ByteReader& reader, WasmInstruction* out) {
  const uint32_t code = reader.U32();
  if (code <= 7) return true;
  out->operands = reader.at();
  switch (code) {
    case 8:  // memory.init
      reader.SkipNumber();
      out->operands = reader.at();
      ReadMemories(reader, 1, out);
      return true;
    case 9: case 13: case 15: case 16: case 17:  // data.drop, elem.drop, table.grow, .size, .fill
      reader.SkipNumber();
      return true;
    case 10: ReadMemories(reader, 2, out); return true;  // memory.copy
    case 11: ReadMemories(reader, 1, out); return true;  // memory.fill
    case 12: case 14:  // table.init, table.copy
      reader.SkipNumber();
      reader.SkipNumber();
      return true;
    default: return false;
  }
}

/// 0xFD: SIMD, relaxed SIMD among it.
bool ReadVector(ByteReader& reader, WasmInstruction* out) {
  constexpr uint32_t kLast = 0x113;
  const uint32_t code = reader.U32();
  out->operands = reader.at();
  if (code <= 11 || (code >= 84 && code <= 93)) {
    ReadLoadStore(reader, out);
    if (code >= 84 && code <= 91) reader.Byte();  // the lane
  } else if (code == 12 || code == 13) {
    reader.Bytes(16);
  } else if (code >= 21 && code <= 34) {
    reader.Byte();
  }
  return code <= kLast;
}

/// try_table: its type and what it catches.
bool ReadCatches(ByteReader& reader) {
  reader.ValType();
  for (uint32_t left = reader.U32(); left > 0 && reader.good(); --left) {
    const uint8_t kind = reader.Byte();
    if (kind > 3) return false;
    if (kind < 2) reader.SkipNumber();  // the tag
    reader.SkipNumber();
  }
  return true;
}

bool ReadOperands(ByteReader& reader, Form form, WasmInstruction* out) {
  switch (form) {
    case Form::kUnknown: return false;
    case Form::kNone: return true;
    case Form::kTwoNumbers: reader.SkipNumber(); [[fallthrough]];
    case Form::kNumber: reader.SkipNumber(); return true;
    case Form::kHeapType: reader.SkipNumber(); return true;
    case Form::kBlock: reader.ValType(); return true;
    case Form::kFour: reader.Bytes(4); return true;
    case Form::kEight: reader.Bytes(8); return true;
    case Form::kCatches: return ReadCatches(reader);
    case Form::kTargets:
      for (uint64_t left = uint64_t{reader.U32()} + 1; left > 0 && reader.good(); --left) reader.SkipNumber();
      return true;
    case Form::kTypes:
      for (uint32_t left = reader.U32(); left > 0 && reader.good(); --left) reader.ValType();
      return true;
    case Form::kLocal:
    case Form::kFunction:
      out->names = form == Form::kLocal ? WasmInstruction::Names::kLocal : WasmInstruction::Names::kFunction;
      out->index = reader.U32();
      return true;
    case Form::kLoadStore: ReadLoadStore(reader, out); return true;
    case Form::kMemory: ReadMemories(reader, 1, out); return true;
    case Form::kLong: return ReadLong(reader, out);
    case Form::kVector: return ReadVector(reader, out);
  }
  return false;
}

}  // namespace

uint8_t ByteReader::ValType() {
  const size_t begin = at_;
  SkipNumber();  // one byte, or the index of a block's type
  const auto first = begin < bytes_.size() ? static_cast<uint8_t>(bytes_[begin]) : uint8_t{0};
  if (first == kRefNull || first == kRef) SkipNumber();
  return first;
}

void AppendU32(uint32_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) *out += static_cast<char>(value | 0x80);
  *out += static_cast<char>(value);
}

void AppendSized(std::string_view bytes, std::string* out) {
  AppendU32(static_cast<uint32_t>(bytes.size()), out);
  out->append(bytes);
}

std::optional<WasmInstruction> NextInstruction(ByteReader& reader) {
  WasmInstruction out;
  out.begin = reader.at();
  out.opcode = reader.Byte();
  out.operands = reader.at();
  if (!ReadOperands(reader, kFormOf[out.opcode], &out) || !reader.good()) return std::nullopt;
  if (!out.has_flags) out.rest = reader.at();
  return out;
}

}  // namespace weir
