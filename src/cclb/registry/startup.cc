#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "cclb/registry/record.h"
#include "weir/cclb/registration.h"

namespace weir::cclb {
namespace {

constexpr std::string_view kOutcomes[] = {"fresh", "rehandshaken", "disabled", "out_of_time", "stopped"};
constexpr uint32_t kParallelMost = 8;

int64_t SystemSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}
uint64_t SteadyMs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

/// A refusal is about the plugin; these are about the registry, and no reason to disable anything.
bool IsOfRegistry(RegistryErrorName name) {
  return name == RegistryErrorName::kUnavailable || name == RegistryErrorName::kIo || name == RegistryErrorName::kInvalidSource;
}

/// One pass over the active records.
class Pass {
 public:
  Pass(Registry& registry, PluginExaminer& examiner, const StartupOptions& options)
      : registry_(registry), examiner_(examiner), options_(options), offer_hash_(examiner.OfferHash()), began_ms_(Steady()) {}

  RegistryResult<StartupReport> Run() {
    const int64_t began = Now();
    WEIR_TRY(const StartupMarks marks, registry_.Marks());
    WEIR_TRY(std::vector<PluginRecord> records, registry_.List(PluginStatus::kActive));
    WEIR_TRY_VOID(registry_.MarkPass(began));
    for (PluginRecord& record : records) entries_.push_back(Plan(std::move(record), marks, began));
    WorkAll();
    if (fault_) return std::move(*fault_);
    StartupReport report;
    report.complete = std::ranges::none_of(entries_, [](const StartupEntry& e) { return e.outcome == StartupOutcome::kStopped; });
    report.entries = std::move(entries_);
    if (report.complete) {
      WEIR_TRY_VOID(registry_.ClearMarks(began));
    } else {
      WEIR_TRY_VOID(registry_.MarkShutdown(Now()));
    }
    return report;
  }

 private:
  int64_t Now() const { return options_.now_seconds ? options_.now_seconds() : SystemSeconds(); }
  uint64_t Steady() const { return options_.steady_ms ? options_.steady_ms() : SteadyMs(); }
  uint64_t LeftMs() const {
    const uint64_t used = Steady() - began_ms_;
    return used < options_.budget_ms ? options_.budget_ms - used : 0;
  }

  /// kFresh, or kStopped for one that is to be re-handshaken.
  StartupEntry Plan(PluginRecord record, const StartupMarks& marks, int64_t now) const {
    StartupEntry entry{.record = std::move(record), .outcome = StartupOutcome::kStopped, .forced = options_.force, .message = {}};
    const int64_t at = entry.record.last_handshake_at;
    for (const auto& mark : {marks.shutdown, marks.pass}) entry.forced |= mark && at < *mark;
    const bool fresh = entry.record.host_offer_hash == offer_hash_ && at >= now - options_.fresh_seconds;
    if (!entry.forced && options_.skip_if_fresh && fresh) entry.outcome = StartupOutcome::kFresh;
    return entry;
  }

  void WorkAll() {
    const size_t todo = static_cast<size_t>(std::ranges::count(entries_, StartupOutcome::kStopped, &StartupEntry::outcome));
    const size_t threads = std::min<size_t>(todo, std::clamp(options_.parallel, 1u, kParallelMost));
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < threads; ++i) {
      workers.emplace_back([this] {
        while (StartupEntry* const entry = Next()) Work(*entry);
      });
    }
  }

  /// The next to be re-handshaken; nothing when all are taken, the host is to stop or the registry failed.
  StartupEntry* Next() {
    const std::lock_guard lock(mutex_);
    while (next_ < entries_.size() && entries_[next_].outcome == StartupOutcome::kFresh) ++next_;
    if (fault_ || options_.stop.stop_requested() || next_ == entries_.size()) return nullptr;
    return &entries_[next_++];
  }

  void Work(StartupEntry& entry) {
    const uint64_t left_ms = LeftMs();
    if (left_ms == 0) return Disable(entry, StartupOutcome::kOutOfTime, OutOfTime());
    auto record = RehandshakePlugin(registry_, examiner_, entry.record.sha256, left_ms, options_.stop);
    if (!record && IsOfRegistry(record.error().name)) return Note(std::move(record).error());
    if (!record && options_.stop.stop_requested()) return;  // interrupted rather than refused
    const bool good = record.has_value();
    if (good) entry.record = *std::move(record);
    if (LeftMs() == 0) return Disable(entry, StartupOutcome::kOutOfTime, OutOfTime());
    if (!good) return Disable(entry, StartupOutcome::kDisabled, std::string(NameOf(record.error().name)) + ": " + record.error().message);
    entry.outcome = StartupOutcome::kRehandshaken;
  }

  std::string OutOfTime() const {
    return "the handshake was not done within the " + std::to_string(options_.budget_ms) + " ms that a start has for all plugins";
  }

  void Disable(StartupEntry& entry, StartupOutcome outcome, std::string message) {
    auto set = registry_.SetStatus(entry.record.sha256, PluginStatus::kDisabled, message);
    // Removed meanwhile by another process: then there is nothing to disable.
    if (!set && set.error().name != RegistryErrorName::kPluginMissing) return Note(std::move(set).error());
    entry.record.status = PluginStatus::kDisabled;
    entry.record.disabled_reason = KeptReason(message, registry_.limits().reason_bytes_max);
    entry.message = std::move(message);
    entry.outcome = outcome;
  }

  void Note(RegistryFault fault) {
    const std::lock_guard lock(mutex_);
    if (!fault_) fault_ = std::move(fault);
  }

  Registry& registry_;
  PluginExaminer& examiner_;
  const StartupOptions& options_;
  const ModuleHash offer_hash_;
  const uint64_t began_ms_;
  std::mutex mutex_;  // of next_ and fault_; an entry belongs to the thread that took it
  std::vector<StartupEntry> entries_;
  size_t next_ = 0;
  std::optional<RegistryFault> fault_;
};

}  // namespace

std::string_view OutcomeName(StartupOutcome outcome) { return kOutcomes[static_cast<size_t>(outcome)]; }

std::vector<PluginRecord> StartupReport::Loaded() const {
  std::vector<PluginRecord> loaded;
  for (const StartupEntry& entry : entries) {
    if (entry.outcome == StartupOutcome::kFresh || entry.outcome == StartupOutcome::kRehandshaken) loaded.push_back(entry.record);
  }
  return loaded;
}

RegistryResult<StartupReport> RunStartup(Registry& registry, PluginExaminer& examiner, const StartupOptions& options) {
  return Pass(registry, examiner, options).Run();
}

}  // namespace weir::cclb
