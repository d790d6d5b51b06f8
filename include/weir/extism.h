// Plugins of Extism: functions that take bytes and give bytes. Runtime (one a process) -> Compiled (shared) -> Plugin (one thread at
// a time) -> Call.
//
//   WEIR_TRY(auto runtime, weir::extism::Runtime::Create());
//   WEIR_TRY(auto compiled, runtime->Compile(wasm_or_manifest, {.wasi = true}));
//   WEIR_TRY(auto plugin, compiled->NewPlugin());
//   WEIR_TRY(std::string_view output, plugin->Call("count_vowels", "hello"));
//
// Plugins for many threads: weir/extism_pool.h.
// The semantics are those of libextism 1.41; docs/extism.md says where they differ.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/engine.h"
#include "weir/result.h"

namespace weir::extism {

enum class ValType : uint8_t { kI32, kI64, kF32, kF64 };
union Value {
  uint32_t i32;
  uint64_t i64;
  float f32;
  double f64;
};

/// The plugin that is calling a host function. Dies with that call. A handle is the offset of a block in the plugin's kernel memory.
class CurrentPlugin {
 public:
  virtual ~CurrentPlugin() = default;
  /// A zeroed block; 0: `bytes` is 0 or there is no memory. Views of other blocks stay good.
  virtual uint64_t Alloc(uint64_t bytes) = 0;
  /// No effect on what is no live block.
  virtual void Free(uint64_t handle) = 0;
  /// 0 unless a live block starts there.
  virtual uint64_t Length(uint64_t handle) = 0;
  /// The block's bytes, to read and write. Handle 0 is the empty block; nullopt: no live block starts there.
  virtual std::optional<std::span<uint8_t>> Block(uint64_t handle) = 0;
  /// Kernel memory from offset 0; it does not move while the plugin lives.
  virtual uint8_t* memory() = 0;
  /// What CallOptions::host_context was; null outside of a call that has one.
  virtual void* host_context() = 0;
  virtual std::span<const uint8_t, 16> id() const = 0;
  /// The block as text; nullopt as for Block.
  std::optional<std::string_view> Text(uint64_t handle);
  /// A new block with these bytes; 0: they are empty, or there is no memory.
  uint64_t New(std::string_view bytes);
};

/// A function that the embedder offers to plugins.
struct HostFunction {
  std::string name;
  std::vector<ValType> params, results;
  /// An error stops the plugin: the call fails with "error while executing at wasm backtrace: …", and the message is the cause.
  std::function<Result<void>(CurrentPlugin& plugin, std::span<const Value> params, std::span<Value> results)> call;
  std::string module = "extism:host/user";
};
/// A host function whose Wasm types are those of the C++ function: int32_t, int64_t (signed or not), float and double as they are;
/// std::string_view, std::string and, as a parameter, std::span<uint8_t> (changed in place) as handles of blocks. It may have
/// CurrentPlugin& in front, and answer with a Result. A handle that is no live block stops the plugin.
template <class F>
HostFunction Typed(std::string name, F function);

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };
/// Where plugins log. Called by the thread that calls the plugin.
struct LogSink {
  LogLevel level = LogLevel::kOff;  ///< from this one on
  const std::atomic<LogLevel>* shared_level = nullptr;  ///< in its place, where it changes while plugins live; outlives them
  std::function<void(LogLevel level, std::string_view plugin_id, std::string_view message)> write;
  LogLevel level_now() const { return !write ? LogLevel::kOff : shared_level != nullptr ? shared_level->load(std::memory_order_relaxed) : level; }
};

/// A request of a plugin, which passed `allowed_hosts`; or of a manifest, for a module.
struct HttpRequest {
  std::string url, method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<uint64_t> timeout_ms;
  uint64_t response_bytes_max = 50ull << 20;
  std::function<bool(std::string_view host)> allows;  ///< where redirects may lead; null: anywhere
};
struct HttpResponse {
  uint16_t status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;
};
/// Does it and waits. Errors are the plugin's (kLimit: the response is longer than response_bytes_max; kTrapped: time is over).
using HttpClient = std::function<Result<HttpResponse>(const HttpRequest& request)>;
/// By the libcurl of the system, which is loaded at the first request. Thread-safe.
HttpClient CurlClient();

