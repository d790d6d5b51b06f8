#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace weir {
namespace {

constexpr std::array<std::string_view, 5> kKnown = {"listen", "upstreams", "proxy_log", "proxy_set_tick_period_milliseconds",
                                                    "proxy_get_header_map_value"};

TEST(NearestName, FindsAMisspeltName) {
  EXPECT_EQ(NearestName("lisen", kKnown), "listen");
  EXPECT_EQ(NearestName("upstream", kKnown), "upstreams");
  EXPECT_EQ(NearestName("proxy_get_header_map_values", kKnown), "proxy_get_header_map_value");
}

TEST(NearestName, CountsASwapAsOneEdit) {
  constexpr std::array<std::string_view, 1> known = {"abc"};
  EXPECT_EQ(NearestName("acb", known), "abc");   // three letters: one edit is the limit
  EXPECT_EQ(NearestName("axy", known), "");      // two edits
}

TEST(NearestName, IgnoresCase) { EXPECT_EQ(NearestName("LISTEN", kKnown), "listen"); }

TEST(NearestName, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(NearestName("temperature", kKnown), "");
  EXPECT_EQ(NearestName("", kKnown), "");
  EXPECT_EQ(NearestName("listen", {}), "");
}

TEST(NearestName, AThirdOfTheLettersIsTheEdge) {
  constexpr std::array<std::string_view, 1> known = {"abcdef"};
  EXPECT_EQ(NearestName("abcdxy", known), "abcdef");  // 2 of 6
  EXPECT_EQ(NearestName("abcxyz", known), "");        // 3 of 6
}

TEST(NearestName, TheFirstOfSeveralWins) {
  constexpr std::array<std::string_view, 2> known = {"cat", "car"};
  EXPECT_EQ(NearestName("cab", known), "cat");
}

TEST(NearestName, NamesOver128BytesAreNeverNear) {
  const std::string at_limit(128, 'a'), over(129, 'a');
  const std::array<std::string_view, 2> known = {over, at_limit};
  EXPECT_EQ(NearestName(at_limit, known), at_limit);
  EXPECT_EQ(NearestName(over, known), "");
}

}  // namespace
}  // namespace weir
