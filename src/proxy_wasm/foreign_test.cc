// Foreign functions: the built-in ones through a guest, and the document against their table.
#include "proxy_wasm/foreign.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "proxy_wasm/proto.h"
#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using namespace std::literals;
using Strings = std::vector<std::string>;

class ForeignTest : public ::testing::TestWithParam<Statuses> {
 protected:
  /// The status, and on OK the answer in `answer_`.
  uint32_t Ask(std::string_view name, std::string_view argument) {
    Guest guest;
    // the answer is shown as shared data: a log line would escape it
    guest.On(Callback::kOnRequestHeaders,
             Guest::Report("(call $proxy_call_foreign_function " + guest.S(name) + guest.S(argument) + std::string(kPut) + ")") +
                 Guest::Do("(call $proxy_set_shared_data " + guest.S("answer") + std::string(kGot) + "(i32.const 0))"));
    guest.allocator = "(func (export \"malloc\") (param i32) (result i32) (local $at i32)"
                      "(local.set $at (i32.mul (memory.size) (i32.const 65536)))"
                      "(drop (memory.grow (i32.add (i32.shr_u (local.get 0) (i32.const 16)) (i32.const 1)))) (local.get $at))";
    world_ = std::make_unique<FakeWorld>();
    world_->foreign["echo"] = [](Plugin& plugin, std::string_view bytes) {
      return ForeignAnswer{ForeignAnswer::Status::kOk, plugin.spec().name + ":" + std::string(bytes)};
    };
    spec_.statuses = GetParam();
    spec_.limits.callback_ms = 10'000;
    auto plugin = Load(guest, *world_, spec_);
    if (!plugin) return ADD_FAILURE() << plugin.error().message, 99;
    stats_ = {};
    FakeStream stream;
    auto filter = (*plugin)->NewHttpFilter(stream);
    EXPECT_EQ(filter->OnRequestHeaders(1, EndOfStream::kYes), FilterStatus::kContinue) << (*plugin)->stats().last_error;
    stats_ = (*plugin)->stats();
    answer_ = world_->shared_data.Get("t", "answer")->value;
    return world_->timers.period_ms;
  }
  std::string Answer(std::string_view name, std::string_view argument) {
    EXPECT_EQ(Ask(name, argument), 0u) << name;
    return answer_;
  }
  std::unique_ptr<FakeWorld> world_;
  PluginSpec spec_ = SpecNamed("t");
  PluginStats stats_;
  std::string answer_;
};
INSTANTIATE_TEST_SUITE_P(Modes, ForeignTest, ::testing::Values(Statuses::kLenient, Statuses::kStrict),
                         [](const auto& info) { return info.param == Statuses::kStrict ? "strict" : "lenient"; });

TEST_P(ForeignTest, CompressAndUncompressAreZlibs) {
  for (const std::string& bytes : {""s, "x"s, std::string(30'000, 'y'), "\0\xff\0"s}) {
    const std::string compressed = Answer("compress", bytes);
    std::string again(bytes.size() + 1, '?');
    uLongf size = again.size();
    ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(again.data()), &size, reinterpret_cast<const Bytef*>(compressed.data()), compressed.size()), Z_OK);
    EXPECT_EQ(again.substr(0, size), bytes);
    EXPECT_EQ(Answer("uncompress", compressed), bytes);
  }
}

TEST_P(ForeignTest, UncompressOfWhatIsNoneAndOfABomb) {
  const std::string good = Answer("compress", std::string(1000, 'y'));
  for (const std::string& bad : {""s, "not zlib"s, good.substr(0, 2), "x\x9c"s + std::string(20, '\xff')}) EXPECT_EQ(Ask("uncompress", bad), 3u);
  spec_.limits.foreign_bytes = 1000;
  EXPECT_EQ(Ask("uncompress", good), 0u);
  spec_.limits.foreign_bytes = 999;
  EXPECT_EQ(Ask("uncompress", good), 10u);
  EXPECT_EQ(Ask("compress", std::string(999, 'x')), 0u);
  EXPECT_EQ(Ask("compress", std::string(1000, 'x')), 2u);
  EXPECT_EQ(Ask("uncompress", std::string(1000, 'x')), 2u);
}

