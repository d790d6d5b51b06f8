// One store with several instances, linked by name: a plugin, the modules it is linked with, and the small kernel they share.
// For plugin families whose guests live together; Instance (instance.h) is for those that live alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/instance.h"

namespace weir::engine {

class World;

/// A host function of a world. False: World::SetHostError was called; the guest is unwound.
using WorldThunk = bool (*)(World& world, void* env, RawValue* slots) noexcept;
struct WorldFunction {
  std::string module, name;
  std::vector<ValType> params, results;
  WorldThunk thunk = nullptr;
  void* env = nullptr;  ///< handed to the thunk
};

/// Why code of a guest did not come back, in Wasmtime's words.
struct Fault {
  enum class Kind : uint8_t { kTrap, kHost, kInterrupted, kMemoryLimit, kExit } kind = Kind::kHost;
  std::string message;  ///< outermost: "error while executing at wasm backtrace:\n    0: …"
  std::string cause;    ///< innermost: "wasm trap: wasm `unreachable` instruction executed"
  int32_t exit_code = 0;  ///< kExit: of WASI's proc_exit
};

struct Preopen {
  std::string host_path, guest_path;
  bool read_only = false;
};

/// What all worlds of one plan have in common. Immutable once the first world is made; shared by threads.
struct WorldPlan {
  std::shared_ptr<Engine> engine;
  std::shared_ptr<const Module> kernel;  ///< instantiated first, under kernel_name
  std::string kernel_name;
  std::string kernel_memory_name;        ///< a second module name, that offers the kernel's `memory` and nothing else; empty: none
  struct Linked {
    std::string name;
    std::shared_ptr<const Module> module;
  };
  std::vector<Linked> modules;           ///< sorted by name; one of them is main
  size_t main = 0;
  std::vector<WorldFunction> env;        ///< offered under kernel_name beside the kernel's own functions
  std::vector<WorldFunction> functions;  ///< these shadow what has their name
  bool wasi = false;
  bool wasi_output = false;              ///< the guest's stdout and stderr are the process's; else they go nowhere
};

/// An export that is a function.
struct WorldFunctionRef {
  uint64_t handle[2] = {0, 0};
  size_t params = 0, results = 0;
  bool first_result_i32 = false, all_params_i32 = false;
};

/// Stops a call from any thread. It may outlive the world.
class Interrupter {
 public:
  virtual ~Interrupter() = default;
  /// No effect when no call runs.
  virtual void Interrupt() = 0;
};

/// One thread at a time, but for the interrupter.
class World {
 public:
  /// A store with the kernel in it. `self` is for the thunks.
  static Result<std::unique_ptr<World>> Create(const WorldPlan& plan, void* self, std::span<const Preopen> preopens);
  virtual ~World() = default;
  void* self() const { return self_; }

  /// Links every module by name, each instantiated once (main too), as wasmtime::Linker::module does: start functions and
  /// `_initialize` run. Instantiate resolves against them.
  virtual std::optional<Fault> LinkModules() = 0;
  /// The instance of main that serves calls. Without LinkModules, main may import the kernel, `env`, `functions` and WASI alone.
  virtual std::optional<Fault> Instantiate() = 0;
  /// An exported function of main; nullopt: none of that name.
  virtual std::optional<WorldFunctionRef> Find(std::string_view name) = 0;
  /// A function of the kernel, which exists.
  virtual WorldFunctionRef Kernel(std::string_view name) = 0;
  /// Arguments in `slots`, then the results. Also from inside of a host function.
  virtual std::optional<Fault> Call(const WorldFunctionRef& function, std::span<RawValue> slots) = 0;

  /// Between these two, calls stop when the time is over or they are interrupted. nullopt: no limit of time.
  virtual void BeginTimed(std::optional<uint64_t> timeout_ms) = 0;
  virtual void EndTimed() = 0;
  virtual std::shared_ptr<Interrupter> interrupter() = 0;

  /// Memory may grow by so much altogether from now on, and a memory that is made may be as large; growing further is a fault
  /// (kMemoryLimit). Only with EngineOptions::metered_memory.
  virtual void SetMemoryBudget(uint64_t bytes) = 0;

  virtual void SetFuel(uint64_t fuel) = 0;  ///< with EngineOptions::fuel
  virtual uint64_t fuel() const = 0;

  /// The kernel's memory. Its base never moves.
  virtual std::span<uint8_t> kernel_memory() = 0;
  /// For a thunk that returns false.
  void SetHostError(std::string message) { host_error_ = std::move(message); }
  std::string TakeHostError() { return std::exchange(host_error_, {}); }

 protected:
  void* self_ = nullptr;
  std::string host_error_;
};

/// As Engine::Load, of what `rewrite` makes of the module; of the module itself where that is nothing, or does not compile.
/// `rewrite_id` stands for all that decides what it makes: part of the cache's key.
Result<Engine::Loaded> LoadRewritten(Engine& engine, std::string_view wasm, std::string_view name, const CodeCache& cache, std::string_view rewrite_id,
                                     const std::function<std::optional<std::string>(std::string_view wasm)>& rewrite);

/// Why `wasm` (binary) does not compile, in Wasmtime's own words. nullopt: it does.
std::optional<Fault> CompileFault(Engine& engine, std::string_view wasm);

/// "outermost\n\nCaused by:\n    0: …\n    1: innermost" apart.
Fault SplitMessage(std::string_view text);

}  // namespace weir::engine
