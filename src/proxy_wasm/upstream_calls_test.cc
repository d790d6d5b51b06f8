// HTTP and gRPC calls to upstreams: what each host call answers, in both modes, what is sent, what each callback may read, and whose
// a call is.
#include <gtest/gtest.h>

#include "proxy_wasm/pairs.h"
#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using namespace std::literals;
using enum Callback;
using Strings = std::vector<std::string>;
using Numbers = std::vector<uint32_t>;
using Tokens = std::vector<CallToken>;

const HeaderList kRequest = {{":method", "GET"}, {":path", "/check"}, {":authority", "authz"}};

std::string Pairs(const HeaderList& list) {
  std::string bytes;
  SerializePairs(list, &bytes);
  return bytes;
}

std::string N(uint32_t number) { return "(i32.const " + std::to_string(number) + ") "; }
std::string Call(std::string_view name, std::string_view args) { return "(call $" + std::string(name) + " " + std::string(args) + ")"; }
constexpr uint32_t kId = 700;  // where calls put their id

class UpstreamCallsTest : public ::testing::TestWithParam<Statuses> {
 protected:
  bool strict() const { return GetParam() == Statuses::kStrict; }
  uint32_t Swallowed(uint32_t status) const { return strict() ? status : 0; }
  std::string S(std::string_view bytes) { return guest_.S(bytes) + " "; }
  std::string Http(std::string_view upstream, const std::string& headers, std::string_view body = "", const std::string& trailers = "",
                   uint32_t timeout_ms = 100) {
    return Call("proxy_http_call", S(upstream) + S(headers) + S(body) + S(trailers) + N(timeout_ms) + N(kId));
  }
  std::string Http() { return Http("up", Pairs(kRequest)); }
  std::string Unary(std::string_view upstream = "up", const std::string& metadata = "", std::string_view message = "ping",
                    std::string_view service = "a.B", std::string_view method = "C") {
    return Call("proxy_grpc_call", S(upstream) + S(service) + S(method) + S(metadata) + S(message) + N(200) + N(kId));
  }
  std::string Stream(std::string_view upstream = "up", const std::string& metadata = "", std::string_view service = "a.B",
                     std::string_view method = "C") {
    return Call("proxy_grpc_stream", S(upstream) + S(service) + S(method) + S(metadata) + N(kId));
  }
  std::string Id() { return "(i32.load (i32.const 700)) "; }
  /// Reports a status, and logs the bytes answered.
  std::string ReportBytes(std::string_view name, std::string_view args) {
    return "(i32.store (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 0))" +
           Guest::Report(Call(name, std::string(args) + std::string(kPut))) + Guest::Log(kGot);
  }
  /// Reports all that a callback of an answer may read.
  std::string ReportAnswer() {
    std::string code;
    for (uint32_t map = 4; map < 8; ++map) code += ReportBytes("proxy_get_header_map_value", N(map) + S("x"));
    for (uint32_t buffer = 4; buffer < 6; ++buffer) code += ReportBytes("proxy_get_buffer_bytes", N(buffer) + N(0) + N(100));
    code += Guest::Report(Call("proxy_get_status", N(520) + std::string(kPut))) + Guest::Report("(i32.load (i32.const 520))") + Guest::Log(kGot);
    return code;
  }
  void Load() {
    spec_.statuses = GetParam();
    spec_.limits.callback_ms = 10'000;  // sanitizers
    auto plugin = testing::Load(guest_, world_, spec_);
    ASSERT_TRUE(plugin) << plugin.error().message << guest_.Wat();
    plugin_ = std::move(*plugin);
  }
  /// Loads, and runs on_request_headers.
  void Run(const std::string& code) {
    guest_.On(kOnRequestHeaders, code);
    Load();
    Begin();
  }
  void Begin() {
    filter_ = plugin_->NewHttpFilter(stream_);
    ASSERT_TRUE(filter_);
    EXPECT_EQ(filter_->OnRequestHeaders(3, EndOfStream::kYes), FilterStatus::kContinue) << plugin_->stats().last_error;
  }
  FakeCalls& calls() { return world_.calls; }
  const PluginStats& stats() { return plugin_->stats(); }
  Numbers& statuses() { return world_.timers.periods; }
  HttpAnswer Granted() { return {.headers = {{":status", "200"}, {"x", "1"}, {"x", "2"}}, .body = "yes", .trailers = {{"x", "t"}}}; }

