#include "tcp/tcp_chain.h"

#include <algorithm>

namespace weir {
namespace {

/// True for the length of one event.
class Busy {
 public:
  explicit Busy(bool* busy) : busy_(busy) { *busy_ = true; }
  ~Busy() { *busy_ = false; }

 private:
  bool* busy_;
};

}  // namespace

TcpChain::TcpChain(TcpExchange& exchange, std::span<Plugin* const> plugins, uint64_t held_bytes_max) noexcept
    : exchange_(exchange), held_bytes_max_(held_bytes_max) {
  slots_.reserve(plugins.size());
  Busy busy(&busy_);  // what on_context_create closes is the first event's verdict; the embedder is still being made
  for (Plugin* plugin : plugins) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>(*this, *plugin));
    slot.filter_ = plugin->NewTcpFilter(slot);
    if (!slot.filter_) [[unlikely]] SetDown(slot);
  }
  made_ = true;
}

void TcpChain::SetDown(Slot& slot) {
  const PluginSpec& spec = slot.plugin_.spec();
  slot.state_ = spec.on_error == OnError::kOpen ? SlotState::kGone : SlotState::kDown;
  exchange_.OnNote(TcpNote::kPluginDown, spec.name);
}

TcpChain::~TcpChain() {
  Finish();
  while (!slots_.empty()) slots_.pop_back();
}

TcpVerdict TcpChain::OnNewConnection() noexcept {
  if (outcome_ == Outcome::kNone) {
    Busy busy(&busy_);
    PassConnection(0);
  }
  if (outcome_ != Outcome::kNone) return TcpVerdict::kClose;
  return connected_ ? TcpVerdict::kContinue : TcpVerdict::kPause;
}

TcpVerdict TcpChain::OnData(TcpSide side, std::string_view chunk, EndOfStream end, DataOut* out) noexcept {
  const bool was_connected = connected_;
  if (outcome_ == Outcome::kNone) [[likely]] {
    Busy busy(&busy_);
    ReleaseResumed(side, out);
    const bool something = !chunk.empty() || end == EndOfStream::kYes;
    if (outcome_ == Outcome::kNone && something && !over(side)) PassData(side, 0, chunk, nullptr, end, out);
    return Settle(side, was_connected, out);
  }
  return TcpVerdict::kClose;
}

TcpVerdict TcpChain::Continue(TcpSide side, DataOut* out) noexcept {
  const bool was_connected = connected_;
  if (outcome_ != Outcome::kNone) return TcpVerdict::kClose;
  Busy busy(&busy_);
  ReleaseResumed(side, out);
  return Settle(side, was_connected, out);
}

TcpVerdict TcpChain::OnHeldTooLong(TcpSide side) noexcept {
  if (outcome_ != Outcome::kNone) return TcpVerdict::kClose;
  if (!full(side)) return TcpVerdict::kContinue;
  for (const auto& slot : slots_) {
    if (Full(*slot, slot->gate(side))) exchange_.OnNote(TcpNote::kHeldTooLong, slot->plugin_.spec().name);
  }
  outcome_ = Outcome::kFailed;
  return TcpVerdict::kClose;
}

void TcpChain::OnClose(TcpSide side, PeerType peer) noexcept {
  if (finished_ || std::exchange(closed_[static_cast<size_t>(side)], true)) return;
  Busy busy(&busy_);
  for (size_t place = 0; place < slots_.size(); ++place) {
    Slot& slot = At(side, place);
    if (slot.state_ == SlotState::kActive && !slot.failed_ && slot.met_) slot.filter_->OnClose(side, peer);
  }
}

void TcpChain::Finish() noexcept {
  if (finished_) return;
  finished_ = true;
  for (const auto& slot : slots_) {
    if (slot->state_ == SlotState::kActive && !slot->failed_) slot->filter_->OnFinish();
  }
}

bool TcpChain::ignores_data(TcpSide side) const noexcept {
  return std::all_of(slots_.begin(), slots_.end(), [&](const auto& slot) {
    if (slot->gate(side).paused) return false;
    return slot->state_ == SlotState::kGone || (slot->state_ == SlotState::kActive && slot->filter_->ignores_data(side));
  });
}

