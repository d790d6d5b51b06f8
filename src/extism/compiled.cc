#include "extism/compiled.h"

#include <algorithm>
#include <cstdlib>

#include "extism/env_functions.h"
#include "extism/kernel.h"
#include "extism/plugin.h"

namespace weir::extism {
namespace {

constexpr uint64_t kPage = 64 << 10;
constexpr std::string_view kReadOnly = "ro:";
constexpr uint8_t kStartSection = 8;
/// What the kernel of the reference exports beside functions; plugins may not have them.
constexpr std::string_view kNoFunctions[] = {"memory", "extism_context"};

/// "(i32, i64) -> i32" as the reference prints a type: "(type (func (param i32 i64) (result i32)))".
std::string TypeText(std::string_view signature) {
  const auto words = [](std::string_view list) {
    std::string text;
    for (char c : list) {
      if (c != ',' && c != '(' && c != ')') text += c;
    }
    return text;
  };
  const size_t arrow = signature.find(" -> ");
  const std::string params = words(signature.substr(0, arrow)), results = arrow == signature.npos ? "" : words(signature.substr(arrow + 4));
  return "(type (func" + (params.empty() ? "" : " (param " + params + ")") + (results.empty() ? "" : " (result " + results + ")") + "))";
}

std::string_view KindText(ExternInfo::Kind kind) {
  switch (kind) {
    case ExternInfo::Kind::kFunction: return "function";
    case ExternInfo::Kind::kMemory: return "memory";
    case ExternInfo::Kind::kTable: return "table";
    case ExternInfo::Kind::kGlobal: return "global";
    default: return "tag";
  }
}

bool Callable(const ExternInfo& row) {
  return row.kind == ExternInfo::Kind::kFunction && (row.signature == "() -> i32" || row.signature == "() -> ()");
}

std::vector<engine::ValType> EngineTypes(const std::vector<ValType>& types) {
  std::vector<engine::ValType> out;
  for (const ValType type : types) out.push_back(static_cast<engine::ValType>(type));
  return out;
}

}  // namespace

Error ErrorOf(ErrorCode code, Failure failure, std::string* cause) {
  if (cause != nullptr) *cause = std::move(failure.cause);
  return {code, std::move(failure.message)};
}

bool ReplacesKernel(const PluginOptions& options) {
  return std::any_of(options.functions.begin(), options.functions.end(), [](const HostFunction& row) { return row.module == kEnvModule; });
}

bool HasStartFunction(std::string_view wasm) {
  for (size_t at = 8; at < wasm.size();) {
    const auto id = static_cast<uint8_t>(wasm[at++]);
    uint64_t size = 0;
    for (int shift = 0; at < wasm.size() && shift < 35; shift += 7) {
      const auto byte = static_cast<uint8_t>(wasm[at++]);
      size |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) break;
    }
    if (id == kStartSection) return true;
    if (size > wasm.size() - at) return false;
    at += size;
  }
  return false;
}

CompiledImpl::CompiledImpl(EngineSet engines, Manifest manifest, std::vector<engine::WorldPlan::Linked> modules, Main about_main, PluginOptions options)
    : manifest_(std::move(manifest)), options_(std::move(options)), about_main_(about_main), metered_(engines.metered) {
  plan_.engine = std::move(engines.engine);
  plan_.kernel = std::move(engines.kernel);
  plan_.kernel_name = kEnvModule;
  if (about_main.may_be_joined) plan_.kernel_memory_name = kJoinedModule;
  plan_.modules = std::move(modules);
  const auto main = std::find_if(plan_.modules.begin(), plan_.modules.end(), [](const auto& row) { return row.name == kMainModule; });
  plan_.main = static_cast<size_t>(main - plan_.modules.begin());
  plan_.env = EnvFunctions();
  for (const HostFunction& function : options_.functions) {
    plan_.functions.push_back({function.module, function.name, EngineTypes(function.params), EngineTypes(function.results), &CallHostFunction,
                               const_cast<HostFunction*>(&function)});
  }
  plan_.wasi = options_.wasi;
  plan_.wasi_output = std::getenv("EXTISM_ENABLE_WASI_OUTPUT") != nullptr;
  for (const auto& [host, guest] : manifest_.allowed_paths) {
    const bool read_only = host.starts_with(kReadOnly);
    preopens_.push_back({read_only ? host.substr(kReadOnly.size()) : host, guest, read_only});
  }
  quiet_ = alone() && !about_main.starts && !main->module->exports_function("_initialize");
}

