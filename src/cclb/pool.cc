#include "weir/cclb/pool.h"

#include <algorithm>
#include <chrono>

namespace weir::cclb {
namespace {

// In place of an instance that could not be made: a call of it fails with the reason.
class NoInstance final : public PluginInstance {
 public:
  NoInstance(std::string reason, Telemetry* telemetry) : reason_(std::move(reason)), telemetry_(telemetry) {}
  PlainOutcome Call(std::string_view, std::string_view) override { return {false, {}, reason_, reason_}; }
  bool broken() const override { return true; }
  Telemetry& telemetry() override { return telemetry_ != nullptr ? *telemetry_ : nobody_; }
  std::optional<uint64_t> fuel_consumed() const override { return std::nullopt; }

 private:
  class Nobody final : public Telemetry {
    void Count(std::string_view, std::span<const Pair>, uint64_t) override {}
    void Log(Level, std::string_view, std::string_view, std::span<const Pair>) override {}
  };
  const std::string reason_;
  Telemetry* const telemetry_;
  Nobody nobody_;
};

std::unique_ptr<PluginInstance> InstanceOf(PluginCode& code, const Result<extism::Lease>& plugin) {
  if (plugin) return code.InstanceOf(**plugin);
  return std::make_unique<NoInstance>(plugin.error().message, code.telemetry());
}

}  // namespace

PluginPool::PluginPool(std::shared_ptr<PluginCode> code, AugmentedMetadata metadata, std::unique_ptr<extism::Pool> plugins)
    : code_(std::move(code)), metadata_(std::move(metadata)), plugins_(std::move(plugins)) {}
PluginPool::~PluginPool() = default;

Checked<std::unique_ptr<PluginPool>> PluginPool::Create(std::shared_ptr<PluginCode> code, AugmentedMetadata metadata, PoolOptions options) {
  auto compiled = code->CompiledFor(options.limits, options.functions ? &*options.functions : nullptr);
  if (!compiled) return std::move(compiled.fault());
  auto plugins = extism::Pool::Create(std::move(*compiled), {.plugins_max = options.instances_max, .wait_ms = std::nullopt, .broken = options.broken});
  if (!plugins) return Fault{"Instantiate", plugins.error().message, plugins.error().message};
  return std::unique_ptr<PluginPool>(new PluginPool(std::move(code), std::move(metadata), std::move(*plugins)));
}

PluginPool::Lease::Lease(PluginPool& pool) : plugin_(pool.plugins_->Take()), instance_(InstanceOf(*pool.code_, plugin_)) {}

std::vector<Slot> PluginPool::slots() const {
  std::set<std::string> functions;
  for (const auto& [function, version] : metadata_.negotiated_functions) functions.insert(function);
  return SlotsOf(functions);
}

PluginPool::Stats PluginPool::stats() const {
  const extism::PoolCounts counts = plugins_->counts();
  return {counts.made, counts.replaced, counts.idle, counts.out};
}

// ---- observe ----------------------------------------------------------------------------------------------------------------
ObserveBatcher::ObserveBatcher(PluginPool& pool, ObserveOptions options) : pool_(pool), options_(options), thread_([this] { Run(); }) {}

ObserveBatcher::~ObserveBatcher() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  added_.notify_one();
  thread_.join();
}

bool ObserveBatcher::Add(ObserveEventWire event) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.queue_max) {
      ++stats_.dropped;
      return false;
    }
    queue_.push_back(std::move(event));
    ++added_total_;
    // The first begins the wait, the last of a batch ends it.
    wake = queue_.size() == 1 || queue_.size() == options_.events_max;
  }
  if (wake) added_.notify_one();
  return true;
}

void ObserveBatcher::Flush() {
  std::unique_lock lock(mutex_);
  const uint64_t until = added_total_;
  flush_ = true;
  added_.notify_one();
  sent_.wait(lock, [&] { return handled_total_ >= until; });
}

ObserveBatcher::Stats ObserveBatcher::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

void ObserveBatcher::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto due = std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.wait_ms);
    added_.wait_until(lock, due, [&] { return stop_ || flush_ || queue_.size() >= options_.events_max; });
    const size_t count = std::min(queue_.size(), options_.events_max);
    v1::ObserveRequest request;
    request.events.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.begin() + static_cast<ptrdiff_t>(count)));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(count));
    lock.unlock();
    const bool good = static_cast<bool>(pool_.Dispatch<fn::Observe>(request));
    lock.lock();
    handled_total_ += count;
    good ? stats_.sent += count : ++stats_.failed_batches;
    ++stats_.batches;
    if (queue_.empty()) flush_ = false;
    sent_.notify_all();
  }
}

}  // namespace weir::cclb
