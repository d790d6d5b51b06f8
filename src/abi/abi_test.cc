// A small family of two functions: types off the method, faults, nothing happens when the answer cannot be written.
#include <gtest/gtest.h>

#include <bit>

#include "abi/status_abi.h"

namespace weir::abi {
namespace {

static_assert(std::endian::native == std::endian::little, "guest memory is little-endian, and stores are memcpy");

enum class Status : uint32_t { kOk = 0, kNo = 3, kFault = 9 };

struct Calls;
struct TestAbi {
  static constexpr bool kPointers32 = true;
  static Calls& Self(void* self) { return *static_cast<Calls*>(static_cast<Selves*>(self)->family); }
  template <class Row>
  static bool Enter(Calls&, RawValue*) {
    return true;
  }
  static HostOutcome Fault(Calls&, RawValue* slots) {
    slots[0].i32 = uint32_t(Status::kFault);
    return HostOutcome::kReturn;
  }
  template <class Ret>
  using Returns = StatusReturns<Ret>;
  template <class Row, class T>
  static HostOutcome Finish(Calls& calls, Frame& frame, const RawValue* next, RawValue* slots, Answer<Status, T> answer) {
    Status status = answer.status;
    if (status == Status::kOk && !StoreValues<TestAbi>(calls, frame, next, answer.value)) status = Status::kFault;
    slots[0].i32 = uint32_t(status);
    return HostOutcome::kReturn;
  }
};

struct Calls {
  using Abi = TestAbi;
  int called = 0;
  Answer<Status, std::tuple<uint32_t, uint64_t>> Sum(std::string_view bytes, int64_t add) {
    ++called;
    if (bytes.empty()) return Status::kNo;
    uint64_t sum = uint64_t(add);
    for (unsigned char c : bytes) sum += c;
    return std::tuple{uint32_t(bytes.size()), sum};
  }
};

constexpr HostFunction kRows[] = {
    Fn<&Calls::Sum, 5u>("sum", "Sums", 0b11, {"data", "size", "add", "return_size", "return_sum"})};

class FakeInstance : public engine::Instance {
 public:
  explicit FakeInstance(void* self) {
    self_ = self;
    memory_ = GuestMemory(bytes, sizeof bytes);
  }
  uint64_t MemoryBytes() override { return sizeof bytes; }
  Result<engine::Function> Find(std::string_view, std::span<const ValType>, std::span<const ValType>) override {
    return engine::Function{};
  }
  bool Exports(std::string_view) const override { return false; }
  bool Call(const engine::Function&, RawValue*, size_t, uint32_t) override { return false; }
  bool CallNested(const engine::Function&, RawValue*, size_t) override { return false; }
  uint32_t depth() const override { return 1; }
  uint8_t bytes[64] = {1, 2, 3};
};

uint32_t CallSum(Calls& calls, FakeInstance& instance, uint32_t at, uint32_t size, uint32_t to_size, uint32_t to_sum) {
  RawValue slots[kArgsMax] = {};
  slots[0].i32 = at, slots[1].i32 = size, slots[2].i64 = 10, slots[3].i32 = to_size, slots[4].i32 = to_sum;
  Selves selves{&calls};
  EXPECT_EQ(kRows[0].thunk(instance, &selves, slots), HostOutcome::kReturn);
  return slots[0].i32;
}

TEST(Abi, TypesAndRolesComeFromTheMethod) {
  EXPECT_EQ(Signature(kRows[0]), "(i32, i32, i64, i32, i32) -> i32");
  EXPECT_EQ(Declaration(kRows[0]), "sum(i32 data, i32 size, i64 add, i32 return_size, i32 return_sum) -> i32");
  const Role roles[] = {Role::kData, Role::kSize, Role::kValue, Role::kReturn, Role::kReturn};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(kRows[0].params[i].role, roles[i]) << i;
  EXPECT_EQ(kRows[0].params[4].bytes, 8);
  EXPECT_EQ(kRows[0].extra, 5u);
}

TEST(Abi, StoresTheAnswer) {
  Calls calls;
  FakeInstance instance(nullptr);
  EXPECT_EQ(CallSum(calls, instance, 0, 3, 32, 33), 0u);  // overlapping and unaligned on purpose: written in order
  uint64_t sum = 0;
  std::memcpy(&sum, instance.bytes + 33, 8);
  EXPECT_EQ(sum, 16u);
  EXPECT_EQ(CallSum(calls, instance, 64, 0, 32, 40), 3u);  // size 0 at the very end is a good range
}

TEST(Abi, ABadPointerIsAFaultAndTheMethodDoesNotRun) {
  Calls calls;
  FakeInstance instance(nullptr);
  EXPECT_EQ(CallSum(calls, instance, 62, 3, 32, 40), 9u);
  EXPECT_EQ(CallSum(calls, instance, 0xfffffff0u, 0x20, 32, 40), 9u);  // wraps in 32 bits
  EXPECT_EQ(CallSum(calls, instance, 0, 3, 61, 40), 9u);
  EXPECT_EQ(CallSum(calls, instance, 0, 3, 32, 57), 9u);
  EXPECT_EQ(calls.called, 0);
  EXPECT_EQ(CallSum(calls, instance, 61, 3, 60, 56), 0u);  // each the last that fits
}

TEST(Abi, PrintsATable) {
  const std::string_view versions[] = {"1", "2"};
  EXPECT_EQ(PrintTable(kRows, versions, "note", [](const HostFunction&) { return std::string("n"); }),
            "| function | versions | section | note |\n|---|---|---|---|\n"
            "| `sum(i32 data, i32 size, i64 add, i32 return_size, i32 return_sum) -> i32` | 1, 2 | Sums | n |\n");
}

}  // namespace
}  // namespace weir::abi
