#include "engine/metered_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>

namespace weir::engine {
namespace {

constexpr const char* kOom = "oom";

/// Address space for all that it may become, of which the first bytes are open.
class Memory {
 public:
  ~Memory() {
    if (base_ != nullptr) munmap(base_, reserved_);
  }
  bool Map(size_t bytes, size_t capacity, size_t guard) {
    reserved_ = capacity + guard;
    void* area = mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) return false;
    base_ = static_cast<uint8_t*>(area);
    capacity_ = capacity;
    return Open(bytes);
  }
  bool Open(size_t bytes) {
    if (bytes > capacity_) return false;
    if (bytes > bytes_ && mprotect(base_ + bytes_, bytes - bytes_, PROT_READ | PROT_WRITE) != 0) return false;
    bytes_ = bytes;
    return true;
  }
  wasmtime_error_t* Grow(size_t bytes) {
    const uint64_t more = bytes - bytes_;
    if (budget->limited && (bytes >= maximum || more > budget->left_bytes)) {
      budget->exceeded = true;
      wasmtime_engine_increment_epoch(budget->engine);
      return wasmtime_error_new(kOom);
    }
    if (!Open(bytes)) return wasmtime_error_new("out of address space");
    if (budget->limited) budget->left_bytes -= more;
    return nullptr;
  }
  static uint8_t* Get(void* self, size_t* bytes, size_t* capacity) {
    auto& memory = *static_cast<Memory*>(self);
    *bytes = memory.bytes_;
    *capacity = memory.capacity_;
    return memory.base_;
  }

  std::shared_ptr<MemoryBudget> own;  ///< of a memory that no world made
  MemoryBudget* budget = nullptr;
  uint64_t maximum = UINT64_MAX;      ///< bytes that the module declares

 private:
  uint8_t* base_ = nullptr;
  size_t bytes_ = 0, capacity_ = 0, reserved_ = 0;
};

}  // namespace

void MemoryMaker::Install(wasm_config_t* config) {
  wasmtime_memory_creator_t creator = {this, &MemoryMaker::New, nullptr};
  wasmtime_config_host_memory_creator_set(config, &creator);
  // An image would be mapped over memory that Wasmtime has not made: it aborts.
  wasmtime_config_memory_init_cow_set(config, false);
}

void MemoryMaker::SetBudget(MemoryBudget* budget) {
  const pthread_t self = pthread_self();
  std::lock_guard lock(mutex_);
  std::erase_if(budgets_, [&](const auto& row) { return pthread_equal(row.first, self); });
  if (budget != nullptr) budgets_.emplace_back(self, budget);
}

MemoryBudget* MemoryMaker::BudgetOfThread() {
  const pthread_t self = pthread_self();
  std::lock_guard lock(mutex_);
  const auto row = std::find_if(budgets_.begin(), budgets_.end(), [&](const auto& it) { return pthread_equal(it.first, self); });
  return row == budgets_.end() ? nullptr : row->second;
}

wasmtime_error_t* MemoryMaker::New(void* self, const wasm_memorytype_t* type, size_t minimum, size_t maximum, size_t reserved_bytes,
                                   size_t guard_bytes, wasmtime_linear_memory_t* memory) {
  auto made = std::make_unique<Memory>();
  made->budget = static_cast<MemoryMaker*>(self)->BudgetOfThread();
  if (made->budget == nullptr) {
    made->own = std::make_shared<MemoryBudget>();
    made->budget = made->own.get();
  }
  uint64_t declared = 0;
  constexpr uint64_t kPage = 64 << 10;
  if (wasmtime_memorytype_maximum(type, &declared)) made->maximum = declared > UINT64_MAX / kPage ? UINT64_MAX : declared * kPage;
  MemoryBudget& budget = *made->budget;
  if (budget.limited && (minimum >= made->maximum || minimum > budget.left_bytes)) {
    budget.exceeded = true;
    return wasmtime_error_new(kOom);
  }
  const size_t capacity = std::max(minimum, std::max(reserved_bytes, std::min(maximum, reserved_bytes)));
  if (!made->Map(minimum, capacity, guard_bytes)) return wasmtime_error_new("no address space for a memory");
  if (budget.limited) budget.left_bytes -= minimum;
  memory->env = made.release();
  memory->get_memory = &Memory::Get;
  memory->grow_memory = [](void* env, size_t bytes) { return static_cast<Memory*>(env)->Grow(bytes); };
  memory->finalizer = [](void* env) { delete static_cast<Memory*>(env); };
  return nullptr;
}

}  // namespace weir::engine
