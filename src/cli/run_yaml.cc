#include "cli/run_yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <set>

#include "base/nearest_name.h"
#include "weir/plugin.h"

// yaml-cpp throws, and so does this file inside: ParseRunYaml catches all of it.
namespace weir::cli {
namespace {

// ---- the schema: keys of each mapping --------------------------------------------------------------------------------
using Keys = std::vector<std::string_view>;
const Keys kTopKeys = {"workers", "log_level", "client_body_max", "plugins", "clusters", "allow_hosts", "upstreams", "listeners"};
const Keys kUpstreamKeys = {"servers", "tls"};
const Keys kUpstreamTlsKeys = {"verify", "ca", "name"};
const Keys kListenerKeys = {"listen", "http2", "tls", "hosts", "plugins", "to", "root", "respond", "routes"};
const Keys kTlsKeys = {"certificate", "key"};
const Keys kRouteKeys = {"path", "plugins", "to", "root", "respond"};
const Keys kRespondKeys = {"status", "body", "type"};

Keys PluginKeys() {
  Keys keys = {"file"};
  for (const PluginOption& option : PluginOptions()) keys.push_back(option.name);
  return keys;
}

Keys ClusterKeys() {
  Keys keys = {"url"};
  for (const PluginOption& option : ClusterOptions()) keys.push_back(option.name);
  return keys;
}

struct Fault {
  std::string message;
};

class Parser {
 public:
  explicit Parser(const std::string& path)
      : path_(path), directory_(std::filesystem::absolute(path).parent_path()) {}

  RunConfig Parse(std::string_view text) {
    const YAML::Node top = YAML::Load(std::string(text));
    if (!top.IsMap()) Fail(top, "weir.yaml is a mapping with the keys " + Join(kTopKeys));
    CheckKeys(top, kTopKeys, "weir.yaml");
    RunConfig config;
    if (top["workers"]) config.workers = Text(top["workers"], "workers");
    if (top["log_level"]) config.log_level = Text(top["log_level"], "log_level");
    if (top["client_body_max"]) config.client_body_max = Text(top["client_body_max"], "client_body_max");
    for (const auto& [name, node] : Named(top["plugins"], "plugins")) config.plugins.push_back(Plugin(name, node));
    for (const auto& [name, node] : Named(top["clusters"], "clusters")) config.clusters.push_back(Cluster(name, node));
    if (top["allow_hosts"]) config.allow_hosts = Texts(top["allow_hosts"], "allow_hosts");
    for (const auto& [name, node] : Named(top["upstreams"], "upstreams")) config.upstreams.push_back(Upstream(name, node));
    config_ = &config;
    if (!top["listeners"]) Fail(top, "there is no listeners: add \"listeners:\" with at least one \"- listen: 127.0.0.1:8080\"");
    for (const YAML::Node& node : List(top["listeners"], "listeners")) config.listeners.push_back(Listener(node));
    if (config.listeners.empty()) Fail(top["listeners"], "listeners is empty: add one \"- listen: 127.0.0.1:8080\"");
    return config;
  }

  [[noreturn]] void Fail(const YAML::Mark& mark, const std::string& what) const {
    std::string place = path_;
    if (!mark.is_null()) place += ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1);
    throw Fault{place + ": " + what};
  }

 private:
  [[noreturn]] void Fail(const YAML::Node& node, const std::string& what) const { Fail(node.Mark(), what); }

  static std::string Join(const Keys& keys) {
    std::string out;
    for (std::string_view key : keys) out += (out.empty() ? "" : ", ") + std::string(key);
    return out;
  }

  void CheckKeys(const YAML::Node& map, const Keys& known, const std::string& thing) const {
    if (!map.IsMap()) Fail(map, thing + " is a mapping with the keys " + Join(known));
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (!seen.insert(key).second) Fail(entry.first, "key \"" + key + "\" of " + thing + " is there twice");
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const std::string_view near = NearestName(key, known);
      Fail(entry.first, "unknown key \"" + key + "\" in " + thing +
                            (near.empty() ? "; the keys are " + Join(known) : "; did you mean \"" + std::string(near) + "\"?"));
    }
  }

