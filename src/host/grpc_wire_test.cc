#include "host/grpc_wire.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using State = GrpcDeframer::State;

TEST(GrpcWire, FramesAndDeframesInAnyPieces) {
  const std::vector<std::string> messages = {"", "a", std::string(70'000, 'x'), "", "end"};
  std::string wire;
  for (const std::string& message : messages) wire += FrameGrpc(message);
  EXPECT_EQ(FrameGrpc("ab"), std::string("\0\0\0\0\2ab", 7));
  for (size_t piece : {1, 3, 5, 6, 1000, 100'000}) {
    GrpcDeframer deframer(70'000);
    std::vector<std::string> seen;
    for (size_t i = 0; i < wire.size(); i += piece) {
      ASSERT_EQ(deframer.Feed(std::string_view(wire).substr(i, piece), [&](std::string m) { seen.push_back(std::move(m)); }), State::kOk);
    }
    EXPECT_EQ(seen, messages) << piece;
    EXPECT_FALSE(deframer.inside());
  }
}

TEST(GrpcWire, RefusesByTheHead) {
  auto feed = [](std::string_view bytes, uint64_t max = 10) {
    GrpcDeframer deframer(max);
    const State first = deframer.Feed(bytes, [](std::string) {});
    EXPECT_EQ(deframer.Feed("", [](std::string) { ADD_FAILURE(); }), first);
    return first;
  };
  EXPECT_EQ(feed(std::string_view("\0\0\0\0\12", 5)), State::kOk);
  EXPECT_EQ(feed(std::string_view("\0\0\0\0\13", 5)), State::kTooLarge);
  EXPECT_EQ(feed(std::string_view("\0\xff\xff\xff\xff", 5)), State::kTooLarge);
  EXPECT_EQ(feed(std::string_view("\1\0\0\0\1", 5)), State::kCompressed);
  EXPECT_EQ(feed(std::string_view("\2\0\0\0\1", 5)), State::kBadFlag);
  GrpcDeframer inside(10);
  inside.Feed(std::string_view("\0\0", 2), [](std::string) {});
  EXPECT_TRUE(inside.inside());
}

TEST(GrpcWire, Timeouts) {
  EXPECT_EQ(GrpcTimeout(1), "1m");
  EXPECT_EQ(GrpcTimeout(99'999'999), "99999999m");
  EXPECT_EQ(GrpcTimeout(100'000'000), "100000S");
  EXPECT_EQ(GrpcTimeout(100'000'001), "100001S");
}

TEST(GrpcWire, Texts) {
  EXPECT_EQ(DecodePercent("a%20b%C3%bc%"), "a b\xc3\xbc%");
  EXPECT_EQ(DecodePercent("%zz%4"), "%zz%4");
  EXPECT_EQ(DecodePercent("%41"), "A");
  for (std::string bytes : {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\0\xff\xfe\x80", 4)}) {
    EXPECT_EQ(DecodeBase64(EncodeBase64(bytes)), bytes);
  }
  EXPECT_EQ(EncodeBase64("a"), "YQ");
  EXPECT_EQ(DecodeBase64("YQ=="), "a");
  EXPECT_EQ(DecodeBase64("Y"), std::nullopt);
  EXPECT_EQ(DecodeBase64("Y Q="), std::nullopt);
}

TEST(GrpcWire, Metadata) {
  const HeaderList got = DecodeMetadata({{":status", "200"}, {"a", "x,y"}, {"b-bin", "YQ==, Yg"}, {"c-bin", "!"}, {"d-bin", ""}});
  EXPECT_EQ(got, (HeaderList{{"a", "x,y"}, {"b-bin", "a"}, {"b-bin", "b"}, {"d-bin", ""}}));
}

TEST(GrpcWire, Statuses) {
  EXPECT_EQ(ParseGrpcStatus("0"), GrpcStatus::kOk);
  EXPECT_EQ(ParseGrpcStatus("16"), GrpcStatus::kUnauthenticated);
  EXPECT_EQ(ParseGrpcStatus("17"), GrpcStatus::kUnknown);
  for (const char* bad : {"", "x", "-1", "1x", "99999999999"}) EXPECT_EQ(ParseGrpcStatus(bad), std::nullopt) << bad;
  EXPECT_EQ(StatusOfHttp(503), GrpcStatus::kUnavailable);
  EXPECT_EQ(StatusOfHttp(404), GrpcStatus::kUnimplemented);
  EXPECT_EQ(StatusOfReset(8), GrpcStatus::kCancelled);
}

}  // namespace
}  // namespace weir
