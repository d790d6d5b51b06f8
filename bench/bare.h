// The floor: one plugin on Wasmtime's C API with nothing around it, as a one-evening embedding would do it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace weir::bench {

class Bare {
 public:
  /// Ends the process with a message when the module does not load.
  explicit Bare(std::string_view wasm);
  ~Bare();
  /// Six callbacks: context create, request headers, response headers, done, log, delete. The request headers callback reads two
  /// headers from fixed strings and adds one to a vector, which is cleared for each stream.
  void Stream();
  /// One callback that does nothing.
  void EmptyCall();
  /// How many headers the last stream added: to see that work was done.
  size_t added() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::bench
