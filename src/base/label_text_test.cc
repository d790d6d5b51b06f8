#include "base/label_text.h"

#include <gtest/gtest.h>

#include "weir/own_metrics.h"

namespace weir {
namespace {

std::string Escaped(std::string_view value) {
  std::string text;
  AppendLabelValue(value, &text);
  return text;
}

TEST(LabelText, EscapesWhatEndsALabel) {
  EXPECT_EQ(Escaped("plain /path?x={y}"), "plain /path?x={y}");
  EXPECT_EQ(Escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
  EXPECT_EQ(Escaped(""), "");
}

TEST(LabelText, ReplacesWhatIsNoUtf8) {
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(Escaped("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(Escaped("\xff"), bad);
  EXPECT_EQ(Escaped("a\xc3"), "a" + bad);              // cut
  EXPECT_EQ(Escaped("\xc0\x80"), bad + bad);           // too long
  EXPECT_EQ(Escaped("\xed\xa0\x80"), bad + bad + bad);  // a surrogate
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80"), bad + bad + bad + bad);  // over U+10FFFF
  EXPECT_EQ(Escaped("\xe2\x28\xa1"), bad + "(" + bad);
}

TEST(OwnMetrics, LabelsAreThoseOfTheRow) {
  EXPECT_EQ(OwnLabels(OwnMetric::kHostCallRejected, {"a", "b\"c", "d"}), "plugin=\"a\",call=\"b\\\"c\",reason=\"d\"");
  EXPECT_EQ(OwnLabels(OwnMetric::kStreams, {}), "");
}

TEST(OwnMetrics, DurationsFallIntoTheBucketThatHoldsThem) {
  OwnCell cells[kDurationCells];
  AddDuration(cells, kDurationBoundsNs[0]);
  AddDuration(cells, kDurationBoundsNs[0] + 1);
  AddDuration(cells, UINT64_MAX / 2);
  EXPECT_EQ(cells[1].value(), 1u);
  EXPECT_EQ(cells[2].value(), 1u);
  EXPECT_EQ(cells[kDurationCells - 1].value(), 1u);
  EXPECT_EQ(cells[0].value(), 2 * kDurationBoundsNs[0] + 1 + UINT64_MAX / 2);
}

}  // namespace
}  // namespace weir