  Guest guest_;
  FakeWorld world_;
  FakeStream stream_;
  PluginSpec spec_ = SpecNamed("t");
  std::unique_ptr<Plugin> plugin_;
  std::unique_ptr<HttpFilter> filter_;
};
INSTANTIATE_TEST_SUITE_P(Modes, UpstreamCallsTest, ::testing::Values(Statuses::kLenient, Statuses::kStrict),
                         [](const auto& info) { return info.param == Statuses::kStrict ? "strict" : "lenient"; });

// ---- proxy_http_call

TEST_P(UpstreamCallsTest, HttpCallSendsWhatIsGiven) {
  const std::string headers = Pairs({{"X-Upper", "1"}, {":path", "/old"}, {":scheme", "https"}, {":method", "POST"}, {":path", "/p?q"},
                                     {":authority", "a:1"}, {"Host", "b"}, {"content-length", "99"}, {"Connection", "close"}, {"x", "\xff"}});
  Run(Guest::Report(Http("up", headers, "body\0bytes"sv, Pairs({{"X-T", "t"}, {"content-length", "1"}}), 1234)) + Guest::Report(Id()) +
      Guest::Report(Call("proxy_dispatch_http_call", S("other") + S(headers) + S("") + S("") + N(0) + N(kId))) + Guest::Report(Id()));
  EXPECT_EQ(statuses(), (Numbers{0, 1, 0, 2}));
  ASSERT_EQ(calls().http.size(), 2u);
  const HttpCall& call = calls().http[0];
  EXPECT_EQ(call.upstream, "up");
  EXPECT_EQ(call.headers, (HeaderList{{":path", "/p?q"}, {":scheme", "https"}, {":method", "POST"}, {":authority", "a:1"}, {"x-upper", "1"}, {"x", "\xff"}}));
  EXPECT_EQ(call.body, "body\0bytes"sv);
  EXPECT_EQ(call.trailers, (HeaderList{{"x-t", "t"}}));
  EXPECT_EQ(call.timeout_ms, 1234u);
  EXPECT_EQ(calls().http[1].upstream, "other");
  EXPECT_EQ(calls().http[1].timeout_ms, 0u);
  EXPECT_EQ(stats().calls_started, 2u);
}

TEST_P(UpstreamCallsTest, HttpCallRefusesWhatIsMalformed) {
  std::string code;
  auto without = [&](size_t i) {
    HeaderList list = kRequest;
    list.erase(list.begin() + std::ptrdiff_t(i));
    return Pairs(list);
  };
  auto with = [&](std::string name, std::string value) {
    HeaderList list = kRequest;
    list.emplace_back(std::move(name), std::move(value));
    return Pairs(list);
  };
  const std::string good = Pairs(kRequest);
  const std::string bad[] = {without(0), without(1), without(2), "", with(":path", ""), with(":path", "no-slash"), with(":method", "G T"),
                             with(":scheme", "ftp"), with(":status", "200"), with("x y", "1"), with("", "1"), with("x", "a\r\nb"),
                             with("x", "\0"s), good.substr(0, good.size() - 1), "\xff\xff\xff\xff", Pairs({{":method", "GET"}})};
  for (const std::string& headers : bad) code += Guest::Report(Http("up", headers));
  for (const std::string& trailers : {Pairs({{":path", "/"}}), Pairs({{"x", "\n"}}), "\1\0\0\0"s}) code += Guest::Report(Http("up", good, "", trailers));
  for (const char* upstream : {"unknown", "", "UP"}) code += Guest::Report(Http(upstream, good));
  Run(code);
  EXPECT_EQ(statuses(), Numbers(std::size(bad) + 3 + 3, 2));
  EXPECT_TRUE(calls().http.empty());
  EXPECT_EQ(world_.log.Count("proxy_http_call: upstream \"unknown\" is not known here"), 1u);
  EXPECT_EQ(stats().host_calls_rejected, 0u);  // SDKs are told
}

TEST_P(UpstreamCallsTest, HttpCallSendsNothingWhenTheIdCannotBeWritten) {
  Run(Guest::Report(Call("proxy_http_call", S("up") + S(Pairs(kRequest)) + S("") + S("") + N(1) + N(kMemoryBytes - 3))) +
      Guest::Report(Call("proxy_grpc_call", S("up") + S("s") + S("m") + S("") + S("") + N(1) + N(kMemoryBytes))) +
      Guest::Report(Call("proxy_grpc_stream", S("up") + S("s") + S("m") + S("") + N(0xffffffff))));
  EXPECT_EQ(statuses(), (Numbers{6, 6, 6}));
  EXPECT_EQ(stats().calls_started, 0u);
  EXPECT_TRUE(calls().alive.empty());
}

