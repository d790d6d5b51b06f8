// What a Witness hears, through the real engine: each callback and host call, with arguments, outputs, status and reason.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"
#include "weir/witness.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using enum Callback;
using Strings = std::vector<std::string>;

class Heard final : public Witness {
 public:
  void OnCallback(const CallbackEvent& event) override {
    lines.push_back(std::string(event.plugin) + " " + std::string(event.name) + "(" + List(event.arguments) + ") in " + std::to_string(event.context));
  }
  void OnHostCall(const HostCallEvent& event) override {
    std::string line = "  " + std::string(event.module) + "." + std::string(event.name) + "(" + List(event.arguments) + ") in " + std::to_string(event.context);
    if (!event.status.empty()) line += " = " + std::string(event.status);
    if (!event.specified.empty()) line += " instead of " + std::string(event.specified);
    if (!event.outputs.empty()) line += " {" + List(event.outputs) + "}";
    if (!event.reason.empty()) line += ": " + std::string(event.reason);
    if (!event.detail.empty()) line += ": " + std::string(event.detail);
    if (event.trapped) line += " TRAP";
    lines.push_back(line);
  }
  void OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) override {
    lines.push_back(std::string(event.name) + (end.has_result ? " -> " + std::string(end.result.symbol) : "") + (end.alive ? "" : " died: " + std::string(end.trap)));
  }
  Strings lines;

 private:
  static std::string List(std::span<const CrossedValue> values) {
    std::string text;
    for (const CrossedValue& value : values) {
      text += (text.empty() ? "" : ", ") + std::string(value.name) + "=";
      if (const auto* bytes = std::get_if<std::string_view>(&value.value)) {
        text += "\"" + std::string(*bytes) + "\"";
      } else {
        text += value.symbol.empty() ? std::to_string(std::get<int64_t>(value.value)) : std::string(value.symbol);
      }
    }
    return text;
  }
};

/// What is heard of `code` in on_request_headers.
Strings HeardOf(Guest& guest, const std::string& code, PluginSpec spec = SpecNamed("t")) {
  guest.On(kOnRequestHeaders, code, "(i32.const 1)");
  FakeWorld world;
  Heard heard;
  world.host.witness = &heard;
  auto plugin = Load(guest, world, std::move(spec));
  EXPECT_TRUE(plugin) << (plugin ? "" : plugin.error().message);
  heard.lines.clear();
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  filter->OnRequestHeaders(4, EndOfStream::kYes);
  return heard.lines;
}

const std::string kBegin = "t proxy_on_request_headers(stream_context_id=2, num_headers=4, end_of_stream=1) in 2", kEnd = "proxy_on_request_headers -> PAUSE";

TEST(Witnessed, StartFunctionsAndConfiguration) {
  Guest guest;
  guest.more = "(func (export \"_initialize\")" + Guest::Log(guest.S("hi")) + ")";
  guest.On(kOnVmStart, "", "(i32.const 1)").On(kOnConfigure, "", "(i32.const 1)");
  FakeWorld world;
  Heard heard;
  world.host.witness = &heard;
  ASSERT_TRUE(Load(guest, world));
  EXPECT_EQ(heard.lines, (Strings{"t _initialize() in 0", "  env.proxy_log(log_level=info, message=\"hi\") in 0 = OK", "_initialize",
                                  "t proxy_on_vm_start(plugin_context_id=1, vm_configuration_size=0) in 1", "proxy_on_vm_start -> true",
                                  "t proxy_on_configure(plugin_context_id=1, plugin_configuration_size=0) in 1", "proxy_on_configure -> true"}));
}

TEST(Witnessed, ArgumentsOutputsAndReasons) {
  Guest guest;
  const std::string code =
      Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")") +
      Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("x-none") + std::string(kPut) + ")") +
      Guest::Do("(call $proxy_increment_metric (i32.const 77) (i64.const -1))") +
      Guest::Do("(call $proxy_get_log_level (i32.const 512))") +
      Guest::Do("(call $proxy_log (i32.const 2) (i32.const 131072) (i32.const 1))");
  EXPECT_EQ(HeardOf(guest, code),
            (Strings{kBegin, "  env.proxy_get_header_map_value(map_id=request_headers, key=\":path\") in 2 = OK {value=\"/a/b?c=d\"}",
                     "  env.proxy_get_header_map_value(map_id=request_headers, key=\"x-none\") in 2 = NOT_FOUND: no header of that name: x-none",
                     "  env.proxy_increment_metric(metric_id=77, delta=-1) in 2 = NOT_FOUND: no such metric",
                     "  env.proxy_get_log_level() in 2 = OK {log_level=debug}",
                     "  env.proxy_log(log_level=info, message=outside of the memory) in 2 = INVALID_MEMORY_ACCESS: a pointer argument is outside of the memory", kEnd}));
}

