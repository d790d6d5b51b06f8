#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/check.h"
#include "engine/instance.h"
#include "wasi/host_functions.h"
#include "wasi/preview1.h"

namespace weir::wasi {
namespace {

using abi::HostFunction;
using abi::Role;
using engine::HostOutcome;
using engine::RawValue;

constexpr uint32_t kMemoryBytes = 64 << 10;
constexpr uint32_t kFault = 21, kBadf = 8;

struct FakeLog final : Log {
  void Write(LogLevel level, std::string_view plugin, std::string_view line) override {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(plugin) + ": " + std::string(line));
  }
  LogLevel level() const override { return least; }
  std::vector<std::string> lines;
  LogLevel least = LogLevel::kTrace;
};
struct FakeClock final : Clock {
  uint64_t RealtimeNs() override { return 1'700'000'000'000'000'001; }
  uint64_t MonotonicNs() override { return 42; }
};

class FakeInstance final : public engine::Instance {
 public:
  explicit FakeInstance(void* self) : bytes(kMemoryBytes) {
    self_ = self;
    memory_ = {bytes.data(), bytes.size()};
  }
  uint64_t MemoryBytes() override { return bytes.size(); }
  Result<engine::Function> Find(std::string_view, std::span<const engine::ValType>, std::span<const engine::ValType>) override {
    return engine::Function{};
  }
  bool Exports(std::string_view) const override { return false; }
  bool Call(const engine::Function&, RawValue*, size_t, uint32_t) override { return false; }
  bool CallNested(const engine::Function&, RawValue*, size_t) override { return false; }
  uint32_t depth() const override { return 1; }
  std::vector<uint8_t> bytes;
};

class Wasi : public testing::Test {
 protected:
  using Argument = uint64_t;

  const HostFunction& Row(std::string_view name, std::string_view module = kModule) {
    const auto rows = HostFunctions(module);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const HostFunction& r) { return r.name == name; });
    WEIR_CHECK(row != rows.end());
    return *row;
  }
  /// The errno, or for proc_exit the outcome.
  uint32_t Call(const HostFunction& row, const std::vector<Argument>& arguments) {
    WEIR_CHECK(arguments.size() == row.types.size());
    RawValue slots[abi::kArgsMax] = {};
    for (size_t i = 0; i < arguments.size(); ++i) slots[i].i64 = arguments[i];
    outcome = row.thunk(instance, &selves, slots);
    return slots[0].i32;
  }
  uint32_t Call(std::string_view name, const std::vector<Argument>& arguments) { return Call(Row(name), arguments); }
  template <class T>
  T Read(uint32_t at) {
    T value;
    WEIR_CHECK(instance.memory().Load(at, &value));
    return value;
  }
  void Put(uint32_t at, std::string_view text) { std::copy(text.begin(), text.end(), instance.bytes.begin() + at); }
  void PutIovec(uint32_t at, uint32_t address, uint32_t size) {
    instance.memory().Store(at, address);
    instance.memory().Store(at + 4, size);
  }
  /// fd_write of one buffer, at 1000; returns what was taken.
  uint32_t Write(uint32_t fd, std::string_view text) {
    Put(1000, text);
    PutIovec(16, 1000, static_cast<uint32_t>(text.size()));
    EXPECT_EQ(Call("fd_write", {fd, 16, 1, 32}), 0u);
    return Read<uint32_t>(32);
  }

  FakeLog log;
  FakeClock clock;
  std::vector<std::pair<std::string, std::string>> environment = {{"MODE", "fast"}, {"EMPTY", ""}};
  Preview1 calls{WasiContext{.log = log, .clock = clock, .plugin = "p", .environment = environment, .line_bytes_max = 20,
                             .random_bytes_max = 1000}};
  abi::Selves selves{.wasi = &calls};
  FakeInstance instance{&selves};
  HostOutcome outcome = HostOutcome::kReturn;
};

