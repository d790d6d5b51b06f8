// What each host call answers, in both modes, through the real engine. One guest a case: the calls of on_request_headers, their
// statuses, and what they left behind.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using namespace std::literals;
using enum Callback;
using Strings = std::vector<std::string>;
using Numbers = std::vector<uint32_t>;

/// Runs `code` in on_request_headers of one stream, whose state the test sets and reads.
class HostCallsTest : public ::testing::TestWithParam<Statuses> {
 protected:
  bool strict() const { return GetParam() == Statuses::kStrict; }
  /// `status` in strict mode, OK in lenient.
  uint32_t Swallowed(uint32_t status) const { return strict() ? status : 0; }

  void Report(const std::string& call) { code_ += Guest::Report(call); }
  std::string Call(std::string_view name, std::string_view args) { return "(call $" + std::string(name) + " " + std::string(args) + ")"; }
  /// Reports the status, and logs the bytes answered.
  void ReportBytes(std::string_view name, std::string_view args) {
    code_ += "(i32.store (i32.const 512) (i32.const 1)) (i32.store (i32.const 516) (i32.const 0))";
    Report(Call(name, std::string(args) + std::string(kPut)));
    code_ += Guest::Log(kGot);
  }
  std::string N(uint32_t number) { return "(i32.const " + std::to_string(number) + ") "; }
  std::string S(std::string_view bytes) { return guest_.S(bytes) + " "; }

  FilterStatus Run(Callback callback = kOnRequestHeaders) {
    guest_.On(callback, code_, callback == kOnConfigure ? "(i32.const 1)" : "(i32.const 0)");
    PluginSpec& spec = spec_;
    spec.statuses = GetParam();
    spec.configuration = "configuration";
    spec.root_id = "root";
    spec.limits.callback_ms = 10'000;  // sanitizers
    plugin_ = std::move(*Load(guest_, world_, spec));
    filter_ = plugin_->NewHttpFilter(stream_);
    const FilterStatus status = filter_->OnRequestHeaders(5, EndOfStream::kYes);
    if (status == FilterStatus::kFailed) ADD_FAILURE() << plugin_->stats().last_error;
    return status;
  }
  const Numbers& statuses() const { return world_.timers.periods; }
  FakeMap& headers() { return *stream_.maps[0]; }

  Guest guest_;
  std::string code_;
  FakeWorld world_;
  PluginSpec spec_ = SpecNamed("t");
  FakeStream stream_;
  std::unique_ptr<Plugin> plugin_;
  std::unique_ptr<HttpFilter> filter_;
};
INSTANTIATE_TEST_SUITE_P(Modes, HostCallsTest, ::testing::Values(Statuses::kLenient, Statuses::kStrict),
                         [](const auto& info) { return info.param == Statuses::kStrict ? "strict" : "lenient"; });

constexpr std::string_view kGet = "proxy_get_header_map_value", kAdd = "proxy_add_header_map_value",
                           kReplace = "proxy_replace_header_map_value", kRemove = "proxy_remove_header_map_value",
                           kPairs = "proxy_get_header_map_pairs", kSetPairs = "proxy_set_header_map_pairs";

TEST_P(HostCallsTest, HeaderValues) {
  headers().list.insert(headers().list.end(), {{"x", "1"}, {"x", "2"}, {"cookie", "a=1"}, {"cookie", "b=2"}, {"set-cookie", "s"}, {"set-cookie", "t"}, {"empty", ""}});
  for (std::string_view name : {"X", "cookie", "set-cookie", "empty", ":method", "none"}) ReportBytes(kGet, N(0) + S(name));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(world_.log.lines, (Strings{"1,2", "a=1; b=2", "s", "", "GET", ""}));
}

TEST_P(HostCallsTest, ManyValuesOfOneName) {
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    headers().list.emplace_back("x", std::to_string(i));
    expected += (i > 0 ? "," : "") + std::to_string(i);
  }
  ReportBytes(kGet, N(0) + S("x"));
  Run();
  EXPECT_EQ(world_.log.lines, Strings{expected});
}

TEST_P(HostCallsTest, MapsOutsideOfTheirPhase) {
  ReportBytes(kGet, N(2) + S("x"));
  Report(Call(kPairs, N(2) + std::string(kPut)));
  code_ += "(call $proxy_set_tick_period_milliseconds (i32.load (i32.load (i32.const 512)))) drop";  // the count
  code_ += "(call $proxy_set_tick_period_milliseconds (i32.load (i32.const 516))) drop";            // the size
  Report(Call(kAdd, N(2) + S("x") + S("y")));
  ReportBytes(kGet, N(7) + S("x"));
  ReportBytes(kGet, N(8) + S("x"));
  Report(Call(kPairs, N(8) + std::string(kPut)));
  Run();
  EXPECT_EQ(statuses(), (Numbers{1, 0, 0, 4, Swallowed(2), 1, Swallowed(2), Swallowed(2)}));
}

