// A plugin as its operator names it (PluginSpec) and as it runs (Plugin).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/engine.h"
#include "weir/host.h"
#include "weir/http.h"
#include "weir/result.h"
#include "weir/tcp.h"

namespace weir {

/// Everything that a guest can make grow. Reaching one is a value or an ended instance, never a crash.
struct Limits {
  bool operator==(const Limits&) const = default;
  uint64_t memory_bytes = 256ull << 20;      ///< linear memory of an instance; also bounds one uninterruptible memory.fill
  uint64_t table_elements = 1u << 20;        ///< all Go and Coraza tables are below 20,000
  uint32_t callback_ms = 50;                 ///< CPU time of a stream callback, tick or other event
  uint32_t start_ms = 30'000;                ///< CPU time of start, on_vm_start and on_configure, each
  uint64_t body_bytes = 1ull << 20;          ///< bytes of one body, or one side of a TCP connection, held while paused
  uint32_t log_line_bytes = 8192;            ///< a longer line is cut
  uint32_t header_pairs = 1000;              ///< in one serialized map written by the guest
  uint64_t header_bytes = 256ull << 10;      ///< in one serialized map written by the guest
  uint32_t contexts = 100'000;               ///< streams alive in one instance
  uint64_t random_bytes = 64ull << 10;       ///< in one random_get
  uint32_t restarts_burst = 10;              ///< new instances after a failure in a row ...
  uint32_t restart_interval_ms = 1000;       ///< ... then one each interval; until then OnError holds
  uint64_t property_bytes = 64ull << 10;     ///< paths and values of custom properties set on one stream
  uint32_t full_ms = 60'000;                 ///< how long a TCP side may stay paused with body_bytes held, before it is closed
  uint32_t done_ms = 60'000;                 ///< how long a context may wait for proxy_done
  uint32_t calls = 10'000;                   ///< HTTP and gRPC calls and gRPC streams in flight, of one worker
  uint64_t call_bytes = 4ull << 20;          ///< body of one HTTP call, one gRPC message sent; gRPC's own default
  uint64_t foreign_bytes = 4ull << 20;       ///< argument and answer of a built-in foreign function: a compressed bomb, and time
};

enum class OnError : uint8_t {
  kClosed,  ///< a stream whose plugin failed gets 503, a TCP connection is closed
  kOpen,    ///< it goes on without the plugin
};
enum class Statuses : uint8_t {
  kLenient,  ///< host calls answer only what every SDK tolerates; see docs/proxy-wasm.md
  kStrict,   ///< host calls answer the specification's status
};
enum class OnBufferFull : uint8_t { kReject, kRelease };
enum class HeaderPause : uint8_t { kStream, kHeadersOnly };

/// What a plugin may use of the host, by names. Each list that is absent allows everything of its kind.
struct Allow {
  bool operator==(const Allow&) const = default;
  std::optional<std::vector<std::string>> functions;  ///< groups of host functions: AllowGroups()
  std::optional<std::vector<std::string>> upstreams;  ///< that HTTP and gRPC calls may name
  std::optional<std::vector<std::string>> foreign;    ///< foreign functions
};
/// A group of host functions; those of no group are always allowed (log, clock, configuration, contexts).
struct AllowGroup {
  std::string_view name;
  std::string_view about;
};
std::span<const AllowGroup> AllowGroups();
/// "http_call,shared_data,upstream:authz,foreign:compress", or "none": no host function of any group. kInvalidArgument names the
/// item and the nearest known one.
Result<Allow> ParseAllow(std::string_view text);

/// Where a plugin runs, as its operator names it: the property `node`. Empty fields are not there.
struct Node {
  std::string id, cluster, region, zone, sub_zone;
  HeaderList metadata;
  /// `key`: "id" … or "metadata.NAME". False: no such key, or it has a value already.
  bool Set(std::string_view key, std::string_view value);
};

struct PluginSpec {
  std::string name;              ///< in logs, errors, metrics; the operator's
  std::string path;              ///< of the module, for messages
  std::string root_id;           ///< plugin_root_id
  std::string vm_id;             ///< name space of shared data and queues, and whose VM this plugin shares (SharesVm); empty: the name, and none
  std::string configuration;     ///< bytes of on_configure
  std::string vm_configuration;  ///< bytes of on_vm_start
  std::vector<std::pair<std::string, std::string>> environment;
  Limits limits;
  OnError on_error = OnError::kClosed;
  Statuses statuses = Statuses::kLenient;
  OnBufferFull on_buffer_full = OnBufferFull::kReject;
  HeaderPause header_pause = HeaderPause::kStream;
  LogLevel stderr_level = LogLevel::kError;
  Allow allow;
  Node node;                     ///< of all plugins of one embedder
};

/// Whether both, of one module, live in one VM of a worker: an equal vm_id that is not empty, and all that a VM is made with is equal (its
/// configuration, environment, limits, `allow`, `statuses`, `stderr_level`). What is theirs may differ: name, root_id, configuration, on_error,
/// on_buffer_full, header_pause, node.
bool SharesVm(const PluginSpec& one, const PluginSpec& other);

struct PluginStats {
  uint64_t instances = 0;   ///< it was started in, since it was loaded
  uint64_t failures = 0;    ///< traps, deadlines, limits
  uint64_t streams = 0;
  uint64_t streams_refused = 0;  ///< while it was down: they got on_error
  bool up = false;          ///< an instance is there or may be made now; after it was down: once a probe has succeeded
  std::string last_error;   ///< of the newest failure, with backtrace
  uint64_t calls_started = 0;    ///< HTTP and gRPC
  uint64_t calls_failed = 0;     ///< no answer, or a gRPC status that is not OK
  uint64_t calls_cancelled = 0;  ///< by the plugin, or since their context or instance went
  uint64_t answers_dropped = 0;  ///< came for a call that nobody waits for
  uint64_t host_calls_rejected = 0;  ///< refused by `allow`, or swallowed by lenient statuses
};

/// A loaded plugin of one worker: its instances, root context and limits. Not thread-safe: one thread calls it.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual const PluginSpec& spec() const = 0;
  virtual const PluginStats& stats() const = 0;
  /// Null when the plugin is down: the caller applies spec().on_error. `stream` outlives the filter.
  virtual std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream& stream) = 0;
  /// The same for a TCP connection. Also null where a family has none.
  virtual std::unique_ptr<TcpFilter> NewTcpFilter(TcpStream& stream) {
    (void)stream;
    return nullptr;
  }
  /// The next stream is to have that HttpFilter::id(), unless it was used before: for replays.
  virtual void UseStreamId(uint32_t id) { (void)id; }
  virtual void OnTick() = 0;
  virtual void OnQueueReady(uint32_t queue_id) = 0;
  /// The embedder calls a function of the plugin. [0.2.1 §Foreign function interface, proxy_on_foreign_function]
  virtual void OnForeignFunction(uint32_t function_id, std::string_view arguments) { (void)function_id, (void)arguments; }
};

/// Starts a plugin of whichever family the module is: instance, start functions, root context, on_vm_start, on_configure.
/// `host` outlives the plugin. The error names the plugin, what it did, and the remedy.
Result<std::unique_ptr<Plugin>> LoadPlugin(Engine& engine, std::shared_ptr<const Module> module, PluginSpec spec, Host& host);

/// The import check without running anything: kLinkFailed with the nearest known name, kInvalidModule without an ABI marker.
Result<void> CheckPlugin(const Module& module, std::string_view plugin_name);

}  // namespace weir
