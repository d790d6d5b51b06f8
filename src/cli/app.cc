#include "cli/app.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/nearest_name.h"
#include "cli/about.h"
#include "cli/help_topics.h"
#include "cli/plugin_flags.h"
#include "cli/terminal.h"

// CLI11 throws: Main catches all of it.
namespace weir::cli {
namespace {

constexpr int kExitBad = 1, kExitUsage = 2;

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
  AddPluginFlags(*run, flags.of_plugins);
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

// A request, what the upstream answers to it, and what those answer whom plugins call.
void AddMessageFlags(CLI::App& command, RequestOptions& out) {
  command.add_option("--method,-X", out.method, "method (default GET, with a body POST)")->type_name("METHOD");
  AddMany(command, "--header,-H", out.headers, "header; may be repeated", "'NAME: VALUE'");
  command.add_option("--data,-d", out.body, "body: a text, or @FILE")->type_name("TEXT|@FILE");
  command.add_option("--chunk", out.chunk, "the body arrives in parts of that size")->type_name("SIZE");
  AddMany(command, "--trailer", out.trailers, "trailer; may be repeated", "'NAME: VALUE'");
  AddMany(command, "--property", out.properties, "what a plugin reads by that path (weir inspect --properties), or an ngx. variable", "PATH=VALUE");
  const char* const kResponse = "What the upstream answers";
  command.add_option("--response-status", out.response_status, "status (default 200)")->type_name("STATUS")->group(kResponse);
  AddMany(command, "--response-header", out.response_headers, "header; may be repeated", "'NAME: VALUE'")->group(kResponse);
  command.add_option("--response-body", out.response_body, "body: a text, or @FILE")->type_name("TEXT|@FILE")->group(kResponse);
  command.add_option("--response-chunk", out.response_chunk, "the body arrives in parts of that size")->type_name("SIZE")->group(kResponse);
  AddMany(command, "--response-trailer", out.response_trailers, "trailer; may be repeated", "'NAME: VALUE'")->group(kResponse);
  command.add_option("--response", out.response_file, "all of it from a file, as curl -i writes it")->type_name("FILE")->group(kResponse);
  const char* const kCalls = "What plugins call";
  AddMany(command, "--answer", out.answers, "an answer: 'authz=200 granted', authz=timeout, authz=never, 'greeter=grpc:0 hi'; may be repeated", "NAME=ANSWER")->group(kCalls);
  command.add_option("--answers", out.answers_file, "answers from a YAML or JSON file (docs/request.md)")->type_name("FILE")->group(kCalls);
  AddMany(command, "--cluster", out.clusters, "a real upstream, as in weir run", "NAME=URL")->group(kCalls);
  AddMany(command, "--allow-host", out.allow_hosts, "a real host that plugins may call by its name", "HOST")->group(kCalls);
}

void AddRequest(CLI::App& app, Request& all, RunFlags& flags) {
  CLI::App* command = app.add_subcommand("request", kRequestAbout)->callback([&] { all.command = Command::kRequest; });
  RequestOptions& out = all.request;
  command->add_option("target", out.target, "path, or http://HOST/PATH (default /)")->type_name("PATH");
  AddPluginFlags(*command, flags.of_request);
  AddMessageFlags(*command, out);
  command->add_option("--wait", out.wait, "how long a paused request is waited for, by the plugins' clock (default 10s)")->type_name("TIME");
  command->add_option("--times", out.times, "the same request so often, to the same plugins")->type_name("N")->check(CLI::Range(1, 10000));
  command->add_option("--log-level", out.log_level, "the least level of logs that is kept (default info)")->type_name("trace|debug|info|warn|error|critical");
  command->add_flag("--explain", out.explain, "show each callback and host call with arguments, status and the reason of a refusal");
  command->add_flag("--json", out.json, "for programs");
}

void AddBench(CLI::App& app, Request& all) {
  BenchRequest& out = all.bench;
  CLI::App* command = app.add_subcommand("bench", kBenchAbout)->callback([&] { all.command = Command::kBench; });
  command->add_option("file", out.file, "the plugin")->required()->type_name("FILE.wasm");
  AddOptionFlags(*command, out.options, "Of the plugin");
  command->add_option("--against", out.against, "another version, measured in turns with it")->type_name("FILE.wasm");
  command->add_option("--against-config", out.against_config, "its configuration (default: the same)")->type_name("FILE");
  command->add_option("--seconds", out.seconds, "of requests (default 3; 0.1 to 600)")->check(CLI::Range(0.1, 600.0))->type_name("N");
  command->add_option("--flame", out.flame, "write a flame graph of the guest's functions")->type_name("FILE.svg");
  command->add_option("--folded", out.folded, "write the same as text: a stack a line, with its samples")->type_name("FILE");
  command->add_flag("--json", out.json, "for programs");
  command->add_option("--path", out.request.target, "path of the request, or http://HOST/PATH (default /)")->type_name("PATH");
  AddMessageFlags(*command, out.request);
}

void AddFuzz(CLI::App& app, Request& all) {
  FuzzRequest& out = all.fuzz;
  CLI::App* command = app.add_subcommand("fuzz", kFuzzAbout)->callback([&] { all.command = Command::kFuzz; });
  command->add_option("file", out.file, "the plugin")->required()->type_name("FILE.wasm");
  AddOptionFlags(*command, out.options, "Of the plugin");
  command->add_option("--time", out.time, "how long (default 60s, with --runs no limit)")->type_name("TIME");
  command->add_option("--runs", out.runs, "how many requests")->type_name("N")->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  command->add_option("--seed", out.seed, "of what is made up (default 1)")->type_name("N");
  command->add_option("--jobs,-j", out.jobs, "requests at a time (default: one a processor); what is found is the same")->type_name("N")->check(CLI::Range(1, 1024));
  AddMany(*command, "--corpus", out.corpus, "requests to begin from: a suite, or a folder of them; may be repeated", "DIRECTORY|FILE");
  command->add_option("--out,-o", out.out, "the suite to write: text format, or YAML by its name (default NAME.fuzz.textpb)")->type_name("FILE");
  command->add_option("--max-findings", out.findings_max, "end with so many (default 20)")->type_name("N")->check(CLI::Range(1, 1000));
  command->add_option("--max-body", out.body_max, "the longest body (default 64k)")->type_name("SIZE");
  command->add_flag("--tcp", out.tcp, "TCP connections in place of requests (by itself where the plugin has no callbacks of HTTP)");
  command->add_flag("--json", out.json, "for programs");
}

void AddRest(CLI::App& app, Request& request) {
  CLI::App* inspect = app.add_subcommand("inspect", kInspectAbout)->callback([&] { request.command = Command::kInspect; });
  CLI::Option* file = inspect->add_option("file", request.inspect.file, "the plugin")->type_name("FILE.wasm");
  inspect->add_flag("--properties", request.inspect.properties, "what proxy_get_property answers, in place of a plugin")->excludes(file);
  inspect->add_flag("--json", request.inspect.json, "for programs");

  CLI::App* check = app.add_subcommand("check", kCheckAbout)->callback([&] { request.command = Command::kCheck; });
  check->add_option("files", request.check.files, "plugins")->type_name("FILE.wasm");
  check->add_flag("--fix", request.check.fix, "say what to change, in the plugin's SDK");
  check->add_flag("--strict", request.check.strict, "exit code 1 for warnings, too");
  check->add_flag("--json", request.check.json, "for programs: an object a line, one for each file");
  check->add_option("--memory", request.check.memory, "memory that an instance will have: memory= of weir_plugin (default 256m)")->type_name("SIZE");
  check->add_option("--statuses", request.check.statuses, "that it will run with (default lenient)")->type_name("lenient|strict");
  check->add_option("--max-size", request.check.max_size, "a larger file is warned of (default 8m)")->type_name("SIZE");
  check->add_option("--max-compile", request.check.max_compile, "compiling that takes longer is warned of (default 5s)")->type_name("TIME");
  check->add_flag("--no-compile", request.check.no_compile, "leave out what needs the compiler");
  check->add_flag("--list", request.check.list, "list the checks");

  CLI::App* suite = app.add_subcommand("conformance", kConformanceAbout)->callback([&] { request.command = Command::kConformance; });
  suite->add_option("--filter", request.conformance.filter, "only cases whose name has this in it, or fits this pattern")->type_name("PATTERN");
  suite->add_option("--cases", request.conformance.folder, "a folder of cases in place of those that are built in")->type_name("DIRECTORY");
  suite->add_option("--export", request.conformance.export_to, "write guests and cases.json, and run nothing")->type_name("DIRECTORY");
  suite->add_flag("--json", request.conformance.json, "for programs");
  suite->add_flag("--matrix", request.conformance.matrix, "what the cases cover, as Markdown, and run nothing");
  suite->add_flag("--list", request.conformance.list, "names and rules, and run nothing");
  suite->add_flag("--show", request.conformance.show, "the texts, and run nothing");

  CLI::App* trace = app.add_subcommand("trace", kTraceAbout)->callback([&] { request.command = Command::kTrace; });
  trace->add_option("file", request.trace.file, "what weir_record wrote")->required()->type_name("FILE");
  CLI::Option* replay = trace->add_flag("--replay", request.trace.replay, "play it against the plugins that were recorded");
  CLI::Option* plugin = AddMany(*trace, "--plugin", request.trace.plugins, "play it against this one", "[NAME=]FILE.wasm");
  trace->add_option("--config", request.trace.configuration, "its configuration, in place of the recorded one")->type_name("FILE");
  AddMany(*trace, "--ignore", request.trace.ignore, "calls that are not compared: log, metric_add …", "CALL");
  trace->add_option("--of", request.trace.of, "only this plugin")->type_name("NAME");
  trace->add_option("--id", request.trace.id, "only this record")->type_name("ID")->excludes(replay)->excludes(plugin);
  trace->add_flag("--json", request.trace.json, "the lines as they are")->excludes(replay)->excludes(plugin);

  CLI::App* completion = app.add_subcommand("completion", "Prints a completion script: weir completion bash > /etc/bash_completion.d/weir")
                             ->callback([&] { request.command = Command::kCompletion; });
  completion->add_option("shell", request.topic, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))->type_name("bash|zsh|fish");

