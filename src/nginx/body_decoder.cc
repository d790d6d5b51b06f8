#include "nginx/body_decoder.h"

#include <new>

namespace weir::nginx {
namespace {

constexpr int kGzip = 16 + MAX_WBITS, kZlib = MAX_WBITS, kRaw = -MAX_WBITS;

/// Its header names method 8 and is a multiple of 31. [RFC 1950 §2.2]
bool BeginsAsZlib(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  if ((first & 0x0f) != 8 || bytes.size() < 2) return (first & 0x0f) == 8;
  return (first * 256 + static_cast<unsigned char>(bytes[1])) % 31 == 0;
}

}  // namespace

std::unique_ptr<BodyDecoder> BodyDecoder::For(std::string_view encoding) {
  const bool deflate = encoding == "deflate";
  if (!deflate && encoding != "gzip" && encoding != "x-gzip") return nullptr;
  std::unique_ptr<BodyDecoder> decoder(new (std::nothrow) BodyDecoder(deflate));
  if (decoder == nullptr || inflateInit2(&decoder->stream_, deflate ? kZlib : kGzip) != Z_OK) return nullptr;
  return decoder;
}

BodyDecoder::Status BodyDecoder::Decode(std::string_view* in, std::string* out) {
  if (ended_) {
    if (in->empty()) return Status::kInput;
    // A gzip file may be several, one behind the other. [RFC 1952 §2.2]
    if (inflateReset(&stream_) != Z_OK) return Status::kBad;
    ended_ = false;
  }
  if (!in->empty()) {
    if (may_be_raw_ && !begun_ && !BeginsAsZlib(*in)) inflateReset2(&stream_, kRaw);
    begun_ = true;
  }
  const size_t old = out->size();
  out->resize(old + kPieceBytes);
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in->data()));
  stream_.avail_in = static_cast<uInt>(in->size());
  stream_.next_out = reinterpret_cast<Bytef*>(out->data() + old);
  stream_.avail_out = kPieceBytes;
  const int rc = inflate(&stream_, Z_NO_FLUSH);
  in->remove_prefix(in->size() - stream_.avail_in);
  const bool full = stream_.avail_out == 0;
  out->resize(old + kPieceBytes - stream_.avail_out);
  if (rc == Z_STREAM_END) {
    ended_ = true;
    return in->empty() ? Status::kInput : Status::kMore;
  }
  if (rc != Z_OK && rc != Z_BUF_ERROR) return Status::kBad;
  return full || !in->empty() ? Status::kMore : Status::kInput;
}

}  // namespace weir::nginx