TEST(WasiTable, HasAllOfPreview1) {
  // wasi_snapshot_preview1.witx, parameters and results as the witx tool lowers them.
  const std::map<std::string_view, std::string_view> kWant = {
      {"args_get", "(i32, i32) -> i32"},
      {"args_sizes_get", "(i32, i32) -> i32"},
      {"clock_res_get", "(i32, i32) -> i32"},
      {"clock_time_get", "(i32, i64, i32) -> i32"},
      {"environ_get", "(i32, i32) -> i32"},
      {"environ_sizes_get", "(i32, i32) -> i32"},
      {"fd_advise", "(i32, i64, i64, i32) -> i32"},
      {"fd_allocate", "(i32, i64, i64) -> i32"},
      {"fd_close", "(i32) -> i32"},
      {"fd_datasync", "(i32) -> i32"},
      {"fd_fdstat_get", "(i32, i32) -> i32"},
      {"fd_fdstat_set_flags", "(i32, i32) -> i32"},
      {"fd_fdstat_set_rights", "(i32, i64, i64) -> i32"},
      {"fd_filestat_get", "(i32, i32) -> i32"},
      {"fd_filestat_set_size", "(i32, i64) -> i32"},
      {"fd_filestat_set_times", "(i32, i64, i64, i32) -> i32"},
      {"fd_pread", "(i32, i32, i32, i64, i32) -> i32"},
      {"fd_prestat_dir_name", "(i32, i32, i32) -> i32"},
      {"fd_prestat_get", "(i32, i32) -> i32"},
      {"fd_pwrite", "(i32, i32, i32, i64, i32) -> i32"},
      {"fd_read", "(i32, i32, i32, i32) -> i32"},
      {"fd_readdir", "(i32, i32, i32, i64, i32) -> i32"},
      {"fd_renumber", "(i32, i32) -> i32"},
      {"fd_seek", "(i32, i64, i32, i32) -> i32"},
      {"fd_sync", "(i32) -> i32"},
      {"fd_tell", "(i32, i32) -> i32"},
      {"fd_write", "(i32, i32, i32, i32) -> i32"},
      {"path_create_directory", "(i32, i32, i32) -> i32"},
      {"path_filestat_get", "(i32, i32, i32, i32, i32) -> i32"},
      {"path_filestat_set_times", "(i32, i32, i32, i32, i64, i64, i32) -> i32"},
      {"path_link", "(i32, i32, i32, i32, i32, i32, i32) -> i32"},
      {"path_open", "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32"},
      {"path_readlink", "(i32, i32, i32, i32, i32, i32) -> i32"},
      {"path_remove_directory", "(i32, i32, i32) -> i32"},
      {"path_rename", "(i32, i32, i32, i32, i32, i32) -> i32"},
      {"path_symlink", "(i32, i32, i32, i32, i32) -> i32"},
      {"path_unlink_file", "(i32, i32, i32) -> i32"},
      {"poll_oneoff", "(i32, i32, i32, i32) -> i32"},
      {"proc_exit", "(i32) -> ()"},
      {"proc_raise", "(i32) -> i32"},
      {"random_get", "(i32, i32) -> i32"},
      {"sched_yield", "() -> i32"},
      {"sock_accept", "(i32, i32, i32) -> i32"},
      {"sock_recv", "(i32, i32, i32, i32, i32, i32) -> i32"},
      {"sock_send", "(i32, i32, i32, i32, i32) -> i32"},
      {"sock_shutdown", "(i32, i32) -> i32"},
  };
  for (const std::string_view module : {kModule, kUnstableModule}) {
    std::map<std::string_view, std::string> have;
    for (const HostFunction& row : HostFunctions(module)) have[row.name] = abi::Signature(row);
    EXPECT_EQ(have.size(), kWant.size());
    for (const auto& [name, signature] : kWant) EXPECT_EQ(have[name], signature) << name;
  }
  EXPECT_TRUE(HostFunctions("wasi").empty());
}

