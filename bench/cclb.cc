// cclb_bench DIRECTORY [THREADS]: what handshake, self-check and dispatch take, over the modules of DIRECTORY, as JSON lines. The names and
// the work are those of the reference's own benchmark, so that bench/cclb_bench.py can put both side by side.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

template <class Fn>
void Threads(const std::string& name, PluginPool& pool, const typename Fn::Request& request, int threads) {
  constexpr int kCalls = 20000;
  const auto start = Clock::now();
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      for (int i = 0; i < kCalls / threads; ++i) {
        if (!pool.Dispatch<Fn>(request)) Fail(name);
      }
    });
  }
  for (auto& thread : all) thread.join();
  std::printf("{\"name\": \"%s\", \"threads\": %d, \"per_s\": %.0f}\n", name.c_str(), threads, kCalls / (Us(start) / 1e6));
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
  const int threads = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : static_cast<int>(std::thread::hardware_concurrency());
  One(argv[1], "rs_dialect.wasm", "shape", threads);
  One(argv[1], "rs_router.wasm", "filter", threads);
  One(argv[1], "wat_shape.wasm", "shape", threads);
  One(argv[1], "pdk_dialect.wasm", "shape", threads);
}
