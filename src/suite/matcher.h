// One StringMatcher, ready to match.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "weir/result.h"

namespace re2 {
class RE2;
}

namespace weir::suite {

namespace pb {
class StringMatcher;
}

/// `path` beside the suite: relative to `folder`, or absolute.
std::string PathBeside(const std::string& folder, const std::string& path);
/// The bytes of that file; the error names it.
Result<std::string> ReadBeside(const std::string& folder, const std::string& path);

class Matcher {
 public:
  /// kInvalidArgument: a bad regex, a file that cannot be read, or none of exact, regex and file.
  static Result<Matcher> Create(const pb::StringMatcher& source, const std::string& folder);
  Matcher(Matcher&&) noexcept;
  ~Matcher();
  bool MatchesOne(std::string_view text) const;
  /// Any of them; with `invert` none.
  bool Matches(std::span<const std::string> texts) const;
  bool invert() const { return invert_; }
  bool is_regex() const { return regex_ != nullptr; }
  /// The regex, or the exact bytes.
  const std::string& wanted() const { return wanted_; }

 private:
  Matcher();
  bool invert_ = false;
  std::string wanted_;
  std::unique_ptr<re2::RE2> regex_;  ///< null: exact
};

}  // namespace weir::suite