TEST_P(HostCallsTest, SwallowedCallsWriteZerosAreSaidOnceAndCounted) {
  ReportBytes(kGet, N(8) + S("x"));
  ReportBytes(kGet, N(9) + S("x"));
  code_ += "(call $proxy_set_tick_period_milliseconds (i32.load (i32.const 512))) drop";
  Run();
  EXPECT_EQ(statuses(), (Numbers{Swallowed(2), Swallowed(2), strict() ? 1u : 0u}));
  EXPECT_EQ(world_.log.Count("proxy_get_header_map_value answers BAD_ARGUMENT: no such map id"), strict() ? 0u : 1u);
  if (strict()) return;
  EXPECT_EQ(world_.metrics.OwnValue("weir_hostcall_rejected_total{plugin=\"t\",call=\"proxy_get_header_map_value\",reason=\"BAD_ARGUMENT\"}"), 2u);
}

TEST_P(HostCallsTest, HeaderWrites) {
  headers().list.insert(headers().list.end(), {{"x", "1"}, {"x", "2"}, {"y", "1"}});
  Report(Call(kAdd, N(0) + S("Y") + S("2")));
  Report(Call(kReplace, N(0) + S("X") + S("3")));
  Report(Call(kReplace, N(0) + S(":path") + S("/new")));
  Report(Call(kRemove, N(0) + S("User-Agent")));
  Report(Call(kRemove, N(0) + S("absent")));
  Report(Call(kAdd, N(0) + S("content-length") + S("99")));  // the host's
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(headers()["x"], "3");
  EXPECT_EQ(headers()[":path"], "/new");
  EXPECT_EQ(headers()["user-agent"], "(none)");
  EXPECT_EQ(headers()["content-length"], "(none)");
  EXPECT_EQ(std::count(headers().list.begin(), headers().list.end(), std::pair<std::string, std::string>("y", "2")), 1);
}

TEST_P(HostCallsTest, BadHeaderWritesAreRefused) {
  const HeaderList before = headers().list;
  for (auto [name, value] : {std::pair{""sv, "v"sv}, {"a b"sv, "v"sv}, {"a"sv, "x\r\ny: z"sv}, {"a"sv, "\0"sv}, {":status"sv, "200"sv}, {":path"sv, "x"sv}}) {
    Report(Call(kAdd, N(0) + S(name) + S(value)));
    Report(Call(kReplace, N(0) + S(name) + S(value)));
  }
  for (std::string_view name : {":path", ":method", ":authority", ""}) Report(Call(kRemove, N(0) + S(name)));
  Run();
  EXPECT_EQ(statuses(), Numbers(16, Swallowed(2)));
  EXPECT_EQ(headers().list, before);
}

TEST_P(HostCallsTest, WritesAfterTheHeadersWereSent) {
  stream_.writable = false;
  const HeaderList before = headers().list;
  Report(Call(kAdd, N(0) + S("x") + S("y")));
  Report(Call(kRemove, N(0) + S("user-agent")));
  Report(Call(kSetPairs, N(0) + S("")));
  Run();
  EXPECT_EQ(statuses(), Numbers(3, Swallowed(2)));
  EXPECT_EQ(headers().list, before);
}

TEST_P(HostCallsTest, OneHeaderHasALimit) {
  const std::string half(128 << 10, 'v');  // with itself as the name: at the limit of 256 KiB, and one byte over
  guest_.more = "(func (export \"_initialize\") (drop (memory.grow (i32.const 4)))"
                "(memory.fill (i32.const 131072) (i32.const 118) (i32.const 262144)))";
  for (std::string_view call : {kAdd, kReplace}) {
    Report(Call(call, N(0) + N(131072) + N(128 << 10) + N(131072) + N((128 << 10) + 1)));
    Report(Call(call, N(0) + N(131072) + N(128 << 10) + N(131072) + N(128 << 10)));
  }
  Run();
  EXPECT_EQ(statuses(), (Numbers{Swallowed(2), 0, Swallowed(2), 0}));
  EXPECT_EQ(headers()[half], half);
}

