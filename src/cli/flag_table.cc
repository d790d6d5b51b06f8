#include "cli/flag_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/help_topics.h"

namespace weir::cli {
namespace {

constexpr const char* kFirstGroup = "Options";  // CLI11's

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// "closed|open" are words; of "N|auto" the first stands for something, and "TEXT|@FILE" has none.
std::vector<std::string> WordsIn(const std::string& value_name) {
  std::vector<std::string> words;
  if (value_name.find('|') == value_name.npos) return words;
  for (size_t begin = 0; begin <= value_name.size();) {
    const size_t end = std::min(value_name.find('|', begin), value_name.size());
    const std::string word = value_name.substr(begin, end - begin);
    if (word.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == word.npos) words.push_back(word);
    begin = end + 1;
  }
  return words;
}

void FindValue(const CLI::App& app, FlagRow& row) {
  const std::string& name = row.value_name;
  row.words = WordsIn(name);
  if (name == "COMMAND" || name == "TOPIC") {
    for (const CLI::App* command : Commands(app)) row.words.push_back(command->get_name());
  }
  if (name == "TOPIC") {
    for (const HelpTopic& topic : HelpTopics()) row.words.emplace_back(topic.name);
  }
  const bool file = name.find("FILE") != name.npos || name.ends_with(".yaml") || name == "PLUGIN";
  row.value = !row.words.empty() ? FlagRow::Value::kWords : file ? FlagRow::Value::kFile : FlagRow::Value::kOther;
  if (name == "DIRECTORY") row.value = FlagRow::Value::kDirectory;
}

CommandRow RowOf(const CLI::App& app, const CLI::App& command) {
  CommandRow out;
  if (&command != &app) out.name = command.get_name();
  out.about = command.get_description();
  for (const CLI::Option* option : command.get_options()) {
    FlagRow row;
    for (const std::string& name : option->get_snames()) row.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) row.names.push_back("--" + name);
    row.about = option->get_description();
    if (option->get_group() != kFirstGroup) row.group = option->get_group();
    if (option->get_items_expected_max() > 0) {
      row.value_name = option->get_type_name();
      FindValue(app, row);
    }
    row.many = option->get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll || option->get_items_expected_max() > 1;
    (row.names.empty() ? out.arguments : out.flags).push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::vector<CommandRow> CommandTable(const CLI::App& app) {
  std::vector<CommandRow> table = {RowOf(app, app)};
  for (const CLI::App* command : Commands(app)) {
    table.push_back(RowOf(app, *command));
    table.back().has_commands = !Commands(*command).empty();
    for (const CLI::App* own : Commands(*command)) {
      CommandRow row = RowOf(app, *own);
      row.name = command->get_name() + " " + row.name;
      table.push_back(std::move(row));
    }
  }
  return table;
}

std::vector<std::string> CommandNames(const std::vector<CommandRow>& table, std::string_view parent) {
  std::vector<std::string> names;
  const std::string before = parent.empty() ? "" : std::string(parent) + " ";
  for (const CommandRow& row : table) {
    const bool of_it = row.name.size() > before.size() && row.name.starts_with(before);
    const std::string name = of_it ? row.name.substr(before.size()) : "";
    if (of_it && name.find(' ') == name.npos) names.push_back(name);
  }
  return names;
}

std::string Hyphened(std::string name) {
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string FirstLine(std::string_view text) { return std::string(text.substr(0, text.find('\n'))); }

std::string Join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

}  // namespace weir::cli