TEST_P(UpstreamCallsTest, WhatTheHostSaysAtTheStartOfACall) {
  const std::pair<ErrorCode, Numbers> cases[] = {{ErrorCode::kNotFound, {2, 4, 4}}, {ErrorCode::kInvalidArgument, {2, 4, 4}},
                                                 {ErrorCode::kLimit, {10, 10, 10}}, {ErrorCode::kIo, {10, 10, 10}}};
  guest_.On(kOnRequestHeaders, Guest::Report(Http()) + Guest::Report(Unary()) + Guest::Report(Stream()));
  Load();
  for (const auto& [code, expected] : cases) {
    statuses().clear();
    calls().error = Error{code, "it says why"};
    Begin();
    EXPECT_EQ(statuses(), expected) << int(code);
    filter_->OnFinish();
  }
  EXPECT_EQ(stats().calls_started, 0u);
  EXPECT_EQ(world_.log.Count("a call to upstream \"up\" is refused: it says why"), 1u);
}

TEST_P(UpstreamCallsTest, CallsInFlightAndBodiesHaveLimits) {
  spec_.limits.calls = 2;
  spec_.limits.call_bytes = 4;
  Run(Guest::Report(Http("up", Pairs(kRequest), "12345")) + Guest::Report(Unary("up", "", "12345")) +
      Guest::Report(Http("up", Pairs(kRequest), "1234")) + Guest::Report(Stream()) + Guest::Report(Call("proxy_grpc_send", Id() + S("12345") + N(0))) +
      Guest::Report(Call("proxy_grpc_send", Id() + S("1234") + N(0))) + Guest::Report(Http()) + Guest::Report(Unary("up", "", "")) + Guest::Report(Stream()) +
      Guest::Report(Call("proxy_grpc_cancel", Id())) + Guest::Report(Http()));
  EXPECT_EQ(statuses(), (Numbers{10, 10, 0, 0, 2, 0, 10, 10, 10, 0, 0}));
  EXPECT_EQ(world_.log.Count("the limit of 2 calls in flight is reached"), 1u);
  EXPECT_EQ(world_.log.Count("over the limit of 4 bytes"), 2u);
}

TEST_P(UpstreamCallsTest, OnlyAllowedUpstreams) {
  spec_.allow = *ParseAllow("upstream:other");
  Run(Guest::Report(Http()) + Guest::Report(Http("other", Pairs(kRequest))) + Guest::Report(Unary()) + Guest::Report(Unary("other")) +
      Guest::Report(Stream()) + Guest::Report(Http()));
  EXPECT_EQ(statuses(), (Numbers{2, 0, 4, 0, 4, 2}));
  EXPECT_EQ(world_.log.Count("proxy_http_call: upstream \"up\" is refused: allow= of this plugin does not name upstream:up"), 1u);
  EXPECT_EQ(stats().host_calls_rejected, 4u);
}

// ---- its callback

TEST_P(UpstreamCallsTest, HttpAnswerIsReadInItsCallbackAlone) {
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 0)") + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") +
                                     Guest::Report("(local.get 3)") + Guest::Report("(local.get 4)") + ReportAnswer());
  guest_.On(kOnTick, ReportAnswer());
  Run(Guest::Report(Http()));
  statuses().clear();
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  EXPECT_EQ(statuses(), (Numbers{1, 1, 3, 3, 1, 1, 1, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(world_.log.lines, (Strings{"", "", "1,2", "t", "yes", "", ""}));
  statuses().clear();
  plugin_->OnTick();
  EXPECT_EQ(statuses(), (Numbers{1, 1, 1, 1, 1, 1, 0, 0}));
  EXPECT_EQ(stats().calls_failed, 0u);
}

TEST_P(UpstreamCallsTest, AnAnswerIsReadOnly) {
  guest_.On(kOnHttpCallResponse, Guest::Report(Call("proxy_add_header_map_value", N(6) + S("x") + S("y"))) +
                                     Guest::Report(Call("proxy_remove_header_map_value", N(7) + S("x"))) +
                                     Guest::Report(Call("proxy_set_header_map_pairs", N(6) + S(""))) +
                                     Guest::Report(Call("proxy_set_buffer_bytes", N(4) + N(0) + N(9) + S("no"))) +
                                     ReportBytes("proxy_get_buffer_bytes", N(4) + N(1) + N(1)) +
                                     Guest::Report(Call("proxy_get_buffer_status", N(4) + std::string(kPut))) + Guest::Report("(i32.load (i32.const 512))") +
                                     Guest::Report(Call("proxy_get_header_map_size", N(6) + N(512))) + Guest::Report("(i32.load (i32.const 512))"));
  Run(Guest::Report(Http()));
  statuses().clear();
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  const uint32_t bad = Swallowed(2);
  const uint32_t size = 4 + 3 * 10 + 7 + 3 + 1 + 1 + 1 + 1;
  EXPECT_EQ(statuses(), (Numbers{bad, bad, bad, bad, 0, 0, 3, 0, size}));
  EXPECT_EQ(world_.log.lines.back(), "e");
}

TEST_P(UpstreamCallsTest, AFailedCallHasNoHeadersAndGetStatusSaysWhy) {
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 2)") + Guest::Report("(local.get 3)") + Guest::Report("(local.get 4)") + ReportAnswer());
  Run(Guest::Report(Http()));
  statuses().clear();
  world_.log.lines.clear();
  HttpAnswer half = Granted();  // what came before the failure is not shown
  half.failure = CallFailure::kTimeout;
  half.reason = "no answer within 100 ms";
  calls().End(calls().last).OnHttpAnswer(calls().last, half);
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 11}));
  EXPECT_EQ(world_.log.lines.front(), "HTTP call 1 to upstream \"up\" failed: timeout: no answer within 100 ms");
  EXPECT_EQ(world_.log.lines.back(), "timeout: no answer within 100 ms");
  EXPECT_EQ(stats().calls_failed, 1u);
}

