// weir_bench_stream [--rounds N] [--streams N] [--only NAME] [GUEST.wasm]
// A whole HTTP stream (six callbacks, two header reads, one header added) in memory, beside a bare Wasmtime embedding of the same
// module, in one process and in alternating rounds: machines are noisy, ratios within a run are not. Prints nanoseconds.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "bare.h"
#include "memhost/memory_stream.h"
#include "weir/engine.h"

namespace weir::bench {
namespace {

/// A filter that costs nothing: what is left is the chain and the stream.
class NullPlugin final : public Plugin {
 public:
  NullPlugin() { spec_.name = "null"; }
  const PluginSpec& spec() const override { return spec_; }
  const PluginStats& stats() const override { return stats_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream&) override { return std::make_unique<Filter>(); }
  void OnTick() override {}
  void OnQueueReady(uint32_t) override {}

 private:
  class Filter final : public HttpFilter {
   public:
    FilterStatus OnRequestHeaders(size_t, EndOfStream) override { return FilterStatus::kContinue; }
    FilterStatus OnRequestBody(size_t, EndOfStream) override { return FilterStatus::kContinue; }
    FilterStatus OnRequestTrailers(size_t) override { return FilterStatus::kContinue; }
    FilterStatus OnResponseHeaders(size_t, EndOfStream) override { return FilterStatus::kContinue; }
    FilterStatus OnResponseBody(size_t, EndOfStream) override { return FilterStatus::kContinue; }
    FilterStatus OnResponseTrailers(size_t) override { return FilterStatus::kContinue; }
    bool ignores_body(Direction) const override { return true; }
    bool ignores_trailers(Direction) const override { return true; }
    void OnFinish() override {}
  };
  PluginSpec spec_;
  PluginStats stats_;
};

/// One stream in memory that is run again and again.
class MemoryRun {
 public:
  MemoryRun(MemoryHost& world, std::span<Plugin* const> chain)
      : stream_(world, chain, {.headers = RequestHeaders("GET", "/index.html?x=1", {{"accept", "*/*"}, {"user-agent", "curl/8.1 something longer"}})}) {
    stream_.StartResponse({.headers = ResponseHeaders(200, {{"content-type", "text/html"}, {"server", "test"}})});
  }
  void Stream() {
    stream_.FeedHeaders(Direction::kRequest, EndOfStream::kYes);
    stream_.ForwardRequest();
    stream_.FeedHeaders(Direction::kResponse, EndOfStream::kYes);
    headers_ = stream_.request().headers.size();
    stream_.Finish();
    stream_.Rewind();
  }
  /// Of the request as it left the chain.
  size_t headers() const { return headers_; }

 private:
  MemoryStream stream_;
  size_t headers_ = 0;
};

struct Row {
  std::string name;
  std::function<void()> run;
  std::vector<double> ns;  ///< a round each
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}
double Min(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

int Number(const char* text, int otherwise) {
  int value = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  return error == std::errc{} && *end == 0 && value > 0 ? value : otherwise;
}

int Main(int argc, char** argv) {
  int rounds = 15, streams = 100'000;
  std::string only, path = WEIR_GUESTS "/headers.wasm";
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--rounds" && i + 1 < argc) {
      rounds = Number(argv[++i], rounds);
    } else if (flag == "--streams" && i + 1 < argc) {
      streams = Number(argv[++i], streams);
    } else if (flag == "--only" && i + 1 < argc) {
      only = argv[++i];
    } else if (!flag.starts_with("-")) {
      path = flag;
    } else {
      std::fprintf(stderr, "usage: weir_bench_stream [--rounds N] [--streams N] [--only NAME] [GUEST.wasm]\n");
      return 2;
    }
  }
  auto fail = [](const Error& error) {
    std::fprintf(stderr, "weir_bench_stream: %s\n", error.message.c_str());
    return 1;
  };
  auto wasm = ReadFile(path);
  if (!wasm) return fail(wasm.error());
  auto engine = Engine::Create();
  if (!engine) return fail(engine.error());
  auto module = (*engine)->Compile(*wasm, path);
  if (!module) return fail(module.error());
  MemoryHost world(LogLevel::kError);
  world.set_tracing(false);
  std::vector<std::unique_ptr<Plugin>> plugins;
  std::vector<Plugin*> four;
  for (int i = 0; i < 4; ++i) {
    PluginSpec spec;
    spec.name = "p" + std::to_string(i);
    auto plugin = LoadPlugin(**engine, *module, spec, world.host());
    if (!plugin) return fail(plugin.error());
    plugins.push_back(*std::move(plugin));
    four.push_back(plugins.back().get());
  }
  NullPlugin null;
  Plugin* nulls[] = {&null, &null, &null, &null};

  Bare bare(*wasm);
  MemoryRun one(world, std::span(four).first(1)), all(world, four), chain_one(world, std::span(nulls).first(1)), chain_four(world, nulls);
  std::vector<Row> rows = {
      {"bare", [&] { bare.Stream(); }, {}},
      {"weir", [&] { one.Stream(); }, {}},
      {"weir-chain-of-4", [&] { all.Stream(); }, {}},
      {"bare-empty-call", [&] { bare.EmptyCall(); }, {}},
      {"chain-alone-1", [&] { chain_one.Stream(); }, {}},
      {"chain-alone-4", [&] { chain_four.Stream(); }, {}},
  };
  if (!only.empty()) std::erase_if(rows, [&](const Row& row) { return row.name != only; });
  for (int round = 0; round < rounds; ++round) {
    for (Row& row : rows) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < streams; ++i) row.run();
      const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
      row.ns.push_back(took.count() / streams);
    }
  }
  std::printf("%-18s %10s %10s   ns a stream, %d rounds of %d\n", "", "min", "median", rounds, streams);
  for (const Row& row : rows) std::printf("%-18s %10.1f %10.1f\n", row.name.c_str(), Min(row.ns), Median(row.ns));
  if (!only.empty()) return 0;
  if (bare.added() != 1 || one.headers() != 7 || all.headers() != 10) {
    std::fprintf(stderr, "weir_bench_stream: a plugin did not add its header: nothing was measured\n");
    return 1;
  }
  std::printf("ratio weir / bare: %.2f by minimum, %.2f by median (aim: at most 1.50)\n", Min(rows[1].ns) / Min(rows[0].ns),
              Median(rows[1].ns) / Median(rows[0].ns));
  std::printf("a further plugin of a chain: %.1f ns\n", (Min(rows[2].ns) - Min(rows[1].ns)) / 3);
  return 0;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }
