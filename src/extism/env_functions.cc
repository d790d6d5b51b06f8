#include "extism/env_functions.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "extism/glob.h"
#include "extism/http_json.h"
#include "extism/kernel.h"
#include "extism/plugin.h"
#include "extism/utf8.h"

namespace weir::extism {
namespace {

using engine::RawValue;
using engine::World;

// What the reference counts for each variable beside its bytes: two Rust strings.
constexpr uint64_t kVarOverhead = 48;
constexpr uint64_t kVarBytesDefault = 1 << 20, kHttpBytesDefault = 50ull << 20;
constexpr uint32_t kLoggingOff = 0x7fffffff;

/// One call of an env function. Every function here takes its handles: their blocks are freed when they were read.
class EnvCall {
 public:
  EnvCall(World& world, RawValue* slots) : world_(world), plugin_(*static_cast<PluginImpl*>(world.self())), slots_(slots) {}
  PluginImpl& plugin() { return plugin_; }
  uint64_t argument(size_t i) const { return slots_[i].i64; }
  bool Fail(std::string message) {
    world_.SetHostError(std::move(message));
    return false;
  }
  /// The block's bytes, or a failure "invalid handle offset for WHAT: N".
  std::optional<std::string> Bytes(size_t i, const char* what) {
    if (const auto text = plugin_.Text(argument(i))) return std::string(*text);
    Fail("invalid handle offset for " + std::string(what) + ": " + std::to_string(argument(i)));
    return std::nullopt;
  }
  std::optional<std::string> Text(size_t i, const char* what) {
    auto bytes = Bytes(i, what);
    if (!bytes) return std::nullopt;
    if (auto fault = Utf8Fault(*bytes)) {
      Fail(*std::move(fault));
      return std::nullopt;
    }
    return bytes;
  }
  void Free(size_t i) { plugin_.Free(argument(i)); }
  bool Return(uint64_t value) {
    slots_[0].i64 = value;
    return true;
  }
  bool Return32(uint32_t value) {
    slots_[0].i32 = value;
    return true;
  }
  /// A new block with these bytes; no bytes are handle 0.
  bool ReturnBytes(std::string_view bytes) {
    if (bytes.empty()) return Return(0);
    const uint64_t handle = plugin_.New(bytes);
    return handle == 0 ? Fail(plugin_.AllocFault()) : Return(handle);
  }

