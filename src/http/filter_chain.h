// The plugins of one request in order: who is asked when, who holds what, what comes out. One for both embedders.
//
//   embedder ── OnRequestHeaders, OnBody … ──► FilterChain ──► filter 0 ──► filter 1 ──► …   (responses: last filter first)
//            ◄── Verdict, BodyOut ────────────            ◄── slot 0  ◄── slot 1          (a slot is that filter's HttpStream)
//
// A filter that pauses holds its direction: body bytes that reach it wait in its slot. When it is resumed the chain goes on
// from there at the next Continue().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "weir/http.h"
#include "weir/plugin.h"

namespace weir {

enum class Verdict : uint8_t {
  kContinue,       ///< forward what BodyOut says (and the headers, if this let them pass)
  kPause,          ///< hold; HttpExchange::Wake will ask for Continue
  kLocalResponse,  ///< send local_response() instead; the response events follow for it, as for any response
  kReset,          ///< too late for a response: abort the connection or stream
};

/// What leaves the chain after an event with a body.
struct BodyOut {
  bool unchanged = false;  ///< forward the chunk that was given, as it is (nothing was held before it)
  std::string bytes;       ///< otherwise forward these
  EndOfStream end = EndOfStream::kNo;
  bool headers_passed = false;  ///< Continue: the headers of this direction are through now, before these bytes
};

class FilterChain {
 public:
  /// `exchange` and the plugins outlive the chain. Makes one filter a plugin, in order.
  FilterChain(HttpExchange& exchange, std::span<Plugin* const> plugins);
  ~FilterChain();
  FilterChain(const FilterChain&) = delete;
  FilterChain& operator=(const FilterChain&) = delete;

  /// Headers of that direction are complete and may be changed until this direction continues.
  Verdict OnHeaders(Direction direction, EndOfStream end);
  /// A chunk of the body (may be empty with end). Allowed while the headers are paused: it is held, within Limits::body_bytes.
  Verdict OnBody(Direction direction, std::string_view chunk, EndOfStream end, BodyOut* out);
  Verdict OnTrailers(Direction direction, BodyOut* out);
  /// After HttpExchange::Wake(direction): goes on where a resumed filter stopped.
  Verdict Continue(Direction direction, BodyOut* out);
  /// After kLocalResponse; taken once.
  LocalResponse TakeLocalResponse();
  /// on_done, on_log of every filter. Once; also done by the destructor.
  void Finish();

  /// Nobody in the chain has a callback for these bodies (and nothing is held): the embedder need not ask.
  bool ignores_body(Direction direction) const;
  bool paused(Direction direction) const;

 private:
  class Slot;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir
