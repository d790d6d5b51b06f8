#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "base/nearest_name.h"
#include "cli/help_topics.h"
#include "cli/terminal.h"

// CLI11 throws: Main catches all of it.
namespace weir::cli {
namespace {

constexpr int kExitBad = 1, kExitUsage = 2;

constexpr const char* kAbout = R"(weir runs WebAssembly plugins (Proxy-Wasm) in stock NGINX.

Examples:
  weir inspect plugin.wasm                       what is in it, and whether Weir runs it
  weir run --plugin plugin.wasm                  try it: http://127.0.0.1:8080, a built-in page behind it
  weir run --plugin plugin.wasm --config plugin.json --listen 127.0.0.1:8080 --to http://127.0.0.1:3000
  weir run --file weir.yaml --watch              listeners, upstreams and a chain; reloads what changes
  weir test --plugin plugin.wasm --suite tests.textpb   cases in a file, run in memory
  weir help yaml                                 the keys of that file
  weir conformance                               what of Proxy-Wasm works, shown case by case
)";
constexpr const char* kRunAbout = R"(Serves plugins in stock NGINX: makes a configuration, has NGINX check it, becomes NGINX.

Examples:
  weir run --plugin plugin.wasm
  weir run --plugin auth.wasm --config auth.json --listen 127.0.0.1:8080 --to http://127.0.0.1:3000
  weir run --plugin auth.wasm --config auth.json --plugin waf.wasm --memory 512m --timeout 2s --to http://127.0.0.1:3000
  weir run --file weir.yaml --watch
  weir run --file weir.yaml --print-config       shows the nginx.conf and ends

Plugins run in the order given; each --config and the like belongs to the --plugin before it.
Works as any user on ports from 1024. SIGTERM or Ctrl-C ends it; what follows -- goes to nginx.
)";
constexpr const char* kInspectAbout = R"(Says what a plugin is and whether Weir runs it, without running it.

Examples:
  weir inspect plugin.wasm
  weir inspect plugin.wasm --json | jq '.imports[] | select(.offer != "works")'
  weir inspect --properties                      what plugins can read: paths, types, where and when

Exit code 0: Weir loads it; 1: it does not, and the reason is on standard error.
)";

constexpr const char* kConformanceAbout = R"(Runs the conformance suite of Proxy-Wasm in memory.

Examples:
  weir conformance                               all of it, in seconds
  weir conformance --filter http-fields          cases with that in their name; '*' and '?' as in a shell
  weir conformance --filter get-status --show    their text
  weir conformance --json | jq .rules            totals by rule
  weir conformance --export cases                guests, traffic and transcripts, for other hosts

Cases are texts: docs/conformance.md has their format. Exit code 0: all pass; 1: one does not.
)";

// In the list of commands the first line of each is enough; `weir COMMAND --help` has the rest.
class ShortCommands : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* command) const override {
    const std::string about = command->get_description();
    std::stringstream out;
    CLI::detail::format_help(out, command->get_name(), about.substr(0, about.find('\n')), column_width_);
    return out.str();
  }
};

void AddRun(CLI::App& app, Request& request, RunFlags& flags) {
  CLI::App* run = app.add_subcommand("run", kRunAbout)->callback([&] { request.command = Command::kRun; });
  AddMany(*run, "--plugin", flags.plugins, "a plugin; repeat it for a chain", "FILE.wasm");
  AddMany(*run, "--name", flags.names, "name of the plugin before it (default: from its file)", "NAME")->group("Of the plugin before it");
  flags.options.resize(PluginOptions().size());
  for (size_t i = 0; i < PluginOptions().size(); ++i) {
    const PluginOption& option = PluginOptions()[i];
    AddMany(*run, "--" + FlagOf(option.name), flags.options[i], std::string(option.help), std::string(option.value))
        ->group("Of the plugin before it");
  }
  AddMany(*run, "--listen", flags.listen, "where to listen (default 127.0.0.1:8080); may be repeated", "ADDRESS:PORT");
  run->add_option("--to", flags.to, "upstream: http://HOST:PORT or https://HOST:PORT (default: a built-in page); tcp://HOST:PORT for plugins of TCP")->type_name("URL");
  AddMany(*run, "--cluster", flags.clusters, "what plugins may call by that name: authz=https://authz.internal:8443", "NAME=URL");
  AddMany(*run, "--allow-host", flags.allow_hosts, "a host that plugins may call by its own name: HOST[:PORT], *.DOMAIN or any", "HOST");
  run->add_option("--tls-certificate", flags.certificate, "listen with TLS: certificate chain, PEM")->type_name("FILE");
  run->add_option("--tls-key", flags.key, "its key, PEM")->type_name("FILE");
  run->add_flag("--http2", flags.http2, "HTTP/2 (without TLS: HTTP/2 alone, by prior knowledge)");
  run->add_option("--file,-f", flags.file, "all of it from a YAML file (weir help yaml)")->type_name("weir.yaml");
  run->add_option("--workers", request.run.workers, "worker processes: a number or auto (default 1)")->type_name("N|auto");
  run->add_option("--log-level", request.run.log_level, "debug, info (default), notice, warn, error or crit")->type_name("LEVEL");
  run->add_flag("--print-config", request.run.print_config, "print the nginx.conf and end");
  run->add_flag("--watch", request.run.watch, "reload on change of a file; a bad version is printed, the old one keeps serving");
}

