#include "http/filter_chain_fixture.h"

namespace weir {
namespace {

TEST_F(FilterChainTest, AsksInOrderAndResponsesReversed) {
  Add({}), Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kRequest, "xy", kEnd), Verdict::kContinue);
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kResponse, "z", kEnd), Verdict::kContinue);
  chain->Finish();
  chain->Finish();
  EXPECT_EQ(said(),
            "a request_headers 3; b request_headers 3; a request_body 2 'xy' end; b request_body 2 'xy' end; "
            "b response_headers 2; a response_headers 2; b response_body 1 'z' end; a response_body 1 'z' end; "
            "a finish; b finish");
}

TEST_F(FilterChainTest, DestructorFinishesOnce) {
  Add({});
  Start();
  chain.reset();
  EXPECT_EQ(said(), "a finish");
}

TEST_F(FilterChainTest, NoPluginsPassEverything) {
  Start();
  EXPECT_TRUE(chain->ignores_body(kRequest));
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kContinue);
  EXPECT_EQ(Body(kResponse, "z", kEnd), Verdict::kContinue);
  EXPECT_TRUE(out.unchanged);
}

TEST_F(FilterChainTest, MoreFiltersThanInlineOnes) {
  for (size_t i = 0; i <= FilterChain::kInlineFilters; ++i) Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kContinue);
  EXPECT_EQ(journal.size(), FilterChain::kInlineFilters + 1);
}

TEST_F(FilterChainTest, UnchangedChunkIsPassedThrough) {
  Add({}), Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "chunk", kMore), Verdict::kContinue);
  EXPECT_TRUE(out.unchanged);
  EXPECT_TRUE(out.bytes.empty());
  EXPECT_EQ(out.end, kMore);
}

TEST_F(FilterChainTest, EmptyChunkWithoutEndIsNoEvent) {
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  said();
  EXPECT_EQ(Body(kRequest, "", kMore), Verdict::kContinue);
  EXPECT_EQ(said(), "");
  EXPECT_EQ(Body(kRequest, "", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 0 '' end");
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(FilterChainTest, AbsentBodyCallbackIsNotAsked) {
  Add({.ignores_request_body = true}), Add({.ignores_response_body = true});
  Start();
  EXPECT_FALSE(chain->ignores_body(kRequest));
  chain->OnHeaders(kRequest, kMore);
  said();
  Body(kRequest, "x", kEnd);
  EXPECT_EQ(said(), "b request_body 1 'x' end");
}

TEST_F(FilterChainTest, IgnoresBodyWhenNobodyLooksAndNothingWaits) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .ignores_request_body = true});
  Start();
  EXPECT_TRUE(chain->ignores_body(kRequest));
  chain->OnHeaders(kRequest, kMore);
  EXPECT_FALSE(chain->ignores_body(kRequest));
  a.stream().Resume(kRequest);
  Go(kRequest);
  EXPECT_TRUE(chain->ignores_body(kRequest));
}

// ---------------------------------------------------------------- pause and resume

TEST_F(FilterChainTest, HeaderPauseHoldsUntilResume) {
  Add({});
  ScriptPlugin& b = Add({.request_headers = {Pause()}});
  Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kPause);
  EXPECT_TRUE(chain->paused(kRequest));
  EXPECT_EQ(Go(kRequest), Verdict::kPause) << "nobody resumed it";
  b.stream().Resume(kRequest);
  EXPECT_EQ(exchange.woken, std::vector{kRequest});
  EXPECT_EQ(said(), "a request_headers 3 end; b request_headers 3 end");
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_TRUE(out.headers_passed);
  EXPECT_EQ(out.end, kEnd);
  EXPECT_FALSE(chain->paused(kRequest));
  EXPECT_EQ(said(), "c request_headers 3 end");
}

TEST_F(FilterChainTest, EveryFilterMayPauseInTurn) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  ScriptPlugin& b = Add({.request_headers = {Pause()}});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kPause);
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kPause);
  b.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
}