TEST_P(UpstreamCallsTest, EveryFailureHasItsName) {
  guest_.On(kOnHttpCallResponse, Guest::Do(Call("proxy_get_status", N(520) + std::string(kPut))) + Guest::Log(kGot));
  guest_.On(kOnTick, Guest::Do(Http()));
  Load();
  const std::pair<CallFailure, std::string> cases[] = {
      {CallFailure::kTimeout, "timeout"}, {CallFailure::kResolve, "resolve"}, {CallFailure::kConnect, "connect"}, {CallFailure::kTls, "tls"},
      {CallFailure::kReset, "reset"}, {CallFailure::kTooLarge, "too_large"}, {CallFailure::kProtocol, "protocol"}};
  for (const auto& [failure, name] : cases) {
    plugin_->OnTick();
    calls().End(calls().last).OnHttpAnswer(calls().last, {.failure = failure});
    EXPECT_EQ(world_.log.lines.back(), name);
  }
}

TEST_P(UpstreamCallsTest, TheCallbackActsOnThePausedStream) {
  guest_.On(kOnHttpCallResponse,
            ReportBytes("proxy_get_header_map_value", N(0) + S(":path")) + Guest::Report(Call("proxy_set_effective_context", N(99))) +
                Guest::Report(Call("proxy_set_effective_context", N(2))) + ReportBytes("proxy_get_header_map_value", N(0) + S(":path")) +
                ReportBytes("proxy_get_header_map_value", N(6) + S(":status")) +
                Guest::Report(Call("proxy_add_header_map_value", N(0) + S("x-user") + S("ann"))) +
                Guest::Report(Call("proxy_continue_stream", N(0))));
  Run(Guest::Report(Http()));
  statuses().clear();
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  EXPECT_EQ(statuses(), (Numbers{1, 2, 0, 0, 0, 0, 0}));
  EXPECT_EQ(world_.log.lines, (Strings{"", "/a/b?c=d", "200"}));
  EXPECT_EQ((*stream_.maps[0])["x-user"], "ann");
  EXPECT_EQ(stream_.resumed[0], 1);
}

TEST_P(UpstreamCallsTest, TheCallbackAnswersThePausedStream) {
  guest_.On(kOnHttpCallResponse, Guest::Report(Call("proxy_set_effective_context", N(2))) +
                                     Guest::Report(Call("proxy_send_local_response", N(403) + S("") + S("no") + S("") + N(0xffffffff))));
  Run(Guest::Report(Http()));
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  ASSERT_TRUE(stream_.local);
  EXPECT_EQ(stream_.local->status, 403u);
}

TEST_P(UpstreamCallsTest, CallsFromEveryCallback) {
  const Callback callbacks[] = {kOnContextCreate, kOnVmStart, kOnConfigure, kOnTick, kOnQueueReady, kOnRequestHeaders, kOnRequestBody,
                                kOnRequestTrailers, kOnResponseHeaders, kOnResponseBody, kOnResponseTrailers, kOnHttpCallResponse, kOnDone,
                                kOnLog, kOnDelete, kOnForeignFunction};
  for (Callback callback : callbacks) guest_.On(callback, Guest::Report(Http()), callback < kOnTick ? "(i32.const 1)" : "(i32.const 0)");
  Load();
  EXPECT_EQ(calls().http.size(), 3u);  // of the plugin context
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  plugin_->OnTick();
  plugin_->OnQueueReady(1);
  plugin_->OnForeignFunction(1, "");
  filter_ = plugin_->NewHttpFilter(stream_);
  filter_->OnRequestHeaders(1, EndOfStream::kNo);
  filter_->OnRequestBody(1, EndOfStream::kNo);
  filter_->OnRequestTrailers(1);
  filter_->OnResponseHeaders(1, EndOfStream::kNo);
  filter_->OnResponseBody(1, EndOfStream::kNo);
  filter_->OnResponseTrailers(1);
  filter_->OnFinish();
  EXPECT_EQ(calls().http.size(), 3u + 1 + 3 + 7 + 3);
  EXPECT_EQ(statuses(), Numbers(calls().http.size(), 0));
}

