// The parts of `weir fuzz`, each alone; tests/cli/fuzz_test.py has the whole of it against guests with planted bugs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "fuzz/found.h"
#include "fuzz/generator.h"
#include "fuzz/shrink.h"

namespace weir::fuzz {
namespace {

// ---- words
std::string Section(char id, const std::string& content) { return std::string(1, id) + char(content.size()) + content; }
/// A module with one segment of data at 1024, and `code` as the bytes of its code section.
std::string ModuleOf(const std::string& data, const std::string& code = "") {
  using std::string_literals::operator""s;
  std::string wasm = "\0asm\1\0\0\0"s;
  if (!code.empty()) wasm += Section(1, "\1\x60\0\0"s) + Section(3, "\1\0"s);
  wasm += Section(5, "\1\0\1"s);
  if (!code.empty()) wasm += Section(10, "\1"s + char(code.size() + 2) + "\0"s + code + "\x0b");
  // i32.const 1024 is 0x80 0x08.
  return wasm + Section(11, "\1\0\x41\x80\x08\x0b"s + char(data.size()) + data);
}
bool Has(const Words& words, std::string_view text) { return std::find(words.texts.begin(), words.texts.end(), text) != words.texts.end(); }

TEST(Words, TextsOfTheDataAreApartAtUnprintableBytes) {
  const Words words = WordsOfModule(ModuleOf(std::string("x-admin\0secret\0a\0", 17)));
  EXPECT_TRUE(Has(words, "x-admin") && Has(words, "secret"));
  EXPECT_FALSE(Has(words, "a")) << "too short";
  EXPECT_EQ(words.whole, 0u);
}
TEST(Words, CodeSaysWhereATextBeginsAndEnds) {
  // i32.const 1031, i32.const 6: the second of two texts without a sign between them.
  const Words words = WordsOfModule(ModuleOf("x-adminsecretmore", "\x41\x87\x08\x41\x06\x1a\x1a"));
  EXPECT_TRUE(Has(words, "secret"));
  EXPECT_TRUE(Has(words, "x-admin")) << "ends where another one begins";
  ASSERT_GE(words.whole, 1u);
  EXPECT_EQ(words.texts[0], "secret");
}
TEST(Words, AnAddressAndALengthInTheData) {
  std::string data = "roleguest";
  data.resize(12, '\0');
  data += std::string("\x04\x04\0\0\x05\0\0\0", 8);  // 1028, 5
  EXPECT_TRUE(Has(WordsOfModule(ModuleOf(data)), "guest"));
}
TEST(Words, ShortTextsAreInTheCode) {
  // i64.const of "dump-sta", then i32.const of "tate": a text of ten bytes compared in two parts.
  const auto leb = [](uint64_t value, unsigned bytes) {
    std::string out;
    for (unsigned i = 0; i < bytes; ++i, value >>= 7) out += char((value & 0x7f) | (i + 1 < bytes ? 0x80 : 0));
    return out;
  };
  uint64_t first = 0, second = 0;
  std::memcpy(&first, "dump-sta", 8);
  std::memcpy(&second, "tate", 4);
  const Words words = WordsOfModule(ModuleOf("xx", "\x42" + leb(first, 10) + "\x1a\x41" + leb(second, 5) + "\x1a"));
  EXPECT_TRUE(Has(words, "dump-sta"));
  EXPECT_TRUE(Has(words, "dump-state")) << "overlapping parts are joined";
}
TEST(Words, LettersOneByOne) {
  std::string code;
  for (const char c : std::string_view("role")) code += std::string("\x41") + char(c | 0x80) + '\0' + "\x1a";
  EXPECT_TRUE(Has(WordsOfModule(ModuleOf("xx", code)), "role"));
}
TEST(Words, NumbersOfTheCode) {
  const Words words = WordsOfModule(ModuleOf("xx", "\x41\xd8\x04\x1a"));  // 600
  EXPECT_NE(std::find(words.numbers.begin(), words.numbers.end(), 600u), words.numbers.end());
}
TEST(Words, OfNoModuleThereAreNone) {
  for (const std::string& bytes : {std::string(), std::string("text"), ModuleOf("word").substr(0, 20)}) EXPECT_TRUE(WordsOfModule(bytes).texts.empty());
}
TEST(Words, HeaderNames) {
  EXPECT_TRUE(IsHeaderName("x-a_1.B"));
  EXPECT_TRUE(IsHeaderName(":path"));
  for (const char* text : {"", ":", "a b", "a:b", "\xc3\xa4", "a\n"}) EXPECT_FALSE(IsHeaderName(text)) << text;
}

// ---- behaviour
void Play(Behaviour* behaviour, std::string_view status, int calls) {
  const CrossedValue arguments[] = {{"map_id", int64_t{0}, "request_headers"}, {"key", std::string_view("x-a"), ""}};
  const CallbackEvent callback{"test", "proxy_on_request_headers", 2, {}};
  behaviour->OnCallback(callback);
  for (int i = 0; i < calls; ++i)
    behaviour->OnHostCall({.plugin = "test", .module = "env", .name = "proxy_get_header_map_value", .context = 2, .arguments = arguments, .status = status});
  behaviour->OnCallbackEnd(callback, {.has_result = true, .result = {"", int64_t{0}, "CONTINUE"}});
}
std::set<uint64_t> FeaturesOf(std::string_view status, int calls) {
  Behaviour behaviour;
  Play(&behaviour, status, calls);
  return behaviour.features();
}
TEST(Behaviour, TheSameIsTheSameAndAStatusIsNew) {
  EXPECT_EQ(FeaturesOf("OK", 1), FeaturesOf("OK", 1));
  EXPECT_NE(FeaturesOf("OK", 1), FeaturesOf("NOT_FOUND", 1));
  EXPECT_EQ(FeaturesOf("OK", 5), FeaturesOf("OK", 7)) << "counts in powers of two";
  EXPECT_NE(FeaturesOf("OK", 7), FeaturesOf("OK", 9));
}
TEST(Behaviour, NamesThatWereAskedFor) {
  Behaviour behaviour;
  Play(&behaviour, "NOT_FOUND", 1);
  const CrossedValue path[] = {{"path", std::string_view("request\0path\0", 13), ""}};
  behaviour.OnHostCall({.name = "proxy_get_property", .arguments = path, .status = "OK"});
  const CrossedValue upstream[] = {{"upstream_name", std::string_view("authz"), ""}};
  behaviour.OnHostCall({.name = "proxy_http_call", .arguments = upstream, .status = "OK"});
  behaviour.OnHostCall({.name = "proxy_grpc_stream", .arguments = upstream, .status = "OK"});
  const CrossedValue key[] = {{"key", std::string_view("count"), ""}};
  behaviour.OnHostCall({.name = "proxy_get_shared_data", .arguments = key, .status = "OK"});
  const Asked& asked = behaviour.asked();
  EXPECT_EQ(asked.request_headers, std::set<std::string>{"x-a"});
  EXPECT_EQ(asked.properties, std::set<std::string>{"request.path"});
  EXPECT_EQ(asked.http_upstreams, std::set<std::string>{"authz"});
  EXPECT_EQ(asked.grpc_upstreams, std::set<std::string>{"authz"});
  EXPECT_EQ(asked.shared_keys, std::set<std::string>{"count"});
  Asked all;
  EXPECT_TRUE(all.Add(asked));
  EXPECT_FALSE(all.Add(asked));
}

// ---- candidates
Knowledge KnownOf(bool tcp = false) {
  Knowledge known;
  known.words.texts = {"x-mode", "dump", "/admin", "a text with blanks\n"};
  known.words.numbers = {600};
  known.asked = {{"x-mode", ":path"}, {"x-out"}, {"request.id"}, {"count"}, {"authz"}, {"greeter"}};
  known.tcp = tcp;
  known.body_bytes_max = 1000;
  return known;
}
TEST(Generator, TheSameSeedGivesTheSame) {
  const Knowledge known = KnownOf();
  const auto made = [&](uint64_t seed) {
    Random random(seed);
    Generator generator(known, random);
    pb::Test test = generator.Fresh();
    generator.Mutate(&test, test);
    return test.SerializeAsString();
  };
  EXPECT_EQ(made(1), made(1));
  EXPECT_NE(made(1), made(2));
}
TEST(Generator, OnlyWhatAProxyLetsIn) {
  const Knowledge known = KnownOf();
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    Generator generator(known, random);
    pb::Test test = generator.Fresh();
    for (int i = 0; i < 3; ++i) generator.Mutate(&test, test);
    Sanitize(&test, known.body_bytes_max);
    for (const pb::Header& header : test.request_headers().input().header()) {
      ASSERT_TRUE(IsHeaderName(header.key())) << header.key();
      ASSERT_EQ(header.value().find_first_of(std::string_view("\0\r\n", 3)), std::string::npos);
      ASSERT_LE(header.value().size(), kValueBytesMax);
      ASSERT_TRUE(header.key() != ":path" || header.value().find(' ') == std::string::npos);
    }
    for (const pb::Invocation& body : test.request_body()) ASSERT_LE(body.input().content().size(), known.body_bytes_max);
  }
}
TEST(Generator, ReachesEveryPart) {
  const Knowledge http = KnownOf(), tcp = KnownOf(true);
  pb::Test all;
  bool no_path = false, empty_end = false, asked_word = false;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed);
    pb::Test test = Generator(seed % 2 ? http : tcp, random).Fresh();
    pb::Invocation headers = test.request_headers();
    no_path = no_path || (test.has_request_headers() && FindHeader(&headers, ":path") == nullptr);
    if (const pb::Header* header = FindHeader(&headers, "x-mode")) asked_word = asked_word || header->value() == "dump";
    for (const pb::Invocation& body : test.request_body()) empty_end = empty_end || (body.chunk_bytes_size() > 1 && body.chunk_bytes(body.chunk_bytes_size() - 1) == 0);
    all.MergeFrom(test);
  }
  EXPECT_TRUE(no_path && empty_end && asked_word);
  EXPECT_TRUE(all.has_request_trailers() && all.has_response_trailers() && !all.request_body().empty() && !all.response_body().empty());
  EXPECT_TRUE(!all.properties().empty() && !all.shared_data().empty() && all.init_advance_ms() > 0);
  std::set<std::string> upstreams;
  bool late = false, failure = false, grpc = false;
  for (const pb::Upstream& upstream : all.upstream()) {
    upstreams.insert(upstream.name());
    for (const pb::Answer& answer : upstream.answer()) late = late || answer.after_ms() >= 60'000, failure = failure || answer.failure() != 0, grpc = grpc || answer.has_grpc();
  }
  EXPECT_EQ(upstreams, (std::set<std::string>{"authz", "greeter"}));
  EXPECT_TRUE(late && failure && grpc);
  std::set<int> kinds;
  for (const pb::TcpEvent& event : all.tcp()) kinds.insert(event.kind());
  EXPECT_EQ(kinds.size(), 5u);
}

