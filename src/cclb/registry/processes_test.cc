// Several processes on one registry, and processes that are killed.
#include <unistd.h>

#include <cstdio>
#include <map>

#include "cclb/registry/export.h"
#include "cclb/registry/testing/registry_fixture.h"

namespace weir::cclb {
namespace {

using testing::ChildProcess;
using testing::ModuleOf;
using testing::RecordOf;
using testing::RegistryTest;

class Processes : public RegistryTest {};
WEIR_REGISTRY_KINDS(Processes);

/// Step `n` of a fixed sequence: plugin n/3 is stored, then disabled, then (every second one) removed.
bool Apply(Registry& registry, int n) {
  const int plugin = n / 3;
  if (n % 3 == 0) return registry.Store(RecordOf(plugin), ModuleOf(plugin)).has_value();
  if (n % 3 == 1) return registry.SetStatus(RecordOf(plugin).sha256, PluginStatus::kDisabled, "step").has_value();
  return plugin % 2 == 0 || registry.Remove(RecordOf(plugin).sha256).has_value();
}

/// What is there after `steps` steps: plugin → is it disabled?
std::map<std::string, bool> Expected(int steps) {
  std::map<std::string, bool> there;
  for (int n = 0; n < steps; ++n) {
    const std::string name = RecordOf(n / 3).plugin_name;
    if (n % 3 < 2) there[name] = n % 3 == 1;
    if (n % 3 == 2 && n / 3 % 2 == 1) there.erase(name);
  }
  return there;
}

std::map<std::string, bool> Found(Registry& registry) {
  std::map<std::string, bool> there;
  const auto records = registry.List();
  EXPECT_GOOD(records);
  for (const PluginRecord& record : *records) {
    there[record.plugin_name] = record.status == PluginStatus::kDisabled;
    EXPECT_GOOD(LoadModule(registry, record.sha256));
  }
  return there;
}

/// Writes a byte for every step that was acknowledged.
int WriteForever(const std::string& source, int fd) {
  const auto registry = OpenRegistry(source);
  if (!registry) return 2;
  for (int n = 0;; ++n) {
    if (!Apply(**registry, n)) return 3;
    if (write(fd, "+", 1) != 1) return 4;
  }
}

TEST_P(Processes, KilledAnywhereLosesNothingAcknowledged) {
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    source_ = testing::NewSource(GetParam(), folder_);
    int acknowledged = 0;
    {
      ChildProcess child([&](int fd) { return WriteForever(source_, fd); });
      char byte;
      const auto next = [&] { return read(child.fd(), &byte, 1) == 1; };
      while (acknowledged < 7 * round + 1 && next()) ++acknowledged;
      ASSERT_EQ(acknowledged, 7 * round + 1) << "the child ended by itself";
      usleep(static_cast<useconds_t>(round * 137));  // some moment of the next steps
      child.Kill();
      while (next()) ++acknowledged;
    }
    const auto registry = Open();
    EXPECT_GOOD(registry->ClearMarks(0));  // a write: waits for a commit that the server still has from the killed one
    const auto found = Found(*registry);
    // The step in flight may have been done, its acknowledgement not written.
    EXPECT_TRUE(found == Expected(acknowledged) || found == Expected(acknowledged + 1)) << acknowledged << " acknowledged";
    EXPECT_EQ(*registry->Check(), std::vector<std::string>());
    EXPECT_GOOD(registry->Store(RecordOf(100000), ModuleOf(100000)));  // no lock is left behind
  }
}

TEST_P(Processes, KilledWhileMakingTheSchema) {
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    source_ = testing::NewSource(GetParam(), folder_);
    {
      ChildProcess child([&](int fd) {
        if (write(fd, "+", 1) != 1) return 1;
        return OpenRegistry(source_) ? 0 : 2;
      });
      char byte;
      ASSERT_EQ(read(child.fd(), &byte, 1), 1);
      usleep(static_cast<useconds_t>(round * 1500));
      child.Kill();
    }
    const auto registry = Open();
    EXPECT_GOOD(registry->Store(RecordOf(0), ModuleOf(0)));
    EXPECT_EQ(*registry->Count(), 1u);
  }
}

