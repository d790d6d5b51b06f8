// Two libraries with the C interface of Extism, side by side in one process and in turns: what a call costs, a plugin, a start.
// usage: weir_bench_extism OURS.so THEIRS.so LARGE.wasm [--rounds N]    (bench/extism_bench.py gets the second)
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capi/extism.h"
#include "weir/extism_pool.h"

namespace {

using Clock = std::chrono::steady_clock;

// What a plugin made with a PDK does: the input into its own memory by words, a block, and back by words.
constexpr const char* kGuest = R"((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $load (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 2)
  (func (export "empty") (result i32) (i32.const 0))
  (func (export "echo") (result i32) (local $i i64) (local $h i64)
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (call $length)))
      (i64.store (i32.wrap_i64 (local.get $i)) (call $load (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br $next)))
    (local.set $h (call $alloc (call $length)))
    (local.set $i (i64.const 0))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (call $length)))
      (call $store (i64.add (local.get $h) (local.get $i)) (i64.load (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br $next)))
    (call $output_set (local.get $h) (call $length))
    (i32.const 0))))";

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "weir_bench_extism: %s\n", what.c_str());
  std::exit(1);
}

struct Library {
  explicit Library(const char* path) {
    void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) Die(dlerror());
    Find(handle, "extism_compiled_plugin_new", &compile);
    Find(handle, "extism_plugin_new_from_compiled", &from_compiled);
    Find(handle, "extism_plugin_call", &call);
    Find(handle, "extism_plugin_output_length", &output_length);
    Find(handle, "extism_plugin_free", &free);
  }
  ExtismCompiledPlugin* Compile(const std::string& wasm) const {
    char* error = nullptr;
    auto* compiled = compile(reinterpret_cast<const uint8_t*>(wasm.data()), wasm.size(), nullptr, 0, true, &error);
    if (compiled == nullptr) Die(error);
    return compiled;
  }
  ExtismPlugin* New(ExtismCompiledPlugin* compiled) const {
    char* error = nullptr;
    ExtismPlugin* plugin = from_compiled(compiled, &error);
    if (plugin == nullptr) Die(error);
    return plugin;
  }
  decltype(&extism_compiled_plugin_new) compile;
  decltype(&extism_plugin_new_from_compiled) from_compiled;
  decltype(&extism_plugin_call) call;
  decltype(&extism_plugin_output_length) output_length;
  decltype(&extism_plugin_free) free;

 private:
  template <class F>
  static void Find(void* handle, const char* name, F* function) {
    *function = reinterpret_cast<F>(dlsym(handle, name));
    if (*function == nullptr) Die(std::string("no ") + name);
  }
};

double UsSince(Clock::time_point start) { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); }

