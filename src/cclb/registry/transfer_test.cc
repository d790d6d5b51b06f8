// Export and import, and files that are no whole export.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/sha256.h"
#include "cclb/registry/export.h"
#include "cclb/registry/record.h"
#include "cclb/registry/testing/registry_fixture.h"

namespace weir::cclb {
namespace {

using testing::ModuleOf;
using testing::RecordOf;
using testing::RegistryTest;

class Transfer : public RegistryTest {
 protected:
  std::string Bytes(const std::string& path) {
    std::string bytes(std::filesystem::file_size(path), '\0');
    const File file(std::fopen(path.c_str(), "rb"));
    EXPECT_EQ(std::fread(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
    return bytes;
  }
  std::string Write(const std::string& bytes) {
    const std::string path = folder_ / "changed";
    const File file(std::fopen(path.c_str(), "wb"));
    EXPECT_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
    return path;
  }
};
WEIR_REGISTRY_KINDS(Transfer);

TEST_P(Transfer, CarriesEverythingToTheOtherDatabase) {
  const auto registry = Open();
  testing::StoreAll(*registry, 5);
  EXPECT_GOOD(registry->SetStatus(RecordOf(3).sha256, PluginStatus::kDisabled, "why"));
  const std::string file = folder_ / "export";
  const auto count = registry->Export(file);
  ASSERT_GOOD(count);
  EXPECT_EQ(*count, 5u);
  struct stat info;
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  const auto other = OpenRegistry(OtherSource());
  ASSERT_GOOD(other);
  const auto imported = (*other)->Import(file, ImportMode::kKeep);
  ASSERT_GOOD(imported);
  EXPECT_EQ(imported->added, 5u);
  EXPECT_EQ(*(*other)->List(), *registry->List());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*LoadModule(**other, RecordOf(i).sha256), ModuleOf(i));
  EXPECT_GOOD((*other)->Export(folder_ / "again"));
  EXPECT_EQ(Bytes(folder_ / "again"), Bytes(file));
}

TEST_P(Transfer, AnEmptyRegistryToo) {
  EXPECT_EQ(*Open()->Export(folder_ / "export"), 0u);
  const auto imported = Open()->Import(folder_ / "export", ImportMode::kKeep);
  ASSERT_GOOD(imported);
  EXPECT_EQ(imported->added + imported->kept + imported->replaced, 0u);
}

TEST_P(Transfer, KeepsOrReplaces) {
  const auto registry = Open();
  testing::StoreAll(*registry, 2);
  const std::string file = folder_ / "export";
  EXPECT_GOOD(registry->Export(file));
  EXPECT_GOOD(registry->SetStatus(RecordOf(0).sha256, PluginStatus::kDisabled, "later"));
  EXPECT_GOOD(registry->Remove(RecordOf(1).sha256));
  const auto kept = registry->Import(file, ImportMode::kKeep);
  ASSERT_GOOD(kept);
  EXPECT_EQ(kept->kept, 1u);
  EXPECT_EQ(kept->added, 1u);
  EXPECT_EQ((**registry->Find(RecordOf(0).sha256)).disabled_reason, "later");
  const auto replaced = registry->Import(file, ImportMode::kReplace);
  ASSERT_GOOD(replaced);
  EXPECT_EQ(replaced->replaced, 2u);
  EXPECT_EQ(**registry->Find(RecordOf(0).sha256), RecordOf(0));
}

TEST_P(Transfer, RefusesEveryTruncationAndEveryChangedByte) {
  testing::StoreAll(*Open(), 2);
  EXPECT_GOOD(Open()->Export(folder_ / "export"));
  const std::string whole = Bytes(folder_ / "export");
  source_ = testing::NewSource(GetParam(), folder_);
  const auto registry = Open();
  // Each byte of the heads and ends, some of the modules.
  const auto places = [&](auto&& each) {
    for (size_t at = 0; at < whole.size(); at += at < 64 || at + 64 > whole.size() ? 1 : 37) each(at);
  };
  places([&](size_t at) {
    SCOPED_TRACE(at);
    EXPECT_FAULT(registry->Import(Write(whole.substr(0, at)), ImportMode::kKeep), kImportMalformed);
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
    EXPECT_FAULT(registry->Import(Write(changed), ImportMode::kKeep), kImportMalformed);
  });
  EXPECT_FAULT(registry->Import(Write(whole + "x"), ImportMode::kKeep), kImportMalformed);
  EXPECT_FAULT(registry->Import(Write(whole + whole), ImportMode::kKeep), kImportMalformed);
  EXPECT_FAULT(registry->Import(folder_ / "nothing", ImportMode::kKeep), kIo);
  EXPECT_FAULT(registry->Import(folder_.path(), ImportMode::kKeep), kIo);
  EXPECT_EQ(*registry->Count(), 0u);
  EXPECT_GOOD(registry->Import(Write(whole), ImportMode::kKeep));
  EXPECT_EQ(*registry->Count(), 2u);
}

TEST_P(Transfer, RefusesWhatAWholeFileMayNotSay) {
  struct Case {
    const char* why;
    std::function<void(ExportWriter&)> fill;
    RegistryErrorName expected;
  };
  std::vector<int> order = {0, 1};
  if (RecordOf(1).sha256 < RecordOf(0).sha256) std::swap(order[0], order[1]);
  const auto add = [](ExportWriter& w, const PluginRecord& r, const std::string& module) { EXPECT_GOOD(w.Add(r, module)); };
  const Case cases[] = {
      {"twice", [&](ExportWriter& w) { add(w, RecordOf(0), ModuleOf(0)), add(w, RecordOf(0), ModuleOf(0)); }, RegistryErrorName::kImportMalformed},
      {"unordered",
       [&](ExportWriter& w) { add(w, RecordOf(order[1]), ModuleOf(order[1])), add(w, RecordOf(order[0]), ModuleOf(order[0])); },
       RegistryErrorName::kImportMalformed},
      {"another module", [&](ExportWriter& w) { add(w, RecordOf(0), ModuleOf(1)); }, RegistryErrorName::kImportMalformed},
      {"no name",
       [&](ExportWriter& w) {
         PluginRecord record = RecordOf(0);
         record.plugin_name = "No";
         add(w, record, ModuleOf(0));
       },
       RegistryErrorName::kImportMalformed},
      {"another name",
       [&](ExportWriter& w) {
         PluginRecord record = RecordOf(7);
         record.plugin_name = "no";
         add(w, record, ModuleOf(7));
       },
       RegistryErrorName::kPluginNameMismatch},
      {"too many",
       [&](ExportWriter& w) {
         for (const int i : order) add(w, RecordOf(i), ModuleOf(i));
       },
       RegistryErrorName::kRegistryFull},
  };
  const auto registry = Open({.rows_max = 2});
  EXPECT_GOOD(registry->Store(RecordOf(7), ModuleOf(7)));
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    ExportWriter writer(folder_ / "made");
    ASSERT_GOOD(writer.Open());
    c.fill(writer);
    ASSERT_GOOD(writer.Finish());
    const auto imported = registry->Import(folder_ / "made", ImportMode::kReplace);
    ASSERT_FALSE(imported.has_value());
    EXPECT_EQ(NameOf(imported.error().name), NameOf(c.expected)) << imported.error().message;
    EXPECT_EQ(*registry->Count(), 1u);
  }
}

TEST_P(Transfer, AFailedExportLeavesTheOldFile) {
  const auto registry = Open();
  testing::StoreAll(*registry, 1);
  const std::string file = folder_ / "export";
  EXPECT_GOOD(registry->Export(file));
  const std::string before = Bytes(file);
  EXPECT_GOOD(testing::OpenSql(source_)->Run("UPDATE cc_lb_modules SET bytes = $1", {SqlBytesView{"tampered"}}));
  EXPECT_FAULT(registry->Export(file), kBlobSha256Mismatch);
  EXPECT_EQ(Bytes(file), before);
  EXPECT_FAULT(registry->Export(folder_ / "no/such/folder"), kIo);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    EXPECT_EQ(entry.path().string().find(".part-"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace weir::cclb
