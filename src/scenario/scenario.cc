#include "scenario/scenario.h"

#include <algorithm>

#include "scenario/text.h"

namespace weir::scenarios {
namespace {

class Parser {
 public:
  Result<Scenario> Run(std::string_view text, std::string_view file) {
    int number = 0;
    std::string message;
    while (message.empty() && !text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++number;
      message = Line(Trim(text.substr(0, end)), number);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (message.empty()) message = exchanges_.End();
    if (!message.empty()) return Error{ErrorCode::kInvalidArgument, std::string(file) + ":" + std::to_string(number) + ": " + message};
    scenario_.exchanges = std::move(exchanges_.exchanges());
    return std::move(scenario_);
  }

 private:
  std::string Line(std::string_view line, int number) {
    if (line.empty() || line.starts_with('#')) return "";
    std::string_view rest = line;
    const std::string_view word = Word(&rest);
    if (word == "about") return About(rest);
    if (scenario_.about.empty()) return "the first line must be \"about TEXT\"";
    if (word == "plugin") return Plugin(rest);
    if (word == "config") return Config(rest);
    if (word == "max-body") return MaxBody(rest);
    if (word == "only") return Only(rest);
    if (word == "node") return Node(rest);
    if (word == "variable") return Variable(rest);
    if (word == "property") return Property(rest);
    if (word == "request" && scenario_.plugins.empty()) return "a scenario needs a plugin";
    std::string message = exchanges_.Line(word, rest, number);
    if (word == "request" && message.empty()) {
      for (const auto& [name, value] : scenario_.variables) exchanges_.exchanges().back().given.Give("ngx." + name, value);
    }
    return message;
  }

  PluginLine* Find(std::string_view name) {
    for (PluginLine& plugin : scenario_.plugins) {
      if (plugin.spec.name == name) return &plugin;
    }
    return nullptr;
  }

  std::string About(std::string_view rest) {
    if (!scenario_.about.empty()) return "a second \"about\"";
    if (rest.empty()) return "about wants a sentence";
    return scenario_.about = rest, "";
  }
  std::string Plugin(std::string_view rest) {
    if (!exchanges_.empty()) return "plugins come before the first request";
    const std::string_view name = Word(&rest), guest = Word(&rest);
    if (guest.empty()) return "wants NAME GUEST: plugin p script";
    if (Find(name)) return "a second plugin \"" + std::string(name) + "\"";
    PluginLine plugin;
    plugin.guest = guest;
    plugin.spec.name = name;
    while (!rest.empty()) {
      const std::string_view option = Word(&rest);
      const size_t equals = option.find('=');
      if (equals == option.npos) return "wants option=value, not \"" + std::string(option) + "\"";
      if (auto message = SetPluginOption(&plugin.spec, option.substr(0, equals), option.substr(equals + 1)); !message.empty()) {
        return message;
      }
    }
    scenario_.plugins.push_back(std::move(plugin));
    return "";
  }
  std::string Config(std::string_view rest) {
    const std::string_view name = Word(&rest);
    PluginLine* plugin = Find(name);
    if (!plugin || !exchanges_.empty()) return "no plugin \"" + std::string(name) + "\" above this line";
    auto text = Text(rest);
    if (!text) return std::string(kBadText);
    std::string& config = plugin->spec.configuration;
    config += (config.empty() ? "" : "\n") + *text;
    return "";
  }
  std::string MaxBody(std::string_view rest) {
    auto size = Size(rest);
    if (!size || scenario_.plugins.empty() || !exchanges_.empty()) return "wants a size, after the plugins";
    for (PluginLine& plugin : scenario_.plugins) plugin.spec.limits.body_bytes = *size;
    return "";
  }
  std::string Only(std::string_view rest) {
    if ((rest != "memory" && rest != "nginx") || !exchanges_.empty()) return "wants memory or nginx, before the first request";
    return scenario_.only = rest, "";
  }
  std::string Node(std::string_view rest) {
    if (scenario_.plugins.empty() || !exchanges_.empty()) return "node comes after the plugins, before the first request";
    weir::Node node;
    while (!rest.empty()) {
      const std::string_view option = Word(&rest);
      const size_t equals = std::min(option.find('='), option.size());
      const std::string_view key = option.substr(0, equals), value = option.substr(std::min(equals + 1, option.size()));
      if (!node.Set(key, value)) return "wants id, cluster, region, zone, sub_zone or metadata.NAME with =VALUE, not \"" + std::string(option) + "\"";
    }
    for (PluginLine& plugin : scenario_.plugins) plugin.spec.node = node;
    return "";
  }
  std::string Variable(std::string_view rest) {
    const std::string_view name = Word(&rest);
    auto text = Text(rest);
    if (name.empty() || !text) return "wants NAME TEXT";
    if (!exchanges_.empty()) return "variables come before the first request";
    return scenario_.variables.emplace_back(name, *text), "";
  }
  std::string Property(std::string_view rest) {
    const std::string_view path = Word(&rest);
    auto text = Text(rest);
    if (!exchanges_.in_request() || !text) return "wants PATH VALUE, under request";
    if (scenario_.only != "memory") return "needs \"only memory\" above: a proxy has its own values";
    return exchanges_.exchanges().back().given.Give(path, *text);
  }

  Scenario scenario_;
  ExchangeParser exchanges_{[this](std::string_view name) { return Find(name) != nullptr; }};
};

}  // namespace

Result<Scenario> Parse(std::string_view text, std::string_view file) { return Parser().Run(text, file); }

}  // namespace weir::scenarios
