// The C interface as programs for libextism use it: what the tests of extism/cpp-sdk check, the answers of the reference to every
// function of the kernel, and what no program should do.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "capi/extism.h"

namespace {

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

std::string HexOf(const uint8_t* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) text += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
  return text;
}

const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

class PluginOwner {
 public:
  explicit PluginOwner(std::string_view source, std::vector<const ExtismFunction*> functions = {}, bool wasi = false) {
    char* error = nullptr;
    plugin_ = extism_plugin_new(Bytes(source), source.size(), functions.data(), functions.size(), wasi, &error);
    if (error != nullptr) error_ = error;
    EXPECT_EQ(plugin_ == nullptr, error != nullptr);
    extism_plugin_new_error_free(error);
  }
  ~PluginOwner() { extism_plugin_free(plugin_); }
  PluginOwner(const PluginOwner&) = delete;
  PluginOwner& operator=(const PluginOwner&) = delete;
  ExtismPlugin* get() const { return plugin_; }
  const std::string& error() const { return error_; }
  int32_t Call(const char* name, std::string_view input) { return extism_plugin_call(plugin_, name, Bytes(input), input.size()); }
  std::string Output() { return {reinterpret_cast<const char*>(extism_plugin_output_data(plugin_)), extism_plugin_output_length(plugin_)}; }

 private:
  ExtismPlugin* plugin_ = nullptr;
  std::string error_;
};

constexpr const char* kEcho = R"((module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (func (export "echo") (result i32) (call $output_set (call $input) (call $length)) (i32.const 0))
  (func (export "fail") (result i32) (call $error_set (call $input)) (i32.const 1))
  (func (export "fail_quietly") (call $error_set (call $input)))
  (func (export "spin") (loop (br 0)))
  (func (export "long") (result i64) (i64.const 1))))";

constexpr const char* kHello = R"((module
  (import "extism:host/user" "hello" (func $hello (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "go") (result i32) (local $h i64)
    (local.set $h (call $hello (call $input)))
    (call $output_set (local.get $h) (call $length (local.get $h)))
    (i32.const 0))))";

/// Gives its user data, text, for whatever it is asked.
void Hello(ExtismCurrentPlugin* plugin, const ExtismVal* inputs, ExtismSize n_inputs, ExtismVal* outputs, ExtismSize n_outputs, void* data) {
  ASSERT_EQ(n_inputs, 1u);
  ASSERT_EQ(n_outputs, 1u);
  EXPECT_EQ(inputs[0].t, ExtismValType_I64);
  EXPECT_EQ(outputs[0].t, ExtismValType_I64);
  const auto* text = static_cast<const char*>(data);
  const ExtismMemoryHandle handle = extism_current_plugin_memory_alloc(plugin, std::strlen(text));
  std::memcpy(extism_current_plugin_memory(plugin) + handle, text, std::strlen(text));
  EXPECT_EQ(extism_current_plugin_memory_length(plugin, handle), std::strlen(text));
  EXPECT_EQ(extism_current_plugin_memory_length(plugin, handle + 1), 0u);
  outputs[0].v.i64 = static_cast<int64_t>(handle);
}

constexpr ExtismValType kI64[] = {ExtismValType_I64};

TEST(Capi, AnswersAreTheReferences) {
  PluginOwner plugin(ReadText("tests/extism/kernel.wat"));
  ASSERT_NE(plugin.get(), nullptr) << plugin.error();
  std::ifstream rows("tests/extism/kernel.answers");
  size_t count = 0;
  for (std::string row; std::getline(rows, row);) {
    if (row.starts_with("#")) continue;
    std::array<std::string, 5> cells;
    std::stringstream cut(row);
    for (std::string& cell : cells) std::getline(cut, cell, '\t');
    const auto& [function, input, code, output, error] = cells;
    const std::string what = function + "(" + input + ")";
    EXPECT_EQ(std::to_string(plugin.Call(function.c_str(), input)), code) << what;
    const char* said = extism_plugin_error(plugin.get());
    const std::string_view line = said == nullptr ? "" : std::string_view(said).substr(0, std::string_view(said).find('\n'));
    EXPECT_EQ(said == nullptr ? "-" : HexOf(Bytes(line), line.size()), error) << what;
    EXPECT_EQ(HexOf(extism_plugin_output_data(plugin.get()), extism_plugin_output_length(plugin.get())), output) << what;
    ++count;
  }
  EXPECT_GT(count, 200u);
}

