#include <CLI/CLI.hpp>

#include "cli/cclb.h"
#include "cli/plugin_flags.h"

namespace weir::cli {
namespace {

constexpr const char* kCclbAbout = R"(Plugins of the cc-lb load balancer: admits them to a registry, asks and measures them.

Examples:
  weir cclb inspect plugin.wasm                                     who it says it is, and what it exports
  weir cclb register --registry plugins.db plugin.wasm --capability log
  weir cclb list --registry plugins.db
  weir cclb verify plugin.wasm --kind shape                         the checks of the reference's suite
  weir cclb dispatch --registry plugins.db NAME --function shape --request request.json
  weir cclb dispatch --registry plugins.db NAME --function observe --storage state.db
  weir cclb rehandshake --registry plugins.db                       what a host does when it starts
  weir cclb bench plugin.wasm --function shape --threads 4

A registry is a file of SQLite, or a connection string of PostgreSQL (postgresql://USER@HOST/DATABASE).
A plugin is named by its file, its name, NAME@VERSION or the beginning of its SHA-256.
Exit code 0: done; 1: refused, failed or not found; 2: wrong usage.
)";

struct Row {
  CclbCommand command;
  const char* name;
  const char* about;
  int plugins;            ///< 0: none; 1: one; 2: some; 3: some or none
};
constexpr Row kRows[] = {
    {CclbCommand::kInspect, "inspect", "Says who a plugin is and what it exports, without running it", 1},
    {CclbCommand::kRegister, "register", "Admits plugins: identity, handshake, self-check, then they are kept", 2},
    {CclbCommand::kList, "list", "Lists the plugins of a registry", 0},
    {CclbCommand::kShow, "show", "Shows a registered plugin and what was negotiated with it", 1},
    {CclbCommand::kEnable, "enable", "Makes a disabled plugin active again", 1},
    {CclbCommand::kDisable, "disable", "Keeps a plugin, and out of use", 1},
    {CclbCommand::kRemove, "remove", "Removes plugins and their modules", 2},
    {CclbCommand::kRehandshake, "rehandshake", "Handshakes again: the plugins named, or all that are active and not fresh, as a host does when it starts", 3},
    {CclbCommand::kDispatch, "dispatch", "Calls a function of a plugin once and prints the response", 1},
    {CclbCommand::kVerify, "verify", "Runs the checks of the reference's conformance suite", 1},
    {CclbCommand::kBench, "bench", "Measures handshake, self-check and calls", 1},
    {CclbCommand::kExport, "export", "Writes a registry, records and modules, to a file", 0},
    {CclbCommand::kImport, "import", "Reads such a file into a registry: all of it, or nothing", 0},
    {CclbCommand::kCheck, "check", "Reads all of a registry and names what is damaged: rows, modules, metadata, what plugins store", 0},
};

bool Runs(CclbCommand command) {
  return command == CclbCommand::kRegister || command == CclbCommand::kRehandshake || command == CclbCommand::kDispatch ||
         command == CclbCommand::kVerify || command == CclbCommand::kBench;
}

void AddFlags(CLI::App& command, CclbCommand which, CclbRequest& out) {
  command.add_option("--registry", out.registry, "the registry")->type_name("FILE|CONNECTION");
  command.add_flag("--json", out.json, "for programs");
  if (Runs(which)) {
    AddMany(command, "--capability", out.capabilities, "what the host offers; may be repeated", "NAME");
    command.add_flag("--no-cache", out.no_cache, "compile anew, keep nothing");
  }
  if (which == CclbCommand::kRegister || which == CclbCommand::kRehandshake) {
    command.add_flag("--host-functions", out.host_functions, "link cc_lb_* in handshake and self-check, too (the reference does not)");
  }
  if (which == CclbCommand::kRehandshake) command.add_flag("--force", out.force, "fresh ones as well");
  if (which == CclbCommand::kList) {
    command.add_option("--status", out.status, "only those")->check(CLI::IsMember({"active", "disabled"}))->type_name("active|disabled");
  }
  if (which == CclbCommand::kDisable) command.add_option("--reason", out.reason, "why, for the list")->type_name("TEXT");
  if (which == CclbCommand::kExport || which == CclbCommand::kImport) command.add_option("file", out.file, "the file")->required()->type_name("FILE");
  if (which == CclbCommand::kImport) command.add_flag("--replace", out.replace, "imported records take the place of those that are there");
  if (which == CclbCommand::kDispatch || which == CclbCommand::kBench) {
    command.add_option("--function", out.function, "shape, shape_v2, normalize_error, build_signer, sign, on_unauthorized, observe or filter")
        ->required(which == CclbCommand::kDispatch)
        ->type_name("NAME");
    command.add_option("--request", out.request, "its request, JSON; - is standard input (default: a sample)")->type_name("FILE|-");
    command.add_option("--fuel", out.fuel, "instructions of a call (default 1000000000)")->type_name("N");
    command.add_option("--wall-ms", out.wall_ms, "milliseconds of a call (default 5000)")->type_name("N");
    command.add_option("--storage", out.storage, "where plugins store: a database like a registry, or it (default: memory)")->type_name("FILE|CONNECTION");
    command.add_option("--quota", out.quota_bytes, "bytes that a plugin may store, keys counted (default 1048576)")->type_name("N");
    command.add_option("--memory-pages", out.memory_pages, "of 64 KiB that it may have (default: no limit)")->type_name("N");
  }
  if (which == CclbCommand::kVerify) {
    command.add_option("--kind", out.kind, "what it is (default: by what it exports)")->check(CLI::IsMember({"shape", "router", "observability"}))->type_name("shape|router|observability");
    command.add_option("--junit", out.junit, "write the results for a CI")->type_name("FILE.xml");
  }
  if (which == CclbCommand::kBench) {
    command.add_option("--threads", out.threads, "threads that call at once (default 1)")->check(CLI::Range(1, 256))->type_name("N");
    command.add_option("--seconds", out.seconds, "of calls (default 1)")->check(CLI::Range(0.05, 600.0))->type_name("N");
  }
}

}  // namespace

void AddCclb(CLI::App& app, CclbRequest& request) {
  CLI::App* cclb = app.add_subcommand("cclb", kCclbAbout);
  cclb->require_subcommand(0, 1);
  for (const Row& row : kRows) {
    CLI::App* command = cclb->add_subcommand(row.name, row.about)->callback([&request, &row] { request.command = row.command; });
    if (row.plugins != 0) {
      CLI::Option* plugins = command->add_option("plugin", request.plugins, row.plugins == 1 ? "the plugin" : "plugins")->type_name("PLUGIN");
      if (row.plugins == 1) plugins->expected(1);
      if (row.plugins != 3) plugins->required();
    }
    AddFlags(*command, row.command, request);
  }
}

}  // namespace weir::cli
