#include "proxy_wasm/properties.h"

#include <gtest/gtest.h>

namespace weir::proxy_wasm {
namespace {

using namespace std::literals;
using Kind = PropertyPath::Kind;

TEST(Properties, SegmentsByNulOrDotWithATrailingOne) {
  for (std::string_view path : {"request\0id"sv, "request.id"sv, "request\0id\0"sv, "request.id."sv}) {
    const PropertyPath parsed = ParsePropertyPath(path);
    EXPECT_EQ(parsed.kind, Kind::kEmbedder);
    EXPECT_EQ(parsed.property, Property::kRequestId);
  }
}

TEST(Properties, EveryRowOfTheTableIsFound) {
  for (const PropertyRow& row : kProperties) {
    const PropertyPath parsed = ParsePropertyPath(row.path);
    if (row.property == Property::kRequestScheme) {
      EXPECT_EQ(parsed.kind, Kind::kHeader);  // from the headers
      continue;
    }
    EXPECT_EQ(parsed.kind, Kind::kEmbedder) << row.path;
    EXPECT_EQ(parsed.property, row.property) << row.path;
  }
}

TEST(Properties, HeadersByNameKeepTheirDotsAndLoseTheirCase) {
  const PropertyPath parsed = ParsePropertyPath("response\0headers\0X-A.b"sv);
  EXPECT_EQ(parsed.kind, Kind::kHeader);
  EXPECT_EQ(parsed.map, HeaderMapKind::kResponseHeaders);
  EXPECT_EQ(parsed.name, "x-a.b");
  EXPECT_EQ(ParsePropertyPath("request.headers").kind, Kind::kMap);
  EXPECT_EQ(ParsePropertyPath("request").kind, Kind::kMessage);
  EXPECT_EQ(ParsePropertyPath("").kind, Kind::kCustom);
  EXPECT_EQ(ParsePropertyPath("request.headersx").kind, Kind::kCustom);
  EXPECT_EQ(ParsePropertyPath("my\0own"sv).name, "my.own");
}

TEST(Properties, ValuesAsEnvoyWritesThem) {
  EXPECT_EQ(EncodeProperty(std::string("a\0b", 3)), "a\0b"sv);
  EXPECT_EQ(EncodeProperty(int64_t(258)), "\2\1\0\0\0\0\0\0"sv);
  EXPECT_EQ(EncodeProperty(int64_t(-1)), "\xff\xff\xff\xff\xff\xff\xff\xff"sv);
  EXPECT_EQ(EncodeProperty(true), "\1"sv);
  EXPECT_EQ(EncodeProperty(false), "\0"sv);
}

}  // namespace
}  // namespace weir::proxy_wasm
