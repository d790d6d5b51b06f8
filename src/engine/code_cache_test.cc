#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/engine_test_util.h"

namespace weir::engine {
namespace {

namespace fs = std::filesystem;

class CacheTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/weir_cache_test_XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
    cache_.directory = root_ + "/sub/cache";
    wasm_ = Wasm("(module (func (export \"f\") (result i32) (i32.const 5)))");
  }
  void TearDown() override { fs::remove_all(root_); }

  Engine::Loaded Load(Engine& engine) {
    auto loaded = engine.Load(wasm_, "m.wasm", cache_);
    if (!loaded) ADD_FAILURE() << loaded.error().message;
    return loaded ? *std::move(loaded) : Engine::Loaded{};
  }
  /// What the loaded module answers, which is 5 unless bad code ran.
  uint32_t Answer(const Engine::Loaded& loaded) {
    auto linked = Linked::Create(*engine_, loaded.module, {});
    auto instance = Instance::Create(**linked, nullptr, {}, 100);
    auto f = (*instance)->Find("f", {}, I32s(1));
    RawValue slots[1] = {};
    (*instance)->Call(*f, slots, 1, 100);
    return slots[0].i32;
  }
  size_t Files() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(cache_.directory)) ++count;
    return count;
  }

  std::string root_, wasm_;
  CodeCache cache_;
  std::unique_ptr<Engine> engine_ = NewEngine();
};