TEST_F(FilterChainTest, BodyUnderAHeaderPauseWaitsUnseenAndIsShownAfterwards) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "one", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "two", kEnd), Verdict::kPause);
  EXPECT_EQ(said(), "a request_headers 3");
  EXPECT_EQ(a.stream().body(kRequest), "onetwo");
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(said(), "b request_headers 3; a request_body 6 'onetwo' end; b request_body 6 'onetwo' end");
  EXPECT_TRUE(out.headers_passed);
  EXPECT_FALSE(out.unchanged);
  EXPECT_EQ(out.bytes, "onetwo");
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(FilterChainTest, BodyUnderAHeaderPauseOfAFilterWithoutBodyCallbackIsNotShown) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .ignores_request_body = true});
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "one", kEnd), Verdict::kPause);
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_headers 3; b request_headers 3; b request_body 3 'one' end");
  EXPECT_EQ(out.bytes, "one");
}

TEST_F(FilterChainTest, HeadersOnlyPauseShowsBodiesAndContinueResumes) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .request_body = {Pause(), Continue()}});
  a.mutable_spec().header_pause = HeaderPause::kHeadersOnly;
  Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "one", kMore), Verdict::kPause);
  EXPECT_EQ(said(), "a request_headers 3; a request_body 3 'one'");
  EXPECT_EQ(Body(kRequest, "two", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 6 'onetwo' end; b request_headers 3; b request_body 6 'onetwo' end");
  EXPECT_TRUE(out.headers_passed);
  EXPECT_EQ(out.bytes, "onetwo");
}

TEST_F(FilterChainTest, HeadersOnlyPauseWithoutBodyCallbackWaitsForResume) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .ignores_request_body = true});
  a.mutable_spec().header_pause = HeaderPause::kHeadersOnly;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "one", kEnd), Verdict::kPause);
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "one");
}

TEST_F(FilterChainTest, BodyPauseShowsTheTotalAndResumeSendsItOnUnseenAgain) {
  ScriptPlugin& a = Add({.request_body = {Pause(), Pause()}});
  Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kRequest, "one", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "two", kEnd), Verdict::kPause);
  said();
  a.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(said(), "b request_body 6 'onetwo' end");
  EXPECT_EQ(out.bytes, "onetwo");
  EXPECT_EQ(out.end, kEnd);
  EXPECT_FALSE(out.headers_passed);
}