/// `{"data": {"ptr": …, "len": …}}` names bytes of this process: only for manifests that the process itself made.
enum class ManifestPointers : bool { kRefused, kAllowed };

struct PluginOptions {
  bool wasi = false;                     ///< link WASI preview 1; preopens are the manifest's allowed_paths
  std::optional<uint64_t> fuel;          ///< instructions a call may take; compiled as other code
  bool memory_limits_vary = false;       ///< Compiled::With may limit memory where the manifest does not; an instance's image is then copied
  std::vector<HostFunction> functions;
  bool http_response_headers = false;    ///< plugins may read the headers of responses
  HttpClient http;                       ///< null: no HTTP ("http_request is not enabled, …")
  LogSink log;
  CodeCache cache;                       ///< of compiled code; empty: none
  /// Memory for so many plugins, live at once, is set aside: making one takes some microseconds, not tens. More are an error. At most
  /// 5000; 0: nothing is set aside, and there is no limit. No effect beside `memory.max_pages`.
  uint32_t slots = 0;
  ManifestPointers manifest_pointers = ManifestPointers::kRefused;
};

/// What a manifest says beside its modules, or what replaces it for bare modules.
struct ManifestLimits {
  std::optional<uint32_t> memory_pages_max;       ///< growth of all memories together, and each one's start; 64 KiB each
  std::optional<uint64_t> http_response_bytes_max;  ///< 50 MiB
  std::optional<uint64_t> var_bytes_max = 1 << 20;  ///< 0: no variables
  std::optional<uint64_t> timeout_ms;
};
struct ManifestModule {
  enum class Source : uint8_t { kPath, kData, kUrl } source = Source::kData;
  std::string path, data;  ///< `data`: binary or text
  HttpRequest request;     ///< kUrl
  std::optional<std::string> name, hash;
};
struct Manifest {
  std::vector<ManifestModule> modules;
  ManifestLimits limits;
  std::vector<std::pair<std::string, std::string>> config;
  std::optional<std::vector<std::string>> allowed_hosts;                              ///< globs
  std::vector<std::pair<std::string, std::string>> allowed_paths;  ///< host path ("ro:" in front: read only) to guest path
};
/// JSON or TOML.
Result<Manifest> ParseManifest(std::string_view text, ManifestPointers pointers = ManifestPointers::kRefused);

/// What goes into a call. It is written once, to where the plugin reads it. What it refers to outlives the call.
class Input {
 public:
  Input() = default;
  Input(std::string_view bytes) : bytes_(bytes) {}
  Input(const std::string& bytes) : bytes_(bytes) {}
  Input(const char* text) : bytes_(text) {}
  /// The pieces one after the other: a proxy's chain of buffers.
  static Input Gather(std::span<const std::string_view> pieces);
  /// Writes into memory of the plugin from the start of `room`, which is not empty, and says how many bytes. It does not use the
  /// plugin. After an error the function is not called, and Plugin::Call gives that error.
  using Writer = std::function<Result<size_t>(std::span<uint8_t> room)>;
  /// `write` is called once with `bytes_max` bytes of room, not at all for 0.
  static Input Fill(uint64_t bytes_max, Writer write);
  /// `read` is called until it says 0. Longer than `bytes_max`: kLimit.
  static Input Stream(Writer read, uint64_t bytes_max = UINT32_MAX);

 private:
  friend class PluginImpl;
  enum class Kind : uint8_t { kBytes, kPieces, kFill, kStream } kind_ = Kind::kBytes;
  std::string_view bytes_;
  std::span<const std::string_view> pieces_;
  uint64_t size_ = 0;  ///< of pieces; the most of kFill and kStream
  Writer writer_;
};

