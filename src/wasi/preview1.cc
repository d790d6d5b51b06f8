#include "wasi/preview1.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir::wasi {

Preview1::Preview1(const WasiContext& context)
    : context_(context), out_(context_, context.stdout_level), error_(context_, context.stderr_level) {}

void Preview1::FlushLines() {
  out_.Flush();
  error_.Flush();
}

Answer<std::tuple<uint32_t, uint32_t>> Preview1::EnvironSizesGet() {
  size_t bytes = 0;
  for (const auto& [name, value] : context_.environment) bytes += name.size() + value.size() + 2;  // '=', NUL
  return std::tuple{static_cast<uint32_t>(context_.environment.size()), static_cast<uint32_t>(bytes)};
}

Answer<uint64_t> Preview1::ClockResGet(ClockId clock) {
  if (clock == ClockId::kRealtime || clock == ClockId::kMonotonic) return uint64_t{1};
  return Errno::kNotsup;
}

Answer<uint64_t> Preview1::ClockTimeGet(ClockId clock, uint64_t) {
  if (clock == ClockId::kRealtime) return context_.clock.RealtimeNs();
  if (clock == ClockId::kMonotonic) return context_.clock.MonotonicNs();
  return Errno::kNotsup;
}

Errno Preview1::RandomGet(std::span<uint8_t> bytes) {
  if (bytes.size() > context_.random_bytes_max) return Errno::kInval;
  if (context_.random != nullptr) return context_.random->Fill(bytes), Errno::kSuccess;
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Errno::kIo;
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return Errno::kSuccess;
}

Exit Preview1::ProcExit(uint32_t code) {
  Flush();
  return {code};
}

Answer<uint32_t> Preview1::FdWrite(uint32_t fd, IoVectors vectors) {
  if (fd != 1 && fd != 2) return Errno::kBadf;
  if (vectors.size() > kVectorsMax) return Errno::kInval;
  LineBuffer& stream = fd == 1 ? out_ : error_;
  uint64_t written = 0;
  for (uint32_t i = 0; i < vectors.size() && written < kWriteBytesMax; ++i) {
    const std::string_view bytes = vectors[i].substr(0, kWriteBytesMax - written);
    const size_t taken = stream.Write(bytes);
    written += taken;
    if (taken < vectors[i].size()) break;
  }
  return static_cast<uint32_t>(written);
}

Answer<uint32_t> Preview1::FdRead(uint32_t fd, IoVectors) {
  if (fd != 0) return Errno::kBadf;
  return 0u;  // the end of the file
}

Answer<Fdstat> Preview1::FdFdstatGet(uint32_t fd) {
  if (fd > 2) return Errno::kBadf;
  // A character device that cannot seek is a terminal to libc, so that it writes whole lines.
  return Fdstat{.filetype = kCharacterDevice, .rights_base = fd == 0 ? kRightFdRead : kRightFdWrite};
}

Answer<Filestat> Preview1::FdFilestatGet(uint32_t fd) {
  if (fd > 2) return Errno::kBadf;
  return Filestat{.filetype = kCharacterDevice, .links = 1};
}

Answer<uint32_t> Preview1::PollAll(std::string_view subscriptions, std::span<uint8_t> events, uint32_t count, uint32_t stride) {
  if (count == 0 || count > kSubscriptionsMax) return Errno::kInval;
  constexpr size_t kTypeAt = 8, kFdAt = 16;  // of a subscription; its userdata is first
  struct Event {
    uint64_t userdata;
    Errno error;
    uint8_t type, padding[5];
    uint64_t bytes;
    uint16_t flags, padding2[3];
  };
  static_assert(sizeof(Event) == kEventBytes);
  for (uint32_t i = 0; i < count; ++i) {
    const char* in = subscriptions.data() + size_t{i} * stride;
    Event event = {};
    std::memcpy(&event.userdata, in, sizeof event.userdata);
    event.type = static_cast<uint8_t>(in[kTypeAt]);
    uint32_t fd;
    std::memcpy(&fd, in + kFdAt, sizeof fd);
    if (event.type > static_cast<uint8_t>(EventType::kFdWrite)) {
      event.error = Errno::kInval;
    } else if (event.type != static_cast<uint8_t>(EventType::kClock) && fd > 2) {
      event.error = Errno::kBadf;
    }
    // The arrays may overlap: what was read of this subscription is in `event`.
    std::memcpy(events.data() + size_t{i} * kEventBytes, &event, sizeof event);
  }
  return count;
}

}  // namespace weir::wasi

namespace weir::abi {

bool Out<wasi::WasiAbi, wasi::StringList>::Store(wasi::Preview1&, Frame& frame, const RawValue*& next,
                                                 const wasi::StringList& list) {
  const uint64_t pointers = TakeI32(next), strings = TakeI32(next);
  uint64_t bytes = 0;
  for (const auto& [name, value] : list.pairs) bytes += name.size() + value.size() + 2;
  if (!frame.memory.View(pointers, list.pairs.size() * 4) || !frame.memory.View(strings, bytes)) return false;
  uint64_t at = strings;
  for (size_t i = 0; i < list.pairs.size(); ++i) {
    const std::string text = list.pairs[i].first + "=" + list.pairs[i].second;
    std::memcpy(frame.memory.Slice(at, text.size() + 1)->data(), text.c_str(), text.size() + 1);
    frame.memory.Store(pointers + i * 4, static_cast<uint32_t>(at));
    at += text.size() + 1;
  }
  return true;
}

}  // namespace weir::abi
