// One request and its response in memory, through a chain of plugins.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/filter_chain.h"
#include "memhost/given_properties.h"
#include "memhost/memory_headers.h"
#include "memhost/memory_host.h"

namespace weir {

/// A request or response. Make `headers` with RequestHeaders() or ResponseHeaders().
struct HttpMessage {
  HeaderList headers;
  std::vector<std::string> body;  ///< a string a chunk; none: no body, the headers end the message
  HeaderList trailers;
  std::string BodyText() const;
};

/// As a proxy that buffers requests: the upstream is asked when the whole request is through the chain, so request headers may be
/// changed until then. Response headers are sent as soon as they are through.
class MemoryStream final : public HttpExchange {
 public:
  /// `world` and the plugins outlive it.
  MemoryStream(MemoryHost& world, std::span<Plugin* const> plugins, HttpMessage request);

  // ---- Events. Each hands on what passed; a pause holds the rest until Pump().
  void FeedHeaders(Direction direction, EndOfStream end);
  void FeedBody(Direction direction, std::string_view chunk, EndOfStream end);
  void FeedTrailers(Direction direction);
  /// Before FeedTrailers, where they did not come with the message.
  void SetTrailers(Direction direction, HeaderList trailers) { side(direction).message.trailers = std::move(trailers); }
  /// Before FeedHeaders(kResponse): the headers and trailers of the upstream's response. Its body is yours to feed.
  void StartResponse(HttpMessage response);
  /// All of the request, or all of a response, chunk by chunk.
  void SendRequest();
  void SendResponse(HttpMessage response);
  /// FilterChain::Continue for each Wake that came. False: none had.
  bool Pump();
  void Finish() { chain_->Finish(); }
  /// Request and response headers as they were given, a new chain, nothing sent: the same stream again, without its
  /// allocations. For benchmarks and fuzzing. Bodies are fed anew.
  void Rewind();

  // ---- What came out.
  bool request_over() const { return sides_[0].over; }    ///< all of it may go to the upstream
  bool response_over() const { return sides_[1].over; }
  bool reset() const { return reset_; }
  bool local() const { return local_; }                   ///< the response is one that a plugin made
  const std::string& local_details() const { return local_details_; }
  bool paused(Direction direction) const { return chain_->paused(direction); }
  /// The upstream has been asked: request headers are no longer writable. Call it before StartResponse.
  void ForwardRequest() { sides_[0].sent = true; }
  const HttpMessage& request() const { return sides_[0].message; }    ///< what the upstream gets
  const HttpMessage& response() const { return sides_[1].message; }   ///< what the client gets
  const std::vector<ChainNote>& notes() const { return notes_; }

  GivenProperties given;  ///< beside those that follow from the message, and before them

  // ---- HttpExchange
  HeaderMap* headers(HeaderMapKind kind) override;
  HeaderMap* AddTrailers(Direction direction) override;
  bool headers_sent(Direction direction) override { return side(direction).sent; }
  std::optional<PropertyValue> property(Property property) override;
  std::optional<std::string> variable(std::string_view path) override;
  bool SetVariable(std::string_view path, std::string_view value) override;
  void ClearRouteCache() override { world_.Note("stream clear_route_cache"); }
  void Wake(Direction direction) override { side(direction).woken = true; }
  void OnNote(ChainNote note, std::string_view plugin) override;

 private:
  struct Side {
    HttpMessage message;       ///< headers and trailers as they are now; body: what is through
    bool exists = false;       ///< its headers have arrived
    bool trailers_exist = false;
    bool body_came = false;
    bool sent = false;
    bool over = false;
    bool woken = false;
  };
  Side& side(Direction direction) { return sides_[static_cast<size_t>(direction)]; }
  void Take(Direction direction, Verdict verdict, std::string_view chunk, BodyOut* out);
  void SendLocal();

  MemoryHost& world_;
  Side sides_[kDirections];
  HttpMessage to_send_;  ///< the request's body and trailers, before the chain
  MemoryHeaders maps_[kHeaderMapKinds];
  uint64_t started_ns_ = 0;
  bool reset_ = false, local_ = false;
  std::string local_details_;
  std::vector<ChainNote> notes_;
  std::vector<Plugin*> plugins_;
  std::optional<FilterChain> chain_;  // last: its filters read the rest until they are gone
};

/// What an upstream answers to the request that it was sent.
using Upstream = std::function<HttpMessage(const HttpMessage& request)>;
Upstream Answer(uint32_t status, std::string body, HeaderList headers = {});

struct StreamOutcome {
  enum class End : uint8_t { kResponse, kReset, kStuck } end = End::kStuck;  ///< kStuck: still paused when time was up
  std::optional<HttpMessage> upstream;  ///< the request as the upstream got it; nullopt: it was not asked
  HttpMessage response;                 ///< what the client got, maybe cut
  bool local = false;
  std::string local_details;            ///< of the local response
  std::vector<ChainNote> notes;
  std::map<std::string, std::string, std::less<>> variables;  ///< those that were given, as plugins left them
};

inline constexpr uint64_t kStreamWaitMs = 10'000;

/// A whole stream. While it is paused the clock of `world` goes on from tick to tick, for at most `wait_ms`.
StreamOutcome RunStream(MemoryHost& world, std::span<Plugin* const> plugins, HttpMessage request, const Upstream& upstream,
                        uint64_t wait_ms = kStreamWaitMs, const GivenProperties& given = {});

}  // namespace weir
