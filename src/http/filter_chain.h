// The plugins of one request in order: who is asked when, who holds what, what comes out. One for both embedders.
//
//   embedder ── OnRequestHeaders, OnBody … ──► FilterChain ──► filter 0 ──► filter 1 ──► …   (responses: last filter first)
//            ◄── Verdict, BodyOut ────────────            ◄── slot 0  ◄── slot 1          (a slot is that filter's HttpStream)
//
// A filter that pauses holds its direction: body bytes that reach it wait in its gate. When it is resumed the chain goes on
// from there at the next Continue(). Each slot has two gates, one a direction:
//
//   state of a gate          body bytes that reach it                                after Resume
//   open                     shown to the filter as they come, passed on             -
//   paused in the headers    wait unseen (HeaderPause::kStream), or are shown with   headers go on; unseen bytes are shown,
//                            the total (kHeadersOnly: kContinue resumes everything)  then passed on
//   paused in the body       shown with all that is held: the total                  held bytes go on, not shown again
//   paused in the trailers   -                                                       held bytes and trailers go on
//
// Trailers of a message that came without any: a filter that is shown the end of the body (or holds it) may write to an empty map.
// Then the end is no longer the body's but that of the trailers, which the filters behind it are asked about. [as Envoy's addTrailers]
//
// Response events reach the filters that saw the request headers, or all of them when the chain never saw a request (a page
// that the proxy made before the plugins' phase). So a local response of filter 0 is not shown to filter 1, as in Envoy. A
// local response made in the response phase is shown only to filters that have not seen the first response headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chain_parts.h"
#include "weir/http.h"
#include "weir/plugin.h"

namespace weir {

enum class Verdict : uint8_t {
  kContinue,       ///< forward what BodyOut says (and the headers, if this let them pass)
  kPause,          ///< nothing leaves now; HttpExchange::Wake will ask for Continue
  kLocalResponse,  ///< send TakeLocalResponse() instead; the response events follow for it, as for any response
  kReset,          ///< too late for a response: abort the connection or stream
};

/// What leaves the chain after an event with a body. Give a fresh one to each event.
struct BodyOut {
  bool unchanged = false;  ///< forward the chunk that was given, as it is (nothing was held before it)
  std::string bytes;       ///< otherwise forward these
  EndOfStream end = EndOfStream::kNo;  ///< the message is over after these bytes (and the trailers, if they passed)
  bool headers_passed = false;   ///< the headers of this direction are through now, before these bytes
  bool trailers_passed = false;  ///< the trailers are through now, after these bytes
};

class FilterChain {
 public:
  /// `exchange` and the plugins outlive the chain. Makes one filter a plugin, in order. No allocation beside the filters
  /// for chains of up to kInlineFilters. `body_bytes`: what each may hold of a body here; 0: its Limits::body_bytes.
  FilterChain(HttpExchange& exchange, std::span<Plugin* const> plugins, uint64_t body_bytes = 0) noexcept;
  ~FilterChain();
  FilterChain(const FilterChain&) = delete;
  FilterChain& operator=(const FilterChain&) = delete;

  /// Headers of that direction are complete and may be changed until this direction continues.
  Verdict OnHeaders(Direction direction, EndOfStream end) noexcept;
  /// A chunk of the body (may be empty with end). Allowed while the headers are paused: it is held, within Limits::body_bytes.
  Verdict OnBody(Direction direction, std::string_view chunk, EndOfStream end, BodyOut* out) noexcept;
  /// The body is over without EndOfStream::kYes, and these are the trailers.
  Verdict OnTrailers(Direction direction, BodyOut* out) noexcept;
  /// After HttpExchange::Wake(direction): goes on where a resumed filter stopped.
  Verdict Continue(Direction direction, BodyOut* out) noexcept;
  /// After kLocalResponse; taken once. Request events afterwards are swallowed (kContinue, no bytes).
  LocalResponse TakeLocalResponse() noexcept;
  /// on_done, on_log of every filter. Once; also done by the destructor.
  void Finish() noexcept;

  /// Nobody in the chain has a callback for these bodies (and nothing is held): the embedder need not ask.
  bool ignores_body(Direction direction) const noexcept;
  /// The same of trailers, should some come.
  bool ignores_trailers(Direction direction) const noexcept;
  bool paused(Direction direction) const noexcept;

  static constexpr size_t kInlineFilters = 4;

 private:
  /// One filter in one direction.
  struct Gate : HeldBytes {
    bool deciding = false;   ///< an event of this gate is being answered
    bool in_body = false;    ///< ... and it is a body event
    bool paused = false;
    bool resumed = false;    ///< Resume came; acted on at the next event or Continue
    bool saw_headers = false;
    bool headers_wait = false;
    bool unseen = false;     ///< `held` was not shown to the filter yet
    bool end_shown = false;  ///< the body event that is being answered told the end
    bool end_wait = false;   ///< the end of the body waits behind `held`
    bool adds_trailers = false;  ///< the filter asked for the map of a message without trailers
    bool trailers_wait = false;
    bool trailers_unseen = false;
    bool released = false;   ///< OnBufferFull::kRelease happened: kPause is ignored
    bool pause_ignored = false;  ///< ... and that was said once
    bool closed = false;     ///< no further events of this direction
  };

