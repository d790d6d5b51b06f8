#include "cli/cclb.h"

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "base/sha256.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "weir/cclb/registration.h"
#include "weir/cclb/storage.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

namespace json = boost::json;
using cclb::PluginRecord;
using cclb::PluginStatus;

constexpr int kExitRefused = 1, kExitUsage = 2;
constexpr size_t kHashDigitsLeast = 6, kHashDigitsShown = 12;

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }
Error Of(const cclb::RegistryFault& fault) { return {ErrorCode::kNotFound, fault.message}; }
template <class T>
Result<T> Of(cclb::RegistryResult<T> result) {
  if (!result) return Of(result.error());
  return *std::move(result);
}

void PrintJson(const json::value& value) { std::printf("%s\n", json::serialize(value).c_str()); }

std::string TimeText(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

json::value Parsed(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(nullptr) : value;
}

json::object RecordJson(const PluginRecord& record) {
  return {{"sha256", HashText(record.sha256)},
          {"plugin_name", record.plugin_name},
          {"plugin_version", record.plugin_version},
          {"abi_envelope", record.abi_envelope},
          {"status", cclb::StatusName(record.status)},
          {"disabled_reason", record.disabled_reason},
          {"registered_at", record.registered_at},
          {"last_handshake_at", record.last_handshake_at},
          {"expires_at", record.expires_at},
          {"handshake_schema_version", record.handshake_schema_version},
          {"host_offer_hash", HashText(record.host_offer_hash)},
          {"augmented_metadata", Parsed(record.augmented_metadata)}};
}

std::string Title(const PluginRecord& record) {
  return record.plugin_name + "@" + record.plugin_version + " (" + HashText(record.sha256).substr(0, kHashDigitsShown) + ")";
}

std::string FunctionsOf(const PluginRecord& record) {
  const auto metadata = cclb::ReadMetadata(record.augmented_metadata);
  if (!metadata) return "?";
  std::string out;
  for (const auto& [function, version] : metadata->negotiated_functions) out += (out.empty() ? "" : " ") + function;
  return out.empty() ? "-" : out;
}

void PrintRecord(const PluginRecord& record) {
  const auto metadata = cclb::ReadMetadata(record.augmented_metadata);
  std::printf("%s %s\n", Printable(record.plugin_name).c_str(), Printable(record.plugin_version).c_str());
  const auto line = [](std::string_view name, const std::string& value) { std::printf("  %-16s %s\n", name.data(), Printable(value).c_str()); };
  line("sha256", HashText(record.sha256));
  line("status", std::string(cclb::StatusName(record.status)) + (record.disabled_reason.empty() ? "" : ": " + record.disabled_reason));
  line("registered", TimeText(record.registered_at));
  line("last handshake", TimeText(record.last_handshake_at));
  line("expires", TimeText(record.expires_at));
  if (!metadata) return;
  std::string functions, capabilities, slots;
  std::set<std::string> names;
  for (const auto& [function, version] : metadata->negotiated_functions) {
    functions += (functions.empty() ? "" : ", ") + function + " v" + std::to_string(version);
    names.insert(function);
  }
  for (const std::string& capability : metadata->negotiated_capabilities) capabilities += (capabilities.empty() ? "" : ", ") + capability;
  for (const cclb::Slot slot : cclb::SlotsOf(names)) slots += (slots.empty() ? "" : ", ") + std::string(cclb::SlotName(slot));
  line("functions", functions);
  line("capabilities", capabilities.empty() ? "none" : capabilities);
  line("slots", slots.empty() ? "none" : slots);
}

// ---- commands ---------------------------------------------------------------------------------------------------------------
Result<std::unique_ptr<cclb::PluginExaminer>> ExaminerOf(CclbSession& session, cclb::Host& host, cclb::HostFunctions* functions) {
  cclb::ExaminerOptions options{.capabilities = session.capabilities()};
  WEIR_TRY(*functions, session.functions(""));
  if (session.request().host_functions) options.functions = functions;
  return cclb::NewExaminer(host, options);
}

Result<int> Register(CclbSession& session) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  WEIR_TRY(cclb::Host * host, session.host());
  cclb::HostFunctions functions;
  WEIR_TRY(const auto examiner, ExaminerOf(session, *host, &functions));
  int code = 0;
  for (const std::string& file : session.request().plugins) {
    WEIR_TRY(const std::string wasm, ReadFile(file));
    const auto done = cclb::RegisterPlugin(*registry, *examiner, wasm, host->now_ms() / 1000);
    if (!done) {
      code = kExitRefused;
      const bool unlinked = !session.request().host_functions && done.error().message.find("extism:host/user::cc_lb_") != std::string::npos;
      PrintError(file + ": " + done.error().message + (unlinked ? "; it imports host functions, which --host-functions links" : ""));
      if (session.request().json) {
        PrintJson(json::object{{"file", file}, {"error", cclb::NameOf(done.error().name)}, {"message", done.error().message}});
      }
      continue;
    }
    if (!done->reused && done->stored.above_warn) {
      PrintWarning(registry->name() + " has " + std::to_string(done->stored.rows) + " plugins; from " +
                   std::to_string(registry->limits().rows_max) + " on new ones are refused");
    }
    if (session.request().json) {
      PrintJson(json::object{{"file", file}, {"reused", done->reused}, {"record", RecordJson(done->record)}});
    } else {
      std::printf("%s %s: %s\n", done->reused ? "already registered:" : "registered", Title(done->record).c_str(),
                  FunctionsOf(done->record).c_str());
    }
  }
  return code;
}

