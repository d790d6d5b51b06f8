#include "extism/pool.h"

#include <algorithm>

#include "extism/compiled.h"

namespace weir::extism {
namespace {

constexpr uint64_t kLongestMs = uint64_t{1} << 40;  // further than a clock's numbers should be led

std::chrono::milliseconds Ms(uint64_t ms) { return std::chrono::milliseconds(std::min(ms, kLongestMs)); }

Error NoneWithin(uint64_t wait_ms, const PoolCounts& counts, size_t plugins_max) {
  return {ErrorCode::kLimit, "waited " + std::to_string(wait_ms) + " ms for a plugin: " + std::to_string(counts.out) + " are out, and plugins_max is " +
                                 std::to_string(plugins_max) + "; allow more, wait longer, or end leases sooner"};
}

}  // namespace

Result<void> PoolState::Start() {
  WEIR_TRY(auto first, compiled_->NewPlugin());
  counts_.made = 1;
  const bool keep = options_.idle_ms != uint64_t{0} && (options_.ready_plugins == 0 || first->Instantiate());
  // Else it was a test.
  if (keep) idle_.push_back({std::move(first), Clock::now()});
  counts_.live = idle_.size();
  if (Keeps()) thread_ = std::thread([this] { Keep(); });
  return {};
}

void PoolState::Close() {
  std::vector<Idle> idle;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    idle.swap(idle_);
    counts_.live -= idle.size();
  }
  keeper_.notify_all();
  if (thread_.joinable()) thread_.join();
}

PoolCounts PoolState::counts() const {
  std::lock_guard lock(mutex_);
  PoolCounts counts = counts_;
  counts.idle = idle_.size();
  return counts;
}

Result<std::unique_ptr<Plugin>> PoolState::Take(std::optional<uint64_t> wait_ms) {
  {
    Lock lock(mutex_);
    const auto there = [&] { return !idle_.empty() || counts_.live < options_.plugins_max; };
    if (!there()) {
      ++counts_.waits;
      if (!wait_ms) {
        free_.wait(lock, there);
      } else if (!free_.wait_until(lock, Clock::now() + Ms(*wait_ms), there)) {
        ++counts_.timeouts;
        return NoneWithin(*wait_ms, counts_, options_.plugins_max);
      }
    }
    ++counts_.out;
    make_failed_ = false;
    if (!idle_.empty()) {
      // The one used last: its memory is the warmest.
      auto plugin = std::move(idle_.back().plugin);
      idle_.pop_back();
      if (idle_.size() < options_.ready_plugins) keeper_.notify_one();
      return plugin;
    }
    // The thread sleeps for good where nothing lives.
    if (options_.ready_plugins > 0 || (Expires() && counts_.live == 0)) keeper_.notify_one();
    ++counts_.live;
    ++counts_.made;
  }
  auto plugin = compiled_->NewPlugin();
  if (plugin) return plugin;
  {
    std::lock_guard lock(mutex_);
    --counts_.out;
    --counts_.live;
    --counts_.made;
  }
  free_.notify_one();
  return plugin;
}

void PoolState::GiveBack(std::unique_ptr<Plugin> plugin) {
  const bool broken = plugin->broken() && options_.broken == BrokenPlugins::kReplace;
  bool drop = broken || options_.begin == Begin::kFresh || options_.idle_ms == uint64_t{0};
  // Before it is counted as gone: its slot has to be free.
  if (drop) plugin.reset();
  {
    std::lock_guard lock(mutex_);
    --counts_.out;
    if (broken) ++counts_.replaced;
    if (drop || closed_) {
      --counts_.live;
    } else {
      idle_.push_back({std::move(plugin), Clock::now()});
    }
    make_failed_ = false;
    if (drop && idle_.size() < options_.ready_plugins) keeper_.notify_one();
  }
  free_.notify_one();
}

// ---- the pool's own thread

void PoolState::Keep() {
  Lock lock(mutex_);
  while (!closed_) {
    if (!FreeExpired(lock) && !MakeReady(lock)) Wait(lock);
  }
}

