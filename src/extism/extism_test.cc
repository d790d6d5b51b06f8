#include "weir/extism.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace weir::extism {
namespace {

/// A module of what follows, with the kernel's functions that tests use most.
std::string Wat(std::string_view body) {
  return R"((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (import "extism:host/env" "get_log_level" (func $get_log_level (result i32)))
  )" + std::string(body) + ")";
}

class ExtismTest : public testing::Test {
 protected:
  ExtismTest() : runtime_(*Runtime::Create()) {}
  std::unique_ptr<Plugin> New(std::string_view source, PluginOptions options = {}) {
    auto compiled = runtime_->Compile(source, std::move(options));
    EXPECT_TRUE(compiled) << (compiled ? "" : compiled.error().message);
    if (!compiled) return nullptr;
    auto plugin = (*compiled)->NewPlugin();
    EXPECT_TRUE(plugin) << (plugin ? "" : plugin.error().message);
    return plugin ? *std::move(plugin) : nullptr;
  }
  /// What compiling or making it says.
  std::string Refusal(const Manifest& manifest, PluginOptions options = {}, std::string* cause = nullptr) {
    auto compiled = runtime_->Compile(manifest, std::move(options), cause);
    if (!compiled) return compiled.error().message;
    auto plugin = (*compiled)->NewPlugin(cause);
    return plugin ? "" : plugin.error().message;
  }
  static Manifest Of(std::string wat) {
    Manifest manifest;
    manifest.modules.push_back({.data = std::move(wat)});
    return manifest;
  }
  std::unique_ptr<Runtime> runtime_;
};

constexpr const char* kEcho = R"(
  (func (export "echo") (result i32) (call $output_set (call $input_offset) (call $input_length)) (i32.const 0))
  (func (export "fail") (result i32) (call $error_set (call $input_offset)) (i32.const 3))
  (func (export "quiet_fail") (result i32) (call $error_set (call $input_offset)) (i32.const 0))
  (func (export "five") (result i32) (i32.const 5))
  (func (export "trap") unreachable)
  (func (export "spin") (loop (br 0)))
  (func (export "takes") (param i32) (result i32) (i32.const 0))
  (func (export "long") (result i64) (i64.const 0))
  (func (export "wraps") (result i32) (call $output_set (call $alloc (i64.const 8)) (i64.const -5)) (i32.const 0)))";

TEST_F(ExtismTest, GivesOutputForInput) {
  const auto plugin = New(Wat(kEcho));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65000}, size_t{65393}, size_t{65396}, size_t{65397}, size_t{200'000}, size_t{3'000'000}, size_t{5}}) {
    std::string input(size, '\0');
    for (size_t i = 0; i < size; ++i) input[i] = static_cast<char>(i * 7);
    const auto output = plugin->Call("echo", input);
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_EQ(*output, input);
  }
}

TEST_F(ExtismTest, OutcomesAreTheReferences) {
  const auto plugin = New(Wat(kEcho));
  struct Case {
    const char* function;
    const char* input;
    int32_t code;
    bool failed;
    const char* error;
  };
  for (const Case& it : {Case{"echo", "x", 0, false, ""}, Case{"fail", "why", 3, true, "why"}, Case{"quiet_fail", "why", 0, true, "why"},
                         Case{"fail", "", 3, false, ""}, Case{"fail", "a\xff", 3, true, "unable to load error message from memory: invalid utf-8 sequence of 1 bytes from index 1"},
                         Case{"five", "", 5, false, ""}, Case{"none", "", -1, true, "Function not found: none"},
                         Case{"takes", "", -1, true, "expected 1 arguments, got 0"}, Case{"long", "", -1, false, ""}}) {
    const Outcome outcome = plugin->CallRaw(it.function, it.input);
    EXPECT_EQ(outcome.code, it.code) << it.function;
    EXPECT_EQ(outcome.failed, it.failed) << it.function;
    EXPECT_EQ(outcome.error, it.error) << it.function;
  }
  const Outcome trap = plugin->CallRaw("trap", "");
  EXPECT_EQ(trap.code, 134);
  EXPECT_TRUE(trap.error.starts_with("error while executing at wasm backtrace:\n    0: ")) << trap.error;
  EXPECT_EQ(trap.cause, "wasm trap: wasm `unreachable` instruction executed");
  EXPECT_EQ(*plugin->Call("echo", "still alive"), "still alive");
}

