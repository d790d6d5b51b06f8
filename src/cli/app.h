// The commands and flags of `weir`, as CLI11 knows them; help, manual page and completion are read off it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/call.h"
#include "cli/cclb.h"
#include "cli/check.h"
#include "cli/conformance.h"
#include "cli/fuzz.h"
#include "cli/inspect.h"
#include "cli/plugin_flags.h"
#include "cli/request.h"
#include "cli/run.h"
#include "cli/test.h"
#include "cli/trace.h"

namespace CLI {
class App;
class Option;
}

namespace weir::cli {

inline constexpr std::string_view kVersion = WEIR_VERSION;

enum class Command : unsigned char {
  kNone, kRun, kTest, kRequest, kCheck, kBench, kCall, kFuzz, kInspect, kConformance, kTrace, kCclb, kCompletion, kMan, kHelp,
};

/// What the command line asked for.
struct Request {
  Command command = Command::kNone;
  RunRequest run;
  BenchRequest bench;
  CallRequest call;
  FuzzRequest fuzz;
  InspectRequest inspect;
  CheckRequest check;
  RequestOptions request;
  ConformanceRequest conformance;
  CclbRequest cclb;
  TestRequest test;
  TraceRequest trace;
  std::string topic;  ///< kHelp: a command or topic; kCompletion: the shell; kMan: a command
  std::string man_directory;
};

/// Flags as given, before they become a RunRequest.
struct RunFlags {
  PluginFlags of_plugins;  ///< of weir run
  PluginFlags of_request;
  std::vector<std::string> listen, clusters, allow_hosts;
  std::string to, file, certificate, key;
  bool http2 = false;
};

/// Flags of `weir test` as given, before they become a TestRequest.
struct TestFlags {
  std::vector<std::string> plugins, configs, suites;
  std::string memory, timeout, start_timeout, cache;
};

/// The app with every command; parsing fills `request` and the flags, which outlive it.
std::unique_ptr<CLI::App> MakeApp(Request& request, RunFlags& flags, TestFlags& test_flags);

/// After a successful parse of `weir run`: flags in their order on the command line become the plugins of `request.run`.
Result<void> FinishRun(const CLI::App& app, const RunFlags& flags, Request& request);

void AddCall(CLI::App& app, Request& request);
void AddTest(CLI::App& app, Request& request, TestFlags& flags);
/// After a successful parse of `weir test`: --plugin, --config and --suite in their order become batches.
Result<void> FinishTest(const CLI::App& app, const TestFlags& flags, TestRequest& request);
/// After a successful parse of `weir request`: its plugins.
Result<void> FinishRequest(const CLI::App& app, const RunFlags& flags, Request& request);

/// Prints the manual page (man(7)) of `command`, "cclb-list"; empty: of weir. Or writes all into `directory`: weir.1, weir-run.1 … The exit code.
int Man(const CLI::App& app, const std::string& command, const std::string& directory);
/// "bash", "zsh" or "fish".
std::string Completion(const CLI::App& app, const std::string& shell);

/// All of `weir`: the exit code. Nothing is thrown out of it.
int Main(int argc, char** argv) noexcept;

}  // namespace weir::cli
