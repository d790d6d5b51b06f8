// `weir fuzz`: requests that make a plugin fail, as a suite.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::cli {

struct FuzzRequest {
  std::string file;                               ///< the plugin, and its options by row of PluginOptions(), as given
  std::vector<std::vector<std::string>> options;
  std::string time, body_max;                     ///< as given; empty: the default
  uint64_t runs = 0;                              ///< 0: no limit
  uint64_t seed = 1;
  unsigned jobs = 0;
  unsigned findings_max = 20;
  std::vector<std::string> corpus;
  std::string out;                                ///< empty: NAME.fuzz.textpb in the working folder
  bool tcp = false;
  bool json = false;
};

/// 0: nothing found; 1: something, and the suite is written; 2: bad input.
int Fuzz(const FuzzRequest& request);

}  // namespace weir::cli
