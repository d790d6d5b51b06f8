// Trailers on their way along the chain: those that came, and those that a filter gives to a message without any.
#include <utility>

#include "http/filter_chain.h"

namespace weir {
namespace {

FilterStatus CallTrailers(HttpFilter& filter, Direction direction, size_t count) {
  return direction == Direction::kRequest ? filter.OnRequestTrailers(count) : filter.OnResponseTrailers(count);
}
constexpr HeaderMapKind TrailersOf(Direction direction) {
  return direction == Direction::kRequest ? HeaderMapKind::kRequestTrailers : HeaderMapKind::kResponseTrailers;
}
size_t SizeOf(HeaderMap* map) { return map ? map->size() : 0; }

}  // namespace

bool FilterChain::ignores_trailers(Direction direction) const noexcept {
  for (size_t i = 0; i < count_; ++i) {
    const Slot& slot = slots_[i];
    if (slot.state_ == SlotState::kActive && !slot.filter_->ignores_trailers(direction)) return false;
  }
  return true;
}

/// Whether the filter behind this gate, asked for a map of new trailers, wrote to it.
bool FilterChain::TrailersAdded(Gate& gate, Direction direction) {
  return std::exchange(gate.adds_trailers, false) && SizeOf(exchange_.AddTrailers(direction)) > 0;
}

void FilterChain::PassTrailers(Direction direction, size_t place, BodyOut* out) {
  for (; place < count_; ++place) {
    Slot& slot = At(direction, place);
    if (!Takes(slot, direction)) {
      if (outcome_ != Outcome::kNone) return;
      continue;
    }
    Gate& gate = slot.gate(direction);
    if (gate.paused && gate.headers_wait &&
        (gate.unseen || slot.plugin_.spec().header_pause == HeaderPause::kStream)) {
      gate.trailers_wait = gate.trailers_unseen = true;
      return;
    }
    gate.deciding = true;
    const size_t count = SizeOf(exchange_.headers(TrailersOf(direction)));
    switch (Decide(slot, gate, CallTrailers(*slot.filter_, direction, count))) {
      case Decision::kStop:
        return;
      case Decision::kHold:
        gate.paused = gate.trailers_wait = true;
        gate.trailers_unseen = false;
        return;
      case Decision::kGoOn:
        break;
    }
    gate.paused = gate.resumed = false;
    if (std::exchange(gate.headers_wait, false)) PassHeaders(direction, place + 1);
    if (outcome_ == Outcome::kNone && !gate.held.empty()) {
      PassBody(direction, place + 1, gate.held, &gate.held, EndOfStream::kNo, out);
    }
    if (outcome_ != Outcome::kNone) return;
  }
  Path& path = this->path(direction);
  path.trailers_left = path.over = true;
  out->trailers_passed = true;
  out->end = EndOfStream::kYes;
}

}  // namespace weir