// What a loop of writes may cost one stream, and that the stream of another context has its own.
TEST_P(HostCallsTest, HeaderWritesOfAStreamHaveALimit) {
  std::string loop = "(local $i i32) (loop $l (drop " + Call(kAdd, N(0) + S("x") + S("y")) +
                     ") (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))";
  code_ = loop;
  Report(Call(kReplace, N(0) + S(":path") + S("/last")));
  Run();
  EXPECT_EQ(statuses(), Numbers{Swallowed(2)});
  EXPECT_EQ(headers()[":path"], "/a/b?c=d");
  EXPECT_EQ(headers().size(), 5u + (16 * (256 << 10)) / (512 + 2) + 1);
  FakeStream other;
  auto filter = plugin_->NewHttpFilter(other);
  EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kContinue);
  EXPECT_EQ(other.maps[0]->size(), headers().size());
}

TEST_P(HostCallsTest, SetPairsReplacesAllButFramingAndAbsentPseudoHeaders) {
  headers().list.insert(headers().list.end(), {{"content-length", "3"}, {"x", "1"}});
  std::string pairs;
  SerializePairs(HeaderList{{":path", "/n"}, {"A", "1"}, {"a", "2"}, {"transfer-encoding", "chunked"}}, &pairs);
  Report(Call(kSetPairs, N(0) + S(pairs)));
  Run();
  EXPECT_EQ(statuses(), Numbers{0});
  EXPECT_EQ(headers().list, (HeaderList{{":method", "GET"}, {":path", "/n"}, {":authority", "example.com"}, {":scheme", "https"},
                                        {"content-length", "3"}, {"a", "1"}, {"a", "2"}}));
}

TEST_P(HostCallsTest, MalformedPairsNeverWipeTheHeaders) {
  const HeaderList before = headers().list;
  std::string bad;
  SerializePairs(HeaderList{{"ok", "1"}, {"bad\r\n", "1"}}, &bad);
  for (std::string_view pairs : {"\1"sv, "\1\0\0\0"sv, "\1\0\0\0\xff\xff\xff\xff\0\0\0\0"sv, std::string_view(bad)})
    Report(Call(kSetPairs, N(0) + S(pairs)));
  Run();
  EXPECT_EQ(statuses(), Numbers(4, Swallowed(2)));
  EXPECT_EQ(headers().list, before);
}

constexpr std::string_view kGetBuffer = "proxy_get_buffer_bytes", kSetBuffer = "proxy_set_buffer_bytes";

TEST_P(HostCallsTest, ReadsBuffers) {
  stream_.bodies[0] = "0123456789";
  ReportBytes(kGetBuffer, N(0) + N(2) + N(3));
  ReportBytes(kGetBuffer, N(0) + N(0) + N(UINT32_MAX));
  ReportBytes(kGetBuffer, N(0) + N(10) + N(1));  // at the end: OK and nothing
  ReportBytes(kGetBuffer, N(0) + N(1) + N(UINT32_MAX));  // overflow
  ReportBytes(kGetBuffer, N(1) + N(0) + N(1));  // not there
  ReportBytes(kGetBuffer, N(7) + N(0) + N(99));
  ReportBytes(kGetBuffer, N(9) + N(0) + N(1));  // unknown
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, Swallowed(2), 1, 0, Swallowed(2)}));
  EXPECT_EQ(world_.log.lines[0], "234");
  EXPECT_EQ(world_.log.lines[1], "0123456789");
  EXPECT_EQ(world_.log.lines[2], "");
  EXPECT_TRUE(world_.log.Has("configuration"));
}

TEST_P(HostCallsTest, BufferStatusIsTheSize) {
  stream_.bodies[0] = "abc";
  Report(Call("proxy_get_buffer_status", N(0) + N(512) + N(516)));
  Report("(i32.load (i32.const 512))");
  Report("(i32.load (i32.const 516))");
  Report(Call("proxy_get_buffer_status", N(1) + N(512) + N(516)));
  Report(Call("proxy_get_buffer_status", N(9) + N(512) + N(516)));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 3, 0, 1, Swallowed(2)}));
}

TEST_P(HostCallsTest, TimeIsRealTime) {
  Report(Call("proxy_get_current_time_nanoseconds", N(512)));
  Report("(i32.eq (i32.const 0) (i32.eqz (i64.eq (i64.load (i32.const 512)) (i64.const " +
         std::to_string(world_.clock.RealtimeNs()) + "))))");
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 1}));
}