// ---- faults
TEST(Faults, KeyIsThatOfTheBacktrace) {
  const Fault one = FaultOf("plugin \"test\" (a.wasm): proxy_on_log (context 2): unreachable\nabort (a.c:1)\nmain"),
              same = FaultOf("plugin \"other\": proxy_on_log (context 7): unreachable\nabort (a.c:2)\nmain");
  EXPECT_EQ(one.key, same.key);
  EXPECT_EQ(one.title, "proxy_on_log: unreachable");
  EXPECT_EQ(one.property, Property::kTrap);
  EXPECT_NE(one.key, FaultOf("plugin \"test\": proxy_on_log: unreachable\nabort\nother").key);
}
TEST(Faults, ALoopIsStoppedAnywhere) {
  const Fault one = FaultOf("plugin \"test\": proxy_on_log: used its 50 ms of CPU time\ninner\nloop\nlog\nmain"), other = FaultOf("plugin \"test\": proxy_on_log: used its 50 ms of CPU time\nloop\nlog\nmain");
  EXPECT_EQ(one.property, Property::kTimeout);
  EXPECT_EQ(one.key, other.key);
}
TEST(Faults, MemoryAndRecursion) {
  EXPECT_EQ(FaultOf("plugin \"test\": proxy_on_log: unreachable (its memory is at the limit of 16 MiB)\nmain").property, Property::kMemory);
  EXPECT_EQ(FaultOf("plugin \"test\": proxy_on_log: its call stack overflowed (endless recursion?)\nf\nf\nf\nmain").key,
            FaultOf("plugin \"test\": proxy_on_log: its call stack overflowed (endless recursion?)\nf\nf\nmain").key);
}

