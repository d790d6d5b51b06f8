#include <gtest/gtest.h>

#include <algorithm>

#include "base/script_plugin.h"
#include "memhost/memory_stream.h"

namespace weir {
namespace {

using enum Direction;

/// A world with scripted plugins in it.
class MemhostTest : public ::testing::Test {
 protected:
  ScriptPlugin& Add(Script script) {
    plugins_.push_back(std::make_unique<ScriptPlugin>(std::string(1, char('a' + plugins_.size())), std::move(script), journal));
    list.push_back(plugins_.back().get());
    return *plugins_.back();
  }
  bool traced(std::string_view line) { return std::count(world.trace().begin(), world.trace().end(), line) == 1; }

  MemoryHost world;
  Journal journal;
  std::vector<std::unique_ptr<ScriptPlugin>> plugins_;
  std::vector<Plugin*> list;
};

Step SetHeader(HeaderMapKind kind, std::string name, std::string value) {
  return Do([=](HttpStream& s) { s.headers(kind)->Add(name, value); });
}
Step PauseFor(MemoryHost& world, ScriptPlugin** plugin, uint32_t ms) {
  return Do([&world, plugin, ms](HttpStream&) { world.host().timers.SetTick(**plugin, ms); }, FilterStatus::kPause);
}

TEST_F(MemhostTest, AWholeStream) {
  Add({.request_headers = {SetHeader(HeaderMapKind::kRequestHeaders, "x-a", "1")},
       .response_headers = {SetHeader(HeaderMapKind::kResponseHeaders, "x-b", "2")}});
  HttpMessage request{.headers = RequestHeaders("POST", "/p"), .body = {"one", "two"}};
  StreamOutcome outcome = RunStream(world, list, request, [](const HttpMessage& seen) {
    return Answer(200, "got " + seen.BodyText())(seen);
  });
  EXPECT_EQ(outcome.end, StreamOutcome::End::kResponse);
  ASSERT_TRUE(outcome.upstream);
  EXPECT_EQ(JoinedValues(outcome.upstream->headers, "x-a"), "1");
  EXPECT_EQ(outcome.upstream->body, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(JoinedValues(outcome.response.headers, "x-b"), "2");
  EXPECT_EQ(outcome.response.BodyText(), "got onetwo");
  EXPECT_EQ(journal, (Journal{"a request_headers 4", "a request_body 3 'one'", "a request_body 3 'two' end",
                              "a response_headers 2", "a response_body 10 'got onetwo' end", "a finish"}));
}

TEST_F(MemhostTest, PauseIsEndedByATick) {
  ScriptPlugin* a = nullptr;
  ScriptPlugin& plugin = Add({.request_headers = {PauseFor(world, &a, 30)}});
  a = &plugin;
  plugin.on_tick = [&] { plugin.stream().Resume(kRequest); };
  const uint64_t before_ns = world.clock().MonotonicNs();
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("GET", "/")}, Answer(200, "x"));
  EXPECT_EQ(outcome.end, StreamOutcome::End::kResponse);
  EXPECT_EQ(world.clock().MonotonicNs() - before_ns, 30'000'000u);
  EXPECT_TRUE(traced("tick a every 30 ms"));
  world.host().timers.SetTick(plugin, 0);
  world.host().timers.SetTick(plugin, 0);  // stops what does not tick: no event
  EXPECT_EQ(std::count(world.trace().begin(), world.trace().end(), "tick a every 0 ms"), 1);
}

TEST_F(MemhostTest, AStreamThatNobodyResumesIsStuckAfterItsTime) {
  ScriptPlugin* a = nullptr;
  ScriptPlugin& plugin = Add({.request_headers = {PauseFor(world, &a, 30)}});
  a = &plugin;
  const uint64_t before_ns = world.clock().MonotonicNs();
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("GET", "/")}, Answer(200, "x"), 100);
  EXPECT_EQ(outcome.end, StreamOutcome::End::kStuck);
  EXPECT_FALSE(outcome.upstream);
  EXPECT_EQ(world.clock().MonotonicNs() - before_ns, 90'000'000u);
}