TEST(WasiTable, IsWhatTheDocumentationSays) {
  const char* const path = "docs/wasi.md";
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) std::ofstream(path) << Documentation();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), Documentation()) << "WEIR_UPDATE_DOCS=1 build/bin/wasi_test";
}

// Every function × every pointer × {0, the last place where it fits, one further, the last byte, end, end + 1, wrapping}.
TEST_F(Wasi, PointersAtTheEdges) {
  const std::map<std::string_view, std::vector<Argument>> kValues = {
      {"fd_write", {1}}, {"fd_read", {0}}, {"fd_fdstat_get", {1}}, {"fd_filestat_get", {2}}, {"clock_time_get", {0, 0}}};
  std::set<std::string_view> seen;
  for (const HostFunction& row : HostFunctions()) {
    std::vector<Argument> good(row.types.size(), 0);
    if (const auto values = kValues.find(row.name); values != kValues.end()) {
      std::copy(values->second.begin(), values->second.end(), good.begin());
    }
    for (size_t i = 0; i < row.params.size(); ++i) {
      if (row.params[i].role == Role::kSize) good[i] = 1;
      if (row.params[i].role != Role::kValue && row.params[i].role != Role::kSize) good[i] = 128 * (i + 1);
    }
    for (size_t i = 0; i < row.params.size(); ++i) {
      uint64_t need = row.params[i].bytes;
      if (row.params[i].role == Role::kValue || row.params[i].role == Role::kSize) continue;
      if (row.name == "environ_get") need = i == 0 ? 8 : 17;  // two addresses; "MODE=fast", "EMPTY=" and their NULs
      const uint64_t end = kMemoryBytes;
      for (const uint64_t at : {uint64_t{0}, end - need, end - need + 1, end - 1, end, end + 1, uint64_t{UINT32_MAX}}) {
        std::fill(instance.bytes.begin(), instance.bytes.end(), 0);
        auto arguments = good;
        arguments[i] = at;
        const bool fits = at + need <= end;
        const uint32_t error = Call(row, arguments);
        EXPECT_EQ(error == kFault, !fits) << row.name << " " << row.args[i] << " at " << at << ": " << error;
        if (!fits) {
          EXPECT_TRUE(std::all_of(instance.bytes.begin(), instance.bytes.end(), [](uint8_t b) { return b == 0; }))
              << row.name << " wrote though " << row.args[i] << " was bad";
        }
        seen.insert(row.name);
      }
    }
  }
  EXPECT_EQ(seen.size(), 13u);
}

TEST_F(Wasi, NoBytesAreFineUpToTheEnd) {
  for (const uint64_t at : {uint64_t{0}, uint64_t{kMemoryBytes}}) {
    EXPECT_EQ(Call("random_get", {at, 0}), 0u);
    EXPECT_EQ(Call("fd_write", {1, at, 0, 32}), 0u);
    EXPECT_EQ(Read<uint32_t>(32), 0u);
  }
  EXPECT_EQ(Call("random_get", {kMemoryBytes + 1, 0}), kFault);
  EXPECT_EQ(Call("random_get", {1, UINT32_MAX}), kFault) << "its size wraps";
}

TEST_F(Wasi, BuffersInsideIovecsAreChecked) {
  PutIovec(16, 1000, 4);
  for (const auto& [at, size] : {std::pair{kMemoryBytes - 3, 4u}, {kMemoryBytes, 1u}, {UINT32_MAX, 2u}, {1u, UINT32_MAX}}) {
    PutIovec(24, at, size);
    EXPECT_EQ(Call("fd_write", {1, 16, 2, 32}), kFault) << at;
  }
  PutIovec(24, kMemoryBytes - 4, 4);
  EXPECT_EQ(Call("fd_write", {1, 16, 2, 32}), 0u);
  EXPECT_EQ(Read<uint32_t>(32), 8u);
  PutIovec(24, kMemoryBytes, 0);
  EXPECT_EQ(Call("fd_write", {1, 16, 2, 32}), 0u);
  EXPECT_EQ(Call("fd_write", {1, 16, 0x20000000, 32}), kFault) << "8 bytes times so many wrap in 32 bits";
  EXPECT_EQ(Call("fd_write", {1, 0, Preview1::kVectorsMax, kMemoryBytes - 4}), 0u);
  EXPECT_EQ(Call("fd_write", {1, 0, Preview1::kVectorsMax + 1, kMemoryBytes - 4}), 28u);
}

