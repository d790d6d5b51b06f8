// What directives take, as tables: each NAME=VALUE argument is a row with the function that takes its value.
#pragma once

#include <span>

#include "nginx/ngx.h"

namespace weir::nginx {

template <class Conf>
struct Argument {
  std::string_view name;
  bool repeatable;
  /// Empty: taken. Otherwise what is wrong with the value and what to write instead.
  std::string (*take)(ngx_conf_t* cf, Conf& conf, std::string_view value);
};

/// "NAME=VALUE" of one of the rows named `known`: its place there in `row`, and `value`. Otherwise what is wrong.
std::string SplitArgument(std::string_view directive, std::span<const std::string_view> known, std::string_view word, size_t* row,
                          std::string_view* value);

/// Takes all of `words`; `seen` gets their names. Empty: taken. Otherwise what is wrong, and with which.
template <class Conf, size_t kRows>
std::string TakeArguments(ngx_conf_t* cf, std::string_view directive, std::span<const Argument<Conf>, kRows> rows,
                          std::span<const std::string_view> words, Conf& conf, std::vector<std::string_view>* seen) {
  std::vector<std::string_view> known;
  for (const Argument<Conf>& row : rows) known.push_back(row.name);
  for (const std::string_view word : words) {
    size_t place = 0;
    std::string_view value;
    if (std::string wrong = SplitArgument(directive, known, word, &place, &value); !wrong.empty()) return wrong;
    const Argument<Conf>& row = rows[place];
    for (const std::string_view other : *seen) {
      if (!row.repeatable && other == row.name) return std::string(row.name) + " is given twice";
    }
    seen->push_back(row.name);
    if (std::string wrong = row.take(cf, conf, value); !wrong.empty()) return std::string(word) + ": " + wrong;
  }
  return {};
}

std::string BadSize(std::string_view value);
bool ParseSize(std::string_view value, uint64_t* bytes);
/// From 1ms to 24h. Empty: taken. Otherwise what is wrong.
std::string TakeTime(std::string_view value, uint32_t* ms);
/// A number from `least` to `most`. Empty: taken. Otherwise what is wrong.
std::string TakeNumber(std::string_view value, uint32_t least, uint32_t most, uint32_t* number);
/// Relative to the directory of nginx.conf, as with ssl_certificate.
std::string FullPath(ngx_conf_t* cf, std::string_view value);
/// Letters, digits, '_', '-' and '.', up to 64.
bool IsName(std::string_view name);

/// All words of the directive but its own name.
std::vector<std::string_view> ArgumentsOf(ngx_conf_t* cf);
/// Says `message` with file and line; the answer is the directive's.
char* Fail(ngx_conf_t* cf, const std::string& message);

}  // namespace weir::nginx