TEST_P(HostCallsTest, WritesBodies) {
  stream_.bodies[0] = "body";
  Report(Call(kSetBuffer, N(0) + N(0) + N(0) + S("<")));                    // prepend
  Report(Call(kSetBuffer, N(0) + N(UINT32_MAX) + N(0) + S(">")));           // append
  Report(Call(kSetBuffer, N(0) + N(2) + N(2) + S("--")));                   // replace the middle
  Report(Call(kSetBuffer, N(0) + N(3) + N(0) + S("+")));                    // inject
  Report(Call(kSetBuffer, N(1) + N(0) + N(0) + S("x")));                    // not there
  Report(Call(kSetBuffer, N(7) + N(0) + N(0) + S("x")));                    // read-only
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, Swallowed(1), Swallowed(2)}));
  EXPECT_EQ(stream_.bodies[0], "<b-+-y>");
}

TEST_P(HostCallsTest, LocalResponse) {
  std::string pairs;
  SerializePairs(HeaderList{{"X-Why", "because"}, {":status", "299"}, {"content-length", "1"}}, &pairs);
  Report(Call("proxy_send_local_response", N(403) + S("details") + S("body") + S(pairs) + "(i32.const -1)"));
  Report(Call("proxy_send_local_response", N(404) + S("") + S("") + S("") + N(0)));  // the first wins
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0}));
  ASSERT_TRUE(stream_.local);
  EXPECT_EQ(stream_.local->status, 403u);
  EXPECT_EQ(stream_.local->details, "details");
  EXPECT_EQ(stream_.local->body, "body");
  EXPECT_EQ(stream_.local->headers, (HeaderList{{"x-why", "because"}}));
  EXPECT_EQ(stream_.local->grpc_status, -1);
  EXPECT_TRUE(world_.log.Has("ignored"));
}

TEST_P(HostCallsTest, LocalResponseOfAnOddStatusAndBadHeaders) {
  std::string pairs;
  SerializePairs(HeaderList{{"ok", "1"}, {"bad", "a\r\nb"}}, &pairs);
  Report(Call("proxy_send_local_response", N(403) + S("") + S("b") + S(pairs) + N(16)));
  Report(Call("proxy_send_local_response", N(199) + S("") + S("") + S("\1") + N(17)));
  Run();
  EXPECT_EQ(statuses(), (Numbers{Swallowed(2), Swallowed(2)}));
  EXPECT_EQ(bool(stream_.local), !strict());
  if (strict()) return;
  EXPECT_EQ(stream_.local->headers, (HeaderList{{"ok", "1"}}));  // what the plugin decided is not undone by a bad header
  EXPECT_EQ(stream_.local->grpc_status, 16);
}

TEST_P(HostCallsTest, StatusesOutsideOfAResponseAreSentAs500) {
  Report(Call("proxy_send_local_response", N(600) + S("") + S("") + S("") + "(i32.const -1)"));
  Run();
  EXPECT_EQ(stream_.local->status, 500u);
  EXPECT_TRUE(world_.log.Has("sent as 500"));
}

TEST_P(HostCallsTest, ContinueAndClose) {
  for (uint32_t type : {0, 1, 2, 4}) Report(Call("proxy_continue_stream", N(type)));
  for (uint32_t type : {0, 1, 2, 4}) Report(Call("proxy_close_stream", N(type)));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, Swallowed(12), Swallowed(2), 0, 0, Swallowed(2), Swallowed(2)}));
  EXPECT_EQ(stream_.resumed[0] + stream_.resumed[1] * 10, 11);
  EXPECT_EQ(stream_.resets[0] + stream_.resets[1] * 10, 11);
}

TEST_P(HostCallsTest, EffectiveContextIsRestored) {
  Report(Call("proxy_set_effective_context", N(1)));
  ReportBytes(kGet, N(0) + S(":path"));
  Report(Call("proxy_set_effective_context", N(2)));
  ReportBytes(kGet, N(0) + S(":path"));
  Report(Call("proxy_set_effective_context", N(3)));
  Report(Call("proxy_set_effective_context", N(1)));
  guest_.On(kOnResponseHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + S(":path") + std::string(kPut) + ")") + Guest::Log(kGot));
  Run();
  filter_->OnResponseHeaders(0, EndOfStream::kYes);
  EXPECT_EQ(statuses(), (Numbers{0, 1, 0, 0, 2, 0}));
  EXPECT_EQ(world_.log.lines.back(), "/a/b?c=d");
}

