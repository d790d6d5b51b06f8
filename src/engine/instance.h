// A running module: calls in, host functions out, memory, deadline. What the ABI families build on.
// The only layer that knows Wasmtime; nothing of it shows here.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/engine.h"
#include "weir/result.h"

namespace weir::engine {

enum class ValType : uint8_t { kI32, kI64, kF32, kF64 };

/// One argument or result; the layout of wasmtime_val_raw_t (checked in instance.cc).
union alignas(8) RawValue {
  uint32_t i32;
  uint64_t i64;
  float f32;
  double f64;
  uint8_t v128[16];
};

class Instance;

/// Linear memory. It never moves and never shrinks, so the size that was known last is a bound that holds; only what is outside
/// of it asks Wasmtime whether the memory has grown. Lives as long as its instance.
class GuestMemory {
 public:
  GuestMemory() = default;
  /// `owner` is asked again; null: it does not grow.
  GuestMemory(uint8_t* base, uint64_t size, Instance* owner = nullptr) : base_(base), size_(size), owner_(owner) {}
  /// As it is now.
  uint64_t size() const {
    Refresh();
    return size_;
  }
  /// nullopt: [offset, offset + size) is not all inside; computed in 64 bits, so it cannot wrap. Size 0 is good up to size().
  std::optional<std::span<uint8_t>> Slice(uint64_t offset, uint64_t size) const {
    if (!Inside(offset, size)) [[unlikely]] return std::nullopt;
    return std::span<uint8_t>(base_ + offset, size);
  }
  std::optional<std::string_view> View(uint64_t offset, uint64_t size) const {
    if (!Inside(offset, size)) [[unlikely]] return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(base_ + offset), size);
  }
  /// Unaligned is fine. False: outside.
  template <class T>
  bool Store(uint64_t offset, T value) const {
    if (!Inside(offset, sizeof value)) [[unlikely]] return false;
    std::memcpy(base_ + offset, &value, sizeof value);
    return true;
  }
  template <class T>
  bool Load(uint64_t offset, T* value) const {
    if (!Inside(offset, sizeof *value)) [[unlikely]] return false;
    std::memcpy(value, base_ + offset, sizeof *value);
    return true;
  }

 private:
  bool Fits(uint64_t offset, uint64_t size) const { return offset <= size_ && size <= size_ - offset; }
  bool Inside(uint64_t offset, uint64_t size) const {
    if (Fits(offset, size)) [[likely]] return true;
    Refresh();
    return Fits(offset, size);
  }
  void Refresh() const;

  uint8_t* base_ = nullptr;
  mutable uint64_t size_ = 0;  ///< at least so many bytes
  Instance* owner_ = nullptr;
};

struct Trap {
  enum class Kind : uint8_t { kGuest, kDeadline, kStackOverflow, kExit, kHost, kFuel } kind = Kind::kGuest;
  std::string message;    ///< one line: "unreachable", "used its 50 ms of CPU time", "proc_exit(1)"
  std::string backtrace;  ///< one frame a line, innermost first, by function name; may be empty
  int32_t exit_code = 0;  ///< kExit
};

enum class HostOutcome : bool { kReturn, kTrap };

/// A host function as the engine sees it: `self` is Instance::self(). Arguments come in `slots`, the result goes to slots[0].
/// kTrap: Instance::SetTrap was called, or a nested Call failed (its trap is passed on).
using HostThunk = HostOutcome (*)(Instance& instance, void* self, RawValue* slots) noexcept;

/// One import to satisfy. All views outlive the Linked module (they are constants of a table).
struct HostImport {
  std::string_view module, name;
  std::span<const ValType> params, results;
  HostThunk thunk = nullptr;
};

