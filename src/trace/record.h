// What a plugin saw and did, as data: strings of bytes alone, so that one writer, one reader, one comparison and one redaction do for all
// of it. docs/trace.md has the lines and the words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::trace {

/// Readers refuse another one. Raise it when a word changes its meaning.
inline constexpr int kFormat = 1;
inline constexpr std::string_view kRedacted = "[redacted]";

using Strings = std::vector<std::string>;

/// One use of the proxy by the plugin.
struct Call {
  Strings words;       ///< what was asked for: "add", "request_headers", "x-user", "ann"
  Strings answer;      ///< empty: nothing, or there was none
  std::string stream;  ///< in an event that is not of this stream: whose call it is; else empty
};

/// One call of the plugin by the proxy, with all that it did meanwhile.
struct Event {
  uint64_t number = 0;         ///< in the order of the worker, over all records
  std::string name;            ///< "request_headers", "tick" …
  Strings args;
  std::vector<Strings> given;  ///< what is new to see: {"request_headers", name, value …}, {"request_body", bytes kept, more}
  std::vector<Call> calls;
  std::string result;          ///< "continue", "pause", "failed", "down" or nothing
  std::string error;           ///< of "failed": the trap
};

struct Record {
  std::string kind;      ///< "start": an instance begins; "more": what else happened to that; "http": one request
  std::string id;
  std::string start;     ///< id of the instance's start
  std::string plugin;
  std::string why;       ///< "sample", "trap" or "before_trap"
  std::string stream;    ///< number by which the plugin knows the request
  std::string level;     ///< least level of the log
  uint64_t time_ns = 0;  ///< of the first event, Unix epoch
  bool cut = false;      ///< more happened than there was room for
  Strings redacted;      ///< names of headers whose values are not here
  std::vector<Strings> spec;  ///< of a start: {"configuration", bytes} …
  std::vector<Event> events;
};

/// What of the proxy a plugin changes or tells by that word; the others only read.
bool IsEffect(std::string_view word);

/// About what it takes in memory.
size_t SizeOf(const Call& call);
size_t SizeOf(const Event& event);

/// One line of JSON, with the newline. Each character of its strings is one byte (U+0000 to U+00FF).
std::string ToLine(const Record& record);

/// Takes values of headers out of a record, wherever they are: in maps by name, in all else by what they are.
class Redaction {
 public:
  /// `names` in lower case.
  explicit Redaction(const Strings& names) : names_(names) {}
  /// The values in those headers of `event` are secret from now on.
  void Learn(const Event& event);
  void Apply(Event* event) const;
  bool empty() const { return names_.empty(); }

 private:
  void LearnFrom(const Strings& strings, size_t pairs);
  void ApplyTo(Strings* strings, size_t pairs) const;
  void ApplyTo(std::string* text) const;
  bool Hides(std::string_view name) const;

  const Strings& names_;
  Strings secrets_;  ///< the longest first
};

}  // namespace weir::trace
