// Registering, re-handshaking and the pass at a start, with an examiner that does as it is told.
#include "weir/cclb/registration.h"

#include <unistd.h>

#include <atomic>
#include <barrier>
#include <map>
#include <mutex>

#include "cclb/registry/testing/registry_fixture.h"
#include "weir/result.h"

namespace weir::cclb {
namespace {

using testing::HashOf;
using testing::ModuleOf;
using testing::RecordOf;
using testing::RegistryTest;

constexpr int64_t kNow = 10'000'000;

/// Identity: the module's text after the header, up to NUL. Handshake: as `on_examine` says, else accepted.
class TestExaminer : public PluginExaminer {
 public:
  ModuleHash OfferHash() override { return HashOf(offer); }
  RegistryResult<ModuleIdentity> Identify(std::string_view module) override {
    for (int i = 0; i < 100; ++i) {
      if (module == ModuleOf(i)) return ModuleIdentity{.plugin_name = rename.count(i) ? rename[i] : RecordOf(i).plugin_name, .plugin_version = "2"};
    }
    return RegistryFault{RegistryErrorName::kPluginFailed, "missing cc_lb.plugin.v1 custom section"};
  }
  RegistryResult<Examination> Examine(std::string_view, const ModuleIdentity& identity, uint64_t ms_left, const std::stop_token& stop) override {
    {
      const std::lock_guard lock(mutex);
      ++calls[identity.plugin_name];
      last_ms_left = ms_left;
    }
    if (on_examine) WEIR_TRY_VOID(on_examine(identity, stop));
    return Examination{.augmented_metadata = "{\"new\":1}", .handshake_completed_at = at, .expires_at = at + 604800};
  }

