#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine_test_util.h"

namespace weir::engine {
namespace {

using namespace std::literals;
using Kind = ExternInfo::Kind;

std::string CompileError(std::string_view bytes) {
  auto module = NewEngine()->Compile(bytes, "p.wasm");
  if (module) return "compiled";
  EXPECT_EQ(module.error().code, ErrorCode::kInvalidModule);
  return module.error().message;
}

TEST(Compile, SaysWhatTheFileIs) {
  const std::string good = Wasm("(module (memory 1))");
  EXPECT_EQ(CompileError(good), "compiled");
  struct {
    std::string_view bytes, says;
  } const kCases[] = {
      {"", "is empty"},
      {"(module)", "is WebAssembly text"},
      {"\0asm"sv, "is cut off after 4 bytes"},
      {"\0asm\x0d\0\1\0"sv, "is a WebAssembly component"},
      {"\0asm\2\0\0\0"sv, "is WebAssembly of version 2"},
      {"hello", "is not WebAssembly"},
      {"\x1f\x8b\x08"sv, "gzip"},
  };
  for (const auto& row : kCases) {
    const std::string message = CompileError(row.bytes);
    EXPECT_TRUE(message.starts_with("p.wasm: ")) << message;
    EXPECT_NE(message.find(row.says), message.npos) << message;
  }
}

TEST(Compile, TruncatedAtEveryByte) {
  const std::string good = Wasm("(module (memory 1) (func (export \"f\") (result i32) (i32.const 1)))");
  for (size_t size = 1; size < good.size(); ++size) {
    const std::string message = CompileError(std::string_view(good).substr(0, size));
    // A module may end after any section: then it is only smaller, or its code section is missing.
    if (message == "compiled") continue;
    const bool named = message.find("is truncated") != message.npos || message.find("is cut off") != message.npos || message.find("does not compile") != message.npos;
    EXPECT_TRUE(named) << size << ": " << message;
    if (size < 8) {
      EXPECT_NE(message.find("is cut off after " + std::to_string(size)), message.npos) << message;
    }
  }
  EXPECT_EQ(CompileError(std::string_view(good).substr(0, good.size() - 1)).substr(0, 40), "p.wasm: is truncated: its section at byt");
}

TEST(Compile, GivesTheCompilersReason) {
  std::string bad = Wasm("(module (func (result i32) (i32.const 1)))");
  bad[bad.rfind('\x41')] = '\x01';  // i32.const becomes nop: nothing on the stack
  const std::string message = CompileError(bad);
  EXPECT_EQ(message.substr(0, 25), "p.wasm: does not compile:") << message;
  EXPECT_EQ(message.find('\n'), message.npos);
}

TEST(Compile, RefusesWhatPluginsDoNotNeed) {
  EXPECT_NE(CompileError(Wasm("(module (memory 1) (memory 1))")), "compiled");
  EXPECT_NE(CompileError(Wasm("(module (memory i64 1))")), "compiled");
  EXPECT_NE(CompileError(Wasm("(module (memory 1 2 shared))")), "compiled");
  EXPECT_EQ(CompileError(Wasm("(module (func (param v128) (result v128) (local.get 0)))")), "compiled");
}

TEST(Module, ListsImportsAndExportsInOrder) {
  auto engine = NewEngine();
  auto module = engine->Compile(Wasm(R"((module
      (import "env" "log" (func (param i32 i64 f32 f64)))
      (import "wasi" "now" (func (result i64)))
      (memory (export "memory") 1) (table (export "t") 1 funcref) (global (export "g") i32 (i32.const 1))
      (func (export "pair") (param i32) (result i32 i32) (local.get 0) (local.get 0))
      (func (export "ref") (param externref) (result v128) (v128.const i64x2 0 0))))"),
                                "m.wasm");
  ASSERT_TRUE(module) << module.error().message;
  const auto imports = (*module)->imports();
  ASSERT_EQ(imports.size(), 2u);
  EXPECT_EQ(imports[0].module + "." + imports[0].name + imports[0].signature, "env.log(i32, i64, f32, f64) -> ()");
  EXPECT_EQ(imports[1].signature, "() -> i64");
  const auto exports = (*module)->exports();
  ASSERT_EQ(exports.size(), 5u);
  EXPECT_EQ(exports[0].kind, Kind::kMemory);
  EXPECT_EQ(exports[1].kind, Kind::kTable);
  EXPECT_EQ(exports[2].kind, Kind::kGlobal);
  EXPECT_EQ(exports[3].signature, "(i32) -> (i32, i32)");
  EXPECT_EQ(exports[4].signature, "(externref) -> v128");
  auto linked_to_nothing = Linked::Create(*engine, *module, {});
  EXPECT_FALSE(linked_to_nothing);
  EXPECT_TRUE((*module)->exports_function("pair"));
  EXPECT_FALSE((*module)->exports_function("memory"));
  EXPECT_EQ((*module)->name(), "m.wasm");
  EXPECT_GT((*module)->code_bytes(), 0u);
}

TEST(Module, VectorsAtItsBorderAreNoHarm) {
  Guest guest(R"((module (func (export "vector") (param v128) (result v128) (local.get 0)) (func (export "ref") (param funcref))
      (global (export "g") v128 (v128.const i64x2 0 0))))");
  auto vector = guest->Find("vector", I32s(1), {});
  ASSERT_FALSE(vector);
  EXPECT_EQ(vector.error().message, "guest.wasm: export vector: is (v128) -> v128, must be (i32) -> ()");
  EXPECT_EQ(guest->Find("ref", I32s(1), {}).error().message, "guest.wasm: export ref: is (funcref) -> (), must be (i32) -> ()");
}

