#include "proxy_wasm/statuses.h"

namespace weir::proxy_wasm {
namespace {
constexpr Status kStatuses[] = {Status::kOk,          Status::kNotFound,     Status::kBadArgument,
                                Status::kSerializationFailure, Status::kParseFailure, Status::kInvalidMemoryAccess,
                                Status::kEmpty,       Status::kCasMismatch,  Status::kInternalFailure,
                                Status::kUnimplemented};
}  // namespace

std::string_view Name(Status status) {
  switch (status) {
    case Status::kOk: return "OK";
    case Status::kNotFound: return "NOT_FOUND";
    case Status::kBadArgument: return "BAD_ARGUMENT";
    case Status::kSerializationFailure: return "SERIALIZATION_FAILURE";
    case Status::kParseFailure: return "PARSE_FAILURE";
    case Status::kInvalidMemoryAccess: return "INVALID_MEMORY_ACCESS";
    case Status::kEmpty: return "EMPTY";
    case Status::kCasMismatch: return "CAS_MISMATCH";
    case Status::kInternalFailure: return "INTERNAL_FAILURE";
    case Status::kUnimplemented: return "UNIMPLEMENTED";
  }
  return "?";
}

std::string ToleratedNames(uint32_t extra) {
  std::string names;
  for (Status status : kStatuses) {
    if ((extra >> uint32_t(status) & 1) == 0) continue;
    if (!names.empty()) names += ", ";
    names += Name(status);
  }
  return names;
}

}  // namespace weir::proxy_wasm