TEST_F(ExtismTest, AnOutputRangeThatWrapsIsIgnored) {
  const auto plugin = New(Wat(kEcho));
  EXPECT_EQ(*plugin->Call("wraps", ""), "");
}

TEST_F(ExtismTest, TimeAndCancelStopACall) {
  Manifest manifest = Of(Wat(kEcho));
  manifest.limits.timeout_ms = 20;
  auto plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = plugin->CallRaw("spin", "");
    EXPECT_EQ(outcome.error, "timeout");
    EXPECT_EQ(outcome.code, 134);
  }
  manifest.limits.timeout_ms = 0;
  EXPECT_EQ((*(*runtime_->Compile(manifest, {}))->NewPlugin())->CallRaw("spin", "").error, "timeout");
  plugin = New(Wat(kEcho));
  std::atomic<bool> done = false;
  std::thread canceller([&, handle = plugin->cancel_handle()] {
    while (!done) handle->Cancel();  // no effect until the call runs
  });
  EXPECT_EQ(plugin->CallRaw("spin", "").error, "timeout");
  done = true;
  canceller.join();
  EXPECT_EQ(*plugin->Call("echo", "after"), "after");
}

TEST_F(ExtismTest, FuelStopsACallAndIsNewForEach) {
  const auto plugin = New(Wat(kEcho), {.fuel = 100'000});
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = plugin->CallRaw("spin", "");
    EXPECT_EQ(outcome.error, "plugin ran out of fuel");
    EXPECT_EQ(outcome.code, -1);
    EXPECT_EQ(plugin->fuel_consumed(), 100'000u);
    EXPECT_EQ(*plugin->Call("echo", "x"), "x");
  }
}

TEST_F(ExtismTest, MemoryIsBudgeted) {
  Manifest manifest = Of(R"((module (memory (export "memory") 10)
    (func (export "grow_10") (result i32) (i32.eq (memory.grow (i32.const 10)) (i32.const -1)))
    (func (export "grow_1") (result i32) (drop (memory.grow (i32.const 1))) (loop (br 0)) (i32.const 0))))");
  manifest.limits.memory_pages_max = 10;
  auto plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("grow_10", "").code, 0);
  const Outcome outcome = plugin->CallRaw("grow_1", "");
  EXPECT_EQ(outcome.error, "oom");
  EXPECT_EQ(outcome.code, -1);
  manifest.limits.memory_pages_max = 9;
  plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("grow_10", "").error, "oom");
  Manifest full = Of("(module (memory 1 1) (func (export \"f\")))");
  full.limits.memory_pages_max = 10;
  plugin = *(*runtime_->Compile(full, {}))->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("f", "").error, "oom");
}

TEST_F(ExtismTest, OneCodeServesSeveralUses) {
  Manifest manifest = Of(Wat(R"((memory (export "memory") 2)
    (func (export "grow") (result i32) (drop (memory.grow (i32.const 5))) (i32.const 0))
    (func (export "spin") (loop (br 0))))"));
  const auto first = *runtime_->Compile(manifest, {.fuel = 1'000'000, .memory_limits_vary = true});
  const auto second = *first->With({.memory_pages_max = 4}, {.fuel = 2'000'000});
  const auto third = *second->With({}, {.fuel = 3'000'000});
  EXPECT_EQ(runtime_->modules_made(), 1u);
  const auto call = [](const std::shared_ptr<Compiled>& compiled, std::string_view function) { return (*compiled->NewPlugin())->CallRaw(function, "").error; };
  EXPECT_EQ(call(first, "grow"), "");
  EXPECT_EQ(call(second, "grow"), "oom");
  EXPECT_EQ(call(third, "grow"), "");
  const auto plugin = *third->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("spin", "").error, "plugin ran out of fuel");
  EXPECT_EQ(plugin->fuel_consumed(), 3'000'000u);
  EXPECT_FALSE(first->With({}, {}));  // code that counts must be given fuel
  const auto fixed = *runtime_->Compile(manifest, {});
  EXPECT_FALSE(fixed->With({.memory_pages_max = 4}, {}));
  EXPECT_TRUE(fixed->With({.timeout_ms = 4}, {}));
  EXPECT_EQ(runtime_->modules_made(), 2u);
}

