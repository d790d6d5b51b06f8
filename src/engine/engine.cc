#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

#include "base/sha256.h"
#include "engine/cpu_features.h"
#include "engine/engine_impl.h"
#include "engine/wasm_bytes.h"

namespace weir {
namespace engine {
namespace {

// ThreadSanitizer's address space has no room for more slots of 4 GiB, and it does not see how the compiler's threads,
// which are not instrumented, wait for each other.
#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kInstancesMax = 64;
constexpr bool kParallelCompilation = false;
#else
constexpr uint32_t kInstancesMax = 100'000;
constexpr bool kParallelCompilation = true;
#endif
// Of one module. wasm-bindgen makes two tables, C++ one.
constexpr uint32_t kTablesMax = 4, kMemoriesMax = 8;
constexpr size_t kTableElements = 1u << 20;       // Limits::table_elements holds below it
constexpr uint64_t kReservationBytes = 4ull << 30;
constexpr uint64_t kSlotGuardBytes = 64ull << 20; // generous: Wasmtime's own guards are 32 MiB a slot
constexpr size_t kWasmStackMax = 1u << 20;
constexpr size_t kHostStackBytes = 512u << 10;    // of the thread, for what is not the guest: host functions above it, the embedder below

/// Bytes of stack for guests, so that an overflow is a trap and not the end of the process. 0: the thread has too little.
size_t WasmStackBytes() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return kWasmStackMax / 2;
  size_t bytes = 0;
  pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  return bytes <= kHostStackBytes ? 0 : std::min(kWasmStackMax, bytes - kHostStackBytes);
}

/// Whether so much address space is there. Wasmtime ends the process when it is not (RLIMIT_AS, small machines).
bool AddressSpaceFits(uint64_t bytes) {
  void* area = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return false;
  munmap(area, bytes);
  return true;
}

/// File and line in backtraces is a switch that Wasmtime's C API has only as an environment variable, read here.
wasm_config_t* NewConfig(const EngineOptions& options) {
  constexpr const char* kDetails = "WASMTIME_BACKTRACE_DETAILS";
  const char* before = std::getenv(kDetails);
  const std::string kept = before == nullptr ? "" : before;
  setenv(kDetails, options.debug_info ? "1" : "0", 1);
  wasm_config_t* config = wasm_config_new();
  if (before == nullptr) {
    unsetenv(kDetails);
  } else {
    setenv(kDetails, kept.c_str(), 1);
  }
  return config;
}

void SetPooling(const EngineOptions& options, uint32_t instances, wasm_config_t* config) {
  auto* pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, instances);
  wasmtime_pooling_allocation_config_total_memories_set(pool, instances);
  wasmtime_pooling_allocation_config_total_tables_set(pool, instances * 2);
  wasmtime_pooling_allocation_config_max_memories_per_module_set(pool, options.all_features ? kMemoriesMax : 1);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, options.keep_resident_bytes);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, kTablesMax);
  wasmtime_pooling_allocation_config_table_elements_set(pool, kTableElements);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, options.memory_bytes_max);
  wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, 4u << 20);
  wasmtime_pooling_allocation_strategy_set(config, pool);
  wasmtime_pooling_allocation_config_delete(pool);
}

/// All that 32 bits reach is reserved, so that a memory never moves and bounds checks cost nothing.
void SetMemory(wasm_config_t* config) {
  wasmtime_config_memory_reservation_set(config, kReservationBytes);
  wasmtime_config_memory_may_move_set(config, false);
  wasmtime_config_memory_init_cow_set(config, true);
}

/// What real plugins need, and no more: one unshared memory of 32 bits, no garbage collector, no coroutines. `all`: what else is finished.
void SetFeatures(bool all, wasm_config_t* config) {
  wasmtime_config_wasm_reference_types_set(config, true);
  wasmtime_config_wasm_bulk_memory_set(config, true);
  wasmtime_config_wasm_multi_value_set(config, true);
  wasmtime_config_wasm_simd_set(config, true);
  wasmtime_config_wasm_relaxed_simd_set(config, true);
  wasmtime_config_wasm_tail_call_set(config, true);
  wasmtime_config_wasm_threads_set(config, false);
  wasmtime_config_wasm_function_references_set(config, all);
  wasmtime_config_wasm_gc_set(config, all);
  wasmtime_config_wasm_exceptions_set(config, all);
  wasmtime_config_wasm_multi_memory_set(config, all);
  wasmtime_config_wasm_memory64_set(config, all);
}

}  // namespace
}  // namespace engine