  enum class SlotState : uint8_t { kActive, kDown, kGone };

  /// What one filter sees of the chain.
  class Slot final : public HttpStream {
   public:
    Slot(FilterChain& chain, Plugin& plugin) : chain_(chain), plugin_(plugin) {}
    HeaderMap* headers(HeaderMapKind kind) override;
    bool headers_writable(HeaderMapKind kind) override;
    std::optional<std::string_view> body(Direction direction) override;
    bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) override;
    void Resume(Direction direction) override;
    bool SendLocalResponse(LocalResponse response) override;
    void Reset(Direction direction) override;
    std::optional<PropertyValue> property(Property property) override;
    std::optional<std::string> custom_property(std::string_view path) override;
    HeaderList custom_properties() override { return chain_.custom_.all(); }
    bool SetCustomProperty(std::string_view path, std::string_view value) override;
    void ClearRouteCache() override;
    void Fail() override;

    Gate& gate(Direction direction) { return gates_[static_cast<size_t>(direction)]; }
    const Gate& gate(Direction direction) const { return gates_[static_cast<size_t>(direction)]; }

    FilterChain& chain_;
    Plugin& plugin_;
    SlotState state_ = SlotState::kActive;
    bool failed_ = false;  ///< Fail() came while an event was being answered
    Gate gates_[kDirections];
    std::unique_ptr<HttpFilter> filter_;  ///< last: it dies first
  };

  /// The chain in one direction.
  struct Path {
    bool started = false;
    bool headers_left = false;
    bool trailers_left = false;
    bool over = false;  ///< the end of the message left the chain
    EndOfStream headers_end = EndOfStream::kNo;
  };

  enum class Outcome : uint8_t { kNone, kLocalResponse, kReset };
  enum class Decision : uint8_t { kGoOn, kHold, kStop };
  /// Of one that is not kNone.
  static Verdict VerdictOf(Outcome outcome) { return outcome == Outcome::kReset ? Verdict::kReset : Verdict::kLocalResponse; }

  Slot& At(Direction direction, size_t place) const {
    return slots_[direction == Direction::kRequest ? place : count_ - 1 - place];
  }
  Path& path(Direction direction) { return paths_[static_cast<size_t>(direction)]; }
  uint64_t BodyBytes(const Slot& slot) const { return body_bytes_ != 0 ? body_bytes_ : slot.plugin_.spec().limits.body_bytes; }
  bool Swallows(Direction direction) const { return direction == Direction::kRequest && local_given_; }

  bool Takes(Slot& slot, Direction direction);
  Decision Decide(Slot& slot, Gate& gate, FilterStatus status);
  void PassHeaders(Direction direction, size_t place);
  void PassBody(Direction direction, size_t place, std::string_view bytes, std::string* owner, EndOfStream end, BodyOut* out);
  void PassTrailers(Direction direction, size_t place, BodyOut* out);
  bool TrailersAdded(Gate& gate, Direction direction);
  bool ShowBody(Slot& slot, Direction direction, std::string_view* bytes, std::string** owner, EndOfStream* end);
  bool HoldUnseen(Slot& slot, Direction direction, std::string_view bytes, std::string* owner, EndOfStream end);
  void Leave(Direction direction, std::string_view bytes, std::string* owner, EndOfStream end, BodyOut* out);
  void Release(Direction direction, size_t place, BodyOut* out);
  void ReleaseResumed(Direction direction, BodyOut* out);
  Verdict Settle(Direction direction, bool headers_had_left, BodyOut* out);
  bool BufferFull(Slot& slot, Direction direction, Gate& gate);
  void ApplyFailure(Slot& slot);
  /// There is no instance for this stream: the plugin's first event, if any, applies its OnError.
  void SetDown(Slot& slot);
  bool Answer(LocalResponse response, std::string_view plugin);
  void RecordReset(Direction direction);
  void Record(Outcome outcome, Direction direction);

  HttpExchange& exchange_;
  const uint64_t body_bytes_;
  Slot* slots_ = nullptr;
  size_t count_ = 0;
  Path paths_[kDirections];
  Outcome outcome_ = Outcome::kNone;
  bool made_ = false;         ///< all filters are there
  bool busy_ = false;         ///< inside an event: what is recorded comes out as its verdict, without a Wake
  bool local_given_ = false;  ///< the first local response won, taken or not
  bool finished_ = false;
  std::optional<LocalResponse> local_;
  CustomProperties custom_;
  alignas(Slot) unsigned char inline_[kInlineFilters * sizeof(Slot)];
};

}  // namespace weir
