// Inputs that are written straight into the plugin's memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "weir/extism.h"

namespace weir::extism {
namespace {

// `echo` gives the input back; `count` allocates a block first, as far as there is room, and says how long the input is; `dirt` says
// whether a new block of 64 KiB is all zero.
constexpr const char* kGuest = R"((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "load_u64" (func $load (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "echo") (result i32) (call $output_set (call $input) (call $input_length)) (i32.const 0))
  (func (export "agree") (result i32) (i64.ne (call $length (call $input)) (call $input_length)))
  (func (export "grow") (result i32) (i64.eqz (call $alloc (i64.const 300000))))
  (func (export "dirt") (result i32) (local $h i64) (local $i i64)
    (local.set $h (call $alloc (i64.const 65536)))
    (loop $next
      (if (i64.ne (call $load (i64.add (local.get $h) (local.get $i))) (i64.const 0)) (then (return (i32.const 1))))
      (local.set $i (i64.add (local.get $i) (i64.const 8)))
      (br_if $next (i64.lt_u (local.get $i) (i64.const 65536))))
    (i32.const 0))))";

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

class ExtismInput : public testing::Test {
 protected:
  ExtismInput() : runtime_(*Runtime::Create()), plugin_(New({})) {}
  std::unique_ptr<Plugin> New(ManifestLimits limits) {
    Manifest manifest;
    manifest.modules.push_back({.data = kGuest});
    manifest.limits = limits;
    return *(*runtime_->Compile(manifest, {}))->NewPlugin();
  }
  /// Whether the plugin is what it was: it echoes, and a block is empty.
  void ExpectWell() {
    EXPECT_EQ(*plugin_->Call("echo", "well"), "well");
    EXPECT_TRUE(plugin_->Call("dirt", ""));
    EXPECT_FALSE(plugin_->broken());
  }
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Plugin> plugin_;
};

/// Gives `text` in pieces of at most `step` bytes.
Input::Writer Reader(const std::string& text, size_t step) {
  return [&text, step, at = size_t{0}](std::span<uint8_t> room) mutable -> Result<size_t> {
    const size_t size = std::min({step, room.size(), text.size() - at});
    std::memcpy(room.data(), text.data() + at, size);
    at += size;
    return size;
  };
}

// Around where the kernel needs another page.
constexpr size_t kSizes[] = {0, 1, 8, 65394, 65395, 65396, 65397, 65398, 65536, 130931, 130932, 130933, 1'000'000};

TEST_F(ExtismInput, PiecesAreOneInput) {
  for (const size_t size : kSizes) {
    const std::string all = Pattern(size), other = "other";
    const std::string_view pieces[] = {std::string_view(all).substr(0, size / 3), {}, std::string_view(all).substr(size / 3)};
    EXPECT_EQ(*plugin_->Call("echo", Input::Gather(pieces)), all);
    EXPECT_TRUE(plugin_->Call("agree", Input::Gather(pieces)));
  }
  EXPECT_EQ(*plugin_->Call("echo", Input::Gather({})), "");
}

TEST_F(ExtismInput, AWriterFillsThePluginsMemory) {
  for (const size_t size : kSizes) {
    const std::string all = Pattern(size);
    int calls = 0;
    const auto write = [&](std::span<uint8_t> room) -> Result<size_t> {
      ++calls;
      EXPECT_EQ(room.size(), size);
      std::memcpy(room.data(), all.data(), size);
      return size;
    };
    EXPECT_EQ(*plugin_->Call("echo", Input::Fill(size, write)), all);
    EXPECT_EQ(calls, size == 0 ? 0 : 1);
  }
}

