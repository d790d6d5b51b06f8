#include "cli/conformance.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "cli/progress.h"
#include "cli/terminal.h"
#include "conformance/coverage.h"
#include "conformance/guest.h"
#include "conformance/judge.h"
#include "conformance/runner.h"
#include "conformance/suite.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using conformance::Case;
using conformance::Run;

struct Failure {
  std::string name, mode, text;
};
struct Totals {
  size_t passed = 0, failed = 0;
};

/// A byte a character: JSON has no bytes.
json::string Latin1(std::string_view bytes) {
  json::string text;
  for (unsigned char c : bytes) {
    if (c < 0x80) {
      text.push_back(char(c));
    } else {
      text.push_back(char(0xc0 | c >> 6));
      text.push_back(char(0x80 | (c & 0x3f)));
    }
  }
  return text;
}
json::array Headers(const HeaderList& headers) {
  json::array rows;
  for (const auto& [name, value] : headers) rows.push_back(json::array{Latin1(name), Latin1(value)});
  return rows;
}
json::array Chunks(const std::vector<std::string>& chunks) {
  json::array rows;
  for (const std::string& chunk : chunks) rows.push_back(Latin1(chunk));
  return rows;
}
json::array Names(const std::vector<std::string>& names) {
  json::array rows;
  for (const std::string& name : names) rows.push_back(json::string(name));
  return rows;
}
json::object ExpectedOf(const scenarios::Expected& expected) {
  json::object made{{"headers", Headers(expected.headers)}, {"no_headers", Names(expected.no_headers)}, {"trailers", Headers(expected.trailers)}};
  if (expected.body) made["body"] = Latin1(*expected.body);
  return made;
}
json::array LogsOf(const std::vector<scenarios::LogLine>& lines) {
  json::array rows;
  for (const auto& line : lines) rows.push_back(json::array{json::string(line.plugin), Latin1(line.text)});
  return rows;
}

json::object ExchangeOf(const scenarios::Exchange& one) {
  using Upstream = scenarios::Exchange::Upstream;
  const std::vector<std::string> body = one.upstream_given ? one.response_body : std::vector<std::string>{"upstream"};
  json::object made{{"line", one.line},
                    {"request", {{"method", one.method}, {"target", Latin1(one.target)}, {"headers", Headers(one.request_headers)},
                                 {"body", Chunks(one.request_body)}, {"trailers", Headers(one.request_trailers)}}},
                    {"upstream", {{"status", one.status}, {"headers", Headers(one.response_headers)}, {"body", Chunks(body)},
                                  {"trailers", Headers(one.response_trailers)}}},
                    {"logs", LogsOf(one.logs)}, {"no_logs", LogsOf(one.no_logs)}};
  json::object client = ExpectedOf(one.client);
  client["status"] = one.client_status;
  made["expect_client"] = std::move(client);
  if (one.expect_upstream == Upstream::kNothing) made["expect_upstream"] = "nothing";
  if (one.expect_upstream == Upstream::kMessage) {
    json::object upstream = ExpectedOf(one.upstream);
    upstream["method"] = one.upstream_method;
    upstream["target"] = Latin1(one.upstream_target);
    made["expect_upstream"] = std::move(upstream);
  }
  return made;
}

/// As weir_plugin's `allow=` has it; empty: all.
std::string AllowText(const Allow& allow) {
  std::string text;
  auto add = [&](const std::string& item) { text += (text.empty() ? "" : ",") + item; };
  if (allow.functions) {
    for (const std::string& name : *allow.functions) add(name);
    if (allow.functions->empty()) add("none");
  }
  for (const std::string& name : allow.upstreams.value_or(std::vector<std::string>())) add("upstream:" + name);
  for (const std::string& name : allow.foreign.value_or(std::vector<std::string>())) add("foreign:" + name);
  return text;
}

