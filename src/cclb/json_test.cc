// What the golden lines do not reach: boundaries of the reader and writer.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"

namespace weir::cclb {
namespace {

std::string Canonical(std::string_view text) {
  const auto json = Json::Parse(text);
  return json ? json->text() : "error: " + json.error().message;
}
std::string Nested(int depth) { return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']'); }

TEST(Json, DepthEndsAt127) {
  EXPECT_EQ(Canonical(Nested(127)), Nested(127));
  EXPECT_EQ(Canonical(Nested(128)), "error: recursion limit exceeded at line 1 column 128");
  EXPECT_NE(Canonical(std::string(1'000'000, '[')).find("recursion limit"), std::string::npos);
}

TEST(Json, IntegersBecomeDoublesWhereTheyDoNotFit) {
  EXPECT_EQ(Canonical("[18446744073709551615,18446744073709551616]"), "[18446744073709551615,1.8446744073709552e+19]");
  EXPECT_EQ(Canonical("[-9223372036854775808,-9223372036854775809]"), "[-9223372036854775808,-9.223372036854776e+18]");
  EXPECT_EQ(Canonical("-0"), "-0.0");
}

TEST(Json, HugeExponentsAreErrorsAndTinyOnesZero) {
  EXPECT_EQ(Canonical("1e99999999999"), "error: number out of range at line 1 column 13");
  EXPECT_EQ(Canonical("1e-99999999999"), "0.0");
  EXPECT_EQ(Canonical("0e99999999999"), "0.0");
  EXPECT_EQ(Canonical("-0e99999999999"), "-0.0");
  EXPECT_EQ(Canonical("1.7976931348623157e308"), "1.7976931348623157e+308");
  EXPECT_NE(Canonical("1e309").find("number out of range"), std::string::npos);
  EXPECT_EQ(Canonical("1" + std::string(300, '0')), "1e+300");
  EXPECT_NE(Canonical("1" + std::string(100'000, '0')).find("number out of range"), std::string::npos);
}

TEST(Json, TextEndsAnywhere) {
  const std::string text = R"({"a":[1,-2.5e3,"x\u00e9\ud83d\ude00",true,null]})";
  ASSERT_EQ(Canonical(text), "{\"a\":[1,-2500.0,\"x\u00e9\U0001F600\",true,null]}");
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Canonical(text.substr(0, size)).substr(0, 6), "error:") << size;
  }
}

TEST(Json, SpecialBytesAreFoundAtEveryOffset) {
  for (size_t size = 0; size < 70; ++size) {
    for (const char special : {'"', '\\', '\x1F', '\0'}) {
      const std::string text = std::string(size, 'x') + special + "yyyyyyyyyyyyyyyyyyyy";
      EXPECT_EQ(FindStringEnd(text.data(), text.data() + text.size()) - text.data(), static_cast<ptrdiff_t>(size));
      const std::string quoted = Quoted(text);
      EXPECT_EQ(Canonical(quoted), quoted);
    }
  }
}

TEST(Json, FloatsAndDoublesChangeToExponentsAtTheirOwnPlaces) {
  const auto both = [](double value) {
    Out out;
    AppendDouble(value, &out);
    out.push_back(' ');
    AppendFloat(static_cast<float>(value), &out);
    return out.str();
  };
  EXPECT_EQ(both(1e15), "1000000000000000.0 1e+15");
  EXPECT_EQ(both(1e12), "1000000000000.0 1000000000000.0");
  EXPECT_EQ(both(1e-5), "0.00001 0.00001");
  EXPECT_EQ(both(1e-6), "1e-6 0.000001");
  EXPECT_EQ(both(std::numeric_limits<double>::infinity()), "null null");
  EXPECT_EQ(both(std::nan("")), "null null");
}

TEST(Utf8, FaultsInTheWordsOfTheReference) {
  EXPECT_EQ(Utf8Fault("abc\xFF"), "invalid utf-8 sequence of 1 bytes from index 3");
  EXPECT_EQ(Utf8Fault("a\xE2\x82"), "incomplete utf-8 byte sequence from index 1");
  EXPECT_EQ(Utf8Fault("a\xE2\x82z"), "invalid utf-8 sequence of 2 bytes from index 1");
  EXPECT_EQ(Utf8Fault("\xED\xA0\x80"), "invalid utf-8 sequence of 1 bytes from index 0");
  EXPECT_EQ(Utf8Fault("\xF0\x9F\x98z"), "invalid utf-8 sequence of 3 bytes from index 0");
  EXPECT_EQ(Utf8Fault("\xC0\x80"), "invalid utf-8 sequence of 1 bytes from index 0");
}

template <class T>
std::string RoundTrip(std::string_view text, Duplicates duplicates) {
  T value;
  std::string error;
  return ReadText(text, duplicates, &value, &error) ? WriteText(value) : "error: " + error;
}

TEST(Codec, DuplicatesOverwrittenByTheLastNeedNotEvenHaveTheRightType) {
  constexpr std::string_view kText = R"({"name":1,"name":"b","value_base64":"c"})";
  EXPECT_EQ(RoundTrip<HeaderWire>(kText, Duplicates::kLastWins), R"({"name":"b","value_base64":"c"})");
  EXPECT_EQ(RoundTrip<HeaderWire>(kText, Duplicates::kError), "error: duplicate field `name`");
}

TEST(Codec, BelowATagANumberNamesAVariant) {
  EXPECT_EQ(RoundTrip<ObserveEventWire>(R"({"kind":"upstream_chosen","upstream":{"kind":0}})", Duplicates::kError),
            R"({"kind":"upstream_chosen","upstream":{"kind":"anthropic_direct"}})");
  EXPECT_EQ(RoundTrip<UpstreamWire>(R"({"kind":0})", Duplicates::kError), "error: invalid type: integer `0`, expected variant identifier");
}

TEST(Codec, AnArrayMayEndBeforeAFieldThatIsOmitted) {
  EXPECT_EQ(RoundTrip<v2::CandidateWire>(R"(["u","n","k",[],[],5])", Duplicates::kError),
            R"({"upstream_id":"u","name":"n","kind":"k","observed_rate_limits":[],"subscription_quotas":[],"observed_at_unix_secs":5})");
  EXPECT_EQ(RoundTrip<v1::CandidateWire>(R"(["u","n","k",[],[]])", Duplicates::kError),
            "error: invalid length 5, expected struct CandidateWire with 6 elements");
}

TEST(Codec, SortedOrderPutsTheTagAmongTheFields) {
  EXPECT_EQ(WriteText<Order::kSorted>(ObserveEventWire{Chunk{1, 2, 3}}), R"({"batch_index":1,"event_count":2,"kind":"chunk","total_bytes":3})");
}

}  // namespace
}  // namespace weir::cclb
