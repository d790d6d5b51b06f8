#include "http/grpc_response.h"

namespace weir {
namespace {

/// Everything but visible ASCII in %XX.
std::string PercentEncoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace

bool IsGrpcRequest(const HeaderMap& request) {
  constexpr std::string_view kType = "application/grpc";
  std::string_view type;
  if (request.Find("content-type", &type, 1) == 0 || !type.starts_with(kType)) return false;
  type.remove_prefix(kType.size());  // application/grpc-web is another protocol
  return type.empty() || type[0] == '+' || type[0] == ';' || type[0] == ' ';
}

void MakeTrailersOnly(LocalResponse* response) {
  response->status = 200;
  response->headers.emplace_back("content-type", "application/grpc");
  response->headers.emplace_back("grpc-status", std::to_string(response->grpc_status));
  if (!response->body.empty()) response->headers.emplace_back("grpc-message", PercentEncoded(response->body));
  response->body.clear();
}

}  // namespace weir
