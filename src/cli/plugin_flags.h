// --plugin and the flags that belong to the one before them: the same for every command that takes plugins.
#pragma once

#include <string>
#include <vector>

#include "cli/run_config.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace weir::cli {

/// Flags as given, each kind in its order.
struct PluginFlags {
  std::vector<std::string> plugins, names;
  std::vector<std::vector<std::string>> options;  ///< by row of PluginOptions()
};

/// A flag that may be repeated. One use, one value: "--plugin a b" does not swallow b.
CLI::Option* AddMany(CLI::App& app, const std::string& flag, std::vector<std::string>& values, const std::string& help,
                     const std::string& value_name);
/// `flags` outlive the parsing.
void AddPluginFlags(CLI::App& app, PluginFlags& flags);
/// The options of one plugin, without --plugin: by row of PluginOptions(), as given; and what was given.
void AddOptionFlags(CLI::App& app, std::vector<std::vector<std::string>>& options, const std::string& group);
std::vector<std::pair<std::string, std::string>> OptionsOf(const std::vector<std::vector<std::string>>& options);
/// The plugins as they stood on the command line of `app`, each with its options and a name of its own.
Result<std::vector<RunPlugin>> PluginsInOrder(const CLI::App& app, const PluginFlags& flags);
std::string AbsolutePath(const std::string& path);

}  // namespace weir::cli