void AddRest(CLI::App& app, Request& request) {
  CLI::App* inspect = app.add_subcommand("inspect", kInspectAbout)->callback([&] { request.command = Command::kInspect; });
  CLI::Option* file = inspect->add_option("file", request.inspect.file, "the plugin")->type_name("FILE.wasm");
  inspect->add_flag("--properties", request.inspect.properties, "what proxy_get_property answers, in place of a plugin")->excludes(file);
  inspect->add_flag("--json", request.inspect.json, "for programs");

  CLI::App* suite = app.add_subcommand("conformance", kConformanceAbout)->callback([&] { request.command = Command::kConformance; });
  suite->add_option("--filter", request.conformance.filter, "only cases whose name has this in it, or fits this pattern")->type_name("PATTERN");
  suite->add_option("--cases", request.conformance.folder, "a folder of cases in place of those that are built in")->type_name("DIRECTORY");
  suite->add_option("--export", request.conformance.export_to, "write guests and cases.json, and run nothing")->type_name("DIRECTORY");
  suite->add_flag("--json", request.conformance.json, "for programs");
  suite->add_flag("--matrix", request.conformance.matrix, "what the cases cover, as Markdown, and run nothing");
  suite->add_flag("--list", request.conformance.list, "names and rules, and run nothing");
  suite->add_flag("--show", request.conformance.show, "the texts, and run nothing");

  CLI::App* completion = app.add_subcommand("completion", "Prints a completion script: weir completion bash > /etc/bash_completion.d/weir")
                             ->callback([&] { request.command = Command::kCompletion; });
  completion->add_option("shell", request.topic, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}))->type_name("SHELL");

  app.add_subcommand("man", "Prints the manual page: weir man | man -l -")->callback([&] { request.command = Command::kMan; });

  std::string topics;
  for (const HelpTopic& topic : HelpTopics()) topics += (topics.empty() ? "" : ", ") + std::string(topic.name);
  CLI::App* help = app.add_subcommand("help", "Explains a command or a topic: " + topics)->callback([&] { request.command = Command::kHelp; });
  help->add_option("topic", request.topic, "a command, or " + topics)->type_name("TOPIC");
}

// The names on the command line that could have been meant instead of `word`.
std::string Suggestion(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  const auto add_flags = [&](const CLI::App& of) {
    for (const CLI::Option* option : of.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  };
  add_flags(app);
  for (const CLI::App* command : app.get_subcommands()) add_flags(*command);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = NearestName(word, views);
  return near.empty() ? "" : "; did you mean " + std::string(near) + "?";
}

int UsageError(const CLI::App& app, const std::string& message) {
  const auto parsed = app.get_subcommands();
  const std::string command = parsed.empty() ? "" : " " + parsed.front()->get_name();
  PrintError(message + " (see weir" + command + " --help)");
  return kExitUsage;
}

// "--congif=x" -> "--congif"
std::string WordOf(const std::string& argument) { return argument.substr(0, argument.find('=')); }

int Help(CLI::App& app, const std::string& topic) {
  if (topic.empty()) {
    std::fputs(app.help().c_str(), stdout);
    std::fputs("Topics (weir help TOPIC):\n", stdout);
    for (const HelpTopic& known : HelpTopics()) std::printf("  %-14s %s\n", known.name.data(), known.summary.data());
    return 0;
  }
  for (const HelpTopic& known : HelpTopics()) {
    if (known.name == topic) {
      std::fwrite(known.text.data(), 1, known.text.size(), stdout);
      return 0;
    }
  }
  std::vector<std::string> names;
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    if (command->get_name() == topic) {
      std::fputs(command->help("weir", CLI::AppFormatMode::Normal).c_str(), stdout);
      return 0;
    }
    names.push_back(command->get_name());
  }
  for (const HelpTopic& known : HelpTopics()) names.emplace_back(known.name);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = NearestName(topic, views);
  PrintError("no help on \"" + topic + "\"" + (near.empty() ? " (see weir help)" : "; did you mean " + std::string(near) + "?"));
  return kExitUsage;
}

