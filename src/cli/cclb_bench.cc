// weir cclb bench: how long admission and calls take.
#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <thread>

#include "cli/cclb.h"
#include "cli/text.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

struct Timing {
  std::string name;
  size_t count = 0;
  double median_us = 0, p10_us = 0, p90_us = 0;
  double per_second = 0;  ///< of all threads together
};

double MicrosecondsSince(Clock::time_point start) { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); }

Timing Summary(std::string name, std::vector<double> all, double seconds) {
  std::sort(all.begin(), all.end());
  const auto at = [&](double part) { return all.empty() ? 0 : all[std::min(all.size() - 1, static_cast<size_t>(part * static_cast<double>(all.size())))]; };
  return {std::move(name), all.size(), at(0.5), at(0.1), at(0.9), seconds > 0 ? static_cast<double>(all.size()) / seconds : 0};
}

template <class F>
Timing Times(std::string name, size_t count, F run) {
  std::vector<double> all;
  const auto begin = Clock::now();
  for (size_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    run();
    all.push_back(MicrosecondsSince(start));
  }
  return Summary(std::move(name), std::move(all), MicrosecondsSince(begin) / 1e6);
}

}  // namespace

Result<int> CclbBench(CclbSession& session) {
  const CclbRequest& request = session.request();
  WEIR_TRY(const CclbPlugin plugin, session.FindPlugin(request.plugins[0]));
  WEIR_TRY(cclb::Host * host, session.host());
  const auto code = host->Open(plugin.wasm);
  WEIR_TRY(const cclb::AugmentedMetadata metadata, session.MetadataOf(plugin, *code));
  std::string function = request.function;
  if (function.empty()) {
    if (metadata.negotiated_functions.empty()) return Error{ErrorCode::kInvalidArgument, plugin.title + " negotiated no function"};
    function = metadata.negotiated_functions.begin()->first;
  }
  std::string text;
  if (!request.request.empty()) {
    WEIR_TRY(text, ReadFile(request.request));
  }
  std::vector<Timing> timings;
  const auto offer = cclb::BuildOffer(session.capabilities());
  timings.push_back(Times("identity", 1000, [&] { (void)cclb::ReadIdentity(plugin.wasm); }));
  cclb::HostOptions cold;
  WEIR_TRY(const auto cold_host, cclb::Host::Create(cold));
  timings.push_back(Times("handshake + self-check, compiled each time", 5, [&] {
    const auto fresh = cold_host->Open(plugin.wasm);
    (void)fresh->Handshake(offer);
    (void)fresh->SelfCheck();
  }));
  timings.push_back(Times("handshake + self-check, from the cache", 20, [&] {
    const auto fresh = host->Open(plugin.wasm);
    (void)fresh->Handshake(offer);
    (void)fresh->SelfCheck();
  }));
  WEIR_TRY(const cclb::HostFunctions functions, session.functions(metadata.identity.plugin_name));
  std::vector<std::unique_ptr<cclb::PluginInstance>> instances;
  for (uint32_t t = 0; t < request.threads; ++t) {
    auto instance = code->NewInstance(session.limits(), &functions);
    if (!instance) return Error{ErrorCode::kLinkFailed, plugin.title + ": " + instance.fault().message};
    instances.push_back(std::move(*instance));
  }
  std::atomic<bool> failed = false;
  std::vector<std::vector<double>> per_thread(request.threads);
  std::vector<std::thread> threads;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(request.seconds));
  for (uint32_t t = 0; t < request.threads; ++t) {
    threads.emplace_back([&, t] {
      const auto& instance = instances[t];
      while (Clock::now() < end && !failed) {
        const auto start = Clock::now();
        const auto outcome = cclb::DispatchText(*instance, metadata, function, text);
        per_thread[t].push_back(MicrosecondsSince(start));
        if (!outcome || outcome->error) failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = MicrosecondsSince(begin) / 1e6;
  std::vector<double> all;
  for (auto& part : per_thread) all.insert(all.end(), part.begin(), part.end());
  timings.push_back(Summary("dispatch " + function + ", " + std::to_string(request.threads) + " thread(s)", std::move(all), seconds));
  if (request.json) {
    json::array out;
    for (const Timing& row : timings) {
      out.push_back(json::object{{"name", row.name}, {"n", row.count}, {"median_us", row.median_us}, {"p10_us", row.p10_us}, {"p90_us", row.p90_us}, {"per_s", row.per_second}});
    }
    std::printf("%s\n", json::serialize(out).c_str());
  } else {
    for (const Timing& row : timings) {
      std::printf("%s  median %10.2f us  p10 %10.2f  p90 %10.2f  %10.0f/s\n", Padded(row.name, 44).c_str(), row.median_us, row.p10_us, row.p90_us, row.per_second);
    }
  }
  if (failed) return Error{ErrorCode::kTrapped, "a call of " + function + " failed"};
  return 0;
}

}  // namespace weir::cli
