// Reads the fields of a protocol buffer, for the few small messages that plugins give to Envoy. [protobuf.dev, Encoding]
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::proxy_wasm {

class ProtoReader {
 public:
  /// `bytes` outlives this.
  explicit ProtoReader(std::string_view bytes) : rest_(bytes) {}
  /// The next field. False: the end, or not a message (then bad()).
  bool Next();
  bool bad() const { return bad_; }
  uint32_t field() const { return field_; }
  /// Of a field that is bytes, a string or a message; else empty.
  std::string_view bytes() const { return bytes_; }
  /// Of a field that is a number; else 0.
  uint64_t number() const { return number_; }

 private:
  bool Varint(uint64_t* value);
  bool Take(uint64_t size, std::string_view* bytes);
  bool Fail() { return bad_ = true, false; }

  std::string_view rest_, bytes_;
  uint64_t number_ = 0;
  uint32_t field_ = 0;
  bool bad_ = false;
};

/// The bytes of `field` in `message` (the last one); empty when it is not there or `message` is none.
std::string_view ProtoField(std::string_view message, uint32_t field);

}  // namespace weir::proxy_wasm