TEST_P(HostCallsTest, Properties) {
  stream_.properties[Property::kSourceAddress] = std::string("127.0.0.1:1");
  stream_.properties[Property::kConnectionMtls] = true;
  for (std::string_view path : {"request\0path"sv, "request\0url_path"sv, "request\0query"sv, "request\0host"sv, "request\0method\0"sv,
                                "request.useragent"sv, "request\0headers\0User-Agent"sv, "plugin_name"sv, "plugin_root_id"sv,
                                "plugin_vm_id"sv, "source\0address"sv})
    ReportBytes("proxy_get_property", S(path));
  ReportBytes("proxy_get_property", S("no.such"));
  ReportBytes("proxy_get_property", S("request"));
  ReportBytes("proxy_get_property", S("response\0headers\0x"sv));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 1}));
  EXPECT_EQ(Strings(world_.log.lines.begin(), world_.log.lines.begin() + 11),
            (Strings{"/a/b?c=d", "/a/b", "c=d", "example.com", "GET", "curl/8", "curl/8", "t", "root", "t", "127.0.0.1:1"}));
}

// Each row of the table that is answered here and not by the embedder; with the embedder's, every kind of encoding.
TEST_P(HostCallsTest, PropertiesOfEveryKind) {
  spec_.node = {.id = "n1", .cluster = "c1", .region = "eu", .zone = "z", .sub_zone = "s", .metadata = {{"A", "1"}, {"b.c", "2"}}};
  stream_.properties[Property::kRequestTime] = int64_t(-2);
  stream_.properties[Property::kRequestDuration] = int64_t(258);
  stream_.properties[Property::kConnectionMtls] = false;
  stream_.properties[Property::kClusterName] = std::string("up");
  stream_.maps[2] = FakeMap({{":status", "200"}, {"grpc-status", "5"}, {"set-cookie", "a"}, {"set-cookie", "b"}, {"x", "1"}, {"x", "2"}});
  stream_.maps[3] = FakeMap(HeaderList{{"grpc-status", "14"}});
  struct Row {
    std::string_view path, bytes;
    uint32_t status = 0;
  };
  const Row rows[] = {
      {"request.time", "\xfe\xff\xff\xff\xff\xff\xff\xff"sv},
      {"request.duration", "\2\1\0\0\0\0\0\0"sv},
      {"connection.mtls", "\0"sv},
      {"cluster_name", "up"},
      {"xds.cluster_name", "up"},
      {"xds\0cluster_name\0"sv, "up"},
      {"listener_direction", "\1\0\0\0\0\0\0\0"sv},
      {"request.scheme", "https"},
      {"request.headers_bytes", "\x48\0\0\0\0\0\0\0"sv},
      {"request.headers.user-agent", "curl/8"},
      {"response.headers.x", "1,2"},
      {"response.headers.Set-Cookie", "a"},
      {"response.headers.:status", "200"},
      {"response.trailers", "\1\0\0\0\x0b\0\0\0\2\0\0\0grpc-status\0" "14\0"sv},
      {"response.trailers.grpc-status", "14"},
      {"response.grpc_status", "\x0e\0\0\0\0\0\0\0"sv},
      {"node", "\x0a\2n1\x12\2c1\x1a\x16\x0a\x08\x0a\1A\x12\3\x1a\1" "1\x0a\x0a\x0a\3b.c\x12\3\x1a\1" "2\x22\x0a\x0a\2eu\x12\1z\x1a\1s"sv},
      {"node.id", "n1"},
      {"node.cluster", "c1"},
      {"node.locality", "\x0a\2eu\x12\1z\x1a\1s"sv},
      {"node.locality.region", "eu"},
      {"node.locality.zone", "z"},
      {"node.locality.sub_zone", "s"},
      {"node.metadata", "\2\0\0\0\1\0\0\0\1\0\0\0\3\0\0\0\1\0\0\0A\0" "1\0b.c\0" "2\0"sv},
      {"node.metadata.b.c", "2"},
      {"xds.node.metadata.A", "1"},
      {"node.metadata.a", "", 1},
      {"request.headers.absent", "", 1},
      {"request.trailers", "", 1},
      {"request.trailers.x", "", 1},
      {"request.size", "", 1},
      {"upstream.locality", "", 1},
      {"filter_state.x", "", 1},
      {"upstream_host_metadata", "", 1},
      {"", "", 1},
      {"metadata", "", 0},
      {"listener_metadata", "", 0},
      {"route_metadata", "", 0},
      {"cluster_metadata", "", 0},
      {"request", "", 3},
      {"response\0"sv, "", 3},
      {"connection", "", 3},
      {"source", "", 3},
      {"destination", "", 3},
      {"upstream", "", 3},
      {"xds", "", 3},
  };
  Numbers wanted;
  for (size_t i = 0; i < std::size(rows); ++i) {  // each value goes back as it came
    ReportBytes("proxy_get_property", S(rows[i].path));
    if (rows[i].status == 0) code_ += Guest::Do(Call("proxy_set_property", S("got" + std::to_string(i)) + std::string(kGot)));
    wanted.push_back(rows[i].status);
  }
  Run();
  EXPECT_EQ(statuses(), wanted);
  for (size_t i = 0; i < std::size(rows); ++i) {
    if (rows[i].status != 0) continue;
    EXPECT_EQ(stream_.custom["got" + std::to_string(i)], rows[i].bytes) << rows[i].path;
  }
}

