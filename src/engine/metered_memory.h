// Linear memories whose growth is counted, for engines with EngineOptions::metered_memory. Wasmtime's own limiter only makes
// memory.grow answer -1; here a budget says so to its world, which then stops the guest.
#pragma once

#include <pthread.h>
#include <wasmtime.h>

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace weir::engine {

/// Of one world, shared by its memories. One thread at a time.
struct MemoryBudget {
  bool limited = false;    ///< until then everything passes
  uint64_t left_bytes = 0;
  bool exceeded = false;   ///< something was refused
  wasm_engine_t* engine = nullptr;  ///< whose epoch moves when something is refused, so that the guest stops at its next check
};

/// Makes the memories of one engine. Wasmtime does not say for which store: the thread that instantiates does.
class MemoryMaker {
 public:
  /// Sets it up in `config`. It outlives the engine.
  void Install(wasm_config_t* config);
  /// Memories that this thread makes from now on belong to `budget`; null: no longer.
  void SetBudget(MemoryBudget* budget);

 private:
  static wasmtime_error_t* New(void* self, const wasm_memorytype_t* type, size_t minimum, size_t maximum, size_t reserved_bytes,
                               size_t guard_bytes, wasmtime_linear_memory_t* memory);
  MemoryBudget* BudgetOfThread();

  std::mutex mutex_;
  std::vector<std::pair<pthread_t, MemoryBudget*>> budgets_;
};

}  // namespace weir::engine
