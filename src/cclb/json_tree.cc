#include "cclb/json_tree.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "cclb/json_number.h"

namespace weir::cclb {

const char* FindStringEnd(const char* p, const char* end) noexcept {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1F);
  for (; end - p >= 16; p += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i found = _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
    if (const int mask = _mm_movemask_epi8(found); mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kHighs; };  // its lowest bit is right, which is all that counts
  for (; end - p >= 8; p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    const uint64_t found = zeros(word ^ kOnes * '"') | zeros(word ^ kOnes * '\\') | ((word - kOnes * 0x20) & ~word & kHighs);
    if (found != 0) return p + (__builtin_ctzll(found) >> 3);
  }
  while (p != end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20) ++p;
  return p;
}

// Recursive descent: depth is bounded by kJsonDepthMax.
class JsonParser {
 public:
  JsonParser(JsonTree& tree, std::string_view text) : tree_(tree), begin_(text.data()), p_(begin_), end_(begin_ + text.size()) {}

  bool Document() {
    if (!Value(0)) return false;
    SkipSpace();
    return p_ == end_ || Fail("trailing characters", p_);
  }

 private:
  // `at`: the offending byte. The reference counts columns in bytes from 1; at the end of the text it names the last one.
  bool Fail(const char* what, const char* at) {
    if (!tree_.error_.empty()) return false;
    const char* stop = std::min(at + 1, end_);
    const size_t line = 1 + static_cast<size_t>(std::count(begin_, stop, '\n'));
    size_t column = 0;
    for (const char* q = stop; q != begin_ && q[-1] != '\n'; --q) ++column;
    tree_.error_ = std::string(what) + " at line " + std::to_string(line) + " column " + std::to_string(column);
    return false;
  }
  bool FailEof(const char* what) { return Fail(what, end_); }

  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  size_t Add(JsonKind kind) {
    tree_.nodes_.push_back({});
    tree_.nodes_.back().kind = kind;
    return tree_.nodes_.size() - 1;
  }

  bool Value(int depth) {
    SkipSpace();
    if (p_ == end_) return FailEof("EOF while parsing a value");
    switch (*p_) {
      case '{': return Object(depth + 1);
      case '[': return Array(depth + 1);
      case '"': return String();
      case 't': return Word("true", JsonKind::kTrue);
      case 'f': return Word("false", JsonKind::kFalse);
      case 'n': return Word("null", JsonKind::kNull);
      default:
        if (*p_ == '-' || (*p_ >= '0' && *p_ <= '9')) return Number();
        return Fail("expected value", p_);
    }
  }

  bool Word(std::string_view word, JsonKind kind) {
    for (size_t i = 1; i < word.size(); ++i) {
      if (p_ + i == end_) return FailEof("EOF while parsing a value");
      if (p_[i] != word[i]) return Fail("expected ident", p_ + i);
    }
    p_ += word.size();
    Add(kind);
    return true;
  }

  bool Number() {
    const JsonNumber number = ReadJsonNumber(p_, end_);
    if (number.fault != nullptr) return Fail(number.fault, number.next);
    const size_t index = Add(number.kind);
    tree_.nodes_[index].uint = number.bits;
    p_ = number.next;
    return true;
  }

  bool Array(int depth) {
    if (depth > kJsonDepthMax) return Fail("recursion limit exceeded", p_);
    ++p_;
    const size_t index = Add(JsonKind::kArray);
    uint32_t count = 0;
    SkipSpace();
    if (p_ != end_ && *p_ == ']') {
      ++p_;
    } else {
      while (true) {
        if (p_ == end_) return FailEof("EOF while parsing a list");
        if (*p_ == ']') return Fail("trailing comma", p_);
        if (!Value(depth)) return false;
        ++count;
        SkipSpace();
        if (p_ == end_) return FailEof("EOF while parsing a list");
        if (*p_ == ']') break;
        if (*p_ != ',') return Fail("expected `,` or `]`", p_);
        ++p_;
        SkipSpace();
      }
      ++p_;
    }
    Close(index, count);
    return true;
  }

  bool Object(int depth) {
    if (depth > kJsonDepthMax) return Fail("recursion limit exceeded", p_);
    ++p_;
    const size_t index = Add(JsonKind::kObject);
    uint32_t count = 0;
    SkipSpace();
    if (p_ != end_ && *p_ == '}') {
      ++p_;
    } else {
      while (true) {
        if (p_ == end_) return FailEof(count == 0 ? "EOF while parsing an object" : "EOF while parsing a value");
        if (*p_ == '}') return Fail("trailing comma", p_);
        if (*p_ != '"') return Fail("key must be a string", p_);
        if (!String()) return false;
        SkipSpace();
        if (p_ == end_) return FailEof("EOF while parsing an object");
        if (*p_ != ':') return Fail("expected `:`", p_);
        ++p_;
        if (!Value(depth)) return false;
        ++count;
        SkipSpace();
        if (p_ == end_) return FailEof("EOF while parsing an object");
        if (*p_ == '}') break;
        if (*p_ != ',') return Fail("expected `,` or `}`", p_);
        ++p_;
        SkipSpace();
      }
      ++p_;
    }
    Close(index, count);
    return true;
  }