TEST_P(Processes, KilledWhileImporting) {
  constexpr int kPlugins = 200;
  const std::string file = folder_ / "export";
  {
    const auto from = OpenRegistry(folder_ / "from.db");
    ASSERT_GOOD(from);
    ExportWriter writer(file);
    ASSERT_GOOD(writer.Open());
    std::map<ModuleHash, int> sorted;
    for (int i = 0; i < kPlugins; ++i) sorted[RecordOf(i).sha256] = i;
    for (const auto& [hash, i] : sorted) EXPECT_GOOD(writer.Add(RecordOf(i), ModuleOf(i)));
    EXPECT_GOOD(writer.Finish());
  }
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    source_ = testing::NewSource(GetParam(), folder_);
    {
      ChildProcess child([&](int fd) {
        const auto registry = OpenRegistry(source_);
        if (!registry || write(fd, "+", 1) != 1) return 1;
        return (*registry)->Import(file, ImportMode::kKeep) ? 0 : 2;
      });
      char byte;
      ASSERT_EQ(read(child.fd(), &byte, 1), 1);
      usleep(static_cast<useconds_t>(round * 4000));
      child.Kill();
    }
    const auto registry = Open();
    const uint64_t rows = *registry->Count();
    EXPECT_TRUE(rows == 0 || rows == kPlugins) << rows;
    EXPECT_GOOD(registry->Import(file, ImportMode::kKeep));
    EXPECT_EQ(*registry->Count(), static_cast<uint64_t>(kPlugins));
  }
}

TEST_P(Processes, WriteAtOnce) {
  constexpr int kEach = 40, kWriters = 4;
  {
    std::vector<std::unique_ptr<ChildProcess>> writers;  // all find no schema, too
    for (int w = 0; w < kWriters; ++w) {
      writers.push_back(std::make_unique<ChildProcess>([&, w](int) {
        const auto registry = OpenRegistry(source_, {.busy_ms = 120000});
        if (!registry) return std::fprintf(stderr, "%s\n", registry.error().message.c_str()), 2;
        for (int i = 0; i < kEach; ++i) {
          const int plugin = w * kEach + i;
          if (!(*registry)->Store(RecordOf(plugin), ModuleOf(plugin))) return 3;
          if (!(*registry)->SetStatus(RecordOf(plugin).sha256, PluginStatus::kDisabled, "w")) return 4;
        }
        return 0;
      }));
    }
    for (const auto& writer : writers) EXPECT_EQ(writer->Wait(), 0);
  }
  const auto registry = Open();
  EXPECT_EQ(registry->List(PluginStatus::kDisabled)->size(), static_cast<size_t>(kEach * kWriters));
  EXPECT_EQ(*registry->Check(), std::vector<std::string>());
}

TEST_P(Processes, TheLimitHoldsOverAll) {
  constexpr int kWriters = 4;
  {
    std::vector<std::unique_ptr<ChildProcess>> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.push_back(std::make_unique<ChildProcess>([&, w](int) {
        const auto registry = OpenRegistry(source_, {.rows_max = 10, .busy_ms = 120000});
        if (!registry) return 2;
        for (int i = 0; i < 10; ++i) {
          const auto stored = (*registry)->Store(RecordOf(w * 10 + i), ModuleOf(w * 10 + i));
          if (!stored && stored.error().name != RegistryErrorName::kRegistryFull) return 3;
        }
        return 0;
      }));
    }
    for (const auto& writer : writers) EXPECT_EQ(writer->Wait(), 0);
  }
  EXPECT_EQ(*Open()->Count(), 10u);
}

TEST_P(Processes, AWaiterIsToldThatItWaitedInVain) {
  Open();
  const auto holder = testing::OpenSql(source_);
  EXPECT_GOOD(holder->Begin(Access::kWrite));
  const auto registry = Open({.busy_ms = 50});
  EXPECT_FAULT(registry->Store(RecordOf(0), ModuleOf(0)), kUnavailable);
  EXPECT_EQ(*registry->Count(), 0u);  // readers do not wait
  holder->Rollback();
  EXPECT_GOOD(registry->Store(RecordOf(0), ModuleOf(0)));
}

}  // namespace
}  // namespace weir::cclb