Result<int> List(CclbSession& session) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  std::optional<PluginStatus> only;
  if (!session.request().status.empty()) only = session.request().status == "active" ? PluginStatus::kActive : PluginStatus::kDisabled;
  WEIR_TRY(const std::vector<PluginRecord> records, Of(registry->List(only)));
  if (session.request().json) {
    json::array all;
    for (const PluginRecord& record : records) all.push_back(RecordJson(record));
    PrintJson(all);
    return 0;
  }
  for (const PluginRecord& record : records) {
    std::printf("%s  %s  %s  %s  %s\n", HashText(record.sha256).substr(0, kHashDigitsShown).c_str(),
                Padded(std::string(cclb::StatusName(record.status)), 8).c_str(),
                Padded(Printable(record.plugin_name + "@" + record.plugin_version), 28).c_str(), TimeText(record.last_handshake_at).c_str(),
                Printable(FunctionsOf(record)).c_str());
  }
  if (records.empty()) Note("no plugins in " + registry->name());
  return 0;
}

Result<int> Show(CclbSession& session) {
  WEIR_TRY(const PluginRecord record, session.FindRecord(session.request().plugins[0]));
  session.request().json ? PrintJson(RecordJson(record)) : PrintRecord(record);
  return 0;
}

Result<int> Told(CclbSession& session, const char* done, const PluginRecord& record) {
  if (session.request().json) {
    PrintJson(json::object{{"done", done}, {"sha256", HashText(record.sha256)}, {"plugin_name", record.plugin_name}});
  } else {
    std::printf("%s %s\n", done, Title(record).c_str());
  }
  return 0;
}

Result<int> SetStatus(CclbSession& session, PluginStatus status) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  WEIR_TRY(const PluginRecord record, session.FindRecord(session.request().plugins[0]));
  const bool disable = status == PluginStatus::kDisabled;
  const std::string& reason = session.request().reason;
  WEIR_TRY([[maybe_unused]] auto set, Of(registry->SetStatus(record.sha256, status, !disable ? "" : reason.empty() ? "by command" : reason)));
  return Told(session, disable ? "disabled" : "enabled", record);
}

Result<int> Remove(CclbSession& session) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  for (const std::string& name : session.request().plugins) {
    WEIR_TRY(const PluginRecord record, session.FindRecord(name));
    WEIR_TRY([[maybe_unused]] auto removed, Of(registry->Remove(record.sha256)));
    WEIR_TRY([[maybe_unused]] const int told, Told(session, "removed", record));
  }
  return 0;
}

Result<int> RehandshakeNamed(CclbSession& session, cclb::Registry& registry, cclb::PluginExaminer& examiner) {
  int code = 0;
  for (const std::string& name : session.request().plugins) {
    WEIR_TRY(const PluginRecord record, session.FindRecord(name));
    const auto renewed = cclb::RehandshakePlugin(registry, examiner, record.sha256);
    if (!renewed) {
      PrintError(Title(record) + ": " + renewed.error().message);
      code = kExitRefused;
      continue;
    }
    WEIR_TRY([[maybe_unused]] const int told, Told(session, "accepted", *renewed));
  }
  return code;
}