// ---- what extism/cpp-sdk's tests check

TEST(Capi, ManifestsByPathAndData) {
  const std::string path = testing::TempDir() + "weir_capi_echo.wat";
  std::ofstream(path) << kEcho;
  PluginOwner by_path(R"({"wasm": [{"path": ")" + path + R"("}], "config": {"a": "1"}})");
  EXPECT_EQ(by_path.Call("echo", "this is a test"), 0);
  EXPECT_EQ(by_path.Output(), "this is a test");
  const std::string wat = kEcho;
  PluginOwner by_pointer(R"({"wasm": [{"data": {"ptr": )" + std::to_string(reinterpret_cast<uintptr_t>(wat.data())) + R"(, "len": )" +
                         std::to_string(wat.size()) + "}}]}");
  EXPECT_EQ(by_pointer.Call("echo", "x"), 0);
  PluginOwner toml("[[wasm]]\npath = \"" + path + "\"\n");
  EXPECT_EQ(toml.Call("echo", "x"), 0);
  std::remove(path.c_str());
}

TEST(Capi, BadManifestsAreRefusedWithAMessage) {
  struct Case {
    const char* manifest;
    const char* error;
  };
  for (const Case& it : {Case{R"({"wasm": null})", "Unknown manifest format"}, Case{"{}", "No wasm files specified in Extism manifest"},
                         Case{"", "No wasm files specified in Extism manifest"}, Case{R"({"wasm": [], "x": 1})", "Unknown manifest format"},
                         Case{R"({"wasm": [], "memory": {"max_pages": -1}})", "Unknown manifest format"},
                         Case{R"({"wasm": [], "memory": {"max_pages": 4294967296}})", "Unknown manifest format"},
                         Case{R"({"wasm": [], "timeout_ms": 1.0})", "Unknown manifest format"},
                         Case{R"({"wasm": [{"path": "a", "data": "AA=="}]})", "Unknown manifest format"},
                         Case{R"({"wasm": [{"data": "A"}]})", "Unknown manifest format"}, Case{R"({"wasm": [], "wasm": []})", "Unknown manifest format"},
                         Case{R"({"wasm": [{"path": "no/such"}]})", "Unable to load Wasm file \"no/such\": entity not found"},
                         Case{"[1, 2", "Unknown manifest format"}}) {
    EXPECT_EQ(PluginOwner(it.manifest).error(), std::string("Unable to compile Extism plugin: ") + it.error) << it.manifest;
  }
}

TEST(Capi, FunctionsExistWhenTheyCanBeCalled) {
  PluginOwner plugin(kEcho);
  EXPECT_TRUE(extism_plugin_function_exists(plugin.get(), "echo"));
  EXPECT_TRUE(extism_plugin_function_exists(plugin.get(), "spin"));
  EXPECT_FALSE(extism_plugin_function_exists(plugin.get(), "long"));
  EXPECT_FALSE(extism_plugin_function_exists(plugin.get(), "bad_function"));
}

TEST(Capi, ConfigurationIsChanged) {
  PluginOwner plugin(kEcho);
  for (const auto& [json, good] : {std::pair{R"({"abc": "123", "d": null})", true}, {"{}", true}, {R"({"abc": 1})", false}, {"[]", false}, {"", false}, {"{", false}}) {
    EXPECT_EQ(extism_plugin_config(plugin.get(), Bytes(json), std::strlen(json)), good) << json;
  }
}

TEST(Capi, HostFunctionsAreCalledByManyThreads) {
  std::string text = "testing123";
  ExtismFunction* hello = extism_function_new("hello", kI64, 1, kI64, 1, &Hello, text.data(), nullptr);
  PluginOwner plugin(kHello, {hello});
  ASSERT_NE(plugin.get(), nullptr) << plugin.error();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) good += plugin.Call("go", "aaa") == 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 300);
  EXPECT_EQ(plugin.Output(), text);
  EXPECT_EQ(PluginOwner(kHello, {hello}).error(), "Function cannot be registered with multiple different Plugins");
  EXPECT_EQ(PluginOwner(kHello, {nullptr}).error(), "Cannot pass null pointer");
  extism_function_free(hello);
}