  std::string offer = "offer";
  int64_t at = kNow;
  std::map<int, std::string> rename;
  std::function<RegistryStatus(const ModuleIdentity&, const std::stop_token&)> on_examine;
  std::mutex mutex;
  std::map<std::string, int> calls;
  uint64_t last_ms_left = 0;
};

RegistryFault Refusal(const std::string& text) { return {RegistryErrorName::kPluginFailed, text}; }

class RegistrationTest : public RegistryTest {
 protected:
  void Keep(int index, int64_t handshake_at, const std::string& offer = "offer") {
    PluginRecord record = RecordOf(index);
    record.last_handshake_at = handshake_at;
    record.expires_at = handshake_at + 604800;
    record.host_offer_hash = HashOf(offer);
    EXPECT_GOOD(Open()->Store(record, ModuleOf(index)));
  }
  StartupOptions Options() {
    StartupOptions options;
    options.now_seconds = [this] { return now_.load(); };
    options.steady_ms = [this] { return steady_.load(); };
    return options;
  }
  /// "plugin-1:fresh plugin-2:disabled", "!" where forced.
  std::string Pass(const StartupOptions& options) {
    const auto report = RunStartup(*Open(), examiner_, options);
    if (!report) return std::string(NameOf(report.error().name));
    complete_ = report->complete;
    loaded_ = report->Loaded().size();
    std::string text;
    for (const StartupEntry& entry : report->entries) {
      text += (text.empty() ? "" : " ") + entry.record.plugin_name + ":" + std::string(OutcomeName(entry.outcome)) + (entry.forced ? "!" : "");
      const auto kept = Open()->Find(entry.record.sha256);
      EXPECT_TRUE(!*kept || **kept == entry.record);  // the report is what is kept
    }
    return text;
  }
  TestExaminer examiner_;
  std::atomic<int64_t> now_ = kNow;
  std::atomic<uint64_t> steady_ = 5;
  bool complete_ = false;
  size_t loaded_ = 0;
};
WEIR_REGISTRY_KINDS(RegistrationTest);

TEST_P(RegistrationTest, RegistersOnceForAnOffer) {
  const auto registry = Open();
  const auto first = RegisterPlugin(*registry, examiner_, ModuleOf(1), 77);
  ASSERT_GOOD(first);
  EXPECT_FALSE(first->reused);
  EXPECT_TRUE(first->stored.inserted);
  EXPECT_EQ(first->record.registered_at, 77);
  EXPECT_EQ(first->record.plugin_version, "2");
  EXPECT_EQ(first->record.last_handshake_at, kNow);
  EXPECT_EQ(**registry->Find(first->record.sha256), first->record);
  const auto second = RegisterPlugin(*registry, examiner_, ModuleOf(1), 99);
  ASSERT_GOOD(second);
  EXPECT_TRUE(second->reused);
  EXPECT_EQ(second->record, first->record);
  EXPECT_EQ(examiner_.calls["plugin-1"], 1);
  examiner_.offer = "another offer";
  EXPECT_FALSE(RegisterPlugin(*registry, examiner_, ModuleOf(1), 99)->reused);
  EXPECT_EQ((**registry->Find(first->record.sha256)).registered_at, 77);
  EXPECT_GOOD(registry->SetStatus(first->record.sha256, PluginStatus::kDisabled, "x"));
  EXPECT_EQ(RegisterPlugin(*registry, examiner_, ModuleOf(1), 99)->record.status, PluginStatus::kActive);
  EXPECT_EQ(examiner_.calls["plugin-1"], 3);
}

TEST_P(RegistrationTest, AFailureStoresNothing) {
  const auto registry = Open();
  EXPECT_FAULT(RegisterPlugin(*registry, examiner_, "no module", 1), kPluginFailed);
  examiner_.on_examine = [](auto&, auto&) -> RegistryStatus { return Refusal("handshake call exceeded timeout/fuel budget"); };
  EXPECT_FAULT(RegisterPlugin(*registry, examiner_, ModuleOf(1), 1), kPluginFailed);
  EXPECT_EQ(*registry->Count(), 0u);
  EXPECT_FAULT(registry->ReadModule(HashOf(ModuleOf(1))), kBlobMissing);
  examiner_.on_examine = nullptr;
  EXPECT_GOOD(RegisterPlugin(*registry, examiner_, ModuleOf(1), 1));
  examiner_.rename[1] = "other";
  EXPECT_FAULT(RegisterPlugin(*registry, examiner_, ModuleOf(1), 1), kPluginNameMismatch);
}

TEST_P(RegistrationTest, RehandshakeChecksInOrder) {
  const auto registry = Open();
  const ModuleHash key = RecordOf(1).sha256;
  EXPECT_FAULT(RehandshakePlugin(*registry, examiner_, key), kPluginMissing);
  Keep(1, 100);
  EXPECT_GOOD(registry->SetStatus(key, PluginStatus::kDisabled, "x"));
  const auto record = RehandshakePlugin(*registry, examiner_, key);
  ASSERT_GOOD(record);
  EXPECT_EQ(record->status, PluginStatus::kActive);
  EXPECT_EQ(record->last_handshake_at, kNow);
  EXPECT_EQ(record->registered_at, 1000);
  EXPECT_EQ(**registry->Find(key), *record);

  examiner_.on_examine = [](auto&, auto&) -> RegistryStatus { return Refusal("no"); };
  EXPECT_FAULT(RehandshakePlugin(*registry, examiner_, key), kPluginFailed);
  EXPECT_EQ(**registry->Find(key), *record);
  const auto sql = testing::OpenSql(source_);
  const auto put = [&](const std::string& bytes) { EXPECT_GOOD(sql->Run("UPDATE cc_lb_modules SET bytes = $1", {SqlBytesView{bytes}})); };
  put("no module");  // identity before the hash
  EXPECT_FAULT(RehandshakePlugin(*registry, examiner_, key), kPluginFailed);
  put(ModuleOf(2));  // the name before the hash
  EXPECT_FAULT(RehandshakePlugin(*registry, examiner_, key), kPluginNameMismatch);
  examiner_.rename[2] = "plugin-1";
  EXPECT_FAULT(RehandshakePlugin(*registry, examiner_, key), kBlobSha256Mismatch);
}

TEST_P(RegistrationTest, FreshForSevenDaysAndForThisOffer) {
  Keep(1, kNow - 604800);
  Keep(2, kNow - 604801);
  Keep(3, kNow, "old offer");
  Keep(4, kNow + 1000);  // a clock that went back
  Keep(5, kNow);
  EXPECT_GOOD(Open()->SetStatus(RecordOf(5).sha256, PluginStatus::kDisabled, "x"));
  EXPECT_EQ(Pass(Options()), "plugin-1:fresh plugin-2:rehandshaken plugin-3:rehandshaken plugin-4:fresh");
  EXPECT_TRUE(complete_);
  EXPECT_EQ(loaded_, 4u);
  EXPECT_EQ(examiner_.last_ms_left, 60000u);
  EXPECT_EQ(Pass(Options()), "plugin-1:fresh plugin-2:fresh plugin-3:fresh plugin-4:fresh");
  StartupOptions options = Options();
  options.skip_if_fresh = false;
  EXPECT_EQ(Pass(options), "plugin-1:rehandshaken plugin-2:rehandshaken plugin-3:rehandshaken plugin-4:rehandshaken");
  options = Options();
  options.force = true;
  EXPECT_EQ(Pass(options), "plugin-1:rehandshaken! plugin-2:rehandshaken! plugin-3:rehandshaken! plugin-4:rehandshaken!");
}

TEST_P(RegistrationTest, WhatFailsIsDisabled) {
  Keep(1, 100);
  Keep(2, 100);
  examiner_.on_examine = [](const ModuleIdentity& identity, auto&) -> RegistryStatus {
    if (identity.plugin_name == "plugin-2") return Refusal("plugin does not export cc_lb_handshake");
    return std::monostate();
  };
  EXPECT_EQ(Pass(Options()), "plugin-1:rehandshaken plugin-2:disabled");
  EXPECT_TRUE(complete_);
  EXPECT_EQ(loaded_, 1u);
  EXPECT_EQ((**Open()->Find(RecordOf(2).sha256)).disabled_reason, "PluginFailed: plugin does not export cc_lb_handshake");
  EXPECT_EQ(Pass(Options()), "plugin-1:fresh");
}

TEST_P(RegistrationTest, TheBudgetEndsThePass) {
  for (int i = 0; i < 4; ++i) Keep(i, 100);
  StartupOptions options = Options();
  options.parallel = 0;  // taken as 1
  int done = 0;
  examiner_.on_examine = [&](auto&, auto&) -> RegistryStatus {
    steady_ += ++done == 1 ? 59999 : 1;  // the first ends 1 ms before the budget, the second at its end
    return std::monostate();
  };
  EXPECT_EQ(Pass(options), "plugin-0:rehandshaken plugin-1:out_of_time plugin-2:out_of_time plugin-3:out_of_time");
  EXPECT_TRUE(complete_);
  EXPECT_EQ(examiner_.calls.size(), 2u);
  EXPECT_EQ(examiner_.last_ms_left, 1u);
  EXPECT_EQ((**Open()->Find(RecordOf(3).sha256)).status, PluginStatus::kDisabled);
  EXPECT_FALSE(Open()->Marks()->pass);
}

TEST_P(RegistrationTest, EightAtOnceAndNoMore) {
  for (int i = 0; i < 24; ++i) Keep(i, 100);
  std::barrier eight(8);  // is passed only when eight are in it
  std::atomic<int> inside = 0, most = 0;
  examiner_.on_examine = [&](auto&, auto&) -> RegistryStatus {
    const int now_inside = ++inside;
    for (int seen = most; seen < now_inside && !most.compare_exchange_weak(seen, now_inside);) {
    }
    eight.arrive_and_wait();
    --inside;
    return std::monostate();
  };
  StartupOptions options = Options();
  options.parallel = 100;
  Pass(options);
  EXPECT_EQ(loaded_, 24u);
  EXPECT_EQ(most, 8);
}

TEST_P(RegistrationTest, AStopLeavesRecordsAsTheyAreAndForcesTheRest) {
  for (int i = 0; i < 3; ++i) Keep(i, kNow - 100);
  std::stop_source stop;
  StartupOptions options = Options();
  options.parallel = 1;
  options.force = true;
  options.stop = stop.get_token();
  examiner_.on_examine = [&](const ModuleIdentity& identity, const std::stop_token& token) -> RegistryStatus {
    if (identity.plugin_name != "plugin-1") return std::monostate();
    stop.request_stop();
    EXPECT_TRUE(token.stop_requested());
    return Refusal("interrupted");
  };
  EXPECT_EQ(Pass(options), "plugin-0:rehandshaken! plugin-1:stopped! plugin-2:stopped!");
  EXPECT_FALSE(complete_);
  EXPECT_EQ(Open()->Marks()->shutdown, kNow);
  EXPECT_EQ((**Open()->Find(RecordOf(1).sha256)).status, PluginStatus::kActive);

  examiner_.on_examine = nullptr;
  now_ += 10;
  EXPECT_EQ(Pass(Options()), "plugin-0:fresh plugin-1:rehandshaken! plugin-2:rehandshaken!");
  EXPECT_FALSE(Open()->Marks()->shutdown);
  EXPECT_EQ(Pass(Options()), "plugin-0:fresh plugin-1:fresh plugin-2:fresh");
}

TEST_P(RegistrationTest, APassThatWasKilledForcesTheRest) {
  for (int i = 0; i < 3; ++i) Keep(i, kNow - 100);
  {
    testing::ChildProcess child([&](int fd) {
      examiner_.on_examine = [&](const ModuleIdentity& identity, auto&) -> RegistryStatus {
        if (identity.plugin_name == "plugin-0") return std::monostate();
        if (write(fd, "+", 1) != 1) _exit(1);
        for (;;) pause();
      };
      StartupOptions options = Options();
      options.parallel = 1;
      options.force = true;
      Pass(options);
      return 0;
    });
    char byte;
    ASSERT_EQ(read(child.fd(), &byte, 1), 1);
    child.Kill();
  }
  EXPECT_EQ(Open()->Marks()->pass, kNow);
  now_ += 10;
  examiner_.at = kNow + 10;
  EXPECT_EQ(Pass(Options()), "plugin-0:fresh plugin-1:rehandshaken! plugin-2:rehandshaken!");
  EXPECT_FALSE(Open()->Marks()->pass);
}

TEST_P(RegistrationTest, AFaultOfTheRegistryDisablesNothing) {
  Keep(1, 100);
  examiner_.on_examine = [](auto&, auto&) -> RegistryStatus { return RegistryFault{RegistryErrorName::kIo, "disk"}; };
  EXPECT_EQ(Pass(Options()), "Io");
  EXPECT_EQ((**Open()->Find(RecordOf(1).sha256)).status, PluginStatus::kActive);
  EXPECT_TRUE(Open()->Marks()->pass.has_value());
}

TEST_P(RegistrationTest, ARecordRemovedMeanwhileIsNoFault) {
  Keep(1, 100);
  examiner_.on_examine = [&](auto&, auto&) -> RegistryStatus {
    EXPECT_GOOD(Open()->Remove(RecordOf(1).sha256));
    return std::monostate();
  };
  EXPECT_EQ(Pass(Options()), "plugin-1:disabled");
  EXPECT_EQ(*Open()->Count(), 0u);
}

}  // namespace
}  // namespace weir::cclb