TEST_F(FilterChainTest, BodyPauseAnsweredWithContinueSendsAllOn) {
  Add({.request_body = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "one", kMore);
  EXPECT_EQ(Body(kRequest, "two", kMore), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "onetwo");
  EXPECT_EQ(out.end, kMore);
  EXPECT_EQ(Body(kRequest, "three", kEnd), Verdict::kContinue);
  EXPECT_TRUE(out.unchanged);
}

TEST_F(FilterChainTest, ResumeBeforeTheNextChunkLetsTheHeldBytesGoFirst) {
  ScriptPlugin& a = Add({.request_body = {Pause(), Continue()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "one", kMore);
  a.stream().Resume(kRequest);
  said();
  EXPECT_EQ(Body(kRequest, "two", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 3 'two' end");
  EXPECT_EQ(out.bytes, "onetwo");
  EXPECT_FALSE(out.unchanged);
}

TEST_F(FilterChainTest, TwoFiltersHoldAndKeepTheOrder) {
  ScriptPlugin& a = Add({.request_body = {Continue(), Pause()}});
  ScriptPlugin& b = Add({.request_body = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "1", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "2", kEnd), Verdict::kPause);
  a.stream().Resume(kRequest);
  b.stream().Resume(kRequest);
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "12");
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(FilterChainTest, ResumeInsideTheDecidingEventIsDecidedByTheAction) {
  Add({.request_headers = {Do([](HttpStream& s) { s.Resume(kRequest); }, FilterStatus::kPause)}});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kPause);
  EXPECT_TRUE(exchange.woken.empty());
  EXPECT_EQ(Go(kRequest), Verdict::kPause);
}

TEST_F(FilterChainTest, ResumeWhenNotPausedIsNothing) {
  ScriptPlugin& a = Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  a.stream().Resume(kRequest);
  a.stream().Resume(kResponse);
  EXPECT_TRUE(exchange.woken.empty());
}

TEST_F(FilterChainTest, ResumeOfTheRequestFromAResponseEvent) {
  ScriptPlugin& a = Add({.request_body = {Pause()},
                         .response_headers = {Do([](HttpStream& s) { s.Resume(kRequest); })}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "x", kEnd);
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kContinue);
  EXPECT_EQ(exchange.woken, std::vector{kRequest});
  EXPECT_EQ(Go(kRequest), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "x");
  (void)a;
}

TEST_F(FilterChainTest, ResponseHeaderPauseThenResume) {
  ScriptPlugin& a = Add({.response_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kPause);
  EXPECT_EQ(Body(kResponse, "r", kEnd), Verdict::kPause);
  a.stream().Resume(kResponse);
  EXPECT_EQ(Go(kResponse), Verdict::kContinue);
  EXPECT_TRUE(out.headers_passed);
  EXPECT_EQ(out.bytes, "r");
}

// ---------------------------------------------------------------- limits

TEST_F(FilterChainTest, HoldsExactlyTheLimitAndRejectsOneByteMore) {
  ScriptPlugin& a = Add({.request_body = {Pause(), Pause()}});
  a.mutable_spec().limits.body_bytes = 4;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "1234", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "5", kMore), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 413u);
  EXPECT_TRUE(exchange.noted(ChainNote::kBodyRejected));
}

TEST_F(FilterChainTest, AChunkAboveTheLimitIsFineWhenItIsNotHeld) {
  ScriptPlugin& a = Add({.request_body = {Pause(), Continue()}});
  a.mutable_spec().limits.body_bytes = 4;
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "1234", kMore);
  EXPECT_EQ(Body(kRequest, "5678", kMore), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "12345678");
}

TEST_F(FilterChainTest, ResponseLimitIs502WhileHeadersAreHeldAndResetAfterwards) {
  for (bool sent : {false, true}) {
    ScriptPlugin& a = Add({.response_body = {Pause()}});
    a.mutable_spec().limits.body_bytes = 1;
    exchange.sent[1] = sent;
    Start();
    chain->OnHeaders(kRequest, kEnd);
    chain->OnHeaders(kResponse, kMore);
    EXPECT_EQ(Body(kResponse, "12", kEnd), sent ? Verdict::kReset : Verdict::kLocalResponse);
    if (!sent) {
      EXPECT_EQ(chain->TakeLocalResponse().status, 502u);
    }
    chain.reset();
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, UnseenBytesUnderAHeaderPauseCountToo) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  a.mutable_spec().limits.body_bytes = 4;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "1234", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "5", kEnd), Verdict::kLocalResponse);
  EXPECT_EQ(said(), "a request_headers 3");
}

TEST_F(FilterChainTest, ReleaseSendsOnAfterOneMoreCallAndIgnoresFurtherPauses) {
  ScriptPlugin& a = Add({.request_body = {Pause(), Pause(), Pause(), Pause()}});
  a.mutable_spec().limits.body_bytes = 4;
  a.mutable_spec().on_buffer_full = OnBufferFull::kRelease;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "1234", kMore), Verdict::kPause);
  said();
  EXPECT_EQ(Body(kRequest, "5", kMore), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 5 '12345'");
  EXPECT_EQ(out.bytes, "12345");
  EXPECT_TRUE(exchange.noted(ChainNote::kBodyReleased));
  EXPECT_EQ(Body(kRequest, "6", kMore), Verdict::kContinue);
  EXPECT_TRUE(out.unchanged);
  EXPECT_EQ(Body(kRequest, "7", kEnd), Verdict::kContinue);
  EXPECT_TRUE(exchange.noted(ChainNote::kPauseIgnored)) << "said once";
}