TEST_F(ExtismInput, AWriterMayWriteLessAndLeavesNothingBehind) {
  const auto part = [](size_t size) {
    return [size](std::span<uint8_t> room) -> Result<size_t> {
      std::fill(room.begin(), room.end(), 'x');  // more than it says
      return size;
    };
  };
  EXPECT_EQ(*plugin_->Call("echo", Input::Fill(100'000, part(3))), "xxx");
  EXPECT_TRUE(plugin_->Call("agree", Input::Fill(100'000, part(3))));
  EXPECT_EQ(*plugin_->Call("echo", Input::Fill(100, part(0))), "");
  EXPECT_TRUE(plugin_->Call("grow", Input::Fill(100, part(99))));
  ExpectWell();
}

TEST_F(ExtismInput, AStreamIsReadToItsEnd) {
  for (const size_t size : kSizes) {
    const std::string all = Pattern(size);
    for (const size_t step : {size_t{7000}, size_t{1} << 30}) {
      EXPECT_EQ(*plugin_->Call("echo", Input::Stream(Reader(all, step))), all);
      EXPECT_TRUE(plugin_->Call("agree", Input::Stream(Reader(all, step))));
      EXPECT_TRUE(plugin_->Call("grow", Input::Stream(Reader(all, step))));
    }
  }
  ExpectWell();
}

TEST_F(ExtismInput, AStreamHasABound) {
  const std::string all = Pattern(70'000);
  EXPECT_EQ(*plugin_->Call("echo", Input::Stream(Reader(all, 1000), all.size())), all);
  const auto longer = plugin_->Call("echo", Input::Stream(Reader(all, 1000), all.size() - 1));
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::kLimit);
  EXPECT_EQ(longer.error().message, "the input is longer than 69999 bytes");
  ExpectWell();
}

TEST_F(ExtismInput, AWriterThatFailsPreventsTheCall) {
  int rooms = 0;
  const Input::Writer fails = [&](std::span<uint8_t> room) -> Result<size_t> {
    std::fill(room.begin(), room.end(), 'x');
    if (++rooms % 3 != 0) return room.size();
    return Error{ErrorCode::kIo, "the disk is gone"};
  };
  for (int i = 0; i < 2; ++i) {
    rooms = i == 0 ? 2 : 0;  // at once, or in the third room of a stream
    const Outcome outcome = plugin_->CallRaw("echo", i == 0 ? Input::Fill(10, fails) : Input::Stream(fails));
    EXPECT_EQ(outcome.input_error, ErrorCode::kIo);
    EXPECT_EQ(outcome.error, "the disk is gone");
    EXPECT_EQ(outcome.code, -1);
    EXPECT_EQ(outcome.output, "");
    ExpectWell();
  }
  rooms = 2;
  const auto answer = plugin_->Call("echo", Input::Fill(10, fails));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kIo);
}

TEST_F(ExtismInput, AWriterThatSaysMoreThanItsRoomIsRefused) {
  const auto lies = [](std::span<uint8_t> room) -> Result<size_t> { return room.size() + 1; };
  EXPECT_EQ(plugin_->CallRaw("echo", Input::Fill(8, lies)).error, "the input's writer says 9 bytes of a room of 8");
  EXPECT_EQ(plugin_->CallRaw("echo", Input::Stream(lies)).error, "the input's writer says 65397 bytes of a room of 65396");
  ExpectWell();
}

TEST_F(ExtismInput, AWriterCannotCallItsPlugin) {
  const auto calls = [&](std::span<uint8_t>) -> Result<size_t> {
    EXPECT_FALSE(plugin_->Instantiate());
    EXPECT_EQ(plugin_->CallRaw("echo", "x").error, "cannot make reentrant calls into plugin");
    return 0;
  };
  EXPECT_EQ(*plugin_->Call("echo", Input::Fill(8, calls)), "");
}

TEST_F(ExtismInput, MoreThanMemoryHasIsRefusedBeforeAnythingIsWritten) {
  const auto never = [](std::span<uint8_t>) -> Result<size_t> {
    ADD_FAILURE() << "was called";
    return 0;
  };
  for (const uint64_t bytes : {uint64_t{UINT32_MAX} - 20, uint64_t{UINT32_MAX}, uint64_t{UINT32_MAX} + 1, UINT64_MAX - 12, UINT64_MAX}) {
    const Outcome outcome = plugin_->CallRaw("echo", Input::Fill(bytes, never));
    EXPECT_EQ(outcome.input_error, ErrorCode::kLimit) << bytes;
    EXPECT_TRUE(outcome.error.ends_with("out of memory")) << outcome.error;
  }
  const std::vector<std::string_view> pieces(4, std::string_view("", SIZE_MAX / 3));
  EXPECT_EQ(plugin_->CallRaw("echo", Input::Gather(pieces)).input_error, ErrorCode::kLimit);
  ExpectWell();
}

TEST_F(ExtismInput, ABudgetOfMemoryIsMetExactlyByAllKinds) {
  // The kernel begins with 64 KiB for blocks, of which 140 bytes are its own, and has two pages more.
  const ManifestLimits limits{.memory_pages_max = 2};
  constexpr size_t kMost = 3 * 65536 - 140;
  for (const bool stream : {false, true}) {
    for (const size_t more : {0, 1}) {
      plugin_ = New(limits);
      const std::string all = Pattern(kMost + more);
      const std::string_view piece = all;
      const auto input = [&] { return stream ? Input::Stream(Reader(all, SIZE_MAX)) : Input::Gather({&piece, 1}); };
      const Outcome outcome = plugin_->CallRaw("echo", input());
      EXPECT_EQ(outcome.failed, more == 1) << outcome.error << stream;
      EXPECT_EQ(outcome.input_error.has_value(), more == 1);
      EXPECT_EQ(outcome.output, more == 0 ? all : "");
      EXPECT_EQ(*plugin_->Call("echo", "small"), "small");
    }
  }
}

TEST_F(ExtismInput, FuelIsTakenAsForBytes) {
  Manifest manifest;
  manifest.modules.push_back({.data = kGuest});
  const auto plugin = *(*runtime_->Compile(manifest, {.fuel = 100'000}))->NewPlugin();
  const std::string text = Pattern(1000);
  const std::string_view pieces[] = {text};
  const auto used = [&](const Input& input) {
    EXPECT_EQ(*plugin->Call("echo", ""), "");
    EXPECT_EQ(*plugin->Call("echo", input), text);
    return *plugin->fuel_consumed();
  };
  const uint64_t plain = used(text);
  EXPECT_EQ(used(Input::Gather(pieces)), plain);
  EXPECT_EQ(used(Input::Fill(1000, Reader(text, 1000))), plain);
  EXPECT_EQ(used(Input::Stream(Reader(text, 1000))), plain);
}

}  // namespace
}  // namespace weir::extism
