#include "http/filter_chain.h"

#include <new>

namespace weir {
namespace {

FilterStatus CallHeaders(HttpFilter& filter, Direction direction, size_t count, EndOfStream end) {
  return direction == Direction::kRequest ? filter.OnRequestHeaders(count, end) : filter.OnResponseHeaders(count, end);
}
FilterStatus CallBody(HttpFilter& filter, Direction direction, size_t bytes, EndOfStream end) {
  return direction == Direction::kRequest ? filter.OnRequestBody(bytes, end) : filter.OnResponseBody(bytes, end);
}
constexpr HeaderMapKind HeadersOf(Direction direction) {
  return direction == Direction::kRequest ? HeaderMapKind::kRequestHeaders : HeaderMapKind::kResponseHeaders;
}
size_t SizeOf(HeaderMap* map) { return map ? map->size() : 0; }

/// True for the length of one event.
class Busy {
 public:
  explicit Busy(bool* busy) : busy_(busy) { *busy_ = true; }
  ~Busy() { *busy_ = false; }

 private:
  bool* busy_;
};

}  // namespace

FilterChain::FilterChain(HttpExchange& exchange, std::span<Plugin* const> plugins, uint64_t body_bytes) noexcept
    : exchange_(exchange), body_bytes_(body_bytes) {
  void* room = inline_;
  if (plugins.size() > kInlineFilters) room = ::operator new(plugins.size() * sizeof(Slot), std::align_val_t(alignof(Slot)));
  slots_ = static_cast<Slot*>(room);
  Busy busy(&busy_);  // what on_context_create answers or resets is the first event's verdict; the embedder is still being made
  for (Plugin* plugin : plugins) {
    Slot& slot = *new (slots_ + count_) Slot(*this, *plugin);
    ++count_;
    slot.filter_ = plugin->NewHttpFilter(slot);
    if (!slot.filter_) [[unlikely]] SetDown(slot);
  }
  made_ = true;
}

void FilterChain::SetDown(Slot& slot) {
  const PluginSpec& spec = slot.plugin_.spec();
  slot.state_ = spec.on_error == OnError::kOpen ? SlotState::kGone : SlotState::kDown;
  exchange_.OnNote(ChainNote::kPluginDown, spec.name);
}

FilterChain::~FilterChain() {
  Finish();
  for (size_t i = count_; i > 0; --i) slots_[i - 1].~Slot();
  if (static_cast<void*>(slots_) != inline_) ::operator delete(slots_, std::align_val_t(alignof(Slot)));
}

Verdict FilterChain::OnHeaders(Direction direction, EndOfStream end) noexcept {
  Path& path = this->path(direction);
  if (Swallows(direction) && outcome_ == Outcome::kNone) return Verdict::kContinue;
  if (outcome_ == Outcome::kNone) [[likely]] {
    Busy busy(&busy_);
    path.started = true;
    path.headers_end = end;
    PassHeaders(direction, 0);
  }
  if (outcome_ != Outcome::kNone) [[unlikely]] return VerdictOf(outcome_);
  return path.headers_left || !paused(direction) ? Verdict::kContinue : Verdict::kPause;
}

Verdict FilterChain::OnBody(Direction direction, std::string_view chunk, EndOfStream end, BodyOut* out) noexcept {
  if (Swallows(direction) && outcome_ == Outcome::kNone) return Verdict::kContinue;
  const bool had_left = path(direction).headers_left;
  if (outcome_ == Outcome::kNone) [[likely]] {
    Busy busy(&busy_);
    ReleaseResumed(direction, out);
    const bool something = !chunk.empty() || end == EndOfStream::kYes;  // an empty chunk is a flush, no event
    if (outcome_ == Outcome::kNone && something) PassBody(direction, 0, chunk, nullptr, end, out);
  }
  return Settle(direction, had_left, out);
}

Verdict FilterChain::OnTrailers(Direction direction, BodyOut* out) noexcept {
  if (Swallows(direction) && outcome_ == Outcome::kNone) return Verdict::kContinue;
  const bool had_left = path(direction).headers_left;
  if (outcome_ == Outcome::kNone) [[likely]] {
    Busy busy(&busy_);
    ReleaseResumed(direction, out);
    if (outcome_ == Outcome::kNone) PassTrailers(direction, 0, out);
  }
  return Settle(direction, had_left, out);
}

Verdict FilterChain::Continue(Direction direction, BodyOut* out) noexcept {
  if (Swallows(direction) && outcome_ == Outcome::kNone) return Verdict::kContinue;
  const bool had_left = path(direction).headers_left;
  if (outcome_ == Outcome::kNone) [[likely]] {
    Busy busy(&busy_);
    ReleaseResumed(direction, out);
  }
  return Settle(direction, had_left, out);
}

LocalResponse FilterChain::TakeLocalResponse() noexcept {
  if (outcome_ == Outcome::kLocalResponse) outcome_ = Outcome::kNone;
  for (size_t i = 0; i < count_; ++i) {
    for (Direction direction : {Direction::kRequest, Direction::kResponse}) {
      Gate& gate = slots_[i].gate(direction);
      const bool saw_headers = gate.saw_headers;
      gate = Gate{};
      gate.saw_headers = saw_headers;
      gate.closed = direction == Direction::kRequest || saw_headers;
    }
  }
  path(Direction::kResponse) = Path{};
  LocalResponse response = local_ ? std::move(*local_) : LocalResponse{};
  local_.reset();
  return response;
}

void FilterChain::Finish() noexcept {
  if (finished_) return;
  finished_ = true;
  for (size_t i = 0; i < count_; ++i) {
    Slot& slot = slots_[i];
    if (slot.state_ == SlotState::kActive && !slot.failed_) slot.filter_->OnFinish();
  }
}

bool FilterChain::ignores_body(Direction direction) const noexcept {
  for (size_t i = 0; i < count_; ++i) {
    const Slot& slot = slots_[i];
    if (slot.gate(direction).paused) return false;
    if (slot.state_ == SlotState::kActive && !slot.filter_->ignores_body(direction)) return false;
  }
  return true;
}

bool FilterChain::paused(Direction direction) const noexcept {
  for (size_t i = 0; i < count_; ++i) {
    if (slots_[i].gate(direction).paused) return true;
  }
  return false;
}

/// Whether that filter is asked about an event of that direction. A plugin that is down fails here, at its first event.
bool FilterChain::Takes(Slot& slot, Direction direction) {
  if (direction == Direction::kResponse && path(Direction::kRequest).started &&
      !slot.gate(Direction::kRequest).saw_headers) {
    return false;
  }
  if (slot.state_ != SlotState::kActive) [[unlikely]] {
    if (slot.state_ == SlotState::kDown) ApplyFailure(slot);
    return false;
  }
  return !slot.gate(direction).closed;
}

FilterChain::Decision FilterChain::Decide(Slot& slot, Gate& gate, FilterStatus status) {
  gate.deciding = gate.in_body = gate.end_shown = false;
  if (status == FilterStatus::kFailed || slot.failed_) [[unlikely]] ApplyFailure(slot);
  if (outcome_ != Outcome::kNone) [[unlikely]] return Decision::kStop;
  if (status != FilterStatus::kPause || slot.state_ != SlotState::kActive) [[likely]] return Decision::kGoOn;
  if (!gate.released) return Decision::kHold;
  if (!std::exchange(gate.pause_ignored, true)) exchange_.OnNote(ChainNote::kPauseIgnored, slot.plugin_.spec().name);
  return Decision::kGoOn;
}

void FilterChain::PassHeaders(Direction direction, size_t place) {
  Path& path = this->path(direction);
  for (; place < count_; ++place) {
    Slot& slot = At(direction, place);
    if (!Takes(slot, direction)) {
      if (outcome_ != Outcome::kNone) return;
      continue;
    }
    Gate& gate = slot.gate(direction);
    gate.saw_headers = gate.deciding = true;
    const size_t count = SizeOf(exchange_.headers(HeadersOf(direction)));
    switch (Decide(slot, gate, CallHeaders(*slot.filter_, direction, count, path.headers_end))) {
      case Decision::kStop:
        return;
      case Decision::kHold:
        gate.paused = gate.headers_wait = true;
        return;
      case Decision::kGoOn:
        break;
    }
  }
  path.headers_left = true;
  if (path.headers_end == EndOfStream::kYes) path.over = true;
}

/// Brings `bytes` to the filters from `place` on. `owner`: the string that holds them and may be moved from; null when they
/// are the chunk that the embedder gave.
void FilterChain::PassBody(Direction direction, size_t place, std::string_view bytes, std::string* owner, EndOfStream end,
                           BodyOut* out) {
  for (; place < count_; ++place) {
    Slot& slot = At(direction, place);
    if (!Takes(slot, direction)) {
      if (outcome_ != Outcome::kNone) return;
      continue;
    }
    Gate& gate = slot.gate(direction);
    const bool ignores = slot.filter_->ignores_body(direction);
    if (gate.paused && gate.headers_wait && (ignores || slot.plugin_.spec().header_pause == HeaderPause::kStream)) {
      if (HoldUnseen(slot, direction, bytes, owner, end)) return;
      gate.paused = gate.unseen = false;  // released: both limits and headers let go
    } else if (ignores) {
      continue;
    }
    if (ignores) {
      gate.TakeIn(bytes, owner);
      bytes = gate.held;
      owner = &gate.held;
    } else {
      const EndOfStream shown = end;
      if (!ShowBody(slot, direction, &bytes, &owner, &end)) return;
      if (end != shown) {  // the end is that of the trailers now
        if (std::exchange(gate.headers_wait, false)) PassHeaders(direction, place + 1);
        if (outcome_ == Outcome::kNone && !bytes.empty()) PassBody(direction, place + 1, bytes, owner, end, out);
        if (outcome_ == Outcome::kNone) PassTrailers(direction, place + 1, out);
        return;
      }
    }
    if (std::exchange(gate.headers_wait, false)) PassHeaders(direction, place + 1);
    if (outcome_ != Outcome::kNone) return;
  }
  Leave(direction, bytes, owner, end, out);
}

/// For a gate whose headers wait: keeps the bytes. True: kept, or the outcome is set. False: over the limit and released,
/// so everything is to go on.
bool FilterChain::HoldUnseen(Slot& slot, Direction direction, std::string_view bytes, std::string* owner, EndOfStream end) {
  Gate& gate = slot.gate(direction);
  if (gate.held.size() + bytes.size() > BodyBytes(slot)) return !BufferFull(slot, direction, gate);
  gate.TakeIn(bytes, owner);
  gate.unseen = true;
  if (end == EndOfStream::kYes) gate.end_wait = true;
  return true;
}

/// One body event. True: `*bytes`, `*owner` and `*end` are what goes on. False: held, or the outcome is set.
bool FilterChain::ShowBody(Slot& slot, Direction direction, std::string_view* bytes, std::string** owner, EndOfStream* end) {
  Gate& gate = slot.gate(direction);
  gate.Show(*bytes, *owner);
  gate.unseen = false;
  gate.deciding = gate.in_body = true;
  gate.end_shown = *end == EndOfStream::kYes;
  const Decision decision = Decide(slot, gate, CallBody(*slot.filter_, direction, gate.shown_bytes, *end));
  const bool unchanged = std::exchange(gate.borrowed, false);
  if (decision == Decision::kStop) return false;
  if (decision == Decision::kHold) {
    const size_t size = unchanged ? bytes->size() : gate.held.size();
    if (size <= BodyBytes(slot)) {
      if (unchanged) gate.TakeIn(*bytes, *owner);
      gate.paused = true;
      gate.resumed = false;
      if (*end == EndOfStream::kYes) gate.end_wait = true;
      return false;
    }
    if (!BufferFull(slot, direction, gate)) return false;
  }
  gate.paused = gate.resumed = false;
  if (TrailersAdded(gate, direction)) *end = EndOfStream::kNo;
  if (!unchanged) {
    if (*owner && *owner != &gate.held) (*owner)->clear();
    *bytes = gate.held;
    *owner = &gate.held;
  }
  return true;
}

void FilterChain::Leave(Direction direction, std::string_view bytes, std::string* owner, EndOfStream end, BodyOut* out) {
  Emit(bytes, owner, end, out);
  if (end == EndOfStream::kYes) path(direction).over = true;
}

/// Lets everything go on that waits in one gate.
void FilterChain::Release(Direction direction, size_t place, BodyOut* out) {
  Slot& slot = At(direction, place);
  Gate& gate = slot.gate(direction);
  gate.paused = gate.resumed = false;
  if (std::exchange(gate.headers_wait, false)) PassHeaders(direction, place + 1);
  if (outcome_ != Outcome::kNone) return;
  EndOfStream end = std::exchange(gate.end_wait, false) ? EndOfStream::kYes : EndOfStream::kNo;
  if (TrailersAdded(gate, direction)) {
    end = EndOfStream::kNo;
    gate.trailers_wait = true;
    gate.trailers_unseen = false;
  }
  if (!gate.held.empty() || end == EndOfStream::kYes) {
    const bool show = std::exchange(gate.unseen, false) && slot.state_ == SlotState::kActive &&
                      !slot.filter_->ignores_body(direction);
    PassBody(direction, show ? place : place + 1, gate.held, &gate.held, end, out);
    if (outcome_ != Outcome::kNone) return;
  }
  if (std::exchange(gate.trailers_wait, false)) {
    PassTrailers(direction, gate.trailers_unseen ? place : place + 1, out);
  }
}

/// From the last filter to the first, so that bytes held further on leave before those behind them.
void FilterChain::ReleaseResumed(Direction direction, BodyOut* out) {
  for (size_t place = count_; place > 0 && outcome_ == Outcome::kNone; --place) {
    if (At(direction, place - 1).gate(direction).resumed) Release(direction, place - 1, out);
  }
}

Verdict FilterChain::Settle(Direction direction, bool headers_had_left, BodyOut* out) {
  if (outcome_ != Outcome::kNone) [[unlikely]] {
    *out = BodyOut{};
    return VerdictOf(outcome_);
  }
  const Path& path = this->path(direction);
  if (path.headers_left && !headers_had_left) {
    out->headers_passed = true;
    if (path.headers_end == EndOfStream::kYes) out->end = EndOfStream::kYes;
  }
  const bool something = out->unchanged || out->headers_passed || out->trailers_passed || !out->bytes.empty() ||
                         out->end == EndOfStream::kYes;
  return something || !paused(direction) ? Verdict::kContinue : Verdict::kPause;
}

}  // namespace weir
