// Records, modules, limits and marks, on both databases.
#include "cclb/registry/record.h"
#include "cclb/registry/testing/registry_fixture.h"

namespace weir::cclb {
namespace {

using namespace std::string_literals;
using testing::Kind;
using testing::HashOf;
using testing::ModuleOf;
using testing::RecordOf;
using testing::RegistryTest;

WEIR_REGISTRY_KINDS(RegistryTest);

TEST_P(RegistryTest, KeepsRecordAndModule) {
  PluginRecord record = RecordOf(1);
  record.plugin_version = "1.0\0\n\xC3\xA9"s;  // any UTF-8 passes
  record.abi_envelope = UINT32_MAX;
  record.handshake_schema_version = UINT32_MAX;
  record.expires_at = INT64_MAX;
  record.augmented_metadata = "{\"a\":\"\xF0\x9F\x98\x80\\u0000\"}";
  {
    const auto registry = Open();
    const auto stored = registry->Store(record, ModuleOf(1));
    ASSERT_GOOD(stored);
    EXPECT_TRUE(stored->inserted);
    EXPECT_EQ(stored->rows, 1u);
    EXPECT_FALSE(stored->above_warn);
  }
  const auto registry = Open();
  const auto found = registry->Find(record.sha256);
  ASSERT_GOOD(found);
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ(**found, record);
  const auto module = LoadModule(*registry, record.sha256);
  ASSERT_GOOD(module);
  EXPECT_EQ(*module, ModuleOf(1));
  const auto other = registry->Find(RecordOf(2).sha256);
  ASSERT_GOOD(other);
  EXPECT_FALSE(other->has_value());
}

TEST_P(RegistryTest, ListsByNameVersionHash) {
  const auto registry = Open();
  int index = 0;
  for (const char* name : {"b-plugin", "a_plugin", "a-plugin", "b-plugin"}) {
    PluginRecord record = RecordOf(index);
    record.plugin_name = name;
    record.plugin_version = index == 3 ? "0.9" : "1.0";
    EXPECT_GOOD(registry->Store(record, ModuleOf(index++)));
  }
  EXPECT_GOOD(registry->SetStatus(RecordOf(2).sha256, PluginStatus::kDisabled, "tired"));
  const auto names = [](const auto& records) {
    std::string all;
    for (const PluginRecord& r : *records) all += r.plugin_name + " " + r.plugin_version + ";";
    return all;
  };
  EXPECT_EQ(names(registry->List()), "a-plugin 1.0;a_plugin 1.0;b-plugin 0.9;b-plugin 1.0;");
  EXPECT_EQ(names(registry->List(PluginStatus::kActive)), "a_plugin 1.0;b-plugin 0.9;b-plugin 1.0;");
  EXPECT_EQ(names(registry->List(PluginStatus::kDisabled)), "a-plugin 1.0;");
}

TEST_P(RegistryTest, StoresAgainInPlaceAndKeepsWhenItCame) {
  const auto registry = Open();
  PluginRecord record = RecordOf(1);
  EXPECT_GOOD(registry->Store(record, ModuleOf(1)));
  EXPECT_GOOD(registry->SetStatus(record.sha256, PluginStatus::kDisabled, "x"));
  record.registered_at = 9999;
  record.last_handshake_at = 5000;
  record.augmented_metadata = "{}";
  const auto stored = registry->Store(record, ModuleOf(1));
  ASSERT_GOOD(stored);
  EXPECT_FALSE(stored->inserted);
  EXPECT_EQ(stored->rows, 1u);
  record.registered_at = 1000;
  EXPECT_EQ(**registry->Find(record.sha256), record);
}

TEST_P(RegistryTest, RefusesWhatTheProtocolForbids) {
  const auto registry = Open();
  struct Case {
    const char* why;
    bool good;
    std::function<void(PluginRecord&)> change;
  };
  const Case cases[] = {
      {"name of 64", true, [](PluginRecord& r) { r.plugin_name = std::string(64, 'a'); }},
      {"name of 65", false, [](PluginRecord& r) { r.plugin_name = std::string(65, 'a'); }},
      {"name of one", true, [](PluginRecord& r) { r.plugin_name = "a"; }},
      {"no name", false, [](PluginRecord& r) { r.plugin_name.clear(); }},
      {"digit first", false, [](PluginRecord& r) { r.plugin_name = "1a"; }},
      {"upper case", false, [](PluginRecord& r) { r.plugin_name = "aB"; }},
      {"NUL in the name", false, [](PluginRecord& r) { r.plugin_name = "a\0"s; }},
      {"version of 32", true, [](PluginRecord& r) { r.plugin_version = std::string(32, '9'); }},
      {"version of 33", false, [](PluginRecord& r) { r.plugin_version = std::string(33, '9'); }},
      {"no version", false, [](PluginRecord& r) { r.plugin_version.clear(); }},
      {"version of a surrogate", false, [](PluginRecord& r) { r.plugin_version = "\xED\xA0\x80"; }},
      {"version cut in a character", false, [](PluginRecord& r) { r.plugin_version = "\xC3"; }},
      {"overlong version", false, [](PluginRecord& r) { r.plugin_version = "\xC0\x80"; }},
      {"metadata of the limit", true, [](PluginRecord& r) { r.augmented_metadata = "{" + std::string(262142, ' ') + "}"; }},
      {"metadata beyond the limit", false, [](PluginRecord& r) { r.augmented_metadata = "{" + std::string(262143, ' ') + "}"; }},
      {"no metadata", false, [](PluginRecord& r) { r.augmented_metadata.clear(); }},
      {"metadata no object", false, [](PluginRecord& r) { r.augmented_metadata = "[]"; }},
      {"metadata no UTF-8", false, [](PluginRecord& r) { r.augmented_metadata = "{\xFF}"; }},
      {"metadata with NUL", false, [](PluginRecord& r) { r.augmented_metadata = "{\0}"s; }},
      {"registered at 1", true, [](PluginRecord& r) { r.registered_at = 1; }},
      {"registered at 0", false, [](PluginRecord& r) { r.registered_at = 0; }},
      {"handshake at 0", false, [](PluginRecord& r) { r.last_handshake_at = 0; }},
      {"expires at 0", false, [](PluginRecord& r) { r.expires_at = 0; }},
      {"reason of the limit", true, [](PluginRecord& r) { r.disabled_reason = std::string(4096, 'x'); }},
      {"reason beyond the limit", false, [](PluginRecord& r) { r.disabled_reason = std::string(4097, 'x'); }},
  };
  int index = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    PluginRecord record = RecordOf(++index);
    c.change(record);
    const auto stored = registry->Store(record, ModuleOf(index));
    if (c.good) {
      EXPECT_GOOD(stored);
      EXPECT_EQ(**registry->Find(record.sha256), record);
    } else {
      EXPECT_FAULT(stored, kInvalidRecord);
      EXPECT_FALSE(registry->Find(record.sha256)->has_value());
      EXPECT_FAULT(registry->ReadModule(record.sha256), kBlobMissing);
    }
  }
}

TEST_P(RegistryTest, LimitsTheModulesBytes) {
  const auto registry = Open({.module_bytes_max = 1000});
  for (const size_t size : {0u, 1000u, 1001u}) {
    const std::string module(size, 'm');
    PluginRecord record = RecordOf(1);
    record.sha256 = HashOf(module);
    if (size <= 1000) {
      EXPECT_GOOD(registry->Store(record, module));
      EXPECT_EQ(*LoadModule(*registry, record.sha256), module);
    } else {
      EXPECT_FAULT(registry->Store(record, module), kInvalidRecord);
    }
  }
}

TEST_P(RegistryTest, OneHashHasOneName) {
  const auto registry = Open();
  PluginRecord record = RecordOf(1);
  EXPECT_GOOD(registry->Store(record, ModuleOf(1)));
  record.plugin_name = "another";
  EXPECT_FAULT(registry->Store(record, ModuleOf(1)), kPluginNameMismatch);
  EXPECT_FAULT(registry->Update(record), kPluginNameMismatch);
  EXPECT_EQ((**registry->Find(record.sha256)).plugin_name, "plugin-1");
}

TEST_P(RegistryTest, AModuleIsThatOfItsHash) {
  const auto registry = Open();
  EXPECT_FAULT(registry->Store(RecordOf(1), ModuleOf(2)), kBlobSha256Mismatch);
  EXPECT_EQ(*registry->Count(), 0u);
  EXPECT_GOOD(registry->Store(RecordOf(1), ModuleOf(1)));

  const auto sql = testing::OpenSql(source_);
  EXPECT_GOOD(sql->Run("UPDATE cc_lb_modules SET bytes = $1", {SqlBytesView{"tampered"}}));
  EXPECT_FAULT(LoadModule(*registry, RecordOf(1).sha256), kBlobSha256Mismatch);
  EXPECT_EQ(*registry->ReadModule(RecordOf(1).sha256), "tampered");
  EXPECT_FAULT(registry->Export(folder_ / "export"), kBlobSha256Mismatch);
  ASSERT_EQ(registry->Check()->size(), 1u);
  EXPECT_GOOD(registry->Store(RecordOf(1), ModuleOf(1)));  // heals
  EXPECT_EQ(*LoadModule(*registry, RecordOf(1).sha256), ModuleOf(1));
  EXPECT_TRUE(registry->Check()->empty());

  EXPECT_GOOD(sql->Define(GetParam() == Kind::kSqlite ? "PRAGMA foreign_keys=OFF" : "SET session_replication_role = replica"));
  EXPECT_GOOD(sql->Define("DELETE FROM cc_lb_modules"));
  EXPECT_FAULT(LoadModule(*registry, RecordOf(1).sha256), kBlobMissing);
  EXPECT_FALSE(registry->Check()->empty());
}

TEST_P(RegistryTest, WarnsAndRefusesAtItsRows) {
  const auto registry = Open({.rows_warn = 2, .rows_max = 4});
  for (int i = 0; i < 4; ++i) {
    const auto stored = registry->Store(RecordOf(i), ModuleOf(i));
    ASSERT_GOOD(stored);
    EXPECT_EQ(stored->rows, static_cast<uint64_t>(i + 1));
    EXPECT_EQ(stored->above_warn, i >= 2);
  }
  EXPECT_FAULT(registry->Store(RecordOf(4), ModuleOf(4)), kRegistryFull);
  EXPECT_FAULT(registry->ReadModule(RecordOf(4).sha256), kBlobMissing);
  const auto again = registry->Store(RecordOf(3), ModuleOf(3));  // one that is there still may
  ASSERT_GOOD(again);
  EXPECT_TRUE(again->above_warn);
  EXPECT_GOOD(registry->Remove(RecordOf(0).sha256));
  EXPECT_GOOD(registry->Store(RecordOf(4), ModuleOf(4)));
  EXPECT_EQ(*registry->Count(), 4u);
}

// The protocol's own limits, at full size.
TEST_P(RegistryTest, AThousandWarnTenThousandAreFull) {
  const auto registry = Open();
  const auto sql = testing::OpenSql(source_);
  const auto fill = [&](int count) {
    const std::string hash = GetParam() == Kind::kSqlite ? "randomblob(32)" : "sha256(random()::text::bytea)";
    EXPECT_GOOD(sql->Define("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(count) +
                            ") INSERT INTO cc_lb_modules SELECT " + hash + ", " + hash + " FROM n"));
    EXPECT_GOOD(sql->Define("INSERT INTO cc_lb_plugins SELECT m.sha256, 'filler', m.sha256, 1, '{}', m.sha256, 1, 1, 1, 2, 'active', '' FROM cc_lb_modules m "
                            "WHERE m.sha256 NOT IN (SELECT sha256 FROM cc_lb_plugins)"));
  };
  fill(999);
  const auto thousandth = registry->Store(RecordOf(1), ModuleOf(1));
  ASSERT_GOOD(thousandth);
  EXPECT_EQ(thousandth->rows, 1000u);
  EXPECT_FALSE(thousandth->above_warn);
  EXPECT_TRUE(registry->Store(RecordOf(2), ModuleOf(2))->above_warn);
  fill(8998);
  EXPECT_EQ(*registry->Count(), 9999u);
  EXPECT_GOOD(registry->Store(RecordOf(3), ModuleOf(3)));
  EXPECT_FAULT(registry->Store(RecordOf(4), ModuleOf(4)), kRegistryFull);
  EXPECT_GOOD(registry->Store(RecordOf(3), ModuleOf(3)));
  EXPECT_EQ(registry->List()->size(), 10000u);
}

TEST_P(RegistryTest, RemovesRecordAndModule) {
  const auto registry = Open();
  testing::StoreAll(*registry, 2);
  EXPECT_GOOD(registry->Remove(RecordOf(0).sha256));
  EXPECT_FAULT(registry->Remove(RecordOf(0).sha256), kPluginMissing);
  EXPECT_FAULT(registry->ReadModule(RecordOf(0).sha256), kBlobMissing);
  EXPECT_EQ(*registry->ReadModule(RecordOf(1).sha256), ModuleOf(1));
  EXPECT_EQ(*registry->Count(), 1u);
}

TEST_P(RegistryTest, DisablesWithAReason) {
  const auto registry = Open();
  testing::StoreAll(*registry, 1);
  const ModuleHash key = RecordOf(0).sha256;
  const auto reason = [&] { return (**registry->Find(key)).disabled_reason; };
  EXPECT_GOOD(registry->SetStatus(key, PluginStatus::kDisabled, "a\0b\xFF"s));
  EXPECT_EQ(reason(), "a\xEF\xBF\xBD" "b\xEF\xBF\xBD");
  EXPECT_GOOD(registry->SetStatus(key, PluginStatus::kDisabled, std::string(4095, 'x') + "\xC3\xA9"));
  EXPECT_EQ(reason(), std::string(4095, 'x'));
  EXPECT_FAULT(CheckUsable(**registry->Find(key), 1), kPluginDisabled);
  EXPECT_GOOD(registry->SetStatus(key, PluginStatus::kActive, "ignored"));
  EXPECT_EQ(**registry->Find(key), RecordOf(0));
  EXPECT_FAULT(registry->SetStatus(RecordOf(1).sha256, PluginStatus::kActive, ""), kPluginMissing);
  EXPECT_FAULT(registry->Update(RecordOf(1)), kPluginMissing);
}

TEST_P(RegistryTest, ExpiresAtItsSecond) {
  const PluginRecord record = RecordOf(0);
  EXPECT_GOOD(CheckUsable(record, record.expires_at - 1));
  EXPECT_FAULT(CheckUsable(record, record.expires_at), kPluginExpired);
}

TEST_P(RegistryTest, MarksGrowAndClearUpToAMoment) {
  const auto registry = Open();
  EXPECT_FALSE(registry->Marks()->pass);
  EXPECT_GOOD(registry->MarkPass(100));
  EXPECT_GOOD(registry->MarkShutdown(90));
  EXPECT_GOOD(registry->MarkPass(50));  // an earlier one adds nothing
  EXPECT_EQ(registry->Marks()->pass, 100);
  EXPECT_EQ(registry->Marks()->shutdown, 90);
  EXPECT_GOOD(registry->ClearMarks(99));
  EXPECT_EQ(registry->Marks()->pass, 100);
  EXPECT_FALSE(registry->Marks()->shutdown);
  EXPECT_GOOD(registry->ClearMarks(100));
  EXPECT_FALSE(registry->Marks()->pass);
}

TEST_P(RegistryTest, DamagedRowsAreToldAsSuch) {
  const auto registry = Open();
  testing::StoreAll(*registry, 1);
  const auto sql = testing::OpenSql(source_);
  EXPECT_GOOD(sql->Define("UPDATE cc_lb_plugins SET abi_envelope = -1"));
  EXPECT_FAULT(registry->Find(RecordOf(0).sha256), kCorrupt);
  EXPECT_FAULT(registry->List(), kCorrupt);
  EXPECT_FALSE(registry->Check()->empty());
}

TEST(RegistryErrors, HaveTheirNames) {
  EXPECT_EQ(NameOf(RegistryErrorName::kInvalidRecord), "InvalidRecord");
  EXPECT_EQ(NameOf(RegistryErrorName::kPluginFailed), "PluginFailed");
  EXPECT_EQ(NameOf(RegistryErrorName::kBlobSha256Mismatch), "BlobSha256Mismatch");
  EXPECT_EQ(NameOf(RegistryErrorName::kIo), "Io");
}

}  // namespace
}  // namespace weir::cclb
