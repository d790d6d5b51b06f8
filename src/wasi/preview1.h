// WASI preview1 for a plugin: a log, clocks, random bytes, an environment; no files, no sockets. One object an instance.
#pragma once

#include <cstdint>
#include <span>
#include <tuple>

#include "wasi/abi.h"
#include "wasi/line_buffer.h"

namespace weir::wasi {

class Preview1 {
 public:
  using Abi = WasiAbi;
  explicit Preview1(const WasiContext& context);
  Preview1(const Preview1&) = delete;
  Preview1& operator=(const Preview1&) = delete;
  ~Preview1() { Flush(); }

  /// The name in the log from now on; outlives its use. For an instance that several plugins share.
  void set_plugin(std::string_view name) { context_.plugin = name; }

  /// Lines begun on stdout and stderr go to the log. To be called when a callback has returned or failed, so that a panic's last
  /// words are not lost.
  void Flush() {
    if (!out_.empty() || !error_.empty()) [[unlikely]] FlushLines();
  }

  Answer<std::tuple<uint32_t, uint32_t>> ArgsSizesGet() { return std::tuple{0u, 0u}; }
  Errno ArgsGet(uint32_t, uint32_t) { return Errno::kSuccess; }  // there are none, so nothing is written
  Answer<std::tuple<uint32_t, uint32_t>> EnvironSizesGet();
  Answer<StringList> EnvironGet() { return StringList{context_.environment}; }
  Answer<uint64_t> ClockResGet(ClockId clock);
  Answer<uint64_t> ClockTimeGet(ClockId clock, uint64_t precision_ns);
  Errno RandomGet(std::span<uint8_t> bytes);
  Errno SchedYield() { return Errno::kSuccess; }
  Exit ProcExit(uint32_t code);

  Answer<uint32_t> FdWrite(uint32_t fd, IoVectors vectors);
  Answer<uint32_t> FdRead(uint32_t fd, IoVectors vectors);
  Errno FdClose(uint32_t fd) { return Standard(fd); }
  Errno FdSync(uint32_t fd) { return Standard(fd); }
  Answer<Fdstat> FdFdstatGet(uint32_t fd);
  Errno FdFdstatSetFlags(uint32_t fd, uint32_t) { return Standard(fd); }  // "not blocking": they never do
  Answer<Filestat> FdFilestatGet(uint32_t fd);
  Answer<uint64_t> FdSeek(uint32_t fd, uint64_t, uint32_t) { return NoSeek(fd); }
  Answer<uint64_t> FdTell(uint32_t fd) { return NoSeek(fd); }
  /// Everything is ready at once: a guest that sleeps by it spins on its clock, within its deadline, and never holds the proxy.
  template <uint32_t kStride>
  Answer<uint32_t> PollOneoff(Poll<kStride> poll) {
    return PollAll(poll.subscriptions, poll.events, poll.count, kStride);
  }

  /// What WASI has and Weir has not: `kAnswer`, nothing else. Pointers are not looked at.
  template <Errno kAnswer, class... A>
  Errno Refuse(A...) {
    return kAnswer;
  }

  static constexpr uint32_t kVectorsMax = 1024;        ///< IOV_MAX of others
  static constexpr uint64_t kWriteBytesMax = 64 << 10; ///< of one fd_write; it says how much it took
  static constexpr uint32_t kSubscriptionsMax = 1024;

 private:
  static Errno Standard(uint32_t fd) { return fd <= 2 ? Errno::kSuccess : Errno::kBadf; }
  static Errno NoSeek(uint32_t fd) { return fd <= 2 ? Errno::kSpipe : Errno::kBadf; }
  Answer<uint32_t> PollAll(std::string_view subscriptions, std::span<uint8_t> events, uint32_t count, uint32_t stride);
  void FlushLines();

  WasiContext context_;
  LineBuffer out_, error_;
};

}  // namespace weir::wasi