// ---- shrinking
pb::Test Large() {
  suite::SuiteFile file = *suite::ParseText(
      "test { no_trap: true name: 'n' init_advance_ms: 5000 properties { path: 'p' value: 'v' } upstream { name: 'u' answer { status: 503 body: 'xyz' } } "
      "request_headers { advance_ms: 1000 input { header { key: ':path' value: '/abc' } header { key: 'a' value: 'one two' } header { key: 'b' value: 'long xQx long' } } } "
      "request_body { input { content: 'before<!--secret-->behind' } chunk_bytes: [3, 8, 5, 4] } response_headers { input { header { key: ':status' value: '200' } } } "
      "response_body { input { content: 'r' } } }",
      "s");
  return file.suite.test(0);
}
TEST(Shrinking, KeepsOneByteOfOneHeader) {
  const pb::Test small = Shrink(Large(), [](pb::Test& test) {
    for (const pb::Header& header : test.request_headers().input().header())
      if (header.value().find('Q') != std::string::npos) return true;
    return false;
  });
  EXPECT_EQ(small.ShortDebugString(), "name: \"n\" request_headers { input { header { key: \"b\" value: \"Q\" } } } no_trap: true");
}
TEST(Shrinking, CutsStayWhereTheyAre) {
  const pb::Test small = Shrink(Large(), [](pb::Test& test) {
    if (test.request_body().empty()) return false;
    const auto pieces = suite::CutAt(test.request_body(0).input().content(), test.request_body(0).chunk_bytes());
    return pieces.size() > 1 && std::any_of(pieces.begin(), pieces.end(), [](const std::string& piece) { return piece.ends_with("<!--s"); });
  });
  EXPECT_EQ(small.request_body(0).ShortDebugString(), "input { content: \"<!--s\" } chunk_bytes: 5 chunk_bytes: 0");
  EXPECT_FALSE(small.has_response_headers());
}
TEST(Shrinking, NumbersToTheirBoundary) {
  const pb::Test small = Shrink(Large(), [](pb::Test& test) { return test.init_advance_ms() >= 777; });
  EXPECT_EQ(small.ShortDebugString(), "name: \"n\" init_advance_ms: 777 no_trap: true");
}
TEST(Shrinking, LengthsToTheirBoundary) {
  pb::Test test = Large();
  FindHeader(test.mutable_request_headers(), ":path")->set_value("/" + std::string(5000, 'x'));
  int runs = 0;
  const pb::Test small = Shrink(test, [&](pb::Test& one) {
    ++runs;
    const pb::Header* path = one.has_request_headers() ? FindHeader(one.mutable_request_headers(), ":path") : nullptr;
    return path != nullptr && path->value().size() > 600;
  });
  EXPECT_EQ(small.request_headers().input().header(0).value(), std::string(601, 'a'));
  EXPECT_LE(runs, 3000);
}
TEST(Shrinking, BytesOfAConnection) {
  pb::Test test;
  test.add_tcp()->mutable_input()->set_content("0123{456}");
  const pb::Test small = Shrink(test, [](pb::Test& one) { return !one.tcp().empty() && one.tcp(0).input().content().find('{') != std::string::npos; });
  EXPECT_EQ(small.ShortDebugString(), "tcp { input { content: \"{\" } }");
}
TEST(Shrinking, EndsWhenTheRunsAreUsed) {
  int runs = 0;
  Shrink(Large(), [&](pb::Test&) { return ++runs % 2 == 0; }, {.runs_max = 10});
  EXPECT_EQ(runs, 10);
}
TEST(Shrinking, WhatComesBackIsNoProgress) {
  int runs = 0;
  const pb::Test small = Shrink(Large(), [&](pb::Test& test) {
    ++runs;
    if (test.upstream().empty()) test.add_upstream()->set_name("u");
    return true;
  });
  EXPECT_EQ(small.upstream_size(), 1);
  EXPECT_LT(runs, 200);
}

