// What is recorded of a plugin in memory, read back and played again.
#include "cli/trace.h"

#include <gtest/gtest.h>

#include "memhost/memory_stream.h"
#include "proxy_wasm/pairs.h"
#include "proxy_wasm/testing/guest.h"
#include "trace/recorder.h"
#include "trace/replay.h"

namespace weir::cli {
namespace {

using namespace proxy_wasm::testing;
using enum proxy_wasm::Callback;
using proxy_wasm::Version;
using trace::Record;

class Lines final : public trace::Sink {
 public:
  void Write(std::string_view lines) override { text += lines; }
  uint64_t generation() override { return file; }
  std::string text;
  uint64_t file = 1;
};

/// `guest` in memory with a recorder.
class Recorded {
 public:
  Recorded(const Guest& guest, double sample, std::vector<std::string> redact = {}, size_t stream_bytes = 256 << 10)
      : rules_{&lines, sample, stream_bytes, std::move(redact)}, recorder(world.clock(), "w", &rules_, nullptr) {
    auto module = CompileWat(guest.Wat());
    EXPECT_TRUE(module) << module.error().message;
    auto made = recorder.Load(SpecNamed("p"), "digest", world.host(), [&](Host& host) {
      return proxy_wasm::ProxyWasmPlugin::Load(TestEngine(), *module, guest.version, SpecNamed("p"), host);
    });
    EXPECT_TRUE(made) << made.error().message;
    plugin = std::move(*made);
  }
  StreamOutcome Run(HeaderList more = {}, std::vector<std::string> body = {}) {
    Plugin* const chain[] = {plugin.get()};
    const trace::RecordRequest request(&recorder, &rules_);
    return RunStream(world, chain, {RequestHeaders("GET", "/", std::move(more)), std::move(body), {}}, Answer(200, "page"));
  }
  /// What was written.
  std::vector<Record> Records() {
    std::vector<std::string> problems;
    auto records = ParseTrace(lines.text, "t", &problems);
    EXPECT_TRUE(problems.empty()) << problems[0];
    EXPECT_TRUE(records) << records.error().message;
    return records ? *records : std::vector<Record>();
  }

  MemoryHost world;
  Lines lines;

 private:
  trace::RecordRules rules_;

 public:
  trace::Recorder recorder;
  std::unique_ptr<Plugin> plugin;
};

Result<trace::ReplayOutcome> Again(const std::vector<Record>& records, const Guest& guest, trace::ReplayOptions options = {}) {
  const auto make = [&](const PluginSpec& spec, Host& host) -> Result<std::unique_ptr<Plugin>> {
    WEIR_TRY(auto module, CompileWat(guest.Wat()));
    return proxy_wasm::ProxyWasmPlugin::Load(TestEngine(), module, guest.version, spec, host);
  };
  return trace::Replay(records, "p", make, options);
}

/// The time in a log line, a header copied into another, and the body held and changed.
Guest Copier(const std::string& header = "x-copy") {
  Guest guest;
  guest.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_current_time_nanoseconds (i32.const 600))") + Guest::Log("(i32.const 600) (i32.const 8)") +
                                  Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("x-in") + std::string(kPut) + ")") +
                                  Guest::Do("(call $proxy_add_header_map_value (i32.const 0) " + guest.S(header) + std::string(kGot) + ")"));
  guest.On(kOnRequestBody,
           "(if (i32.eqz (local.get 2)) (then (return (i32.const 1))))" +
               Guest::Do("(call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 0) " + guest.S("<") + ")"));
  return guest;
}

TEST(Trace, PlaysWithoutADifference) {
  Recorded recorded(Copier(), 1);
  EXPECT_EQ(recorded.Run({{"x-in", "one"}}, {"a", "b", "c"}).upstream->BodyText(), "<abc");
  recorded.world.clock().AdvanceMs(5);
  recorded.Run({{"x-in", "two"}});
  const std::vector<Record> records = recorded.Records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].kind, "start");
  EXPECT_EQ(records[1].why, "sample");
  const auto outcome = Again(records, Copier());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_FALSE(outcome->difference) << outcome->difference->recorded << " | " << outcome->difference->now;
  EXPECT_EQ(outcome->requests, 2u);
  EXPECT_GE(outcome->events, 9u);
}

