#include "proxy_wasm/pairs.h"

#include <gtest/gtest.h>

#include "proxy_wasm/testing/fake_world.h"

namespace weir::proxy_wasm {
namespace {

using namespace std::literals;

const PairLimits kLimits;
const std::string kTwo("\2\0\0\0" "\1\0\0\0\1\0\0\0" "\1\0\0\0\2\0\0\0" "a\0" "1\0" "b\0" "22\0", 29);

TEST(Pairs, WritesTheSpecificationsExample) {
  testing::FakeMap map({{"a", "1"}, {"b", "22"}});
  std::string bytes;
  SerializePairs(map, &bytes);
  EXPECT_EQ(bytes, kTwo);
  EXPECT_EQ(SerializedSize(map), kTwo.size());
  SerializePairs(HeaderList{{"a", "1"}, {"b", "22"}}, &bytes);
  EXPECT_EQ(bytes, kTwo);
}

TEST(Pairs, ReadsWhatItWrites) {
  auto pairs = ParsePairs(kTwo, kLimits);
  ASSERT_TRUE(pairs);
  EXPECT_EQ(*pairs, (PairViews{{"a", "1"}, {"b", "22"}}));
}

TEST(Pairs, EmptyMapsInEverySpelling) {
  for (std::string_view bytes : {""sv, "\0"sv, "\0\0\0\0"sv}) {
    auto pairs = ParsePairs(bytes, kLimits);
    ASSERT_TRUE(pairs) << bytes.size();
    EXPECT_TRUE(pairs->empty());
  }
  std::string bytes;
  SerializePairs(testing::FakeMap(), &bytes);
  EXPECT_EQ(bytes, "\0\0\0\0"sv);
}

TEST(Pairs, EveryTruncationIsMalformed) {
  for (size_t size = 2; size < kTwo.size(); ++size) EXPECT_FALSE(ParsePairs(std::string_view(kTwo).substr(0, size), kLimits)) << size;
}

TEST(Pairs, RejectsMissingNulAndLengthsPastTheEnd) {
  for (size_t at : {21u, 23u, 25u, 28u}) {
    std::string bytes = kTwo;
    bytes[at] = 'x';
    EXPECT_FALSE(ParsePairs(bytes, kLimits)) << at;
  }
  for (size_t at = 0; at < 20; ++at) {
    std::string bytes = kTwo;
    bytes[at] = '\xff';
    EXPECT_FALSE(ParsePairs(bytes, kLimits)) << at;
  }
}

TEST(Pairs, LimitsHoldOnBothSides) {
  EXPECT_TRUE(ParsePairs(kTwo, {2, 29}));
  EXPECT_FALSE(ParsePairs(kTwo, {1, 29}));
  EXPECT_FALSE(ParsePairs(kTwo, {2, 28}));
}

}  // namespace
}  // namespace weir::proxy_wasm
