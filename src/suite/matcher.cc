#include "suite/matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>

#include "suite/suite.pb.h"
#include "weir/engine.h"

namespace weir::suite {

std::string PathBeside(const std::string& folder, const std::string& path) {
  return path.starts_with('/') || folder.empty() ? path : folder + "/" + path;
}

Result<std::string> ReadBeside(const std::string& folder, const std::string& path) { return ReadFile(PathBeside(folder, path)); }

Matcher::Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher::~Matcher() = default;

Result<Matcher> Matcher::Create(const pb::StringMatcher& source, const std::string& folder) {
  Matcher matcher;
  matcher.invert_ = source.invert();
  switch (source.matcher_case()) {
    case pb::StringMatcher::kExact:
      matcher.wanted_ = source.exact();
      break;
    case pb::StringMatcher::kFile: {
      auto bytes = ReadBeside(folder, source.file());
      if (!bytes) return Error{ErrorCode::kInvalidArgument, "a matcher's file: " + bytes.error().message};
      matcher.wanted_ = *std::move(bytes);
      break;
    }
    case pb::StringMatcher::kRegex: {
      matcher.wanted_ = source.regex();
      matcher.regex_ = std::make_unique<re2::RE2>(source.regex(), re2::RE2::Quiet);
      if (!matcher.regex_->ok()) {
        return Error{ErrorCode::kInvalidArgument, "bad regex \"" + source.regex() + "\": " + matcher.regex_->error() +
                                                      " (the syntax is that of RE2; it must match the whole text)"};
      }
      break;
    }
    case pb::StringMatcher::MATCHER_NOT_SET:
      return Error{ErrorCode::kInvalidArgument, "a matcher needs one of exact, regex and file"};
  }
  return matcher;
}

bool Matcher::MatchesOne(std::string_view text) const {
  if (regex_ == nullptr) return text == wanted_;
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex_);
}

bool Matcher::Matches(std::span<const std::string> texts) const {
  const bool any = std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return MatchesOne(text); });
  return any != invert_;
}

}  // namespace weir::suite
