// `weir conformance`: the suite in memory, its matrix, its guests for other hosts.
#pragma once

#include <string>

namespace weir::cli {

struct ConformanceRequest {
  std::string filter;   ///< part of a name, or a pattern
  std::string folder;   ///< of cases; empty: those that are built in
  std::string export_to;
  bool json = false, matrix = false, list = false, show = false;
};

int Conformance(const ConformanceRequest& request);

}  // namespace weir::cli