  std::string Text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar()) Fail(node, key + " is a single value");
    if (node.Scalar().find('\0') != std::string::npos) Fail(node, key + " has a zero byte");
    return node.Scalar();
  }

  bool YesNo(const YAML::Node& node, const std::string& key) const {
    bool value = false;
    if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value)) Fail(node, key + " is true or false");
    return value;
  }

  std::string File(const YAML::Node& node, const std::string& key) const {
    const std::string text = Text(node, key);
    if (text.empty()) Fail(node, key + " is empty: it names a file");
    return (directory_ / text).lexically_normal().string();
  }

  std::vector<YAML::Node> List(const YAML::Node& node, const std::string& key) const {
    if (!node.IsSequence()) Fail(node, key + " is a list (lines that begin with \"-\")");
    return {node.begin(), node.end()};
  }

  // One name, or a list of names.
  std::vector<std::string> Texts(const YAML::Node& node, const std::string& key) const {
    std::vector<std::string> texts;
    if (node.IsNull()) return texts;
    if (node.IsScalar()) return {Text(node, key)};
    for (const YAML::Node& item : List(node, key)) texts.push_back(Text(item, key));
    return texts;
  }

  // `name: value` pairs, or nothing.
  std::vector<std::pair<std::string, YAML::Node>> Named(const YAML::Node& node, const std::string& key) const {
    std::vector<std::pair<std::string, YAML::Node>> named;
    if (!node.IsDefined() || node.IsNull()) return named;
    if (!node.IsMap()) Fail(node, key + " is a mapping of names");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      std::string name = Text(entry.first, "a name in " + key);
      if (!seen.insert(name).second) Fail(entry.first, "\"" + name + "\" is named twice in " + key + ": give each another name");
      named.emplace_back(std::move(name), entry.second);
    }
    return named;
  }

  RunPlugin Plugin(const std::string& name, const YAML::Node& node) const {
    const std::string thing = "plugin \"" + name + "\"";
    RunPlugin plugin;
    plugin.name = name;
    if (node.IsScalar()) {  // name: file.wasm
      plugin.file = File(node, thing);
      return plugin;
    }
    CheckKeys(node, PluginKeys(), thing);
    if (!node["file"]) Fail(node, thing + " has no file: add \"file: " + name + ".wasm\"");
    plugin.file = File(node["file"], "file of " + thing);
    if (node["config"] && node["config_inline"]) {
      Fail(node["config_inline"], thing + " has both config and config_inline: keep one");
    }
    for (const PluginOption& option : PluginOptions()) {
      const std::string key(option.name);
      if (const YAML::Node value = node[key]) AddOption(plugin, key, value, key + " of " + thing);
    }
    return plugin;
  }

  void AddOption(RunPlugin& plugin, const std::string& key, const YAML::Node& value, const std::string& thing) const {
    if (key == "env") {
      for (const auto& [name, text] : Named(value, thing)) plugin.options.emplace_back(key, name + "=" + Text(text, thing));
    } else if (key == "config") {
      plugin.options.emplace_back(key, File(value, thing));
    } else if (key == "allow") {
      std::string names;
      for (const std::string& name : Texts(value, thing)) names += (names.empty() ? "" : ",") + name;
      Ok(value, ParseAllow(names));
      plugin.options.emplace_back(key, names);
    } else if (key == "config_inline" && !value.IsScalar()) {
      plugin.options.emplace_back(key, boost::json::serialize(Json(value)));
    } else {
      plugin.options.emplace_back(key, Text(value, thing));
    }
  }

  RunCluster Cluster(const std::string& name, const YAML::Node& node) const {
    const std::string thing = "cluster \"" + name + "\"";
    RunCluster cluster;
    cluster.name = name;
    if (!node.IsMap()) {  // name: URL, or a list of them
      cluster.urls = Texts(node, thing);
    } else {
      CheckKeys(node, ClusterKeys(), thing);
      if (node["url"]) cluster.urls = Texts(node["url"], "url of " + thing);
      for (const PluginOption& option : ClusterOptions()) {
        const std::string key(option.name);
        const YAML::Node value = node[key];
        if (!value) continue;
        const std::string what = key + " of " + thing;
        const bool on_off = key == "verify" || key == "http2";
        cluster.options.emplace_back(key, IsFileOption(key) ? File(value, what) : on_off ? OnOff(value, what) : Text(value, what));
      }
    }
    if (cluster.urls.empty()) Fail(node, thing + " has no url: add \"url: http://HOST:PORT\"");
    return cluster;
  }

  // true and false are on and off, too.
  std::string OnOff(const YAML::Node& node, const std::string& key) const {
    bool value = false;
    if (node.IsScalar() && YAML::convert<bool>::decode(node, value)) return value ? "on" : "off";
    return Text(node, key);
  }

  // A mapping under config_inline becomes JSON, which is what most plugins read. Quoted scalars stay strings.
  boost::json::value Json(const YAML::Node& node) const {
    if (node.IsMap()) {
      boost::json::object object;
      for (const auto& entry : node) object[Text(entry.first, "a key")] = Json(entry.second);
      return object;
    }
    if (node.IsSequence()) {
      boost::json::array array;
      for (const YAML::Node& item : node) array.push_back(Json(item));
      return array;
    }
    if (node.IsNull()) return nullptr;
    if (node.Tag() == "!") return boost::json::string(node.Scalar());
    int64_t integer = 0;
    double number = 0;
    bool boolean = false;
    if (YAML::convert<int64_t>::decode(node, integer)) return integer;
    if (YAML::convert<double>::decode(node, number) && std::isfinite(number)) return number;
    if (YAML::convert<bool>::decode(node, boolean)) return boolean;
    return boost::json::string(node.Scalar());
  }

  template <class T>
  T Ok(const YAML::Node& node, Result<T> result) const {
    if (!result) Fail(node, result.error().message);
    return *std::move(result);
  }

  RunUpstream Upstream(const std::string& name, const YAML::Node& node) const {
    const std::string thing = "upstream \"" + name + "\"";
    if (node.IsScalar()) return Ok(node, ParseUpstreamUrl(node.Scalar(), name));
    CheckKeys(node, kUpstreamKeys, thing);
    RunUpstream upstream;
    upstream.name = name;
    if (!node["servers"]) Fail(node, thing + " has no servers: add \"servers: [127.0.0.1:3000]\"");
    for (const std::string& server : Texts(node["servers"], "servers of " + thing)) {
      upstream.servers.push_back(Ok(node["servers"], ParseAddress(server)).ForNginx());
      if (upstream.servers.back().starts_with('*')) Fail(node["servers"], "\"" + server + "\" names no host");
    }
    const YAML::Node tls = node["tls"];
    if (!tls) return upstream;
    if (tls.IsScalar()) {
      upstream.tls = YesNo(tls, "tls of " + thing);
      return upstream;
    }
    CheckKeys(tls, kUpstreamTlsKeys, "tls of " + thing);
    upstream.tls = true;
    if (tls["verify"]) upstream.tls_verify = YesNo(tls["verify"], "verify");
    if (tls["ca"]) upstream.tls_ca = File(tls["ca"], "ca");
    if (tls["name"]) upstream.tls_name = Text(tls["name"], "name");
    return upstream;
  }

  RunListener Listener(const YAML::Node& node) {
    CheckKeys(node, kListenerKeys, "a listener");
    RunListener listener;
    if (!node["listen"]) Fail(node, "a listener has no listen: add \"listen: 127.0.0.1:8080\"");
    listener.address = Ok(node["listen"], ParseAddress(Text(node["listen"], "listen"))).ForNginx();
    if (node["http2"]) listener.http2 = YesNo(node["http2"], "http2");
    if (node["hosts"]) listener.hosts = Texts(node["hosts"], "hosts");
    if (const YAML::Node tls = node["tls"]) {
      CheckKeys(tls, kTlsKeys, "tls of a listener");
      for (std::string_view key : kTlsKeys) {
        if (!tls[std::string(key)]) Fail(tls, "tls has no " + std::string(key) + ": it names a PEM file");
      }
      listener.certificate = File(tls["certificate"], "certificate");
      listener.key = File(tls["key"], "key");
    }
    std::vector<std::string> chain;
    if (node["plugins"]) chain = Chain(node["plugins"]);
    const bool has_own_route = node["to"] || node["root"] || node["respond"] || !node["routes"];
    if (node["routes"]) {
      for (const YAML::Node& route : List(node["routes"], "routes")) {
        CheckKeys(route, kRouteKeys, "a route");
        if (!route["path"]) Fail(route, "a route has no path: add \"path: /\"");
        listener.routes.push_back(Route(route, chain));
      }
    }
    if (has_own_route) listener.routes.push_back(Route(node, chain));
    return listener;
  }

  std::vector<std::string> Chain(const YAML::Node& node) const {
    std::vector<std::string> chain = Texts(node, "plugins");
    Keys known;
    for (const RunPlugin& plugin : config_->plugins) known.push_back(plugin.name);
    for (const std::string& name : chain) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const std::string_view near = NearestName(name, known);
      Fail(node, "plugin \"" + name + "\" is not declared under plugins" +
                     (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?"));
    }
    return chain;
  }

  RunRoute Route(const YAML::Node& node, const std::vector<std::string>& chain) {
    RunRoute route;
    if (node["path"]) route.path = Text(node["path"], "path");
    route.plugins = node["plugins"] ? Chain(node["plugins"]) : chain;
    if ((node["to"] ? 1 : 0) + (node["root"] ? 1 : 0) + (node["respond"] ? 1 : 0) > 1) {
      Fail(node, "a route has one of to, root and respond");
    }
    if (node["to"]) {
      route.kind = RunRoute::Kind::kUpstream;
      route.upstream = To(node["to"]);
    } else if (node["root"]) {
      route.kind = RunRoute::Kind::kRoot;
      route.root = File(node["root"], "root");
    } else if (const YAML::Node respond = node["respond"]) {
      route.kind = RunRoute::Kind::kRespond;
      CheckKeys(respond, kRespondKeys, "respond");
      if (respond["status"] && !YAML::convert<uint32_t>::decode(respond["status"], route.status)) {
        Fail(respond["status"], "status is a number from 200 to 599");
      }
      if (respond["body"]) route.body = Text(respond["body"], "body");
      if (respond["type"]) route.content_type = Text(respond["type"], "type");
    }
    return route;
  }

  // The name of an upstream, or a URL that becomes one.
  std::string To(const YAML::Node& node) {
    const std::string to = Text(node, "to");
    if (to.find("://") == to.npos) {
      Keys known;
      for (const RunUpstream& upstream : config_->upstreams) known.push_back(upstream.name);
      if (std::find(known.begin(), known.end(), to) == known.end()) {
        const std::string_view near = NearestName(to, known);
        Fail(node, "upstream \"" + to + "\" is not declared under upstreams" +
                       (near.empty() ? " (or give http://HOST:PORT)" : "; did you mean \"" + std::string(near) + "\"?"));
      }
      return to;
    }
    RunUpstream upstream = Ok(node, ParseUpstreamUrl(to, ""));
    for (const RunUpstream& known : config_->upstreams) {
      if (known.servers == upstream.servers && known.tls == upstream.tls && known.tls_ca.empty() && known.tls_verify) return known.name;
    }
    const auto taken = [&] {
      return std::any_of(config_->upstreams.begin(), config_->upstreams.end(), [&](const RunUpstream& u) { return u.name == upstream.name; });
    };
    for (size_t n = config_->upstreams.size() + 1; upstream.name.empty() || taken(); ++n) upstream.name = "upstream-" + std::to_string(n);
    config_->upstreams.push_back(upstream);
    return upstream.name;
  }

  std::string path_;
  std::filesystem::path directory_;
  RunConfig* config_ = nullptr;
};

}  // namespace

Result<RunConfig> ParseRunYaml(std::string_view text, const std::string& path) {
  Parser parser(path);
  try {
    try {
      return parser.Parse(text);
    } catch (const YAML::Exception& exception) {
      parser.Fail(exception.mark, exception.msg);
    }
  } catch (const Fault& fault) {
    return Error{ErrorCode::kInvalidArgument, fault.message};
  } catch (const std::exception& exception) {
    return Error{ErrorCode::kInternal, path + ": " + exception.what()};
  }
}

}  // namespace weir::cli
