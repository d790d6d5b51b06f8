// allow=: its text, and what a guest sees of a function that it leaves out, in both status modes.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using Strings = std::vector<std::string>;
using Numbers = std::vector<uint32_t>;

TEST(Allow, ListsAreApart) {
  auto allow = ParseAllow("http_call, shared_data,upstream:authz,upstream:127.0.0.1:80,foreign:compress");
  ASSERT_TRUE(allow) << allow.error().message;
  EXPECT_EQ(*allow->functions, (Strings{"http_call", "shared_data"}));
  EXPECT_EQ(*allow->upstreams, (Strings{"authz", "127.0.0.1:80"}));
  EXPECT_EQ(*allow->foreign, Strings{"compress"});
  EXPECT_TRUE(Allows(allow->upstreams, "authz"));
  EXPECT_FALSE(Allows(allow->upstreams, "other"));
  EXPECT_FALSE(Allows(allow->upstreams, ""));
}

TEST(Allow, AListThatIsNotGivenAllowsAll) {
  auto allow = ParseAllow("upstream:authz");
  ASSERT_TRUE(allow) << allow.error().message;
  EXPECT_FALSE(allow->functions);
  EXPECT_EQ(*GroupsOf(*allow), kAllGroups);
  EXPECT_TRUE(Allows(allow->foreign, "anything"));
  EXPECT_EQ(*GroupsOf(Allow()), kAllGroups);
  auto none = ParseAllow("none");
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(*GroupsOf(*none), Bit(Group::kAlways));
}

TEST(Allow, EveryGroupHasANameAndAFunction) {
  for (size_t i = 1; i < kGroups; ++i) {
    const Group group = Group(i);
    EXPECT_EQ(Name(group), AllowGroups()[i - 1].name);
    auto allow = ParseAllow(Name(group));
    ASSERT_TRUE(allow) << allow.error().message;
    EXPECT_EQ(*GroupsOf(*allow), Bit(Group::kAlways) | Bit(group));
    const auto rows = HostFunctions();
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return GroupOf(row.extra) == group; })) << Name(group);
  }
}

TEST(Allow, ErrorsNameTheItemAndTheNearestName) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "an empty item"},
      {"http_call,", "an empty item"},
      {"htp_call", "\"htp_call\" is nothing to allow; did you mean \"http_call\"?"},
      {"HTTP_CALL", "did you mean \"http_call\"?"},
      {"xyzzy", "it knows timer body headers"},
      {"upstream:", "\"upstream:\" has no name behind it"},
      {"none,http_call", "\"none\" and \"http_call\" are both given"}};
  for (const auto& [text, message] : cases) {
    auto allow = ParseAllow(text);
    ASSERT_FALSE(allow) << text;
    EXPECT_NE(allow.error().message.find(message), std::string::npos) << allow.error().message;
  }
}

/// Good arguments: return pointers to distinct places, no bytes, other numbers 1.
std::string CallOf(const abi::HostFunction& row) {
  std::string call = "(call $" + std::string(row.name) + " ";
  for (size_t i = 0; i < row.params.size(); ++i) {
    const bool value = row.params[i].role == abi::Role::kValue;
    const uint32_t number = value ? 1 : row.params[i].role == abi::Role::kSize ? 0 : 2048 + 64 * uint32_t(i);
    call += std::string(row.types[i] == engine::ValType::kI64 ? "(i64.const " : "(i32.const ") + std::to_string(number) + ") ";
  }
  return call + ")";
}

/// What a row answers that is refused: as Envoy; where no SDK survives that, NOT_FOUND, else nothing.
uint32_t Refused(const abi::HostFunction& row, Statuses mode) {
  if (mode == Statuses::kStrict || Tolerated(row.extra, Status::kInternalFailure)) return 10;
  return Tolerated(row.extra, Status::kNotFound) ? 1 : 0;
}

TEST(Allow, ARefusedFunctionAnswersWritesZerosIsSaidOnceAndCounted) {
  for (Statuses mode : {Statuses::kLenient, Statuses::kStrict}) {
    for (const abi::HostFunction& row : HostFunctions()) {
      if (GroupOf(row.extra) == Group::kAlways || GroupOf(row.extra) == Group::kTimer || row.results.empty()) continue;
      Guest guest;
      guest.version = (row.versions & uint8_t(Version::k0_2_1)) != 0 ? Version::k0_2_1 : Version::k0_1_0;
      std::string code, zeros;
      for (size_t i = 0; i < row.params.size(); ++i) {
        if (row.params[i].role != abi::Role::kReturn) continue;
        const std::string at = "(i32.const " + std::to_string(2048 + 64 * i) + ")";
        code += "(i32.store " + at + " (i32.const 77))";
        zeros += Guest::Report("(i32.load " + at + ")");
      }
      const std::string report = row.name == "proxy_set_tick_period_milliseconds" ? "" : Guest::Report(CallOf(row)) + Guest::Report(CallOf(row));
      guest.On(Callback::kOnRequestHeaders, code + report + zeros);
      FakeWorld world;
      PluginSpec spec = SpecNamed("t");
      spec.statuses = mode;
      spec.allow = *ParseAllow("timer");  // which reports
      auto plugin = Load(guest, world, spec);
      ASSERT_TRUE(plugin) << plugin.error().message;
      FakeStream stream;
      const HeaderList before = stream.maps[0]->list;
      auto filter = (*plugin)->NewHttpFilter(stream);
      EXPECT_EQ(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kContinue) << row.name;
      const uint32_t status = Refused(row, mode);
      Numbers expected{status, status};
      for (const abi::Param& param : row.params)
        if (param.role == abi::Role::kReturn) expected.push_back(status == 0 ? 0 : 77);
      EXPECT_EQ(world.timers.periods, expected) << row.name;
      EXPECT_EQ(stream.maps[0]->list, before) << row.name;
      EXPECT_FALSE(stream.local) << row.name;
      EXPECT_EQ(world.log.Count("allow= of this plugin does not name " + std::string(Name(GroupOf(row.extra)))), 1u) << row.name;
      EXPECT_EQ((*plugin)->stats().host_calls_rejected, 2u) << row.name;
    }
  }
}

TEST(Allow, ARefusedFunctionWithABadPointerIsInvalidMemoryAccess) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders, Guest::Report("(call $proxy_define_metric (i32.const 0) " + guest.S("m") + "(i32.const 131072))") +
                                            Guest::Report("(call $proxy_get_property (i32.const 131072) (i32.const 1) " + std::string(kPut) + ")"));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.allow = *ParseAllow("timer");
  auto plugin = Load(guest, world, spec);
  FakeStream stream;
  (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(5, EndOfStream::kYes);
  EXPECT_EQ(world.timers.periods, (Numbers{6, 6}));
  EXPECT_TRUE(world.metrics.cells.empty());
}

TEST(Allow, BodiesAreHiddenButNotTheConfiguration) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders,
           Guest::Report("(call $proxy_get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 9) " + std::string(kPut) + ")") +
               Guest::Report("(call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 9) " + std::string(kPut) + ")") +
               Guest::Log(kGot));
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.configuration = "conf";
  spec.allow = *ParseAllow("timer");
  auto plugin = Load(guest, world, spec);
  FakeStream stream;
  stream.bodies[0] = "secret";
  (*plugin)->NewHttpFilter(stream)->OnRequestHeaders(5, EndOfStream::kNo);
  EXPECT_EQ(world.timers.periods, (Numbers{1, 0}));
  EXPECT_EQ(world.log.lines.back(), "conf");
}

TEST(Allow, AnUnknownGroupOfAnEmbedderRefusesThePlugin) {
  Guest guest;
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.allow.functions = Strings{"shared_dat"};
  auto plugin = Load(guest, world, spec);
  ASSERT_FALSE(plugin);
  EXPECT_EQ(plugin.error().message, "plugin \"t\" (test.wasm): allow: \"shared_dat\" is nothing to allow; did you mean \"shared_data\"?");
}

}  // namespace
}  // namespace weir::proxy_wasm