TEST_F(ExtismTest, HostFunctionsSeeBlocksAndFail) {
  PluginOptions options;
  options.functions.push_back({.name = "shout", .params = {ValType::kI64}, .results = {ValType::kI64}, .call = [](CurrentPlugin& plugin, auto in, auto out) -> Result<void> {
                                 const auto text = plugin.Text(in[0].i64);
                                 if (!text) return Error{ErrorCode::kInvalidArgument, "no block"};
                                 out[0].i64 = plugin.New(std::string(*text) + "!" + *static_cast<const char*>(plugin.host_context()));
                                 return {};
                               }});
  const auto plugin = New(R"((module (import "extism:host/user" "shout" (func $shout (param i64) (result i64)))
    (import "extism:host/env" "input_offset" (func $input (result i64)))
    (import "extism:host/env" "length" (func $length (param i64) (result i64)))
    (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
    (func (export "go") (result i32) (local $h i64) (local.set $h (call $shout (call $input))) (call $output_set (local.get $h) (call $length (local.get $h))) (i32.const 0))
    (func (export "bad") (result i32) (drop (call $shout (i64.const 4242))) (i32.const 0))))", std::move(options));
  char mark = '?';
  EXPECT_EQ(*plugin->Call("go", "hey", {.host_context = &mark}), "hey!?");
  const Outcome outcome = plugin->CallRaw("bad", "x", {.host_context = &mark});
  EXPECT_TRUE(outcome.error.starts_with("error while executing at wasm backtrace:")) << outcome.error;
  EXPECT_EQ(outcome.cause, "no block");
  EXPECT_EQ(outcome.code, -1);
}

TEST_F(ExtismTest, TypedHostFunctionsTakeTheirTypesFromCpp) {
  PluginOptions options;
  options.functions = {Typed("join", [](std::string_view text, int32_t times) {
                         std::string all;
                         for (int32_t i = 0; i < times; ++i) all += text;
                         return all;
                       }),
                       Typed("half", [](double n) -> Result<float> {
                         if (n < 0) return Error{ErrorCode::kInvalidArgument, "less than nothing"};
                         return static_cast<float>(n / 2);
                       }),
                       Typed("upper", [](CurrentPlugin& plugin, std::span<uint8_t> bytes) {
                         EXPECT_NE(plugin.memory(), nullptr);
                         for (uint8_t& byte : bytes) byte &= 0xdf;
                       })};
  const auto plugin = New(R"((module
    (import "extism:host/user" "join" (func $join (param i64 i32) (result i64)))
    (import "extism:host/user" "half" (func $half (param f64) (result f32)))
    (import "extism:host/user" "upper" (func $upper (param i64)))
    (import "extism:host/env" "input_offset" (func $input (result i64)))
    (import "extism:host/env" "length" (func $length (param i64) (result i64)))
    (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
    (func (export "go") (result i32) (local $h i64)
      (call $upper (call $input))
      (local.set $h (call $join (call $input) (i32.const 3)))
      (call $output_set (local.get $h) (call $length (local.get $h)))
      (i32.trunc_f32_s (call $half (f64.const 1))))
    (func (export "negative") (drop (call $half (f64.const -1))))
    (func (export "handle") (drop (call $join (i64.const 7777) (i32.const 1))))))", std::move(options));
  EXPECT_EQ(*plugin->Call("go", "ab"), "ABABAB");
  EXPECT_EQ(plugin->CallRaw("negative", "").cause, "less than nothing");
  EXPECT_EQ(plugin->CallRaw("handle", "").cause, "invalid memory offset");
}

TEST_F(ExtismTest, ModulesAreLinkedByName) {
  Manifest manifest;
  manifest.modules.push_back({.data = "(module (global $n (mut i32) (i32.const 40)) (func (export \"next\") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))", .name = "counter"});
  manifest.modules.push_back({.data = "(module (import \"counter\" \"next\" (func $next (result i32))) (func (export \"go\") (result i32) (call $next)))"});
  auto plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("go", "").code, 41);
  EXPECT_EQ(plugin->CallRaw("go", "").code, 42);
  manifest.modules[1].name = "counter";
  EXPECT_EQ(Refusal(manifest), "");  // the last is main when none is
  manifest.modules.push_back(manifest.modules[0]);
  EXPECT_EQ(Refusal(manifest), "Duplicate module name found in Extism manifest: counter");
}

