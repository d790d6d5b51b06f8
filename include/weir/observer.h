// Everything that passes between plugins and their host, for tools: each callback with its arguments, each host call with what went
// in, what came out, and why it was refused. Nothing is spent on it where no observer is given.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weir {

class Plugin;

/// An argument or answer: a number, or bytes of the guest's memory.
struct ObservedValue {
  std::string_view name;  ///< the specification's, of bytes without "_data": "key", "num_headers", "return_value"
  uint64_t number = 0;    ///< of bytes: how many
  std::optional<std::string_view> bytes;
};

/// All views are good during OnHostCall only.
struct ObservedHostCall {
  std::string_view name;
  std::span<const ObservedValue> arguments;  ///< as they were before the call
  std::span<const ObservedValue> answers;    ///< what was written to return pointers; none when the status is not OK
  std::optional<uint32_t> status;            ///< what the guest got; nullopt: the function has no result, or ended the instance
  std::string_view status_name;              ///< "NOT_FOUND"; empty: a number of WASI
  /// The specification's status when the call had no effect, also where the guest was told OK (lenient statuses). Empty: it had.
  std::string_view refusal;
  std::string_view reason, detail;           ///< of the refusal: "the map is not there in this phase", which header or path
  bool trapped = false;                      ///< the instance has ended in it
};

/// How a callback ended.
struct ObservedEnd {
  std::optional<uint32_t> result;  ///< nullopt: it returns nothing, or `alive` is false
  bool alive = true;               ///< false: the instance has ended in it
  uint64_t memory_bytes = 0;       ///< of linear memory that the instance has now
};

/// `name` and views in `arguments` are good during the call only. Called on the thread that serves the plugin; must not call it.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  /// False: host calls are not told, and cost what they always do. Asked when a plugin is loaded.
  virtual bool wants_host_calls() const = 0;
  virtual void OnCallback(const Plugin& plugin, std::string_view name, std::span<const ObservedValue> arguments) = 0;
  virtual void OnCallbackEnd(const Plugin& plugin, std::string_view name, const ObservedEnd& end) = 0;
  virtual void OnHostCall(const Plugin& plugin, const ObservedHostCall& call) = 0;
  /// The host took `bytes` of the guest's memory by its allocator, for an answer.
  virtual void OnAllocation(const Plugin& plugin, uint64_t bytes) { (void)plugin, (void)bytes; }
};

}  // namespace weir