json::object PluginOf(const conformance::CasePlugin& plugin, const std::string& wasm) {
  const PluginSpec& spec = plugin.spec;
  const Limits usual;
  json::array environment;
  for (const auto& [name, value] : spec.environment) environment.push_back(json::string(name + "=" + value));
  return {{"name", spec.name}, {"wasm", wasm}, {"configuration", Latin1(spec.configuration)}, {"vm_configuration", Latin1(spec.vm_configuration)},
          {"allow", AllowText(spec.allow)}, {"root_id", spec.root_id}, {"vm_id", spec.vm_id}, {"environment", std::move(environment)},
          {"memory_bytes", spec.limits.memory_bytes == usual.memory_bytes ? 0 : spec.limits.memory_bytes},
          {"callback_ms", spec.limits.callback_ms == usual.callback_ms ? 0 : spec.limits.callback_ms},
          {"body_bytes", spec.limits.body_bytes == usual.body_bytes ? 0 : spec.limits.body_bytes},
          {"on_error", spec.on_error == OnError::kOpen ? "open" : "closed"},
          {"header_pause", spec.header_pause == HeaderPause::kHeadersOnly ? "headers_only" : "stream"},
          {"on_buffer_full", spec.on_buffer_full == OnBufferFull::kRelease ? "release" : "reject"}};
}

/// What an upstream of calls answers.
json::object ClusterOf(const conformance::Cluster& cluster) {
  const HttpAnswer& http = cluster.script.http;
  json::object made{{"name", cluster.name}, {"kind", cluster.kind}};
  if (cluster.kind == "failure") made["failure"] = Name(http.failure);
  if (cluster.kind == "http") {
    made["headers"] = Headers(http.headers);
    made["body"] = Latin1(http.body);
    made["trailers"] = Headers(http.trailers);
  }
  if (cluster.kind != "grpc") return made;
  json::array messages;
  for (const GrpcStep& step : cluster.script.grpc) {
    if (const auto* metadata = std::get_if<GrpcMetadata>(&step.what)) made["metadata"] = Headers(metadata->headers);
    if (const auto* trailers = std::get_if<GrpcTrailers>(&step.what)) made["trailers"] = Headers(trailers->headers);
    if (const auto* message = std::get_if<GrpcMessage>(&step.what)) messages.push_back(Latin1(message->bytes));
    if (const auto* close = std::get_if<GrpcClose>(&step.what)) {
      made["status"] = int(close->status);
      made["message"] = Latin1(close->message);
    }
  }
  made["messages"] = std::move(messages);
  return made;
}

/// One run with all that another host needs: guests, traffic, and the transcript as regular expressions.
json::object RunOf(const Run& run, const std::vector<std::string>& wasm) {
  const Case& one = *run.one;
  json::array plugins, exchanges, events, transcript;
  for (size_t i = 0; i < one.plugins.size(); ++i) plugins.push_back(PluginOf(one.plugins[i], wasm[i]));
  for (const auto& exchange : one.exchanges) exchanges.push_back(ExchangeOf(exchange));
  for (const auto& event : one.events) {
    const bool wait = event.kind == conformance::Event::Kind::kWait;
    if (event.kind == conformance::Event::Kind::kForeign) {
      events.push_back(json::object{{"foreign", event.id}, {"bytes", Latin1(event.bytes)}});
      continue;
    }
    if (event.kind == conformance::Event::Kind::kMetric) {
      events.push_back(json::object{{"metric", event.bytes}});
      continue;
    }
    if (event.kind == conformance::Event::Kind::kTcp) {
      events.push_back(json::object{{"tcp", event.what}, {"bytes", Latin1(event.bytes)}});
      continue;
    }
    events.push_back(wait ? json::object{{"wait_ms", event.wait_ms}} : json::object{{"exchange", event.exchange}});
  }
  json::array clusters;
  for (const auto& cluster : one.clusters) {
    clusters.push_back(ClusterOf(cluster));
  }
  conformance::Variables seen;
  for (const auto& line : ExpectedLines(one, run.version, run.statuses)) {
    transcript.push_back(json::object{{"line", line.line}, {"plugin", one.plugins[line.plugin].spec.name}, {"unload", line.at_unload},
                                      {"text", Latin1(Readable(line))}, {"pattern", Latin1(Pattern(line, &seen))}});
  }
  return {{"name", one.name}, {"about", one.about}, {"section", one.section}, {"rules", Names(one.rules)},
          {"abi", proxy_wasm::Name(run.version)}, {"statuses", run.statuses == Statuses::kStrict ? "strict" : "lenient"},
          {"not_nginx", one.not_nginx}, {"expect_load", Latin1(one.expect_load)}, {"plugins", std::move(plugins)},
          {"clusters", std::move(clusters)}, {"exchanges", std::move(exchanges)}, {"events", std::move(events)}, {"transcript", std::move(transcript)}};
}