TEST_F(FilterChainTest, ReleaseOfAHeaderPauseLetsHeadersAndBytesGo) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .request_body = {Pause()}});
  a.mutable_spec().limits.body_bytes = 4;
  a.mutable_spec().on_buffer_full = OnBufferFull::kRelease;
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "1234", kMore);
  said();
  EXPECT_EQ(Body(kRequest, "5", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_body 5 '12345' end; b request_headers 3; b request_body 5 '12345' end");
  EXPECT_TRUE(out.headers_passed);
  EXPECT_EQ(out.bytes, "12345");
}

TEST_F(FilterChainTest, ReleaseOfAHeaderPauseWithoutBodyCallback) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}, .ignores_request_body = true});
  a.mutable_spec().limits.body_bytes = 2;
  a.mutable_spec().on_buffer_full = OnBufferFull::kRelease;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "12", kMore), Verdict::kPause);
  EXPECT_EQ(Body(kRequest, "3", kEnd), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "123");
  EXPECT_EQ(out.end, kEnd);
}

// ---------------------------------------------------------------- changing bodies

struct Edit {
  const char* name;
  size_t start, size;
  const char* bytes;
  const char* result;
};
constexpr Edit kEdits[] = {
    {"prepend", 0, 0, "<<", "<<body"},
    {"append", 4, 0, ">>", "body>>"},
    {"append past the end", 99, 0, ">>", "body>>"},
    {"inject", 2, 0, "--", "bo--dy"},
    {"replace the middle", 1, 2, "--", "b--y"},
    {"size past the end is cut", 2, 99, "--", "bo--"},
    {"size that would wrap", 2, SIZE_MAX, "--", "bo--"},
    {"replace everything", 0, 4, "new", "new"},
    {"remove everything", 0, 99, "", ""},
};

TEST_F(FilterChainTest, ReplaceBodyInAnEvent) {
  for (const Edit& edit : kEdits) {
    Add({.request_body = {Do([&](HttpStream& s) { EXPECT_TRUE(s.ReplaceBody(kRequest, edit.start, edit.size, edit.bytes)); })}});
    Add({});
    Start();
    chain->OnHeaders(kRequest, kMore);
    said();
    EXPECT_EQ(Body(kRequest, "body", kEnd), Verdict::kContinue) << edit.name;
    EXPECT_FALSE(out.unchanged) << edit.name;
    EXPECT_EQ(out.bytes, edit.result) << edit.name;
    EXPECT_EQ(journal.back(), "b request_body " + std::to_string(strlen(edit.result)) + " '" + edit.result + "' end");
    chain.reset();
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, ReplaceBodyWhilePausedOutsideOfAnEvent) {
  for (const Edit& edit : kEdits) {
    ScriptPlugin& a = Add({.request_body = {Pause()}});
    Start();
    chain->OnHeaders(kRequest, kMore);
    Body(kRequest, "body", kEnd);
    EXPECT_TRUE(a.stream().ReplaceBody(kRequest, edit.start, edit.size, edit.bytes));
    EXPECT_EQ(a.stream().body(kRequest), edit.result);
    a.stream().Resume(kRequest);
    EXPECT_EQ(Go(kRequest), Verdict::kContinue);
    EXPECT_EQ(out.bytes, edit.result) << edit.name;
    EXPECT_EQ(out.end, kEnd) << edit.name;
    chain.reset();
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, TwoEditsInOneEventAndAFilterThatHoldsTheChangedChunk) {
  Add({.request_body = {Do([](HttpStream& s) {
        s.ReplaceBody(kRequest, 0, 0, "<");
        EXPECT_EQ(s.body(kRequest), "<x");
        s.ReplaceBody(kRequest, 2, 0, ">");
      })}});
  ScriptPlugin& b = Add({.request_body = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "x", kMore), Verdict::kPause);
  EXPECT_EQ(b.stream().body(kRequest), "<x>");
  EXPECT_EQ(Body(kRequest, "y", kEnd), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "<x>y");
}

TEST_F(FilterChainTest, EditOfOneDirectionOnly) {
  ScriptPlugin& a = Add({.request_body = {Do([](HttpStream& s) {
                           EXPECT_EQ(s.body(kResponse), std::nullopt);
                           EXPECT_FALSE(s.ReplaceBody(kResponse, 0, 0, "x"));
                         })}});
  Start();
  EXPECT_EQ(a.stream().body(kRequest), std::nullopt);
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "q", kMore);
  EXPECT_TRUE(out.unchanged);
  EXPECT_EQ(a.stream().body(kRequest), std::nullopt) << "outside of the event";
  EXPECT_FALSE(a.stream().ReplaceBody(kRequest, 0, 0, "x"));
}

TEST_F(FilterChainTest, ABodyGrowsByTheLimitInOneEventAndNoFurther) {
  ScriptPlugin& a = Add({.request_body = {Do([](HttpStream& s) {
                           EXPECT_TRUE(s.ReplaceBody(kRequest, 0, 0, "1234"));
                           EXPECT_FALSE(s.ReplaceBody(kRequest, 0, 0, "5"));
                         })}});
  a.mutable_spec().limits.body_bytes = 4;
  Start();
  chain->OnHeaders(kRequest, kMore);
  EXPECT_EQ(Body(kRequest, "abcdef", kEnd), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "1234abcdef");
  EXPECT_TRUE(exchange.noted(ChainNote::kBodyReplaceRefused));
}

TEST_F(FilterChainTest, APausedBodyIsEditedUpToTheLimit) {
  ScriptPlugin& a = Add({.request_body = {Pause()}});
  a.mutable_spec().limits.body_bytes = 4;
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "ab", kEnd);
  EXPECT_FALSE(a.stream().ReplaceBody(kRequest, 0, 0, "123"));
  EXPECT_TRUE(a.stream().ReplaceBody(kRequest, 0, 0, "12"));
  EXPECT_EQ(a.stream().body(kRequest), "12ab");
}