 private:
  World& world_;
  PluginImpl& plugin_;
  RawValue* const slots_;
};

template <class Map>
bool Get(EnvCall& call, const Map& map, const char* what) {
  const auto key = call.Text(0, what);
  if (!key) return false;
  call.Free(0);
  const auto row = map.find(*key);
  return row == map.end() ? call.Return(0) : call.ReturnBytes(row->second);
}

bool ConfigGet(EnvCall& call) { return Get(call, call.plugin().config, "config key"); }
bool VarGet(EnvCall& call) { return Get(call, call.plugin().vars, "var key"); }

bool VarSet(EnvCall& call) {
  const auto limit = call.plugin().manifest().limits.var_bytes_max;
  if (limit == 0) return call.Fail("Vars are disabled by this host");
  auto& vars = call.plugin().vars;
  const auto key = call.Text(0, "var key");
  if (!key) return false;
  if (call.argument(1) == 0) {
    vars.erase(*key);
    call.Free(0);
    return true;
  }
  auto value = call.Bytes(1, "var value");
  if (!value) return false;
  uint64_t bytes = kVarOverhead + key->size() + value->size();
  for (const auto& [name, old] : vars) bytes += kVarOverhead + name.size() + old.size();
  if (bytes > limit.value_or(kVarBytesDefault)) return call.Fail("Variable store is full");
  call.Free(1);
  call.Free(0);
  vars.insert_or_assign(*key, *std::move(value));
  return true;
}

bool HostAllowed(const Manifest& manifest, std::string_view host) {
  if (!manifest.allowed_hosts) return false;
  return std::any_of(manifest.allowed_hosts->begin(), manifest.allowed_hosts->end(), [&](const auto& glob) { return HostMatches(glob, host); });
}

bool RequestHttp(EnvCall& call) {
  PluginImpl& plugin = call.plugin();
  const bool enabled = plugin.options().http != nullptr;
  const auto block = plugin.Text(call.argument(0));
  if (!block) {
    return call.Fail((enabled ? "invalid handle offset for http request: " : "http_request input is invalid: ") + std::to_string(call.argument(0)));
  }
  auto parsed = ParseHttpRequest(*block);
  if (!parsed) return call.Fail(parsed.error().message);
  HttpRequest request = *std::move(parsed);
  if (!enabled) {
    call.Free(0);
    return call.Fail("http_request is not enabled, request to " + request.url + " is not allowed");
  }
  if (plugin.http_headers()) plugin.http_headers()->clear();
  plugin.http_status = 0;
  call.Free(0);
  const auto host = HostOfUrl(request.url);
  if (!host) return call.Fail("Invalid URL: " + host.error().message);
  if (!HostAllowed(plugin.manifest(), *host)) return call.Fail("HTTP request to " + request.url + " is not allowed");
  if (call.argument(1) != 0) {
    const auto body = plugin.Text(call.argument(1));
    if (!body) return call.Fail("invalid handle offset for http request body: " + std::to_string(call.argument(0)));
    request.body = *body;
    call.Free(1);
  }
  std::transform(request.method.begin(), request.method.end(), request.method.begin(), [](unsigned char c) { return std::toupper(c); });
  request.timeout_ms = plugin.time_left_ms();
  request.response_bytes_max = plugin.manifest().limits.http_response_bytes_max.value_or(kHttpBytesDefault);
  request.allows = [&](std::string_view to) { return HostAllowed(plugin.manifest(), to); };
  auto response = plugin.options().http(request);
  if (!response) {
    const bool late = response.error().code == ErrorCode::kTrapped && plugin.time_left_ms() == uint64_t{0};
    return call.Fail(late ? "timeout" : response.error().message);
  }
  plugin.http_status = response->status;
  if (auto& headers = plugin.http_headers()) {
    for (auto& [name, value] : response->headers) headers->insert_or_assign(std::move(name), std::move(value));
  }
  return call.ReturnBytes(response->body);
}

bool HttpStatusCode(EnvCall& call) { return call.Return32(call.plugin().http_status); }

bool HttpHeaders(EnvCall& call) {
  const auto& headers = call.plugin().http_headers();
  return headers ? call.ReturnBytes(JsonOf(*headers)) : call.Return(0);
}

template <LogLevel kLevel>
bool Log(EnvCall& call) {
  const LogSink& sink = call.plugin().options().log;
  if (kLevel < sink.level_now()) {
    call.Free(0);
    return true;
  }
  const auto text = call.Bytes(0, "log message");
  if (!text) return false;
  if (const auto fault = Utf8Fault(*text)) {
    sink.write(LogLevel::kError, call.plugin().id_text(), "unable to log message: " + *fault);
  } else {
    sink.write(kLevel, call.plugin().id_text(), *text);
  }
  call.Free(0);
  return true;
}

bool GetLogLevel(EnvCall& call) {
  const LogLevel level = call.plugin().options().log.level_now();
  return call.Return32(level == LogLevel::kOff ? kLoggingOff : static_cast<uint32_t>(level));
}

template <bool (*kFunction)(EnvCall&)>
bool Thunk(World& world, void*, RawValue* slots) noexcept {
  EnvCall call(world, slots);
  return kFunction(call);
}

struct Row {
  const char* name;
  size_t params;
  const char* result;  ///< "", "i32", "i64"; parameters are all i64
  engine::WorldThunk thunk;
};
constexpr Row kRows[] = {
    {"config_get", 1, "i64", &Thunk<&ConfigGet>},
    {"var_get", 1, "i64", &Thunk<&VarGet>},
    {"var_set", 2, "", &Thunk<&VarSet>},
    {"http_request", 2, "i64", &Thunk<&RequestHttp>},
    {"http_status_code", 0, "i32", &Thunk<&HttpStatusCode>},
    {"http_headers", 0, "i64", &Thunk<&HttpHeaders>},
    {"log_trace", 1, "", &Thunk<&Log<LogLevel::kTrace>>},
    {"log_debug", 1, "", &Thunk<&Log<LogLevel::kDebug>>},
    {"log_info", 1, "", &Thunk<&Log<LogLevel::kInfo>>},
    {"log_warn", 1, "", &Thunk<&Log<LogLevel::kWarn>>},
    {"log_error", 1, "", &Thunk<&Log<LogLevel::kError>>},
    {"get_log_level", 0, "i32", &Thunk<&GetLogLevel>},
};

}  // namespace

std::vector<engine::WorldFunction> EnvFunctions() {
  std::vector<engine::WorldFunction> functions;
  for (const Row& row : kRows) {
    engine::WorldFunction function{.module = std::string(kEnvModule), .name = row.name, .thunk = row.thunk};
    function.params.assign(row.params, engine::ValType::kI64);
    if (*row.result != '\0') function.results.push_back(std::string_view(row.result) == "i64" ? engine::ValType::kI64 : engine::ValType::kI32);
    functions.push_back(std::move(function));
  }
  return functions;
}

bool CallHostFunction(World& world, void* env, RawValue* slots) noexcept {
  const auto& function = *static_cast<const HostFunction*>(env);
  std::array<Value, 16> few;
  const size_t count = function.params.size() + function.results.size();
  std::vector<Value> many(count > few.size() ? count : 0);
  Value* const values = many.empty() ? few.data() : many.data();
  for (size_t i = 0; i < function.params.size(); ++i) values[i].i64 = slots[i].i64;
  const std::span<Value> results(values + function.params.size(), function.results.size());
  for (Value& result : results) result.i64 = 0;
  auto called = function.call(*static_cast<PluginImpl*>(world.self()), {values, function.params.size()}, results);
  if (!called) {
    world.SetHostError(std::move(called.error().message));
    return false;
  }
  for (size_t i = 0; i < results.size(); ++i) slots[i].i64 = results[i].i64;
  return true;
}

}  // namespace weir::extism