bool PoolState::FreeExpired(Lock& lock) {
  if (!Expires()) return false;
  const auto old = Clock::now() - Ms(*options_.idle_ms);
  // Of those that shall be ready, none is too old.
  const size_t spare = idle_.size() - std::min(idle_.size(), options_.ready_plugins);
  const auto end = std::find_if(idle_.begin(), idle_.begin() + static_cast<ptrdiff_t>(spare), [&](const Idle& it) { return it.since > old; });
  std::vector<Idle> expired(std::make_move_iterator(idle_.begin()), std::make_move_iterator(end));
  if (expired.empty()) return false;
  idle_.erase(idle_.begin(), end);
  const size_t count = expired.size();
  lock.unlock();
  expired.clear();
  lock.lock();
  counts_.live -= count;
  counts_.expired += count;
  free_.notify_all();
  return true;
}

bool PoolState::MakeReady(Lock& lock) {
  if (make_failed_ || idle_.size() >= options_.ready_plugins || counts_.live >= options_.plugins_max) return false;
  ++counts_.live;
  lock.unlock();
  auto plugin = compiled_->NewPlugin();
  // Where it fails, a call shall say so, of a plugin that nobody has touched.
  bool good = plugin.has_value() && (*plugin)->Instantiate().has_value();
  if (!good && plugin) plugin->reset();
  lock.lock();
  if (good && !closed_) {
    ++counts_.made;
    idle_.push_back({*std::move(plugin), Clock::now()});
  } else {
    --counts_.live;
    make_failed_ = true;
  }
  free_.notify_one();
  return true;
}

void PoolState::Wait(Lock& lock) {
  // Without plugins there is nothing to free. One that is given back meanwhile is not too old before this time.
  if (!Expires() || idle_.size() <= options_.ready_plugins) {
    if (!Expires() || counts_.live == 0) {
      keeper_.wait(lock);
    } else {
      keeper_.wait_for(lock, Ms(*options_.idle_ms));
    }
    return;
  }
  keeper_.wait_until(lock, idle_.front().since + Ms(*options_.idle_ms));
}

// ---- what users see

Lease::Lease(std::shared_ptr<PoolState> pool, std::unique_ptr<Plugin> plugin) : pool_(std::move(pool)), plugin_(std::move(plugin)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  End();
  pool_ = std::move(other.pool_);
  plugin_ = std::move(other.plugin_);
  return *this;
}

void Lease::End() {
  if (plugin_ != nullptr) pool_->GiveBack(std::move(plugin_));
  pool_.reset();
}

Pool::Pool(std::shared_ptr<PoolState> state) : state_(std::move(state)) {}
Pool::~Pool() { state_->Close(); }

Result<std::unique_ptr<Pool>> Pool::Create(std::shared_ptr<Compiled> compiled, PoolOptions options) {
  const uint32_t slots = static_cast<CompiledImpl&>(*compiled).slots();
  if (options.plugins_max == 0) options.plugins_max = slots != 0 ? slots : std::max(1u, std::thread::hardware_concurrency());
  if (slots != 0 && options.plugins_max > slots) {
    return Error{ErrorCode::kInvalidArgument, "plugins_max " + std::to_string(options.plugins_max) + ": the plugin was compiled with slots for " + std::to_string(slots)};
  }
  if (options.ready_plugins > options.plugins_max) {
    return Error{ErrorCode::kInvalidArgument, "ready_plugins " + std::to_string(options.ready_plugins) + ": is more than plugins_max, " + std::to_string(options.plugins_max)};
  }
  auto state = std::make_shared<PoolState>(std::move(compiled), options);
  WEIR_TRY_VOID(state->Start());
  return std::unique_ptr<Pool>(new Pool(std::move(state)));
}

Result<Lease> Pool::Take() { return Take(state_->options().wait_ms); }

Result<Lease> Pool::Take(std::optional<uint64_t> wait_ms) {
  WEIR_TRY(auto plugin, state_->Take(wait_ms));
  return Lease(state_, std::move(plugin));
}

Result<std::string> Pool::Call(std::string_view function, const Input& input, const CallOptions& options) {
  WEIR_TRY(const Lease plugin, Take());
  WEIR_TRY(const std::string_view output, plugin->Call(function, input, options));
  return std::string(output);
}

const Compiled& Pool::compiled() const { return state_->compiled(); }
const PoolOptions& Pool::options() const { return state_->options(); }
PoolCounts Pool::counts() const { return state_->counts(); }

}  // namespace weir::extism
