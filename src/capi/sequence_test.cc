// Functions of the C API in random order, on random objects, with random arguments: nothing crashes or leaks, and what it promises
// holds after each. WEIR_SEED=N repeats a run, WEIR_STEPS=N makes it longer. With WEIR_FUZZER it is a libFuzzer target instead
// (fuzz/CMakeLists.txt).
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/testing/choices.h"
#include "capi/extism.h"
#include "capi/testing/modules.h"

namespace {

using weir::Choices;

const uint8_t* Bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

class Sequence {
 public:
  explicit Sequence(Choices choices) : choose_(choices) { setenv("EXTISM_CACHE_CONFIG", "", 1); }
  ~Sequence() {
    while (!plugins_.empty()) FreePlugin();
    while (!compiled_.empty()) FreeCompiled();
    while (!functions_.empty()) FreeFunction();
    for (const auto& data : data_) HOLDS(data->freed == 1);
  }

  bool done() const { return choose_.done(); }
  /// Whether it did enough of everything to show something.
  bool worked() const { return made_ > 20 && called_ > 200 && called_back_ > 20; }
  void Step() {
    static constexpr struct {
      int weight;
      void (Sequence::*step)();
    } kSteps[] = {{4, &Sequence::NewFunction},  {2, &Sequence::FreeFunction},   {2, &Sequence::NewPlugin}, {2, &Sequence::NewCompiled},
                  {8, &Sequence::FromCompiled}, {1, &Sequence::FreeCompiled},   {6, &Sequence::FreePlugin}, {60, &Sequence::Call},
                  {20, &Sequence::ReadResult},  {10, &Sequence::Ask}};
    int at = static_cast<int>(choose_() % 115);
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
  T Take(std::vector<T>& from) {
    std::swap(choose_.Any(from), from.back());
    T taken = from.back();
    from.pop_back();
    return taken;
  }
  uint64_t AnySize() {
    const uint64_t sizes[] = {0, 1, 8, 100, 70'000, 1ull << 33, UINT64_MAX, UINT64_MAX - 11, choose_()};
    return choose_.Any(sizes);
  }
  std::string AnyText() {
    std::string text(choose_() % 40, '\0');
    for (char& c : text) c = static_cast<char>(choose_.Sometimes(4) ? choose_() : 'a' + choose_() % 26);
    return text;
  }
  std::string AnySource() {
    const char* const sources[] = {kModule, kModule, kHelloModule, kNotifyModule, kMixModule, "{\"wasm\":[]}", "[[wasm]]", ""};
    std::string source = choose_.Any(sources);
    if (choose_.Sometimes(6)) source.resize(choose_() % (source.size() + 1));
    if (choose_.Sometimes(6) && !source.empty()) source[choose_() % source.size()] = static_cast<char>(choose_());
    return source;
  }
  /// What a plugin needs, or any, whose functions may be taken by others already.
  std::vector<const ExtismFunction*> SomeFunctions() {
    std::vector<const ExtismFunction*> some;
    if (!choose_.Sometimes(4)) {
      for (size_t which = 0; which < 4; ++which) some.push_back(MakeFunction(which, kArguments[which]));
      return some;
    }
    for (ExtismFunction* function : functions_) {
      if (choose_.Sometimes(2)) some.push_back(function);
    }
    if (choose_.Sometimes(10)) some.push_back(nullptr);
    return some;
  }

  static constexpr const char* kNames[] = {"hello_world", "notify", "mix", "visit", "\xff"};
  static constexpr ExtismSize kArguments[] = {1, 0, 4, 0, 0};
  ExtismFunction* MakeFunction(size_t which, ExtismSize arguments) {
    static constexpr ExtismValType kAll[] = {ExtismValType_I32, ExtismValType_I64, ExtismValType_F32, ExtismValType_F64, ExtismValType_V128};
    const ExtismValType* types = which == 0 ? kAll + 1 : kAll;
    data_.push_back(std::make_unique<Data>(Data{this}));
    ExtismFunction* function = extism_function_new(kNames[which], types, arguments, types, arguments, HostFunction, data_.back().get(), FreeData);
    HOLDS((function == nullptr) == (which == 4));
    if (function == nullptr) {
      data_.pop_back();
      return nullptr;
    }
    if (which == 3) extism_function_set_namespace(function, "elsewhere");
    functions_.push_back(function);
    return function;
  }
  void NewFunction() {
    const size_t which = choose_() % std::size(kNames);
    MakeFunction(which, choose_.Sometimes(4) ? choose_() % 5 : kArguments[which]);
  }
  void FreeFunction() {
    for (int i = 0; i < 10 && !functions_.empty(); ++i) extism_function_free(Take(functions_));
  }
  template <class T>
  void Keep(std::vector<T*>& where, T* made, char* why) {
    HOLDS((made == nullptr) != (why == nullptr));
    extism_plugin_new_error_free(why);
    if (made == nullptr) return;
    where.push_back(made);
    ++made_;
  }
  void NewPlugin() {
    if (plugins_.size() > 20) return FreePlugin();
    const std::string source = AnySource();
    auto functions = SomeFunctions();
    char* why = nullptr;
    ExtismPlugin* made = extism_plugin_new_with_fuel_limit(Bytes(source), source.size(), functions.data(), functions.size(), choose_.Sometimes(2), 200'000, &why);
    Keep(plugins_, made, why);
  }
  void NewCompiled() {
    if (compiled_.size() > 10) return FreeCompiled();
    const std::string source = AnySource();
    auto functions = SomeFunctions();
    char* why = nullptr;
    ExtismCompiledPlugin* made =
        extism_compiled_plugin_new_with_fuel_limit(Bytes(source), source.size(), functions.data(), functions.size(), choose_.Sometimes(2), 200'000, &why);
    Keep(compiled_, made, why);
  }
  void FromCompiled() {
    if (compiled_.empty()) return NewCompiled();
    if (plugins_.size() > 20) return FreePlugin();
    char* why = nullptr;
    ExtismPlugin* made = extism_plugin_new_from_compiled(choose_.Any(compiled_), &why);
    Keep(plugins_, made, why);
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
    ExtismPlugin* plugin = choose_.Any(plugins_);
    const char* name = choose_.Any(names);
    called_ += extism_plugin_call_with_host_context(plugin, name, Bytes(input), input.size(), choose_.Sometimes(2) ? this : nullptr) == 0;
  }
  void ReadResult() {
    if (plugins_.empty()) return;
    ExtismPlugin* plugin = choose_.Any(plugins_);
    const ExtismSize length = extism_plugin_output_length(plugin);
    const uint8_t* output = extism_plugin_output_data(plugin);
    HOLDS(output != nullptr);
    for (ExtismSize i = 0; i < length; ++i) seen_ += output[i];
    if (const char* error = extism_plugin_error(plugin)) {
      seen_ += std::strlen(error);
      HOLDS(extism_plugin_error(plugin) == error);
    }
  }
  void Ask() {
    if (plugins_.empty()) return;
    ExtismPlugin* plugin = choose_.Any(plugins_);
    const std::string text = choose_.Sometimes(2) ? "{\"" + std::string(1, static_cast<char>('a' + choose_() % 26)) + "\":\"v\"}" : AnyText();
    switch (choose_() % 6) {
      case 0: extism_plugin_config(plugin, Bytes(text), text.size()); break;
      case 1: extism_plugin_function_exists(plugin, text.c_str()); break;
      case 2: HOLDS(extism_plugin_reset(plugin)); break;
      case 3: HOLDS(extism_plugin_cancel(extism_plugin_cancel_handle(plugin))); break;
      case 4: HOLDS(extism_plugin_id(plugin)[6] >> 4 == 4); break;
      default: extism_plugin_allow_http_response_headers(plugin); break;
    }
  }
  void OnHostFunction(ExtismCurrentPlugin* plugin, const ExtismVal* in, ExtismSize n_in, ExtismVal* out, ExtismSize n_out) {
    ++called_back_;
    void* const context = extism_current_plugin_host_context(plugin);
    HOLDS(context == nullptr || context == this);
    for (ExtismSize i = 0; i < n_in; ++i) {
      if (in[i].t != EXTISM_PTR) continue;
      const auto handle = static_cast<ExtismMemoryHandle>(in[i].v.i64);
      const ExtismSize length = extism_current_plugin_memory_length(plugin, handle);
      for (ExtismSize at = 0; at < length; ++at) seen_ += extism_current_plugin_memory(plugin)[handle + at];
    }
    extism_current_plugin_memory_free(plugin, AnySize());
    const ExtismMemoryHandle made = extism_current_plugin_memory_alloc(plugin, AnySize());
    const ExtismSize length = extism_current_plugin_memory_length(plugin, made);
    HOLDS((made == 0) == (length == 0));
    if (length != 0) std::memset(extism_current_plugin_memory(plugin) + made, 'x', length);
    if (choose_.Sometimes(3) && !plugins_.empty()) Ask();
    for (ExtismSize i = 0; i < n_out; ++i) out[i].v.i64 = static_cast<int64_t>(made);
  }

  Choices choose_;
  std::vector<ExtismPlugin*> plugins_;
  std::vector<ExtismCompiledPlugin*> compiled_;
  std::vector<ExtismFunction*> functions_;
  std::vector<std::unique_ptr<Data>> data_;
  uint64_t seen_ = 0, made_ = 0, called_ = 0, called_back_ = 0;
};

#ifdef WEIR_FUZZER

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Sequence sequence(Choices(data, size));
  for (int i = 0; i < 200 && !sequence.done(); ++i) sequence.Step();
  return 0;
}

#else

uint64_t NumberOf(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  uint64_t number = otherwise;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSteps = 4'000;
#else
constexpr uint64_t kSteps = 20'000;
#endif

TEST(CapiSequence, HoldsForRandomOnes) {
  const uint64_t seed = NumberOf("WEIR_SEED", 20260131), steps = NumberOf("WEIR_STEPS", kSteps);
  SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed));
  Sequence sequence{Choices(seed)};
  for (uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) sequence.Step();
  EXPECT_TRUE(sequence.worked());
}

}  // namespace

#endif