TEST(Trace, ShowsTheFirstDifference) {
  Recorded recorded(Copier(), 1);
  recorded.Run({{"x-in", "one"}});
  const auto outcome = Again(recorded.Records(), Copier("x-other"));
  ASSERT_TRUE(outcome && outcome->difference);
  EXPECT_EQ(outcome->difference->event, "request_headers");
  EXPECT_EQ(outcome->difference->recorded, "add request_headers x-copy one");
  EXPECT_EQ(outcome->difference->now, "add request_headers x-other one");
  EXPECT_FALSE(outcome->difference->after_redacted);
  const auto ignored = Again(recorded.Records(), Copier("x-other"), {{"add"}});
  EXPECT_TRUE(ignored && !ignored->difference);
}

TEST(Trace, AReadThatIsNewIsAnsweredAndNoDifference) {
  Recorded recorded(Copier(), 1);
  recorded.Run({{"x-in", "one"}, {"x-more", "two"}});
  Guest reader = Copier();
  reader.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + reader.S("x-more") + std::string(kPut) + ")") +
                                   "(if (i32.ne (i32.load (i32.const 516)) (i32.const 3)) (then (unreachable)))" +
                                   Guest::Do("(call $proxy_get_current_time_nanoseconds (i32.const 600))") + Guest::Log("(i32.const 600) (i32.const 8)") +
                                   Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + reader.S("x-in") + std::string(kPut) + ")") +
                                   Guest::Do("(call $proxy_add_header_map_value (i32.const 0) " + reader.S("x-copy") + std::string(kGot) + ")"));
  const auto outcome = Again(recorded.Records(), reader);
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->difference) << outcome->difference->recorded << " | " << outcome->difference->now;
}

TEST(Trace, RedactedValuesAreNowhere) {
  Recorded recorded(Copier(), 1, {"x-in"});
  recorded.Run({{"x-in", "s3cr3t"}});
  EXPECT_EQ(recorded.lines.text.find("s3cr3t"), std::string::npos) << recorded.lines.text;
  const auto same = Again(recorded.Records(), Copier());
  EXPECT_TRUE(same && !same->difference) << "the plugin copies what stands for the value";
  const auto outcome = Again(recorded.Records(), Copier("x-other"));
  ASSERT_TRUE(outcome && outcome->difference);
  EXPECT_TRUE(outcome->difference->after_redacted);
}

TEST(Trace, SamplesAboutAsManyAsItShould) {
  Recorded recorded(Copier(), 0.2);
  for (int i = 0; i < 500; ++i) recorded.Run();
  size_t requests = 0;
  for (const Record& record : recorded.Records()) requests += record.kind == "http";
  EXPECT_GT(requests, 60u);
  EXPECT_LT(requests, 140u);
  EXPECT_LE(recorded.recorder.bytes(), trace::Recorder::kBytesMax / 2);
}

TEST(Trace, NothingIsWrittenWithoutSamplesOrTraps) {
  Recorded recorded(Copier(), 0);
  for (int i = 0; i < 20; ++i) recorded.Run();
  EXPECT_EQ(recorded.lines.text, "");
  EXPECT_EQ(recorded.recorder.kept(), 20u);
}

/// Traps when x-in is "boom"; else counts.
Guest Bomb() {
  Guest guest;
  guest.On(kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("x-in") + std::string(kPut) + ")") + Guest::Log(kGot) +
                                  "(if (i32.eq (i32.load (i32.load (i32.const 512))) (i32.const 0x6d6f6f62)) (then (unreachable)))");
  return guest;
}

