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
  std::string name;                ///< empty: weir itself; "cclb list": a command of a command
  bool has_commands = false;       ///< of its own; they follow it
  std::string about;               ///< with the examples
  std::vector<FlagRow> flags;
  std::vector<FlagRow> arguments;
};

/// weir itself, then its commands, each with those of its own.
std::vector<CommandRow> CommandTable(const CLI::App& app);
/// What may stand after `parent`; empty: after weir.
std::vector<std::string> CommandNames(const std::vector<CommandRow>& table, std::string_view parent = "");
/// "cclb list" -> "cclb-list"
std::string Hyphened(std::string name);
std::string FirstLine(std::string_view text);
std::string Join(const std::vector<std::string>& words, std::string_view between = " ");

}  // namespace weir::cli
