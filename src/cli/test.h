// `weir test`: suites of cases against plugins, in memory. docs/test.md has the format.
#pragma once

#include <string>

#include "suite/runner.h"

namespace weir::cli {

struct TestRequest {
  suite::RunOptions options;
  std::string junit;     ///< file to write; empty: none
  bool json = false;
  bool verbose = false;  ///< a line for each case, and the plugins' log lines of failed ones
};

/// 0: all passed; 1: a case failed; 2: bad input.
int Test(const TestRequest& request);

}  // namespace weir::cli
