// weir_bench_shared [--rounds N] [--calls N]
// Shared data and metrics from a guest: what a host call costs with the services of one process, and with those in a zone that
// processes share. Prints nanoseconds a call; "now" is proxy_get_current_time_nanoseconds, the price of any host call with a clock.
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "host/clock.h"
#include "host/metrics.h"
#include "host/queues.h"
#include "host/shared_data.h"
#include "host/timers.h"
#include "host/zone/zone_data.h"
#include "host/zone/zone_metrics.h"
#include "memhost/memory_stream.h"
#include "weir/engine.h"

namespace weir::bench {
namespace {

/// As nginx's, when nobody else wants it: one compare-and-swap each way.
class SpinLock final : public ZoneLock {
 public:
  void Lock() override {
    uint32_t free = 0;
    while (!held_.compare_exchange_weak(free, 1, std::memory_order_acquire)) free = 0;
  }
  void Unlock() override {
    uint32_t held = 1;
    held_.compare_exchange_strong(held, 0, std::memory_order_release);
  }

 private:
  std::atomic<uint32_t> held_{0};
};

class QuietLog final : public Log {
 public:
  void Write(LogLevel, std::string_view, std::string_view line) override {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
  }
  LogLevel level() const override { return LogLevel::kWarn; }
};

int Number(const char* text, int otherwise) {
  int value = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  return error == std::errc{} && *end == 0 && value > 0 ? value : otherwise;
}

int Main(int argc, char** argv) {
  int rounds = 15, calls = 100'000;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--rounds" && i + 1 < argc) {
      rounds = Number(argv[++i], rounds);
    } else if (flag == "--calls" && i + 1 < argc) {
      calls = Number(argv[++i], calls);
    } else {
      std::fprintf(stderr, "usage: weir_bench_shared [--rounds N] [--calls N]\n");
      return 2;
    }
  }
  const auto fail = [](const Error& error) {
    std::fprintf(stderr, "weir_bench_shared: %s\n", error.message.c_str());
    return 1;
  };
  auto wasm = ReadFile(WEIR_GUESTS "/shared.wasm");
  if (!wasm) return fail(wasm.error());
  auto engine = Engine::Create();
  if (!engine) return fail(engine.error());
  auto module = (*engine)->Compile(*wasm, "shared.wasm");
  if (!module) return fail(module.error());

  constexpr size_t kBytes = ZoneSizes::kDefault;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SpinLock lock;
  if (memory == MAP_FAILED || !Zone::Format(memory, kBytes, {})) return fail({ErrorCode::kLimit, "no memory for the zone"});
  Zone zone(memory, lock);
  zone.Join(0, {"p"});
  QuietLog log;
  SystemClock clock;
  InProcessSharedData data(clock);
  ZoneSharedData zone_data(zone, clock, nullptr);
  InProcessMetrics metrics;
  ZoneMetrics zone_metrics(zone);
  InProcessQueues queues;
  PolledTimers timers(clock);
  ForeignFunctions foreign;
  NoCalls no_calls;
  Host in_process{log, clock, data, queues, metrics, timers, foreign, no_calls};
  Host in_zone{log, clock, zone_data, queues, zone_metrics, timers, foreign, no_calls};
  MemoryHost world(LogLevel::kError);
  world.set_tracing(false);

  struct Row {
    std::string what;
    std::vector<double> ns;
  };
  struct Side {
    const char* name;
    Host& host;
    std::unique_ptr<Plugin> plugin;
    std::vector<Row> rows;
  } sides[] = {{"in process", in_process, nullptr, {}}, {"in a zone", in_zone, nullptr, {}}};
  for (Side& side : sides) {
    PluginSpec spec;
    spec.name = "p";
    spec.limits.callback_ms = 0;
    auto plugin = LoadPlugin(**engine, *module, spec, side.host);
    if (!plugin) return fail(plugin.error());
    side.plugin = *std::move(plugin);
    for (const char* what : {"now", "get", "set", "inc"}) side.rows.push_back({what, {}});
  }
  for (int round = 0; round < rounds; ++round) {
    for (Side& side : sides) {
      for (Row& row : side.rows) {
        Plugin* chain[] = {side.plugin.get()};
        const std::string command = "loop " + std::to_string(calls) + " " + row.what + " key";
        MemoryStream stream(world, chain, {.headers = RequestHeaders("GET", "/", {{"x-do", command}})});
        const auto start = std::chrono::steady_clock::now();
        stream.FeedHeaders(Direction::kRequest, EndOfStream::kYes);
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
        row.ns.push_back(took.count() / calls);
        stream.Finish();
      }
    }
  }
  const auto entry = zone_data.Get("p", "key");
  if (!entry || entry->value.size() != 16 || zone_metrics.Get(1) < static_cast<uint64_t>(rounds) * static_cast<uint64_t>(calls)) {
    std::fprintf(stderr, "weir_bench_shared: the guest did not do its calls: nothing was measured\n");
    return 1;
  }
  std::printf("%-6s", "");
  for (const Side& side : sides) std::printf(" %12s %10s", side.name, "median");
  std::printf("   ns a call (least, median), %d rounds of %d\n", rounds, calls);
  for (size_t i = 0; i < sides[0].rows.size(); ++i) {
    std::printf("%-6s", sides[0].rows[i].what.c_str());
    for (Side& side : sides) {
      std::vector<double>& ns = side.rows[i].ns;
      std::sort(ns.begin(), ns.end());
      std::printf(" %12.1f %10.1f", ns.front(), ns[ns.size() / 2]);
    }
    std::printf("\n");
  }
  return 0;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }
