// The manual page and shell completion, read off the commands and flags that CLI11 knows.
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/help_topics.h"

namespace weir::cli {
namespace {

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// ---- roff ---------------------------------------------------------------------------------------------------------------
std::string Roff(std::string_view text) {
  std::string out;
  bool line_begins = true;
  for (char c : text) {
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out.push_back(c);
    }
    line_begins = c == '\n';
  }
  return out;
}

std::string OptionsRoff(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    std::string names;
    for (const std::string& name : option->get_snames()) names += (names.empty() ? "-" : ", -") + name;
    for (const std::string& name : option->get_lnames()) names += (names.empty() ? "--" : ", --") + name;
    if (names.empty()) names = option->get_name(true);
    const bool takes_value = option->get_items_expected_max() > 0 && !option->get_type_name().empty();
    out += ".TP\n\\fB" + Roff(names) + "\\fR" + (takes_value ? " \\fI" + Roff(option->get_type_name()) + "\\fR" : "") + "\n" +
           Roff(option->get_description()) + "\n";
  }
  return out;
}

// ---- completion -----------------------------------------------------------------------------------------------------------
std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::vector<std::string> Topics(const CLI::App& app) {
  std::vector<std::string> topics;
  for (const CLI::App* command : Commands(app)) topics.push_back(command->get_name());
  for (const HelpTopic& topic : HelpTopics()) topics.emplace_back(topic.name);
  return topics;
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : Commands(app)) names.push_back(command->get_name());
  return names;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// What a flag or argument takes: "FILE.wasm" completes files, "closed|open" these words.
bool TakesFile(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.find("FILE") != type.npos || type.ends_with(".yaml");
}
// Whether what stands without a flag is a file.
bool TakesFiles(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options())
    if (option->get_lnames().empty() && option->get_snames().empty() && TakesFile(*option)) return true;
  return false;
}
std::vector<std::string> WordsOf(const CLI::Option& option) {
  std::vector<std::string> words;
  const std::string type = option.get_type_name();
  if (type.find('|') == type.npos) return words;
  for (size_t begin = 0; begin <= type.size();) {
    const size_t end = std::min(type.find('|', begin), type.size());
    const std::string word = type.substr(begin, end - begin);
    const bool stands_for_something = word.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != word.npos;  // "N|auto"
    if (!stands_for_something) words.push_back(word);
    begin = end + 1;
  }
  return words;
}

// What follows a flag, as cases of a shell's `case`, for bash.
std::string BashValues(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : Commands(app)) {
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty() || option->get_items_expected_max() == 0) continue;
      std::string action = "return";
      if (TakesFile(*option)) action = "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return";
      if (const auto words = WordsOf(*option); !words.empty()) action = "COMPREPLY=($(compgen -W \"" + Join(words) + "\" -- \"$cur\")); return";
      out += "    " + command->get_name() + ":--" + option->get_lnames().front() + ") " + action + ";;\n";
    }
  }
  return out;
}

std::string Bash(const CLI::App& app) {
  std::string cases, with_files;
  for (const CLI::App* command : Commands(app)) {
    if (TakesFiles(*command)) with_files += (with_files.empty() ? "" : "|") + command->get_name();
    cases += "    " + command->get_name() + ") words=\"" + Join(FlagsOf(*command)) + "\";;\n";
  }
  return "# bash completion of weir: weir completion bash > /etc/bash_completion.d/weir\n"
         "_weir() {\n"
         "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" command=\"\" words=\"\" i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    if [[ ${COMP_WORDS[i]} != -* ]]; then command=\"${COMP_WORDS[i]}\"; break; fi\n"
         "  done\n"
         "  if [[ -z $command ]]; then\n"
         "    COMPREPLY=($(compgen -W \"" + Join(CommandNames(app)) + " " + Join(FlagsOf(app)) + "\" -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  case \"$command:$prev\" in\n" + BashValues(app) +
         "    help:help) COMPREPLY=($(compgen -W \"" + Join(Topics(app)) + "\" -- \"$cur\")); return;;\n"
         "    completion:completion) COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$cur\")); return;;\n"
         "  esac\n"
         "  case \"$command\" in\n" + cases + "  esac\n"
         "  if [[ $command == @(" + with_files + ") && $cur != -* ]]; then\n"
         "    compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}\n"
         "complete -F _weir weir\n";
}

