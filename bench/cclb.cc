// cclb_bench DIRECTORY [THREADS = 8]: what handshake, self-check and dispatch take, over the modules of DIRECTORY, as JSON lines. The names and
// the work are those of the reference's own benchmark, so that bench/cclb_bench.py can put both side by side.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "weir/cclb/pool.h"
#include "weir/cclb/samples.h"
#include "weir/engine.h"

namespace {

using namespace weir::cclb;
using Clock = std::chrono::steady_clock;

double Us(Clock::time_point start) { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); }

void Fail(const std::string& what) {
  std::fprintf(stderr, "cclb_bench: %s\n", what.c_str());
  std::exit(1);
}

template <class F>
void Bench(const std::string& name, size_t n, F run) {
  for (size_t i = 0; i < std::max<size_t>(n / 10, 1); ++i) run();
  std::vector<double> times;
  for (size_t i = 0; i < n; ++i) {
    const auto start = Clock::now();
    run();
    times.push_back(Us(start));
  }
  std::sort(times.begin(), times.end());
  std::printf("{\"name\": \"%s\", \"n\": %zu, \"median_us\": %.3f, \"p10_us\": %.3f, \"p90_us\": %.3f}\n", name.c_str(), n, times[n / 2], times[n / 10], times[n * 9 / 10]);
  std::fflush(stdout);
}

constexpr InstanceLimits kDispatch = {.wall_ms = 5000, .fuel = 1'000'000'000, .memory_pages = std::nullopt};

v1::ShapeRequest ShapeOf(size_t bytes) {
  auto request = DryRunRequest<fn::Shape>();
  for (int i = 0; i < 8; ++i) request.request.headers.push_back({"x-header-" + std::to_string(i), "dmFsdWUgMCBvZiB0aGUgaGVhZGVy"});
  constexpr size_t kRest = 775;  // all but the body
  if (bytes > kRest) request.request.body_base64.assign((bytes - kRest) / 4 * 4, 'e');
  return request;
}
v3::FilterRequest FilterOf(size_t bytes) {
  auto request = DryRunRequest<fn::Filter>();
  constexpr size_t kFirst = 200, kEach = 185;  // bytes of all else, and of a candidate
  for (size_t i = 0; kFirst + i * kEach < bytes; ++i) {
    request.candidates.push_back(SampleCandidate());
    request.candidates.back().upstream_id = "00000000-0000-0000-0000-" + std::string(12 - std::to_string(i).size(), '0') + std::to_string(i);
  }
  return request;
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Calls a second of the clock, and of the processors' time: where threads hinder each other the second falls too, and a busy machine does not
/// change it. All instances are made before.
template <class Fn>
void Threads(const std::string& name, PluginPool& pool, const typename Fn::Request& request, int threads) {
  constexpr auto kMeasured = std::chrono::milliseconds(400);
  constexpr int kBetweenLooks = 16;  // calls of a thread
  {
    std::vector<std::unique_ptr<PluginPool::Lease>> all;
    for (int t = 0; t < threads; ++t) {
      all.push_back(std::make_unique<PluginPool::Lease>(pool));
      if (!Dispatch<Fn>(all.back()->instance(), pool.metadata(), request)) Fail(name);
    }
  }
  std::barrier begin(threads + 1);
  std::atomic<uint64_t> calls = 0;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      begin.arrive_and_wait();
      const auto end = Clock::now() + kMeasured;
      uint64_t mine = 0;
      do {
        for (int i = 0; i < kBetweenLooks; ++i, ++mine) {
          if (!pool.Dispatch<Fn>(request)) Fail(name);
        }
      } while (Clock::now() < end);
      calls += mine;
    });
  }
  const double cpu = CpuSeconds();
  const auto start = Clock::now();
  begin.arrive_and_wait();
  for (auto& thread : all) thread.join();
  const auto count = static_cast<double>(calls.load());
  std::printf("{\"name\": \"%s\", \"threads\": %d, \"per_s\": %.0f, \"per_cpu_s\": %.0f}\n", name.c_str(), threads, count / (Us(start) / 1e6),
              count / (CpuSeconds() - cpu));
  std::fflush(stdout);
}

template <class Fn>
void Calls(const std::string& file, PluginCode& code, const AugmentedMetadata& metadata, const typename Fn::Request& request, size_t bytes, int threads) {
  auto instance = code.NewInstance(kDispatch);
  if (!instance) Fail(file + ": " + instance.fault().message);
  const std::string name = file + " dispatch " + std::string(Fn::kName) + " " + std::to_string(bytes);
  Bench(name, 2000, [&] {
    if (const auto outcome = Dispatch<Fn>(**instance, metadata, request); !outcome) Fail(name + ": " + outcome.error->debug);
  });
  auto pool = PluginPool::Create(std::shared_ptr<PluginCode>(&code, [](PluginCode*) {}), metadata, {.limits = kDispatch, .instances_max = static_cast<size_t>(threads)});
  if (!pool) Fail(file + ": " + pool.fault().message);
  for (int count = 1; count <= threads; count *= 2) Threads<Fn>(name + " pool", **pool, request, count);
}

void One(const std::string& directory, const std::string& file, const std::string& function, int threads) {
  const auto wasm = weir::ReadFile(directory + "/" + file);
  if (!wasm) return;
  const auto cache = std::filesystem::temp_directory_path() / ("cclb_bench." + std::to_string(getpid()));
  auto cold = Host::Create();
  auto warm = Host::Create({.cache = {cache.string()}});
  if (!cold || !warm) Fail("no host");
  const HandshakeOffer offer = BuildOffer({});
  Bench(file + " identity", 2000, [&] { if (!ReadIdentity(*wasm)) Fail("identity"); });
  const auto admit = [&](Host& host) {
    const auto code = host.Open(*wasm);
    if (!code->Handshake(offer) || !code->SelfCheck()) Fail(file + ": refused");
  };
  Bench(file + " handshake + self_check cold", 5, [&] { admit(**cold); });
  admit(**warm);
  Bench(file + " handshake + self_check cached", 50, [&] { admit(**warm); });
  const auto code = (*warm)->Open(*wasm);
  const auto accept = code->Handshake(offer);
  AugmentedMetadata metadata;
  metadata.negotiated_functions = accept->chosen_versions;
  for (const size_t bytes : {1024, 16384}) {
    function == "shape" ? Calls<fn::Shape>(file, *code, metadata, ShapeOf(bytes), bytes, threads)
                        : Calls<fn::Filter>(file, *code, metadata, FilterOf(bytes), bytes, threads);
  }
  std::filesystem::remove_all(cache);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("usage: cclb_bench DIRECTORY [THREADS]");
  const int threads = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 8;
  One(argv[1], "rs_dialect.wasm", "shape", threads);
  One(argv[1], "rs_router.wasm", "filter", threads);
  One(argv[1], "wat_shape.wasm", "shape", threads);
  One(argv[1], "pdk_dialect.wasm", "shape", threads);
}