// ---- beyond

TEST(Capi, UserDataIsFreedWithTheLastHolder) {
  static int freed;
  freed = 0;
  int value = 0;
  ExtismFunction* function = extism_function_new("hello", kI64, 1, kI64, 1, &Hello, &value, [](void*) { ++freed; });
  {
    PluginOwner plugin(kHello, {function});
    extism_function_free(function);
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
  extism_function_free(extism_function_new("hello", kI64, 1, kI64, 1, &Hello, &value, [](void*) { ++freed; }));
  EXPECT_EQ(freed, 2);
}

TEST(Capi, ErrorsStayUntilTheyAreCleared) {
  PluginOwner plugin(kEcho);
  EXPECT_EQ(extism_plugin_error(plugin.get()), nullptr);
  EXPECT_EQ(plugin.Call("none", ""), -1);
  EXPECT_STREQ(extism_plugin_error(plugin.get()), "Function not found: none");
  EXPECT_FALSE(extism_plugin_function_exists(plugin.get(), "x"));  // clears what is stored
  EXPECT_EQ(extism_plugin_error(plugin.get()), nullptr);
  EXPECT_EQ(plugin.Call("fail_quietly", "why"), 0);
  EXPECT_TRUE(extism_plugin_function_exists(plugin.get(), "echo"));  // but not what the guest said
  EXPECT_STREQ(extism_plugin_error(plugin.get()), "why");
  EXPECT_TRUE(extism_plugin_reset(plugin.get()));
  EXPECT_STREQ(extism_plugin_error(plugin.get()), "");
  EXPECT_EQ(plugin.Call("echo", "x"), 0);
  EXPECT_EQ(extism_plugin_error(plugin.get()), nullptr);
}

TEST(Capi, ACallIsCancelled) {
  PluginOwner plugin(kEcho);
  std::atomic<bool> done = false;
  std::thread canceller([&, handle = extism_plugin_cancel_handle(plugin.get())] {
    while (!done) EXPECT_TRUE(extism_plugin_cancel(handle));
  });
  EXPECT_EQ(plugin.Call("spin", ""), 134);
  EXPECT_STREQ(extism_plugin_error(plugin.get()), "timeout");
  done = true;
  canceller.join();
}

TEST(Capi, NullsAndOddValuesAreAnswered) {
  EXPECT_STREQ(extism_version(), "1.41.0");
  char* error = nullptr;
  EXPECT_EQ(extism_plugin_new(nullptr, 3, nullptr, 0, false, &error), nullptr);
  ASSERT_NE(error, nullptr);
  extism_plugin_new_error_free(error);
  EXPECT_EQ(extism_plugin_new(Bytes("x"), UINT64_MAX, nullptr, 0, false, nullptr), nullptr);
  EXPECT_EQ(extism_plugin_new_from_compiled(nullptr, nullptr), nullptr);
  EXPECT_EQ(extism_plugin_call(nullptr, "f", nullptr, 0), -1);
  EXPECT_EQ(extism_plugin_error(nullptr), nullptr);
  EXPECT_EQ(extism_error(nullptr), nullptr);
  EXPECT_EQ(extism_plugin_output_length(nullptr), 0u);
  EXPECT_EQ(extism_plugin_output_data(nullptr), nullptr);
  EXPECT_EQ(extism_plugin_id(nullptr), nullptr);
  EXPECT_EQ(extism_plugin_cancel_handle(nullptr), nullptr);
  EXPECT_FALSE(extism_plugin_cancel(nullptr));
  EXPECT_FALSE(extism_plugin_config(nullptr, nullptr, 0));
  EXPECT_FALSE(extism_plugin_reset(nullptr));
  EXPECT_FALSE(extism_plugin_function_exists(nullptr, "x"));
  EXPECT_EQ(extism_current_plugin_memory(nullptr), nullptr);
  EXPECT_EQ(extism_current_plugin_memory_alloc(nullptr, 1), 0u);
  EXPECT_EQ(extism_current_plugin_memory_length(nullptr, 1), 0u);
  extism_current_plugin_memory_free(nullptr, 1);
  EXPECT_EQ(extism_current_plugin_host_context(nullptr), nullptr);
  extism_plugin_free(nullptr);
  extism_compiled_plugin_free(nullptr);
  extism_function_free(nullptr);
  extism_function_set_namespace(nullptr, "x");
  extism_log_drain(nullptr);
  EXPECT_EQ(extism_function_new("\xff", nullptr, 0, nullptr, 0, &Hello, nullptr, nullptr), nullptr);
  PluginOwner plugin(kEcho);
  EXPECT_EQ(extism_plugin_call(plugin.get(), nullptr, nullptr, 0), -1);
  EXPECT_EQ(extism_plugin_call(plugin.get(), "\xff", nullptr, 0), -1);
  EXPECT_STREQ(extism_plugin_error(plugin.get()), "invalid utf-8 sequence of 1 bytes from index 0");
  EXPECT_EQ(extism_plugin_call(plugin.get(), "echo", Bytes("x"), UINT64_MAX), -1);
  EXPECT_EQ(extism_plugin_call(plugin.get(), "echo", nullptr, 5), -1);
  EXPECT_EQ(extism_plugin_call(plugin.get(), "echo", nullptr, 0), 0);
  EXPECT_EQ(plugin.Output(), "");
}

TEST(Capi, AHostFunctionThatCallsItsPluginIsRefused) {
  static ExtismPlugin* self;
  ExtismFunction* again = extism_function_new(
      "hello", kI64, 1, kI64, 1,
      [](ExtismCurrentPlugin*, const ExtismVal*, ExtismSize, ExtismVal*, ExtismSize, void*) {
        EXPECT_EQ(extism_plugin_call(self, "go", nullptr, 0), -1);
        EXPECT_STREQ(extism_plugin_error(self), "cannot make reentrant calls into plugin");
      },
      nullptr, nullptr);
  PluginOwner plugin(kHello, {again});
  self = plugin.get();
  EXPECT_EQ(plugin.Call("go", "x"), 0);
  extism_function_free(again);
}

TEST(Capi, LogsAreDrained) {
  ASSERT_TRUE(extism_log_custom("extism=info"));
  EXPECT_FALSE(extism_log_custom("info"));
  EXPECT_FALSE(extism_log_file("stderr", "info"));
  PluginOwner plugin(R"((module
    (import "extism:host/env" "input_offset" (func $input (result i64)))
    (import "extism:host/env" "log_info" (func $log_info (param i64)))
    (import "extism:host/env" "log_debug" (func $log_debug (param i64)))
    (import "extism:host/env" "get_log_level" (func $level (result i32)))
    (func (export "info") (call $log_info (call $input)))
    (func (export "debug") (call $log_debug (call $input)))
    (func (export "level") (result i32) (call $level))))");
  EXPECT_EQ(plugin.Call("info", "hello"), 0);
  EXPECT_EQ(plugin.Call("debug", "hidden"), 0);
  EXPECT_EQ(plugin.Call("level", ""), 2);
  static std::string lines;
  lines.clear();
  extism_log_drain([](const char* line, ExtismSize size) { lines.append(line, size); });
  EXPECT_NE(lines.find(" INFO extism::pdk: hello plugin="), lines.npos) << lines;
  EXPECT_EQ(lines.find("hidden"), lines.npos) << lines;
}

/// KiB of memory that the process has touched.
[[maybe_unused]] long ResidentKib() {
  std::ifstream file("/proc/self/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return resident * 4;
}

TEST(Capi, NewAndFreeLeaveNothing) {
  char* error = nullptr;
  ExtismCompiledPlugin* compiled = extism_compiled_plugin_new(Bytes(kEcho), std::strlen(kEcho), nullptr, 0, true, &error);
  ASSERT_NE(compiled, nullptr) << error;
  const auto round = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ExtismPlugin* plugin = extism_plugin_new_from_compiled(compiled, nullptr);
      ASSERT_EQ(extism_plugin_call(plugin, i % 2 == 0 ? "echo" : "fail", Bytes("input"), 5), i % 2);
      extism_plugin_error(plugin);
      extism_plugin_free(plugin);
    }
  };
  round(500);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  round(1000);  // they keep what is freed, and find what is not
#else
  const long before = ResidentKib();
  round(20'000);
  EXPECT_LT(ResidentKib() - before, 4096);
#endif
  extism_compiled_plugin_free(compiled);
}

}  // namespace