TEST(Engine, MapsItsOwnCodeFromAMemfd) {
  auto engine = NewEngine();
  auto module = engine->Compile(Wasm("(module (func (export \"f\") (result i32) (i32.const 5)))"), "m.wasm");
  ASSERT_TRUE(module);
  auto code = engine->Serialize(**module);
  ASSERT_TRUE(code);
  const int fd = memfd_create("code", MFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, code->data(), code->size()), static_cast<ssize_t>(code->size()));
  auto other = NewEngine();
  auto mapped = other->Map("/proc/self/fd/" + std::to_string(fd), "m.wasm", (*module)->code_id());
  close(fd);
  ASSERT_TRUE(mapped) << mapped.error().message;
  EXPECT_EQ((*module)->code_id().size(), 64u);
  EXPECT_EQ((*mapped)->code_id(), (*module)->code_id());
  auto linked = Linked::Create(*other, *mapped, {});
  ASSERT_TRUE(linked);
  auto instance = Instance::Create(**linked, nullptr, {}, 100);
  ASSERT_TRUE(instance);
  auto f = (*instance)->Find("f", {}, I32s(1));
  RawValue slots[1];
  ASSERT_TRUE((*instance)->Call(*f, slots, 1, 10));
  EXPECT_EQ(slots[0].i32, 5u);
}

TEST(Engine, RefusesToMapWhatIsNoCodeOfIts) {
  auto plain = NewEngine();
  auto module = plain->Compile(Wasm("(module (func (export \"f\") (loop $l (br $l))))"), "m.wasm");
  auto code = plain->Serialize(**module);
  char path[] = "/tmp/weir_engine_test_XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, code->data(), code->size()), static_cast<ssize_t>(code->size()));
  close(fd);
  EXPECT_TRUE(plain->Map(path, "m.wasm"));
  auto fuelled = NewEngine({.fuel = true});
  auto mapped = fuelled->Map(path, "m.wasm");
  EXPECT_FALSE(mapped);
  EXPECT_FALSE(plain->Map("/nowhere/at/all", "m.wasm"));
  ASSERT_EQ(truncate(path, 100), 0);
  EXPECT_FALSE(plain->Map(path, "m.wasm"));
  unlink(path);
}

TEST(Engine, RefusesOptionsOutOfRange) {
  EXPECT_FALSE(Engine::Create({.instances_max = 0}));
  EXPECT_FALSE(Engine::Create({.memory_bytes_max = (4ull << 30) + 1}));
  EXPECT_TRUE(Engine::Create({.memory_bytes_max = 4ull << 30}));
}

TEST(ReadFile, ReadsOrNamesTheFile) {
  auto self = ReadFile("/proc/self/cmdline");
  ASSERT_TRUE(self);
  EXPECT_FALSE(self->empty());
  auto missing = ReadFile("/nowhere/plugin.wasm");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message, "/nowhere/plugin.wasm: No such file or directory");
  auto directory = ReadFile("/tmp");
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, ErrorCode::kIo);
  auto endless = ReadFile("/dev/zero");
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().message, "/dev/zero: is larger than 64 MiB");
  EXPECT_EQ(*ReadFile("/dev/null"), "");
  char path[] = "/tmp/weir_engine_test_XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_EQ(ftruncate(fd, (1ll << 30) + 1), 0);  // sparse
  close(fd);
  auto large = ReadFile(path);
  unlink(path);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().message, std::string(path) + ": is larger than 1024 MiB");
}

}  // namespace
}  // namespace weir::engine
