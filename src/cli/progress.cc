#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

namespace weir::cli {

Progress::Progress() : on_(isatty(STDERR_FILENO) == 1) {}

void Progress::Show(double share, std::string_view what) {
  constexpr size_t kWidth = 30;
  constexpr double kEachSeconds = 0.03;
  if (!on_) return;
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (now - last_seconds_ < kEachSeconds && share < 1) return;
  last_seconds_ = now;
  drawn_ = true;
  const size_t full = size_t(std::clamp(share, 0.0, 1.0) * kWidth);
  std::fprintf(stderr, "\r\033[K[%s%s] %3.0f %% %.*s", std::string(full, '#').c_str(), std::string(kWidth - full, ' ').c_str(), share * 100,
               int(std::min<size_t>(what.size(), 60)), what.data());
  std::fflush(stderr);
}

void Progress::Clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace weir::cli