Result<std::shared_ptr<Compiled>> CompiledImpl::With(const ManifestLimits& limits, PluginOptions options) const {
  if (options.fuel.has_value() != options_.fuel.has_value()) {
    return Error{ErrorCode::kInvalidArgument, "fuel: code that counts instructions is other code: compile it with a limit of fuel, and always use one"};
  }
  if (limits.memory_pages_max && !metered_) {
    return Error{ErrorCode::kInvalidArgument, "memory_pages_max: compile with memory_limits_vary to limit memory later"};
  }
  if (about_main_.may_be_joined && ReplacesKernel(options)) {
    return Error{ErrorCode::kInvalidArgument, "functions: those of extism:host/env were there when it was compiled: compile it with yours"};
  }
  Manifest manifest = manifest_;
  manifest.limits = limits;
  return std::shared_ptr<Compiled>(std::make_shared<CompiledImpl>(EngineSet{plan_.engine, plan_.kernel, nullptr, metered_}, std::move(manifest), plan_.modules,
                                                                  about_main_, std::move(options)));
}

std::optional<uint64_t> CompiledImpl::memory_budget_bytes() const {
  if (!manifest_.limits.memory_pages_max) return std::nullopt;
  return *manifest_.limits.memory_pages_max * kPage;
}

bool CompiledImpl::FunctionExists(std::string_view function) const {
  const auto exports = plan_.modules[plan_.main].module->exports();
  return std::any_of(exports.begin(), exports.end(), [&](const ExternInfo& row) { return row.name == function && Callable(row); });
}

std::vector<std::string> CompiledImpl::Functions() const {
  std::vector<std::string> names;
  for (const ExternInfo& row : plan_.modules[plan_.main].module->exports()) {
    if (Callable(row)) names.push_back(row.name);
  }
  return names;
}

std::optional<Failure> CompiledImpl::UnknownEnvImport() const {
  for (const auto& [name, module] : plan_.modules) {
    for (const ExternInfo& import : module->imports()) {
      if (import.module != kEnvModule) continue;
      const bool other = std::find(std::begin(kNoFunctions), std::end(kNoFunctions), import.name) != std::end(kNoFunctions);
      if (other || plan_.kernel->exports_function(import.name) ||
          std::any_of(plan_.env.begin(), plan_.env.end(), [&](const auto& row) { return row.name == import.name; })) {
        continue;
      }
      const std::string type = import.kind == ExternInfo::Kind::kFunction ? TypeText(import.signature) : "";
      return Failure("Invalid " + std::string(KindText(import.kind)) + " import from extism:host/env: " + import.name + " " + type +
                     "\n\nNote: This may indicate that the PDK that was used to build this plugin has additional features that aren't available in this "
                     "version of the SDK, try updating the SDK to the latest version.");
    }
  }
  for (const auto& [name, module] : plan_.modules) {
    for (const ExternInfo& import : module->imports()) {
      if (import.module == kEnvModule && import.kind != ExternInfo::Kind::kFunction) {
        return Failure("linked modules cannot access non-function exports of extism kernel");
      }
    }
  }
  return std::nullopt;
}

std::optional<Failure> CompiledImpl::QuietLink(void* self) {
  std::lock_guard lock(mutex_);
  if (quietly_linked_) return quiet_failure_;
  auto world = engine::World::Create(plan_, self, {});
  if (!world) return Failure(world.error().message);
  if (options_.fuel) (*world)->SetFuel(*options_.fuel);
  if (const auto fault = (*world)->LinkModules()) quiet_failure_ = Failure::Of(*fault);
  quietly_linked_ = true;
  return quiet_failure_;
}

Result<std::unique_ptr<Plugin>> CompiledImpl::NewPlugin(std::string* cause) {
  // What is refused has been counted too: its destructor gives that back.
  const bool room = TakeSlot();
  auto plugin = std::make_unique<PluginImpl>(std::static_pointer_cast<CompiledImpl>(shared_from_this()));
  if (!room) return ErrorOf(ErrorCode::kLimit, Failure("all " + std::to_string(slots()) + " slots of the compiled plugin are taken"), cause);
  if (auto failure = plugin->Link()) return ErrorOf(ErrorCode::kLinkFailed, *std::move(failure), cause);
  return std::unique_ptr<Plugin>(std::move(plugin));
}

}  // namespace weir::extism
