#include "cli/call.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <iterator>

#include "base/nearest_name.h"
#include "base/wasm_cursor.h"
#include "cli/call_input.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "host/grpc_wire.h"
#include "scenario/text.h"
#include "weir/extism.h"
#include "weir/plugin.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
constexpr int kExitFailed = 1, kExitUsage = 2;
constexpr uint64_t kPage = 64 << 10;
constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
constexpr std::string_view kReadOnly = "ro:";

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

double MsSince(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

/// TIME and SIZE as every command takes them.
Result<Limits> ParseLimits(const CallRequest& request) {
  PluginSpec spec;
  for (const auto& [name, value] : {std::pair<const char*, const std::string&>("timeout", request.timeout), {"memory", request.memory}}) {
    if (value.empty()) continue;
    if (const std::string wrong = scenarios::SetPluginOption(&spec, name, value); !wrong.empty()) return Usage("--" + std::string(name) + " " + value + ": " + wrong);
  }
  return spec.limits;
}

/// The file as a manifest, with what the flags add.
Result<extism::Manifest> ManifestOf(const CallRequest& request) {
  WEIR_TRY(std::string bytes, ReadFile(request.file));
  extism::Manifest manifest;
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool is_text = first != bytes.npos && (bytes.compare(first, 1, "(") == 0 || bytes.compare(first, 2, ";;") == 0);
  if (bytes.starts_with(std::string_view("\0asm", 4)) || is_text) {
    manifest.modules.push_back({.data = std::move(bytes)});
  } else {
    auto parsed = extism::ParseManifest(bytes);
    if (!parsed) return Usage(request.file + ": is neither a module nor a manifest of Extism (JSON or TOML; docs/extism.md has its keys)");
    manifest = *std::move(parsed);
  }
  for (const std::string& row : request.config) {
    const size_t equals = row.find('=');
    if (equals == row.npos || equals == 0) return Usage("--config " + row + ": is not KEY=VALUE");
    manifest.config.emplace_back(row.substr(0, equals), row.substr(equals + 1));
  }
  if (!request.allow_hosts.empty() && !manifest.allowed_hosts) manifest.allowed_hosts.emplace();
  for (const std::string& host : request.allow_hosts) manifest.allowed_hosts->push_back(host);
  for (const std::string& row : request.allow_paths) {
    const size_t colon = row.find(':', row.starts_with(kReadOnly) ? kReadOnly.size() : 0);
    const std::string host = row.substr(0, colon);
    const std::string own = host.starts_with(kReadOnly) ? host.substr(kReadOnly.size()) : host;
    manifest.allowed_paths.emplace_back(host, colon == row.npos ? own : row.substr(colon + 1));
  }
  WEIR_TRY(const Limits limits, ParseLimits(request));
  if (!request.timeout.empty()) manifest.limits.timeout_ms = limits.callback_ms;
  if (!request.memory.empty()) manifest.limits.memory_pages_max = static_cast<uint32_t>(limits.memory_bytes / kPage);
  return manifest;
}

Result<extism::PluginOptions> OptionsOf(const CallRequest& request) {
  extism::PluginOptions options{.wasi = request.wasi, .fuel = request.fuel, .http_response_headers = true, .http = extism::CurlClient()};
  const std::string wanted = request.log_level.empty() ? "warn" : request.log_level;
  const auto* level = std::find(std::begin(kLevels), std::end(kLevels), wanted);
  if (level == std::end(kLevels)) return Usage("--log-level " + wanted + ": is none of trace, debug, info, warn, error, off");
  options.log.level = static_cast<extism::LogLevel>(level - kLevels);
  options.log.write = [](extism::LogLevel at, std::string_view, std::string_view message) {
    std::fprintf(stderr, "%s: %s\n", kLevels[static_cast<size_t>(at)].data(), Printable(message).c_str());
  };
  options.cache = request.cache.empty() ? CodeCache::Default() : CodeCache{request.cache};
  return options;
}

/// What to do about an import that is not there; empty: nobody knows.
std::string RemedyOf(std::string_view why, bool wasi) {
  if (why.find("unknown import: `wasi_") != why.npos) return wasi ? "" : "; --wasi offers WASI";
  if (why.find("unknown import: `") == why.npos || why.find("unknown import: `extism:host/env::") != why.npos) return "";
  return "; a host function of its application: a manifest can bring it as a module of that name (docs/extism.md)";
}

std::string WithCause(const std::string& message, const std::string& cause) {
  return cause.empty() || cause == message ? message : message + "\ncaused by: " + cause;
}

json::object JsonOf(const extism::Outcome& outcome, const extism::Plugin& plugin, double load_ms, double call_us) {
  json::object out{{"code", outcome.code}};
  if (IsUtf8(outcome.output)) {
    out["output"] = outcome.output;
  } else {
    std::string text = EncodeBase64(outcome.output);
    text.append((4 - text.size() % 4) % 4, '=');
    out["output_base64"] = std::move(text);
  }
  out["error"] = outcome.failed ? json::value(outcome.error) : json::value(nullptr);
  if (outcome.failed) out["cause"] = outcome.cause;
  if (const auto fuel = plugin.fuel_consumed()) out["fuel"] = *fuel;
  out["load_ms"] = load_ms;
  out["call_us"] = call_us;
  return out;
}

int PrintFunctions(const extism::Compiled& compiled, bool as_json) {
  const std::vector<std::string> names = compiled.Functions();
  if (as_json) {
    std::printf("%s\n", json::serialize(json::value_from(names)).c_str());
  } else {
    for (const std::string& name : names) std::printf("%s\n", Printable(name).c_str());
  }
  return 0;
}

int Fail(const Error& error) {
  PrintError(error.message);
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kNotFound || error.code == ErrorCode::kIo ? kExitUsage : kExitFailed;
}

}  // namespace

