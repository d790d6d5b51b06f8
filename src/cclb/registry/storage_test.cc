// What plugins store: quotas, several processes, processes that are killed.
#include "weir/cclb/storage.h"

#include <unistd.h>

#include "cclb/registry/testing/registry_fixture.h"

namespace weir::cclb {
namespace {

using testing::ChildProcess;
using testing::RegistryTest;

constexpr uint64_t kPlenty = 1 << 20;

class StorageKept : public RegistryTest {
 protected:
  std::unique_ptr<Storage> OpenKept(const StorageOptions& options = {}) {
    auto storage = OpenStorage(source_, options);
    EXPECT_TRUE(storage.has_value()) << storage.error().message;
    return storage ? *std::move(storage) : nullptr;
  }
};
WEIR_REGISTRY_KINDS(StorageKept);

std::string Number(Storage& storage, std::string_view plugin, std::string_view key) {
  const auto value = storage.Get(plugin, key);
  EXPECT_TRUE(value) << value.error().message;
  return !value ? "?" : value->value_or("none");
}

TEST_P(StorageKept, ValuesOutliveTheProgramAndBelongToOnePlugin) {
  const std::string key("k\0\xff", 3), value("v\0", 2);
  {
    const auto storage = OpenKept();
    EXPECT_EQ(Number(*storage, "p", key), "none");
    EXPECT_TRUE(storage->Put("p", key, "old", kPlenty));
    EXPECT_TRUE(storage->Put("p", key, value, kPlenty));
    EXPECT_TRUE(storage->Put("p", "", "", kPlenty));
  }
  const auto storage = OpenKept({.durability = Durability::kPower});
  EXPECT_EQ(Number(*storage, "p", key), value);
  EXPECT_EQ(Number(*storage, "p", ""), "");
  EXPECT_EQ(Number(*storage, "q", key), "none");
  EXPECT_EQ(*Open()->Check(), std::vector<std::string>());  // the registry may be in the same database
}

TEST_P(StorageKept, TheQuotaIsMetExactly) {
  const auto storage = OpenKept();
  EXPECT_TRUE(storage->Put("p", "k", "value", 8));  // "p:k" and "value"
  const auto refused = storage->Put("p", "k", "values", 8);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_EQ(refused.error().message, Storage::kQuotaExceeded);
  EXPECT_EQ(Number(*storage, "p", "k"), "value");
  EXPECT_FALSE(storage->Put("p", "", "", 9));
  EXPECT_TRUE(storage->Put("p", "", "", 10));
  EXPECT_TRUE(storage->Put("p", "k", "", 8));
  EXPECT_TRUE(storage->Put("q", "k", "value", 8));  // another plugin's
  EXPECT_FALSE(storage->Put("p", "k", "", 4));      // the quota was lowered
  EXPECT_EQ(*Open()->Check(), std::vector<std::string>());
}

TEST_P(StorageKept, TheQuotaIsExactOverProcesses) {
  // 40 entries of 10 bytes ("p:" 3 digits, 5 of value) fit; four processes try 30 each.
  constexpr uint64_t kQuota = 409;
  constexpr int kWriters = 4, kEach = 30;
  {
    std::vector<std::unique_ptr<ChildProcess>> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.push_back(std::make_unique<ChildProcess>([&, w](int fd) {
        const auto storage = OpenStorage(source_, {.busy_ms = 120000});
        if (!storage) return 2;
        for (int i = 0; i < kEach; ++i) {
          const auto put = (*storage)->Put("p", std::to_string(100 + w * kEach + i), "value", kQuota);
          if (!put && put.error().code != ErrorCode::kLimit) return 3;
          if (write(fd, put ? "+" : "-", 1) != 1) return 4;
        }
        return 0;
      }));
    }
    int fitted = 0;
    for (const auto& writer : writers) {
      char byte;
      while (read(writer->fd(), &byte, 1) == 1) fitted += byte == '+';
      EXPECT_EQ(writer->Wait(), 0);
    }
    EXPECT_EQ(fitted, 40);
  }
  const auto storage = OpenKept();
  int found = 0;
  for (int i = 0; i < kWriters * kEach; ++i) found += Number(*storage, "p", std::to_string(100 + i)) == "value";
  EXPECT_EQ(found, 40);
  EXPECT_EQ(*Open()->Check(), std::vector<std::string>());
}

TEST_P(StorageKept, KilledAnywhereLosesNothingAcknowledged) {
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    int acknowledged = 0;
    {
      ChildProcess child([&](int fd) {
        const auto storage = OpenStorage(source_);
        if (!storage) return 2;
        for (int n = 1;; ++n) {
          // Longer each time, so that half a Put would show in what is used.
          if (!(*storage)->Put("p" + std::to_string(round), "count", std::string(static_cast<size_t>(n), 'x'), kPlenty)) return 3;
          if (write(fd, "+", 1) != 1) return 4;
        }
      });
      char byte;
      const auto next = [&] { return read(child.fd(), &byte, 1) == 1; };
      while (acknowledged < 9 * round + 1 && next()) ++acknowledged;
      ASSERT_EQ(acknowledged, 9 * round + 1) << "the child ended by itself";
      usleep(static_cast<useconds_t>(round * 53));  // some moment of the next ones
      child.Kill();
      while (next()) ++acknowledged;
    }
    const auto registry = Open();
    EXPECT_GOOD(registry->ClearMarks(0));  // a write: waits for a commit that the server still has from the killed one
    const auto storage = OpenKept();
    const auto kept = static_cast<int>(Number(*storage, "p" + std::to_string(round), "count").size());
    // The one in flight may have been done, its acknowledgement not written.
    EXPECT_TRUE(kept == acknowledged || kept == acknowledged + 1) << kept << " of " << acknowledged;
    EXPECT_TRUE(storage->Put("p" + std::to_string(round), "count", "", kPlenty));  // no lock is left behind
    EXPECT_EQ(*registry->Check(), std::vector<std::string>());
  }
}

TEST_P(StorageKept, WhoWaitsInVainIsToldAndReadersDoNotWait) {
  const auto storage = OpenKept({.busy_ms = 50});
  EXPECT_TRUE(storage->Put("p", "k", "value", kPlenty));
  const auto holder = testing::OpenSql(source_);
  EXPECT_GOOD(holder->Begin(Access::kWrite));
  const auto refused = storage->Put("p", "k", "other", kPlenty);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_EQ(Number(*storage, "p", "k"), "value");
  holder->Rollback();
  EXPECT_TRUE(storage->Put("p", "k", "other", kPlenty));
}

TEST_P(StorageKept, WhatCannotBeReadIsNoAbsentValue) {
  const auto storage = OpenKept();
  EXPECT_TRUE(storage->Put("p", "k", "value", kPlenty));
  EXPECT_GOOD(testing::OpenSql(source_)->Define("DROP TABLE cc_lb_storage"));
  EXPECT_FALSE(storage->Get("p", "k"));
  EXPECT_FALSE(storage->Put("p", "k", "value", kPlenty));
}

TEST_P(StorageKept, ACheckFindsSumsThatAreWrong) {
  EXPECT_TRUE(OpenKept()->Put("p", "k", "value", kPlenty));
  EXPECT_GOOD(testing::OpenSql(source_)->Define("UPDATE cc_lb_storage_used SET bytes = 3"));
  EXPECT_EQ(*Open()->Check(), std::vector<std::string>{"plugin \"p\" is said to store 3 bytes, it stores 8"});
  EXPECT_FALSE(OpenKept()->Put("p", "k", "value", kPlenty));
}

}  // namespace
}  // namespace weir::cclb
