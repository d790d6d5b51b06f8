// Takes a Content-Encoding off a body, piece by piece: `weir_decode on`.
#pragma once

#include <zlib.h>

#include <memory>
#include <string>
#include <string_view>

namespace weir::nginx {

class BodyDecoder {
 public:
  enum class Status : uint8_t {
    kMore,   ///< there is more to come from the input that was given: call again
    kInput,  ///< all input is used up
    kBad,    ///< this is not what its encoding says
  };
  /// Null: an encoding that is not known here, or out of memory. Known: gzip, x-gzip, deflate.
  static std::unique_ptr<BodyDecoder> For(std::string_view encoding);
  ~BodyDecoder() { inflateEnd(&stream_); }
  BodyDecoder(const BodyDecoder&) = delete;
  BodyDecoder& operator=(const BodyDecoder&) = delete;

  /// Takes what it can from the front of `in`, and appends at most kPieceBytes to `out`.
  Status Decode(std::string_view* in, std::string* out);
  /// The stream is whole (or there was none at all).
  bool complete() const { return ended_ || !begun_; }

  static constexpr size_t kPieceBytes = 16 << 10;

 private:
  explicit BodyDecoder(bool deflate) : may_be_raw_(deflate) {}

  z_stream stream_{};
  bool may_be_raw_;  ///< "deflate" means zlib's format, but some servers send the bare one
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace weir::nginx