  void Close(size_t index, uint32_t count) {
    tree_.nodes_[index].size = count;
    tree_.nodes_[index].end = tree_.nodes_.size();
  }

  bool String() {
    const char* start = ++p_;
    p_ = FindStringEnd(p_, end_);
    if (p_ != end_ && *p_ == '"') {
      AddString(start, static_cast<size_t>(p_ - start));
      ++p_;
      return true;
    }
    if (tree_.unescaped_ == nullptr) tree_.unescaped_ = std::make_unique_for_overwrite<char[]>(static_cast<size_t>(end_ - begin_));
    char* const out = tree_.unescaped_.get() + tree_.unescaped_used_;
    char* to = out;
    while (true) {
      std::memcpy(to, start, static_cast<size_t>(p_ - start));
      to += p_ - start;
      if (p_ == end_) return FailEof("EOF while parsing a string");
      if (*p_ == '"') break;
      if (*p_ != '\\') return Fail("control character (\\u0000-\\u001F) found while parsing a string", p_);
      if (!Escape(&to)) return false;
      start = p_;
      p_ = FindStringEnd(p_, end_);
    }
    ++p_;
    tree_.unescaped_used_ += static_cast<size_t>(to - out);
    AddString(out, static_cast<size_t>(to - out));
    return true;
  }

  void AddString(const char* chars, size_t bytes) {
    const size_t index = Add(JsonKind::kString);
    tree_.nodes_[index].chars = chars;
    tree_.nodes_[index].size = static_cast<uint32_t>(bytes);
  }

  bool Escape(char** to) {
    ++p_;
    if (p_ == end_) return FailEof("EOF while parsing a string");
    const char c = *p_++;
    switch (c) {
      case '"': case '\\': case '/': *(*to)++ = c; return true;
      case 'b': *(*to)++ = '\b'; return true;
      case 'f': *(*to)++ = '\f'; return true;
      case 'n': *(*to)++ = '\n'; return true;
      case 'r': *(*to)++ = '\r'; return true;
      case 't': *(*to)++ = '\t'; return true;
      case 'u': return CodePoint(to);
      default: return Fail("invalid escape", p_ - 1);
    }
  }

  bool CodePoint(char** to) {
    uint32_t code = 0;
    if (!FourHex(&code)) return false;
    if (code >= 0xDC00 && code < 0xE000) return Fail("lone leading surrogate in hex escape", p_ - 1);
    if (code >= 0xD800 && code < 0xDC00) {
      if (p_ == end_) return FailEof("EOF while parsing a string");
      if (*p_ != '\\') return Fail("unexpected end of hex escape", p_);
      if (++p_ == end_) return FailEof("EOF while parsing a string");
      if (*p_ != 'u') return Fail("unexpected end of hex escape", p_);
      ++p_;
      uint32_t low = 0;
      if (!FourHex(&low)) return false;
      if (low < 0xDC00 || low >= 0xE000) return Fail("lone leading surrogate in hex escape", p_ - 1);
      code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
    }
    AppendUtf8(code, to);
    return true;
  }

  bool FourHex(uint32_t* code) {
    for (int i = 0; i < 4; ++i) {
      if (p_ == end_) return FailEof("EOF while parsing a string");
      const char c = *p_++;
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) return Fail("invalid escape", p_ - 1);
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    return true;
  }

  // At most 4 bytes for the 6 or 12 of the escape.
  static void AppendUtf8(uint32_t code, char** to) {
    const auto put = [&](uint32_t byte) { *(*to)++ = static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
      put(0xC0 | code >> 6);
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3F));
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
      put(0x80 | (code >> 6 & 0x3F));
    }
    put(0x80 | (code & 0x3F));
  }

  JsonTree& tree_;
  const char* begin_;
  const char* p_;
  const char* end_;
};

bool JsonTree::Parse(std::string_view text) {
  nodes_.clear();
  unescaped_used_ = 0;
  unescaped_.reset();
  error_.clear();
  constexpr size_t kTextMax = UINT32_MAX;
  if (text.size() > kTextMax) {
    error_ = "more than 4 GiB";
    return false;
  }
  return JsonParser(*this, text).Document();
}

}  // namespace weir::cclb
