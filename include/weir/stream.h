// What a stream has whatever its protocol, HTTP or TCP: events are answered with a FilterStatus, and some effects are the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/property.h"

namespace weir {

enum class EndOfStream : bool { kNo, kYes };

/// What a filter says to an event.
enum class FilterStatus : uint8_t {
  kContinue,  ///< go on to the next filter
  kPause,     ///< hold this direction until Resume
  kFailed,    ///< the plugin is gone for this stream (trap, deadline, limit): its OnError policy decides
};

/// The part of HttpStream and TcpStream that is one.
class Stream {
 public:
  /// A value the embedder knows; nullopt: not known here or not yet.
  virtual std::optional<PropertyValue> property(Property property) = 0;
  /// Values by free path (segments joined by '.'): set by plugins of this stream's chain, or the embedder's variables ("ngx.*").
  virtual std::optional<std::string> custom_property(std::string_view path) = 0;
  /// All that plugins of this chain have set.
  virtual std::vector<std::pair<std::string, std::string>> custom_properties() = 0;
  /// False: that path is read-only or no such variable.
  virtual bool SetCustomProperty(std::string_view path, std::string_view value) = 0;
  /// The plugin's instance died outside of an event of this stream: the OnError policy is to be applied.
  virtual void Fail() = 0;

 protected:
  ~Stream() = default;
};

}  // namespace weir
