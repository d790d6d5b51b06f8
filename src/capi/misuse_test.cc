// What no program should do, function by function: null, a wrong length, a handle that is none any more, a module or name that is none,
// several threads at once. Each row ends in an error of that function or in nothing, and the plugin goes on. The last test wants a row of
// every function in extism.map.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "capi/extism.h"
#include "capi/testing/modules.h"

namespace {

constexpr ExtismSize kHuge = UINT64_MAX, kOverHalf = 1ull << 63, kMiB = 1 << 20;
const std::string kLongName(kMiB, 'n');

const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

/// Functions that have had a row.
std::set<std::string>& Seen() {
  static std::set<std::string> seen;
  return seen;
}

void Nothing(ExtismCurrentPlugin*, const ExtismVal*, ExtismSize, ExtismVal*, ExtismSize, void*) {}

/// A plugin that is asked to echo after each misuse.
class Misuse : public testing::Test {
 protected:
  static ExtismPlugin* New() {
    setenv("EXTISM_CACHE_CONFIG", "", 1);
    return extism_plugin_new(Bytes(kModule), std::strlen(kModule), nullptr, 0, false, nullptr);
  }
  ~Misuse() override { extism_plugin_free(plugin_); }
  void Row(const char* function, const char* how, bool good) {
    Seen().insert(function);
    EXPECT_TRUE(good) << function << ": " << how;
  }
  std::string Output() { return {reinterpret_cast<const char*>(extism_plugin_output_data(plugin_)), extism_plugin_output_length(plugin_)}; }
  void Works(const char* after) {
    ASSERT_EQ(extism_plugin_call(plugin_, "echo", Bytes("still"), 5), 0) << after;
    EXPECT_EQ(Output(), "still") << after;
    EXPECT_EQ(extism_plugin_error(plugin_), nullptr) << after;
  }
  ExtismPlugin* const plugin_ = New();
};

// ---- modules and manifests that are none

struct Maker {
  const char* name;
  /// Whether it made something, which is freed.
  bool (*make)(const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, char** why);
};
constexpr Maker kMakers[] = {
    {"extism_plugin_new",
     [](const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, char** why) {
       ExtismPlugin* made = extism_plugin_new(wasm, size, functions, count, true, why);
       extism_plugin_free(made);
       return made != nullptr;
     }},
    {"extism_plugin_new_with_fuel_limit",
     [](const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, char** why) {
       ExtismPlugin* made = extism_plugin_new_with_fuel_limit(wasm, size, functions, count, true, 1000, why);
       extism_plugin_free(made);
       return made != nullptr;
     }},
    {"extism_compiled_plugin_new",
     [](const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, char** why) {
       ExtismCompiledPlugin* made = extism_compiled_plugin_new(wasm, size, functions, count, true, why);
       extism_compiled_plugin_free(made);
       return made != nullptr;
     }},
    {"extism_compiled_plugin_new_with_fuel_limit",
     [](const uint8_t* wasm, ExtismSize size, const ExtismFunction** functions, ExtismSize count, char** why) {
       ExtismCompiledPlugin* made = extism_compiled_plugin_new_with_fuel_limit(wasm, size, functions, count, true, 1000, why);
       extism_compiled_plugin_free(made);
       return made != nullptr;
     }},
};

TEST_F(Misuse, OfWhatMakesPlugins) {
  const std::string garbage(kMiB, '\x80');
  const struct {
    const char* what;
    const uint8_t* bytes;
    ExtismSize size;
  } sources[] = {
      {"null", nullptr, 0},
      {"null with a length", nullptr, 5},
      {"nothing", Bytes("x"), 0},
      {"2^64 - 1 bytes", Bytes("(module)"), kHuge},
      {"2^63 bytes", Bytes("(module)"), kOverHalf},
      {"a magic alone", Bytes(std::string_view("\0asm", 4)), 4},
      {"a module without its end", Bytes(std::string_view("\0asm\1\0\0\0\1\5\1", 11)), 11},
      {"another version", Bytes(std::string_view("\0asm\2\0\0\0", 8)), 8},
      {"a component", Bytes(std::string_view("\0asm\x0d\0\1\0", 8)), 8},
      {"text without its end", Bytes("(module (func"), 13},
      {"text of no module", Bytes("(module (nonsense))"), 19},
      {"no UTF-8", Bytes("(module)\xff"), 9},
      {"a MiB of garbage", Bytes(garbage), garbage.size()},
      {"JSON without its end", Bytes("{\"wasm\": [{"), 11},
      {"JSON of something else", Bytes("{\"wasm\": 1}"), 11},
      {"a module at address 0", Bytes("{\"wasm\":[{\"data\":{\"ptr\":0,\"len\":9}}]}"), 38},
      {"TOML of something else", Bytes("wasm = 1"), 8},
      {"an unknown import", Bytes("(module (import \"a\" \"b\" (func)))"), 32},
  };
  for (const Maker& maker : kMakers) {
    for (const auto& source : sources) {
      char* why = nullptr;
      const bool made = maker.make(source.bytes, source.size, nullptr, 0, &why);
      // What a module imports is seen when a plugin is made of it.
      const bool late = std::strstr(maker.name, "compiled") != nullptr && std::strcmp(source.what, "an unknown import") == 0;
      Row(maker.name, source.what, made == late && (why != nullptr) == !made && (why == nullptr || std::strlen(why) > 20));
      Row("extism_plugin_new_error_free", "what a function told", true);
      extism_plugin_new_error_free(why);
      Row(maker.name, "no place for the message", maker.make(source.bytes, source.size, nullptr, 0, nullptr) == late);
    }
    ExtismFunction* twice = extism_function_new("f", nullptr, 0, nullptr, 0, Nothing, nullptr, nullptr);
    ExtismFunction* bad_type = nullptr;
    const auto type = static_cast<ExtismValType>(6);
    bad_type = extism_function_new("g", &type, 1, nullptr, 0, Nothing, nullptr, nullptr);
    const ExtismFunction* const_null[] = {nullptr};
    const ExtismFunction* const_twice[] = {twice, twice};
    const ExtismFunction* const_bad[] = {bad_type};
    constexpr std::string_view kEmpty = "(module)";
    Row(maker.name, "null functions, 2^64 - 1 of them", maker.make(Bytes(kEmpty), kEmpty.size(), nullptr, kHuge, nullptr));
    Row(maker.name, "a null function", !maker.make(Bytes(kEmpty), kEmpty.size(), const_null, 1, nullptr));
    Row(maker.name, "a function twice", !maker.make(Bytes(kEmpty), kEmpty.size(), const_twice, 2, nullptr));
    Row(maker.name, "a type that functions cannot have", !maker.make(Bytes(kEmpty), kEmpty.size(), const_bad, 1, nullptr));
    extism_function_free(twice);
    extism_function_free(bad_type);
  }
  char* why = nullptr;
  Row("extism_plugin_new_from_compiled", "null", extism_plugin_new_from_compiled(nullptr, &why) == nullptr && why != nullptr);
  extism_plugin_new_error_free(why);
  Row("extism_plugin_new_from_compiled", "null, and no place for the message", extism_plugin_new_from_compiled(nullptr, nullptr) == nullptr);
  extism_plugin_new_error_free(nullptr);
  extism_plugin_free(nullptr);
  extism_compiled_plugin_free(nullptr);
  extism_function_free(nullptr);
  for (const char* function : {"extism_plugin_new_error_free", "extism_plugin_free", "extism_compiled_plugin_free", "extism_function_free"}) Row(function, "null", true);
}

// ---- names, inputs, texts

TEST_F(Misuse, OfNamesAndInputs) {
  const std::string twice = std::string("echo") + '\0' + "x";
  const struct {
    const char* what;
    const char* name;
    const char* error;
  } names[] = {
      {"null", nullptr, "the function name is null"},
      {"empty", "", "Function not found: "},
      {"absent", "absent", "Function not found: absent"},
      {"no UTF-8", "\xff", "invalid utf-8 sequence of 1 bytes from index 0"},
      {"UTF-8 without its end", "echo\xc3", "incomplete utf-8 byte sequence from index 4"},
      {"a MiB", kLongName.c_str(), nullptr},
      {"of a memory", "memory", "Function not found: memory"},
      {"of a function with parameters", "takes", "expected 1 arguments, got 0"},
  };
  Works("nothing");
  for (const auto& it : names) {
    for (const bool with_context : {false, true}) {
      const int32_t code = with_context ? extism_plugin_call_with_host_context(plugin_, it.name, Bytes("in"), 2, this) : extism_plugin_call(plugin_, it.name, Bytes("in"), 2);
      const char* const error = extism_plugin_error(plugin_);
      Row(with_context ? "extism_plugin_call_with_host_context" : "extism_plugin_call", it.what, code == -1 && error != nullptr);
      if (it.error != nullptr && error != nullptr) {
        EXPECT_STREQ(error, it.error) << it.what;
      }
      Row("extism_plugin_error", it.what, error == extism_error(plugin_));
      Row("extism_error", it.what, true);
      // A call that did not come to the plugin leaves the output of the one before, as the reference does.
      Row("extism_plugin_output_length", "after a failed call", extism_plugin_output_length(plugin_) == 0 || Output() == "still");
      Row("extism_plugin_output_data", "after a failed call", extism_plugin_output_data(plugin_) != nullptr);
    }
    Row("extism_plugin_function_exists", it.what, !extism_plugin_function_exists(plugin_, it.name));
    Works(it.what);
  }
  Row("extism_plugin_call", "a name that goes on behind its zero byte", extism_plugin_call(plugin_, twice.c_str(), Bytes("x"), 1) == 0);

  const struct {
    const char* what;
    const uint8_t* bytes;
    ExtismSize size;
    bool good;
  } inputs[] = {{"null", nullptr, 0, true},      {"null with a length", nullptr, 5, false},      {"2^64 - 1 bytes", Bytes("x"), kHuge, false},
                {"2^63 bytes", Bytes("x"), kOverHalf, false}, {"a MiB", Bytes(kLongName), kMiB, true}, {"no UTF-8", Bytes("\xff"), 1, true}};
  Works("names");
  for (const auto& it : inputs) {
    Row("extism_plugin_call", it.what, (extism_plugin_call(plugin_, "echo", it.bytes, it.size) == 0) == it.good);
    Row("extism_plugin_output_length", it.what, it.good ? extism_plugin_output_length(plugin_) == it.size : Output() == "still");
    Row("extism_plugin_call_with_host_context", it.what, (extism_plugin_call_with_host_context(plugin_, "echo", it.bytes, it.size, nullptr) == 0) == it.good);
    Works(it.what);
  }
  const std::string long_value = "{\"k\": \"" + kLongName + "\"}";
  const struct {
    const char* what;
    const uint8_t* bytes;
    ExtismSize size;
    bool good;
  } texts[] = {{"null", nullptr, 0, false},       {"null with a length", nullptr, 5, false},     {"2^64 - 1 bytes", Bytes("{}"), kHuge, false},
               {"without its end", Bytes("{"), 1, false}, {"more behind it", Bytes("{}}"), 3, false}, {"no UTF-8", Bytes("{\"\xff\":\"\"}"), 8, false},
               {"an array", Bytes("[]"), 2, false}, {"a number", Bytes("{\"a\":1}"), 7, false},      {"a zero byte", Bytes(std::string_view("{}\0", 3)), 3, false},
               {"a MiB", Bytes(long_value), long_value.size(), true}};
  for (const auto& it : texts) {
    Row("extism_plugin_config", it.what, extism_plugin_config(plugin_, it.bytes, it.size) == it.good);
    Works(it.what);
  }
}

// ---- null for the plugin

TEST_F(Misuse, OfNull) {
  Row("extism_plugin_call", "null", extism_plugin_call(nullptr, "f", Bytes("x"), 1) == -1);
  Row("extism_plugin_call_with_host_context", "null", extism_plugin_call_with_host_context(nullptr, "f", Bytes("x"), 1, nullptr) == -1);
  Row("extism_plugin_error", "null", extism_plugin_error(nullptr) == nullptr);
  Row("extism_error", "null", extism_error(nullptr) == nullptr);
  Row("extism_plugin_output_length", "null", extism_plugin_output_length(nullptr) == 0);
  Row("extism_plugin_output_data", "null", extism_plugin_output_data(nullptr) == nullptr);
  Row("extism_plugin_id", "null", extism_plugin_id(nullptr) == nullptr);
  Row("extism_plugin_config", "null", !extism_plugin_config(nullptr, Bytes("{}"), 2));
  Row("extism_plugin_function_exists", "null", !extism_plugin_function_exists(nullptr, "echo"));
  Row("extism_plugin_reset", "null", !extism_plugin_reset(nullptr));
  Row("extism_plugin_cancel_handle", "null", extism_plugin_cancel_handle(nullptr) == nullptr);
  Row("extism_plugin_cancel", "null", !extism_plugin_cancel(nullptr));
  extism_plugin_allow_http_response_headers(nullptr);
  Row("extism_plugin_allow_http_response_headers", "null", true);
  Row("extism_current_plugin_memory", "null", extism_current_plugin_memory(nullptr) == nullptr);
  Row("extism_current_plugin_memory_alloc", "null", extism_current_plugin_memory_alloc(nullptr, 1) == 0);
  Row("extism_current_plugin_memory_length", "null", extism_current_plugin_memory_length(nullptr, 1) == 0);
  extism_current_plugin_memory_free(nullptr, 1);
  Row("extism_current_plugin_memory_free", "null", true);
  Row("extism_current_plugin_host_context", "null", extism_current_plugin_host_context(nullptr) == nullptr);
  Row("extism_log_file", "a folder as the file", !extism_log_file("/", "info"));
  Row("extism_log_file", "no folder there", !extism_log_file("/no/such/folder/log", "info"));
  Row("extism_log_file", "a level that is none", !extism_log_file("stderr", "\xff"));
  Row("extism_log_custom", "no UTF-8", !extism_log_custom("\xff"));
  extism_log_drain(nullptr);
  Row("extism_log_drain", "null", true);
  Row("extism_version", "written over", std::string(extism_version()) == "1.41.0");
}

TEST_F(Misuse, OfACancelWithoutACall) {
  Row("extism_plugin_cancel", "no call", extism_plugin_cancel(extism_plugin_cancel_handle(plugin_)));
  Works("a cancel");
  Row("extism_plugin_reset", "an output that is still to be read", extism_plugin_reset(plugin_));
  ExtismSize seen = 0;
  for (ExtismSize i = 0; i < extism_plugin_output_length(plugin_); ++i) seen += extism_plugin_output_data(plugin_)[i];
  EXPECT_EQ(seen, 0u);
  Works("a reset");
}

// ---- functions, and what they may ask

TEST_F(Misuse, OfFunctions) {
  const auto make = [](const char* name, const ExtismValType* types, ExtismSize count, ExtismFunctionType function) {
    ExtismFunction* made = extism_function_new(name, types, count, types, count, function, nullptr, nullptr);
    extism_function_free(made);
    return made != nullptr;
  };
  std::vector<ExtismValType> types(1001, ExtismValType_I32);
  Row("extism_function_new", "null for the name", !make(nullptr, nullptr, 0, Nothing));
  Row("extism_function_new", "a name that is no UTF-8", !make("\xff", nullptr, 0, Nothing));
  Row("extism_function_new", "null for the function", !make("f", nullptr, 0, nullptr));
  Row("extism_function_new", "1000 types", make("f", types.data(), 1000, Nothing));
  Row("extism_function_new", "1001 types", !make("f", types.data(), 1001, Nothing));
  Row("extism_function_new", "2^64 - 1 types", !make("f", types.data(), kHuge, Nothing));
  Row("extism_function_new", "an empty name", make("", nullptr, 0, Nothing));
  Row("extism_function_new", "a MiB for the name", make(kLongName.c_str(), nullptr, 0, Nothing));
  extism_function_set_namespace(nullptr, "x");
  for (const char* name : {static_cast<const char*>(nullptr), "", "\xff", kLongName.c_str(), "extism:host/env", "main"}) {
    ExtismFunction* function = extism_function_new("f", nullptr, 0, nullptr, 0, Nothing, nullptr, nullptr);
    extism_function_set_namespace(function, name);
    const ExtismFunction* functions[] = {function};
    char* why = nullptr;
    ExtismPlugin* plugin = extism_plugin_new(Bytes(kModule), std::strlen(kModule), functions, 1, false, &why);
    Row("extism_function_set_namespace", name == nullptr ? "null" : "odd names", (plugin == nullptr) == (why != nullptr));
    extism_function_set_namespace(function, "too late");
    extism_plugin_new_error_free(why);
    extism_plugin_free(plugin);
    extism_function_free(function);
  }
}

/// What a host function finds of handles: one sum of what should be 0.
struct Handles {
  uint64_t wrong = 0;
  bool context = false;
};

TEST_F(Misuse, OfHandles) {
  Handles found;
  const auto ask = [](ExtismCurrentPlugin* plugin, const ExtismVal* in, ExtismSize, ExtismVal* out, ExtismSize, void* data) {
    auto& handles = *static_cast<Handles*>(data);
    const ExtismMemoryHandle block = extism_current_plugin_memory_alloc(plugin, 100);
    const ExtismMemoryHandle freed = extism_current_plugin_memory_alloc(plugin, 100);
    extism_current_plugin_memory_free(plugin, freed);
    for (const ExtismMemoryHandle handle : {ExtismMemoryHandle{0}, ExtismMemoryHandle{1}, freed, block + 1, block - 1, block + 100, ExtismMemoryHandle{1} << 32, kOverHalf, kHuge, kHuge - 11}) {
      handles.wrong += extism_current_plugin_memory_length(plugin, handle);
      extism_current_plugin_memory_free(plugin, handle);
    }
    handles.wrong += extism_current_plugin_memory_length(plugin, block) != 100;
    for (const ExtismSize size : {ExtismSize{0}, ExtismSize{1} << 32, kOverHalf, kHuge, kHuge - 11}) handles.wrong += extism_current_plugin_memory_alloc(plugin, size);
    handles.context = extism_current_plugin_host_context(plugin) == data;
    handles.wrong += extism_current_plugin_memory(plugin) == nullptr;
    out[0].v.i64 = in[0].v.i64;
  };
  constexpr ExtismValType kI64[] = {ExtismValType_I64};
  ExtismFunction* function = extism_function_new("hello_world", kI64, 1, kI64, 1, ask, &found, nullptr);
  const ExtismFunction* functions[] = {function};
  ExtismPlugin* plugin = extism_plugin_new(Bytes(kHelloModule), std::strlen(kHelloModule), functions, 1, false, nullptr);
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(extism_plugin_call_with_host_context(plugin, "run", Bytes("abc"), 3, &found), 0);
  EXPECT_EQ(extism_plugin_output_length(plugin), 3u);
  for (const char* name : {"extism_current_plugin_memory_length", "extism_current_plugin_memory_free", "extism_current_plugin_memory_alloc", "extism_current_plugin_memory"}) {
    Row(name, "handles that are none, sizes that nobody has", found.wrong == 0);
  }
  Row("extism_current_plugin_host_context", "of the call", found.context);
  EXPECT_EQ(extism_plugin_call(plugin, "run", Bytes("abc"), 3), 0);
  Row("extism_current_plugin_host_context", "a call without one", !found.context);
  extism_plugin_free(plugin);
  extism_function_free(function);
}

// ---- threads

TEST_F(Misuse, OfOnePluginByManyThreads) {
  constexpr int kRounds = 200;
  std::atomic<int> wrong = 0;
  const auto run = [&](auto step) {
    return std::thread([&wrong, step] {
      for (int i = 0; i < kRounds; ++i) wrong += !step(i);
    });
  };
  std::thread threads[] = {
      run([&](int i) { return extism_plugin_call(plugin_, i % 2 == 0 ? "echo" : "absent", Bytes("x"), 1) == (i % 2 == 0 ? 0 : -1); }),
      run([&](int) { return extism_plugin_call_with_host_context(plugin_, "count_vowels", Bytes("aeiou"), 5, nullptr) == 0; }),
      run([&](int) { return extism_plugin_function_exists(plugin_, "echo"); }),
      run([&](int) { return extism_plugin_config(plugin_, Bytes("{\"k\":\"v\"}"), 9) && extism_plugin_reset(plugin_); }),
      // Their texts are good until another thread's next call: only whether there is one is asked here.
      run([&](int) { return extism_plugin_output_length(plugin_) <= 5 && extism_plugin_output_data(plugin_) != nullptr && (extism_plugin_error(plugin_), true); }),
      run([&](int) { return extism_plugin_id(plugin_) != nullptr && (extism_plugin_allow_http_response_headers(plugin_), true); }),
  };
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  Works("many threads");
}

TEST_F(Misuse, OfACompiledPluginByManyThreads) {
  ExtismCompiledPlugin* compiled = extism_compiled_plugin_new(Bytes(kModule), std::strlen(kModule), nullptr, 0, false, nullptr);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        ExtismPlugin* plugin = extism_plugin_new_from_compiled(compiled, nullptr);
        good += extism_plugin_call(plugin, "echo", Bytes("x"), 1) == 0;
        extism_plugin_free(plugin);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  extism_compiled_plugin_free(compiled);
  EXPECT_EQ(good, 80);
}

// A plugin is freed while another thread's call runs on it: it ends after that call.
TEST_F(Misuse, OfFreeWhileAnotherThreadCalls) {
  static std::atomic<bool> inside, freeing;
  inside = freeing = false;
  const auto wait = [](ExtismCurrentPlugin*, const ExtismVal*, ExtismSize, ExtismVal*, ExtismSize, void*) {
    inside = true;
    while (!freeing) std::this_thread::yield();
  };
  ExtismFunction* function = extism_function_new("notify", nullptr, 0, nullptr, 0, wait, nullptr, nullptr);
  const ExtismFunction* functions[] = {function};
  ExtismPlugin* plugin = extism_plugin_new(Bytes(kNotifyModule), std::strlen(kNotifyModule), functions, 1, false, nullptr);
  ASSERT_NE(plugin, nullptr);
  std::thread caller([&] { EXPECT_EQ(extism_plugin_call(plugin, "notify", nullptr, 0), 0); });
  while (!inside) std::this_thread::yield();
  std::thread freer([&] {
    freeing = true;
    extism_plugin_free(plugin);
  });
  caller.join();
  freer.join();
  Row("extism_plugin_free", "while another thread's call runs", true);
  extism_function_free(function);
}

// In one test with the rows, as tests may be run alone.
TEST(MisuseTable, HasEveryFunction) {
  if (Seen().size() < 10) GTEST_SKIP() << "its rows were not run";
  std::ifstream map("src/capi/extism.map");
  size_t count = 0;
  for (std::string line; std::getline(map, line);) {
    const size_t from = line.find("extism_"), to = line.find(';');
    if (from == line.npos || to == line.npos) continue;
    ++count;
    EXPECT_TRUE(Seen().contains(line.substr(from, to - from))) << line;
  }
  EXPECT_EQ(count, 33u);
}

}  // namespace
