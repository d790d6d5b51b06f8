// The rewriting of plugins: any bytes as a module, joined with the kernel. What it takes compiles where the module itself does, and does the
// same: each function of the joined plugin gives what that of the plain one gives. (Of several modules none is joined, so a second one that
// nobody uses makes the difference.)
#include <cstdio>
#include <cstdlib>
#include <string>

#include "extism/join.h"
#include "extism/kernel.h"
#include "weir/extism.h"

namespace {

using namespace weir::extism;

constexpr size_t kModuleMax = 8192;  // bytes: more takes long to compile
constexpr std::string_view kInput = "an input of more than sixteen bytes";

void Require(bool good, const char* what, std::string_view detail = {}, std::string_view other = {}) {
  if (good) return;
  std::fprintf(stderr, "not so: %s: %.*s | %.*s\n", what, static_cast<int>(detail.size()), detail.data(), static_cast<int>(other.size()), other.data());
  std::abort();
}

struct Made {
  std::shared_ptr<Compiled> compiled;
  std::unique_ptr<Plugin> plugin;
  std::string error;
};

Made Make(Runtime& runtime, std::string_view module, bool alone) {
  Manifest manifest;
  if (!alone) manifest.modules.push_back({.data = "(module)", .name = "nobody"});
  manifest.modules.push_back({.data = std::string(module), .name = "main"});
  manifest.limits.memory_pages_max = 64;
  auto compiled = runtime.Compile(manifest, {.fuel = 100'000});
  if (!compiled) return {.error = compiled.error().message};
  auto plugin = (*compiled)->NewPlugin();
  if (!plugin) return {.compiled = *compiled, .error = plugin.error().message};
  return {*std::move(compiled), *std::move(plugin), ""};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const KernelJoin join(kKernelWasm, kEnvModule);
  static const auto runtime = *Runtime::Create();
  const std::string_view module(reinterpret_cast<const char*>(data), size);
  if (!module.starts_with(std::string_view("\0asm", 4)) || !MayBeJoined(module)) return 0;
  if (!join.Join(module) || size > kModuleMax) return 0;
  const Made plain = Make(*runtime, module, false), joined = Make(*runtime, module, true);
  Require((plain.compiled != nullptr) == (joined.compiled != nullptr), "both compile, or none", plain.error, joined.error);
  Require((plain.plugin != nullptr) == (joined.plugin != nullptr), "both start, or none", plain.error, joined.error);
  if (plain.plugin == nullptr) return 0;
  size_t calls = 0;
  for (const std::string& function : plain.compiled->Functions()) {
    if (++calls > 6) break;
    const Outcome a = plain.plugin->CallRaw(function, kInput), b = joined.plugin->CallRaw(function, kInput);
    // Where a limit stops code, it is in the midst of other instructions.
    if (a.error == "plugin ran out of fuel" || b.error == "plugin ran out of fuel" || a.error == "oom" || b.error == "oom") break;
    Require(a.failed == b.failed && a.code == b.code, "both end alike", a.error + a.cause, b.error + b.cause);
    Require(a.output == b.output, "with the same output", a.output, b.output);
  }
  return 0;
}