// ---- suites
FuzzReport ReportOf(const pb::Test& test) {
  FuzzReport report;
  report.findings.push_back({.fault = {.detail = "first\nsecond \x01\xff"}, .test = test, .reproduced = true});
  return report;
}
TEST(Found, BothFormsReadBackAsTheyWere) {
  pb::Test test = Large();
  std::string bytes, text;
  for (int i = 0; i < 256; ++i) bytes += char(i);
  for (int i = 0; i < 128; ++i) text += char(i);
  test.mutable_request_headers()->mutable_input()->mutable_header(0)->set_value(bytes);
  test.mutable_request_headers()->mutable_input()->mutable_header(1)->set_value(text);
  test.set_name("quotes \" and \\ : # {}");
  test.add_plugin()->add_option("timeout=1s");
  test.mutable_upstream(0)->add_answer()->set_failure(pb::Answer::TIMEOUT);
  test.add_tcp()->set_kind(pb::TcpEvent::UPSTREAM_DATA);
  test.mutable_request_headers()->mutable_result()->set_paused(false);
  for (const bool yaml : {false, true}) {
    const std::string suite = SuiteOf(ReportOf(test), "weir fuzz", yaml);
    EXPECT_TRUE(suite.starts_with(kMark));
    const auto file = yaml ? suite::ParseYaml(suite, "s.yaml") : suite::ParseText(suite, "s.textpb");
    ASSERT_TRUE(file) << file.error().message << "\n" << suite;
    ASSERT_EQ(file->suite.test_size(), 1);
    EXPECT_EQ(file->suite.test(0).SerializeAsString(), test.SerializeAsString()) << suite;
  }
}
TEST(Found, InputsExpectNothing) {
  const auto file = suite::ParseText(
      "test { name: 'a' num_chunks: 2 plugin { } plugin_init { log { exact: 'x' } } request_headers { input { content: 'GET /p HTTP/1.1\\nHost: h' } result { body { exact: 'x' } } } "
      "request_body { input { content: 'b' } result { body { exact: 'x' } } } } test { name: 'b' response_body { input { content: 'c' } } }",
      "s");
  ASSERT_TRUE(file) << file.error().message;
  const auto inputs = Inputs(*file);
  ASSERT_TRUE(inputs) << inputs.error().message;
  ASSERT_EQ(inputs->size(), 2u);
  EXPECT_EQ((*inputs)[0].ShortDebugString(),
            "request_headers { input { header { key: \":method\" value: \"GET\" } header { key: \":path\" value: \"/p\" } header { key: \":authority\" value: \"h\" } } } "
            "request_body { input { content: \"b\" } } no_trap: true");
  EXPECT_TRUE((*inputs)[1].has_request_headers() && (*inputs)[1].has_response_headers()) << "a body needs its headers";
}
TEST(Found, AFolderOfSuites) {
  const std::string folder = ::testing::TempDir() + "/weir-fuzz-corpus";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  EXPECT_FALSE(ReadCorpus(folder)) << "none in it";
  std::ofstream(folder + "/b.yaml") << "test: [{name: x, request_headers: {}}, {name: y}]\n";
  std::ofstream(folder + "/a.textpb") << "test { }";
  std::ofstream(folder + "/notes.md") << "no suite";
  const auto inputs = ReadCorpus(folder);
  ASSERT_TRUE(inputs) << inputs.error().message;
  EXPECT_EQ(inputs->size(), 3u);
  std::ofstream(folder + "/c.textpb") << "tset { }";
  const auto bad = ReadCorpus(folder);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("c.textpb:1"), std::string::npos) << bad.error().message;
  EXPECT_FALSE(ReadCorpus(folder + "/none"));
}

}  // namespace
}  // namespace weir::fuzz