// ---------------------------------------------------------------- local responses

TEST_F(FilterChainTest, LocalResponseEndsTheRequestAndRunsThroughTheResponseCallbacks) {
  Add({});
  Add({.request_headers = {Deny(403)}});
  Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kMore), Verdict::kLocalResponse);
  EXPECT_EQ(Body(kRequest, "x", kEnd), Verdict::kLocalResponse) << "until it is taken";
  EXPECT_EQ(chain->TakeLocalResponse().status, 403u);
  EXPECT_EQ(Body(kRequest, "x", kEnd), Verdict::kContinue);
  EXPECT_FALSE(out.unchanged) << "swallowed";
  said();
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "b response_headers 2 end; a response_headers 2 end") << "c never saw the request";
}

TEST_F(FilterChainTest, LocalResponseWinsOverEveryAction) {
  for (FilterStatus then : {FilterStatus::kContinue, FilterStatus::kPause, FilterStatus::kFailed}) {
    Add({.request_headers = {Deny(403, then)}});
    Start();
    EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kLocalResponse);
    EXPECT_EQ(chain->TakeLocalResponse().status, 403u);
    chain.reset();
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, FirstLocalResponseWins) {
  Add({.request_headers = {Do([](HttpStream& s) {
        EXPECT_TRUE(s.SendLocalResponse(Local(401)));
        EXPECT_FALSE(s.SendLocalResponse(Local(500)));
      })},
       .response_headers = {Do([](HttpStream& s) { EXPECT_FALSE(s.SendLocalResponse(Local(500))); })}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  EXPECT_TRUE(exchange.noted(ChainNote::kSecondLocalResponse));
  EXPECT_EQ(chain->TakeLocalResponse().status, 401u);
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kContinue);
}

TEST_F(FilterChainTest, LocalResponseStatusBounds) {
  for (auto [given, sent] : {std::pair{199u, 500u}, {200u, 200u}, {599u, 599u}, {600u, 500u}}) {
    Add({.request_headers = {Deny(given)}});
    Start();
    chain->OnHeaders(kRequest, kEnd);
    EXPECT_EQ(chain->TakeLocalResponse().status, sent);
    chain.reset();
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, LocalResponseInTheResponsePhaseReplacesItForTheRestOfTheChain) {
  Add({});
  Add({.response_headers = {Deny(500)}});
  Add({});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 500u);
  said();
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kResponse, "local", kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a response_headers 2; a response_body 5 'local' end") << "b and c have seen the first one";
}

TEST_F(FilterChainTest, LateLocalResponseResets) {
  Add({.response_body = {Deny(500)}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->OnHeaders(kResponse, kMore);
  exchange.sent[1] = true;
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kReset);
  EXPECT_TRUE(exchange.noted(ChainNote::kLateLocalResponse));
}

TEST_F(FilterChainTest, LocalResponseFromOutsideWakes) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  EXPECT_TRUE(a.stream().SendLocalResponse(Local(429)));
  EXPECT_EQ(exchange.woken, std::vector{kRequest});
  EXPECT_EQ(Go(kRequest), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 429u);
}

TEST_F(FilterChainTest, LocalResponseFromOutsideInTheResponsePhaseWakesTheResponse) {
  ScriptPlugin& a = Add({.response_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->OnHeaders(kResponse, kEnd);
  EXPECT_TRUE(a.stream().SendLocalResponse(Local(429)));
  EXPECT_EQ(exchange.woken, std::vector{kResponse});
  EXPECT_EQ(Go(kResponse), Verdict::kLocalResponse);
}

TEST_F(FilterChainTest, ResponseWithoutARequestReachesEveryFilter) {
  Add({}), Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "b response_headers 2 end; a response_headers 2 end");
}

TEST_F(FilterChainTest, ResetInsideAndOutsideOfAnEvent) {
  Add({.request_headers = {Do([](HttpStream& s) { s.Reset(kRequest); })}});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kReset);
  EXPECT_TRUE(exchange.woken.empty());
  chain.reset();
  plugins_.clear();
  ScriptPlugin& b = Add({.request_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  b.stream().Reset(kRequest);
  EXPECT_EQ(exchange.woken, std::vector{kRequest});
  EXPECT_EQ(Go(kRequest), Verdict::kReset);
}

// ---------------------------------------------------------------- failure policy

TEST_F(FilterChainTest, FailedClosedIs503) {
  Add({});
  Add({.request_headers = {FailNow()}});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 503u);
  EXPECT_TRUE(exchange.noted(ChainNote::kFailedClosed));
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kContinue);
  chain->Finish();
  EXPECT_EQ(said(), "a request_headers 3 end; b request_headers 3 end; a response_headers 2 end; a finish");
}

TEST_F(FilterChainTest, FailedClosedAfterTheHeadersLeftResets) {
  Add({.response_body = {FailNow()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->OnHeaders(kResponse, kMore);
  exchange.sent[1] = true;
  EXPECT_EQ(Body(kResponse, "x", kEnd), Verdict::kReset);
  EXPECT_TRUE(exchange.noted(ChainNote::kFailedReset));
}

TEST_F(FilterChainTest, FailedOpenGoesOnWithoutIt) {
  ScriptPlugin& a = Add({.request_headers = {FailNow()}});
  a.mutable_spec().on_error = OnError::kOpen;
  Add({});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kRequest, "x", kEnd), Verdict::kContinue);
  EXPECT_TRUE(out.unchanged);
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kContinue);
  chain->Finish();
  EXPECT_EQ(said(),
            "a request_headers 3; b request_headers 3; b request_body 1 'x' end; b response_headers 2 end; b finish");
  EXPECT_TRUE(exchange.noted(ChainNote::kFailedOpen));
}

TEST_F(FilterChainTest, FailedOpenInABodyLetsTheHeldBytesGo) {
  ScriptPlugin& a = Add({.request_body = {Pause(), FailNow()}});
  a.mutable_spec().on_error = OnError::kOpen;
  Add({});
  Start();
  chain->OnHeaders(kRequest, kMore);
  Body(kRequest, "one", kMore);
  EXPECT_EQ(Body(kRequest, "two", kEnd), Verdict::kContinue);
  EXPECT_EQ(out.bytes, "onetwo");
  EXPECT_EQ(out.end, kEnd);
}

TEST_F(FilterChainTest, FailFromOutsideWhilePaused) {
  for (OnError policy : {OnError::kClosed, OnError::kOpen}) {
    for (bool headers : {true, false}) {
      Script script;
      (headers ? script.request_headers : script.request_body).push_back(Pause());
      ScriptPlugin& a = Add(std::move(script));
      a.mutable_spec().on_error = policy;
      Add({});
      Start();
      chain->OnHeaders(kRequest, kMore);
      Body(kRequest, "x", kEnd);
      said();
      a.stream().Fail();
      a.stream().Fail();
      EXPECT_FALSE(exchange.woken.empty());
      exchange.woken.clear();
      if (policy == OnError::kClosed) {
        EXPECT_EQ(Go(kRequest), Verdict::kLocalResponse);
        EXPECT_EQ(chain->TakeLocalResponse().status, 503u);
      } else {
        EXPECT_EQ(Go(kRequest), Verdict::kContinue);
        EXPECT_EQ(out.bytes, "x");
        EXPECT_EQ(out.headers_passed, headers);
        EXPECT_EQ(said(), headers ? "b request_headers 3; b request_body 1 'x' end" : "b request_body 1 'x' end");
      }
      chain.reset();
      plugins_.clear();
      said();
    }
  }
}

TEST_F(FilterChainTest, FailInsideItsOwnEventIsAppliedWhenItReturns) {
  Add({.request_headers = {Do([](HttpStream& s) { s.Fail(); }, FilterStatus::kContinue)}});
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 503u);
}