TEST_P(HostCallsTest, PropertiesInThePluginContext) {
  spec_.node.id = "n1";
  for (std::string_view path : {"plugin_name", "plugin_root_id", "node.id", "listener_direction", "listener_metadata", "request", "request.path",
                                "source.address", "route_metadata", "my.own", "ngx.host"})
    ReportBytes("proxy_get_property", S(path));
  Report(Call("proxy_set_property", S("my.own") + S("v")));
  Run(kOnConfigure);
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, 0, 3, 1, 1, 1, 1, 1, Swallowed(1)}));
}

TEST_P(HostCallsTest, LongPropertyPaths) {
  code_ += "(drop (memory.grow (i32.const 32))) (memory.fill (i32.const 131072) (i32.const 97) (i32.const 1048576))";
  const std::string at = N(131072);
  Report(Call("proxy_set_property", at + N(4096) + S("v")));
  Report(Call("proxy_get_property", at + N(4096) + std::string(kPut)));
  Report(Call("proxy_set_property", at + N(4097) + S("v")));
  Report(Call("proxy_get_property", at + N(4097) + std::string(kPut)));
  Report(Call("proxy_set_property", at + N(1 << 20) + S("v")));
  Report(Call("proxy_get_property", at + N(1 << 20) + std::string(kPut)));
  Report(Call("proxy_set_property", S("after") + S("w")));
  ReportBytes("proxy_get_property", S("after"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, Swallowed(1), 1, Swallowed(1), 1, 0, 0}));
  EXPECT_EQ(world_.log.Count("proxy_get_property with a path of 4097 bytes: NOT_FOUND, since a path has at most 4096"), 1u);
  EXPECT_EQ(world_.log.Count("proxy_set_property with a path of 4097 bytes"), 1u);
  EXPECT_TRUE(world_.log.Has("w"));
  EXPECT_EQ(stream_.custom.size(), 2u);
}

TEST_P(HostCallsTest, PropertiesThatAreThereCannotBeSet) {
  Numbers wanted;
  for (const PropertyRow& row : kProperties) {
    Report(Call("proxy_set_property", S(row.path) + S("v")));
    wanted.push_back(Swallowed(1));
  }
  for (std::string_view path : {"request.headers.x-a", "node.metadata.A", "xds.node", "xds.route_name"}) {
    Report(Call("proxy_set_property", S(path) + S("v")));
    wanted.push_back(Swallowed(1));
  }
  Run();
  EXPECT_EQ(statuses(), wanted);
  EXPECT_TRUE(stream_.custom.empty());
}

// Only header maps answer OK for what is absent in 0.1.0; properties do not.
TEST_P(HostCallsTest, PropertiesOf010) {
  guest_.version = Version::k0_1_0;
  ReportBytes("proxy_get_property", S("request.headers.absent"));
  ReportBytes("proxy_get_property", S("request.referer"));
  ReportBytes("proxy_get_property", S("request.path"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{1, 1, 0}));
}

TEST_P(HostCallsTest, TheTraceSaysWhyAndWhat) {
  world_.log.least = LogLevel::kTrace;
  ReportBytes("proxy_get_property", S("no\0such"sv));
  ReportBytes(kGet, N(0) + S("Absent"));
  Run();
  EXPECT_TRUE(world_.log.Has("proxy_get_property answers NOT_FOUND: no such property here: \"no\\x00such\""));
  EXPECT_TRUE(world_.log.Has("proxy_get_header_map_value answers NOT_FOUND: no header of that name: \"absent\""));
}

TEST_P(HostCallsTest, SetsProperties) {
  Report(Call("proxy_set_property", S("my\0own"sv) + S("value")));
  ReportBytes("proxy_get_property", S("my.own"));
  Report(Call("proxy_set_property", S("request\0id"sv) + S("value")));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, Swallowed(1)}));
  EXPECT_EQ(world_.log.lines[0], "value");
}