TEST_F(MemhostTest, LocalResponseInsteadOfTheUpstream) {
  Add({.request_headers = {Do([](HttpStream& s) {
         LocalResponse local;
         local.status = 403;
         local.headers = {{"x-why", "no"}};
         local.body = "denied";
         EXPECT_TRUE(s.SendLocalResponse(std::move(local)));
       })},
       .response_headers = {SetHeader(HeaderMapKind::kResponseHeaders, "x-b", "2")}});
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"b"}}, Answer(200, "x"));
  EXPECT_TRUE(outcome.local);
  EXPECT_FALSE(outcome.upstream);
  EXPECT_EQ(JoinedValues(outcome.response.headers, ":status"), "403");
  EXPECT_EQ(JoinedValues(outcome.response.headers, "x-why"), "no");
  EXPECT_EQ(JoinedValues(outcome.response.headers, "x-b"), "2");
  EXPECT_EQ(outcome.response.BodyText(), "denied");
}

TEST_F(MemhostTest, LocalResponseInTheResponseHeadersReplacesTheUpstreams) {
  Add({.response_headers = {Do([](HttpStream& s) {
    LocalResponse local;
    local.status = 502;
    local.body = "ours";
    s.SendLocalResponse(std::move(local));
  })}});
  StreamOutcome outcome =
      RunStream(world, list, {.headers = RequestHeaders("GET", "/")}, Answer(200, "theirs", {{"x-theirs", "1"}}));
  EXPECT_TRUE(outcome.upstream);
  EXPECT_EQ(JoinedValues(outcome.response.headers, ":status"), "502");
  EXPECT_EQ(JoinedValues(outcome.response.headers, "x-theirs"), std::nullopt);
  EXPECT_EQ(outcome.response.BodyText(), "ours");
}

TEST_F(MemhostTest, ALateLocalResponseResetsAndWhatLeftIsThere) {
  Add({.response_body = {Continue(), Do([](HttpStream& s) { s.SendLocalResponse({}); })}});
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("GET", "/")}, [](const HttpMessage&) {
    return HttpMessage{.headers = ResponseHeaders(200), .body = {"one", "two", "three"}};
  });
  EXPECT_EQ(outcome.end, StreamOutcome::End::kReset);
  EXPECT_EQ(outcome.response.BodyText(), "one");
}

TEST_F(MemhostTest, ContentLengthFollowsAChangedBody) {
  Add({.request_body = {Do([](HttpStream& s) { s.ReplaceBody(kRequest, 0, 0, "12345"); })},
       .response_body = {Do([](HttpStream& s) { s.ReplaceBody(kResponse, 0, 99, ""); })}});
  HttpMessage request{.headers = RequestHeaders("POST", "/", {{"content-length", "3"}}), .body = {"abc"}};
  StreamOutcome outcome = RunStream(world, list, request, Answer(200, "gone"));
  EXPECT_EQ(JoinedValues(outcome.upstream->headers, "content-length"), "8");
  EXPECT_EQ(JoinedValues(outcome.response.headers, "content-length"), "0");
  EXPECT_TRUE(outcome.response.body.empty());
}

TEST_F(MemhostTest, TrailersBothWays) {
  Add({.request_trailers = {SetHeader(HeaderMapKind::kRequestTrailers, "x-t", "1")},
       .response_trailers = {SetHeader(HeaderMapKind::kResponseTrailers, "x-u", "2")}});
  HttpMessage request{.headers = RequestHeaders("POST", "/"), .body = {"abc"}, .trailers = {{"x-s", "0"}}};
  StreamOutcome outcome = RunStream(world, list, request, [](const HttpMessage&) {
    return HttpMessage{.headers = ResponseHeaders(200), .body = {"r"}, .trailers = {{"x-v", "3"}}};
  });
  EXPECT_EQ(outcome.upstream->trailers, (HeaderList{{"x-s", "0"}, {"x-t", "1"}}));
  EXPECT_EQ(outcome.response.trailers, (HeaderList{{"x-v", "3"}, {"x-u", "2"}}));
}

TEST_F(MemhostTest, TrailersAddedAtTheEndOfABodyBothWays) {
  Add({.response_trailers = {SetHeader(HeaderMapKind::kResponseTrailers, "x-v", "2")}});
  Add({.request_body = {SetHeader(HeaderMapKind::kRequestTrailers, "x-t", "1")},
       .response_body = {Continue(), SetHeader(HeaderMapKind::kResponseTrailers, "x-u", "1")}});
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"abc"}}, [](const HttpMessage&) {
    return HttpMessage{.headers = ResponseHeaders(200), .body = {"r", "s"}};
  });
  EXPECT_EQ(outcome.end, StreamOutcome::End::kResponse);
  EXPECT_EQ(outcome.upstream->trailers, (HeaderList{{"x-t", "1"}}));
  EXPECT_EQ(outcome.response.BodyText(), "rs");
  EXPECT_EQ(outcome.response.trailers, (HeaderList{{"x-u", "1"}, {"x-v", "2"}}));
}