TEST_F(FilterChainTest, AnInstanceThatServesTwoFiltersOfTheChainFailsBoth) {
  for (OnError policy : {OnError::kClosed, OnError::kOpen}) {
    ScriptPlugin* b = nullptr;
    ScriptPlugin& a = Add({.request_headers = {Do([&](HttpStream&) { b->stream().Fail(); }, FilterStatus::kFailed)}});
    b = &Add({});
    Add({});
    a.mutable_spec().on_error = b->mutable_spec().on_error = policy;
    Start();
    const bool closed = policy == OnError::kClosed;
    EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), closed ? Verdict::kLocalResponse : Verdict::kContinue);
    EXPECT_EQ(said(), closed ? "a request_headers 3 end" : "a request_headers 3 end; c request_headers 3 end");
    chain.reset();
    EXPECT_EQ(said(), "c finish");
    plugins_.clear();
  }
}

TEST_F(FilterChainTest, FailWhileFinishingSkipsTheOthersOfThatInstance) {
  ScriptPlugin& a = Add({});
  ScriptPlugin& b = Add({});
  a.on_finish = [&] { b.stream().Fail(); };
  Start();
  chain->OnHeaders(kRequest, kEnd);
  said();
  chain->Finish();
  EXPECT_EQ(said(), "a finish");
}