TEST_P(UpstreamCallsTest, ACallFromAStartFunction) {
  guest_.more = "(func (export \"_initialize\") " + Guest::Report(Http()) + ")";
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 1)"));
  Load();
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  EXPECT_EQ(statuses(), (Numbers{0, 1}));
}

// ---- whose a call is

TEST_P(UpstreamCallsTest, ACallEndsWithItsStream) {
  guest_.On(kOnHttpCallResponse, Guest::Report(N(99)));
  Run(Guest::Report(Http()) + Guest::Report(Stream()) + Guest::Report(Unary()));
  statuses().clear();
  filter_->OnFinish();
  EXPECT_EQ(calls().cancelled, (Tokens{1001, 1002, 1003}));
  EXPECT_EQ(stats().calls_cancelled, 3u);
  calls().events->OnHttpAnswer(1001, Granted());  // an embedder that lets it through
  calls().events->OnGrpcMessage(1002, "late");
  calls().events->OnGrpcClose(1003, GrpcStatus::kOk, "");
  EXPECT_EQ(statuses(), Numbers());
  EXPECT_EQ(stats().answers_dropped, 3u);
}

TEST_P(UpstreamCallsTest, ACallOfTheEndOfAStreamLivesOn) {
  for (Callback callback : {kOnDone, kOnLog, kOnDelete}) guest_.On(callback, Guest::Do(Http()), "(i32.const 1)");
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 1)"));
  Run("");
  filter_->OnFinish();
  filter_.reset();
  EXPECT_TRUE(calls().cancelled.empty());
  for (CallToken token : {1001, 1002, 1003}) calls().End(token).OnHttpAnswer(token, Granted());
  EXPECT_EQ(statuses(), (Numbers{1, 2, 3}));
}

// A plugin that answers false to on_done waits for something: for the call, perhaps.
TEST_P(UpstreamCallsTest, ACallLivesWhileItsStreamWaitsForProxyDone) {
  guest_.On(kOnDone, "", "(i32.const 0)");
  guest_.On(kOnHttpCallResponse, Guest::Report(Call("proxy_set_effective_context", N(2))) + Guest::Report(Call("proxy_done", "")));
  guest_.On(kOnDelete, Guest::Report(N(77)));
  Run(Guest::Do(Http()) + Guest::Do(Http()));
  filter_->OnFinish();
  filter_.reset();
  EXPECT_TRUE(calls().cancelled.empty());
  calls().End(1001).OnHttpAnswer(1001, Granted());
  EXPECT_EQ(statuses(), (Numbers{0, 0, 77}));
  EXPECT_EQ(calls().cancelled, Tokens{1002});
}

TEST_P(UpstreamCallsTest, ACallOfThePluginContextOutlivesStreams) {
  guest_.On(kOnTick, Guest::Do(Http()));
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 1)"));
  Run("");
  plugin_->OnTick();
  filter_->OnFinish();
  EXPECT_TRUE(calls().cancelled.empty());
  calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  EXPECT_EQ(statuses(), Numbers{1});
}

TEST_P(UpstreamCallsTest, ACallOfTheEffectiveContextIsThatStreams) {
  guest_.On(kOnTick, Guest::Do(Call("proxy_set_effective_context", N(2))) + Guest::Do(Http()) +
                         Guest::Do(Call("proxy_set_effective_context", N(1))) + Guest::Do(Http()));
  Run("");
  plugin_->OnTick();
  filter_->OnFinish();
  EXPECT_EQ(calls().cancelled, Tokens{1001});
}

TEST_P(UpstreamCallsTest, ATrapCancelsAllAndIdsBeginAnewInTheNextInstance) {
  guest_.On(kOnTick, "unreachable");
  guest_.On(kOnHttpCallResponse, Guest::Report("(local.get 1)"));
  Run(Guest::Do(Http()) + Guest::Do(Http()));
  plugin_->OnTick();
  std::sort(calls().cancelled.begin(), calls().cancelled.end());
  EXPECT_EQ(calls().cancelled, (Tokens{1001, 1002}));
  Begin();
  calls().events->OnHttpAnswer(1001, Granted());  // of the instance before: its id 1 is another call's now
  EXPECT_EQ(stats().answers_dropped, 1u);
  calls().End(1003).OnHttpAnswer(1003, Granted());
  EXPECT_EQ(statuses(), Numbers{1});
}

