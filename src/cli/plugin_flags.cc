#include "cli/plugin_flags.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <set>

namespace weir::cli {
namespace {

// "dir/my auth.wasm" -> "my-auth"; `taken` keeps names apart: "my-auth-2".
std::string NameOf(const std::string& file, std::set<std::string>& taken) {
  std::string stem = std::filesystem::path(file).stem().string();
  for (char& c : stem) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!fine) c = '-';
  }
  if (stem.empty()) stem = "plugin";
  std::string name = stem;
  for (int i = 2; !taken.insert(name).second; ++i) name = stem + "-" + std::to_string(i);
  return name;
}

Error Usage(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

}  // namespace

std::string AbsolutePath(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

CLI::Option* AddMany(CLI::App& app, const std::string& flag, std::vector<std::string>& values, const std::string& help,
                     const std::string& value_name) {
  return app.add_option(flag, values, help)
      ->type_name(value_name)
      ->type_size(1)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void AddOptionFlags(CLI::App& app, std::vector<std::vector<std::string>>& options, const std::string& group) {
  options.resize(PluginOptions().size());
  for (size_t i = 0; i < PluginOptions().size(); ++i) {
    const PluginOption& option = PluginOptions()[i];
    AddMany(app, "--" + FlagOf(option.name), options[i], std::string(option.help), std::string(option.value))->group(group);
  }
}

std::vector<std::pair<std::string, std::string>> OptionsOf(const std::vector<std::vector<std::string>>& options) {
  std::vector<std::pair<std::string, std::string>> given;
  for (size_t row = 0; row < options.size(); ++row) {
    const std::string_view name = PluginOptions()[row].name;
    for (const std::string& value : options[row]) given.emplace_back(name, name == "config" ? AbsolutePath(value) : value);
  }
  return given;
}

void AddPluginFlags(CLI::App& app, PluginFlags& flags) {
  constexpr const char* kGroup = "Of the plugin before it";
  AddMany(app, "--plugin", flags.plugins, "a plugin; repeat it for a chain", "FILE.wasm");
  AddMany(app, "--name", flags.names, "name of the plugin before it (default: from its file)", "NAME")->group(kGroup);
  AddOptionFlags(app, flags.options, kGroup);
}

// CLI11 keeps values by option; parse_order() has the option of each value in the order given.
Result<std::vector<RunPlugin>> PluginsInOrder(const CLI::App& app, const PluginFlags& flags) {
  std::vector<RunPlugin> plugins;
  std::set<std::string> taken(flags.names.begin(), flags.names.end());
  std::map<const CLI::Option*, size_t> used;
  for (const CLI::Option* option : app.parse_order()) {
    const size_t index = used[option]++;
    const std::string flag = option->get_lnames().empty() ? "" : option->get_lnames().front();
    if (flag == "plugin") {
      plugins.push_back({.name = "", .file = AbsolutePath(flags.plugins.at(index)), .options = {}});
      continue;
    }
    for (size_t row = 0; row < PluginOptions().size(); ++row) {
      const PluginOption& known = PluginOptions()[row];
      if (flag != FlagOf(known.name)) continue;
      if (plugins.empty()) return Usage("--" + flag + " belongs to the --plugin before it, and there is none");
      auto& options = plugins.back().options;
      const bool again = std::any_of(options.begin(), options.end(), [&](const auto& given) { return given.first == known.name; });
      if (again && known.times == PluginOption::Times::kOnce) return Usage("--" + flag + " is there twice for the plugin " + plugins.back().file);
      const std::string& value = flags.options[row].at(index);
      options.emplace_back(known.name, known.name == "config" ? AbsolutePath(value) : value);
    }
    if (flag == "name") {
      if (plugins.empty()) return Usage("--name belongs to the --plugin before it, and there is none");
      if (!plugins.back().name.empty()) return Usage("--name is there twice for the plugin " + plugins.back().file);
      plugins.back().name = flags.names.at(index);
    }
  }
  for (RunPlugin& plugin : plugins) {
    if (plugin.name.empty()) plugin.name = NameOf(plugin.file, taken);
    const auto has = [&](std::string_view name) {
      return std::any_of(plugin.options.begin(), plugin.options.end(), [&](const auto& given) { return given.first == name; });
    };
    if (has("config") && has("config_inline")) return Usage("--config and --config-inline of the plugin " + plugin.file + ": keep one");
  }
  return plugins;
}

}  // namespace weir::cli
