// Functions of the C API in random order, on random objects, with random arguments: nothing crashes or leaks, and what it promises
// holds after each. WEIR_SEED=N repeats a run, WEIR_STEPS=N makes it longer.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../tests/extism/c_api_modules.h"
#include "capi/extism.h"

namespace {

uint64_t NumberOf(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  uint64_t number = otherwise;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

const uint8_t* Bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

class Sequence {
 public:
  explicit Sequence(uint64_t seed) : random_(seed) {}
  ~Sequence() {
    while (!plugins_.empty()) FreePlugin();
    while (!compiled_.empty()) FreeCompiled();
    while (!functions_.empty()) FreeFunction();
    for (const auto& data : data_) EXPECT_EQ(data->freed, 1);
  }

  void Step() {
    static constexpr struct {
      int weight;
      void (Sequence::*step)();
    } kSteps[] = {{4, &Sequence::NewFunction},  {2, &Sequence::FreeFunction},   {2, &Sequence::NewPlugin}, {2, &Sequence::NewCompiled},
                  {8, &Sequence::FromCompiled}, {1, &Sequence::FreeCompiled},   {6, &Sequence::FreePlugin}, {60, &Sequence::Call},
                  {20, &Sequence::ReadResult},  {10, &Sequence::Ask}};
    int at = static_cast<int>(random_() % 115);
    for (const auto& row : kSteps) {
      at -= row.weight;
      if (at < 0) return (this->*row.step)();
    }
  }

 private:
  struct Data {
    Sequence* sequence;
    int freed = 0;
  };
  static void FreeData(void* data) { ++static_cast<Data*>(data)->freed; }
  static void HostFunction(ExtismCurrentPlugin* plugin, const ExtismVal* in, ExtismSize n_in, ExtismVal* out, ExtismSize n_out, void* data) {
    static_cast<Data*>(data)->sequence->OnHostFunction(plugin, in, n_in, out, n_out);
  }

  template <class T>
  T& Any(std::vector<T>& from) {
    return from[random_() % from.size()];
  }
  template <class T>
  T Take(std::vector<T>& from) {
    std::swap(Any(from), from.back());
    T taken = from.back();
    from.pop_back();
    return taken;
  }
  bool Sometimes(unsigned one_in) { return random_() % one_in == 0; }
  uint64_t AnySize() {
    const uint64_t sizes[] = {0, 1, 8, 100, 70'000, 1ull << 33, UINT64_MAX, UINT64_MAX - 11, random_()};
    return sizes[random_() % std::size(sizes)];
  }
  std::string AnyText() {
    std::string text(random_() % 40, '\0');
    for (char& c : text) c = static_cast<char>(Sometimes(4) ? random_() : 'a' + random_() % 26);
    return text;
  }
  std::string AnySource() {
    const char* const sources[] = {kModule, kModule, kHelloModule, kNotifyModule, kMixModule, "{\"wasm\":[]}", "[[wasm]]", ""};
    std::string source = sources[random_() % std::size(sources)];
    if (Sometimes(6)) source.resize(random_() % (source.size() + 1));
    if (Sometimes(6) && !source.empty()) source[random_() % source.size()] = static_cast<char>(random_());
    return source;
  }
  std::vector<const ExtismFunction*> SomeFunctions() {
    std::vector<const ExtismFunction*> some;
    for (ExtismFunction* function : functions_) {
      if (Sometimes(2)) some.push_back(function);
    }
    if (Sometimes(10)) some.push_back(nullptr);
    return some;
  }

  void NewFunction() {
    const char* const names[] = {"hello_world", "notify", "mix", "visit", "\xff"};
    const ExtismValType all[] = {ExtismValType_I32, ExtismValType_I64, ExtismValType_F32, ExtismValType_F64};
    const size_t which = random_() % std::size(names);
    const ExtismValType* types = which == 2 ? all : all + 1;
    const ExtismSize count = Sometimes(10) ? random_() % 4 : which == 2 ? 4 : which == 0 ? 1 : 0;
    data_.push_back(std::make_unique<Data>(Data{this}));
    ExtismFunction* function = extism_function_new(names[which], types, std::min<ExtismSize>(count, which == 2 ? 4 : 3), types,
                                                   std::min<ExtismSize>(count, which == 2 ? 4 : 3), HostFunction, data_.back().get(), FreeData);
    EXPECT_EQ(function == nullptr, which == 4);
    if (function == nullptr) return data_.pop_back();
    if (which == 3) extism_function_set_namespace(function, "elsewhere");
    functions_.push_back(function);
  }
  void FreeFunction() {
    if (!functions_.empty()) extism_function_free(Take(functions_));
  }
  template <class T>
  void Keep(std::vector<T*>& where, T* made, char* why) {
    EXPECT_NE(made == nullptr, why == nullptr);
    extism_plugin_new_error_free(why);
    if (made != nullptr) where.push_back(made);
  }
  void NewPlugin() {
    if (plugins_.size() > 20) return FreePlugin();
    const std::string source = AnySource();
    auto functions = SomeFunctions();
    char* why = nullptr;
    Keep(plugins_, extism_plugin_new_with_fuel_limit(Bytes(source), source.size(), functions.data(), functions.size(), Sometimes(2), 200'000, &why), why);
  }
  void NewCompiled() {
    if (compiled_.size() > 10) return FreeCompiled();
    const std::string source = AnySource();
    auto functions = SomeFunctions();
    char* why = nullptr;
    Keep(compiled_, extism_compiled_plugin_new_with_fuel_limit(Bytes(source), source.size(), functions.data(), functions.size(), Sometimes(2), 200'000, &why),
         why);
  }
  void FromCompiled() {
    if (compiled_.empty()) return NewCompiled();
    if (plugins_.size() > 20) return FreePlugin();
    char* why = nullptr;
    Keep(plugins_, extism_plugin_new_from_compiled(Any(compiled_), &why), why);
  }
  void FreeCompiled() {
    if (!compiled_.empty()) extism_compiled_plugin_free(Take(compiled_));
  }
  void FreePlugin() {
    if (!plugins_.empty()) extism_plugin_free(Take(plugins_));
  }
  void Call() {
    if (plugins_.empty()) return FromCompiled();
    const char* const names[] = {"echo",   "count_vowels", "five",     "nothing", "long",         "takes",       "trap",   "spin", "fail", "quiet_fail", "fail_and_trap",
                                 "config", "remember",     "recall",   "log",     "output_wraps", "alloc_wraps", "run",    "mix",  "visit", "notify",    "quiet",
                                 "absent", "\xff",         "fail_freed", "grow",  "log_level"};
    const std::string input = AnyText();
    ExtismPlugin* plugin = Any(plugins_);
    extism_plugin_call_with_host_context(plugin, names[random_() % std::size(names)], Bytes(input), input.size(), Sometimes(2) ? this : nullptr);
  }
  void ReadResult() {
    if (plugins_.empty()) return;
    ExtismPlugin* plugin = Any(plugins_);
    const ExtismSize length = extism_plugin_output_length(plugin);
    const uint8_t* output = extism_plugin_output_data(plugin);
    ASSERT_NE(output, nullptr);
    for (ExtismSize i = 0; i < length; ++i) seen_ += output[i];
    if (const char* error = extism_plugin_error(plugin)) {
      seen_ += std::strlen(error);
      EXPECT_EQ(extism_plugin_error(plugin), error);
    }
  }
  void Ask() {
    if (plugins_.empty()) return;
    ExtismPlugin* plugin = Any(plugins_);
    const std::string text = Sometimes(2) ? "{\"" + std::string(1, static_cast<char>('a' + random_() % 26)) + "\":\"v\"}" : AnyText();
    switch (random_() % 6) {
      case 0: extism_plugin_config(plugin, Bytes(text), text.size()); break;
      case 1: extism_plugin_function_exists(plugin, text.c_str()); break;
      case 2: EXPECT_TRUE(extism_plugin_reset(plugin)); break;
      case 3: EXPECT_TRUE(extism_plugin_cancel(extism_plugin_cancel_handle(plugin))); break;
      case 4: EXPECT_EQ(extism_plugin_id(plugin)[6] >> 4, 4); break;
      default: extism_plugin_allow_http_response_headers(plugin); break;
    }
  }
  void OnHostFunction(ExtismCurrentPlugin* plugin, const ExtismVal* in, ExtismSize n_in, ExtismVal* out, ExtismSize n_out) {
    void* const context = extism_current_plugin_host_context(plugin);
    EXPECT_TRUE(context == nullptr || context == this);
    for (ExtismSize i = 0; i < n_in; ++i) {
      if (in[i].t != EXTISM_PTR) continue;
      const auto handle = static_cast<ExtismMemoryHandle>(in[i].v.i64);
      const ExtismSize length = extism_current_plugin_memory_length(plugin, handle);
      for (ExtismSize at = 0; at < length; ++at) seen_ += extism_current_plugin_memory(plugin)[handle + at];
    }
    extism_current_plugin_memory_free(plugin, AnySize());
    const ExtismMemoryHandle made = extism_current_plugin_memory_alloc(plugin, AnySize());
    const ExtismSize length = extism_current_plugin_memory_length(plugin, made);
    EXPECT_EQ(made == 0, length == 0);
    if (length != 0) std::memset(extism_current_plugin_memory(plugin) + made, 'x', length);
    if (Sometimes(3) && !plugins_.empty()) Ask();
    for (ExtismSize i = 0; i < n_out; ++i) out[i].v.i64 = static_cast<int64_t>(made);
  }

  std::mt19937_64 random_;
  std::vector<ExtismPlugin*> plugins_;
  std::vector<ExtismCompiledPlugin*> compiled_;
  std::vector<ExtismFunction*> functions_;
  std::vector<std::unique_ptr<Data>> data_;
  uint64_t seen_ = 0;
};

TEST(CapiSequence, HoldsForRandomOnes) {
  setenv("EXTISM_CACHE_CONFIG", "", 1);
  const uint64_t seed = NumberOf("WEIR_SEED", 20260131), steps = NumberOf("WEIR_STEPS", 4000);
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Sequence sequence(seed);
  for (uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) sequence.Step();
}

}  // namespace