TEST_P(HostCallsTest, SharedData) {
  ReportBytes("proxy_get_shared_data", S("k"));  // replaced below: three return pointers
  code_.clear();
  auto get = [&] { return Call("proxy_get_shared_data", S("k") + std::string(kPut) + N(520)); };
  Report(get());
  Report(Call("proxy_set_shared_data", S("k") + S("v1") + N(0)));
  Report(get());
  code_ += Guest::Log(kGot);
  Report("(i32.load (i32.const 520))");
  Report(Call("proxy_set_shared_data", S("k") + S("v2") + N(9)));
  Report(Call("proxy_set_shared_data", S("k") + S("v2") + N(1)));
  Report(Call("proxy_set_shared_data", S("new") + S("v") + N(1)));
  Run();
  EXPECT_EQ(statuses(), (Numbers{1, 0, 0, 1, 8, 0, 8}));
  EXPECT_EQ(world_.log.lines, Strings{"v1"});
  EXPECT_EQ((world_.shared_data.entries[{"t", "k"}].value), "v2");
}

TEST_P(HostCallsTest, Queues) {
  Report(Call("proxy_register_shared_queue", S("q") + N(512)));
  Report(Call("proxy_resolve_shared_queue", S("t") + S("q") + N(512)));
  Report(Call("proxy_resolve_shared_queue", S("other") + S("q") + N(512)));
  Report(Call("proxy_enqueue_shared_queue", N(1) + S("item")));
  Report(Call("proxy_enqueue_shared_queue", N(9) + S("item")));
  ReportBytes("proxy_dequeue_shared_queue", N(1));
  ReportBytes("proxy_dequeue_shared_queue", N(1));
  ReportBytes("proxy_dequeue_shared_queue", N(9));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 1, 0, 1, 0, 7, 1}));
  EXPECT_EQ(world_.log.lines[0], "item");
}

TEST_P(HostCallsTest, Metrics) {
  auto i64 = [](int64_t n) { return "(i64.const " + std::to_string(n) + ")"; };
  Report(Call("proxy_define_metric", N(0) + S("c") + N(512)));           // 1
  Report(Call("proxy_define_metric", N(2) + S("h") + N(512)));           // 2
  Report(Call("proxy_increment_metric", N(1) + i64(3)));
  Report(Call("proxy_record_metric", N(1) + i64(4)));
  Report(Call("proxy_increment_metric", N(1) + i64(-1)));
  Report(Call("proxy_get_metric", N(1) + N(512)));
  Report("(i32.load (i32.const 512))");
  Report(Call("proxy_get_metric", N(2) + N(512)));
  Report(Call("proxy_increment_metric", N(9) + i64(1)));
  Report(Call("proxy_record_metric", N(9) + i64(1)));
  Report(Call("proxy_define_metric", N(3) + S("x") + N(512)));
  Report(Call("proxy_define_metric", N(1) + S("c") + N(512)));           // another type
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0, 0, 2, 0, 7, 2, 1, 1, Swallowed(2), Swallowed(2)}));
  EXPECT_EQ(world_.metrics.cells.back().name == "c_gauge", !strict());
}

TEST_P(HostCallsTest, ForeignFunctions) {
  world_.shared_data.Set("t", "k", "v", 0);
  world_.foreign["echo"] = [](Plugin&, std::string_view argument) {
    return ForeignAnswer{ForeignAnswer::Status::kOk, "<" + std::string(argument) + ">"};
  };
  const std::string_view call = "proxy_call_foreign_function";
  ReportBytes(call, S("echo") + S("x"));
  ReportBytes(call, S("none") + S(""));
  ReportBytes(call, S("weir.shared_set_ttl") + S("\x10\0\0\0\0\0\0\0k"sv));
  ReportBytes(call, S("weir.shared_set_ttl") + S("\x10"));
  ReportBytes(call, S("weir.shared_keys") + S(""));
  ReportBytes(call, S("weir.shared_delete") + S("k"));
  ReportBytes(call, S("weir.shared_delete") + S("k"));
  ReportBytes(call, S("clear_route_cache") + S(""));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 1, 0, 2, 0, 0, 1, 0}));
  EXPECT_EQ(world_.log.lines[0], "<x>");
  EXPECT_EQ(world_.shared_data.ttl_ms, 16u);
  EXPECT_TRUE(world_.log.Has("k\\x00"));
  EXPECT_EQ(stream_.route_clears, 1);
}