TEST(Witnessed, WhatLeniencySwallows) {
  for (const Statuses statuses : {Statuses::kLenient, Statuses::kStrict}) {
    Guest guest;
    PluginSpec spec = SpecNamed("t");
    spec.statuses = statuses;
    const Strings lines = HeardOf(guest, Guest::Do("(call $proxy_add_header_map_value (i32.const 9) " + guest.S("a") + guest.S("b") + ")"), spec);
    const std::string told = statuses == Statuses::kLenient ? "OK instead of BAD_ARGUMENT" : "BAD_ARGUMENT";
    EXPECT_EQ(lines.at(1), "  env.proxy_add_header_map_value(map_id=9, key=\"a\", value=\"b\") in 2 = " + told + ": no such map id");
  }
}

TEST(Witnessed, WhatAllowLeavesOut) {
  Guest guest;
  PluginSpec spec = SpecNamed("t");
  spec.allow.functions = std::vector<std::string>{"body"};
  const Strings lines = HeardOf(guest, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S("a") + std::string(kPut) + ")"), spec);
  EXPECT_EQ(lines.at(1), "  env.proxy_get_header_map_value(map_id=request_headers, key=\"a\") in 2 = NOT_FOUND instead of INTERNAL_FAILURE: allow= of this plugin does not name headers");
}

TEST(Witnessed, TheAllocator) {
  Guest guest;
  guest.allocator = "(func (export \"malloc\") (param i32) (result i32) (drop (call $proxy_get_status (i32.const 512) (i32.const 516) (i32.const 520)))(i32.const 0))";
  guest.more = "(func (drop (call $proxy_get_status (i32.const 0) (i32.const 0) (i32.const 0))))";
  const Strings lines = HeardOf(guest, Guest::Do("(call $proxy_get_header_map_value (i32.const 0) " + guest.S(":path") + std::string(kPut) + ")"));
  EXPECT_EQ(lines, (Strings{kBegin, "  env.proxy_get_status() in 2 = INTERNAL_FAILURE: it is called from inside of the allocator",
                            "  env.proxy_get_header_map_value(map_id=request_headers, key=\":path\") in 2 = INVALID_MEMORY_ACCESS: the plugin's allocator gave no memory", kEnd}));
}

TEST(Witnessed, OneFunctionUnderTwoNames) {
  constexpr std::string_view kWat = R"((module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
    (func $both (param i32 i32 i32) (result i32) (i32.const 0))
    (export "proxy_on_request_headers" (func $both)) (export "proxy_on_response_body" (func $both))))";
  FakeWorld world;
  Heard heard;
  world.host.witness = &heard;
  auto plugin = LoadWat(kWat, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  filter->OnRequestHeaders(4, EndOfStream::kYes);
  filter->OnResponseBody(7, EndOfStream::kYes);
  EXPECT_EQ(heard.lines, (Strings{kBegin, "proxy_on_request_headers -> CONTINUE",
                                  "t proxy_on_response_body(stream_context_id=2, body_size=7, end_of_stream=1) in 2", "proxy_on_response_body -> CONTINUE"}));
}

TEST(Witnessed, WasiAndTraps) {
  constexpr std::string_view kWat = R"((module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 32)))
      (drop (call $fd_close (i32.const 9)))
      (call $proc_exit (i32.const 3)) (i32.const 0))
    (data (i32.const 0) "hello\n") (data (i32.const 16) "\00\00\00\00\05\00\00\00\05\00\00\00\01\00\00\00")))";
  FakeWorld world;
  Heard heard;
  world.host.witness = &heard;
  auto plugin = LoadWat(kWat, world);
  ASSERT_TRUE(plugin) << plugin.error().message;
  FakeStream stream;
  auto filter = (*plugin)->NewHttpFilter(stream);
  EXPECT_EQ(filter->OnRequestHeaders(4, EndOfStream::kYes), FilterStatus::kFailed);
  EXPECT_EQ(heard.lines, (Strings{kBegin, "  wasi_snapshot_preview1.fd_write(fd=1, iovs=\"hello\n\") in 2 = SUCCESS {size=6}",
                                  "  wasi_snapshot_preview1.fd_close(fd=9) in 2 = BADF", "  wasi_snapshot_preview1.proc_exit(code=3) in 2 TRAP",
                                  "proxy_on_request_headers died: proc_exit(3)"}));
}

}  // namespace
}  // namespace weir::proxy_wasm