TEST_F(CacheTest, CompilesOnceThenMaps) {
  const auto first = Load(*engine_);
  EXPECT_FALSE(first.from_cache);
  EXPECT_EQ(first.warning, "");
  EXPECT_EQ(Answer(first), 5u);
  struct stat info;
  ASSERT_EQ(stat(cache_.directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(first.artefact.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto other = NewEngine();
  const auto second = Load(*other);
  EXPECT_TRUE(second.from_cache);
  EXPECT_EQ(first.module->code_id().size(), 64u);
  EXPECT_EQ(second.module->code_id(), first.module->code_id());
  EXPECT_EQ(second.artefact, first.artefact);
  EXPECT_EQ(Files(), 1u) << "no leftovers";
  const auto third = Load(*engine_);
  EXPECT_TRUE(third.from_cache);
  EXPECT_EQ(Answer(third), 5u);
}

TEST_F(CacheTest, OtherModuleOrEngineIsAnotherEntry) {
  Load(*engine_);
  const std::string before = std::exchange(wasm_, Wasm("(module (func (export \"f\") (result i32) (i32.const 6)))"));
  const auto other = Load(*engine_);
  EXPECT_FALSE(other.from_cache);
  EXPECT_EQ(Answer(other), 6u);
  wasm_ = before;
  auto fuelled = NewEngine({.fuel = true});
  EXPECT_FALSE(Load(*fuelled).from_cache);
  EXPECT_TRUE(Load(*fuelled).from_cache);
  auto with_lines = NewEngine({.debug_info = true});
  EXPECT_FALSE(Load(*with_lines).from_cache);
  EXPECT_TRUE(Load(*with_lines).from_cache);
  EXPECT_FALSE(Load(*NewEngine({.pooling = false})).from_cache);
  EXPECT_EQ(Files(), 5u);
}

TEST_F(CacheTest, DamageAtAnyPlaceIsRecompiled) {
  const auto first = Load(*engine_);
  const std::string good = *ReadFile(first.artefact);
  for (size_t at : {size_t{0}, good.size() / 3, good.size() / 2, good.size() - 41, good.size() - 40, good.size() - 1}) {
    std::string bad = good;
    bad[at] ^= 1;
    std::ofstream(first.artefact, std::ios::binary) << bad;
    const auto again = Load(*engine_);
    EXPECT_FALSE(again.from_cache) << at;
    EXPECT_EQ(Answer(again), 5u);
    EXPECT_TRUE(Load(*engine_).from_cache) << "put there anew";
  }
  for (size_t size : {size_t{0}, size_t{1}, size_t{40}, good.size() / 2, good.size() - 1}) {
    std::ofstream(first.artefact, std::ios::binary) << good.substr(0, size);
    EXPECT_FALSE(Load(*engine_).from_cache) << size;
    EXPECT_TRUE(Load(*engine_).from_cache);
  }
}

TEST_F(CacheTest, EntryUnderAnotherKeyIsStale) {
  const auto first = Load(*engine_);
  wasm_ = Wasm("(module (func (export \"f\") (result i32) (i32.const 6)))");
  const auto second = Load(*engine_);
  fs::copy_file(first.artefact, second.artefact, fs::copy_options::overwrite_existing);
  const auto again = Load(*engine_);
  EXPECT_FALSE(again.from_cache) << "the checksum covers the key";
  EXPECT_EQ(Answer(again), 6u);
}

TEST_F(CacheTest, WritableByOthersIsNotUsed) {
  const auto first = Load(*engine_);
  ASSERT_EQ(chmod(first.artefact.c_str(), 0622), 0);
  EXPECT_FALSE(Load(*engine_).from_cache);
  for (const mode_t mode : {0701, 0710, 0777}) {
    ASSERT_EQ(chmod(cache_.directory.c_str(), mode), 0);
    const auto loaded = Load(*engine_);
    EXPECT_FALSE(loaded.from_cache);
    EXPECT_EQ(loaded.artefact, "");
    EXPECT_NE(loaded.warning.find("compiled code is not kept: " + cache_.directory + ": others may enter it (mode 0"),
              std::string::npos) << loaded.warning;
    EXPECT_EQ(Answer(loaded), 5u);
  }
  ASSERT_EQ(chmod(cache_.directory.c_str(), 0700), 0);
  EXPECT_TRUE(Load(*engine_).from_cache);
}

TEST_F(CacheTest, OfAnotherOwnerIsNotUsed) {
  if (geteuid() != 0) {  // as an ordinary user, a directory of root's will do
    cache_.directory = "/root";
    EXPECT_FALSE(Load(*engine_).warning.empty());
    return;
  }
  const auto first = Load(*engine_);
  ASSERT_EQ(chown(first.artefact.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(Load(*engine_).from_cache) << "the file is another's";
  ASSERT_EQ(chown(cache_.directory.c_str(), 65534, 65534), 0);
  const auto loaded = Load(*engine_);
  EXPECT_FALSE(loaded.from_cache);
  EXPECT_NE(loaded.warning.find("belongs to user 65534, not to 0"), std::string::npos) << loaded.warning;
}

TEST_F(CacheTest, SymbolicLinkIsNotFollowed) {
  const auto first = Load(*engine_);
  fs::rename(first.artefact, root_ + "/elsewhere");
  fs::create_symlink(root_ + "/elsewhere", first.artefact);
  EXPECT_FALSE(Load(*engine_).from_cache);
  fs::rename(cache_.directory, root_ + "/real");
  fs::create_directory_symlink(root_ + "/real", cache_.directory);
  EXPECT_FALSE(Load(*engine_).warning.empty());
}

TEST_F(CacheTest, UnusableDirectoryOnlyWarns) {
  for (const char* directory : {"/proc/weir-cache", "/dev/null/weir"}) {  // writable by nobody, root included
    cache_.directory = directory;
    const auto loaded = Load(*engine_);
    EXPECT_FALSE(loaded.from_cache);
    EXPECT_EQ(loaded.artefact, "");
    EXPECT_NE(loaded.warning.find(std::string("compiled code is not kept: ") + directory), std::string::npos) << loaded.warning;
    EXPECT_EQ(Answer(loaded), 5u);
  }
}

TEST_F(CacheTest, NoDirectoryIsNoCache) {
  cache_.directory.clear();
  const auto loaded = Load(*engine_);
  EXPECT_EQ(loaded.warning + loaded.artefact, "");
  EXPECT_EQ(Answer(loaded), 5u);
}

TEST_F(CacheTest, TwoThreadsStoreTheSame) {
  std::vector<std::thread> threads;
  std::atomic<int> kept = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto loaded = engine_->Load(wasm_, "m.wasm", cache_);
      if (loaded && loaded->warning.empty()) ++kept;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kept, 4);
  EXPECT_EQ(Files(), 1u);
  EXPECT_TRUE(Load(*engine_).from_cache);
}

TEST_F(CacheTest, BadModuleIsAnErrorAndLeavesNothing) {
  wasm_ = "(module)";
  auto loaded = engine_->Load(wasm_, "m.wasm", cache_);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidModule);
}

TEST(CodeCacheDefault, FollowsTheEnvironment) {
  if (geteuid() == 0) {
    EXPECT_EQ(CodeCache::Default().directory, "/var/cache/weir");
    return;
  }
  setenv("XDG_CACHE_HOME", "/x/cache", 1);
  EXPECT_EQ(CodeCache::Default().directory, "/x/cache/weir");
}

}  // namespace
}  // namespace weir::engine