Result<int> Rehandshake(CclbSession& session) {
  WEIR_TRY(cclb::Registry * registry, session.registry());
  WEIR_TRY(cclb::Host * host, session.host());
  cclb::HostFunctions functions;
  WEIR_TRY(const auto examiner, ExaminerOf(session, *host, &functions));
  if (!session.request().plugins.empty()) return RehandshakeNamed(session, *registry, *examiner);
  cclb::StartupOptions options;
  options.force = session.request().force;
  WEIR_TRY(const cclb::StartupReport report, Of(cclb::RunStartup(*registry, *examiner, options)));
  int code = report.complete ? 0 : kExitRefused;
  for (const cclb::StartupEntry& entry : report.entries) {
    const bool good = entry.outcome == cclb::StartupOutcome::kFresh || entry.outcome == cclb::StartupOutcome::kRehandshaken;
    if (!good) code = kExitRefused;
    if (session.request().json) {
      PrintJson(json::object{{"sha256", HashText(entry.record.sha256)}, {"plugin_name", entry.record.plugin_name},
                             {"outcome", cclb::OutcomeName(entry.outcome)}, {"forced", entry.forced}, {"message", entry.message}});
    } else {
      std::printf("%s  %s%s\n", Padded(std::string(cclb::OutcomeName(entry.outcome)), 13).c_str(), Title(entry.record).c_str(),
                  entry.message.empty() ? "" : (": " + Printable(entry.message)).c_str());
    }
  }
  return code;
}

Result<std::string> ReadRequest(const std::string& file) {
  if (file.empty()) return std::string();
  if (file != "-") return ReadFile(file);
  std::stringstream all;
  all << std::cin.rdbuf();
  return all.str();
}

Result<int> DispatchOnce(CclbSession& session) {
  WEIR_TRY(const CclbPlugin plugin, session.FindPlugin(session.request().plugins[0]));
  WEIR_TRY(const std::string request, ReadRequest(session.request().request));
  WEIR_TRY(cclb::Host * host, session.host());
  const auto code = host->Open(plugin.wasm);
  WEIR_TRY(const cclb::AugmentedMetadata metadata, session.MetadataOf(plugin, *code));
  WEIR_TRY(const cclb::HostFunctions functions, session.functions(metadata.identity.plugin_name));
  const auto instance = code->NewInstance(session.limits(), &functions);
  if (!instance) return Error{ErrorCode::kLinkFailed, plugin.title + ": " + instance.fault().message};
  WEIR_TRY(const cclb::TextOutcome outcome, cclb::DispatchText(**instance, metadata, session.request().function, request));
  if (session.request().json) {
    json::object out;
    if (outcome.error) {
      out = {{"fallback", cclb::PolicyName(outcome.error->fallback)}, {"stage", cclb::DispatchStageName(outcome.error->stage)},
             {"error", outcome.error->variant}, {"debug", outcome.error->debug}};
    } else {
      out = {{"ok", Parsed(outcome.response)}};
    }
    PrintJson(out);
  } else if (!outcome.error) {
    std::printf("%s\n", outcome.response.c_str());
  }
  return outcome.error ? kExitRefused : 0;
}

Result<int> Execute(CclbSession& session) {
  switch (session.request().command) {
    case CclbCommand::kInspect: return CclbInspect(session);
    case CclbCommand::kRegister: return Register(session);
    case CclbCommand::kList: return List(session);
    case CclbCommand::kShow: return Show(session);
    case CclbCommand::kEnable: return SetStatus(session, PluginStatus::kActive);
    case CclbCommand::kDisable: return SetStatus(session, PluginStatus::kDisabled);
    case CclbCommand::kRemove: return Remove(session);
    case CclbCommand::kRehandshake: return Rehandshake(session);
    case CclbCommand::kDispatch: return DispatchOnce(session);
    case CclbCommand::kVerify: return CclbVerify(session);
    case CclbCommand::kBench: return CclbBench(session);
    case CclbCommand::kExport: return CclbExport(session);
    case CclbCommand::kImport: return CclbImport(session);
    case CclbCommand::kCheck: return CclbCheck(session);
    case CclbCommand::kNone: break;
  }
  return Usage("a command of cclb is needed (weir cclb --help)");
}

}  // namespace

// ---- session ----------------------------------------------------------------------------------------------------------------
std::string HashText(const cclb::ModuleHash& hash) { return Hex(hash); }

void CclbTelemetry::Count(std::string_view, std::span<const cclb::Pair>, uint64_t) {}
void CclbTelemetry::Log(cclb::Level level, std::string_view, std::string_view message, std::span<const cclb::Pair> fields) {
  std::string line(message);
  for (const auto& [name, value] : fields) line += " " + std::string(name) + "=" + std::string(value);
  level >= cclb::Level::kWarn ? PrintWarning(line) : Note(line);
}

Result<cclb::Host*> CclbSession::host() {
  if (host_ == nullptr) {
    cclb::HostOptions options;
    options.telemetry = &telemetry_;
    if (!request_.no_cache) options.cache = CodeCache::Default();
    WEIR_TRY(host_, cclb::Host::Create(options));
  }
  return host_.get();
}

