#include "weir/call.h"

namespace weir {

std::string_view Name(CallFailure failure) {
  switch (failure) {
    case CallFailure::kNone: return "ok";
    case CallFailure::kTimeout: return "timeout";
    case CallFailure::kResolve: return "resolve";
    case CallFailure::kConnect: return "connect";
    case CallFailure::kTls: return "tls";
    case CallFailure::kReset: return "reset";
    case CallFailure::kTooLarge: return "too_large";
    case CallFailure::kProtocol: return "protocol";
  }
  return "?";
}

}  // namespace weir
