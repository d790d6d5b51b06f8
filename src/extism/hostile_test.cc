// What nobody should write: kernel calls in any order with any numbers, and manifests with any bytes. Seeds are fixed.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "weir/extism.h"

namespace weir::extism {
namespace {

using Random = std::mt19937_64;

uint64_t Pick(Random& random, uint64_t below) { return random() % below; }

/// Numbers at which something changes: around handles, the root, pages, the ends of memory and of 64 bits.
uint64_t OddNumber(Random& random) {
  constexpr uint64_t kOdd[] = {0, 1, 8, 12, 57, 63, 64, 65, 76, 77, 78, 128, 65471, 65472, 65536, 65537, 1 << 20, 1ull << 32, 1ull << 63, UINT64_MAX};
  switch (Pick(random, 4)) {
    case 0: return kOdd[Pick(random, std::size(kOdd))] + Pick(random, 9) - 4;
    case 1: return 65 + Pick(random, 2000);
    case 2: return Pick(random, 1 << 21);
    default: return random();
  }
}

TEST(ExtismHostile, AnySequenceOfKernelCallsLeavesAWorkingPlugin) {
  std::ifstream file("tests/extism/sequence.wat");
  const std::string wat{std::istreambuf_iterator<char>(file), {}};
  auto runtime = *Runtime::Create();
  Manifest manifest;
  manifest.modules.push_back({.data = wat});
  manifest.limits.memory_pages_max = 64;  // alloc of much fails, and is not zeroed for minutes
  manifest.limits.timeout_ms = 60'000;
  auto compiled = runtime->Compile(manifest, {});
  ASSERT_TRUE(compiled) << compiled.error().message;
  auto plugin = *(*compiled)->NewPlugin();
  Random random(20);
  for (int round = 0; round < 1500; ++round) {
    std::string calls;
    for (size_t i = 0, count = 1 + Pick(random, 60); i < count; ++i) {
      const uint64_t numbers[] = {OddNumber(random), OddNumber(random)};
      calls += static_cast<char>(Pick(random, 19));
      calls.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
    }
    const Outcome outcome = plugin->CallRaw("run", calls);
    if (outcome.failed) {
      // The budget is the only thing that stops it; errors are the guest's own blocks.
      ASSERT_NE(outcome.error, "timeout") << round;
      ASSERT_FALSE(outcome.error.starts_with("error while executing")) << round << ": " << outcome.cause;
    }
    plugin->GuestError();
    if (outcome.error == "oom") plugin = *(*compiled)->NewPlugin();
    const std::string input = "input " + std::to_string(round);
    const auto output = plugin->Call("echo", input);
    ASSERT_TRUE(output) << round << ": " << output.error().message;
    ASSERT_EQ(*output, input);
  }
}

TEST(ExtismHostile, AnyBytesAreAManifestOrNone) {
  const std::string seeds[] = {
      R"({"wasm": [{"data": "KG1vZHVsZSk=", "name": "main", "hash": null}], "memory": {"max_pages": 4, "max_var_bytes": 0}, "config": {"a": "b"},
          "allowed_hosts": ["*"], "allowed_paths": {"ro:/a": "/b"}, "timeout_ms": 5})",
      "timeout_ms = 5\nallowed_hosts = [\"a\"]\n[[wasm]]\ndata = \"KG1vZHVsZSk=\"\n[memory]\nmax_pages = 3\n[config]\na = \"\"\"x\"\"\"\n",
      R"({"wasm": [{"url": "http://127.0.0.1/", "headers": {"a": "b"}, "method": "POST"}, {"path": "x"}]})"};
  constexpr std::string_view kPieces[] = {"{", "}", "[", "]", "\"", ",", ":", "=", "\n", "\\u0000", "\\ud800", "1e999", "-1", "18446744073709551616", "null", "[[", "#", "'''", "\xff"};
  auto runtime = *Runtime::Create();
  Random random(21);
  size_t good = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string text = seeds[Pick(random, std::size(seeds))];
    for (uint64_t edits = Pick(random, 4); edits-- > 0;) {
      const size_t at = Pick(random, text.size() + 1);
      if (Pick(random, 2) == 0) {
        text.insert(at, kPieces[Pick(random, std::size(kPieces))]);
      } else {
        text.erase(at, Pick(random, 5));
      }
    }
    if (const auto manifest = ParseManifest(text)) {
      ++good;
      if (manifest->modules.size() == 1 && manifest->modules[0].source == ManifestModule::Source::kData) static_cast<void>(runtime->Compile(*manifest, {}).has_value());
    }
  }
  EXPECT_GT(good, 500u);
  for (const char c : {'[', '{', '"'}) EXPECT_FALSE(ParseManifest(std::string(200'000, c)));
  std::string deep = "{\"wasm\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  for (int i = 0; i < 100'000; ++i) deep += "]";
  EXPECT_FALSE(ParseManifest(deep + "}"));
  // RapidJSON takes a zero byte for the end.
  EXPECT_TRUE(ParseManifest(R"({"wasm": []} )"));
  for (const char* rest : {"", "}", " garbage"}) EXPECT_FALSE(ParseManifest(R"({"wasm": []})" + std::string(1, '\0') + rest)) << rest;
  EXPECT_FALSE(ParseManifest(std::string("timeout_ms = 5\n\0", 16)));
  // Each character outside of a text, in front of an unknown name: toml++ had undefined behaviour for some, which UBSan sees.
  for (uint32_t c = 0x80; c < 0x10000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text = c < 0x800 ? std::string{static_cast<char>(0xc0 | c >> 6)} : std::string{static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63))};
    text += static_cast<char>(0x80 | (c & 63));
    EXPECT_FALSE(ParseManifest(text + " = 1"));
  }
  EXPECT_FALSE(ParseManifest("a = " + std::string(100'000, '[') + std::string(100'000, ']')));
}

}  // namespace
}  // namespace weir::extism