/// Hears of all calls across the border of the instances of one Linked. Only those pay for it.
class Observer {
 public:
  virtual ~Observer() = default;
  /// False: OnHostCall is never called. Asked when the module is linked.
  virtual bool wants_host_calls() const = 0;
  /// A call from the host (not a nested one), before and after. `slots`: arguments; then the result.
  virtual void OnCall(Instance& instance, std::string_view function, std::span<const RawValue> slots) noexcept = 0;
  virtual void OnReturn(Instance& instance, std::string_view function, const RawValue& result, bool alive) noexcept = 0;
  /// In place of `import.thunk`, which it calls.
  virtual HostOutcome OnHostCall(const HostImport& import, Instance& instance, RawValue* slots) noexcept = 0;
};

/// A module with its imports resolved once; instances of it cost microseconds. Shared by threads.
class Linked {
 public:
  /// `imports` holds at least all that the module wants; more is fine. kLinkFailed names the import that is missing or has
  /// another signature (the family's own check, with better words, comes before). `observer`: null, or told of every call.
  static Result<std::unique_ptr<Linked>> Create(Engine& engine, std::shared_ptr<const Module> module,
                                                std::span<const HostImport> imports, std::unique_ptr<Observer> observer = nullptr);
  virtual ~Linked() = default;
  virtual const Module& module() const = 0;
};

/// A guest function, looked up once. Valid as long as its instance.
struct Function {
  uint64_t handle[2] = {0, 0};
  bool exists = false;
  uint32_t observed = 0;  ///< of an observed instance: by which name it was found; two exports may be one function
  explicit operator bool() const { return exists; }
};

struct InstanceLimits {
  uint64_t memory_bytes = 256ull << 20;
  uint64_t table_elements = 1u << 20;
};

/// One store with one instance. One thread at a time. After a trap it is dead: nothing enters it again.
class Instance {
 public:
  /// Instantiates; a `start` function of the module runs within `start_ms` of CPU time. The error carries trap and backtrace.
  static Result<std::unique_ptr<Instance>> Create(Linked& linked, void* self, const InstanceLimits& limits, uint32_t start_ms);
  virtual ~Instance() = default;

  void* self() const { return self_; }
  bool alive() const { return alive_; }
  /// The trap that ended it. Precondition: !alive().
  const Trap& trap() const { return trap_; }
  /// For a host thunk that returns kTrap.
  void SetTrap(Trap trap) { trap_ = std::move(trap); }

  const GuestMemory& memory() const { return memory_; }
  /// Bytes of memory there are now.
  virtual uint64_t MemoryBytes() = 0;
  /// Not there: `exists` is false. There with another signature: an error naming both.
  virtual Result<Function> Find(std::string_view name, std::span<const ValType> params, std::span<const ValType> results) = 0;
  /// Whether a function of that name is exported, of whatever signature.
  virtual bool Exports(std::string_view name) const = 0;

  /// Calls from the host: `budget_ms` of CPU time for it and all it calls (0: none). Arguments in slots[0..], result in slots[0];
  /// `slots` has room for the larger of both. False: a trap; the instance is dead now.
  virtual bool Call(const Function& function, RawValue* slots, size_t count, uint32_t budget_ms) = 0;
  /// Calls from inside a host function (an allocator): shares the outer call's budget. False: return kTrap.
  virtual bool CallNested(const Function& function, RawValue* slots, size_t count) = 0;
  /// Depth of calls in progress: 0 outside, 1 in a host function of a call, more inside nested ones.
  virtual uint32_t depth() const = 0;
  /// With EngineOptions::fuel: instructions from now on until Trap::Kind::kFuel. A new instance has as good as endless fuel.
  virtual void SetFuel(uint64_t) {}
  virtual uint64_t fuel() const { return 0; }

 protected:
  void* self_ = nullptr;
  GuestMemory memory_;
  bool alive_ = true;
  Trap trap_;
};

inline void GuestMemory::Refresh() const {
  if (owner_ != nullptr) size_ = owner_->MemoryBytes();
}

/// WebAssembly text to binary, for tests.
Result<std::string> WatToWasm(std::string_view wat);

}  // namespace weir::engine
