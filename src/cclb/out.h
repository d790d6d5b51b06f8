// Text that grows at its end. Beside std::string: bytes are not cleared before they are written, and a writer that has asked for room
// writes without looking again.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace weir::cclb {

class Out {
 public:
  explicit Out(size_t bytes = 512) : begin_(std::make_unique_for_overwrite<char[]>(bytes)), p_(begin_.get()), end_(p_ + bytes) {}

  /// Room for `bytes` more at position().
  void Ensure(size_t bytes) {
    if (static_cast<size_t>(end_ - p_) < bytes) Grow(bytes);
  }
  char* position() { return p_; }
  /// `p` is in the room that was asked for.
  void set_position(char* p) { p_ = p; }

  void push_back(char c) {
    Ensure(1);
    *p_++ = c;
  }
  void append(std::string_view text) {
    Ensure(text.size());
    std::memcpy(p_, text.data(), text.size());
    p_ += text.size();
  }
  std::string_view view() const { return {begin_.get(), static_cast<size_t>(p_ - begin_.get())}; }
  std::string str() const { return std::string(view()); }

 private:
  void Grow(size_t bytes) {
    const size_t used = view().size(), size = std::max(2 * static_cast<size_t>(end_ - begin_.get()), used + bytes);
    auto larger = std::make_unique_for_overwrite<char[]>(size);
    std::memcpy(larger.get(), begin_.get(), used);
    begin_ = std::move(larger);
    p_ = begin_.get() + used;
    end_ = begin_.get() + size;
  }

  std::unique_ptr<char[]> begin_;
  char* p_;
  char* end_;
};

}  // namespace weir::cclb