// What follows the first "--" is nginx's.
std::vector<std::string> TakeRest(int argc, char** argv, std::vector<std::string>& rest) {
  std::vector<std::string> arguments;
  bool after = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!after && argument == "--") {
      after = true;
    } else {
      (after ? rest : arguments).push_back(argument);
    }
  }
  return arguments;
}

int Execute(CLI::App& app, Request& request, const RunFlags& flags, const TestFlags& test_flags) {
  switch (request.command) {
    case Command::kRun:
      if (const Result<void> finished = FinishRun(app, flags, request); !finished) return UsageError(app, finished.error().message);
      return Run(request.run);
    case Command::kInspect:
      if (request.inspect.file.empty() && !request.inspect.properties) return UsageError(app, "file is required, or --properties");
      return Inspect(request.inspect);
    case Command::kTest:
      if (const Result<void> finished = FinishTest(app, test_flags, request.test); !finished) return UsageError(app, finished.error().message);
      return Test(request.test);
    case Command::kConformance: return Conformance(request.conformance);
    case Command::kCompletion: std::fputs(Completion(app, request.topic).c_str(), stdout); return 0;
    case Command::kMan: std::fputs(ManPage(app).c_str(), stdout); return 0;
    case Command::kHelp: return Help(app, request.topic);
    case Command::kNone: break;
  }
  std::fputs(app.help().c_str(), stderr);
  return kExitUsage;
}

int ParseAndExecute(int argc, char** argv) {
  Request request;
  RunFlags flags;
  TestFlags test_flags;
  const std::unique_ptr<CLI::App> app = MakeApp(request, flags, test_flags);
  std::vector<std::string> arguments = TakeRest(argc, argv, request.run.nginx_arguments);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app->parse(arguments);
  } catch (const CLI::CallForHelp& help) {
    return app->exit(help, std::cout, std::cerr) == 0 ? 0 : kExitUsage;
  } catch (const CLI::CallForVersion&) {
    std::printf("weir %s\n", kVersion.data());
    return 0;
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> extras = app->remaining(true);
    const std::string word = extras.empty() ? "" : WordOf(extras.front());
    return UsageError(*app, "unknown " + std::string(word.starts_with("-") ? "flag " : "argument ") + word + Suggestion(*app, word));
  } catch (const CLI::ParseError& fault) {
    return UsageError(*app, fault.what());
  }
  if (!request.run.nginx_arguments.empty() && request.command != Command::kRun) {
    return UsageError(*app, "-- passes arguments to nginx, which only weir run starts");
  }
  return Execute(*app, request, flags, test_flags);
}

// "dir/my auth.wasm" -> "my-auth"; `taken` keeps names apart: "my-auth-2".
std::string NameOf(const std::string& file, std::set<std::string>& taken) {
  std::string stem = std::filesystem::path(file).stem().string();
  for (char& c : stem) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!fine) c = '-';
  }
  if (stem.empty()) stem = "plugin";
  std::string name = stem;
  for (int i = 2; !taken.insert(name).second; ++i) name = stem + "-" + std::to_string(i);
  return name;
}

std::string AbsolutePath(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// CLI11 keeps values by option; parse_order() has the option of each value in the order given.
Result<std::vector<RunPlugin>> PluginsInOrder(const CLI::App& run, const RunFlags& flags) {
  std::vector<RunPlugin> plugins;
  std::set<std::string> taken(flags.names.begin(), flags.names.end());
  std::map<const CLI::Option*, size_t> used;
  for (const CLI::Option* option : run.parse_order()) {
    const size_t index = used[option]++;
    const std::string flag = option->get_lnames().empty() ? "" : option->get_lnames().front();
    if (flag == "plugin") {
      plugins.push_back({.name = "", .file = AbsolutePath(flags.plugins.at(index)), .options = {}});
      continue;
    }
    for (size_t row = 0; row < PluginOptions().size(); ++row) {
      const PluginOption& known = PluginOptions()[row];
      if (flag != FlagOf(known.name)) continue;
      if (plugins.empty()) return Usage("--" + flag + " belongs to the --plugin before it, and there is none");
      auto& options = plugins.back().options;
      const bool again = std::any_of(options.begin(), options.end(), [&](const auto& given) { return given.first == known.name; });
      if (again && known.times == PluginOption::Times::kOnce) return Usage("--" + flag + " is there twice for the plugin " + plugins.back().file);
      const std::string& value = flags.options[row].at(index);
      options.emplace_back(known.name, known.name == "config" ? AbsolutePath(value) : value);
    }
    if (flag == "name") {
      if (plugins.empty()) return Usage("--name belongs to the --plugin before it, and there is none");
      if (!plugins.back().name.empty()) return Usage("--name is there twice for the plugin " + plugins.back().file);
      plugins.back().name = flags.names.at(index);
    }
  }
  for (RunPlugin& plugin : plugins) {
    if (plugin.name.empty()) plugin.name = NameOf(plugin.file, taken);
    const auto has = [&](std::string_view name) {
      return std::any_of(plugin.options.begin(), plugin.options.end(), [&](const auto& given) { return given.first == name; });
    };
    if (has("config") && has("config_inline")) return Usage("--config and --config-inline of the plugin " + plugin.file + ": keep one");
  }
  return plugins;
}

}  // namespace