int Call(const CallRequest& request) {
  auto manifest = ManifestOf(request);
  if (!manifest) return Fail(manifest.error());
  const auto input = CallInput::Open(request);
  if (!input) return Fail(input.error());
  auto options = OptionsOf(request);
  if (!options) return Fail(options.error());
  const auto runtime = extism::Runtime::Create();
  if (!runtime) return Fail(runtime.error());
  std::string cause;
  const auto start = Clock::now();
  const auto compiled = (*runtime)->Compile(*manifest, *std::move(options), &cause);
  if (!compiled) return PrintError(request.file + ": " + WithCause(compiled.error().message, cause)), kExitFailed;
  if (request.function.empty()) return PrintFunctions(**compiled, request.json);
  const auto plugin = (*compiled)->NewPlugin(&cause);
  if (!plugin) {
    const std::string why = WithCause(plugin.error().message, cause);
    return PrintError(request.file + ": " + why + RemedyOf(why, request.wasi)), kExitFailed;
  }
  const double load_ms = MsSince(start);
  extism::Outcome outcome;
  const auto called = Clock::now();
  for (uint32_t i = 0; i < request.count; ++i) {
    outcome = (*plugin)->CallRaw(request.function, (*input)->Next());
    if (outcome.failed || outcome.code != 0) break;
  }
  const double call_us = MsSince(called) * 1000 / request.count;
  // What is wrong with the input's file is no answer of the plugin.
  if (outcome.input_error == ErrorCode::kIo) return PrintError(outcome.error), kExitUsage;
  const bool good = !outcome.failed && outcome.code == 0;
  if (request.json) {
    std::printf("%s\n", json::serialize(JsonOf(outcome, **plugin, load_ms, call_us)).c_str());
    return good ? 0 : kExitFailed;
  }
  std::fwrite(outcome.output.data(), 1, outcome.output.size(), stdout);
  if (isatty(STDOUT_FILENO) && !outcome.output.empty() && outcome.output.back() != '\n') std::putchar('\n');
  std::fflush(stdout);
  if (request.times) std::fprintf(stderr, "loaded in %.2f ms, called in %.2f us\n", load_ms, call_us);
  if (good) return 0;
  if (!outcome.failed) {
    PrintError(request.function + " returned " + std::to_string(outcome.code));
    return kExitFailed;
  }
  std::string why = WithCause(outcome.error, outcome.cause);
  if (!(*compiled)->FunctionExists(request.function)) {
    const std::vector<std::string> names = (*compiled)->Functions();
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view near = NearestName(request.function, views);
    why += near.empty() ? "; there are: " + Join(names) : "; did you mean " + std::string(near) + "?";
  }
  PrintError(why);
  return kExitFailed;
}

}  // namespace weir::cli
