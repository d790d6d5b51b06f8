#include "cli/run_config.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

std::string AddressOf(std::string_view text) {
  const auto address = ParseAddress(text);
  return address ? address->ForNginx() : "error: " + address.error().message;
}

TEST(ParseAddress, TakesTheFormsPeopleWrite) {
  EXPECT_EQ(AddressOf("127.0.0.1:8080"), "127.0.0.1:8080");
  EXPECT_EQ(AddressOf("8080"), "*:8080");
  EXPECT_EQ(AddressOf(":8080"), "*:8080");
  EXPECT_EQ(AddressOf("*:8080"), "*:8080");
  EXPECT_EQ(AddressOf("[::1]:8080"), "[::1]:8080");
  EXPECT_EQ(AddressOf("localhost:8080"), "localhost:8080");
}

TEST(ParseAddress, PortsAreFrom1To65535) {
  EXPECT_EQ(AddressOf("1"), "*:1");
  EXPECT_EQ(AddressOf("65535"), "*:65535");
  for (const char* bad : {"0", "65536", "", "host:", "host:80x", "-1", "::1:80", "a b:80", "x;y:80"}) {
    EXPECT_TRUE(AddressOf(bad).starts_with("error: ")) << bad;
  }
}

TEST(ParseUpstreamUrl, HasAPortOfItsSchemeAndNoPath) {
  EXPECT_EQ(ParseUpstreamUrl("http://127.0.0.1:3000", "u")->servers[0], "127.0.0.1:3000");
  EXPECT_EQ(ParseUpstreamUrl("http://app/", "u")->servers[0], "app:80");
  const auto https = ParseUpstreamUrl("https://app.example", "u");
  EXPECT_EQ(https->servers[0], "app.example:443");
  EXPECT_TRUE(https->tls);
  EXPECT_EQ(https->tls_name, "app.example");
  EXPECT_EQ(ParseUpstreamUrl("http://[::1]", "u")->servers[0], "[::1]:80");
  for (const char* bad : {"127.0.0.1:3000", "ftp://x", "http://", "http://h/path", "http://h:1?q", "http://:80", "http://h:99999"}) {
    EXPECT_FALSE(ParseUpstreamUrl(bad, "u")) << bad;
  }
}

RunConfig Good() {
  RunConfig config;
  config.listeners.push_back({.routes = {RunRoute{}}});
  return config;
}

std::string CheckOf(const RunConfig& config) {
  const auto checked = CheckRunConfig(config);
  return checked ? "fine" : checked.error().message;
}

TEST(CheckRunConfig, FindsWhatDoesNotFitTogether) {
  EXPECT_EQ(CheckOf(Good()), "fine");
  RunConfig config = Good();
  config.plugins = {{.name = "a", .file = "/proc/self/exe"}, {.name = "a", .file = "/proc/self/exe"}};
  EXPECT_EQ(CheckOf(config), "plugin \"a\" is named twice: give each another name");
  config = Good();
  config.plugins = {{.name = "a", .file = "/no/such.wasm"}};
  EXPECT_EQ(CheckOf(config), "plugin \"a\": module \"/no/such.wasm\": no such file");
  config.plugins[0].file = "/proc";
  EXPECT_EQ(CheckOf(config), "plugin \"a\": module \"/proc\" is a directory, not a file");
  config.plugins[0].file = "/proc/self/exe";
  config.plugins[0].options = {{"config", "/no/such.json"}};
  EXPECT_EQ(CheckOf(config), "plugin \"a\": configuration file \"/no/such.json\": no such file");
  config.plugins[0].options.clear();
  config.plugins[0].name = "a b";
  EXPECT_NE(CheckOf(config).find("letters, digits"), std::string::npos);
  config = Good();
  config.listeners[0].routes[0].plugins = {"auth"};
  EXPECT_NE(CheckOf(config).find("plugin \"auth\" is not declared"), std::string::npos);
  config = Good();
  config.listeners[0].routes.push_back(RunRoute{});
  EXPECT_NE(CheckOf(config).find("path \"/\" has two routes"), std::string::npos);
  config = Good();
  config.listeners[0].routes[0] = {.path = "/files", .kind = RunRoute::Kind::kRoot, .root = "/proc"};
  EXPECT_NE(CheckOf(config).find("ends in /"), std::string::npos);
  config.listeners[0].routes[0].path = "/files/";
  EXPECT_EQ(CheckOf(config), "fine");
  config.listeners[0].routes[0].root = "/proc/self/exe";
  EXPECT_NE(CheckOf(config).find("is not a directory"), std::string::npos);
  config = Good();
  config.listeners.clear();
  EXPECT_NE(CheckOf(config).find("no listeners"), std::string::npos);
}

TEST(CheckRunConfig, ChecksGlobalsOnBothSides) {
  for (const char* workers : {"1", "9999", "auto"}) {
    RunConfig config = Good();
    config.workers = workers;
    EXPECT_EQ(CheckOf(config), "fine") << workers;
  }
  for (const char* workers : {"0", "10000", "", "two", "1;"}) {
    RunConfig config = Good();
    config.workers = workers;
    EXPECT_NE(CheckOf(config), "fine") << workers;
  }
  for (const auto& [status, fine] : {std::pair{199u, false}, {200u, true}, {599u, true}, {600u, false}}) {
    RunConfig config = Good();
    config.listeners[0].routes[0].status = status;
    EXPECT_EQ(CheckOf(config) == "fine", fine) << status;
  }
  RunConfig config = Good();
  config.client_body_max = "10x";
  EXPECT_NE(CheckOf(config), "fine");
  config.client_body_max = "0";
  EXPECT_EQ(CheckOf(config), "fine");
  config.log_level = "loud";
  EXPECT_NE(CheckOf(config), "fine");
}

}  // namespace
}  // namespace weir::cli
