#include "proxy_wasm/header_rules.h"

#include <gtest/gtest.h>

namespace weir::proxy_wasm {
namespace {

using namespace std::literals;
using enum HeaderVerdict;
constexpr auto kRequest = HeaderMapKind::kRequestHeaders, kResponse = HeaderMapKind::kResponseHeaders,
               kTrailers = HeaderMapKind::kRequestTrailers;

TEST(HeaderRules, NamesAreTokens) {
  for (std::string_view name : {"x", "x-y", "a_b.c", "!#$%&'*+-.^_`|~09"}) EXPECT_EQ(JudgeWrite(kRequest, name, "v"), kWrite) << name;
  for (std::string_view name : {""sv, "a b"sv, "a:"sv, "a\r\nb"sv, "a\0"sv, "\x80"sv, "a("sv})
    EXPECT_EQ(JudgeWrite(kRequest, name, "v"), kBadName) << name;
}

TEST(HeaderRules, ValuesHaveNoControlCharacters) {
  for (std::string_view value : {""sv, "a\tb"sv, "\x80\xff"sv, " a "sv}) EXPECT_EQ(JudgeWrite(kRequest, "x", value), kWrite);
  for (std::string_view value : {"a\r"sv, "\n"sv, "a\0b"sv, "\x7f"sv, "\x1f"sv}) EXPECT_EQ(JudgeWrite(kRequest, "x", value), kBadValue);
}

// The eight-at-once tests against the table: every byte, at every place of a word, in words and in a shorter rest.
TEST(HeaderRules, WordsAgreeWithTheTable) {
  for (size_t size = 1; size <= 17; ++size) {
    for (size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string bytes(size, c % 2 == 0 ? 'x' : '\xf0');
        bytes[at] = char(c);
        EXPECT_EQ(HasUpper(bytes), (AnyClass(bytes) & kUpper) != 0) << size << " " << at << " " << c;
        EXPECT_EQ(IsValue(bytes), (AnyClass(bytes) & kControl) == 0) << size << " " << at << " " << c;
      }
    }
  }
}

TEST(HeaderRules, PseudoHeadersOfTheirMapOnly) {
  EXPECT_EQ(JudgeWrite(kRequest, ":path", "/x"), kWrite);
  EXPECT_EQ(JudgeWrite(kRequest, ":path", "x"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":path", "/x y"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":path", "/x\r\nHost: y"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":method", "GET"), kWrite);
  EXPECT_EQ(JudgeWrite(kRequest, ":method", "G T"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":scheme", "ftp"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":status", "200"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kRequest, ":unknown", "x"), kBadPseudo);
  EXPECT_EQ(JudgeWrite(kTrailers, ":path", "/x"), kBadPseudo);
  for (std::string_view status : {"200", "599"}) EXPECT_EQ(JudgeWrite(kResponse, ":status", status), kWrite);
  for (std::string_view status : {"199", "600", "99", "2000", "20x", ""}) EXPECT_EQ(JudgeWrite(kResponse, ":status", status), kBadPseudo) << status;
  EXPECT_EQ(JudgeRemove(":status"), kBadPseudo);
}

TEST(HeaderRules, FramingIsTheHosts) {
  EXPECT_EQ(JudgeWrite(kRequest, "content-length", "5"), kIgnore);
  EXPECT_EQ(JudgeWrite(kResponse, "transfer-encoding", "chunked"), kIgnore);
  EXPECT_EQ(JudgeRemove("transfer-encoding"), kIgnore);
  EXPECT_EQ(JudgeRemove("content-length"), kWrite);
}

}  // namespace
}  // namespace weir::proxy_wasm
