// LoadPlugin and CheckPlugin: what is refused, and in which words.
#include <gtest/gtest.h>

#include "proxy_wasm/testing/guest.h"

namespace weir {
namespace {

using namespace proxy_wasm::testing;

constexpr std::string_view kMarker = "(func (export \"proxy_abi_version_0_2_1\"))", kMemory = "(memory (export \"memory\") 1)";

std::string Checked(const std::string& wat) {
  auto module = CompileWat("(module " + wat + ")");
  if (!module) return module.error().message;
  auto checked = CheckPlugin(**module, "auth");
  return checked ? "good" : checked.error().message;
}
std::string Import(std::string_view module, std::string_view name, std::string_view type) {
  return "(import \"" + std::string(module) + "\" \"" + std::string(name) + "\" " + std::string(type) + ")";
}
std::string Rest() { return std::string(kMarker) + std::string(kMemory); }

TEST(CheckPlugin, Good) {
  EXPECT_EQ(Checked(Rest()), "good");
  EXPECT_EQ(Checked(Import("env", "proxy_done", "(func (result i32))") + Rest()), "good");
}

TEST(CheckPlugin, WithoutAMarker) {
  const std::string message = Checked(std::string(kMemory));
  for (std::string_view part : {"plugin \"auth\" (test.wasm): not a Proxy-Wasm plugin", "proxy_abi_version_0_1_0",
                                "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(CheckPlugin, UnknownFunctionNamesTheNearest) {
  EXPECT_EQ(Checked(Import("env", "proxy_get_heder_map_value", "(func (param i32 i32 i32 i32 i32) (result i32))") + Rest()),
            "plugin \"auth\" (test.wasm): import env.proxy_get_heder_map_value(i32, i32, i32, i32, i32) -> i32: unknown function; "
            "did you mean proxy_get_header_map_value?");
  EXPECT_EQ(Checked(Import("env", "foo", "(func)") + Rest()), "plugin \"auth\" (test.wasm): import env.foo() -> (): unknown function");
}

TEST(CheckPlugin, AnotherSignatureNamesBoth) {
  EXPECT_EQ(Checked(Import("env", "proxy_done", "(func (param i64))") + Rest()),
            "plugin \"auth\" (test.wasm): import env.proxy_done(i64) -> (): wrong signature; Weir offers () -> i32");
}

TEST(CheckPlugin, AnotherVersionsFunctionSaysWhich) {
  EXPECT_EQ(Checked(Import("env", "proxy_get_configuration", "(func (param i32 i32) (result i32))") + Rest()),
            "plugin \"auth\" (test.wasm): import env.proxy_get_configuration(i32, i32) -> i32: this function is of ABI 0.1.0, and the "
            "module declares 0.2.1");
}

TEST(CheckPlugin, UnknownModuleAndOtherKinds) {
  EXPECT_NE(Checked(Import("extism:host/env", "x", "(func)") + Rest()).find("unknown module; Weir offers env"), std::string::npos);
  EXPECT_NE(Checked(Import("env", "memory", "(memory 1)") + std::string(kMarker)).find("only functions can be imported"), std::string::npos);
}

TEST(CheckPlugin, WithoutMemory) {
  EXPECT_NE(Checked(std::string(kMarker)).find("it exports no memory named \"memory\""), std::string::npos);
}

TEST(CheckPlugin, SeveralMarkersTheNewest) {
  EXPECT_EQ(Checked("(import \"env\" \"proxy_get_log_level\" (func (param i32) (result i32)))(func (export \"proxy_abi_version_0_1_0\"))" + Rest()),
            "good");
}

TEST(LoadPlugin, ChecksAndStarts) {
  FakeWorld world;
  auto module = CompileWat("(module " + Rest() + ")");
  ASSERT_TRUE(module);
  PluginSpec spec;
  spec.name = "auth";
  auto plugin = LoadPlugin(TestEngine(), *module, spec, world.host);
  ASSERT_TRUE(plugin) << plugin.error().message;
  EXPECT_TRUE((*plugin)->stats().up);
  EXPECT_EQ((*plugin)->spec().path, "test.wasm");
}

TEST(LoadPlugin, ACallbackWithAnotherSignatureIsRefused) {
  FakeWorld world;
  auto module = CompileWat("(module " + Rest() + "(func (export \"proxy_on_tick\")))");
  ASSERT_TRUE(module);
  PluginSpec spec;
  spec.name = "auth";
  auto plugin = LoadPlugin(TestEngine(), *module, spec, world.host);
  ASSERT_FALSE(plugin);
  EXPECT_NE(plugin.error().message.find("plugin \"auth\" (test.wasm): "), std::string::npos) << plugin.error().message;
  EXPECT_NE(plugin.error().message.find("proxy_on_tick"), std::string::npos) << plugin.error().message;
}

}  // namespace
}  // namespace weir