TEST_F(Wasi, WritesLinesAtTheStreamsLevel) {
  EXPECT_EQ(Write(1, "hello\nwor"), 9u);
  EXPECT_EQ(Write(2, "bad\r\n\n"), 6u);
  EXPECT_EQ(Write(1, "ld\n"), 3u);
  EXPECT_EQ(log.lines, (std::vector<std::string>{"2 p: hello", "4 p: bad", "2 p: world"}));
  EXPECT_EQ(Call("fd_write", {0, 16, 1, 32}), kBadf);
  EXPECT_EQ(Call("fd_write", {3, 16, 1, 32}), kBadf);
}

TEST_F(Wasi, EscapesAndCutsLines) {
  Write(1, "\x1b[2J\n");
  Write(1, "12345678901234567890\n");
  Write(1, "123456789012345678901\n");
  Write(1, "1234567890");
  Write(1, "12345678901");
  Write(1, "gone\nnext\n");
  EXPECT_EQ(log.lines, (std::vector<std::string>{"2 p: \\x1b[2J", "2 p: 12345678901234567890", "2 p: 12345678901234 [cut]",
                                                 "2 p: 12345678901234 [cut]", "2 p: next"}));
}

TEST_F(Wasi, TakesAtMostSoManyLinesAndBytesAtOnce) {
  std::string many;
  for (uint32_t i = 0; i < LineBuffer::kLinesMax + 10; ++i) many += "a\n";
  EXPECT_EQ(Write(1, many), 2 * LineBuffer::kLinesMax);
  EXPECT_EQ(log.lines.size(), size_t{LineBuffer::kLinesMax});
  PutIovec(16, 0, kMemoryBytes);
  PutIovec(24, 0, kMemoryBytes);
  std::fill(instance.bytes.begin() + 64, instance.bytes.end(), 'x');
  EXPECT_EQ(Call("fd_write", {2, 16, 2, 32}), 0u);
  EXPECT_EQ(Read<uint32_t>(32), uint32_t{Preview1::kWriteBytesMax});
}

TEST_F(Wasi, FlushGivesTheLastWords) {
  Write(2, "panic: no newline");
  EXPECT_TRUE(log.lines.empty());
  calls.Flush();
  calls.Flush();
  EXPECT_EQ(log.lines, std::vector<std::string>{"4 p: panic: no newline"});
}

TEST_F(Wasi, LevelBelowTheLogsIsNotWritten) {
  log.least = LogLevel::kWarn;
  Write(1, "quiet\n");
  Write(2, "loud\n");
  EXPECT_EQ(log.lines, std::vector<std::string>{"4 p: loud"});
}

TEST_F(Wasi, Clocks) {
  EXPECT_EQ(Call("clock_time_get", {0, 1, 64}), 0u);
  EXPECT_EQ(Read<uint64_t>(64), 1'700'000'000'000'000'001u);
  EXPECT_EQ(Call("clock_time_get", {1, 1, 64}), 0u);
  EXPECT_EQ(Read<uint64_t>(64), 42u);
  EXPECT_EQ(Call("clock_time_get", {2, 1, 64}), 58u);
  EXPECT_EQ(Call("clock_res_get", {1, 64}), 0u);
  EXPECT_EQ(Read<uint64_t>(64), 1u);
  EXPECT_EQ(Call("clock_res_get", {3, 64}), 58u);
}

