// Foreign functions.
#include "proxy_wasm/foreign.h"
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {
constexpr size_t kNameMax = 256;  // bytes of a name in a log line

Status StatusOf(ForeignAnswer::Status status) {
  switch (status) {
    case ForeignAnswer::Status::kOk: return Status::kOk;
    case ForeignAnswer::Status::kNotFound: return Status::kNotFound;
    case ForeignAnswer::Status::kBadArgument: return Status::kBadArgument;
    case ForeignAnswer::Status::kInternalFailure: return Status::kInternalFailure;
    case ForeignAnswer::Status::kSerializationFailure: return Status::kSerializationFailure;
  }
  return Status::kInternalFailure;
}
}  // namespace

Answer<std::string_view> HostCalls::CallForeignFunction(std::string_view name, std::string_view argument) {
  if (!Allows(core_->spec.allow.foreign, name)) {
    core_->LogOnce(LogLevel::kWarn, "foreign function \"" + std::string(name.substr(0, kNameMax)) +
                                       "\" is refused: allow= of this plugin does not name it (said once)");
    core_->Rejected("proxy_call_foreign_function", kNotAllowed);
    return Refuse(Status::kNotFound, "allow= of this plugin does not name that foreign function", name);
  }
  ForeignAnswer answer;
  if (const BuiltinForeign* builtin = BuiltinForeign::Find(name)) {
    answer = builtin->function(*this, argument);
  } else if (auto at = core_->host.foreign_functions.find(name); at != core_->host.foreign_functions.end()) {
    const std::string copy(argument);  // it may outlive this call's view of guest memory
    answer = at->second(core_->plugin, copy);
  }
  if (answer.status == ForeignAnswer::Status::kNotFound) return Refuse(Status::kNotFound, "no such foreign function, or no such thing", name);
  if (answer.status != ForeignAnswer::Status::kOk) return Refuse(StatusOf(answer.status), "the foreign function refused its argument", name);
  scratch_ = std::move(answer.bytes);
  return std::string_view(scratch_);
}

}  // namespace weir::proxy_wasm