Result<cclb::Registry*> CclbSession::registry() {
  if (registry_ == nullptr) {
    if (request_.registry.empty()) return Usage("--registry is needed: a file of SQLite, or a connection string of PostgreSQL");
    WEIR_TRY(registry_, Of(cclb::OpenRegistry(request_.registry)));
  }
  return registry_.get();
}

Result<PluginRecord> CclbSession::FindRecord(const std::string& name) {
  WEIR_TRY(cclb::Registry * registry, this->registry());
  WEIR_TRY(const std::vector<PluginRecord> records, Of(registry->List()));
  std::vector<const PluginRecord*> found;
  for (const PluginRecord& record : records) {
    const bool by_hash = name.size() >= kHashDigitsLeast && HashText(record.sha256).starts_with(name);
    if (by_hash || record.plugin_name == name || record.plugin_name + "@" + record.plugin_version == name) found.push_back(&record);
  }
  if (found.size() == 1) return *found[0];
  if (found.empty()) return Error{ErrorCode::kNotFound, "no plugin \"" + name + "\" in " + registry->name() + " (weir cclb list shows them)"};
  std::string all;
  for (const PluginRecord* record : found) all += (all.empty() ? "" : ", ") + Title(*record);
  return Usage("\"" + name + "\" may be " + all + ": give NAME@VERSION or the hash");
}

Result<CclbPlugin> CclbSession::FindPlugin(const std::string& name) {
  if (std::filesystem::is_regular_file(name)) {
    WEIR_TRY(std::string wasm, ReadFile(name));
    return CclbPlugin{name, std::move(wasm), std::nullopt};
  }
  if (request_.registry.empty()) return Error{ErrorCode::kNotFound, "no file \"" + name + "\"; with --registry it may be a plugin's name"};
  WEIR_TRY(PluginRecord record, FindRecord(name));
  WEIR_TRY(cclb::Registry * registry, this->registry());
  WEIR_TRY(std::string wasm, Of(cclb::LoadModule(*registry, record.sha256)));
  return CclbPlugin{Title(record), std::move(wasm), std::move(record)};
}

Result<cclb::AugmentedMetadata> CclbSession::MetadataOf(const CclbPlugin& plugin, cclb::PluginCode& code) {
  WEIR_TRY(cclb::Host * host, this->host());
  if (plugin.record) {
    WEIR_TRY([[maybe_unused]] auto usable, Of(cclb::CheckUsable(*plugin.record, host->now_ms() / 1000)));
    auto metadata = cclb::ReadMetadata(plugin.record->augmented_metadata);
    if (!metadata) return Error{ErrorCode::kInternal, plugin.title + ": its metadata: " + metadata.fault().message};
    return std::move(*metadata);
  }
  cclb::AugmentedMetadata metadata;
  const auto identity = cclb::ReadIdentity(plugin.wasm);
  metadata.identity.plugin_name = "unnamed";
  if (identity) metadata.identity = *identity;
  const auto accept = code.Handshake(cclb::BuildOffer(capabilities()));
  if (!accept) return Error{ErrorCode::kRefused, plugin.title + ": " + accept.fault().message};
  metadata.negotiated_functions = accept->chosen_versions;
  metadata.negotiated_capabilities = accept->required_capabilities;
  return metadata;
}

std::set<std::string> CclbSession::capabilities() const { return {request_.capabilities.begin(), request_.capabilities.end()}; }

cclb::InstanceLimits CclbSession::limits() const {
  cclb::InstanceLimits limits{.wall_ms = request_.wall_ms, .fuel = request_.fuel, .memory_pages = std::nullopt};
  if (request_.memory_pages != 0) limits.memory_pages = request_.memory_pages;
  return limits;
}

Result<cclb::HostFunctions> CclbSession::functions(const std::string& plugin) {
  if (storage_ == nullptr && request_.storage.empty()) storage_ = cclb::NewMemoryStorage();
  if (storage_ == nullptr) {
    WEIR_TRY(storage_, Of(cclb::OpenStorage(request_.storage)));
  }
  return cclb::HostFunctions{.plugin = plugin, .storage = storage_.get(), .quota_bytes = request_.quota_bytes};
}

int Cclb(const CclbRequest& request) {
  CclbSession session(request);
  const Result<int> code = Execute(session);
  if (code) return *code;
  PrintError(code.error().message);
  return code.error().code == ErrorCode::kInvalidArgument ? kExitUsage : kExitRefused;
}

}  // namespace weir::cli
