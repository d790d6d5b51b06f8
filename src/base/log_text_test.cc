#include "base/log_text.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(LogText, EscapesControlCharactersAlone) {
  EXPECT_EQ(LogText("plain\ttext \\ %n", 100), "plain\ttext \\ %n");
  EXPECT_EQ(LogText("a\r\nb\x1b[31m\x7f", 100), "a\\x0d\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(LogText(std::string_view("\0", 1), 100), "\\x00");
  EXPECT_EQ(LogText("gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a", 100), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8a");
  EXPECT_EQ(LogText("\xc2\x85\xc2\x9f\xc2\xa0", 100), "\\xc2\\x85\\xc2\\x9f\xc2\xa0") << "the C1 set ends at U+009F";
}

TEST(LogText, EscapesWhatIsNoUtf8) {
  EXPECT_EQ(LogText("\xff\x80z", 100), "\\xff\\x80z");
  EXPECT_EQ(LogText("\xc0\xaf", 100), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(LogText("\xed\xa0\x80", 100), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(LogText("\xe2\x82", 100), "\\xe2\\x82") << "cut off";
}

TEST(LogText, EndsBetweenCharacters) {
  EXPECT_EQ(LogText("abcd", 4), "abcd");
  EXPECT_EQ(LogText("abcd", 3), "abc");
  EXPECT_EQ(LogText("\n\n", 8), "\\x0a\\x0a");
  EXPECT_EQ(LogText("\n\n", 7), "\\x0a");
  EXPECT_EQ(LogText("a\xc3\xbc", 3), "a\xc3\xbc");
  EXPECT_EQ(LogText("a\xc3\xbc", 2), "a");
}

}  // namespace
}  // namespace weir