TEST_F(Wasi, RandomIsRandomAndBounded) {
  EXPECT_EQ(Call("random_get", {100, 1000}), 0u);
  std::set<uint8_t> values(instance.bytes.begin() + 100, instance.bytes.begin() + 1100);
  EXPECT_GT(values.size(), 200u);
  EXPECT_EQ(instance.bytes[99] + instance.bytes[1100], 0);
  const auto first = instance.bytes;
  EXPECT_EQ(Call("random_get", {100, 1000}), 0u);
  EXPECT_NE(instance.bytes, first);
  EXPECT_EQ(Call("random_get", {100, 1001}), 28u);
}

TEST_F(Wasi, EnvironmentIsThePlugins) {
  EXPECT_EQ(Call("environ_sizes_get", {64, 68}), 0u);
  EXPECT_EQ(Read<uint32_t>(64), 2u);
  EXPECT_EQ(Read<uint32_t>(68), 17u);
  EXPECT_EQ(Call("environ_get", {64, 101}), 0u);
  EXPECT_EQ(Read<uint32_t>(64), 101u);
  EXPECT_EQ(Read<uint32_t>(68), 111u);
  EXPECT_EQ(*instance.memory().View(101, 17), std::string_view("MODE=fast\0EMPTY=\0", 17));
  EXPECT_EQ(Call("args_sizes_get", {64, 68}), 0u);
  EXPECT_EQ(Read<uint64_t>(64), 0u);
  EXPECT_EQ(Call("args_get", {64, 68}), 0u);
}

TEST_F(Wasi, StandardDescriptorsAreTerminalsWithoutSeek) {
  EXPECT_EQ(Call("fd_fdstat_get", {1, 64}), 0u);
  EXPECT_EQ(Read<Fdstat>(64).filetype, kCharacterDevice);
  EXPECT_EQ(Read<Fdstat>(64).rights_base, kRightFdWrite);
  EXPECT_EQ(Call("fd_fdstat_get", {3, 64}), kBadf);
  EXPECT_EQ(Call("fd_seek", {1, 0, 0, 64}), 70u);
  EXPECT_EQ(Call("fd_seek", {3, 0, 0, 64}), kBadf);
  EXPECT_EQ(Call("fd_read", {0, 16, 0, 64}), 0u);
  EXPECT_EQ(Read<uint32_t>(64), 0u);
  EXPECT_EQ(Call("fd_fdstat_set_flags", {2, 4}), 0u);
  EXPECT_EQ(Call("fd_fdstat_set_flags", {3, 4}), kBadf);
  EXPECT_EQ(Call("fd_prestat_get", {3, 64}), kBadf) << "this ends libc's search for directories";
  EXPECT_EQ(Call("path_open", {3, 0, 0, 0, 0, 0, 0, 0, 0}), kBadf);
  EXPECT_EQ(Call("proc_raise", {6}), 52u);
  EXPECT_EQ(Call("sched_yield", {}), 0u);
}

TEST_F(Wasi, FilesAndSocketsAreNotThere) {
  size_t refused = 0;
  for (const HostFunction& row : HostFunctions()) {
    if (row.name.starts_with("path_") || row.name.starts_with("sock_")) {
      EXPECT_EQ(Call(row, std::vector<Argument>(row.types.size(), 3)), kBadf) << row.name;
      ++refused;
    } else if (row.name.starts_with("fd_")) {
      std::vector<Argument> arguments(row.types.size(), 0);
      arguments[0] = 3;
      EXPECT_EQ(Call(row, arguments), kBadf) << row.name;
      ++refused;
    }
  }
  EXPECT_EQ(refused, 35u);
}

