// The flags of `weir call`.
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/plugin_flags.h"

namespace weir::cli {
namespace {

constexpr const char* kCallAbout = R"(Calls a function of a plugin of Extism: bytes go in, bytes come out.

Examples:
  weir call plugin.wasm count_vowels --input 'this is a test'
  weir call plugin.wasm                                         what can be called
  weir call plugin.wasm resize --input-file in.png > out.png
  weir call plugin.wasm main --wasi --config key=value --timeout 2s
  weir call plugin.wasm fetch --allow-host '*.example.org' --input https://api.example.org/
  weir call manifest.toml run --input-file - --json | jq -r .output

FILE is a module (binary or text) or a manifest (JSON or TOML); flags come on top of what the manifest says. docs/extism.md has the
manifest's keys. Exit code 0: done; 1: the plugin failed, does not load, or returned another number than 0; 2: a wrong flag or file.
)";

}  // namespace

void AddCall(CLI::App& app, Request& request) {
  CallRequest& out = request.call;
  CLI::App* call = app.add_subcommand("call", kCallAbout)->callback([&] { request.command = Command::kCall; });
  call->add_option("file", out.file, "the module or manifest")->required()->type_name("FILE");
  call->add_option("function", out.function, "what to call; without it: what can be called")->type_name("FUNCTION");
  auto* input = call->add_option("--input,-i", out.input, "the input")->type_name("TEXT");
  call->add_option("--input-file", out.input_file, "the input is this file's content (-: standard input)")->type_name("FILE")->excludes(input);
  AddMany(*call, "--config,-c", out.config, "the plugin's configuration; may be repeated", "KEY=VALUE");
  call->add_flag("--wasi", out.wasi, "offer WASI preview 1: clocks, random numbers, and files of --allow-path");
  AddMany(*call, "--allow-host", out.allow_hosts, "a host that the plugin may send requests to: * and ? are wild; may be repeated", "HOST");
  AddMany(*call, "--allow-path", out.allow_paths, "a directory that it may use, by GUEST's name (ro: in front: only read); may be repeated", "DIRECTORY[:GUEST]");
  call->add_option("--timeout", out.timeout, "stop the call after this time (default: never)")->type_name("TIME");
  call->add_option("--memory", out.memory, "memory that it may take (default: no limit)")->type_name("SIZE");
  call->add_option("--fuel", out.fuel, "instructions that the call may take (default: no limit)")->type_name("N");
  call->add_option("--count,-n", out.count, "call it so often; the last output is shown")->type_name("N")->check(CLI::Range(1u, 1'000'000'000u));
  call->add_option("--log-level", out.log_level, "show what the plugin logs, from this level on (default warn)")->type_name("trace|debug|info|warn|error|off");
  call->add_option("--cache", out.cache, "where compiled plugins are kept (default: weir help environment)")->type_name("DIRECTORY");
  call->add_flag("--times", out.times, "how long it took, on standard error");
  call->add_flag("--json", out.json, "output, code, error and times, for programs");
}

}  // namespace weir::cli
