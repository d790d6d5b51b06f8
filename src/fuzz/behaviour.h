// What a plugin did in a run, as a set of numbers to tell new behaviour from old; and what it asked for, to give it that next time.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "weir/witness.h"

namespace weir::fuzz {

/// Names that a plugin asked its host for.
struct Asked {
  std::set<std::string> request_headers, response_headers, properties, shared_keys, http_upstreams, grpc_upstreams;
  /// False: nothing of it was new. Each set holds at most 256 names.
  bool Add(const Asked& other);
};

/// One run; not shared between threads.
class Behaviour final : public Witness {
 public:
  /// Each: a host call with its name, the names in its arguments and its status, in its callback; two of them in a row; the result of
  /// a callback; how often something was done, in powers of two.
  const std::set<uint64_t>& features();
  const Asked& asked() const { return asked_; }

  void OnCallback(const CallbackEvent& event) override;
  void OnHostCall(const HostCallEvent& event) override;
  void OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) override;

 private:
  void Count(uint64_t feature);
  void Note(const HostCallEvent& event);

  Asked asked_;
  uint64_t callback_ = 0, last_ = 0;
  std::vector<uint64_t> seen_;
  std::set<uint64_t> features_;
};

}  // namespace weir::fuzz
