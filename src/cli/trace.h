// `weir trace`: what weir_record wrote, for a person, or played again against a plugin.
#pragma once

#include <string>
#include <vector>

#include "trace/record.h"
#include "weir/result.h"

namespace weir::cli {

struct TraceRequest {
  std::string file;
  std::vector<std::string> plugins;  ///< FILE.wasm, or NAME=FILE.wasm; any: play
  std::string configuration;         ///< a file in place of the recorded configuration
  bool replay = false;
  std::string id;                    ///< only this record (printing)
  std::string of;                    ///< only this plugin
  std::vector<std::string> ignore;
  bool json = false;
};

/// 0: printed, or played without a difference; 1: with one; 2: the file or a plugin cannot be used.
int Trace(const TraceRequest& request);

/// Records of a file, in its order. `problems`: lines that could not be read, each with its number and why.
Result<std::vector<trace::Record>> ParseTrace(const std::string& text, const std::string& name, std::vector<std::string>* problems);

}  // namespace weir::cli
