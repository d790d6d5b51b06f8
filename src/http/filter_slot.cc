// What one filter may do to its stream, and what becomes of the whole stream: local response, reset, failure policy.
#include <cstring>

#include "http/filter_chain.h"

namespace weir {
namespace {

struct Note {
  std::string_view name, text;
};
constexpr Note kNotes[] = {
    {"plugin_down", "is down: no instance for this stream"},
    {"failed_open", "failed: the stream goes on without it (on_error=open)"},
    {"failed_closed", "failed: the stream gets 503 (on_error=closed)"},
    {"failed_reset", "failed after the response headers had left: the stream is reset (on_error=closed)"},
    {"body_rejected", "paused a body beyond its limit: the stream is answered in its place (on_buffer_full=reject)"},
    {"body_released", "paused a body beyond its limit: what was held goes on (on_buffer_full=release)"},
    {"pause_ignored", "paused a body again after it was released: ignored"},
    {"body_replace_refused", "tried to grow a body by more than its limit: refused"},
    {"property_refused", "tried to set more properties than its limit: refused"},
    {"second_local_response", "gave a second local response: ignored, the first one wins"},
    {"late_local_response", "gave a local response after the response headers had left: the stream is reset"},
    {"bad_local_status", "gave a local response with a status outside 200 to 599: 500 is sent"},
};
static_assert(std::size(kNotes) == static_cast<size_t>(ChainNote::kBadLocalStatus) + 1);

}  // namespace

std::string_view Describe(ChainNote note) { return kNotes[static_cast<size_t>(note)].text; }
std::string_view Name(ChainNote note) { return kNotes[static_cast<size_t>(note)].name; }

HeaderMap* FilterChain::Slot::headers(HeaderMapKind kind) {
  HeaderMap* map = chain_.exchange_.headers(kind);
  const bool trailers = kind == HeaderMapKind::kRequestTrailers || kind == HeaderMapKind::kResponseTrailers;
  if (map != nullptr || !trailers) [[likely]] return map;
  const Direction direction = kind == HeaderMapKind::kRequestTrailers ? Direction::kRequest : Direction::kResponse;
  Gate& gate = this->gate(direction);
  if (!gate.end_shown && (!gate.end_wait || gate.unseen)) return nullptr;
  map = chain_.exchange_.AddTrailers(direction);
  gate.adds_trailers = map != nullptr;
  return map;
}

bool FilterChain::Slot::headers_writable(HeaderMapKind kind) {
  if (chain_.finished_) return false;
  switch (kind) {
    case HeaderMapKind::kRequestHeaders:
      return !chain_.exchange_.headers_sent(Direction::kRequest);
    case HeaderMapKind::kResponseHeaders:
      return !chain_.exchange_.headers_sent(Direction::kResponse);
    case HeaderMapKind::kRequestTrailers:
      return !chain_.path(Direction::kRequest).trailers_left;
    case HeaderMapKind::kResponseTrailers:
      return !chain_.path(Direction::kResponse).trailers_left;
  }
  return false;
}

std::optional<std::string_view> FilterChain::Slot::body(Direction direction) {
  const Gate& gate = this->gate(direction);
  if (!gate.in_body && !gate.paused) return std::nullopt;
  return gate.bytes();
}

bool FilterChain::Slot::ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) {
  Gate& gate = this->gate(direction);
  if (chain_.finished_ || (!gate.in_body && !gate.paused)) return false;
  const size_t shown = gate.in_body ? gate.shown_bytes : 0;  // a paused body is within the limit already
  const PluginSpec& spec = plugin_.spec();
  if (gate.SizeAfter(start, size, bytes.size()) > shown + chain_.BodyBytes(*this)) {
    chain_.exchange_.OnNote(ChainNote::kBodyReplaceRefused, spec.name);
    return false;
  }
  gate.Replace(start, size, bytes);
  return true;
}

void FilterChain::Slot::Resume(Direction direction) {
  Gate& gate = this->gate(direction);
  if (chain_.finished_ || !gate.paused || gate.deciding) return;
  gate.resumed = true;
  chain_.exchange_.Wake(direction);
}

bool FilterChain::Slot::SendLocalResponse(LocalResponse response) {
  return chain_.Answer(std::move(response), plugin_.spec().name);
}

void FilterChain::Slot::Reset(Direction direction) { chain_.RecordReset(direction); }

std::optional<PropertyValue> FilterChain::Slot::property(Property property) { return chain_.exchange_.property(property); }

