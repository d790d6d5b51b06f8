#include "http/filter_chain_fixture.h"

namespace weir {
namespace {

TEST_F(FilterChainTest, TrailersFollowTheBody) {
  Add({}), Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "x", kMore);
  said();
  EXPECT_EQ(Trailers(kRequest), Verdict::kContinue);
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_EQ(out.end, kEnd);
  EXPECT_EQ(said(), "a request_trailers 1; b request_trailers 1");
}

TEST_F(FilterChainTest, TrailersReleaseAPausedBodyWhenContinued) {
  Add({.request_body = {Pause()}});
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "x", kMore), Verdict::kPause);
  said();
  EXPECT_EQ(Trailers(kRequest), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_trailers 1; b request_body 1 'x'; b request_trailers 1");
  EXPECT_EQ(out.bytes, "x");
  EXPECT_TRUE(out.trailers_passed);
}

TEST_F(FilterChainTest, PausedTrailersHoldTheBodyAndResume) {
  ScriptPlugin& a = Add({.request_body = {Pause()}, .request_trailers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "x", kMore);
  EXPECT_EQ(Trailers(kRequest), Verdict::kPause);
  EXPECT_TRUE(a.stream().headers_writable(HeaderMapKind::kRequestTrailers));
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "x");
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_FALSE(a.stream().headers_writable(HeaderMapKind::kRequestTrailers));
}

TEST_F(FilterChainTest, TrailersUnderAHeaderPauseAreShownAfterwards) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "x", kMore);
  EXPECT_EQ(Trailers(kRequest), Verdict::kPause);
  said();
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 1 'x'; a request_trailers 1");
  EXPECT_TRUE(out.headers_passed);
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_EQ(out.bytes, "x");
}

/// A message without trailers, and a filter that wants some.
class AddedTrailersTest : public FilterChainTest {
 protected:
  AddedTrailersTest() {
    exchange.trailers_came = false;
    exchange.maps[3] = CountMap(0);
  }
  static Step Write(FilterStatus then = FilterStatus::kContinue) {
    return Do([](HttpStream& s) { s.headers(HeaderMapKind::kResponseTrailers)->Add("x-t", "1"); }, then);
  }
  static Step Look(bool* there) {
    return Do([there](HttpStream& s) { *there = s.headers(HeaderMapKind::kResponseTrailers) != nullptr; });
  }
};

TEST_F(AddedTrailersTest, WrittenAtTheEndOfTheBodyTheyFollowIt) {
  Add({}), Add({.response_body = {Write()}}), Add({});
  Start();
  chain->OnHeaders(kResponse, kMore);
  said();
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "c response_body 1 'x' end; b response_body 1 'x' end; a response_body 1 'x'; a response_trailers 1");
  EXPECT_TRUE(out.unchanged);
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(AddedTrailersTest, AnEmptyLastChunkIsNoFurtherBodyEvent) {
  Add({}), Add({.response_body = {Continue(), Write()}});
  Start();
  chain->OnHeaders(kResponse, kMore);
  Body(kResponse, "x", kMore);
  said();
  EXPECT_EQ(Body(kResponse, "", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "b response_body 0 '' end; a response_trailers 1");
  EXPECT_FALSE(out.unchanged);
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(AddedTrailersTest, AskedForButNotWrittenTheBodyEndsTheMessage) {
  bool there = false;
  Add({.response_body = {Look(&there)}});
  Start();
  chain->OnHeaders(kResponse, kMore);
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kContinue);
  EXPECT_TRUE(there);
  EXPECT_FALSE(out.trailers_passed);
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(AddedTrailersTest, NoMapBeforeTheEndNorInHeadersNorWithoutRoomForThem) {
  bool at_headers = true, before = true, at_end = true;
  Add({.response_headers = {Look(&at_headers)}, .response_body = {Look(&before), Look(&at_end)}});
  Start();
  exchange.can_add_trailers = false;
  chain->OnHeaders(kResponse, kMore);
  Body(kResponse, "x", kMore);
  Body(kResponse, "y", kEnd);
  EXPECT_FALSE(at_headers || before || at_end);
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(AddedTrailersTest, WrittenByAFilterThatThenHolds) {
  Add({});
  ScriptPlugin& b = Add({.response_body = {Write(FilterStatus::kPause)}});
  Start();
  chain->OnHeaders(kResponse, kMore);
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kPause);
  said();
  b.stream().Resume(kResponse);
  EXPECT_EQ(Go(kResponse), Verdict::kContinue);
  EXPECT_EQ(said(), "a response_body 1 'x'; a response_trailers 1");
  EXPECT_EQ(out.bytes, "x");
  EXPECT_TRUE(out.trailers_passed);
}

TEST_F(AddedTrailersTest, WrittenWhileItHolds) {
  Add({});
  ScriptPlugin& b = Add({.response_body = {Pause()}});
  Start();
  chain->OnHeaders(kResponse, kMore);
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kPause);
  said();
  b.stream().headers(HeaderMapKind::kResponseTrailers)->Add("x-t", "1");
  b.stream().Resume(kResponse);
  EXPECT_EQ(Go(kResponse), Verdict::kContinue);
  EXPECT_EQ(said(), "a response_body 1 'x'; a response_trailers 1");
  EXPECT_TRUE(out.trailers_passed);
}

TEST_F(AddedTrailersTest, HeldByTheNextFilterTheyWaitBehindItsBody) {
  ScriptPlugin& a = Add({.response_body = {Pause()}, .response_trailers = {Pause()}});
  Add({.response_body = {Write()}});
  Start();
  chain->OnHeaders(kResponse, kMore);
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kPause);
  a.stream().Resume(kResponse);
  EXPECT_EQ(Go(kResponse), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "x");
  EXPECT_TRUE(out.trailers_passed);
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(AddedTrailersTest, HeadersThatWaitGoFirst) {
  Add({});
  ScriptPlugin& b = Add({.response_headers = {Pause()}, .response_body = {Write()}});
  b.mutable_spec().header_pause = HeaderPause::kHeadersOnly;
  Start();
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kPause);
  said();
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "b response_body 1 'x' end; a response_headers 2; a response_body 1 'x'; a response_trailers 1");
  EXPECT_TRUE(out.headers_passed);
  EXPECT_TRUE(out.trailers_passed);
}

}  // namespace
}  // namespace weir
