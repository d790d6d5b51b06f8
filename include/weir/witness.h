// Everything that crosses between plugins and their host, told as it happens: each callback, and each host call with its arguments,
// status and, where it is refused, the reason. For people (`weir request --explain`), recordings and tests.
//
//   struct : Witness { … } witness;
//   host.witness = &witness;          // before plugins are loaded; without one nothing of this is in the way of a call
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

namespace weir {

/// An argument, a result or an output. Views live as long as the event.
struct CrossedValue {
  std::string_view name;                          ///< the specification's, without "_data": "map_id", "key"
  std::variant<int64_t, std::string_view> value;  ///< a number, or bytes
  std::string_view symbol;                        ///< what the number stands for: "request_headers"; empty: itself
};

struct CallbackEvent {
  std::string_view plugin;
  std::string_view name;                          ///< "proxy_on_request_headers"; of a start function "_initialize"
  uint32_t context = 0;                           ///< the one that it is about; 0: none (start functions)
  std::span<const CrossedValue> arguments;
};
struct CallbackEnd {
  uint64_t ns = 0;                                ///< by the machine's clock, with the host calls in it
  bool alive = true;                              ///< false: a trap, a deadline or a limit ended the instance
  std::string_view trap;                          ///< then: why, one line
  uint64_t memory_bytes = 0;                      ///< of linear memory that the instance has now
  bool has_result = false;
  CrossedValue result;                            ///< symbol: "CONTINUE", "PAUSE", "true", "false"
};

struct HostCallEvent {
  std::string_view plugin;
  std::string_view module, name;                  ///< "env", "proxy_get_property"
  uint32_t context = 0;                           ///< the effective one
  std::span<const CrossedValue> arguments;
  std::span<const CrossedValue> outputs;          ///< what the return pointers got; empty unless the status is good
  std::string_view status;                        ///< that the plugin was told: "OK", "NOT_FOUND", of WASI "BADF"; empty: it has none
  std::string_view specified;                     ///< the specification's, where `statuses lenient` told the plugin OK; else empty
  std::string_view reason;                        ///< why it is not OK; which rule
  std::string_view detail;                        ///< and what of the arguments: a name, a path; may be empty
  bool trapped = false;                           ///< the call ended the instance: proc_exit, or the allocator trapped
};

class Witness {
 public:
  /// False: host calls are not told, and cost what they always do. Asked when a plugin is loaded.
  virtual bool hears_host_calls() const { return true; }
  virtual void OnCallback(const CallbackEvent& event) = 0;
  /// After the call; calls made before OnCallback belong to the module's start section.
  virtual void OnHostCall(const HostCallEvent& event) = 0;
  virtual void OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) = 0;

 protected:
  ~Witness() = default;
};

}  // namespace weir
