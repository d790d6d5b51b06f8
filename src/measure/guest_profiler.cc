#include "measure/guest_profiler.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>

namespace weir::measure {

/// A word of the stack, whosever it is.
__attribute__((no_sanitize("address", "thread"))) static uintptr_t WordAt(uintptr_t at) { return *reinterpret_cast<const uintptr_t*>(at); }

/// What the handler writes: no memory is taken, no lock.
struct GuestProfiler::Sampler {
  static constexpr size_t kWords = 4u << 20;    ///< of all samples
  static constexpr size_t kFramesMax = 250;     ///< of one
  static constexpr size_t kHostWords = 16384;   ///< of the stack that are looked through for the guest's frames

  const Symbols& symbols;
  uintptr_t stack_end = 0;
  std::vector<uintptr_t> words = std::vector<uintptr_t>(kWords);  ///< samples: (frames, host) and that many addresses, innermost first
  std::atomic<size_t> used = 0;

  void Take(const ucontext_t& context);
  static std::atomic<Sampler*> current;
  static void OnSignal(int, siginfo_t*, void* context) {
    const int kept = errno;
    if (Sampler* sampler = current.load(std::memory_order_acquire)) sampler->Take(*static_cast<const ucontext_t*>(context));
    errno = kept;
  }
};
std::atomic<GuestProfiler::Sampler*> GuestProfiler::Sampler::current = nullptr;  // a signal handler has nothing else to go by

__attribute__((no_sanitize("address", "thread"))) void GuestProfiler::Sampler::Take(const ucontext_t& context) {
  const auto* registers = context.uc_mcontext.gregs;
  uintptr_t pc = uintptr_t(registers[REG_RIP]), frame = uintptr_t(registers[REG_RBP]), stack = uintptr_t(registers[REG_RSP]);
  const auto readable = [&](uintptr_t at) { return at % sizeof(uintptr_t) == 0 && at >= stack && at + 2 * sizeof(uintptr_t) <= stack_end; };
  const bool host = !symbols.Contains(pc);
  if (host) {  // the host keeps no frame pointers everywhere: the first address of the guest's code, and the frame pointer below it
    uintptr_t at = (stack + sizeof(uintptr_t) - 1) / sizeof(uintptr_t) * sizeof(uintptr_t);
    frame = 0;
    for (size_t i = 0; i < kHostWords && readable(at); ++i, at += sizeof(uintptr_t)) {
      if (!symbols.Contains(WordAt(at)) || at - sizeof(uintptr_t) < stack || !readable(WordAt(at - sizeof(uintptr_t)))) continue;
      pc = WordAt(at) - 1;
      frame = WordAt(at - sizeof(uintptr_t));
      break;
    }
  }
  const size_t begin = used.load(std::memory_order_relaxed);
  if (begin + 1 + kFramesMax > kWords) return;
  size_t count = 0;
  uintptr_t* out = &words[begin + 1];
  if (!host || frame != 0) out[count++] = pc;
  while (count < kFramesMax && readable(frame)) {
    const uintptr_t caller = WordAt(frame + sizeof(uintptr_t)), next = WordAt(frame);
    if (symbols.Contains(caller)) out[count++] = caller - 1;
    if (next <= frame) break;
    frame = next;
  }
  words[begin] = count * 2 + host;
  used.store(begin + 1 + count, std::memory_order_release);
}

GuestProfiler::GuestProfiler(const Symbols& symbols) : symbols_(symbols), sampler_(new Sampler{.symbols = symbols}) {}
GuestProfiler::~GuestProfiler() { Stop(); }

Result<void> GuestProfiler::Start(uint32_t hz) {
  Sampler* none = nullptr;
  if (hz == 0 || hz > 100'000 || !Sampler::current.compare_exchange_strong(none, sampler_.get())) {
    return Error{ErrorCode::kInvalidArgument, "a profiler is at work already, or its rate is not in 1 to 100000 Hz"};
  }
  pthread_attr_t attributes;
  void* low = nullptr;
  size_t size = 0;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  pthread_attr_destroy(&attributes);
  sampler_->stack_end = reinterpret_cast<uintptr_t>(low) + size;

  struct sigaction action = {};
  action.sa_sigaction = &Sampler::OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
  const long period_ns = 1'000'000'000L / hz;
  const itimerspec period = {{period_ns / 1'000'000'000, period_ns % 1'000'000'000}, {0, 1}};
  if (sigaction(SIGPROF, &action, nullptr) != 0 || timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
    Sampler::current = nullptr;
    return Error{ErrorCode::kIo, std::string("no timer for the profile: ") + std::strerror(errno)};
  }
  running_ = true;
  timer_settime(timer_, 0, &period, nullptr);
  return {};
}

void GuestProfiler::Stop() {
  if (!running_) return;
  timer_delete(timer_);
  running_ = false;
  // One that is still pending finds no sampler; the handler stays, since SIGPROF's own action would end the process.
  Sampler::current = nullptr;
}

std::vector<Stack> GuestProfiler::Stacks() const {
  std::map<std::vector<std::string>, uint64_t> counted;
  const size_t used = sampler_->used.load(std::memory_order_acquire);
  for (size_t at = 0; at < used;) {
    const size_t count = sampler_->words[at] / 2;
    const bool host = sampler_->words[at] % 2 != 0;
    std::vector<std::string> frames;
    const std::span<const uintptr_t> addresses(&sampler_->words[at] + 1, count);
    for (size_t i = count; i > 0; --i) {
      const std::string_view name = symbols_.At(addresses[i - 1]);
      if (!name.empty()) frames.emplace_back(name);
    }
    if (frames.empty()) {
      frames.emplace_back("[weir]");
    } else if (host) {
      frames.emplace_back("[host]");
    }
    ++counted[frames];
    at += 1 + count;
  }
  std::vector<Stack> stacks;
  for (auto& [frames, samples] : counted) stacks.push_back({frames, samples});
  return stacks;
}

}  // namespace weir::measure
