#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <cstdio>
#include <mutex>

#include "base/sha256.h"
#include "extism/compiled.h"
#include "extism/kernel.h"
#include "extism/plugin.h"
#include "extism/utf8.h"

namespace weir::extism {
namespace {

constexpr std::string_view kMagic("\0asm", 4);
constexpr uint32_t kSlotsMax = 5000;              // with 16 GiB of address space each, of 128 TiB
constexpr uint32_t kKeepResidentBytes = 16 << 10; // zeroing that is cheaper than giving pages back and faulting them in again
constexpr std::string_view kSpace = " \t\n\r\v\f";

bool LooksLikeText(std::string_view source) {
  if (Utf8Fault(source)) return false;
  std::string_view text = source.substr(std::min(source.find_first_not_of(kSpace), source.size()));
  if (text.starts_with(";;") || text.starts_with("(;")) return true;
  if (text.size() < 3 || source.front() != '(') return false;
  text.remove_prefix(1);
  return text.substr(std::min(text.find_first_not_of(kSpace), text.size())).starts_with("module");
}

/// std::io::ErrorKind's words for the commonest, since the message is the reference's.
std::string ErrnoText(int code) {
  switch (code) {
    case ENOENT: return "entity not found";
    case EACCES: return "permission denied";
    case EISDIR: return "is a directory";
    case ENOTDIR: return "not a directory";
    default: return std::strerror(code);
  }
}

Result<std::string> ReadModuleFile(const std::string& path) {
  errno = 0;
  std::string bytes;
  bool good = false;
  if (FILE* file = std::fopen(path.c_str(), "rb")) {
    std::array<char, 65536> chunk;
    for (size_t got; (got = std::fread(chunk.data(), 1, chunk.size(), file)) > 0;) bytes.append(chunk.data(), got);
    good = std::ferror(file) == 0;
    const int why = errno;
    std::fclose(file);
    errno = why;
  }
  if (!good) return Error{ErrorCode::kIo, "Unable to load Wasm file \"" + path + "\": " + ErrnoText(errno)};
  return bytes;
}

class RuntimeImpl final : public Runtime {
 public:
  Result<std::shared_ptr<Compiled>> Compile(std::string_view source, PluginOptions options, std::string* cause) override;
  Result<std::shared_ptr<Compiled>> Compile(const Manifest& manifest, PluginOptions options, std::string* cause) override;
  uint64_t modules_made() const override { return modules_made_.load(std::memory_order_relaxed); }

 private:
  struct Made {
    engine::WorldPlan::Linked row;
    CompiledImpl::Main about;
  };
  Result<EngineSet> Engines(const PluginOptions& options, const Manifest& manifest);
  /// `bare`: the only module's bytes; null: the manifest has them.
  Result<std::shared_ptr<Compiled>> CompileAll(const Manifest& manifest, const std::string_view* bare, PluginOptions options, std::string* cause);
  /// `data`: of a module that has its bytes. `join`: null where others share its kernel, or the host replaces part of that.
  Result<Made> Make(Engine& engine, const KernelJoin* join, const ManifestModule& module, std::string_view data, const PluginOptions& options, std::string* cause);

