// A bar on a terminal while something long runs; nothing where standard error is none.
#pragma once

#include <string_view>

namespace weir::cli {

class Progress {
 public:
  Progress();
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `share` in [0, 1]; `what` is done now. Drawn at most some 30 times a second.
  void Show(double share, std::string_view what);
  void Clear();

 private:
  const bool on_;
  bool drawn_ = false;
  double last_seconds_ = -1;
};

}  // namespace weir::cli
