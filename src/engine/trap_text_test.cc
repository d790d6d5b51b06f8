#include "engine/trap_text.h"

#include <gtest/gtest.h>

namespace weir::engine {
namespace {

TEST(Backtrace, TakesTheNamesOfFrames) {
  EXPECT_EQ(BacktraceOf("error while executing at wasm backtrace:\n"
                        "    0:    0x2a - plugin.wasm!std::panicking::rust_panic::h73823090fb190a5f\n"
                        "                    at /src/panic.rs:12:5\n"
                        "    1:  0x1b2c - <unknown>!<wasm function 12>\n"
                        "   10:  0x1b2c - plugin!operator!=(A, B)\n"
                        "   11:  0x1b2c - hacl::h1\n"
                        "note: using the `WASMTIME_BACKTRACE_DETAILS=1` environment variable may show more debugging information\n"
                        "\nCaused by:\n    wasm trap: wasm `unreachable` instruction executed"),
            "std::panicking::rust_panic (/src/panic.rs:12:5)\n<wasm function 12>\noperator!=(A, B)\nhacl::h1");
  EXPECT_EQ(BacktraceOf(""), "");
  EXPECT_EQ(BacktraceOf("nothing 0: 0x1 - here"), "");
}

TEST(Bytes, HaveTheLargestUnit) {
  EXPECT_EQ(Bytes(64 << 10), "64 KiB");
  EXPECT_EQ(Bytes(256 << 20), "256 MiB");
  EXPECT_EQ(Bytes(3ull << 29), "1.5 GiB");
  EXPECT_EQ(Bytes(4096ull << 30), "4096 GiB");
}

TEST(MemoryNote, OnlyNearTheLimit) {
  constexpr uint64_t kLimit = 256ull << 20, kPage = 64 << 10;
  EXPECT_EQ(MemoryNote(kLimit, kLimit), " (its memory is at the limit of 256 MiB)");
  EXPECT_EQ(MemoryNote(kLimit - kPage + 1, kLimit), " (its memory is at the limit of 256 MiB)");
  EXPECT_EQ(MemoryNote(192ull << 20, kLimit), " (its memory is 192 MiB, near the limit of 256 MiB)");
  EXPECT_EQ(MemoryNote((192ull << 20) - 1, kLimit), "");
}

}  // namespace
}  // namespace weir::engine
