// What CLI11 knows of commands and flags, as rows: manual pages and completion are printed off them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/app.h"

namespace weir::cli {

/// A flag, or what stands without one.
struct FlagRow {
  enum class Value : unsigned char { kNone, kFile, kDirectory, kWords, kOther };

  std::vector<std::string> names;  ///< "-X", "--method"; empty: it stands without
  std::string about;
  std::string group;               ///< under which --help has it; empty: the first
  std::string value_name;          ///< "FILE"; empty: it takes none
  Value value = Value::kNone;
  std::vector<std::string> words;  ///< of kWords
  bool many = false;               ///< may be repeated
};

struct CommandRow {
  std::string name;                ///< empty: weir itself
  std::string about;               ///< with the examples
  std::vector<FlagRow> flags;
  std::vector<FlagRow> arguments;
};

/// weir itself, then its commands.
std::vector<CommandRow> CommandTable(const CLI::App& app);
/// Names of commands and topics of help, as they stand on the command line.
std::vector<std::string> CommandNames(const std::vector<CommandRow>& table);
std::string FirstLine(std::string_view text);
std::string Join(const std::vector<std::string>& words, std::string_view between = " ");

}  // namespace weir::cli