TEST_P(HostCallsTest, LogsLinesWithoutControlCharacters) {
  Report(Call("proxy_log", N(4) + S("two\nlines\r\n\x1b[31m\n")));
  Report(Call("proxy_log", N(6) + S("x")));
  Report(Call("proxy_log", N(0) + S("below the level")));
  Report(Call("proxy_get_log_level", N(512)));
  Report("(i32.load (i32.const 512))");
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, Swallowed(2), 0, 0, 1}));
  ASSERT_GE(world_.log.lines.size(), 3u);
  EXPECT_EQ(Strings(world_.log.lines.begin(), world_.log.lines.begin() + 3), (Strings{"two", "lines", "\\x1b[31m"}));
  EXPECT_EQ(world_.log.levels[0], LogLevel::kError);
  EXPECT_FALSE(world_.log.Has("below"));
}

TEST_P(HostCallsTest, OneMessageHasALimitOfLines) {
  Report(Call("proxy_log", N(2) + S(std::string(256, '\n'))));
  Report(Call("proxy_log", N(2) + S("end")));
  Report(Call("proxy_log", N(2) + S(std::string(1000, '\n'))));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 0, 0}));
  ASSERT_EQ(world_.log.lines.size(), 256u + 1 + 257);
  EXPECT_EQ(world_.log.lines[256], "end");
  EXPECT_EQ(world_.log.lines.back(), "[cut: 744 more bytes of one message]");
}

TEST_P(HostCallsTest, AllocatorGivesNothing) {
  guest_.allocator = "(func (export \"malloc\") (param i32) (result i32) (i32.const 0))";
  ReportBytes(kGet, N(0) + S(":path"));
  ReportBytes(kGet, N(0) + S("none"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{6, 1}));
}

TEST_P(HostCallsTest, AllocatorGivesABadRange) {
  guest_.allocator = "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (i32.const 131071))";
  ReportBytes(kGet, N(0) + S(":path"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{6}));
}

TEST_P(HostCallsTest, NoAllocator) {
  guest_.allocator = "(func)";
  ReportBytes(kGet, N(0) + S(":path"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{6}));
}

TEST_P(HostCallsTest, AllocatorMayGrowTheMemory) {
  guest_.allocator = "(func (export \"malloc\") (param i32) (result i32) (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))";
  ReportBytes(kGet, N(0) + S(":path"));
  Run();
  EXPECT_EQ(statuses(), (Numbers{0}));
  EXPECT_EQ(world_.log.lines, Strings{"/a/b?c=d"});
}

TEST_P(HostCallsTest, HostCallsFromTheAllocatorAreRefused) {
  guest_.allocator = "(func (export \"malloc\") (param i32) (result i32)"
                     "(i32.store (i32.const 600) (call $proxy_get_header_map_size (i32.const 0) (i32.const 604)))"
                     "(drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.const 1))) (i32.const 65536))";
  guest_.more = "(func (drop (call $proxy_get_header_map_size (i32.const 0) (i32.const 0))))";  // so that it is imported
  ReportBytes(kGet, N(0) + S(":path"));
  Report("(i32.load (i32.const 600))");
  Run();
  EXPECT_EQ(statuses(), (Numbers{0, 10}));
  EXPECT_EQ(world_.log.lines, (Strings{":", "/a/b?c=d"}));  // logging is allowed
}

// Such a function has no slot to answer in: a write would hit the guest's native stack.
TEST(HostCalls, AFunctionWithoutAResultIsRefusedInTheAllocatorWithoutAnAnswer) {
  constexpr uint32_t kUntouched = 0xdeadbeef;
  struct Calls final : CallState {
    Calls() { in_allocator_ = true; }
  } calls;
  engine::RawValue slot;
  slot.i32 = kUntouched;
  using Nothing = abi::Binding<&HostCalls::ContinueRequestNothing, 0u>;
  EXPECT_FALSE(ProxyAbi::Enter<Nothing>(calls, &slot));
  EXPECT_EQ(slot.i32, kUntouched);
  using Something = abi::Binding<&HostCalls::ContinueRequest, 0u>;
  EXPECT_FALSE(ProxyAbi::Enter<Something>(calls, &slot));
  EXPECT_EQ(slot.i32, uint32_t(Status::kInternalFailure));
}

TEST(HostCalls, AllocatorThatTrapsEndsTheCallback) {
  Guest guest;
  guest.allocator = "(func (export \"malloc\") (param i32) (result i32) unreachable)";
  guest.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")"));
  FakeWorld world;
  auto plugin = Load(guest, world);
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_NE((*plugin)->stats().last_error.find("unreachable"), std::string::npos) << (*plugin)->stats().last_error;
}

}  // namespace
}  // namespace weir::proxy_wasm
