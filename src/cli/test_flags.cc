// The flags of `weir test`.
#include <CLI/CLI.hpp>
#include <map>

#include "cli/app.h"
#include "cli/plugin_flags.h"
#include "scenario/text.h"

namespace weir::cli {
namespace {

constexpr const char* kTestAbout = R"(Runs test suites against plugins, in memory, without a proxy.

Examples:
  weir test --plugin plugin.wasm --suite tests.textpb
  weir test --plugin plugin.wasm --config plugin.json --suite tests.yaml --suite more.textpb
  weir test --plugin a.wasm --suite a.textpb --plugin b.wasm --config b.json --suite b.textpb
  weir test --plugin plugin.wasm --suite tests.textpb --filter 'Redirect.*' --verbose
  weir test --plugin plugin.wasm --suite tests.textpb --any-chunking --junit out.xml

Suites are those of the tester of Google's Service Extensions (text format, or YAML by its name), and the same cases pass and fail;
docs/test.md has the format and what Weir adds to it. With one --plugin it is that of every --suite; with several, each --config
and --suite belongs to the --plugin before it. Exit code 0: all pass; 1: a case fails; 2: bad input, and nothing was run.
)";

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

void AddTest(CLI::App& app, Request& request, TestFlags& flags) {
  CLI::App* test = app.add_subcommand("test", kTestAbout)->callback([&] { request.command = Command::kTest; });
  suite::RunOptions& options = request.test.options;
  AddMany(*test, "--plugin", flags.plugins, "the plugin; may be repeated, with suites of its own", "FILE.wasm");
  AddMany(*test, "--config", flags.configs, "its configuration", "FILE");
  AddMany(*test, "--suite", flags.suites, "cases: text format, or YAML by its name; may be repeated", "FILE");
  test->add_option("--filter", options.filter, "only cases whose name has this in it (RE2); the rest is skipped")->type_name("REGEX");
  test->add_option("--jobs,-j", options.jobs, "cases at a time (default: one a processor)")->type_name("N")->check(CLI::Range(1, 1024));
  test->add_flag("--any-chunking", options.any_chunking, "cases with bodies again, cut otherwise: the result must be the same");
  test->add_option("--timeout", flags.timeout, "limit of a callback's CPU time (default 2s)")->type_name("TIME");
  test->add_option("--start-timeout", flags.start_timeout, "limit of CPU time for start and configuration (default 30s)")->type_name("TIME");
  test->add_option("--memory", flags.memory, "limit of an instance's memory (default 256m)")->type_name("SIZE");
  test->add_option("--log-level", options.log_level, "least level that is kept of logs, in place of the suite's")
      ->type_name("TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL");
  test->add_option("--log-file", options.log_file, "append the plugins' log lines to it, in place of the suite's log_path")->type_name("FILE");
  test->add_option("--cache", flags.cache, "where compiled plugins are kept (default: weir help environment)")->type_name("DIRECTORY");
  test->add_option("--junit", request.test.junit, "write the results as JUnit XML")->type_name("FILE");
  test->add_flag("--json", request.test.json, "for programs");
  test->add_flag("--verbose,-v", request.test.verbose, "a line for each case, and the log of those that fail");
}

// CLI11 keeps values by option; parse_order() has the option of each value in the order given.
Result<void> FinishTest(const CLI::App& app, const TestFlags& flags, TestRequest& request) {
  suite::RunOptions& options = request.options;
  if (flags.suites.empty()) return Usage("nothing to test: give --suite FILE");
  options.spec.limits.callback_ms = suite::kTestTimeoutMs;
  for (const auto& [name, flag, value] : {std::tuple("memory", "--memory ", flags.memory), std::tuple("timeout", "--timeout ", flags.timeout),
                                          std::tuple("start_timeout", "--start-timeout ", flags.start_timeout)}) {
    if (value.empty()) continue;
    if (const std::string wrong = scenarios::SetPluginOption(&options.spec, name, value); !wrong.empty()) return Usage(flag + value + ": " + wrong);
  }
  options.quiet_stdout = request.json;
  options.cache = flags.cache.empty() ? CodeCache::Default() : CodeCache{flags.cache};
  if (flags.plugins.size() <= 1) {
    if (flags.configs.size() > 1) return Usage("--config is there twice for one --plugin");
    options.batches.push_back({flags.plugins.empty() ? "" : flags.plugins[0], flags.configs.empty() ? "" : flags.configs[0], flags.suites});
    return {};
  }
  std::map<const CLI::Option*, size_t> used;
  for (const CLI::Option* option : app.get_subcommand("test")->parse_order()) {
    const std::string flag = option->get_lnames().front();
    const size_t index = used[option]++;
    auto& batches = options.batches;
    if (flag == "plugin") {
      batches.push_back({flags.plugins.at(index), "", {}});
    } else if (flag == "config" || flag == "suite") {
      if (batches.empty()) return Usage("--" + flag + " belongs to the --plugin before it, and there is none");
      if (flag == "suite") {
        batches.back().suites.push_back(flags.suites.at(index));
      } else if (!batches.back().config.empty()) {
        return Usage("--config is there twice for the plugin " + batches.back().plugin);
      } else {
        batches.back().config = flags.configs.at(index);
      }
    }
  }
  for (const suite::Batch& batch : options.batches)
    if (batch.suites.empty()) return Usage("no --suite for the plugin " + batch.plugin);
  return {};
}

}  // namespace weir::cli
