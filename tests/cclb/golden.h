// The golden test: answers of the reference, line by line.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "json_view.h"

namespace weir::cclb::golden {

enum class Verdict : uint8_t { kPassed, kFailed, kSkipped };
struct Answer {
  Verdict verdict = Verdict::kPassed;
  std::string why;  ///< of a failure or skip
};
inline Answer Passed() { return {}; }
inline Answer Failed(std::string why) { return {Verdict::kFailed, std::move(why)}; }

/// One line of the pure files: {"op": …, …, "expect": …}.
Answer RunPure(const View& line);
/// consts.json.
Answer RunConsts(const View& consts);

/// Runs modules; made once.
class Cases {
 public:
  virtual ~Cases() = default;
  /// {"input": …, "result": …}
  virtual Answer Run(const View& line) = 0;
};
/// `modules`: where the .wasm files are; `plugins`: where the Rust plugins may have been built.
std::unique_ptr<Cases> MakeCases(std::string modules, std::vector<std::string> plugins);

std::string FromBase64(std::string_view text);
std::string ToBase64(std::string_view bytes);

/// Whether two canonical texts are equal; else a failure that shows both (shortened).
Answer Compare(std::string_view what, std::string_view expected, std::string_view got);

}  // namespace weir::cclb::golden