TEST(Trace, ATrapIsWrittenWithWhatWasBefore) {
  Recorded recorded(Bomb(), 0);
  for (int i = 0; i < 20; ++i) recorded.Run({{"x-in", "fine" + std::to_string(i)}});
  recorded.Run({{"x-in", "boom"}});
  recorded.Run({{"x-in", "boom"}});  // at once: not written again
  const std::vector<Record> records = recorded.Records();
  ASSERT_EQ(records.size(), 1 + trace::Recorder::kBeforeTrap + 1);
  EXPECT_EQ(records[1].why, "before_trap");
  EXPECT_EQ(records.back().why, "trap");
  EXPECT_EQ(records.back().events.back().result, "failed");
  EXPECT_NE(records.back().events.back().error.find("unreachable"), std::string::npos);
  const auto same = Again(records, Bomb());
  EXPECT_TRUE(same && !same->difference) << "it traps again";
  Guest fixed = Bomb();
  fixed.On(kOnRequestHeaders,
           Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + fixed.S("x-in") + std::string(kPut) + ")") + Guest::Log(kGot));
  const auto outcome = Again(records, fixed);
  ASSERT_TRUE(outcome && outcome->difference);
  EXPECT_EQ(outcome->difference->now, "-> continue");
}

TEST(Trace, ARecordThatIsFullIsCut) {
  Recorded recorded(Copier(), 1, {}, 4096);
  recorded.Run({{"x-in", "one"}}, {std::string(3000, 'a'), std::string(3000, 'b')});
  const std::vector<Record> records = recorded.Records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[1].cut);
  EXPECT_LT(recorded.lines.text.size(), 20'000u);
  const auto outcome = Again(records, Copier());
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->difference);
  EXPECT_EQ(outcome->cut, 1u);
}

TEST(Trace, AStartIsWrittenAgainIntoAnotherFile) {
  Recorded recorded(Copier(), 1);
  recorded.Run();
  recorded.lines.text.clear();
  recorded.Run();
  EXPECT_EQ(recorded.Records().size(), 1u);
  recorded.lines.text.clear();
  recorded.lines.file = 2;
  recorded.Run();
  EXPECT_EQ(recorded.Records().size(), 2u);
}

TEST(Trace, APluginThatIsGoneIsNotTouched) {
  Recorded recorded(Copier(), 1);
  recorded.Run();
  recorded.plugin.reset();
  EXPECT_EQ(recorded.Records().size(), 2u);
}

TEST(TraceFile, SaysWhichLineIsBroken) {
  std::vector<std::string> problems;
  EXPECT_FALSE(ParseTrace("", "f", &problems));
  EXPECT_FALSE(ParseTrace("{\"weir_trace\":2}\n", "f", &problems));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0], "f:1: its format is 2, and this version of Weir reads 1");
  for (const char* text : {"{", "[]", "1", "{}", "{\"weir_trace\":1}", "{\"weir_trace\":1,\"kind\":\"http\",\"id\":\"a\",\"start\":\"b\",\"plugin\":\"p\",\"events\":[{}]}",
                           "{\"weir_trace\":1,\"kind\":\"http\",\"id\":\"a\",\"start\":\"b\",\"plugin\":\"p\",\"events\":[{\"n\":1,\"on\":\"x\",\"given\":[[]]}]}",
                           "{\"weir_trace\":1,\"kind\":\"http\",\"id\":\"\xe2\x82\xac\",\"start\":\"b\",\"plugin\":\"p\"}"}) {
    problems.clear();
    EXPECT_FALSE(ParseTrace(text, "f", &problems)) << text;
    EXPECT_EQ(problems.size(), 1u) << text;
  }
  problems.clear();
  const auto some = ParseTrace("{\"weir_trace\":1,\"kind\":\"http\",\"id\":\"\\u00ff\",\"start\":\"b\",\"plugin\":\"p\"}\n\n{\"weir_tr", "f", &problems);
  ASSERT_TRUE(some);
  EXPECT_EQ((*some)[0].id, "\xff");
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("f:3: "), std::string::npos);
}

}  // namespace
}  // namespace weir::cli
