#include "host/grpc_wire.h"

#include <algorithm>
#include <charconv>

namespace weir {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr size_t kReserveBytesMax = 64 << 10;  // before any byte of a message is there

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string FrameGrpc(std::string_view message) {
  std::string framed(5, '\0');
  for (int i = 0; i < 4; ++i) framed[4 - i] = static_cast<char>(message.size() >> (8 * i));
  return framed.append(message);
}

std::string GrpcTimeout(uint64_t timeout_ms) {
  constexpr uint64_t kMax = 99'999'999;
  if (timeout_ms <= kMax) return std::to_string(timeout_ms) + "m";
  return std::to_string(std::min((timeout_ms + 999) / 1000, kMax)) + "S";
}

std::string DecodePercent(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = high >= 0 ? HexDigit(text[i + 2]) : -1;
    plain += low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
    if (low >= 0) i += 2;
  }
  return plain;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  uint32_t bits = 0, count = 0;
  for (unsigned char byte : bytes) {
    bits = bits << 8 | byte, count += 8;
    for (; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0, count = 0;
  for (char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit), count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

HeaderList DecodeMetadata(HeaderList headers) {
  HeaderList metadata;
  for (auto& [name, value] : headers) {
    if (name.starts_with(':')) continue;
    if (!name.ends_with("-bin")) {
      metadata.emplace_back(std::move(name), std::move(value));
      continue;
    }
    std::string_view rest = value;
    while (true) {
      const size_t comma = rest.find(',');
      std::string_view one = rest.substr(0, comma);
      while (one.starts_with(' ')) one.remove_prefix(1);
      if (auto bytes = DecodeBase64(one)) metadata.emplace_back(name, std::move(*bytes));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return metadata;
}

GrpcStatus StatusOfHttp(int http_status) {
  switch (http_status) {
    case 400: return GrpcStatus::kInternal;
    case 401: return GrpcStatus::kUnauthenticated;
    case 403: return GrpcStatus::kPermissionDenied;
    case 404: return GrpcStatus::kUnimplemented;
    case 429: case 502: case 503: case 504: return GrpcStatus::kUnavailable;
    default: return GrpcStatus::kUnknown;
  }
}

GrpcStatus StatusOfReset(uint32_t http2_error) {
  switch (http2_error) {
    case 7: return GrpcStatus::kUnavailable;         // REFUSED_STREAM
    case 8: return GrpcStatus::kCancelled;           // CANCEL
    case 11: return GrpcStatus::kResourceExhausted;  // ENHANCE_YOUR_CALM
    case 12: return GrpcStatus::kPermissionDenied;   // INADEQUATE_SECURITY
    default: return GrpcStatus::kInternal;
  }
}

GrpcStatus StatusOfFailure(CallFailure failure) {
  switch (failure) {
    case CallFailure::kNone: return GrpcStatus::kOk;
    case CallFailure::kTimeout: return GrpcStatus::kDeadlineExceeded;
    case CallFailure::kTooLarge: return GrpcStatus::kResourceExhausted;
    case CallFailure::kProtocol: return GrpcStatus::kInternal;
    default: return GrpcStatus::kUnavailable;
  }
}

std::optional<GrpcStatus> ParseGrpcStatus(std::string_view text) {
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number <= 16 ? static_cast<GrpcStatus>(number) : GrpcStatus::kUnknown;
}

GrpcDeframer::State GrpcDeframer::Feed(std::string_view bytes, const std::function<void(std::string)>& on_message) {
  while (state_ == State::kOk) {
    for (; head_bytes_ < 5 && !bytes.empty(); bytes.remove_prefix(1)) {
      head_[head_bytes_++] = static_cast<unsigned char>(bytes.front());
      if (head_bytes_ < 5) continue;
      size_ = uint64_t{head_[1]} << 24 | uint64_t{head_[2]} << 16 | uint64_t{head_[3]} << 8 | head_[4];
      if (head_[0] > 1) return state_ = State::kBadFlag;
      if (head_[0] == 1) return state_ = State::kCompressed;
      if (size_ > max_) return state_ = State::kTooLarge;
      message_.reserve(std::min<uint64_t>(size_, kReserveBytesMax));
    }
    if (head_bytes_ < 5) break;
    const size_t part = std::min<uint64_t>(bytes.size(), size_ - message_.size());
    message_.append(bytes.substr(0, part));
    bytes.remove_prefix(part);
    if (message_.size() < size_) break;
    head_bytes_ = 0;
    on_message(std::exchange(message_, {}));
  }
  return state_;
}

}  // namespace weir