TEST_F(MemhostTest, PausedRequestTrailersHoldTheRequest) {
  ScriptPlugin* a = nullptr;
  ScriptPlugin& plugin = Add({.request_trailers = {PauseFor(world, &a, 30)}});
  a = &plugin;
  plugin.on_tick = [&] { plugin.stream().Resume(kRequest); };
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"abc"}, .trailers = {{"x-s", "0"}}},
                                    Answer(200, "r"));
  EXPECT_EQ(outcome.end, StreamOutcome::End::kResponse);
  EXPECT_EQ(outcome.upstream->BodyText(), "abc");
  EXPECT_EQ(outcome.upstream->trailers, (HeaderList{{"x-s", "0"}}));
}

TEST_F(MemhostTest, ALocalResponseFromRequestTrailersSparesTheUpstream) {
  Add({.request_trailers = {Do([](HttpStream& s) { s.SendLocalResponse(LocalResponse{.status = 403, .body = "no"}); })}});
  StreamOutcome outcome = RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"abc"}, .trailers = {{"x-s", "0"}}},
                                    Answer(200, "r"));
  EXPECT_FALSE(outcome.upstream);
  EXPECT_EQ(JoinedValues(outcome.response.headers, ":status"), "403");
  EXPECT_EQ(outcome.response.BodyText(), "no");
}

TEST_F(MemhostTest, RequestHeadersMayChangeUntilTheBodyIsThrough) {
  Add({.request_body = {Do([](HttpStream& s) {
         EXPECT_TRUE(s.headers_writable(HeaderMapKind::kRequestHeaders));
         EXPECT_EQ(s.headers(HeaderMapKind::kResponseHeaders), nullptr);
         s.headers(HeaderMapKind::kRequestHeaders)->Add("x-late", "1");
       })},
       .response_headers = {Do([](HttpStream& s) {
         EXPECT_FALSE(s.headers_writable(HeaderMapKind::kRequestHeaders));
         EXPECT_TRUE(s.headers_writable(HeaderMapKind::kResponseHeaders));
       })},
       .response_body = {Do([](HttpStream& s) { EXPECT_FALSE(s.headers_writable(HeaderMapKind::kResponseHeaders)); })}});
  StreamOutcome outcome =
      RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"x"}}, Answer(200, "y"));
  EXPECT_EQ(JoinedValues(outcome.upstream->headers, "x-late"), "1");
}

TEST_F(MemhostTest, TraceOfEveryEffect) {
  ScriptPlugin& plugin = Add({.request_headers = {Do(
                                  [&](HttpStream& s) {
                                    HeaderMap* map = s.headers(HeaderMapKind::kRequestHeaders);
                                    map->Add("x-a", "1");
                                    map->Replace(":scheme", "https");
                                    map->Remove("x-a");
                                    s.SetCustomProperty("k", "v");
                                    world.host().log.Write(LogLevel::kInfo, "a", "hello");
                                    auto id = world.host().metrics.Define(MetricType::kCounter, "hits", "p");
                                    world.host().metrics.Increment(*id, 2);
                                  },
                                  FilterStatus::kContinue)}});
  auto traced = world.Traced(plugin);
  Plugin* chain[] = {traced.get()};
  RunStream(world, chain, {.headers = RequestHeaders("GET", "/")}, Answer(204, ""));
  EXPECT_EQ(world.trace(), (Trace{"a request_headers add x-a: 1", "a request_headers replace :scheme: https (refused)",
                                  "a request_headers remove x-a", "a property k = v", "log info a: hello", "metric hits + 2",
                                  "a on_request_headers 4 end -> continue", "a on_response_headers 2 end -> continue",
                                  "a finish"}));
}