bool TcpChain::paused(TcpSide side) const noexcept {
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& slot) { return slot->gate(side).paused; });
}

uint64_t TcpChain::held_bytes_max(const Slot& slot) const {
  return held_bytes_max_ != 0 ? held_bytes_max_ : slot.plugin_.spec().limits.body_bytes;
}

bool TcpChain::Full(const Slot& slot, const Gate& gate) const {
  return gate.paused && !gate.resumed && gate.held.size() >= held_bytes_max(slot);
}

bool TcpChain::full(TcpSide side) const noexcept {
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& slot) { return Full(*slot, slot->gate(side)); });
}

uint32_t TcpChain::full_ms(TcpSide side) const noexcept {
  uint32_t least_ms = UINT32_MAX;
  for (const auto& slot : slots_) {
    if (Full(*slot, slot->gate(side))) least_ms = std::min(least_ms, slot->plugin_.spec().limits.full_ms);
  }
  return least_ms;
}

/// False: this filter is not asked; a plugin that is down ends the connection here, when its turn comes.
bool TcpChain::Takes(Slot& slot) {
  if (slot.state_ == SlotState::kActive) [[likely]] return true;
  if (slot.state_ == SlotState::kDown) ApplyFailure(slot);
  return false;
}

TcpChain::Decision TcpChain::Decide(Slot& slot, Gate& gate, FilterStatus status) {
  gate.deciding = gate.in_data = false;
  if (status == FilterStatus::kFailed || slot.failed_) [[unlikely]] ApplyFailure(slot);
  if (outcome_ == Outcome::kFailed) [[unlikely]] return Decision::kStop;
  if (status != FilterStatus::kPause || slot.state_ != SlotState::kActive) [[likely]] return Decision::kGoOn;
  if (outcome_ == Outcome::kClosing) return Decision::kStop;
  if (!gate.released) return Decision::kHold;
  if (!std::exchange(gate.pause_ignored, true)) exchange_.OnNote(TcpNote::kPauseIgnored, slot.plugin_.spec().name);
  return Decision::kGoOn;
}

void TcpChain::PassConnection(size_t place) {
  for (; place < slots_.size(); ++place) {
    Slot& slot = At(TcpSide::kDownstream, place);
    if (!Takes(slot)) {
      if (outcome_ != Outcome::kNone) return;
      continue;
    }
    Gate& gate = slot.gate(TcpSide::kDownstream);
    gate.deciding = slot.met_ = true;
    const Decision decision = Decide(slot, gate, slot.filter_->OnNewConnection());
    if (outcome_ != Outcome::kNone) return;
    if (decision == Decision::kGoOn) continue;
    gate.paused = gate.connection_waits = true;
    return;
  }
  connected_ = true;
}

/// Brings `bytes` to the filters from `place` on. `owner`: the string that holds them and may be moved from; null when they
/// are the chunk that the embedder gave.
void TcpChain::PassData(TcpSide side, size_t place, std::string_view bytes, std::string* owner, EndOfStream end, DataOut* out) {
  for (; place < slots_.size(); ++place) {
    Slot& slot = At(side, place);
    if (!Takes(slot)) {
      if (outcome_ != Outcome::kNone) return;
      continue;
    }
    Gate& gate = slot.gate(side);
    const bool ignores = slot.filter_->ignores_data(side);
    if (gate.connection_waits && (ignores || slot.plugin_.spec().header_pause == HeaderPause::kStream)) {
      if (Hold(slot, gate, bytes, owner, end)) {
        gate.unseen = true;
        return;
      }
      gate.paused = gate.resumed = gate.unseen = gate.end_wait = false;  // released: data and connection
      bytes = gate.held;
      owner = &gate.held;
    } else if (ignores) {
      continue;
    }
    if (!ignores && !Show(slot, side, &bytes, &owner, end)) return;
    if (std::exchange(gate.connection_waits, false)) PassConnection(place + 1);
    if (outcome_ == Outcome::kFailed || (outcome_ == Outcome::kClosing && !connected_)) return;
  }
  Leave(side, bytes, owner, end, out);
}

