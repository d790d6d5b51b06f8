// Compiled code. Engine (one a process) -> Module (immutable, shared) -> what a family makes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/result.h"

namespace weir {

struct EngineOptions {
  bool fuel = false;                   ///< count instructions; another code, so another engine
  bool parallel_compilation = true;    ///< off in a process that forks after it compiled: the child would hang
  bool pooling = true;                 ///< instances from preallocated slots: 3 µs instead of 10 µs each
  uint32_t instances_max = 512;        ///< slots; more instances than that are an error
  uint32_t keep_resident_bytes = 0;    ///< of each memory in a slot: zeroed in place when its instance ends, not given back to the system
  uint64_t memory_bytes_max = 4ull << 30;  ///< of one instance; Limits::memory_bytes holds below it
  bool debug_info = false;             ///< file and line in backtraces, where the module has DWARF
  bool all_features = false;           ///< also several memories, memories of 64 bits, typed references and garbage collection
  bool metered_memory = false;         ///< worlds may have memory budgets (src/engine/world.h); no pooling, images are copied
};

/// A function, memory, table or global that crosses a module's border.
struct ExternInfo {
  enum class Kind : uint8_t { kFunction, kMemory, kTable, kGlobal, kOther } kind;
  std::string module;     ///< imports only
  std::string name;
  std::string signature;  ///< of a function, as "(i32, i64) -> i32"
};

class Module {
 public:
  virtual ~Module() = default;
  virtual const std::string& name() const = 0;   ///< the path it came from, for messages
  virtual std::span<const ExternInfo> imports() const = 0;
  virtual std::span<const ExternInfo> exports() const = 0;
  virtual const void* code() const = 0;           ///< native code as it is mapped: Engine::Serialize's bytes
  virtual size_t code_bytes() const = 0;          ///< how much of it
  /// SHA-256 of the Wasm that it was compiled from, in hex. Empty: not known.
  virtual std::string_view code_id() const { return {}; }
  bool exports_function(std::string_view name) const;
};

/// Where compiled code is kept between processes. A file there is native code: the directory must be its owner's alone (0700).
struct CodeCache {
  std::string directory;  ///< empty: none
  /// /var/cache/weir for root, $XDG_CACHE_HOME/weir (or ~/.cache/weir) for others.
  static CodeCache Default();
};

/// Thread-safe, but for Create. Make it after the process's own signal handlers are installed, and on a thread whose stack is not
/// larger than those of the threads that will call. It starts a thread at the first call, and at compiling several.
class Engine {
 public:
  static Result<std::unique_ptr<Engine>> Create(const EngineOptions& options = {});
  virtual ~Engine() = default;
  virtual const EngineOptions& options() const = 0;

  /// `wasm` is a binary module. kInvalidModule says what it is instead (empty, truncated, WAT text, a component, not Wasm).
  virtual Result<std::shared_ptr<const Module>> Compile(std::string_view wasm, std::string_view name) = 0;

  struct Loaded {
    std::shared_ptr<const Module> module;
    bool from_cache = false;
    std::string artefact;  ///< the file in the cache; empty when it could not be kept
    std::string warning;   ///< why not (unwritable directory, full disk): for the log
  };
  /// From `cache` if it has this module for this engine and CPU, and undamaged; else compiled and put there.
  virtual Result<Loaded> Load(std::string_view wasm, std::string_view name, const CodeCache& cache) = 0;
  /// Compiled code for Map: what Load puts into the cache.
  virtual Result<std::string> Serialize(const Module& module) = 0;
  /// Maps an artefact that this process's owner made and checked (also "/proc/self/fd/N"): native code, never from outside.
  /// `code_id` is that of the module it was made of.
  virtual Result<std::shared_ptr<const Module>> Map(const std::string& artefact_path, std::string_view name, std::string_view code_id = {}) = 0;
};

/// Reads a file whole. kNotFound or kIo, naming it.
Result<std::string> ReadFile(const std::string& path);

}  // namespace weir