int Export(const std::vector<const Case*>& cases, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code fault;
  json::array all;
  for (const Case* one : cases) {
    for (const Run& run : RunsOf(*one)) {
      std::vector<std::string> files;
      for (size_t i = 0; i < one->plugins.size(); ++i) {
        const std::string file = one->name + "." + one->plugins[i].spec.name + "." + std::string(proxy_wasm::Name(run.version)) + ".wasm";
        const fs::path path = fs::path(folder) / file;
        fs::create_directories(path.parent_path(), fault);
        if (!fs::exists(path) || run.statuses == (one->lenient ? Statuses::kLenient : Statuses::kStrict)) {
          const auto wasm = GuestWasm(run, i);
          if (!wasm) return PrintError(one->name + ": " + wasm.error().message), 1;
          std::ofstream out(path, std::ios::binary);
          if (!(out << *wasm)) return PrintError("cannot write " + path.string()), 1;
        }
        files.push_back(file);
      }
      all.push_back(RunOf(run, files));
    }
  }
  const fs::path path = fs::path(folder) / "cases.json";
  std::ofstream out(path);
  if (!(out << json::serialize(all) << "\n")) return PrintError("cannot write " + path.string()), 1;
  out.close();
  std::printf("%zu runs of %zu cases in %s\n", all.size(), cases.size(), path.c_str());
  return 0;
}

void PrintJson(const std::vector<Failure>& failures, const std::map<std::string, Totals>& rules, Totals cases, Totals runs, size_t skipped, uint64_t ms) {
  json::object by_rule;
  for (const auto& [rule, totals] : rules) by_rule[rule] = json::object{{"passed", totals.passed}, {"failed", totals.failed}};
  json::array failed;
  for (const Failure& failure : failures) failed.push_back(json::object{{"case", failure.name}, {"mode", failure.mode}, {"message", Latin1(failure.text)}});
  const json::object all{{"embedder", "memory"},
                         {"cases", json::object{{"passed", cases.passed}, {"failed", cases.failed}}},
                         {"runs", json::object{{"passed", runs.passed}, {"failed", runs.failed}}},
                         {"not_through_nginx", skipped},
                         {"milliseconds", ms},
                         {"rules", std::move(by_rule)},
                         {"failures", std::move(failed)}};
  std::printf("%s\n", json::serialize(all).c_str());
}

/// What became of one case.
struct Outcome {
  std::vector<Failure> failures;
  size_t passed = 0, failed = 0;  ///< runs
};

