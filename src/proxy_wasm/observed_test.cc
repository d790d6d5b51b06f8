// What an observer hears of a plugin, in both status modes, and that it changes nothing.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using Strings = std::vector<std::string>;

class Listener final : public CallObserver {
 public:
  explicit Listener(bool host_calls = true) : host_calls_(host_calls) {}
  bool wants_host_calls() const override { return host_calls_; }
  void OnCallback(const Plugin& plugin, std::string_view name, std::span<const ObservedValue> arguments) override {
    lines.push_back(plugin.spec().name + " " + std::string(name) + Text(arguments));
  }
  void OnCallbackEnd(const Plugin&, std::string_view, const ObservedEnd& end) override {
    lines.push_back(!end.alive ? "dead" : end.result ? "= " + std::to_string(*end.result) : "=");
    EXPECT_EQ(end.memory_bytes, kMemoryBytes);
  }
  void OnHostCall(const Plugin&, const ObservedHostCall& call) override {
    std::string line = std::string(call.name) + Text(call.arguments) + " -> " + std::string(call.trapped ? "trap" : call.status_name);
    if (call.status && call.status_name.empty()) line += std::to_string(*call.status);
    line += Text(call.answers);
    if (!call.refusal.empty()) line.append(" refused ").append(call.refusal).append(": ").append(call.reason).append(": ").append(call.detail);
    lines.push_back(line);
  }
  void OnAllocation(const Plugin&, uint64_t bytes) override { lines.push_back("allocate " + std::to_string(bytes)); }
  /// What was heard since the last time.
  Strings Take() { return std::exchange(lines, {}); }
  Strings lines;

 private:
  static std::string Text(std::span<const ObservedValue> values) {
    std::string text = "(";
    for (const ObservedValue& value : values) {
      if (text.size() > 1) text += ", ";
      text.append(value.name).append("=");
      text += value.bytes ? "'" + std::string(*value.bytes) + "'" : std::to_string(value.number);
    }
    return text + ")";
  }
  const bool host_calls_;
};

std::string RequestHeaders(Listener& listener, FakeWorld& world, const Guest& guest, Statuses statuses = Statuses::kLenient, std::string_view allow = "") {
  world.host.observer = &listener;
  PluginSpec spec = SpecNamed("t");
  spec.statuses = statuses;
  if (!allow.empty()) spec.allow = *ParseAllow(allow);
  auto plugin = Load(guest, world, spec);
  if (!plugin) return plugin.error().message;
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  listener.Take();
  filter->OnRequestHeaders(5, EndOfStream::kYes);
  std::string text;
  for (const std::string& line : listener.Take()) text += line + "\n";
  return text;
}

TEST(Observed, CallbacksArgumentsAndAnswers) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")") +
                                            Guest::Do("(call $proxy_add_header_map_value (i32.const 0) " + guest.S("a") + guest.S("b") + ")") +
                                            Guest::Do("(call $proxy_get_current_time_nanoseconds (i32.const 512))"));
  FakeWorld world;
  Listener listener;
  EXPECT_EQ(RequestHeaders(listener, world, guest),
            "t proxy_on_request_headers(stream_context_id=2, num_headers=5, end_of_stream=1)\n"
            "allocate 8\n"
            "proxy_get_header_map_value(map_id=0, key=':path') -> OK(return_value='/a/b?c=d')\n"
            "proxy_add_header_map_value(map_id=0, key='a', value='b') -> OK()\n"
            "proxy_get_current_time_nanoseconds() -> OK(return_time=1700000001000000000)\n"
            "= 0\n");
}

TEST(Observed, RefusalsAlsoWhereTheGuestIsToldOk) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders, Guest::Do("(call $proxy_add_header_map_value (i32.const 2) " + guest.S("a") + guest.S("b") + ")"));
  for (const auto& [mode, told] : {std::pair(Statuses::kLenient, "OK"), std::pair(Statuses::kStrict, "BAD_ARGUMENT")}) {
    FakeWorld world;
    Listener listener;
    const std::string text = RequestHeaders(listener, world, guest, mode);
    EXPECT_NE(text.find("proxy_add_header_map_value(map_id=2, key='a', value='b') -> " + std::string(told) + "() refused BAD_ARGUMENT: that map does not exist in this phase"), text.npos) << text;
  }
  FakeWorld world;
  Listener listener;
  const std::string text = RequestHeaders(listener, world, guest, Statuses::kLenient, "timer");
  EXPECT_NE(text.find("refused NOT_ALLOWED: allow= of this plugin does not name its group: headers"), text.npos) << text;
}

TEST(Observed, ABadPointerShowsAsTheNumberThatItIs) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders, Guest::Do("(call $proxy_log (i32.const 2) (i32.const 4294967295) (i32.const 2))"));
  FakeWorld world;
  Listener listener;
  const std::string text = RequestHeaders(listener, world, guest);
  EXPECT_NE(text.find("proxy_log(log_level=2, message=4294967295) -> INVALID_MEMORY_ACCESS() refused INVALID_MEMORY_ACCESS"), text.npos) << text;
}

TEST(Observed, ATrapEndsTheCallback) {
  Guest guest;
  guest.On(Callback::kOnRequestHeaders, "(unreachable)");
  FakeWorld world;
  Listener listener;
  EXPECT_NE(RequestHeaders(listener, world, guest).find("\ndead\n"), std::string::npos);
}

TEST(Observed, StartIsHeardAndHostCallsOnlyOnDemand) {
  Guest guest;
  guest.On(Callback::kOnConfigure, Guest::Log(guest.S("hello")), "(i32.const 1)");
  for (bool host_calls : {false, true}) {
    FakeWorld world;
    Listener listener(host_calls);
    world.host.observer = &listener;
    auto plugin = Load(guest, world);
    ASSERT_TRUE(plugin) << plugin.error().message;
    Strings expected = {"t proxy_on_configure(plugin_context_id=1, plugin_configuration_size=0)"};
    if (host_calls) expected.push_back("proxy_log(log_level=2, message='hello') -> OK()");
    expected.push_back("= 1");
    EXPECT_EQ(listener.Take(), expected);
    EXPECT_TRUE(world.log.Has("hello"));
  }
}

}  // namespace
}  // namespace weir::proxy_wasm
