// Plugins of Extism for many threads: each takes one, calls it as often as it wants, and gives it back.
//
//   WEIR_TRY(auto pool, weir::extism::Pool::Create(compiled, {.plugins_max = 8, .wait_ms = 100}));
//   {
//     WEIR_TRY(auto plugin, pool->Take());                                        // a lease, from any thread
//     WEIR_TRY(std::string_view output, plugin->Call("count_vowels", "hello"));   // good until the lease ends
//   }
//
// What the next one finds in the plugin: with Begin::kKept what libextism's own pool leaves there, which resets nothing. Variables,
// memory and globals stay; blocks of the kernel, with input, output and error, are forgotten when the next call begins, as before
// each call. With Begin::kFresh nothing at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "weir/extism.h"
#include "weir/result.h"

namespace weir::extism {

/// What a lease begins with.
enum class Begin : uint8_t {
  kKept,   ///< the plugin as the lease before left it, or a new one
  kFresh,  ///< a new plugin: users share nothing. PluginOptions::slots makes that cheap, PoolOptions::ready_plugins takes it out of the way
};

/// What becomes of a plugin that is Plugin::broken() when it is given back.
enum class BrokenPlugins : uint8_t {
  kReplace,  ///< thrown away; a new one takes its place when it is needed
  kKeep,     ///< the reference's way: it goes on with whatever state it is in
};

struct PoolOptions {
  size_t plugins_max = 0;                    ///< live at once, out or idle; 0: PluginOptions::slots, or one for each processor
  std::optional<uint64_t> wait_ms = 1000;    ///< for a plugin when all are out; nullopt: as long as it takes
  Begin begin = Begin::kKept;
  BrokenPlugins broken = BrokenPlugins::kReplace;
  std::optional<uint64_t> idle_ms;           ///< one that nobody took for so long is freed; 0: at once; nullopt: never
  size_t ready_plugins = 0;                  ///< so many idle ones are made ahead, and instantiated, by a thread of the pool's
};

struct PoolCounts {
  size_t live = 0;        ///< out, idle or being made; at most plugins_max
  size_t idle = 0;
  size_t out = 0;
  uint64_t made = 0;
  uint64_t replaced = 0;  ///< broken ones that were thrown away
  uint64_t expired = 0;   ///< freed for PoolOptions::idle_ms
  uint64_t waits = 0;     ///< takers that had to wait
  uint64_t timeouts = 0;  ///< and those in vain
};

class PoolState;

/// A plugin that is one's own until the lease ends. Used by one thread at a time, not only the one that took it. It may outlive the pool.
class Lease {
 public:
  Lease(std::shared_ptr<PoolState> pool, std::unique_ptr<Plugin> plugin);
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&& other) noexcept;
  /// Gives it back; what it threw away is freed here.
  ~Lease() { End(); }
  Plugin* operator->() const { return plugin_.get(); }
  Plugin& operator*() const { return *plugin_; }

 private:
  void End();
  std::shared_ptr<PoolState> pool_;
  std::unique_ptr<Plugin> plugin_;  ///< null: ended, or moved from
};

/// Thread-safe; outlived by the runtime. The one used last is taken first: its memory is the warmest. Those who wait have no order.
class Pool {
 public:
  /// Makes the first plugin, so that one that cannot be linked is refused here.
  static Result<std::unique_ptr<Pool>> Create(std::shared_ptr<Compiled> compiled, PoolOptions options = {});
  /// Nobody is in Take. Plugins that are out end with their leases.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// kLimit: none within PoolOptions::wait_ms. Other errors: it could not be made.
  Result<Lease> Take();
  Result<Lease> Take(std::optional<uint64_t> wait_ms);
  /// Takes one, calls it, gives it back. The output is a copy.
  Result<std::string> Call(std::string_view function, const Input& input, const CallOptions& options = {});

  const Compiled& compiled() const;
  const PoolOptions& options() const;
  PoolCounts counts() const;

 private:
  explicit Pool(std::shared_ptr<PoolState> state);
  const std::shared_ptr<PoolState> state_;
};

}  // namespace weir::extism