/// Plays all of them on as many threads as there are processors, each with an engine of its own.
Result<std::vector<Outcome>> PlayEach(const std::vector<const Case*>& cases) {
  constexpr unsigned kThreadsMax = 8;
  std::vector<Outcome> outcomes(cases.size());
  std::vector<std::unique_ptr<conformance::Runner>> runners;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1u, kThreadsMax); ++i) {
    WEIR_TRY(auto runner, conformance::Runner::Create());
    runners.push_back(std::move(runner));
  }
  Progress progress;
  size_t done = 0;
  std::mutex shown;
  std::atomic<size_t> next = 0;
  auto play = [&](conformance::Runner& runner) {
    for (size_t i = next++; i < cases.size(); i = next++) {
      Outcome& outcome = outcomes[i];
      for (const Run& run : RunsOf(*cases[i])) {
        const auto problems = runner.Play(run);
        ++(problems.empty() ? outcome.passed : outcome.failed);
        for (const std::string& problem : problems) outcome.failures.push_back({cases[i]->name, run.Mode(), problem});
      }
      const std::lock_guard lock(shown);
      progress.Show(double(++done) / double(cases.size()), cases[i]->name);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < runners.size(); ++i) threads.emplace_back(play, std::ref(*runners[i]));
  play(*runners[0]);
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

int PlayAll(const std::vector<const Case*>& cases, bool as_json) {
  const auto begin = std::chrono::steady_clock::now();
  const auto outcomes = PlayEach(cases);
  if (!outcomes) return PrintError(outcomes.error().message), 1;
  std::vector<Failure> failures;
  std::map<std::string, Totals> rules;
  Totals totals, runs;
  size_t not_nginx = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Outcome& outcome = (*outcomes)[i];
    failures.insert(failures.end(), outcome.failures.begin(), outcome.failures.end());
    runs.passed += outcome.passed, runs.failed += outcome.failed;
    const bool good = outcome.failed == 0 && outcome.passed > 0;
    ++(good ? totals.passed : totals.failed);
    for (const std::string& rule : cases[i]->rules) ++(good ? rules[rule].passed : rules[rule].failed);
    not_nginx += !cases[i]->not_nginx.empty();
  }
  const uint64_t ms = uint64_t(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count());
  if (as_json) {
    PrintJson(failures, rules, totals, runs, not_nginx, ms);
  } else {
    const Painter paint(STDOUT_FILENO);
    const std::string red(paint.On(Style::kRed)), green(paint.On(Style::kGreen)), off(paint.Off());
    for (const Failure& failure : failures) std::printf("%sFAIL%s %s.case (%s): %s\n", red.c_str(), off.c_str(), failure.name.c_str(), failure.mode.c_str(), failure.text.c_str());
    std::printf("%s%zu cases passed%s, %s%zu failed%s (%zu runs by ABI version and mode of statuses, %zu rules, in memory, %.1f s)\n", green.c_str(), totals.passed,
                off.c_str(), totals.failed != 0 ? red.c_str() : "", totals.failed, totals.failed != 0 ? off.c_str() : "", runs.passed + runs.failed, rules.size(), double(ms) / 1000);
  }
  return totals.failed == 0 ? 0 : 1;
}

}  // namespace

int Conformance(const ConformanceRequest& request) {
  if (request.show) {
    const auto texts = conformance::LoadTexts(request.folder);
    if (!texts) return PrintError(texts.error().message), 1;
    for (const auto& one : *texts)
      if (conformance::NameMatches(one.name, request.filter)) std::printf("# %s.case\n%s\n", one.name.c_str(), one.text.c_str());
    return 0;
  }
  const auto suite = conformance::LoadSuite(request.folder);
  if (!suite) return PrintError(suite.error().message), 1;
  if (request.matrix) return std::fputs(conformance::Matrix(*suite).c_str(), stdout), 0;
  std::vector<const Case*> chosen;
  for (const Case& one : *suite)
    if (conformance::NameMatches(one.name, request.filter)) chosen.push_back(&one);
  if (chosen.empty()) return PrintError("no case has a name like \"" + request.filter + "\" (weir conformance --list has them all)"), 1;
  if (request.list) {
    for (const Case* one : chosen) std::printf("%-64s %s\n", one->name.c_str(), one->about.c_str());
    return 0;
  }
  if (!request.export_to.empty()) return Export(chosen, request.export_to);
  return PlayAll(chosen, request.json);
}

}  // namespace weir::cli