CLI::Option* AddMany(CLI::App& app, const std::string& flag, std::vector<std::string>& values, const std::string& help,
                     const std::string& value_name) {
  return app.add_option(flag, values, help)
      ->type_name(value_name)
      ->type_size(1)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::unique_ptr<CLI::App> MakeApp(Request& request, RunFlags& flags, TestFlags& test_flags) {
  auto app = std::make_unique<CLI::App>(kAbout, "weir");
  app->set_version_flag("--version,-V", std::string(kVersion), "print the version");
  app->require_subcommand(0, 1);
  app->formatter(std::make_shared<ShortCommands>());
  app->get_formatter()->column_width(34);
  AddRun(*app, request, flags);
  AddTest(*app, request, test_flags);
  AddRest(*app, request);
  return app;
}

Result<void> FinishRun(const CLI::App& app, const RunFlags& flags, Request& request) {
  const CLI::App& run = *app.get_subcommand("run");
  RunRequest& out = request.run;
  WEIR_TRY(out.config.plugins, PluginsInOrder(run, flags));
  out.yaml_file = flags.file;
  if (!flags.file.empty()) {
    const bool both = !flags.plugins.empty() || !flags.listen.empty() || !flags.to.empty() || !flags.certificate.empty() || flags.http2 ||
                      !flags.clusters.empty() || !flags.allow_hosts.empty();
    if (both) {
      return Usage("--file has plugins, listeners, upstreams and clusters in it: leave out --plugin, --listen, --to, --cluster, "
                   "--allow-host, --tls-… and --http2");
    }
    return {};
  }
  if (out.config.plugins.empty()) return Usage("nothing to run: give --plugin FILE.wasm or --file weir.yaml");
  if (flags.certificate.empty() != flags.key.empty()) return Usage("--tls-certificate and --tls-key go together");
  for (const std::string& text : flags.clusters) {
    Result<RunCluster> cluster = ParseClusterFlag(text);
    if (!cluster) return Usage("--cluster " + cluster.error().message);
    out.config.clusters.push_back(*std::move(cluster));
  }
  out.config.allow_hosts = flags.allow_hosts;
  RunRoute route;
  for (const RunPlugin& plugin : out.config.plugins) route.plugins.push_back(plugin.name);
  if (flags.to.starts_with("tcp:")) {
    Result<std::string> to = ParseTcpUrl(flags.to);
    if (!to) return Usage("--to " + to.error().message);
    if (flags.http2) return Usage("--http2 is for HTTP, and --to " + flags.to + " for TCP: leave out one");
    out.config.tcp_to = *std::move(to);
  } else if (!flags.to.empty()) {
    Result<RunUpstream> upstream = ParseUpstreamUrl(flags.to, "upstream");
    if (!upstream) return Usage("--to " + upstream.error().message);
    out.config.upstreams.push_back(*std::move(upstream));
    route.kind = RunRoute::Kind::kUpstream;
    route.upstream = "upstream";
  }
  RunListener listener;
  listener.http2 = flags.http2;
  if (!flags.certificate.empty()) {
    listener.certificate = AbsolutePath(flags.certificate);
    listener.key = AbsolutePath(flags.key);
  }
  listener.routes.push_back(route);
  const std::vector<std::string> defaults = {listener.address};
  for (const std::string& text : flags.listen.empty() ? defaults : flags.listen) {
    const Result<Address> address = ParseAddress(text);
    if (!address) return Usage("--listen " + address.error().message);
    listener.address = address->ForNginx();
    out.config.listeners.push_back(listener);
  }
  return {};
}

int Main(int argc, char** argv) noexcept {
  try {
    return ParseAndExecute(argc, argv);
  } catch (const std::exception& fault) {
    PrintError(std::string("internal: ") + fault.what());
  }
  return kExitBad;
}

}  // namespace weir::cli
