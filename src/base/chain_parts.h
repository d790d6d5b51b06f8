// What a chain of HTTP filters and one of TCP filters have in common.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/property.h"
#include "weir/stream.h"

namespace weir {

/// Properties that plugins set, shared along a chain. In the order in which they came.
class CustomProperties {
 public:
  enum class Set : uint8_t { kDone, kWellKnown, kTooMuch };

  std::optional<std::string> Find(std::string_view path) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& entry) { return entry.first == path; });
    return found == all_.end() ? std::nullopt : std::optional(found->second);
  }
  /// kWellKnown: the name is the specification's. kTooMuch: names and values of all would be over `bytes_max`; nothing has changed.
  Set Put(std::string_view path, std::string_view value, uint64_t bytes_max) {
    std::string_view rest;
    if (FindProperty(path, &rest) != nullptr) return Set::kWellKnown;
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& entry) { return entry.first == path; });
    const size_t before = found == all_.end() ? 0 : path.size() + found->second.size();
    const size_t after = bytes_ - before + path.size() + value.size();
    if (after > bytes_max) return Set::kTooMuch;
    bytes_ = after;
    if (found == all_.end()) {
      all_.emplace_back(path, value);
    } else {
      found->second = value;
    }
    return Set::kDone;
  }
  const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
  size_t bytes_ = 0;
};

/// Bytes of a body or connection at one filter: the chunk of its event as it came, or a copy that is held or was changed.
struct HeldBytes {
  std::string held;        ///< bytes that wait here; in an event the chunk too, once it is not `borrowed`
  std::string_view chunk;  ///< of the current event, while `borrowed`
  size_t shown_bytes = 0;  ///< size of the bytes when the current event began: bounds Replace()
  bool borrowed = false;   ///< the current event's bytes are `chunk`, not `held`

  std::string_view bytes() const { return borrowed ? chunk : std::string_view(held); }
  /// An event begins: with what is held, and these. `owner`: whose string they are in, which may be taken; null: nobody's.
  void Show(std::string_view more, std::string* owner) {
    borrowed = held.empty() && owner != &held;
    if (borrowed) {
      chunk = more;
    } else {
      TakeIn(more, owner);
    }
    shown_bytes = bytes().size();
  }
  /// Appends to what is held; moves where it can.
  void TakeIn(std::string_view more, std::string* owner) {
    if (owner == &held) return;
    if (owner && held.empty()) {
      held = std::move(*owner);
    } else {
      held.append(more);
    }
    if (owner) owner->clear();
  }
  /// bytes().size() after Replace() of the same arguments.
  size_t SizeAfter(size_t start, size_t size, size_t with) const {
    const size_t old = bytes().size();
    return old - std::min(size, old - std::min(start, old)) + with;
  }
  /// `start` and `size` are brought within bytes().
  void Replace(size_t start, size_t size, std::string_view with) {
    const std::string_view old = bytes();
    start = std::min(start, old.size());
    size = std::min(size, old.size() - start);
    if (!borrowed) {
      held.replace(start, size, with);
      return;
    }
    held.reserve(old.size() - size + with.size());
    held.append(old.substr(0, start)).append(with).append(old.substr(start + size));
    borrowed = false;
  }
};

/// What leaves a chain: BodyOut, DataOut. `owner` as in HeldBytes::Show().
template <class Out>
void Emit(std::string_view bytes, std::string* owner, EndOfStream end, Out* out) {
  if (owner) {
    if (out->bytes.empty()) {
      out->bytes = std::move(*owner);
    } else {
      out->bytes.append(bytes);
    }
    owner->clear();
  } else if (out->bytes.empty()) {
    out->unchanged = true;
  } else {
    out->bytes.append(bytes);
  }
  if (end == EndOfStream::kYes) out->end = EndOfStream::kYes;
}

}  // namespace weir