TEST_F(Wasi, PollAnswersAtOnce) {
  for (const auto& [module, stride] : {std::pair{kModule, 48u}, {kUnstableModule, 56u}}) {
    std::fill(instance.bytes.begin(), instance.bytes.end(), 0);
    const auto memory = instance.memory();
    memory.Store<uint64_t>(1000, 0xabcd);  // a clock
    memory.Store<uint64_t>(1000 + stride, 7);
    memory.Store<uint8_t>(1000 + stride + 8, 2);  // fd_write of 1
    memory.Store<uint32_t>(1000 + stride + 16, 1);
    memory.Store<uint64_t>(1000 + 2 * stride, 8);
    memory.Store<uint8_t>(1000 + 2 * stride + 8, 1);  // fd_read of 5
    memory.Store<uint32_t>(1000 + 2 * stride + 16, 5);
    EXPECT_EQ(Call(Row("poll_oneoff", module), {1000, 2000, 3, 64}), 0u);
    EXPECT_EQ(Read<uint32_t>(64), 3u);
    EXPECT_EQ(Read<uint64_t>(2000), 0xabcdu);
    EXPECT_EQ(Read<uint16_t>(2008), 0u);
    EXPECT_EQ(Read<uint8_t>(2010), 0u);
    EXPECT_EQ(Read<uint64_t>(2032), 7u);
    EXPECT_EQ(Read<uint8_t>(2042), 2u);
    EXPECT_EQ(Read<uint64_t>(2064), 8u);
    EXPECT_EQ(Read<uint16_t>(2072), kBadf);
  }
  EXPECT_EQ(Call("poll_oneoff", {1000, 2000, 0, 64}), 28u);
  EXPECT_EQ(Call("poll_oneoff", {0, 0, Preview1::kSubscriptionsMax, 64}), 0u);
  EXPECT_EQ(Call("poll_oneoff", {0, 0, Preview1::kSubscriptionsMax + 1, 64}), 28u);
  EXPECT_EQ(Call("poll_oneoff", {1000, 2000, 0x8000000, 64}), kFault) << "32 bytes times so many wrap in 32 bits";
}

TEST_F(Wasi, ExitIsATrapWithItsCode) {
  Write(2, "bye");
  Call("proc_exit", {7});
  EXPECT_EQ(outcome, HostOutcome::kTrap);
  EXPECT_EQ(instance.trap().kind, engine::Trap::Kind::kExit);
  EXPECT_EQ(instance.trap().message, "proc_exit(7)");
  EXPECT_EQ(instance.trap().exit_code, 7);
  EXPECT_EQ(log.lines, std::vector<std::string>{"4 p: bye"});
}

// With a real guest: what libc does at start and at its end.
TEST_F(Wasi, RunsAGuest) {
  auto engine = Engine::Create();
  ASSERT_TRUE(engine);
  auto wasm = engine::WatToWasm(R"((module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_unstable" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
      (func $start (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
        (drop (call $time (i32.const 1) (i64.const 0) (i32.const 104)))
        (call $exit (i32.wrap_i64 (i64.load (i32.const 104)))))))");
  ASSERT_TRUE(wasm) << wasm.error().message;
  auto module = (*engine)->Compile(*wasm, "guest.wasm");
  ASSERT_TRUE(module);
  auto imports = abi::Imports(kModule, HostFunctions());
  for (const auto& import : abi::Imports(kUnstableModule, HostFunctions(kUnstableModule))) imports.push_back(import);
  auto linked = engine::Linked::Create(**engine, *module, imports);
  ASSERT_TRUE(linked) << linked.error().message;
  auto guest = engine::Instance::Create(**linked, &selves, {}, 100);
  ASSERT_TRUE(guest);
  auto start = (*guest)->Find("_start", {}, {});
  ASSERT_TRUE(start);
  EXPECT_FALSE((*guest)->Call(*start, nullptr, 0, 100));
  EXPECT_EQ(log.lines, std::vector<std::string>{"2 p: hello"});
  EXPECT_EQ((*guest)->trap().message, "proc_exit(42)");
  EXPECT_EQ((*guest)->trap().backtrace, "start");
}

}  // namespace
}  // namespace weir::wasi