TEST_P(UpstreamCallsTest, ATrapInTheCallbackFailsTheStreams) {
  guest_.On(kOnHttpCallResponse, "unreachable");
  Run(Guest::Do(Http()) + Guest::Do(Http()));
  calls().End(1001).OnHttpAnswer(1001, Granted());
  EXPECT_EQ(stream_.failed, 1);
  EXPECT_EQ(calls().cancelled, Tokens{1002});
  EXPECT_NE(stats().last_error.find("proxy_on_http_call_response"), std::string::npos) << stats().last_error;
}

TEST_P(UpstreamCallsTest, APluginThatGoesCancelsItsCalls) {
  guest_.On(kOnConfigure, Guest::Do(Http()), "(i32.const 1)");
  guest_.On(kOnDone, Guest::Do(Http()), "(i32.const 1)");
  Load();
  plugin_.reset();
  EXPECT_EQ(calls().cancelled.size(), 2u);
  EXPECT_TRUE(calls().alive.empty());
}

TEST_P(UpstreamCallsTest, APluginThatIsRefusedCancelsItsCalls) {
  guest_.On(kOnConfigure, Guest::Do(Http()), "(i32.const 0)");
  EXPECT_FALSE(testing::Load(guest_, world_, spec_));
  EXPECT_EQ(calls().cancelled, Tokens{1001});
}

TEST_P(UpstreamCallsTest, IdsAreNotReused) {
  guest_.On(kOnTick, Guest::Do(Http()) + Guest::Report(Id()));
  Load();
  for (int i = 0; i < 3; ++i) {
    plugin_->OnTick();
    calls().End(calls().last).OnHttpAnswer(calls().last, Granted());
  }
  EXPECT_EQ(statuses(), (Numbers{1, 2, 3}));
}

TEST_P(UpstreamCallsTest, AnAbsentCallbackIsFine) {
  Run(Guest::Do(Http()) + Guest::Do(Unary()) + Guest::Do(Stream()));
  calls().End(1001).OnHttpAnswer(1001, Granted());
  calls().End(1002).OnGrpcClose(1002, GrpcStatus::kUnavailable, "");
  CallEvents& events = calls().End(1003);
  events.OnGrpcMetadata(1003, {});
  events.OnGrpcMessage(1003, "m");
  events.OnGrpcTrailers(1003, {});
  events.OnGrpcClose(1003, GrpcStatus::kOk, "");
  EXPECT_EQ(stats().answers_dropped, 0u);
  filter_->OnFinish();
  EXPECT_TRUE(calls().cancelled.empty());
}

// ---- gRPC

TEST_P(UpstreamCallsTest, GrpcCallsSendWhatIsGiven) {
  const std::string metadata = Pairs({{"X-A", "1"}, {"x-bin", "\0\n\xff"s}, {"content-type", "text/html"}, {"te", "gzip"}});
  Run(Guest::Report(Unary("up", metadata, "ping\0"sv)) + Guest::Report(Id()) + Guest::Report(Stream("other", metadata)) + Guest::Report(Id()) +
      Guest::Report(Unary("up", "", "")));
  EXPECT_EQ(statuses(), (Numbers{0, 1, 0, 2, 0}));
  ASSERT_EQ(calls().grpc.size(), 3u);
  const GrpcCall& unary = calls().grpc[0];
  EXPECT_EQ(unary.upstream, "up");
  EXPECT_EQ(unary.service, "a.B");
  EXPECT_EQ(unary.method, "C");
  EXPECT_EQ(unary.metadata, (HeaderList{{"x-a", "1"}, {"x-bin", "\0\n\xff"s}}));
  EXPECT_EQ(unary.message, "ping\0"s);
  EXPECT_EQ(unary.timeout_ms, 200u);
  EXPECT_EQ(calls().grpc[1].upstream, "other");
  EXPECT_EQ(calls().grpc[1].message, std::nullopt);
  EXPECT_EQ(calls().grpc[2].message, "");  // an empty message is one
}