TEST_F(FilterChainTest, FailWhileNothingIsPausedAnswersAtOnce) {
  ScriptPlugin& a = Add({});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  a.stream().Fail();
  EXPECT_EQ(Go(kRequest), Verdict::kLocalResponse);
}

TEST_F(FilterChainTest, FailAfterTheResponseIsOverIsNothing) {
  ScriptPlugin& a = Add({});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->OnHeaders(kResponse, kMore);
  exchange.sent[1] = true;
  Body(kResponse, "x", kEnd);
  a.stream().Fail();
  EXPECT_TRUE(exchange.woken.empty());
  said();
  chain->Finish();
  EXPECT_EQ(said(), "") << "its instance is gone";
}

TEST_F(FilterChainTest, DownPluginByItsPolicyWhenItsTurnComes) {
  Add({});
  Add({}).set_down();
  Add({});
  Start();
  EXPECT_TRUE(exchange.noted(ChainNote::kPluginDown));
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 503u);
  EXPECT_EQ(said(), "a request_headers 3 end");
  chain.reset();
  plugins_[1]->mutable_spec().on_error = OnError::kOpen;
  Start();
  said();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kContinue);
  EXPECT_EQ(said(), "a request_headers 3 end; c request_headers 3 end");
}

TEST_F(FilterChainTest, FailureOnALocalResponseResets) {
  Add({.request_headers = {Deny(403)}, .response_headers = {FailNow()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->TakeLocalResponse();
  EXPECT_EQ(chain->OnHeaders(kResponse, kEnd), Verdict::kReset);
}

TEST_F(FilterChainTest, BodyLimitOnALocalResponseResetsRatherThanHangs) {
  ScriptPlugin& a = Add({.request_headers = {Deny(403)}, .response_body = {Pause()}});
  a.mutable_spec().limits.body_bytes = 1;
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->TakeLocalResponse();
  EXPECT_EQ(chain->OnHeaders(kResponse, kMore), Verdict::kContinue);
  EXPECT_EQ(Body(kResponse, "long", kEnd), Verdict::kReset);
}

// ---------------------------------------------------------------- the rest of HttpStream

TEST_F(FilterChainTest, CustomPropertiesAreSharedAlongTheChain) {
  Add({.request_headers = {Do([](HttpStream& s) {
        EXPECT_EQ(s.custom_property("my.key"), std::nullopt);
        EXPECT_TRUE(s.SetCustomProperty("my.key", "1"));
        EXPECT_TRUE(s.SetCustomProperty("my.key", "2"));
        EXPECT_FALSE(s.SetCustomProperty("request.id", "x")) << "read-only";
        EXPECT_FALSE(s.SetCustomProperty("ngx.host", "x"));
        EXPECT_TRUE(s.SetCustomProperty("ngx.writable", "x"));
        EXPECT_EQ(s.custom_property("ngx.host"), "h");
      })}});
  Add({.request_headers = {Do([](HttpStream& s) { EXPECT_EQ(s.custom_property("my.key"), "2"); })}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
}

TEST_F(FilterChainTest, CustomPropertiesHaveALimit) {
  ScriptPlugin& a = Add({});
  a.mutable_spec().limits.property_bytes = 6;
  Start();
  EXPECT_TRUE(a.stream().SetCustomProperty("k", "12345"));
  EXPECT_FALSE(a.stream().SetCustomProperty("l", ""));
  EXPECT_FALSE(a.stream().SetCustomProperty("k", "123456"));
  EXPECT_TRUE(a.stream().SetCustomProperty("k", "1234"));
  EXPECT_TRUE(a.stream().SetCustomProperty("l", ""));
  EXPECT_TRUE(exchange.notes.size() == 2);
}

TEST_F(FilterChainTest, HeadersAreWritableUntilTheEmbedderSentThem) {
  ScriptPlugin& a = Add({});
  Start();
  EXPECT_TRUE(a.stream().headers_writable(HeaderMapKind::kRequestHeaders));
  exchange.sent[0] = true;
  EXPECT_FALSE(a.stream().headers_writable(HeaderMapKind::kRequestHeaders));
  EXPECT_TRUE(a.stream().headers_writable(HeaderMapKind::kResponseHeaders));
  exchange.sent[1] = true;
  EXPECT_FALSE(a.stream().headers_writable(HeaderMapKind::kResponseHeaders));
}

// The embedder is still being made: it is woken for nothing, and the first event has the verdict.
TEST_F(FilterChainTest, WhatIsDecidedAtCreationIsTheFirstVerdict) {
  Add({}).on_create = [](HttpStream& stream) { stream.SendLocalResponse(Local(403)); };
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kLocalResponse);
  EXPECT_EQ(chain->TakeLocalResponse().status, 403u);
  plugins_[0]->on_create = [](HttpStream& stream) { stream.Reset(kRequest); };
  Start();
  EXPECT_EQ(chain->OnHeaders(kRequest, kEnd), Verdict::kReset);
  EXPECT_TRUE(exchange.woken.empty());
}

TEST_F(FilterChainTest, AfterFinishNothingActs) {
  ScriptPlugin& a = Add({.request_headers = {Pause()}});
  Start();
  chain->OnHeaders(kRequest, kEnd);
  chain->Finish();
  a.stream().Resume(kRequest);
  a.stream().Reset(kRequest);
  a.stream().Fail();
  EXPECT_FALSE(a.stream().SendLocalResponse(Local(200)));
  EXPECT_FALSE(a.stream().SetCustomProperty("k", "v"));
  EXPECT_FALSE(a.stream().headers_writable(HeaderMapKind::kRequestHeaders));
  EXPECT_TRUE(exchange.woken.empty());
}

}  // namespace
}  // namespace weir
