// The manual pages: weir(1), and one of each command. man(7), about which mandoc -Tlint and groff -ww have nothing to say.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/nearest_name.h"
#include "cli/flag_table.h"
#include "cli/help_topics.h"
#include "cli/terminal.h"

namespace weir::cli {
namespace {

constexpr size_t kLineBytes = 78;  // of filled text in the source

/// What roff would take for something else, or a terminal show in another way.
constexpr std::pair<char, std::string_view> kEscapes[] = {{'\\', "\\e"}, {'-', "\\-"}, {'\'', "\\(aq"}, {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};

std::string_view EscapeOf(char c) {
  for (const auto& [plain, escape] : kEscapes) {
    if (c == plain) return escape;
  }
  return {};
}

/// "\[u2026]" of the character at `*at` (well-formed UTF-8), which is moved past it.
std::string Codepoint(std::string_view text, size_t* at) {
  const auto first = static_cast<unsigned char>(text[*at]);
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  uint32_t point = first & (0x3f >> more);
  for (int i = 0; i < more && *at + 1 < text.size(); ++i) point = point << 6 | (static_cast<unsigned char>(text[++*at]) & 0x3f);
  char name[16];
  std::snprintf(name, sizeof name, "\\[u%04X]", static_cast<unsigned>(point));
  ++*at;
  return name;
}

/// As it is, line by line.
std::string Roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80) {
      out += Codepoint(text, &at);
      line_begins = false;
      continue;
    }
    if (line_begins && c == '.') out += "\\&";
    const std::string_view escape = EscapeOf(c);
    escape.empty() ? out.push_back(c) : static_cast<void>(out.append(escape));
    line_begins = c == '\n';
    ++at;
  }
  return out;
}

std::string AsItIs(std::string_view text) {
  std::string out = ".nf\n" + Roff(text);
  if (!out.ends_with('\n')) out.push_back('\n');
  return out + ".fi\n";
}

/// In lines of words.
std::string Filled(std::string_view text) {
  std::string out, line;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    if (word.empty()) continue;
    if (!line.empty() && line.size() + 1 + Roff(word).size() > kLineBytes) {
      out += line + "\n";
      line.clear();
    }
    line += line.empty() ? Roff(word) : " " + Roff(word).substr(word[0] == '.' ? 2 : 0);
  }
  return out + line + "\n";
}

std::string Title(const std::string& name) {
  std::string upper = name;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return ".TH " + Roff(upper) + " 1 \"" WEIR_VERSION_DATE "\" \"weir " + std::string(kVersion) + "\" \"Weir\"\n";
}

std::string OptionRoff(const FlagRow& row) {
  std::string names = "\\fB" + Roff(Join(row.names, ", ")) + "\\fR";
  if (!row.value_name.empty()) names += " \\fI" + Roff(row.value_name) + "\\fR";
  return ".TP\n" + names + "\n" + Filled(row.about);
}

/// Those without a group first: roff has no way back from one.
std::string OptionsRoff(const std::vector<FlagRow>& rows) {
  std::vector<std::string> groups = {""};
  for (const FlagRow& row : rows) {
    if (std::find(groups.begin(), groups.end(), row.group) == groups.end()) groups.push_back(row.group);
  }
  std::string out;
  for (const std::string& group : groups) {
    if (!group.empty()) out += ".SS " + Roff(group) + "\n";
    for (const FlagRow& row : rows) {
      if (row.group == group) out += OptionRoff(row);
    }
  }
  return out;
}

std::string ArgumentsRoff(const CommandRow& command) {
  std::string out;
  for (const FlagRow& row : command.arguments) out += ".TP\n\\fI" + Roff(row.value_name) + "\\fR\n" + Filled(row.about);
  return out;
}

std::string Summary(const CommandRow& command) {
  std::string line = FirstLine(command.about);
  if (line.ends_with('.')) line.pop_back();
  return line;
}

std::string PageOfWeir(const std::vector<CommandRow>& table) {
  const CommandRow& weir = table.front();
  std::string out = Title("weir") + ".SH NAME\nweir \\- runs WebAssembly plugins in stock NGINX\n";
  out += ".SH SYNOPSIS\n.B weir\n\\fICOMMAND\\fR [\\fIFLAGS\\fR]\n.SH DESCRIPTION\n" + AsItIs(weir.about) + ".SH COMMANDS\n";
  for (const CommandRow& command : table) {
    if (!command.name.empty()) out += ".TP\n\\fBweir " + Roff(command.name) + "\\fR\n" + Filled(FirstLine(command.about));
  }
  out += ".PP\n" + Filled("Each has a page of its own, weir-COMMAND(1), and --help.") + ".SH OPTIONS\n" + OptionsRoff(weir.flags);
  for (const HelpTopic& topic : HelpTopics()) {
    out += ".SH \"" + Roff(topic.name) + "\"\n" + Filled(topic.summary) + ".PP\n" + AsItIs(topic.text);
  }
  out += ".SH SEE ALSO\n";
  for (size_t i = 1; i < table.size(); ++i) out += ".BR " + Roff("weir-" + Hyphened(table[i].name)) + " (1)" + (i + 1 < table.size() ? ",\n" : "\n");
  return out;
}

std::string PageOf(const CommandRow& command) {
  const std::string name = "weir-" + Hyphened(command.name);
  std::string out = Title(name) + ".SH NAME\n" + Roff(name) + " \\-\n" + Filled(Summary(command)) + ".SH SYNOPSIS\n.B weir " + Roff(command.name) + "\n";
  if (!command.flags.empty()) out += "[\\fIFLAGS\\fR]\n";
  for (const FlagRow& row : command.arguments) out += "[\\fI" + Roff(row.value_name) + "\\fR]" + (row.many ? " ...\n" : "\n");
  return out + ".SH DESCRIPTION\n" + AsItIs(command.about) + ".SH OPTIONS\n" + ArgumentsRoff(command) + OptionsRoff(command.flags) +
         ".SH SEE ALSO\n.BR weir (1)\n";
}

struct ManPage {
  std::string command;  ///< "cclb-list"; empty: weir itself
  std::string file;     ///< "weir-cclb-list.1"
  std::string text;
};

std::vector<ManPage> ManPages(const CLI::App& app) {
  const std::vector<CommandRow> table = CommandTable(app);
  std::vector<ManPage> pages = {{"", "weir.1", PageOfWeir(table)}};
  for (size_t i = 1; i < table.size(); ++i) {
    const std::string name = Hyphened(table[i].name);
    pages.push_back({name, "weir-" + name + ".1", PageOf(table[i])});
  }
  return pages;
}

}  // namespace

int Man(const CLI::App& app, const std::string& command, const std::string& directory) {
  std::vector<std::string_view> names;
  const std::vector<ManPage> pages = ManPages(app);
  for (const ManPage& page : pages) {
    if (!directory.empty()) {
      const std::filesystem::path path = std::filesystem::path(directory) / page.file;
      std::ofstream out(path, std::ios::binary);
      out << page.text << std::flush;
      if (!out) {
        PrintError(path.string() + " cannot be written");
        return 1;
      }
    } else if (page.command == command) {
      std::fputs(page.text.c_str(), stdout);
      return 0;
    }
    names.push_back(page.command);
  }
  if (!directory.empty()) return 0;
  const std::string_view near = NearestName(command, names);
  PrintError("there is no command \"" + command + "\"" + (near.empty() ? " (see weir --help)" : "; did you mean " + std::string(near) + "?"));
  return 2;
}

}  // namespace weir::cli
