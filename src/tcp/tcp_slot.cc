// What one filter may do to its connection, and what becomes of the whole: close, failure policy.
#include <algorithm>

#include "tcp/tcp_chain.h"

namespace weir {
namespace {

struct Note {
  std::string_view name, text;
};
constexpr Note kNotes[] = {
    {"plugin_down", "is down: no instance for this connection"},
    {"failed_open", "failed: the connection goes on without it (on_error=open)"},
    {"failed_closed", "failed: the connection is closed (on_error=closed)"},
    {"data_held", "holds as much as it may: no more is read from that side until it resumes (on_buffer_full=reject)"},
    {"data_released", "held as much as it may: it goes on (on_buffer_full=release)"},
    {"pause_ignored", "paused again after what it held was released: ignored"},
    {"data_held_too_long", "held as much as it may for too long without resuming: the connection is closed"},
    {"data_replace_refused", "tried to grow data by more than its limit: refused"},
    {"property_refused", "tried to set more properties than its limit: refused"},
};
static_assert(std::size(kNotes) == static_cast<size_t>(TcpNote::kPropertyRefused) + 1);

}  // namespace

std::string_view Describe(TcpNote note) { return kNotes[static_cast<size_t>(note)].text; }
std::string_view Name(TcpNote note) { return kNotes[static_cast<size_t>(note)].name; }

std::optional<std::string_view> TcpChain::Slot::data(TcpSide side) {
  const Gate& gate = this->gate(side);
  if (!gate.in_data && !gate.paused) return std::nullopt;
  return gate.bytes();
}

bool TcpChain::Slot::ReplaceData(TcpSide side, size_t start, size_t size, std::string_view bytes) {
  Gate& gate = this->gate(side);
  if (chain_.finished_ || (!gate.in_data && !gate.paused)) return false;
  const size_t shown = gate.in_data ? gate.shown_bytes : 0;
  const size_t after = gate.SizeAfter(start, size, bytes.size());
  const PluginSpec& spec = plugin_.spec();
  if (after > gate.bytes().size() && after > shown + chain_.held_bytes_max(*this)) {
    chain_.exchange_.OnNote(TcpNote::kReplaceRefused, spec.name);
    return false;
  }
  gate.Replace(start, size, bytes);
  return true;
}

void TcpChain::Slot::Resume(TcpSide side) {
  Gate& gate = this->gate(side);
  if (chain_.finished_ || !gate.paused || gate.deciding) return;
  gate.resumed = true;
  chain_.exchange_.Wake(side);
}

void TcpChain::Slot::Close(TcpSide) { chain_.Record(Outcome::kClosing); }

std::optional<PropertyValue> TcpChain::Slot::property(Property property) { return chain_.exchange_.property(property); }

std::optional<std::string> TcpChain::Slot::custom_property(std::string_view path) {
  std::optional<std::string> found = chain_.custom_.Find(path);
  return found ? found : chain_.exchange_.variable(path);
}

bool TcpChain::Slot::SetCustomProperty(std::string_view path, std::string_view value) {
  if (chain_.finished_) return false;
  if (path.starts_with(kVariablePrefix)) return chain_.exchange_.SetVariable(path, value);
  const auto done = chain_.custom_.Put(path, value, plugin_.spec().limits.property_bytes);
  if (done == CustomProperties::Set::kTooMuch) chain_.exchange_.OnNote(TcpNote::kPropertyRefused, plugin_.spec().name);
  return done == CustomProperties::Set::kDone;
}

void TcpChain::Slot::Fail() {
  if (state_ == SlotState::kGone) return;
  if (!chain_.made_) return chain_.SetDown(*this);  // a plugin behind it, which shares its VM, trapped at its creation
  if (chain_.finished_ || gate(TcpSide::kDownstream).deciding || gate(TcpSide::kUpstream).deciding) {
    failed_ = true;  // Decide() applies it when the event returns; Finish() passes it over
    return;
  }
  chain_.ApplyFailure(*this);
}

/// The plugin's OnError, at once: it is asked nothing more.
void TcpChain::ApplyFailure(Slot& slot) {
  if (slot.state_ == SlotState::kGone) return;
  slot.state_ = SlotState::kGone;
  const PluginSpec& spec = slot.plugin_.spec();
  if (spec.on_error == OnError::kOpen) {
    exchange_.OnNote(TcpNote::kFailedOpen, spec.name);
    for (TcpSide side : {TcpSide::kDownstream, TcpSide::kUpstream}) {
      if (!slot.gate(side).paused) continue;
      slot.gate(side).resumed = true;
      exchange_.Wake(side);
    }
    return;
  }
  exchange_.OnNote(TcpNote::kFailedClosed, spec.name);
  Record(Outcome::kFailed);
}

void TcpChain::Record(Outcome outcome) {
  if (finished_ || outcome_ == Outcome::kFailed) return;
  outcome_ = outcome;
  if (!busy_) exchange_.Wake(TcpSide::kDownstream);
}

}  // namespace weir
