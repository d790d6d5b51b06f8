#include "weir/call.h"

namespace weir {

std::string_view Name(CallFailure failure) {
  constexpr std::string_view kNames[] = {"none", "timeout", "resolve", "connect", "tls", "reset", "too_large", "protocol"};
  return kNames[static_cast<size_t>(failure)];
}

}  // namespace weir
