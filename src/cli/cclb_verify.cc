// weir cclb inspect and verify.
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "base/sha256.h"
#include "base/wasm_module.h"
#include "cli/cclb.h"
#include "cli/text.h"
#include "weir/cclb/verify.h"

namespace weir::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kUserModule = "extism:host/user";

// Whether the export can be called: () -> i32 or ().
bool Callable(const WasmExport& row) {
  return row.kind == WasmExternKind::kFunction && (row.signature == "() -> i32" || row.signature == "()");
}

json::array Names(const std::vector<std::string>& names) { return json::array(names.begin(), names.end()); }

struct KindRow {
  std::string_view name, function;
  cclb::VerifyKind kind;
};
constexpr KindRow kKinds[] = {
    {"shape", "shape", cclb::VerifyKind::kShape},
    {"router", "filter", cclb::VerifyKind::kRouter},
    {"observability", "observe", cclb::VerifyKind::kObservability},
};

Result<const KindRow*> KindOf(const std::string& name, cclb::PluginCode& code) {
  for (const KindRow& row : kKinds) {
    if (name.empty() ? code.Exports(row.function) : row.name == name) return &row;
  }
  return Error{ErrorCode::kInvalidArgument, "it exports neither shape, filter nor observe: the suite has no checks for such a plugin"};
}

std::string Xml(std::string_view text) {
  std::string out;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

struct Line {
  std::string name;
  bool passed;
  std::string detail;
};

std::vector<Line> LinesOf(const cclb::VerifyOutcome& outcome) {
  std::vector<Line> lines;
  if (!outcome.report) {
    lines.push_back({"verify", false, outcome.error});
    return lines;
  }
  const cclb::VerifyReport& report = *outcome.report;
  for (const cclb::StaticCheck& check : report.static_checks) lines.push_back({"static:" + std::string(check.name), check.passed, check.detail});
  const auto layer = [&](const cclb::LayerResult& row) { lines.push_back({row.layer, row.passed, row.detail.value_or("")}); };
  layer(report.identity);
  layer(report.handshake);
  layer(report.self_check);
  for (const cclb::LayerResult& row : report.dispatch) layer(row);
  return lines;
}

Result<void> WriteJunit(const std::string& path, const std::string& title, const std::vector<Line>& lines, size_t failed) {
  std::ofstream file(path);
  file << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" << Xml(title) << "\" tests=\"" << lines.size() << "\" failures=\"" << failed
       << "\">\n";
  for (const Line& line : lines) {
    file << "  <testcase classname=\"cclb\" name=\"" << Xml(line.name) << "\"";
    line.passed ? file << "/>\n" : file << "><failure message=\"" << Xml(line.detail) << "\"/></testcase>\n";
  }
  file << "</testsuite>\n";
  file.close();
  if (!file) return Error{ErrorCode::kIo, "cannot write " + path};
  return {};
}

}  // namespace

Result<int> CclbInspect(CclbSession& session) {
  WEIR_TRY(const CclbPlugin plugin, session.FindPlugin(session.request().plugins[0]));
  const auto identity = cclb::ReadIdentity(plugin.wasm);
  const std::string hash = Hex(Sha256({plugin.wasm}));
  std::vector<std::string> functions, imports, foreign;
  if (const auto module = ReadWasmModule(plugin.wasm, plugin.title)) {
    for (const auto& row : cclb::kWireFunctions) {
      const WasmExport* exported = module->FindExport(row.name);
      if (exported != nullptr && Callable(*exported)) functions.emplace_back(row.name);
    }
    for (const WasmImport& import : module->imports) {
      if (import.module == kUserModule) imports.emplace_back(import.name);
      if (import.module != kUserModule && import.module != "extism:host/env") foreign.push_back(std::string(import.module) + "." + std::string(import.name));
    }
  }
  std::optional<cclb::PluginRecord> record = plugin.record;
  if (!record && !session.request().registry.empty()) {
    WEIR_TRY(cclb::Registry * registry, session.registry());
    if (const auto found = registry->Find(Sha256({plugin.wasm})); found && *found) record = **found;
  }
  if (session.request().json) {
    json::object out{{"file", plugin.title}, {"bytes", plugin.wasm.size()}, {"sha256", hash}};
    if (identity) {
      out["identity"] = json::object{{"plugin_name", identity->plugin_name}, {"plugin_version", identity->plugin_version}, {"abi_envelope", identity->abi_envelope}};
    } else {
      out["error"] = json::object{{"variant", identity.fault().variant}, {"message", identity.fault().message}};
    }
    out["wire_functions"] = Names(functions);
    out["host_functions"] = Names(imports);
    out["other_imports"] = Names(foreign);
    if (record) out["status"] = cclb::StatusName(record->status);
    std::printf("%s\n", json::serialize(out).c_str());
    return identity ? 0 : 1;
  }
  const auto line = [](const char* name, const std::string& value) { std::printf("  %-16s %s\n", name, Printable(value).c_str()); };
  std::printf("%s\n", Printable(plugin.title).c_str());
  line("size", BytesText(plugin.wasm.size()));
  line("sha256", hash);
  if (identity) line("identity", identity->plugin_name + " " + identity->plugin_version + ", envelope " + std::to_string(identity->abi_envelope));
  line("functions", functions.empty() ? "none" : Join(functions));
  if (!imports.empty()) line("host functions", Join(imports) + " (register it with --host-functions)");
  if (!foreign.empty()) line("other imports", Join(foreign) + ": no host of cc-lb has them");
  if (record) line("registered", std::string(cclb::StatusName(record->status)));
  if (identity) return 0;
  return Error{ErrorCode::kInvalidModule, identity.fault().message};
}

Result<int> CclbVerify(CclbSession& session) {
  WEIR_TRY(const CclbPlugin plugin, session.FindPlugin(session.request().plugins[0]));
  WEIR_TRY(cclb::Host * host, session.host());
  const auto code = host->Open(plugin.wasm);
  WEIR_TRY(const KindRow* kind, KindOf(session.request().kind, *code));
  const cclb::VerifyOutcome outcome = cclb::Verify(*host, plugin.wasm, kind->kind, session.capabilities());
  const std::vector<Line> lines = LinesOf(outcome);
  size_t failed = 0;
  for (const Line& line : lines) failed += line.passed ? 0 : 1;
  if (!session.request().junit.empty()) WEIR_TRY_VOID(WriteJunit(session.request().junit, plugin.title, lines, failed));
  if (session.request().json) {
    json::array all, extras;
    for (const Line& line : lines) all.push_back(json::object{{"name", line.name}, {"passed", line.passed}, {"detail", line.detail}});
    if (outcome.report) {
      for (const cclb::ExtraInfo& extra : outcome.report->extras) extras.push_back(json::value(extra.message));
    }
    std::printf("%s\n", json::serialize(json::object{{"plugin", plugin.title}, {"kind", kind->name}, {"passed", failed == 0}, {"checks", all}, {"extras", extras}}).c_str());
    return failed == 0 ? 0 : 1;
  }
  for (const Line& line : lines) {
    std::printf("%s %s%s\n", line.passed ? "ok  " : "FAIL", line.name.c_str(), line.detail.empty() ? "" : (": " + Printable(line.detail)).c_str());
  }
  if (outcome.report) {
    for (const cclb::ExtraInfo& extra : outcome.report->extras) std::printf("note %s\n", Printable(extra.message).c_str());
  }
  std::printf("%zu passed, %zu failed, 0 skipped\n", lines.size() - failed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace weir::cli