TEST_F(MemhostTest, PropertiesThatFollowFromTheMessage) {
  Add({.request_headers = {Do([](HttpStream& s) { EXPECT_EQ(s.property(Property::kResponseCode), std::nullopt); })},
       .response_headers = {Do([](HttpStream& s) {
         EXPECT_EQ(s.property(Property::kResponseCode), PropertyValue(int64_t{404}));
         EXPECT_EQ(s.property(Property::kRequestSize), PropertyValue(int64_t{3}));
         EXPECT_EQ(s.property(Property::kUpstreamAddress), std::nullopt);
       })}});
  RunStream(world, list, {.headers = RequestHeaders("POST", "/"), .body = {"abc"}}, Answer(404, "y"));
  EXPECT_EQ(journal.size(), 5u);
}

TEST_F(MemhostTest, ALocalResponseToGrpcIsTrailersOnly) {
  Add({.request_headers = {Do([](HttpStream& s) {
         s.SendLocalResponse({.status = 403, .headers = {{"x-why", "no"}}, .body = "50% no\n", .details = "", .grpc_status = 7});
       })}});
  auto answer = [&](HeaderList headers) {
    return RunStream(world, list, {.headers = RequestHeaders("POST", "/s/M", std::move(headers)), .body = {"x"}}, Answer(200, "")).response;
  };
  for (const char* type : {"application/grpc", "application/grpc+proto"}) {
    const HttpMessage response = answer({{"content-type", type}});
    EXPECT_EQ(response.headers, (HeaderList{{":status", "200"}, {"x-why", "no"}, {"content-type", "application/grpc"}, {"grpc-status", "7"},
                                            {"grpc-message", "50%25 no%0A"}}));
    EXPECT_EQ(response.BodyText(), "");
  }
  for (HeaderList headers : {HeaderList{}, HeaderList{{"content-type", "application/grpc-web"}}}) {
    const HttpMessage response = answer(headers);
    EXPECT_EQ(JoinedValues(response.headers, ":status"), "403");
    EXPECT_EQ(JoinedValues(response.headers, "grpc-status"), std::nullopt);
    EXPECT_EQ(response.BodyText(), "50% no\n");
  }
}

TEST_F(MemhostTest, RewindBringsTheSameStreamAgain) {
  Add({.request_headers = {SetHeader(HeaderMapKind::kRequestHeaders, "x-a", "1")},
       .response_headers = {Do([](HttpStream& s) { s.headers(HeaderMapKind::kResponseHeaders)->Replace(":status", "500"); })}});
  MemoryStream stream(world, list, {.headers = RequestHeaders("GET", "/")});
  stream.StartResponse({.headers = ResponseHeaders(200)});
  for (int i = 0; i < 2; ++i) {
    stream.FeedHeaders(kRequest, EndOfStream::kYes);
    EXPECT_TRUE(stream.request_over());
    EXPECT_EQ(stream.request().headers.size(), 5u);
    stream.ForwardRequest();
    stream.FeedHeaders(kResponse, EndOfStream::kYes);
    EXPECT_EQ(stream.response().headers, ResponseHeaders(500));
    stream.Rewind();
    EXPECT_EQ(stream.request().headers, RequestHeaders("GET", "/"));
    EXPECT_EQ(stream.response().headers, ResponseHeaders(200));
    EXPECT_FALSE(stream.request_over());
  }
  EXPECT_EQ(journal.size(), 6u);
}

TEST(MemoryHeaders, Rules) {
  HeaderList list = RequestHeaders("GET", "/", {{"x-a", "1"}, {"x-a", "2"}});
  MemoryHeaders map(list, MemoryHeaders::Pseudo::kRequest);
  std::string_view found[1];
  EXPECT_EQ(map.Find("x-a", found, 1), 2u);
  EXPECT_EQ(found[0], "1");
  EXPECT_TRUE(map.Replace("x-a", "3"));
  EXPECT_EQ(JoinedValues(list, "x-a"), "3");
  EXPECT_TRUE(map.Add("x-a", "4"));
  EXPECT_EQ(JoinedValues(list, "x-a"), "3, 4");
  EXPECT_TRUE(map.Remove("x-a"));
  EXPECT_TRUE(map.Remove("x-a"));
  EXPECT_TRUE(map.Replace("x-b", "5"));
  EXPECT_TRUE(map.Add(":path", "/q"));
  EXPECT_EQ(JoinedValues(list, ":path"), "/q");
  EXPECT_FALSE(map.Remove(":path"));
  EXPECT_FALSE(map.Replace(":scheme", "https"));
  EXPECT_FALSE(map.Add(":status", "200"));
  EXPECT_EQ(map.size(), 5u);
}

}  // namespace
}  // namespace weir