/// How a call ended, in the words of the reference.
struct Outcome {
  int32_t code = -1;          ///< what extism_plugin_call returns; 0 is success, unless there is an error
  bool failed = false;        ///< `error` says why
  std::string error;          ///< outermost message: "timeout", "oom", "plugin ran out of fuel", the guest's text, …
  std::string cause;          ///< innermost: of a trap, "wasm trap: wasm `unreachable` instruction executed"
  std::string_view output;    ///< in the plugin's memory: good until the next call or Reset, or the end of the plugin or its lease
  std::optional<ErrorCode> input_error;  ///< the input could not be written: the function was not called
};

struct CallOptions {
  void* host_context = nullptr;
};

/// Stops a call from another thread, like its timeout. Outlives the plugin safely.
class CancelHandle {
 public:
  virtual ~CancelHandle() = default;
  virtual void Cancel() = 0;
};

/// One thread at a time. Created not yet instantiated; the first call does that.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual Outcome CallRaw(std::string_view function, const Input& input, const CallOptions& options = {}) = 0;
  /// The output; an error also when the function returned anything but 0 ("Returned non-zero exit code: N").
  Result<std::string_view> Call(std::string_view function, const Input& input, const CallOptions& options = {});
  /// What the first call does before its function: that one need not wait for it. Its fuel is that of a call.
  virtual Result<void> Instantiate() = 0;

  /// A call trapped, left by proc_exit, ran out of time, fuel or memory, or was cancelled: what the guest was about is half done.
  /// Calls are possible. Until its state is a new one (after `_start`).
  virtual bool broken() const = 0;

  /// Whether it is callable: no parameters, and no result or an i32.
  virtual bool FunctionExists(std::string_view function) const = 0;
  /// Forgets all blocks of the kernel, as before each call.
  virtual void Reset() = 0;
  /// The error block that the guest left: nullopt when there is none; empty when it is no live block any more.
  virtual std::optional<std::string> GuestError() = 0;
  virtual void SetConfig(std::string_view key, std::optional<std::string_view> value) = 0;
  virtual void AllowHttpResponseHeaders() = 0;
  virtual std::shared_ptr<CancelHandle> cancel_handle() = 0;
  /// A UUID of version 4, of this plugin alone.
  virtual std::span<const uint8_t, 16> id() const = 0;
  /// Of the last call; nullopt without PluginOptions::fuel.
  virtual std::optional<uint64_t> fuel_consumed() const = 0;
};

/// Modules compiled, and what plugins of them share. Thread-safe.
class Compiled : public std::enable_shared_from_this<Compiled> {
 public:
  virtual ~Compiled() = default;
  /// Links, which runs start functions once (as the reference does). `cause`: the innermost message of the error.
  virtual Result<std::unique_ptr<Plugin>> NewPlugin(std::string* cause = nullptr) = 0;
  virtual bool FunctionExists(std::string_view function) const = 0;
  /// All for which FunctionExists, in the order of the module's exports.
  virtual std::vector<std::string> Functions() const = 0;
  virtual const Manifest& manifest() const = 0;
  /// The same code for another use, without compiling: other limits, functions, HTTP and log. Of `options`, what decides the code must be
  /// as it was: fuel or none, and a memory limit only where there was one or memory_limits_vary. kInvalidArgument else.
  virtual Result<std::shared_ptr<Compiled>> With(const ManifestLimits& limits, PluginOptions options) const = 0;
};

/// The engines of a process, made when they are needed. Thread-safe. Outlives what it compiles.
class Runtime {
 public:
  static Result<std::unique_ptr<Runtime>> Create();
  virtual ~Runtime() = default;
  /// `source`: a module (binary or text) or a manifest (JSON or TOML). `cause`: the innermost message of the error.
  virtual Result<std::shared_ptr<Compiled>> Compile(std::string_view source, PluginOptions options, std::string* cause = nullptr) = 0;
  virtual Result<std::shared_ptr<Compiled>> Compile(const Manifest& manifest, PluginOptions options, std::string* cause = nullptr) = 0;
  /// Modules that Compile has compiled, or taken from the code cache, so far.
  virtual uint64_t modules_made() const = 0;
};

}  // namespace weir::extism

#include "weir/extism_typed.h"
