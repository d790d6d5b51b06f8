#include "proxy_wasm/proto.h"

namespace weir::proxy_wasm {
namespace {
enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
constexpr uint64_t kFieldMax = (1u << 29) - 1;
}  // namespace

bool ProtoReader::Varint(uint64_t* value) {
  *value = 0;
  for (uint32_t shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return false;
    const uint8_t byte = uint8_t(rest_.front());
    rest_.remove_prefix(1);
    *value |= uint64_t(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

bool ProtoReader::Take(uint64_t size, std::string_view* bytes) {
  if (size > rest_.size()) return false;
  *bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool ProtoReader::Next() {
  bytes_ = {};
  number_ = 0;
  if (bad_ || rest_.empty()) return false;
  uint64_t tag, size;
  if (!Varint(&tag) || tag >> 3 == 0 || tag >> 3 > kFieldMax) return Fail();
  field_ = uint32_t(tag >> 3);
  std::string_view fixed;
  switch (tag & 7) {
    case kVarint: return Varint(&number_) || Fail();
    case kBytes: return (Varint(&size) && Take(size, &bytes_)) || Fail();
    case kFixed64: return Take(8, &fixed) || Fail();
    case kFixed32: return Take(4, &fixed) || Fail();
    default: return Fail();
  }
}

std::string_view ProtoField(std::string_view message, uint32_t field) {
  std::string_view found;
  ProtoReader reader(message);
  while (reader.Next())
    if (reader.field() == field) found = reader.bytes();
  return reader.bad() ? std::string_view() : found;
}

}  // namespace weir::proxy_wasm