TEST_P(ForeignTest, Uri) {
  EXPECT_EQ(Answer("weir.uri_encode", "a b/c?\xff~"), "a%20b%2Fc%3F%FF~");
  EXPECT_EQ(Answer("weir.uri_decode", "a%20b%2fc+%3F%FF~"), "a b/c+?\xff~");
  for (const char* bad : {"%", "%2", "%g0", "%0g", "%-1", "%+1"}) EXPECT_EQ(Ask("weir.uri_decode", bad), 2u) << bad;
}

TEST_P(ForeignTest, Base64) {
  const std::pair<std::string, std::string> cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xff", "+/8="}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(Answer("weir.base64_encode", bytes), text);
    EXPECT_EQ(Answer("weir.base64_decode", text), bytes);
  }
  EXPECT_EQ(Answer("weir.base64_decode", "-_8"), "\xfb\xff");
  for (const char* bad : {"Z", "Zg=x", "Z===", "Zm9v!", "Zm 9"}) EXPECT_EQ(Ask("weir.base64_decode", bad), 2u) << bad;
}

TEST_P(ForeignTest, Sha256) {
  EXPECT_EQ(Answer("weir.sha256", "abc"), "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad"s);
}

TEST_P(ForeignTest, DeclareProperty) {
  EXPECT_EQ(Ask("declare_property", "\x0a\x04name\x10\x01\x18\x01"s), 0u);  // name, readonly, type
  for (const std::string& bad : {""s, "\x10\x01"s, "\x0a\x09name"s, "\xff"s}) EXPECT_EQ(Ask("declare_property", bad), 2u);
}

TEST_P(ForeignTest, NamesOfNobodyAndOfTheEmbedder) {
  for (const char* name : {"", "expr_create", "set_envoy_filter_state", "compres"}) EXPECT_EQ(Ask(name, ""), 1u) << name;
  EXPECT_EQ(Answer("echo", "hi\0"sv), "t:hi\0"sv);
}

TEST_P(ForeignTest, OnlyAllowedNames) {
  spec_.allow = *ParseAllow("foreign:echo");
  EXPECT_EQ(Ask("echo", ""), 0u);
  EXPECT_EQ(stats_.host_calls_rejected, 0u);
  EXPECT_EQ(Ask("compress", ""), 1u);
  EXPECT_EQ(stats_.host_calls_rejected, 1u);
  EXPECT_TRUE(world_->log.Has("foreign function \"compress\" is refused: allow= of this plugin does not name it"));
}

TEST(Proto, ReadsFieldsAndNothingBeyondTheEnd) {
  const std::string message = "\x0a\x02hi\x10\x96\x01\x19" "12345678" "\x25" "1234" "\x0a\x03two"s;
  ProtoReader reader(message);
  std::vector<uint32_t> fields;
  while (reader.Next()) fields.push_back(reader.field());
  EXPECT_EQ(fields, (std::vector<uint32_t>{1, 2, 3, 4, 1}));
  EXPECT_EQ(ProtoField(message, 1), "two");
  for (size_t size = 0; size < message.size(); ++size) {
    ProtoReader cut(std::string_view(message).substr(0, size));
    while (cut.Next()) {}
    const bool whole = size == 0 || size == 4 || size == 7 || size == 16 || size == 21;
    EXPECT_EQ(cut.bad(), !whole) << size;
  }
  for (const std::string& bad : {"\0"s, "\x0b"s, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s}) {
    ProtoReader none(bad);
    EXPECT_FALSE(none.Next());
    EXPECT_TRUE(none.bad());
  }
}

// WEIR_UPDATE_DOCS=1 writes it. The working directory of tests is the source tree.
TEST(ForeignTable, TheDocumentIsCurrent) {
  const char* const path = "docs/foreign-functions.md";
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) std::ofstream(path) << ForeignFunctionsDocument();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), ForeignFunctionsDocument()) << "WEIR_UPDATE_DOCS=1 writes it anew";
}

}  // namespace
}  // namespace weir::proxy_wasm
