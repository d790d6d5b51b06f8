// Every host function × every pointer argument × {0, the last address that fits, one further, end, end + 1, wrapping}, read off the
// table: a range that is not all inside answers INVALID_MEMORY_ACCESS in both modes, any other one does not, nothing crashes.
#include <gtest/gtest.h>

#include <cinttypes>

#include "proxy_wasm/testing/guest.h"

namespace weir::proxy_wasm {
namespace {

using namespace testing;
using abi::HostFunction;
using abi::Param;
using abi::Role;

struct Case {
  std::string what;
  std::vector<uint64_t> args;
  bool inside;
};

/// Good arguments: pointers to distinct places, sizes of 1, other numbers 0.
std::vector<uint64_t> GoodArgs(const HostFunction& row) {
  std::vector<uint64_t> args(row.params.size(), 0);
  for (size_t i = 0; i < args.size(); ++i) {
    if (row.params[i].role == Role::kSize) {
      args[i] = 1;
    } else if (row.params[i].role != Role::kValue) {
      args[i] = 4096 + 64 * i;
    }
  }
  return args;
}

std::vector<Case> CasesOf(const HostFunction& row) {
  std::vector<Case> cases;
  for (size_t i = 0; i < row.params.size(); ++i) {
    const Param& param = row.params[i];
    if (param.role == Role::kValue || param.role == Role::kSize) continue;
    const std::string name(row.args[i]);
    auto add = [&](const std::string& what, uint64_t at, uint64_t size, bool inside) {
      std::vector<uint64_t> args = GoodArgs(row);
      args[i] = at;
      if (param.role != Role::kReturn) args[i + 1] = size;
      cases.push_back({name + " " + what, args, inside});
    };
    const uint64_t width = param.bytes, end = kMemoryBytes;
    EXPECT_GT(width, 0u) << row.name;
    add("0", 0, 1, true);
    add("last that fits", end - width, 1, true);
    add("one further", end - width + 1, 1, false);
    add("end", end, 1, false);
    add("end + 1", end + 1, 1, false);
    add("highest address", 0xffffffff, 1, false);
    if (param.role == Role::kReturn) continue;
    EXPECT_EQ(row.params[i + 1].role, Role::kSize) << row.name;
    add("nothing at the end", end, 0, true);
    add("nothing after the end", end + 1, 0, false);
    add("all of the memory and 1", 0, end / width + 1, false);
    add("wrapping", 16, 0xfffffff8, false);
    add("wrapping to 0", 0xfffffff0, 0x10, false);
  }
  return cases;
}

class PointerMatrix : public ::testing::TestWithParam<std::tuple<size_t, Statuses>> {};

TEST_P(PointerMatrix, BadRangesAreInvalidMemoryAccess) {
  const HostFunction& row = HostFunctions()[std::get<0>(GetParam())];
  const std::vector<Case> cases = CasesOf(row);
  Guest guest;
  guest.version = (row.versions & uint8_t(Version::k0_2_1)) != 0 ? Version::k0_2_1 : Version::k0_1_0;
  std::string code;
  for (const Case& c : cases) {
    std::string call = "(call $" + std::string(row.name) + " ";
    for (size_t i = 0; i < c.args.size(); ++i)
      call += (row.types[i] == engine::ValType::kI64 ? "(i64.const " : "(i32.const ") + std::to_string(c.args[i]) + ") ";
    code += row.results.empty() ? call + ")" : "(call $report " + call + "))";
  }
  // 1000 + status, so that a tick period set by the row itself is none of them
  guest.more = "(func $report (param i32) (drop (call $proxy_set_tick_period_milliseconds (i32.add (local.get 0) (i32.const 1000)))))";
  guest.On(Callback::kOnRequestHeaders, code);
  FakeWorld world;
  PluginSpec spec = SpecNamed("t");
  spec.statuses = std::get<1>(GetParam());
  auto plugin = Load(guest, world, spec);
  ASSERT_TRUE(plugin) << plugin.error().message << guest.Wat();
  FakeStream stream;
  stream.bodies[0] = "request body";
  stream.bodies[1] = "response body";
  auto filter = (*plugin)->NewHttpFilter(stream);
  ASSERT_TRUE(filter);
  EXPECT_NE(filter->OnRequestHeaders(5, EndOfStream::kYes), FilterStatus::kFailed) << (*plugin)->stats().last_error;
  filter->OnFinish();
  ASSERT_EQ(world.timers.periods.size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_EQ(world.timers.periods[i] != 1006, cases[i].inside) << row.name << ": " << cases[i].what << ": " << world.timers.periods[i];
}

/// Rows with a pointer; the others have no case to run.
std::vector<size_t> RowsWithPointers() {
  std::vector<size_t> rows;
  for (size_t i = 0; i < HostFunctions().size(); ++i)
    for (const Param& p : HostFunctions()[i].params)
      if (p.role != Role::kValue) {
        rows.push_back(i);
        break;
      }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(All, PointerMatrix,
                         ::testing::Combine(::testing::ValuesIn(RowsWithPointers()),
                                            ::testing::Values(Statuses::kLenient, Statuses::kStrict)),
                         [](const auto& info) {
                           return std::string(HostFunctions()[std::get<0>(info.param)].name) +
                                  (std::get<1>(info.param) == Statuses::kStrict ? "_strict" : "_lenient");
                         });

/// The specification's names say which arguments are pointers: none of them has been bound as a number.
TEST(PointerMatrixCases, CoverEveryPointerOfTheTable) {
  for (const HostFunction& row : HostFunctions()) {
    for (size_t i = 0; i < row.params.size(); ++i) {
      const std::string_view name = row.args[i];
      const bool pointer = row.params[i].role == Role::kReturn || row.params[i].role == Role::kData;
      EXPECT_EQ(pointer, name.starts_with("return_") || name.ends_with("_data")) << row.name << " " << name;
      EXPECT_EQ(row.params[i].role == Role::kSize, name.ends_with("_size") && name != "max_size" && !name.starts_with("return_"))
          << row.name << " " << name;
    }
  }
  EXPECT_EQ(RowsWithPointers().size(), 32u);
}

}  // namespace
}  // namespace weir::proxy_wasm
