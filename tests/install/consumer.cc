// A program that embeds libweir: a plugin of Extism with a host function of C++, and a Proxy-Wasm module compiled. With exceptions and RTTI.
#include <weir/engine.h>
#include <weir/extism.h>
#include <weir/plugin.h>

#include <cstdio>
#include <stdexcept>
#include <string>

constexpr std::string_view kPlugin = R"((module
  (import "extism:host/user" "twice" (func $twice (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "run") (result i32) (local $h i64)
    (local.set $h (call $twice (call $input)))
    (call $output_set (local.get $h) (call $length (local.get $h)))
    (i32.const 0))))";
constexpr std::string_view kEmptyModule{"\0asm\1\0\0\0", 8};

template <class T>
T Take(weir::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return *std::move(result);
}

int main() {
  try {
    const auto runtime = Take(weir::extism::Runtime::Create());
    weir::extism::PluginOptions options;
    options.functions = {weir::extism::Typed("twice", [](std::string_view text) { return std::string(text) + std::string(text); })};
    const auto compiled = Take(runtime->Compile(kPlugin, options));
    const auto plugin = Take(compiled->NewPlugin());
    const auto output = plugin->Call("run", "ab");
    const auto engine = Take(weir::Engine::Create({}));
    const auto module = Take(engine->Compile(kEmptyModule, "empty.wasm"));
    std::printf("%s %d\n", output ? std::string(*output).c_str() : output.error().message.c_str(), module != nullptr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
