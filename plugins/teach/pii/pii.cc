// Masks card numbers and e-mail addresses in responses, wherever the borders of chunks are (see plugins/teach/README.md).
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "../proxy_wasm.h"

namespace {

constexpr size_t kMore = std::string::npos;  // cannot be said before more of the body is there
constexpr size_t kCardDigitsMin = 13, kCardDigitsMax = 19;
constexpr size_t kLocalMax = 64, kDomainMax = 255;  // of an address (RFC 5321, 4.5.3.1)

// Own ones: those of <cctype> depend on the locale.
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDomain(char c) { return IsDigit(c) || IsLetter(c) || c == '.' || c == '-'; }
bool IsLocal(char c) { return IsDomain(c) || std::string_view("!#$%+_~").find(c) != std::string_view::npos; }

// The check digit that every card number has: it keeps nine of ten other numbers from being masked.
bool IsLuhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    const int digit = digits[digits.size() - 1 - i] - '0';
    sum += i % 2 == 0 ? digit : digit > 4 ? 2 * digit - 9 : 2 * digit;
  }
  return sum % 10 == 0;
}

// How long the card number is with which `text` begins; 0: none. Its digits may be in groups: "4111 1111-1111…". It ends with a
// group, but which one? "4111111111111111 12" has the month behind it, so each end is tried, and the last that fits counts.
size_t CardSize(std::string_view text, bool end) {
  size_t found = 0;
  std::string digits;
  for (size_t i = 0; digits.size() <= kCardDigitsMax; ++i) {
    if (i == text.size() && !end) return kMore;
    if (i < text.size() && IsDigit(text[i])) {
      digits += text[i];
      continue;
    }
    if (digits.size() >= kCardDigitsMin && IsLuhn(digits)) found = i;
    if (i == text.size() || (text[i] != ' ' && text[i] != '-')) break;
    if (i + 1 == text.size() && !end) return kMore;
    if (i + 1 == text.size() || !IsDigit(text[i + 1])) break;
  }
  return found;
}

// How long the local part is of the address with which `text` begins; 0: there is none.
size_t LocalSize(std::string_view text, bool end) {
  size_t at = 0;
  while (at < text.size() && at <= kLocalMax && IsLocal(text[at])) ++at;
  if (at == 0 || at > kLocalMax) return 0;
  if (at == text.size()) return end ? 0 : kMore;
  if (text[at] != '@') return 0;
  const std::string_view behind = text.substr(at + 1, kDomainMax);
  size_t size = 0;
  while (size < behind.size() && IsDomain(behind[size])) ++size;
  if (size == text.size() - at - 1 && size < kDomainMax && !end) return kMore;
  // A dot with two letters behind it; a last dot may be that of the sentence.
  for (size_t dot = behind.find('.'); dot != behind.npos && dot + 2 < size; dot = behind.find('.', dot + 1)) {
    if (dot > 0 && IsLetter(behind[dot + 1]) && IsLetter(behind[dot + 2])) return at;
  }
  return 0;
}

struct Response {
  bool masked = false;
  std::string held;    // the end of what came, which may be the begin of something: at most 320 bytes
  char before = '\n';  // the byte before it
};

// Writes to `masked` what of `text` can be decided; the rest has to wait. Sizes stay as they are: stars take the place of characters.
void Mask(std::string_view text, char before, bool end, std::string* masked) {
  for (size_t i = 0; i < text.size();) {
    // Both begin where the byte before cannot belong to them: so each byte is looked at a few times, however long a text is.
    const char last = i > 0 ? text[i - 1] : before;
    const size_t local = IsLocal(text[i]) && !IsLocal(last) ? LocalSize(text.substr(i), end) : 0;
    const size_t card = local == 0 && IsDigit(text[i]) && !IsDigit(last) ? CardSize(text.substr(i), end) : 0;
    if (local == kMore || card == kMore) return;
    if (local > 0) {
      masked->append(local, '*');
    } else {
      masked->append(text.substr(i, std::max<size_t>(1, card)));
      for (size_t at = masked->size(), digits = 0; at > masked->size() - card; --at) {  // four digits stay, by which people know a card
        char& c = (*masked)[at - 1];
        if (IsDigit(c) && ++digits > 4) c = '*';
      }
    }
    i += std::max<size_t>(1, local + card);
  }
}

// By context id. An instance runs one callback at a time, so nothing is locked.
std::unordered_map<uint32_t, Response>& Responses() {
  static std::unordered_map<uint32_t, Response> responses;
  return responses;
}

bool IsText(std::string_view type) {
  if (type.empty() || type.starts_with("text/")) return true;
  for (const std::string_view part : {"json", "xml", "javascript", "urlencoded", "csv"}) {
    if (type.find(part) != type.npos) return true;
  }
  return false;
}

}  // namespace

extern "C" {

Action EXPORT(proxy_on_request_headers)(uint32_t, uint32_t, uint32_t) {
  proxy_wasm::SetHeader(MapType::kRequestHeaders, "accept-encoding", "identity");  // what is compressed cannot be read here
  proxy_wasm::RemoveHeader(MapType::kRequestHeaders, "range");  // by asking for halves, one could get a number past us
  return Action::kContinue;
}

Action EXPORT(proxy_on_response_headers)(uint32_t id, uint32_t, uint32_t end_of_stream) {
  if (end_of_stream || !IsText(proxy_wasm::Header(MapType::kResponseHeaders, "content-type"))) return Action::kContinue;
  const std::string encoding = proxy_wasm::Header(MapType::kResponseHeaders, "content-encoding");
  if (!encoding.empty() && encoding != "identity") {  // it was asked not to: what cannot be looked at does not go out
    proxy_wasm::Log(LogLevel::kError, "pii: the upstream compresses although it was asked not to");
    proxy_wasm::Respond(502, {{"content-type", "text/plain"}}, "the answer cannot be checked\n");
    return Action::kPause;
  }
  Responses()[id].masked = true;
  return Action::kContinue;
}

// Passes on what is decided and keeps the rest for the next chunk. The proxy holds nothing: a body of any size streams through.
Action EXPORT(proxy_on_response_body)(uint32_t id, size_t size, uint32_t end_of_stream) {
  Response& response = Responses()[id];
  if (!response.masked) return Action::kContinue;
  const std::string text = response.held + proxy_wasm::Buffer(BufferType::kResponseBody, 0, size);
  std::string masked;
  Mask(text, response.before, end_of_stream != 0, &masked);
  if (!masked.empty()) response.before = text[masked.size() - 1];
  response.held = text.substr(masked.size());
  proxy_wasm::SetBuffer(BufferType::kResponseBody, size, masked);
  return Action::kContinue;
}

// With trailers the body has no last chunk, and nothing can be put behind what has left. A client that sees a broken connection
// knows that something is missing.
Action EXPORT(proxy_on_response_trailers)(uint32_t id, uint32_t) {
  if (Responses()[id].held.empty()) return Action::kContinue;
  proxy_wasm::Log(LogLevel::kError, "pii: the body ends in what may be an address or a number, before trailers");
  proxy_close_stream(StreamType::kResponse);
  return Action::kPause;
}

uint32_t EXPORT(proxy_on_done)(uint32_t) { return 1; }  // nothing left to do: the host may delete the context

void EXPORT(proxy_on_delete)(uint32_t id) { Responses().erase(id); }
}
