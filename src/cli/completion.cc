// Completion scripts of bash, zsh and fish: every flag of every command, and what it takes.
#include <algorithm>

#include "cli/flag_table.h"

namespace weir::cli {
namespace {

using Value = FlagRow::Value;

/// In single quotes of the three shells; `specials` get a backslash.
std::string Quote(std::string_view text, std::string_view specials = "") {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (specials.find(c) != specials.npos) out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

std::vector<std::string> NamesOf(const CommandRow& command) {
  std::vector<std::string> names;
  for (const FlagRow& row : command.flags) names.insert(names.end(), row.names.begin(), row.names.end());
  return names;
}

// ---- bash ---------------------------------------------------------------------------------------------------------------

/// Names of files are left to readline, which quotes them and knows "~".
std::string BashAction(const FlagRow& row) {
  switch (row.value) {
    case Value::kFile: return "compopt -o default";
    case Value::kDirectory: return "compopt -o dirnames";
    case Value::kWords: return "COMPREPLY=($(compgen -W '" + Join(row.words) + "' -- \"$cur\"))";
    case Value::kOther:
    case Value::kNone: break;
  }
  return ":";
}

std::string Bash(const std::vector<CommandRow>& table) {
  std::string values, arguments, flags, parents;
  for (const CommandRow& command : table) {
    if (command.has_commands) {
      parents += (parents.empty() ? "" : "|") + command.name;
      arguments += "    " + command.name + ") COMPREPLY=($(compgen -W '" + Join(CommandNames(table, command.name)) + "' -- \"$cur\"));;\n";
    }
    flags += "    " + Quote(command.name) + ") COMPREPLY=($(compgen -W '" + Join(NamesOf(command)) + "' -- \"$cur\"));;\n";
    for (const FlagRow& row : command.flags) {
      if (row.value == Value::kNone) continue;
      std::string pattern;
      for (const std::string& name : row.names) pattern += (pattern.empty() ? "" : "|") + Quote(command.name) + ":" + name;
      values += "    " + pattern + ") " + BashAction(row) + "; return;;\n";
    }
    if (!command.arguments.empty() && !command.name.empty()) {
      arguments += "    " + Quote(command.name) + ") " + BashAction(command.arguments.front()) + ";;\n";
    }
  }
  return "# bash completion of weir: weir completion bash > /etc/bash_completion.d/weir\n"
         "_weir() {\n"
         "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"\"\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD > 1)); then command=\"${COMP_WORDS[1]}\"; fi\n"
         "  if [[ COMP_CWORD -gt 2 && $command == @(" + parents + ") && ${COMP_WORDS[2]} != -* ]]; then command+=\" ${COMP_WORDS[2]}\"; fi\n"
         "  if [[ $cur == = ]]; then cur=\"\"  # --flag=\n"
         "  elif [[ $prev == = ]]; then prev=\"${COMP_WORDS[COMP_CWORD-2]}\"; fi\n"
         "  if [[ -z $command && $cur != -* ]]; then COMPREPLY=($(compgen -W '" + Join(CommandNames(table)) + "' -- \"$cur\")); return; fi\n"
         "  case \"$command:$prev\" in\n" + values + "  esac\n"
         "  if [[ $cur == -* ]]; then case \"$command\" in\n" + flags + "  esac; return; fi\n"
         "  case \"$command\" in\n" + arguments + "  esac\n"
         "}\n"
         "complete -F _weir weir\n";
}

// ---- zsh ----------------------------------------------------------------------------------------------------------------

std::string ZshAction(const FlagRow& row) {
  switch (row.value) {
    case Value::kFile: return "_files";
    case Value::kDirectory: return "_files -/";
    case Value::kWords: return "(" + Join(row.words) + ")";
    case Value::kOther:
    case Value::kNone: break;
  }
  return " ";
}

/// What _arguments takes: '(-X --method)'{-X+,--method=}'[method]:METHOD: '; a flag that may be repeated excludes none.
std::string ZshSpec(const FlagRow& row) {
  std::string spec = row.many ? "'*'" : Quote("(" + Join(row.names) + ")"), names;
  for (const std::string& name : row.names) {
    const std::string_view value = row.value == Value::kNone ? "" : name.starts_with("--") ? "=" : "+";
    names += (names.empty() ? "" : ",") + name + std::string(value);
  }
  spec += row.names.size() > 1 ? "{" + names + "}" : names;
  const std::string about = Quote(row.about, "[]:\\");
  spec += "'[" + about.substr(1, about.size() - 2) + "]";
  if (row.value != Value::kNone) {
    const std::string name = Quote(row.value_name, "[]:\\");
    spec += ":" + name.substr(1, name.size() - 2) + ":" + ZshAction(row);
  }
  return spec + "'";
}

std::string ZshArguments(const CommandRow& command) {
  std::string specs;
  for (const FlagRow& row : command.flags) specs += " " + ZshSpec(row);
  int place = 0;
  for (const FlagRow& row : command.arguments) {
    specs += " " + Quote((row.many ? "*" : std::to_string(++place)) + ":" + row.value_name + ":" + ZshAction(row));
  }
  return specs;
}

/// A state machine of _arguments: the word that names a command, then what follows it.
std::string ZshCommands(const std::vector<CommandRow>& table, const CommandRow& parent) {
  std::string names, cases;
  for (const std::string& name : CommandNames(table, parent.name)) {
    const std::string path = parent.name.empty() ? name : parent.name + " " + name;
    const CommandRow& command = *std::find_if(table.begin(), table.end(), [&](const CommandRow& row) { return row.name == path; });
    names += " " + Quote(name + ":" + FirstLine(command.about), "");
    cases += name + ") " + (command.has_commands ? ZshCommands(table, command) : "_arguments -s" + ZshArguments(command)) + ";;\n";
  }
  return "commands=(" + names + ")\n_arguments -C" + ZshArguments(parent) +
         " '1:command:->command' '*::argument:->argument'\n"
         "case $state in\ncommand) _describe command commands;;\nargument) case $line[1] in\n" + cases + "esac;;\nesac";
}

std::string Zsh(const std::vector<CommandRow>& table) {
  return "#compdef weir\n# zsh completion of weir: weir completion zsh > ~/.zfunc/_weir\n"
         "_weir() {\n"
         "local curcontext=$curcontext state line\n"
         "typeset -A opt_args\n"
         "local -a commands\n" + ZshCommands(table, table.front()) +
         "\n}\n"
         "if [[ $funcstack[1] == _weir ]]; then _weir; else compdef _weir weir; fi\n";
}

// ---- fish ---------------------------------------------------------------------------------------------------------------

std::string FishAction(const FlagRow& row) {
  switch (row.value) {
    case Value::kFile: return " -rF";
    case Value::kDirectory: return " -xa '(__fish_complete_directories)'";
    case Value::kWords: return " -xa " + Quote(Join(row.words), "\\");
    case Value::kOther: return " -x";
    case Value::kNone: break;
  }
  return "";
}

std::string Fish(const std::vector<CommandRow>& table) {
  std::string out =
      "# fish completion of weir: weir completion fish > ~/.config/fish/completions/weir.fish\n"
      "function __weir_command\n"
      "  set -l words (commandline -opc)\n"
      "  test \"$words[2]\" = \"$argv[1]\"; and begin; test (count $argv) -lt 2; or test \"$words[3]\" = \"$argv[2]\"; end\n"
      "end\n"
      "complete -c weir -f\n";
  for (const CommandRow& command : table) {
    const size_t space = command.name.find(' ');
    const std::string parent = space == command.name.npos ? "" : command.name.substr(0, space);
    const std::string within = "complete -c weir -n '__weir_command " + (command.name.empty() ? "\"\"" : command.name) + (command.has_commands ? " \"\"" : "") + "'";
    if (!command.name.empty()) {
      out += "complete -c weir -n '__weir_command " + parent + " \"\"' -a " + command.name.substr(parent.empty() ? 0 : space + 1) + " -d " +
             Quote(FirstLine(command.about), "\\") + "\n";
    }
    for (const FlagRow& row : command.flags) {
      out += within;
      for (const std::string& name : row.names) out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      out += FishAction(row) + " -d " + Quote(row.about, "\\") + "\n";
    }
    for (const FlagRow& row : command.arguments) {
      if (row.value == Value::kFile) out += within + " -F\n";
      if (row.value == Value::kWords || row.value == Value::kDirectory) out += within + FishAction(row) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string Completion(const CLI::App& app, const std::string& shell) {
  const std::vector<CommandRow> table = CommandTable(app);
  return shell == "bash" ? Bash(table) : shell == "zsh" ? Zsh(table) : Fish(table);
}

}  // namespace weir::cli