  CLI::App* man = app.add_subcommand("man", "Prints a manual page: weir man run | man -l -")->callback([&] { request.command = Command::kMan; });
  CLI::Option* page = man->add_option("command", request.topic, "of that command (default: of weir)")->type_name("COMMAND");
  man->add_option("--write", request.man_directory, "write all of them there: weir.1, weir-run.1 …")->type_name("DIRECTORY")->excludes(page);

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
    case Command::kTrace: return Trace(request.trace);
    case Command::kCheck:
      if (request.check.files.empty() && !request.check.list) return UsageError(app, "files are required, or --list");
      return Check(request.check);
    case Command::kBench:
      request.bench.request.plugins = {{.name = "plugin", .file = AbsolutePath(request.bench.file), .options = OptionsOf(request.bench.options)}};
      return Bench(request.bench);
    case Command::kCall: return Call(request.call);
    case Command::kFuzz: return Fuzz(request.fuzz);
    case Command::kTest:
      if (const Result<void> finished = FinishTest(app, test_flags, request.test); !finished) return UsageError(app, finished.error().message);
      return Test(request.test);
    case Command::kRequest:
      if (const Result<void> finished = FinishRequest(app, flags, request); !finished) return UsageError(app, finished.error().message);
      return SendRequest(request.request);
    case Command::kConformance: return Conformance(request.conformance);
    case Command::kCclb: return Cclb(request.cclb);
    case Command::kCompletion: std::fputs(Completion(app, request.topic).c_str(), stdout); return 0;
    case Command::kMan: return Man(app, request.topic, request.man_directory);
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

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

std::unique_ptr<CLI::App> MakeApp(Request& request, RunFlags& flags, TestFlags& test_flags) {
  auto app = std::make_unique<CLI::App>(kAbout, "weir");
  app->set_version_flag("--version,-V", std::string(kVersion), "print the version");
  app->require_subcommand(0, 1);
  app->formatter(std::make_shared<ShortCommands>());
  app->get_formatter()->column_width(34);
  AddRun(*app, request, flags);
  AddTest(*app, request, test_flags);
  AddRequest(*app, request, flags);
  AddBench(*app, request);
  AddCall(*app, request);
  AddFuzz(*app, request);
  AddRest(*app, request);
  AddCclb(*app, request.cclb);
  app->get_subcommand("cclb")->callback([&request] { request.command = Command::kCclb; });
  return app;
}

Result<void> FinishRun(const CLI::App& app, const RunFlags& flags, Request& request) {
  const CLI::App& run = *app.get_subcommand("run");
  RunRequest& out = request.run;
  WEIR_TRY(out.config.plugins, PluginsInOrder(run, flags.of_plugins));
  out.yaml_file = flags.file;
  if (!flags.file.empty()) {
    const bool both = !flags.of_plugins.plugins.empty() || !flags.listen.empty() || !flags.to.empty() || !flags.certificate.empty() || flags.http2 ||
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

Result<void> FinishRequest(const CLI::App& app, const RunFlags& flags, Request& request) {
  WEIR_TRY(request.request.plugins, PluginsInOrder(*app.get_subcommand("request"), flags.of_request));
  if (request.request.plugins.empty()) return Usage("nothing to ask: give --plugin FILE.wasm");
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