// In single quotes for zsh's _arguments and for fish.
std::string Quote(std::string_view text, std::string_view specials = "") {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'') {
      out += "'\\''";
      continue;
    }
    if (specials.find(c) != specials.npos) out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

std::string Zsh(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : Commands(app)) {
    commands += "    " + Quote(command->get_name() + ":" + FirstLine(command->get_description())) + "\n";
    std::string arguments;
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty()) continue;
      std::string spec = "*--" + option->get_lnames().front() + "[" + option->get_description() + "]";
      std::string escaped;
      for (char c : spec.substr(spec.find('[') + 1, spec.size() - spec.find('[') - 2)) {
        if (c == '[' || c == ']' || c == ':' || c == '\\') escaped.push_back('\\');
        escaped.push_back(c);
      }
      spec = spec.substr(0, spec.find('[') + 1) + escaped + "]";
      if (option->get_items_expected_max() > 0) {
        const auto words = WordsOf(*option);
        spec += ":value:" + (TakesFile(*option) ? std::string("_files") : words.empty() ? " " : "(" + Join(words) + ")");
      }
      arguments += " " + Quote(spec);
    }
    std::string positional;
    if (TakesFiles(*command)) positional = " '*:plugin:_files'";
    if (command->get_name() == "completion") positional = " '1:shell:(bash zsh fish)'";
    if (command->get_name() == "help") positional = " '1:topic:(" + Join(Topics(app)) + ")'";
    cases += "    " + command->get_name() + ") _arguments" + arguments + positional + ";;\n";
  }
  return "#compdef weir\n# zsh completion of weir: weir completion zsh > ~/.zfunc/_weir\n"
         "_weir() {\n"
         "  local -a commands=(\n" + commands + "  )\n"
         "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
         "  local command=$words[2]\n"
         "  shift words; (( CURRENT-- ))\n"
         "  case $command in\n" + cases + "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _weir ]]; then _weir; else compdef _weir weir; fi\n";
}

std::string Fish(const CLI::App& app) {
  std::string out = "# fish completion of weir: weir completion fish > ~/.config/fish/completions/weir.fish\ncomplete -c weir -f\n";
  for (const CLI::App* command : Commands(app)) {
    const std::string name = command->get_name();
    out += "complete -c weir -n __fish_use_subcommand -a " + name + " -d " + Quote(FirstLine(command->get_description()), "\\") + "\n";
    const std::string within = "complete -c weir -n '__fish_seen_subcommand_from " + name + "'";
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_lnames().empty()) continue;
      const auto words = WordsOf(*option);
      const bool takes_value = option->get_items_expected_max() > 0;
      out += within + " -l " + option->get_lnames().front() + (takes_value ? " -r" : "") + (takes_value && TakesFile(*option) ? " -F" : "") +
             (words.empty() ? "" : " -a " + Quote(Join(words))) + " -d " + Quote(option->get_description(), "\\") + "\n";
    }
    if (TakesFiles(*command)) out += within + " -F\n";
    if (name == "completion") out += within + " -a 'bash zsh fish'\n";
    if (name == "help") out += within + " -a " + Quote(Join(Topics(app))) + "\n";
  }
  return out;
}

}  // namespace

std::string ManPage(const CLI::App& app) {
  std::string out = ".TH WEIR 1 \"\" \"weir " + std::string(kVersion) + "\"\n.SH NAME\nweir \\- runs WebAssembly plugins in stock NGINX\n";
  out += ".SH SYNOPSIS\n.B weir\n\\fICOMMAND\\fR [\\fIFLAGS\\fR]\n.SH DESCRIPTION\n.nf\n" + Roff(app.get_description()) + ".fi\n";
  out += ".SH OPTIONS\n" + OptionsRoff(app);
  for (const CLI::App* command : Commands(app)) {
    out += ".SH WEIR " + Roff(command->get_name()) + "\n.nf\n" + Roff(command->get_description()) + "\n.fi\n" + OptionsRoff(*command);
  }
  for (const HelpTopic& topic : HelpTopics()) {
    out += ".SH " + Roff(topic.name) + "\n" + Roff(topic.summary) + "\n.PP\n.nf\n" + Roff(topic.text) + ".fi\n";
  }
  return out;
}

std::string Completion(const CLI::App& app, const std::string& shell) {
  return shell == "bash" ? Bash(app) : shell == "zsh" ? Zsh(app) : Fish(app);
}

}  // namespace weir::cli
