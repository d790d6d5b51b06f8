#include "cli/run.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "cli/command.h"
#include "cli/nginx.h"
#include "cli/nginx_config.h"
#include "cli/prefix.h"
#include "cli/run_yaml.h"
#include "cli/terminal.h"
#include "cli/watch.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

constexpr std::string_view kConf = "nginx.conf";

std::string_view ModuleFor(const RunConfig& config) { return config.tcp_to.empty() ? kHttpModule : kStreamModule; }

int PrintConfig(const RunConfig& config) {
  // The prefix is made anew at each start; this one is only shown.
  NginxPlaces places{.prefix = "/run/weir-run"};
  if (!config.plugins.empty()) {
    places.module = ModuleFor(config);
    if (!config.tcp_to.empty()) places.stream = FindStream();
    if (auto nginx = FindNginx()) {
      if (auto module = FindModule(*nginx, ModuleFor(config))) places.module = *module;
    }
  }
  const NginxConfig made = MakeNginxConfig(config, places);
  std::fputs(made.text.c_str(), stdout);
  for (const auto& [name, content] : made.files) {
    std::printf("\n# %s/%s is\n# %s\n", places.prefix.c_str(), name.c_str(), content.c_str());
  }
  return 0;
}

void Announce(const RunConfig& config, const Nginx& nginx, const NginxPlaces& places) {
  for (const RunListener& listener : config.listeners) {
    std::string address = listener.address;
    if (address.starts_with("*:")) address.replace(0, 1, "127.0.0.1");
    for (const RunRoute& route : listener.routes) {
      std::string chain;
      for (const std::string& plugin : route.plugins) chain += plugin + " -> ";
      if (!config.tcp_to.empty()) {
        Note((listener.certificate.empty() ? "tcp://" : "tls://") + address + "  ->  " + chain + config.tcp_to);
        continue;
      }
      const std::string target = route.kind == RunRoute::Kind::kUpstream ? route.upstream
                                 : route.kind == RunRoute::Kind::kRoot   ? route.root
                                 : route.kind == RunRoute::Kind::kPage   ? "a built-in page (no --to was given)"
                                                                         : "status " + std::to_string(route.status);
      Note((listener.certificate.empty() ? "http://" : "https://") + address + route.path + "  ->  " + chain + target);
    }
  }
  if (places.access_log != "/dev/stdout" && config.tcp_to.empty()) Note("requests are logged to " + places.access_log);
  Note("NGINX " + nginx.version + " is starting; Ctrl-C ends it");
}

Result<void> CheckListeners(const RunConfig& config) {
  std::set<std::string> checked;
  for (const RunListener& listener : config.listeners) {
    if (checked.insert(listener.address).second) WEIR_TRY_VOID(CheckCanListen(listener.address));
  }
  return {};
}

// Everything until NGINX would start; `run` is complete when it succeeds.
Result<void> Prepare(const RunConfig& config, WatchedRun& run) {
  WEIR_TRY_VOID(CheckListeners(config));
  if (!config.plugins.empty()) {
    WEIR_TRY(run.places.module, FindModule(run.nginx, ModuleFor(config)));
  }
  if (!config.tcp_to.empty()) run.places.stream = FindStream();
  WEIR_TRY(run.places.prefix, MakePrefix());
  run.places.access_log = AccessLogFor(run.places.prefix);
  return WriteAndTest(config, run, std::string(kConf));
}

int Fail(const Error& error, const std::string& prefix) {
  PrintError(error.message);
  std::error_code ignored;
  if (!prefix.empty()) std::filesystem::remove_all(prefix, ignored);
  return 1;
}

}  // namespace

Result<RunConfig> LoadRunConfig(const RunRequest& request) {
  RunConfig config = request.config;
  if (!request.yaml_file.empty()) {
    WEIR_TRY(const std::string text, ReadFile(request.yaml_file));
    WEIR_TRY(config, ParseRunYaml(text, request.yaml_file));
  }
  if (!request.workers.empty()) config.workers = request.workers;
  if (!request.log_level.empty()) config.log_level = request.log_level;
  WEIR_TRY_VOID(CheckRunConfig(config));
  return config;
}

int Run(const RunRequest& request) {
  const Result<RunConfig> config = LoadRunConfig(request);
  if (!config) return Fail(config.error(), "");
  if (request.print_config) return PrintConfig(*config);
  // nginx takes this variable as its list of inherited sockets.
  unsetenv("NGINX");
  const Result<Nginx> nginx = FindNginx();
  if (!nginx) return Fail(nginx.error(), "");
  WatchedRun run{request, *nginx, {}};
  if (const Result<void> prepared = Prepare(*config, run); !prepared) return Fail(prepared.error(), run.places.prefix);
  Announce(*config, *nginx, run.places);
  const std::vector<std::string> command = NginxCommand(run, std::string(kConf));
  if (request.watch) {
    const int exit_code = RunAndWatch(run, command);
    std::error_code ignored;
    std::filesystem::remove_all(run.places.prefix, ignored);
    return exit_code;
  }
  std::fflush(nullptr);
  return Fail(ExecCommand(command), run.places.prefix);
}

}  // namespace weir::cli
