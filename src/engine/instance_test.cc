#include "engine/instance.h"

#include <gtest/gtest.h>

namespace weir::engine {
namespace {

TEST(Instance, CallsAGuestFunction) {
  auto engine = Engine::Create();
  ASSERT_TRUE(engine);
  auto wasm = WatToWasm("(module (memory (export \"memory\") 1) (func (export \"add\") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))");
  ASSERT_TRUE(wasm);
  auto module = (*engine)->Compile(*wasm, "add.wasm");
  ASSERT_TRUE(module) << module.error().message;
  auto linked = Linked::Create(**engine, *module, {});
  ASSERT_TRUE(linked) << linked.error().message;
  auto instance = Instance::Create(**linked, nullptr, {}, 1000);
  ASSERT_TRUE(instance) << instance.error().message;
  constexpr ValType kI32[] = {ValType::kI32, ValType::kI32};
  auto add = (*instance)->Find("add", kI32, std::span(kI32, 1));
  ASSERT_TRUE(add) << add.error().message;
  RawValue slots[2] = {{.i32 = 2}, {.i32 = 3}};
  ASSERT_TRUE((*instance)->Call(*add, slots, 2, 50));
  EXPECT_EQ(slots[0].i32, 5u);
}

}  // namespace
}  // namespace weir::engine