std::string ReadAll(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Die(std::string("cannot read ") + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Call(const Library& library, ExtismPlugin* plugin, const char* function, const std::string& input) {
  if (library.call(plugin, function, reinterpret_cast<const uint8_t*>(input.data()), input.size()) != 0) Die("a call failed");
}

long ResidentKib() {
  std::ifstream file("/proc/self/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/// One number, made by a process of its own.
double InChild(const char* self, std::vector<std::string> arguments) {
  int ends[2];
  if (pipe(ends) != 0) Die("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    std::vector<char*> argv = {const_cast<char*>(self)};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(self, argv.data());
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char chunk[64];
  for (ssize_t got; (got = read(ends[0], chunk, sizeof chunk)) > 0;) text.append(chunk, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  double value = 0;
  if (status != 0 || std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) Die("a child failed: " + arguments.front());
  return value;
}

/// Both `cold` and `idle` are children of the measurement.
int Child(char** argv) {
  const std::string what = argv[1];
  if (what == "--compile") setenv("EXTISM_CACHE_CONFIG", "", 1);  // no cache of compiled code
  const Library library(argv[2]);
  if (what == "--cold" || what == "--compile") {
    const std::string wasm = ReadAll(argv[3]);
    const auto start = Clock::now();
    library.New(library.Compile(wasm));
    std::printf("%f\n", UsSince(start));
  } else {
    constexpr int kPlugins = 200;
    ExtismCompiledPlugin* compiled = library.Compile(kGuest);
    const std::string input(64, 'x');
    const auto one = [&] { Call(library, library.New(compiled), "echo", input); };
    for (int i = 0; i < 10; ++i) one();
    const long before = ResidentKib();
    for (int i = 0; i < kPlugins; ++i) one();
    std::printf("%f\n", static_cast<double>(ResidentKib() - before) / kPlugins);
  }
  std::fflush(stdout);
  _exit(0);
}

/// Weir's pool, which is in C++: the time of taking a plugin, an empty call and giving it back.
class Pools {
 public:
  Pools() : runtime_(*weir::extism::Runtime::Create()) {}
  double Measure(uint32_t slots, const weir::extism::PoolOptions& options, int count) {
    auto compiled = runtime_->Compile(kGuest, {.wasi = true, .slots = slots});
    if (!compiled) Die(compiled.error().message);
    auto made = weir::extism::Pool::Create(*compiled, options);
    if (!made) Die(made.error().message);
    weir::extism::Pool& pool = **made;
    const auto once = [&] {
      const auto start = Clock::now();
      const auto plugin = pool.Take();
      if (!plugin || !(*plugin)->Call("empty", "")) Die("a call of a pool's plugin failed");
      return UsSince(start);
    };
    once();
    if (options.ready_plugins == 0) {
      const auto start = Clock::now();
      for (int k = 0; k < count; ++k) once();
      return UsSince(start) / count;
    }
    double total = 0;
    for (int k = 0; k < count; ++k) {
      while (pool.counts().idle < options.ready_plugins) std::this_thread::sleep_for(std::chrono::microseconds(50));
      total += once();
    }
    return total / count;
  }

 private:
  const std::unique_ptr<weir::extism::Runtime> runtime_;
};

struct Row {
  const char* name;
  const char* unit;
  double goal;
  std::function<double(size_t which)> measure;  ///< of library 0 (ours) or 1
};

double Least(const std::vector<double>& all) { return *std::min_element(all.begin(), all.end()); }
double Median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::strncmp(argv[1], "--", 2) == 0) return Child(argv);
  if (argc < 4) Die("usage: weir_bench_extism OURS.so THEIRS.so LARGE.wasm [--rounds N]");
  int rounds = 9;
  if (argc == 6) std::from_chars(argv[5], argv[5] + std::strlen(argv[5]), rounds);
  const Library libraries[2] = {Library(argv[1]), Library(argv[2])};
  ExtismCompiledPlugin* compiled[2];
  ExtismPlugin* plugins[2];
  for (size_t i = 0; i < 2; ++i) {
    compiled[i] = libraries[i].Compile(kGuest);
    plugins[i] = libraries[i].New(compiled[i]);
  }
  const auto calls = [&](const char* function, size_t bytes, int count) {
    return [=, &libraries, input = std::string(bytes, 'x')](size_t i) {
      const auto start = Clock::now();
      for (int k = 0; k < count; ++k) Call(libraries[i], plugins[i], function, input);
      if (bytes != 0 && std::string(function) == "echo" && libraries[i].output_length(plugins[i]) != bytes) Die("an echo is cut");
      return UsSince(start) / count;
    };
  };
  const std::string large = argv[3];
  Pools pools;
  const auto from_compiled = [&](size_t i) {
    constexpr int kCount = 100;
    const auto start = Clock::now();
    for (int k = 0; k < kCount; ++k) {
      ExtismPlugin* plugin = libraries[i].New(compiled[i]);
      Call(libraries[i], plugin, "empty", "");
      libraries[i].free(plugin);
    }
    return UsSince(start) / kCount;
  };
  using weir::extism::Begin;
  const auto pooled = [&](uint32_t slots, const weir::extism::PoolOptions& options, int count, std::function<double(size_t)> theirs) {
    return [=, &pools](size_t i) { return i == 0 ? pools.Measure(slots, options, count) : theirs(1); };
  };
  const Row rows[] = {
      {"empty call", "µs", 10, calls("empty", 0, 5000)},
      {"echo of 1 KiB", "µs", 4, calls("echo", 1024, 2000)},
      {"echo of 64 KiB", "µs", 1.5, calls("echo", 65536, 200)},
      {"plugin from compiled, its first call, freed", "µs", 5, from_compiled},
      {"plugin of a pool: taken, called, given back (libextism: a call alone)", "µs", 10, pooled(0, {.plugins_max = 2}, 5000, calls("empty", 0, 5000))},
      {"the same, a fresh plugin each time (libextism: from compiled)", "µs", 5, pooled(0, {.plugins_max = 2, .begin = Begin::kFresh}, 200, from_compiled)},
      {"the same, with slots", "µs", 5, pooled(4, {.plugins_max = 2, .begin = Begin::kFresh}, 500, from_compiled)},
      {"the same, with slots, made ahead: taken and called", "µs", 5,
       pooled(4, {.plugins_max = 2, .begin = Begin::kFresh, .ready_plugins = 2}, 200, from_compiled)},
      {"cold start of the large module, both from their caches", "µs", 1, [&](size_t i) { return InChild(argv[0], {"--cold", argv[1 + i], large}); }},
      {"the same, the reference without its cache", "µs", 10,
       [&](size_t i) { return InChild(argv[0], {i == 0 ? "--cold" : "--compile", argv[1 + i], large}); }},
      {"the same, both without", "µs", 1, [&](size_t i) { return InChild(argv[0], {"--compile", argv[1 + i], large}); }},
      {"memory of an idle plugin", "KiB", 1, [&](size_t i) { return InChild(argv[0], {"--idle", argv[1 + i]}); }},
  };
  std::printf("| `weir_bench_extism`, %d rounds in turns | Weir: least (median) | libextism: least (median) | ratio of the least | goal |\n|---|---|---|---|---|\n", rounds);
  for (const Row& row : rows) {
    std::vector<double> all[2];
    for (int round = 0; round < rounds + 1; ++round) {
      for (size_t i = 0; i < 2; ++i) {
        const double value = row.measure(i);
        if (round > 0) all[i].push_back(value);  // the first warms caches
      }
    }
    std::printf("| %s, %s | %.3g (%.3g) | %.3g (%.3g) | %.2f | %.3g |\n", row.name, row.unit, Least(all[0]), Median(all[0]), Least(all[1]), Median(all[1]),
                Least(all[1]) / Least(all[0]), row.goal);
  }
  std::fflush(stdout);
  _exit(0);  // neither library's threads are waited for
}
