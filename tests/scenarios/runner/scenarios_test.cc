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