Result<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options) {
  using namespace engine;
  if (options.instances_max == 0) return Error{ErrorCode::kInvalidArgument, "instances_max: must be at least 1"};
  if (options.memory_bytes_max == 0 || options.memory_bytes_max > 4ull << 30) {
    return Error{ErrorCode::kInvalidArgument, "memory_bytes_max: must be from 1 to 4 GiB"};
  }
  const size_t stack = WasmStackBytes();
  if (stack == 0) {
    return Error{ErrorCode::kInvalidArgument, "the thread's stack is too small to run plugins; give it 2 MiB (ulimit -s)"};
  }
  const uint32_t instances = std::min(options.instances_max, kInstancesMax);
  wasm_config_t* config = NewConfig(options);
  wasmtime_config_epoch_interruption_set(config, true);
  wasmtime_config_consume_fuel_set(config, options.fuel);
  wasmtime_config_max_wasm_stack_set(config, stack);
  wasmtime_config_parallel_compilation_set(config, options.parallel_compilation && kParallelCompilation);
  wasmtime_config_native_unwind_info_set(config, true);
  SetFeatures(options.all_features, config);
  SetMemory(config);
  auto memories = options.metered_memory ? std::make_unique<MemoryMaker>() : nullptr;
  if (memories) memories->Install(config);
  const bool pooling = options.pooling && !options.metered_memory && AddressSpaceFits(instances * (kReservationBytes + kSlotGuardBytes));
  if (pooling) SetPooling(options, instances, config);
  // Wasmtime checks the rest when it maps an artefact: its version, its settings, the features the code uses.
  const std::string code_key = std::string("weir-code-1;wasmtime-") + WASMTIME_VERSION + (options.fuel ? ";fuel" : "") +
                               (pooling ? ";pool" : "") + (options.debug_info ? ";lines" : "") + (options.all_features ? ";all" : "") + (options.metered_memory ? ";metered" : "") +
                               ";cpu-" + CpuFeatures();
  EnginePtr wasm_engine(wasm_engine_new_with_config(config));
  return std::unique_ptr<Engine>(new EngineImpl(options, std::move(memories), std::move(wasm_engine), code_key));
}

namespace engine {

EngineImpl::EngineImpl(const EngineOptions& options, std::unique_ptr<MemoryMaker> memories, EnginePtr engine, std::string code_key)
    : options_(options), memories_(std::move(memories)), engine_(std::move(engine)), code_key_(std::move(code_key)), ticker_(engine_.get()) {}

Result<std::shared_ptr<const Module>> EngineImpl::Compile(std::string_view wasm, std::string_view name) {
  return CompileOf(wasm, name, Hex(Sha256({wasm})));
}

Result<std::shared_ptr<const Module>> EngineImpl::CompileOf(std::string_view wasm, std::string_view name, std::string_view code_id) {
  WEIR_TRY_VOID(CheckWasmBytes(wasm, name));
  wasmtime_module_t* module = nullptr;
  if (ErrorPtr error{wasmtime_module_new(get(), reinterpret_cast<const uint8_t*>(wasm.data()), wasm.size(), &module)}) {
    return Error{ErrorCode::kInvalidModule, std::string(name) + ": does not compile: " + OneLine(Message(*error))};
  }
  return std::shared_ptr<const Module>(std::make_shared<ModuleImpl>(ModulePtr(module), name, code_id));
}

Result<std::string> EngineImpl::Serialize(const Module& module) {
  wasm_byte_vec_t bytes;
  if (ErrorPtr error{wasmtime_module_serialize(static_cast<const ModuleImpl&>(module).get(), &bytes)}) {
    return Error{ErrorCode::kInternal, module.name() + ": its code cannot be kept: " + OneLine(Message(*error))};
  }
  return Take(&bytes);
}

Result<std::shared_ptr<const Module>> EngineImpl::Map(const std::string& artefact_path, std::string_view name, std::string_view code_id) {
  wasmtime_module_t* module = nullptr;
  if (ErrorPtr error{wasmtime_module_deserialize_file(get(), artefact_path.c_str(), &module)}) {
    return Error{ErrorCode::kInvalidModule, artefact_path + ": is no compiled code for this engine: " + OneLine(Message(*error))};
  }
  return std::shared_ptr<const Module>(std::make_shared<ModuleImpl>(ModulePtr(module), name, code_id));
}

}  // namespace engine
}  // namespace weir