/// Keeps the bytes in a paused gate. False: the gate is full and lets go (OnBufferFull::kRelease): everything held goes on.
bool TcpChain::Hold(Slot& slot, Gate& gate, std::string_view bytes, std::string* owner, EndOfStream end) {
  gate.TakeIn(bytes, owner);
  gate.paused = true;
  if (end == EndOfStream::kYes) gate.end_wait = true;
  const PluginSpec& spec = slot.plugin_.spec();
  if (gate.held.size() < held_bytes_max(slot)) return true;
  if (spec.on_buffer_full == OnBufferFull::kReject) {
    if (!std::exchange(gate.full_said, true)) exchange_.OnNote(TcpNote::kHeldFull, spec.name);
    return true;
  }
  gate.released = true;
  exchange_.OnNote(TcpNote::kHeldReleased, spec.name);
  return false;
}

/// One data event. True: `*bytes` and `*owner` are what goes on. False: held, or the outcome is set.
bool TcpChain::Show(Slot& slot, TcpSide side, std::string_view* bytes, std::string** owner, EndOfStream end) {
  Gate& gate = slot.gate(side);
  gate.Show(*bytes, *owner);
  gate.unseen = false;
  gate.deciding = gate.in_data = true;
  const Decision decision = Decide(slot, gate, slot.filter_->OnData(side, gate.shown_bytes, end));
  const bool borrowed = std::exchange(gate.borrowed, false);
  if (decision == Decision::kStop) return false;
  if (!borrowed) {
    if (*owner && *owner != &gate.held) (*owner)->clear();
    *bytes = gate.held;
    *owner = &gate.held;
  }
  if (decision == Decision::kHold) {
    gate.resumed = false;
    if (Hold(slot, gate, *bytes, *owner, end)) return false;
    *bytes = gate.held;
    *owner = &gate.held;
  }
  gate.paused = gate.resumed = gate.end_wait = false;
  return true;
}

void TcpChain::Leave(TcpSide side, std::string_view bytes, std::string* owner, EndOfStream end, DataOut* out) {
  Emit(bytes, owner, end, out);
  if (end == EndOfStream::kYes) over(side) = true;
}

/// Lets everything go on that waits in one gate.
void TcpChain::Release(TcpSide side, size_t place, DataOut* out) {
  Slot& slot = At(side, place);
  Gate& gate = slot.gate(side);
  gate.paused = gate.resumed = false;
  if (std::exchange(gate.connection_waits, false)) PassConnection(place + 1);
  if (outcome_ != Outcome::kNone) return;
  const bool unseen = std::exchange(gate.unseen, false);
  const EndOfStream end = std::exchange(gate.end_wait, false) ? EndOfStream::kYes : EndOfStream::kNo;
  if (gate.held.empty() && end == EndOfStream::kNo) return;
  PassData(side, unseen ? place : place + 1, gate.held, &gate.held, end, out);
}

/// From the last filter to the first, so that bytes held further on leave before those behind them.
void TcpChain::ReleaseResumed(TcpSide side, DataOut* out) {
  for (size_t place = slots_.size(); place > 0 && outcome_ == Outcome::kNone; --place) {
    if (At(side, place - 1).gate(side).resumed) Release(side, place - 1, out);
  }
}

TcpVerdict TcpChain::Settle(TcpSide side, bool was_connected, DataOut* out) {
  if (outcome_ == Outcome::kFailed) *out = DataOut{};
  if (outcome_ != Outcome::kNone) return TcpVerdict::kClose;
  out->connection_passed = connected_ && !was_connected;
  const bool something = out->unchanged || out->connection_passed || !out->bytes.empty() || out->end == EndOfStream::kYes;
  return something || !paused(side) ? TcpVerdict::kContinue : TcpVerdict::kPause;
}

}  // namespace weir