TEST_F(ExtismTest, RefusalsAreTheReferences) {
  EXPECT_EQ(Refusal({}), "No wasm files specified in Extism manifest");
  EXPECT_EQ(Refusal(Of("(module (import \"a\" \"b\" (func)))")), "unknown import: `a::b` has not been defined");
  EXPECT_EQ(Refusal(Of("(module (import \"extism:host/env\" \"nope\" (func (param i64 i32) (result i32))))")).substr(0, 107),
            "Invalid function import from extism:host/env: nope (type (func (param i64 i32) (result i32)))\n\nNote: This m");
  EXPECT_EQ(Refusal(Of("(module (import \"extism:host/env\" \"memory\" (memory 1)))")), "linked modules cannot access non-function exports of extism kernel");
  std::string cause;
  EXPECT_EQ(Refusal(Of("(module (func $f unreachable) (start $f))"), {}, &cause).substr(0, 40), "error while executing at wasm backtrace:");
  EXPECT_EQ(cause, "wasm trap: wasm `unreachable` instruction executed");
  EXPECT_EQ(Refusal(Of("(module (func (export \"_initialize\") unreachable))")), "calling the Reactor initialization function");
  Manifest manifest = Of("(module)");
  manifest.modules[0].hash = "00";
  EXPECT_EQ(Refusal(manifest), "Hash mismatch, found 1885772b94ca41b360d9bd07535547f4c8ef16cbe7e49d2c8e9780247e26c4de but expected 00");
  manifest.modules[0] = {.source = ManifestModule::Source::kPath, .path = "no/such.wasm"};
  EXPECT_EQ(Refusal(manifest), "Unable to load Wasm file \"no/such.wasm\": entity not found");
}

TEST_F(ExtismTest, VariablesAndConfiguration) {
  constexpr const char* kVars = R"(
    (func (export "set") (result i32) (call $var_set (call $copy) (call $copy)) (i32.const 0))
    (func (export "drop") (result i32) (call $var_set (call $copy) (i64.const 0)) (i32.const 0))
    (func (export "get") (result i32) (local $h i64) (local.set $h (call $var_get (call $copy))) (call $output_set (local.get $h) (call $length (local.get $h))) (i32.const 0))
    (func (export "config") (result i32) (local $h i64) (local.set $h (call $config_get (call $copy))) (call $output_set (local.get $h) (call $length (local.get $h))) (i32.const 0))
    (func (export "_start"))
    (func $copy (result i64) (local $h i64) (local $i i64)
      (local.set $h (call $alloc (call $input_length)))
      (loop $l (if (i64.lt_u (local.get $i) (call $input_length)) (then
        (call $store_u8 (i64.add (local.get $h) (local.get $i)) (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1))) (br $l))))
      (local.get $h)))";
  Manifest manifest = Of(Wat(kVars));
  manifest.config = {{"k", "of config"}};
  manifest.limits.var_bytes_max = 60;
  auto plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  ASSERT_TRUE(plugin->Call("set", "name"));
  EXPECT_EQ(*plugin->Call("get", "name"), "name");
  EXPECT_EQ(plugin->CallRaw("set", "4567890").cause, "Variable store is full");
  EXPECT_EQ(*plugin->Call("config", "k"), "of config");
  plugin->SetConfig("k", "other");
  EXPECT_EQ(*plugin->Call("config", "k"), "other");
  ASSERT_TRUE(plugin->Call("_start", ""));  // a new store for the next call
  EXPECT_EQ(*plugin->Call("get", "name"), "");
  EXPECT_EQ(*plugin->Call("config", "k"), "other");
  manifest.limits.var_bytes_max = 0;
  plugin = *(*runtime_->Compile(manifest, {}))->NewPlugin();
  EXPECT_EQ(plugin->CallRaw("set", "n").cause, "Vars are disabled by this host");
}

}  // namespace
}  // namespace weir::extism
