#include "suite/head.h"

#include <algorithm>
#include <charconv>

#include "suite/headers.h"

namespace weir::suite {
namespace {

Error Bad(std::string_view what, std::string_view text) {
  return {ErrorCode::kInvalidArgument, "HTTP/1 head: " + std::string(what) + ": \"" + std::string(text) + "\""};
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }
std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}
/// Up to LF, without CR LF; taken off `*text`.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == text->npos ? text->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}
std::string_view TakeWord(std::string_view* line) {
  *line = Trimmed(*line);
  const size_t end = std::min(line->find_first_of(" \t"), line->size());
  const std::string_view word = line->substr(0, end);
  *line = Trimmed(line->substr(end));
  return word;
}

bool IsName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > ' ' && c != 0x7f && std::string_view("\"(),/:;<=>?@[\\]{}").find(char(c)) == std::string_view::npos;
  });
}

// ---- URLs, as a browser's parser normalises them (WHATWG URL, special schemes) ---------------------------------------------
void Escape(std::string* out, unsigned char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out->append({'%', kDigits[c >> 4], kDigits[c & 15]});
}
void AppendEscaped(std::string* out, std::string_view text, std::string_view escaped) {
  for (unsigned char c : text) {
    if (c <= 0x20 || c >= 0x7f || escaped.find(char(c)) != escaped.npos) {
      Escape(out, c);
    } else {
      *out += char(c);
    }
  }
}
/// 1: ".", 2: "..", else 0; "%2e" is a dot.
int Dots(std::string_view segment) {
  std::string plain;
  for (size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] == '%' && LowerName(segment.substr(i, 3)) == "%2e") {
      plain += '.';
      i += 2;
    } else {
      plain += segment[i];
    }
  }
  return plain == "." ? 1 : plain == ".." ? 2 : 0;
}

/// Path and query of a request: dot segments gone, what may not stand there escaped, no fragment.
std::string NormalPath(std::string_view target) {
  target = target.substr(0, target.find('#'));
  const size_t mark = std::min(target.find('?'), target.size());
  std::string path(target.substr(0, mark));
  std::replace(path.begin(), path.end(), '\\', '/');
  std::string out;
  std::string_view rest = path;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  for (bool more = true; more;) {
    const size_t slash = rest.find('/');
    more = slash != rest.npos;
    const std::string_view segment = rest.substr(0, slash);
    rest.remove_prefix(more ? slash + 1 : rest.size());
    const int dots = Dots(segment);
    if (dots == 2) out.resize(out.empty() ? 0 : out.rfind('/'));
    if (dots == 0) {
      out += '/';
      AppendEscaped(&out, segment, "\"<>`{}");
    } else if (!more) {
      out += '/';
    }
  }
  if (mark < target.size()) {
    out += '?';
    AppendEscaped(&out, target.substr(mark + 1), "\"<>'");
  }
  return out;
}

/// Whether `target` begins with a scheme: "http:", of which `*rest` is what follows the colon.
bool TakeScheme(std::string_view target, std::string* scheme, std::string_view* rest) {
  const size_t colon = target.find(':');
  if (colon == target.npos || colon == 0) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(target[0])) return false;
  for (char c : target.substr(0, colon))
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  *scheme = LowerName(target.substr(0, colon));
  *rest = target.substr(colon + 1);
  return true;
}

Result<void> AddAbsolute(std::string_view target, const std::string& scheme, std::string_view rest, HeaderList* out) {
  const std::string_view default_port = scheme == "http" ? "80" : scheme == "https" ? "443" : "";
  if (default_port.empty()) return Bad("only http and https URLs", target);
  const size_t slashes = std::min(rest.find_first_not_of("/\\"), rest.size());
  rest.remove_prefix(slashes);
  const size_t end = std::min(rest.find_first_of("/\\?#"), rest.size());
  std::string_view authority = rest.substr(0, end);
  if (const size_t at = authority.rfind('@'); at != authority.npos) authority.remove_prefix(at + 1);
  std::string host = LowerName(authority), port;
  const size_t bracket = host.find(']'), colon = host.find(':', bracket == host.npos ? 0 : bracket);
  if (colon != host.npos) {
    port = host.substr(colon + 1);
    host.resize(colon);
  }
  uint32_t number = 0;
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool bad_port = !port.empty() && (error != std::errc() || stop != port.data() + port.size() || number > 65535);
  if (host.empty() || bad_port) return Bad("not a URL", target);
  out->emplace_back(":scheme", scheme);
  out->emplace_back(":path", NormalPath(end < rest.size() ? rest.substr(end) : "/"));
  out->emplace_back(":authority", port.empty() || port == default_port || number == 0 ? host : host + ":" + std::to_string(number));
  return {};
}

}  // namespace

Result<HeaderList> ParseHead(std::string_view text, Direction direction) {
  std::string_view first = TakeLine(&text);
  const std::string_view whole = first;
  HeaderList head, fields;
  std::string_view target;
  if (direction == Direction::kRequest) {
    const std::string_view method = TakeWord(&first);
    target = TakeWord(&first);
    if (method.empty() || target.empty()) return Bad("the first line is METHOD TARGET HTTP/1.1", whole);
    if (!first.starts_with("HTTP/") || first.find_first_of(" \t") != first.npos) return Bad("the first line ends with HTTP/1.1", whole);
    head.emplace_back(":method", method);
  } else {
    const std::string_view version = TakeWord(&first), status = TakeWord(&first);
    const bool digits = status.size() == 3 && status.find_first_not_of("0123456789") == status.npos;
    if (!version.starts_with("HTTP/") || !digits) return Bad("the first line is HTTP/1.1 STATUS REASON", whole);
    head.emplace_back(":status", status);
  }
  while (!text.empty()) {
    const std::string_view line = TakeLine(&text);
    if (line.empty()) break;
    if (IsBlank(line.front())) {  // obsolete folding: the line before goes on
      if (fields.empty()) return Bad("a header cannot begin with a blank", line);
      fields.back().second.append(" ").append(Trimmed(line));
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == line.npos) return Bad("a header without a colon", line);
    const std::string_view name = Trimmed(line.substr(0, colon));
    if (!IsName(name)) return Bad("not a header name", name);
    fields.emplace_back(LowerName(name), Trimmed(line.substr(colon + 1)));
  }
  if (direction == Direction::kRequest) {
    std::string scheme;
    std::string_view rest;
    auto host = std::find_if(fields.begin(), fields.end(), [](const auto& field) { return field.first == "host"; });
    if (TakeScheme(target, &scheme, &rest)) {
      if (auto added = AddAbsolute(target, scheme, rest, &head); !added) return std::move(added).error();
      std::erase_if(fields, [](const auto& field) { return field.first == "host"; });
    } else {
      if (!target.starts_with('/') || target.starts_with("//") || NormalPath(target) != target)
        return Bad("the target is a URL, or a path as a browser would send it", target);
      head.emplace_back(":path", target);
      if (host != fields.end() && !host->second.empty()) {
        head.emplace_back(":authority", host->second);
        std::erase_if(fields, [](const auto& field) { return field.first == "host"; });
      }
    }
  }
  head.insert(head.end(), fields.begin(), fields.end());
  return head;
}

}  // namespace weir::suite
