// Runs every scenario file in memory: tests/scenarios/*.scenario. --gtest_filter=*name* picks some; the trace of a failed one is printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "scenario/run.h"
#include "scenario/scenario.h"
#include "weir/engine.h"

namespace weir::scenarios {
namespace {

std::string Slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

/// Where a guest is: one of the tests', or a plugin that `make plugins` built. Empty: nowhere.
std::string GuestPath(const std::string& name) {
  for (const char* folder : {WEIR_GUESTS, WEIR_PLUGINS}) {
    const std::string path = std::string(folder) + "/" + name + ".wasm";
    if (std::filesystem::exists(path)) return path;
  }
  return "";
}
/// Our plugins and those of registries need other toolchains and are built apart.
bool IsPlugin(const std::string& name) { return name.find('-') != name.npos; }

/// One engine and the modules that were compiled, for all scenarios of this process.
class Guests {
 public:
  Guests() : engine_(std::move(Engine::Create()).value()) {}
  Engine& engine() { return *engine_; }
  Result<std::shared_ptr<const Module>> Get(const std::string& name) {
    auto it = modules_.find(name);
    if (it != modules_.end()) return it->second;
    const std::string path = GuestPath(name);
    if (path.empty()) return Error{ErrorCode::kNotFound, "no guest " + name + " in " WEIR_GUESTS " or " WEIR_PLUGINS};
    WEIR_TRY(std::string wasm, ReadFile(path));
    WEIR_TRY(auto module, engine_->Compile(wasm, path));
    return modules_[name] = module;
  }

 private:
  std::unique_ptr<Engine> engine_;
  std::map<std::string, std::shared_ptr<const Module>> modules_;
};
Guests& guests() {
  static Guests all;
  return all;
}

<<<<<<< HEAD
=======
HttpMessage RequestOf(const Exchange& exchange) {
  HttpMessage request{.headers = RequestHeaders(exchange.method, exchange.target, exchange.request_headers),
                      .body = exchange.request_body};
  if (!request.body.empty() && !JoinedValues(request.headers, "transfer-encoding")) {
    request.headers.emplace_back("content-length", std::to_string(request.BodyText().size()));
  }
  return request;
}

HttpMessage ResponseOf(const Exchange& exchange) {
  HttpMessage response{.headers = {{":status", exchange.status}}, .body = exchange.response_body};
  if (!exchange.upstream_given) response.body = {"upstream"};
  response.headers.insert(response.headers.end(), exchange.response_headers.begin(), exchange.response_headers.end());
  if (!JoinedValues(response.headers, "transfer-encoding")) {
    response.headers.emplace_back("content-length", std::to_string(response.BodyText().size()));
  }
  return response;
}

void Check(const HttpMessage& message, const Expected& expected, const char* who) {
  for (const auto& [name, values] : expected.headers) {
    EXPECT_EQ(JoinedValues(message.headers, name).value_or("(none)"), values) << who << ": header " << name;
  }
  for (const std::string& name : expected.no_headers) {
    EXPECT_EQ(JoinedValues(message.headers, name), std::nullopt) << who << ": header " << name;
  }
  if (expected.body) {
    EXPECT_EQ(message.BodyText(), *expected.body) << who << ": body";
  }
}

bool Logged(const Trace& trace, const LogLine& line) {
  return std::any_of(trace.begin(), trace.end(), [&](const std::string& entry) {
    if (!entry.starts_with("log ")) return false;
    const size_t name = entry.find(' ', 4) + 1;  // "log LEVEL NAME: TEXT"
    return entry.compare(name, line.plugin.size() + 2, line.plugin + ": ") == 0 &&
           entry.find(line.text, name + line.plugin.size()) != entry.npos;
  });
}

void RunExchange(MemoryHost& world, std::span<Plugin* const> chain, const Exchange& exchange) {
  const StreamOutcome outcome =
      RunStream(world, chain, RequestOf(exchange), [&](const HttpMessage&) { return ResponseOf(exchange); }, kStreamWaitMs,
                exchange.given);
  if (exchange.expect_upstream == Exchange::Upstream::kNothing) {
    EXPECT_FALSE(outcome.upstream) << "the upstream was asked";
  } else if (exchange.expect_upstream == Exchange::Upstream::kMessage) {
    ASSERT_TRUE(outcome.upstream) << "the upstream was not asked";
    EXPECT_EQ(JoinedValues(outcome.upstream->headers, ":method"), exchange.upstream_method);
    EXPECT_EQ(JoinedValues(outcome.upstream->headers, ":path"), exchange.upstream_target);
    Check(*outcome.upstream, exchange.upstream, "upstream");
  }
  const std::string status = outcome.end == StreamOutcome::End::kResponse
                                 ? JoinedValues(outcome.response.headers, ":status").value_or("(none)")
                                 : "reset";
  EXPECT_EQ(status, exchange.client_status) << "client: status";
  Check(outcome.response, exchange.client, "client");
  for (const LogLine& line : exchange.logs) {
    EXPECT_TRUE(Logged(world.trace(), line)) << "no line of " << line.plugin << " with: " << line.text;
  }
  for (const LogLine& line : exchange.no_logs) {
    EXPECT_FALSE(Logged(world.trace(), line)) << "a line of " << line.plugin << " with: " << line.text;
  }
}

>>>>>>> main
class ScenarioFile : public ::testing::Test {
 public:
  explicit ScenarioFile(std::filesystem::path path) : path_(std::move(path)) {}
  void TestBody() override {
    auto scenario = Parse(Slurp(path_), path_.filename().string());
    ASSERT_TRUE(scenario) << scenario.error().message;
    if (scenario->only == "nginx") GTEST_SKIP() << "only for NGINX";
    for (const PluginLine& line : scenario->plugins) {
      if (IsPlugin(line.guest) && GuestPath(line.guest).empty()) GTEST_SKIP() << line.guest << " is not built: make plugins";
    }
    MemoryHost world;
    std::vector<std::unique_ptr<Plugin>> plugins, traced;
    std::vector<Plugin*> chain;
    for (const PluginLine& line : scenario->plugins) {
      auto module = guests().Get(line.guest);
      ASSERT_TRUE(module) << module.error().message;
      auto plugin = LoadPlugin(guests().engine(), *module, line.spec, world.host());
      ASSERT_TRUE(plugin) << plugin.error().message;
      plugins.push_back(*std::move(plugin));
      traced.push_back(world.Traced(*plugins.back()));
      chain.push_back(traced.back().get());
    }
    for (const Exchange& exchange : scenario->exchanges) {
      SCOPED_TRACE(path_.string() + ":" + std::to_string(exchange.line) + ": " + scenario->about);
      for (const std::string& problem : RunExchange(world, chain, exchange)) ADD_FAILURE() << problem;
      if (HasFailure()) {
        for (const std::string& line : world.trace()) std::printf("    %s\n", line.c_str());
        break;
      }
      world.trace().clear();
    }
  }

 private:
  std::filesystem::path path_;
};

}  // namespace
}  // namespace weir::scenarios

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(WEIR_SCENARIOS)) {
    if (entry.path().extension() == ".scenario") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "no scenarios in %s\n", WEIR_SCENARIOS);
    return 1;
  }
  for (const auto& file : files) {
    ::testing::RegisterTest("Scenarios", file.stem().c_str(), nullptr, nullptr, file.c_str(), 1,
                            [file]() -> ::testing::Test* { return new weir::scenarios::ScenarioFile(file); });
  }
  return RUN_ALL_TESTS();
}
