// One HTTP request between a plugin and a proxy: `HttpFilter` takes the events, `HttpStream` the effects.
// An ABI family implements HttpFilter; FilterChain (src/http) implements HttpStream on an embedder's HttpExchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/property.h"
#include "weir/stream.h"

namespace weir {

enum class Direction : uint8_t { kRequest, kResponse };
inline constexpr size_t kDirections = 2;
enum class HeaderMapKind : uint8_t { kRequestHeaders, kRequestTrailers, kResponseHeaders, kResponseTrailers };
inline constexpr size_t kHeaderMapKinds = 4;

using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// One header or trailer map of a message, pseudo headers (":method" …) included and first.
/// Names reach and leave it in lower case; names and values given to it are already valid (see http/header_rules.h).
/// Views are good until the next change of the same map.
class HeaderMap {
 public:
  class Visitor {
   public:
    /// False ends the walk.
    virtual bool OnHeader(std::string_view name, std::string_view value) = 0;

   protected:
    ~Visitor() = default;
  };
  /// Writes up to `max` values of `name` to `out`, in order, and returns how many there are in all.
  virtual size_t Find(std::string_view name, std::string_view* out, size_t max) const = 0;
  virtual void ForEach(Visitor& visitor) const = 0;
  virtual size_t size() const = 0;
  /// Appends; a pseudo header or one that a message has once is replaced. False: out of memory, or not writable (":scheme").
  virtual bool Add(std::string_view name, std::string_view value) = 0;
  /// Leaves exactly one.
  virtual bool Replace(std::string_view name, std::string_view value) = 0;
  /// Removes all of that name; true also when there was none. False: pseudo headers stay.
  virtual bool Remove(std::string_view name) = 0;

 protected:
  ~HeaderMap() = default;
};

/// A response made by a plugin (or by a failure policy) in place of the upstream's.
struct LocalResponse {
  uint32_t status = 500;        ///< 200 to 599
  HeaderList headers;           ///< no pseudo headers, no framing headers
  std::string body;
  std::string details;          ///< for the log and response.code_details; never sent
  int32_t grpc_status = -1;     ///< 0 to 16 on gRPC requests, -1: none
};

/// What one filter may do to its stream. Nothing acts at once: intent is recorded, and carried out when the
/// guest has returned. Borrowed by the filter, which dies first.
class HttpStream : public Stream {
 public:
  /// Null where the map does not exist in this phase (response headers before the response, trailers without any). A filter that is
  /// shown the end of a body without trailers finds an empty map: what it writes there becomes the message's trailers.
  virtual HeaderMap* headers(HeaderMapKind kind) = 0;
  /// False once that message's headers were forwarded.
  virtual bool headers_writable(HeaderMapKind kind) = 0;
  /// What this filter holds of the body with the chunk of the current body event; nullopt outside of one and not paused.
  virtual std::optional<std::string_view> body(Direction direction) = 0;
  /// Replaces `size` bytes (cut at the end) from `start` (cut at the end: append) of body(). False where body() is nullopt.
  virtual bool ReplaceBody(Direction direction, size_t start, size_t size, std::string_view bytes) = 0;
  /// Ends a pause of that direction. OK when not paused, or while the pausing event is still being answered.
  virtual void Resume(Direction direction) = 0;
  /// False: a response was already given, or the headers left (then the stream is reset).
  virtual bool SendLocalResponse(LocalResponse response) = 0;
  virtual void Reset(Direction direction) = 0;
  /// Choose the route again after the headers changed. [0.1.0 proxy_clear_route_cache]
  virtual void ClearRouteCache() = 0;

 protected:
  ~HttpStream() = default;
};

/// What a plugin sees of one request. The calls come in this order; a direction that is paused gets no further header
/// event but may get body events. Counts are those of the map, sizes those of HttpStream::body().
class HttpFilter {
 public:
  virtual ~HttpFilter() = default;
  virtual FilterStatus OnRequestHeaders(size_t count, EndOfStream end) = 0;
  virtual FilterStatus OnRequestBody(size_t bytes, EndOfStream end) = 0;
  virtual FilterStatus OnRequestTrailers(size_t count) = 0;
  virtual FilterStatus OnResponseHeaders(size_t count, EndOfStream end) = 0;
  virtual FilterStatus OnResponseBody(size_t bytes, EndOfStream end) = 0;
  virtual FilterStatus OnResponseTrailers(size_t count) = 0;
  /// The number by which the plugin knows this stream; 0: none.
  virtual uint32_t id() const { return 0; }
  /// True: this plugin has no callback for bodies of that direction, and need not be asked.
  virtual bool ignores_body(Direction direction) const = 0;
  /// The same of trailers.
  virtual bool ignores_trailers(Direction direction) const = 0;
  /// The message is over: on_done, on_log. Afterwards `stream` is only read, and gone when this returns: the filter copies
  /// what it needs if on_done asked for more time.
  virtual void OnFinish() = 0;
};

/// What happened in a chain that an operator wants to hear of: a warning in the log and a counter.
enum class ChainNote : uint8_t {
  kPluginDown,           ///< no instance for this stream; OnError decides
  kFailedOpen,           ///< the plugin failed, the stream goes on without it
  kFailedClosed,         ///< the plugin failed, the stream gets 503
  kFailedReset,          ///< the same, but the response headers had left: reset
  kBodyRejected,         ///< Limits::body_bytes was reached while paused: 413 or 502
  kBodyReleased,         ///< the same with OnBufferFull::kRelease: what was held goes on
  kPauseIgnored,         ///< a later kPause after a release
  kBodyReplaceRefused,   ///< ReplaceBody would have grown the body by more than Limits::body_bytes
  kPropertyRefused,      ///< SetCustomProperty over Limits::property_bytes
  kSecondLocalResponse,  ///< ignored: the first one wins
  kLateLocalResponse,    ///< the response headers had left: reset
  kBadLocalStatus,       ///< status outside 200 to 599, 500 was sent
};
/// One line for the log, without the plugin's name.
std::string_view Describe(ChainNote note);
/// "failed_open": for metrics.
std::string_view Name(ChainNote note);

/// One request as an embedder offers it to FilterChain. Everything is called on the embedder's thread.
class HttpExchange {
 public:
  virtual HeaderMap* headers(HeaderMapKind kind) = 0;
  /// A message that came without trailers: an empty map for them. They are sent if it is not empty when the event that asked for it is
  /// over. Null: its framing cannot carry any.
  virtual HeaderMap* AddTrailers(Direction direction) {
    (void)direction;
    return nullptr;
  }
  virtual bool headers_sent(Direction direction) = 0;
  virtual std::optional<PropertyValue> property(Property property) = 0;
  virtual std::optional<std::string> variable(std::string_view path) = 0;
  virtual bool SetVariable(std::string_view path, std::string_view value) = 0;
  virtual void ClearRouteCache() = 0;
  /// Call FilterChain::Continue(direction) soon, never from inside this call. May come several times.
  virtual void Wake(Direction direction) = 0;
  /// `plugin` is the name of the plugin it is about.
  virtual void OnNote(ChainNote note, std::string_view plugin) {
    (void)note, (void)plugin;
  }

 protected:
  ~HttpExchange() = default;
};

}  // namespace weir