TEST_P(UpstreamCallsTest, GrpcCallsRefuseWhatIsMalformed) {
  std::string code;
  const std::string bad[] = {"\1\0\0\0"s, Pairs({{":path", "/"}}), Pairs({{"", "1"}}), Pairs({{"x y", "1"}}), Pairs({{"x", "a\nb"}})};
  for (const std::string& metadata : bad) code += Guest::Report(Unary("up", metadata)) + Guest::Report(Stream("up", metadata));
  for (const char* name : {"", "a/B", "a B", "a?B"}) {
    code += Guest::Report(Unary("up", "", "", name)) + Guest::Report(Unary("up", "", "", "s", name));
    code += Guest::Report(Stream("up", "", name)) + Guest::Report(Stream("up", "", "s", name));
  }
  Run(code);
  EXPECT_EQ(statuses(), Numbers(2 * std::size(bad) + 4 * 4, strict() ? 2 : 4));  // lenient: what every SDK survives, not a call of id 0
  statuses().clear();
  EXPECT_TRUE(calls().grpc.empty());
}

TEST_P(UpstreamCallsTest, GrpcUnknownUpstreamIsAParseFailure) {
  Run(Guest::Report(Unary("unknown")) + Guest::Report(Stream("unknown")) + Guest::Report(Unary("")) + Guest::Report(Stream("")));
  EXPECT_EQ(statuses(), Numbers(4, 4));
  EXPECT_EQ(world_.log.Count("proxy_grpc_call: upstream \"unknown\" is not known here"), 1u);
  EXPECT_EQ(world_.log.Count("proxy_grpc_stream: upstream \"unknown\" is not known here"), 1u);
}

// As Envoy's own SDKs may give it: a serialized envoy.config.core.v3.GrpcService.
TEST_P(UpstreamCallsTest, GrpcUpstreamAsASerializedService) {
  const std::string envoy = "\x0a\x04\x0a\x02up"s;                             // envoy_grpc { cluster_name: "up" }
  const std::string google = "\x12\x07\x0a\x05other\x1a\x02\x08\x05"s;          // google_grpc { target_uri: "other" } timeout { 5 s }
  const std::string unknown = "\x0a\x04\x0a\x02no"s, cut = envoy.substr(0, 5), over = "\x0a\x7f\x0a\x02up"s;
  Run(Guest::Report(Unary(envoy)) + Guest::Report(Stream(google)) + Guest::Report(Unary(unknown)) + Guest::Report(Unary(cut)) + Guest::Report(Unary(over)));
  EXPECT_EQ(statuses(), (Numbers{0, 0, 4, 4, 4}));
  ASSERT_EQ(calls().grpc.size(), 2u);
  EXPECT_EQ(calls().grpc[0].upstream, "up");
  EXPECT_EQ(calls().grpc[1].upstream, "other");
}

TEST_P(UpstreamCallsTest, GrpcIdsOfEachFunction) {
  const std::string of[] = {Http(), Unary(), Stream()};
  std::string code;
  for (const std::string& start : of) {
    for (const char* name : {"proxy_grpc_send", "proxy_grpc_close", "proxy_grpc_cancel"}) {
      code += Guest::Do(start);
      code += Guest::Report(Call(name, Id() + (name == "proxy_grpc_send"sv ? S("m") + N(0) : "")));
    }
  }
  for (const char* id : {"(i32.const 0)", "(i32.const 999)", "(i32.const -1)"}) {
    code += Guest::Report(Call("proxy_grpc_send", id + S("m") + N(0))) + Guest::Report(Call("proxy_grpc_close", id)) + Guest::Report(Call("proxy_grpc_cancel", id));
  }
  Run(code);
  const uint32_t bad = Swallowed(2);
  EXPECT_EQ(statuses(), (Numbers{2, bad, bad, 2, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST_P(UpstreamCallsTest, GrpcStreamSendsUntilItsEnd) {
  const std::string send = "proxy_grpc_send";
  Run(Guest::Do(Stream()) + Guest::Report(Call(send, Id() + S("one") + N(0))) + Guest::Report(Call(send, Id() + S("") + N(0))) +
      Guest::Report(Call(send, Id() + S("last") + N(1))) + Guest::Report(Call(send, Id() + S("more") + N(0))) +
      Guest::Report(Call("proxy_grpc_close", Id())) + Guest::Do(Stream()) + Guest::Report(Call("proxy_grpc_close", Id())) +
      Guest::Report(Call(send, Id() + S("more") + N(0))) + Guest::Report(Call("proxy_grpc_cancel", Id())) +
      Guest::Report(Call(send, Id() + S("more") + N(0))) + Guest::Report(Call("proxy_grpc_cancel", Id())));
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 2, 0, 0, 2, 0, 1, 1}));
  EXPECT_EQ(calls().sent, (std::vector<std::pair<CallToken, std::string>>{{1001, "one"}, {1001, ""}, {1001, "last"}}));
  EXPECT_EQ(calls().cancelled, Tokens{1002});
}

TEST_P(UpstreamCallsTest, GrpcStreamEventsInOrder) {
  guest_.On(kOnGrpcReceiveInitialMetadata, Guest::Report(N(100)) + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") + ReportAnswer());
  guest_.On(kOnGrpcReceive, Guest::Report(N(200)) + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") + ReportAnswer());
  guest_.On(kOnGrpcReceiveTrailingMetadata, Guest::Report(N(300)) + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") + ReportAnswer());
  guest_.On(kOnGrpcClose, Guest::Report(N(400)) + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") + ReportAnswer() +
                              Guest::Report(Call("proxy_grpc_close", Id())));
  Run(Guest::Do(Stream()));
  world_.log.least = LogLevel::kInfo;
  calls().events->OnGrpcMetadata(1001, {{"x", "i"}, {"y", "2"}});
  calls().events->OnGrpcMessage(1001, "one");
  calls().events->OnGrpcMessage(1001, "");
  calls().events->OnGrpcTrailers(1001, {{"x", "t"}});
  calls().End(1001).OnGrpcClose(1001, GrpcStatus::kAborted, "not so");
  EXPECT_EQ(statuses(), (Numbers{100, 1, 2, /*maps*/ 0, 1, 1, 1, /*buffers*/ 1, 1, /*status*/ 0, 0,  //
                                 200, 1, 3, 1, 1, 1, 1, 1, 0, 0, 0,                                  //
                                 200, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0,                                  //
                                 300, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0,                                  //
                                 400, 1, 10, 1, 1, 1, 1, 1, 1, 0, 10, 1}));
  EXPECT_TRUE(world_.log.Has("not so"));
  EXPECT_EQ(stats().calls_failed, 1u);
  filter_->OnFinish();
  EXPECT_TRUE(calls().cancelled.empty());
}

// SDKs panic on metadata of a unary call, and on a close after its message.
TEST_P(UpstreamCallsTest, AUnaryCallHasOneCallback) {
  guest_.On(kOnGrpcReceiveInitialMetadata, "unreachable").On(kOnGrpcReceiveTrailingMetadata, "unreachable");
  guest_.On(kOnGrpcReceive, Guest::Report(N(200)) + Guest::Report("(local.get 1)") + ReportBytes("proxy_get_buffer_bytes", N(5) + N(0) + N(99)));
  guest_.On(kOnGrpcClose, Guest::Report(N(400)) + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") +
                              Guest::Report(Call("proxy_get_status", N(520) + std::string(kPut))) + Guest::Report("(i32.load (i32.const 520))") + Guest::Log(kGot));
  Run(Guest::Do(Unary()) + Guest::Do(Unary()) + Guest::Do(Unary()));
  CallEvents& events = *calls().events;
  for (CallToken token : {1001, 1002, 1003}) events.OnGrpcMetadata(token, {{"x", "1"}});
  events.OnGrpcMessage(1001, "pong");
  EXPECT_EQ(statuses(), Numbers());  // not before its status
  events.OnGrpcMessage(1002, "lost");
  for (CallToken token : {1001, 1002, 1003}) events.OnGrpcTrailers(token, {{"x", "1"}});
  calls().End(1001).OnGrpcClose(1001, GrpcStatus::kOk, "");
  calls().End(1002).OnGrpcClose(1002, GrpcStatus::kDeadlineExceeded, "too late");
  calls().End(1003).OnGrpcClose(1003, GrpcStatus::kOk, "");
  EXPECT_EQ(statuses(), (Numbers{200, 1, 0, 400, 2, 4, 0, 4, 400, 3, 13, 0, 13}));
  EXPECT_EQ(stats().failures, 0u) << stats().last_error;
  EXPECT_TRUE(world_.log.Has("pong"));
  EXPECT_TRUE(world_.log.Has("too late"));
  EXPECT_EQ(world_.log.lines.back(), "the server answered OK without a message");
}

TEST_P(UpstreamCallsTest, ForeignFunctionsOfThePlugin) {
  guest_.On(kOnForeignFunction, Guest::Report("(local.get 0)") + Guest::Report("(local.get 1)") + Guest::Report("(local.get 2)") +
                                    ReportBytes("proxy_get_buffer_bytes", N(8) + N(0) + N(99)));
  guest_.On(kOnTick, ReportBytes("proxy_get_buffer_bytes", N(8) + N(0) + N(99)));
  Load();
  plugin_->OnForeignFunction(7, "args");
  plugin_->OnTick();
  EXPECT_EQ(statuses(), (Numbers{1, 7, 4, 0, 1}));
  EXPECT_EQ(world_.log.lines, (Strings{"args", ""}));
}

}  // namespace
}  // namespace weir::proxy_wasm
