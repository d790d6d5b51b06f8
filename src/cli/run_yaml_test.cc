#include "cli/run_yaml.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto config = ParseRunYaml(text, "dir/weir.yaml");
  return config ? "no error" : config.error().message;
}

TEST(RunYaml, TheSmallestFile) {
  const auto config = ParseRunYaml("listeners:\n- listen: 8080\n", "weir.yaml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->listeners.size(), 1u);
  EXPECT_EQ(config->listeners[0].address, "*:8080");
  ASSERT_EQ(config->listeners[0].routes.size(), 1u);
  EXPECT_EQ(config->listeners[0].routes[0].kind, RunRoute::Kind::kPage);
  EXPECT_EQ(config->workers, "1");
}

TEST(RunYaml, UnknownKeysNameLineColumnAndTheNearest) {
  EXPECT_EQ(ErrorOf("listners: []\n"), "dir/weir.yaml:1:1: unknown key \"listners\" in weir.yaml; did you mean \"listeners\"?");
  EXPECT_EQ(ErrorOf("listeners:\n  - lisen: 8080\n"),
            "dir/weir.yaml:2:5: unknown key \"lisen\" in a listener; did you mean \"listen\"?");
  EXPECT_EQ(ErrorOf("plugins:\n  a:\n    file: a.wasm\n    memroy: 1m\n"),
            "dir/weir.yaml:4:5: unknown key \"memroy\" in plugin \"a\"; did you mean \"memory\"?");
  EXPECT_EQ(ErrorOf("listeners:\n- listen: 8080\n  tls: {certificate: a, key: b, colour: red}\n"),
            "dir/weir.yaml:3:33: unknown key \"colour\" in tls of a listener; the keys are certificate, key");
}

TEST(RunYaml, AllowIsAListOrNamesWithCommas) {
  for (const char* allow : {"[http_call, 'upstream:authz']", "http_call,upstream:authz"}) {
    const auto config = ParseRunYaml("plugins:\n  a:\n    file: a.wasm\n    allow: " + std::string(allow) + "\nlisteners:\n- listen: 8080\n", "weir.yaml");
    ASSERT_TRUE(config) << config.error().message;
    const std::vector<std::pair<std::string, std::string>> expected = {{"allow", "http_call,upstream:authz"}};
    EXPECT_EQ(config->plugins[0].options, expected);
  }
  EXPECT_EQ(ErrorOf("plugins:\n  a:\n    file: a.wasm\n    allow: [htp_call]\nlisteners:\n- listen: 8080\n"),
            "dir/weir.yaml:4:12: \"htp_call\" is nothing to allow; did you mean \"http_call\"?");
}

TEST(RunYaml, NamesWhatIsWrongAndWhere) {
  EXPECT_EQ(ErrorOf(""), "dir/weir.yaml: weir.yaml is a mapping with the keys workers, log_level, client_body_max, plugins, "
                         "clusters, allow_hosts, upstreams, listeners");
  EXPECT_NE(ErrorOf("workers: 1\n").find("there is no listeners"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners: []\n").find("dir/weir.yaml:1:12: listeners is empty"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- listen: 8080\n- listen: 70000\n").find("weir.yaml:3:11: \"70000\" is not ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- {listen: 8080, http2: maybe}\n").find(":2:25: http2 is true or false"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- {listen: 8080, to: app}\n").find("upstream \"app\" is not declared"), std::string::npos);
  EXPECT_NE(ErrorOf("upstreams: {app: http://h:1}\nlisteners:\n- {listen: 8080, to: apb}\n").find("did you mean \"app\"?"),
            std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- {listen: 8080, plugins: [auth]}\n").find("plugin \"auth\" is not declared under plugins"),
            std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- {listen: 8080, to: 'http://h:1', root: x}\n").find("one of to, root and respond"), std::string::npos);
  EXPECT_NE(ErrorOf("listeners:\n- {listen: 8080, to: 'http://h:1/x'}\n").find("has a path"), std::string::npos);
  EXPECT_NE(ErrorOf("plugins: {a: {memory: 1m}}\n").find("plugin \"a\" has no file"), std::string::npos);
  EXPECT_NE(ErrorOf("plugins:\n  a: a.wasm\n  a: b.wasm\n").find(":3:3: \"a\" is named twice"), std::string::npos);
  EXPECT_NE(ErrorOf("workers: 1\nworkers: 2\n").find(":2:1: key \"workers\" of weir.yaml is there twice"), std::string::npos);
  EXPECT_NE(ErrorOf("plugins: {a: {file: a, config: b, config_inline: c}}\n").find("both config and config_inline"), std::string::npos);
}

TEST(RunYaml, AFaultOfTheSyntaxHasItsPlace) {
  EXPECT_TRUE(ErrorOf("listeners: [\n").starts_with("dir/weir.yaml:")) << ErrorOf("listeners: [\n");
  EXPECT_TRUE(ErrorOf("a: b: c\n").starts_with("dir/weir.yaml:1:5: ")) << ErrorOf("a: b: c\n");
}

TEST(RunYaml, FilesAreBesideTheYaml) {
  const auto config = ParseRunYaml("plugins: {a: {file: sub/a.wasm, config: ../a.json}}\nlisteners: [{listen: 1}]\n", "/etc/weir/w.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->plugins[0].file, "/etc/weir/sub/a.wasm");
  EXPECT_EQ(config->plugins[0].config_file(), "/etc/a.json");
}

TEST(RunYaml, AMappingUnderConfigInlineBecomesJson) {
  const auto config = ParseRunYaml(
      "plugins:\n  a:\n    file: a.wasm\n    config_inline: {mode: block, n: 3, f: 0.5, on: true, s: \"3\", none: ~, list: [1, x]}\n"
      "  b: {file: b.wasm, config_inline: 'as: it is'}\nlisteners: [{listen: 1}]\n",
      "w.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->plugins[0].options[0].second, R"({"mode":"block","n":3,"f":5E-1,"on":true,"s":"3","none":null,"list":[1,"x"]})");
  EXPECT_EQ(config->plugins[1].options[0].second, "as: it is");
}

TEST(RunYaml, ClustersAreArgumentsOfTheirDirective) {
  const auto config = ParseRunYaml(
      "clusters:\n  a: http://127.0.0.1:1\n  b: [http://h:1, 'unix:/s']\n"
      "  c: {url: https://h, ca: ca.pem, verify: true, http2: on, max_calls: 1, timeout: 300ms}\n"
      "allow_hosts: ['*.example.org', any]\nlisteners: [{listen: 1}]\n",
      "/etc/weir/w.yaml");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->clusters.size(), 3u);
  EXPECT_EQ(config->clusters[1].urls, (std::vector<std::string>{"http://h:1", "unix:/s"}));
  const std::vector<std::pair<std::string, std::string>> wanted = {
      {"timeout", "300ms"}, {"ca", "/etc/weir/ca.pem"}, {"verify", "on"}, {"http2", "on"}, {"max_calls", "1"}};
  EXPECT_EQ(config->clusters[2].options, wanted);
  EXPECT_EQ(config->allow_hosts, (std::vector<std::string>{"*.example.org", "any"}));
  EXPECT_EQ(FilesOf(*config), (std::vector<std::string>{"/etc/weir/ca.pem"}));
  EXPECT_NE(ErrorOf("clusters: {c: {timeout: 1s}}\nlisteners: [{listen: 1}]\n").find("cluster \"c\" has no url"), std::string::npos);
  EXPECT_NE(ErrorOf("clusters: {c: {url: 'http://h', timout: 1s}}\n").find("did you mean \"timeout\"?"), std::string::npos);
}

TEST(RunYaml, OneUrlIsOneUpstream) {
  const auto config = ParseRunYaml("listeners:\n- {listen: 1, to: 'http://h:1'}\n- {listen: 2, to: 'http://h:1'}\n- {listen: 3, to: 'https://h:1'}\n", "w.yaml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->upstreams.size(), 2u);
  EXPECT_EQ(config->listeners[0].routes[0].upstream, config->listeners[1].routes[0].upstream);
  const auto named = ParseRunYaml("upstreams: {upstream-2: http://a:1}\nlisteners: [{listen: 1, to: 'http://h:1'}]\n", "w.yaml");
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->upstreams[1].name, "upstream-3");
}

}  // namespace
}  // namespace weir::cli
