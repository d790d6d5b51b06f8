#include "proxy_wasm/observed.h"

#include <algorithm>
#include <array>
#include <string>

#include "proxy_wasm/host_calls.h"
#include "proxy_wasm/host_functions.h"

namespace weir::proxy_wasm {
namespace {

using abi::Role;

/// "value_data" -> "value": its size is no argument of its own.
std::string_view Stem(std::string_view name) {
  constexpr std::string_view kData = "_data";
  return name.ends_with(kData) ? name.substr(0, name.size() - kData.size()) : name;
}

struct Values {
  std::array<ObservedValue, abi::kArgsMax> rows;
  std::array<std::string, abi::kArgsMax> copies;  ///< of bytes: the guest's allocator may run in the call, and write over them
  size_t count = 0;
  void Add(ObservedValue value) {
    if (value.bytes) value.bytes = copies[count] = *value.bytes;
    rows[count++] = value;
  }
  std::span<const ObservedValue> span() const { return {rows.data(), count}; }
};

uint64_t Number(const abi::Param& param, const engine::RawValue& slot) { return param.type == engine::ValType::kI64 ? slot.i64 : slot.i32; }

/// A pointer that is outside shows as the number that it is.
ObservedValue BytesAt(std::string_view name, const engine::GuestMemory& memory, uint64_t at, uint64_t size) {
  const auto bytes = memory.View(at, size);
  return {Stem(name), bytes ? size : at, bytes};
}

void ReadArguments(const abi::HostFunction& row, const engine::GuestMemory& memory, const engine::RawValue* slots, Values* out) {
  for (size_t i = 0; i < row.params.size(); ++i) {
    const abi::Param& param = row.params[i];
    switch (param.role) {
      case Role::kValue: out->Add({.name = row.args[i], .number = Number(param, slots[i])}); break;
      case Role::kData: out->Add(BytesAt(row.args[i], memory, slots[i].i32, uint64_t{slots[i + 1].i32} * param.bytes)); break;
      case Role::kBuffer: case Role::kSize: case Role::kReturn: break;
    }
  }
}

/// What the host has written; an address and a size together are bytes.
void ReadAnswers(const abi::HostFunction& row, const engine::GuestMemory& memory, const engine::RawValue* slots, Values* out) {
  for (size_t i = 0; i < row.params.size(); ++i) {
    const abi::Param& param = row.params[i];
    if (param.role != Role::kReturn || (param.bytes != 4 && param.bytes != 8)) continue;
    uint64_t value = 0;
    const auto written = memory.View(slots[i].i32, param.bytes);
    if (!written) continue;
    written->copy(reinterpret_cast<char*>(&value), param.bytes);
    uint32_t size = 0;
    if (row.args[i].ends_with("_data") && i + 1 < row.params.size() && memory.Load(slots[i + 1].i32, &size)) {
      out->Add(BytesAt(row.args[i], memory, value, size));
      ++i;
    } else {
      out->Add({.name = row.args[i], .number = value});
    }
  }
}

}  // namespace

engine::HostOutcome ObservedCalls::OnHostCall(engine::Instance& instance, engine::RawValue* slots, engine::HostThunk call) noexcept {
  const auto linked = std::ranges::find_if(core_.observed, [&](const LinkedCall& one) { return one.row->thunk == call; });
  const abi::HostFunction& row = *linked->row;
  std::array<engine::RawValue, abi::kArgsMax> before;
  std::copy_n(slots, row.params.size(), before.begin());
  Values arguments, answers;
  ReadArguments(row, instance.memory(), before.data(), &arguments);
  Refusal refusal;
  Refusal* const outer = calls_.set_refusal(&refusal);
  const engine::HostOutcome outcome = linked->thunk(instance, &selves_, slots);
  calls_.set_refusal(outer);

  const bool proxy = linked->module == kModule;
  ObservedHostCall seen{.name = row.name, .arguments = arguments.span(), .refusal = refusal.status, .reason = refusal.reason, .detail = refusal.detail,
                        .trapped = outcome == engine::HostOutcome::kTrap};
  if (!seen.trapped && !row.results.empty()) {
    seen.status = slots[0].i32;
    if (proxy) seen.status_name = Name(Status(slots[0].i32));
    if (slots[0].i32 == 0) ReadAnswers(row, instance.memory(), before.data(), &answers);
    seen.answers = answers.span();
  }
  core_.host.observer->OnHostCall(core_.plugin, seen);
  return outcome;
}

}  // namespace weir::proxy_wasm