  std::mutex mutex_;
  std::array<EngineSet, 4> engines_;  ///< by fuel, and by limited memory
  std::atomic<uint64_t> modules_made_ = 0;
};

Result<EngineSet> MakeEngines(const EngineOptions& engine_options, const CodeCache& cache) {
  EngineSet set;
  WEIR_TRY(set.engine, Engine::Create(engine_options));
  WEIR_TRY(auto loaded, set.engine->Load(kKernelWasm, kEnvModule, cache));
  set.kernel = std::move(loaded.module);
  set.join = std::make_shared<const KernelJoin>(kKernelWasm, kEnvModule);
  set.metered = engine_options.metered_memory;
  return set;
}

Result<EngineSet> RuntimeImpl::Engines(const PluginOptions& options, const Manifest& manifest) {
  const bool fuel = options.fuel.has_value(), metered = manifest.limits.memory_pages_max.has_value() || options.memory_limits_vary;
  EngineOptions engine{.fuel = fuel, .pooling = false, .all_features = true, .metered_memory = metered};
  if (options.slots > kSlotsMax) return Error{ErrorCode::kInvalidArgument, "slots " + std::to_string(options.slots) + ": at most " + std::to_string(kSlotsMax)};
  if (options.slots > 0 && !metered) {
    // An engine of its own, so that others' plugins take none of its slots. Each plugin has its modules, the kernel and perhaps a first
    // instance of main; while the first are linked, there is one set more.
    engine.pooling = true;
    engine.instances_max = (options.slots + 1) * static_cast<uint32_t>(manifest.modules.size() + 2);
    engine.keep_resident_bytes = kKeepResidentBytes;
    return MakeEngines(engine, options.cache);
  }
  std::lock_guard lock(mutex_);
  EngineSet& set = engines_[(fuel ? 1u : 0u) + (metered ? 2u : 0u)];
  if (set.engine == nullptr) {
    WEIR_TRY(set, MakeEngines(engine, options.cache));
  }
  return set;
}

Result<RuntimeImpl::Made> RuntimeImpl::Make(Engine& engine, const KernelJoin* join, const ManifestModule& module, std::string_view data,
                                            const PluginOptions& options, std::string* cause) {
  std::string read;
  std::string_view bytes = data;
  if (module.source == ManifestModule::Source::kPath) {
    auto file = ReadModuleFile(module.path);
    if (!file) return ErrorOf(file.error().code, Failure(file.error().message), cause);
    bytes = read = *std::move(file);
  } else if (module.source == ManifestModule::Source::kUrl) {
    if (options.http == nullptr) return ErrorOf(ErrorCode::kInvalidArgument, Failure("HTTP registration is disabled"), cause);
    auto response = options.http(module.request);
    if (!response) return ErrorOf(response.error().code, Failure(response.error().message), cause);
    if (response->status >= 400) return ErrorOf(ErrorCode::kIo, Failure("http status: " + std::to_string(response->status)), cause);
    bytes = read = std::move(response->body);
  }
  if (module.hash) {
    if (const std::string hash = Hex(Sha256({bytes})); hash != *module.hash) {
      return ErrorOf(ErrorCode::kInvalidModule, Failure("Hash mismatch, found " + hash + " but expected " + *module.hash), cause);
    }
  }
  std::string binary;
  if (!bytes.starts_with(kMagic)) {
    if (Utf8Fault(bytes)) return ErrorOf(ErrorCode::kInvalidModule, Failure("input bytes aren't valid utf-8"), cause);
    auto wasm = engine::WatToWasm(bytes);
    if (!wasm) return ErrorOf(ErrorCode::kInvalidModule, Failure::Of(engine::SplitMessage(wasm.error().message)), cause);
    bytes = binary = *std::move(wasm);
  }
  const std::string name = module.name.value_or(std::string(kMainModule));
  const bool joins = join != nullptr && MayBeJoined(bytes);
  auto loaded = joins ? engine::LoadRewritten(engine, bytes, name, options.cache, join->id(), [&](std::string_view wasm) { return join->Join(wasm); })
                      : engine.Load(bytes, name, options.cache);
  if (!loaded) {
    const auto fault = engine::CompileFault(engine, bytes);
    return ErrorOf(ErrorCode::kInvalidModule, fault ? Failure::Of(*fault) : Failure(loaded.error().message), cause);
  }
  modules_made_.fetch_add(1, std::memory_order_relaxed);
  return Made{{name, std::move(loaded->module)}, {HasStartFunction(bytes), joins}};
}

Result<std::shared_ptr<Compiled>> RuntimeImpl::Compile(std::string_view source, PluginOptions options, std::string* cause) {
  if (source.starts_with(kMagic) || LooksLikeText(source) || Utf8Fault(source)) {
    Manifest manifest;
    manifest.modules.emplace_back();
    return CompileAll(manifest, &source, std::move(options), cause);
  }
  auto manifest = ParseManifest(source, options.manifest_pointers);
  if (!manifest) return ErrorOf(ErrorCode::kInvalidArgument, Failure(manifest.error().message), cause);
  return Compile(*manifest, std::move(options), cause);
}

Result<std::shared_ptr<Compiled>> RuntimeImpl::Compile(const Manifest& manifest, PluginOptions options, std::string* cause) {
  return CompileAll(manifest, nullptr, std::move(options), cause);
}

Result<std::shared_ptr<Compiled>> RuntimeImpl::CompileAll(const Manifest& manifest, const std::string_view* bare, PluginOptions options, std::string* cause) {
  const auto fail = [&](std::string text) { return ErrorOf(ErrorCode::kInvalidArgument, Failure(std::move(text)), cause); };
  if (manifest.modules.empty()) return fail("No wasm files specified in Extism manifest");
  auto engines = Engines(options, manifest);
  if (!engines) return fail(engines.error().message);
  std::vector<engine::WorldPlan::Linked> rows;
  CompiledImpl::Main about_main;
  const bool joins = manifest.modules.size() == 1 && !ReplacesKernel(options);
  const auto has = [&](std::string_view name) { return std::any_of(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; }); };
  for (size_t i = 0; i < manifest.modules.size(); ++i) {
    const ManifestModule& module = manifest.modules[i];
    auto made = Make(*engines->engine, joins ? engines->join.get() : nullptr, module, bare != nullptr ? *bare : module.data, options, cause);
    if (!made) return std::move(made).error();
    // The only one is main whatever its name, of several the last one if none is named so.
    const bool last = i + 1 == manifest.modules.size();
    if (last && !has(kMainModule)) made->row.name = kMainModule;
    if (has(made->row.name) || made->row.name == kEnvModule) return fail("Duplicate module name found in Extism manifest: " + made->row.name);
    if (made->row.name == kMainModule) about_main = made->about;
    rows.push_back(std::move(made->row));
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  // Without the modules' bytes: they are compiled.
  Manifest kept{.limits = manifest.limits, .config = manifest.config, .allowed_hosts = manifest.allowed_hosts, .allowed_paths = manifest.allowed_paths};
  for (const ManifestModule& module : manifest.modules) kept.modules.push_back({module.source, module.path, "", module.request, module.name, module.hash});
  return std::shared_ptr<Compiled>(
      std::make_shared<CompiledImpl>(*std::move(engines), std::move(kept), std::move(rows), about_main, std::move(options)));
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::Create() { return std::unique_ptr<Runtime>(std::make_unique<RuntimeImpl>()); }

}  // namespace weir::extism