std::optional<std::string> FilterChain::Slot::custom_property(std::string_view path) {
  std::optional<std::string> found = chain_.custom_.Find(path);
  return found ? found : chain_.exchange_.variable(path);
}

bool FilterChain::Slot::SetCustomProperty(std::string_view path, std::string_view value) {
  if (chain_.finished_) return false;
  if (path.starts_with(kVariablePrefix)) return chain_.exchange_.SetVariable(path, value);
  const auto done = chain_.custom_.Put(path, value, plugin_.spec().limits.property_bytes);
  if (done == CustomProperties::Set::kTooMuch) chain_.exchange_.OnNote(ChainNote::kPropertyRefused, plugin_.spec().name);
  return done == CustomProperties::Set::kDone;
}

void FilterChain::Slot::ClearRouteCache() {
  if (!chain_.finished_) chain_.exchange_.ClearRouteCache();
}

void FilterChain::Slot::Fail() {
  if (state_ == SlotState::kGone) return;
  if (!chain_.made_) return chain_.SetDown(*this);  // a plugin behind it, which shares its VM, trapped at its creation
  if (chain_.finished_ || gate(Direction::kRequest).deciding || gate(Direction::kResponse).deciding) {
    failed_ = true;  // Decide() applies it when the event returns; Finish() passes it over
    return;
  }
  chain_.ApplyFailure(*this);
}

/// The plugin's OnError, at once: it is asked nothing more.
void FilterChain::ApplyFailure(Slot& slot) {
  if (slot.state_ == SlotState::kGone) return;
  slot.state_ = SlotState::kGone;
  const PluginSpec& spec = slot.plugin_.spec();
  if (spec.on_error == OnError::kOpen) {
    exchange_.OnNote(ChainNote::kFailedOpen, spec.name);
    for (Direction direction : {Direction::kRequest, Direction::kResponse}) {
      if (!slot.gate(direction).paused) continue;
      slot.gate(direction).resumed = true;
      exchange_.Wake(direction);
    }
    return;
  }
  if (outcome_ != Outcome::kNone || path(Direction::kResponse).over) return;
  const bool late = local_given_ || exchange_.headers_sent(Direction::kResponse);
  exchange_.OnNote(late ? ChainNote::kFailedReset : ChainNote::kFailedClosed, spec.name);
  if (late) return RecordReset(Direction::kResponse);
  LocalResponse response;
  response.status = 503;
  response.details = "plugin \"" + spec.name + "\" failed";
  Answer(std::move(response), spec.name);
}

/// True: released, everything held goes on. False: the outcome is set.
bool FilterChain::BufferFull(Slot& slot, Direction direction, Gate& gate) {
  const PluginSpec& spec = slot.plugin_.spec();
  if (spec.on_buffer_full == OnBufferFull::kRelease) {
    gate.released = true;
    exchange_.OnNote(ChainNote::kBodyReleased, spec.name);
    return true;
  }
  exchange_.OnNote(ChainNote::kBodyRejected, spec.name);
  if (local_given_ || exchange_.headers_sent(Direction::kResponse)) {
    RecordReset(direction);
    return false;
  }
  LocalResponse response;
  response.status = direction == Direction::kRequest ? 413 : 502;
  response.details = "plugin \"" + spec.name + "\" held more than " + std::to_string(BodyBytes(slot)) + " bytes";
  Answer(std::move(response), spec.name);
  return false;
}

bool FilterChain::Answer(LocalResponse response, std::string_view plugin) {
  if (finished_ || outcome_ == Outcome::kReset) return false;
  if (local_given_) {
    exchange_.OnNote(ChainNote::kSecondLocalResponse, plugin);
    return false;
  }
  if (exchange_.headers_sent(Direction::kResponse)) {
    exchange_.OnNote(ChainNote::kLateLocalResponse, plugin);
    RecordReset(Direction::kResponse);
    return false;
  }
  if (response.status < 200 || response.status > 599) {
    exchange_.OnNote(ChainNote::kBadLocalStatus, plugin);
    response.status = 500;
  }
  local_given_ = true;
  local_ = std::move(response);
  Record(Outcome::kLocalResponse, path(Direction::kResponse).started ? Direction::kResponse : Direction::kRequest);
  return true;
}

void FilterChain::RecordReset(Direction direction) {
  if (finished_ || outcome_ != Outcome::kNone) return;
  Record(Outcome::kReset, direction);
}

void FilterChain::Record(Outcome outcome, Direction direction) {
  outcome_ = outcome;
  if (!busy_) exchange_.Wake(direction);
}

}  // namespace weir
