#include "suite/tester_calls.h"

#include "abi/bind.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/statuses.h"

namespace weir::suite {

class TesterCalls;

struct TesterAbi : proxy_wasm::ProxyAbi {
  static TesterCalls& Self(void* self);
};

}  // namespace weir::suite

namespace weir::abi {
template <>
struct Out<suite::TesterAbi, std::string_view> : Out<proxy_wasm::ProxyAbi, std::string_view> {};
}  // namespace weir::abi

namespace weir::suite {

using proxy_wasm::Answer;
using proxy_wasm::BufferType;
using proxy_wasm::MapType;
using proxy_wasm::Status;
using proxy_wasm::StreamType;
using enum proxy_wasm::Status;

void TesterState::AddLog(LogLevel level, std::string_view line) {
  if (level < log_level) return;
  log_bytes += line.size() + kLineCost;
  if (log_bytes > kLogBytesMax) return;  // a loop that logs must not eat the process
  all_logs.emplace_back(line);
  if (plugin_context_exists) logs.emplace_back(line);
}

// Where a method says nothing of it, an answer is that of proxy-wasm-cpp-host's ContextBase, on which the tester is built.
class TesterCalls final : public proxy_wasm::HostCalls {
 public:
  using Abi = TesterAbi;
  TesterCalls(proxy_wasm::Core& core, proxy_wasm::Vm& vm, TesterState& state) : HostCalls(core, vm), state_(state) {}

  Status Log(uint32_t level, std::string_view message) {
    if (level > uint32_t(LogLevel::kCritical)) return kBadArgument;
    state_.plugin_context_exists = plugin_context_exists();
    state_.AddLog(LogLevel(level), message);
    return kOk;
  }
  Answer<uint32_t> GetLogLevel() { return uint32_t(state_.log_level); }

  // ---- Header maps: that of the running headers callback alone.
  Answer<uint32_t> GetHeaderMapSize(MapType map) {
    if (const Status status = Check(map); status != kOk) return status;
    return uint32_t(state_.headers.size());  // names, not bytes
  }
  Answer<std::string_view> GetHeaderMapPairs(MapType map) {
    if (const Status status = Check(map); status != kOk) return status;
    if (state_.headers.size() == 0) return std::string_view();
    proxy_wasm::SerializePairs(state_.headers.List(), &scratch_);
    return std::string_view(scratch_);
  }
  Status SetHeaderMapPairs(MapType map, std::string_view bytes) {
    if (const Status status = Check(map); status != kOk) return status;
    const auto pairs = proxy_wasm::ParsePairs(bytes, kAnySize);
    state_.headers.clear();
    if (!Grow(bytes)) return kInternalFailure;
    for (const auto& [key, value] : pairs.value_or(proxy_wasm::PairViews())) state_.headers.Add(key, value);
    return kOk;
  }
  Answer<std::string_view> GetHeaderMapValue(MapType map, std::string_view key) {
    if (const Status status = Check(map); status != kOk) return status;
    const std::string* value = state_.headers.Find(key);
    if (value == nullptr) return kNotFound;
    return std::string_view(*value);
  }
  Status AddHeaderMapValue(MapType map, std::string_view key, std::string_view value) {
    if (const Status status = Check(map); status != kOk) return status;
    if (!Grow(key) || !Grow(value)) return kInternalFailure;
    state_.headers.Add(key, value);
    return kOk;
  }
  Status ReplaceHeaderMapValue(MapType map, std::string_view key, std::string_view value) {
    if (const Status status = Check(map); status != kOk) return status;
    if (!Grow(key) || !Grow(value)) return kInternalFailure;
    state_.headers.Set(key, value);
    return kOk;
  }
  Status RemoveHeaderMapValue(MapType map, std::string_view key) {
    if (const Status status = Check(map); status != kOk) return status;
    state_.headers.Remove(key);
    return kOk;
  }

  // ---- Buffers: the plugin's configuration, and in a body callback its own chunk.
  Answer<std::string_view> GetBufferBytes(BufferType buffer, uint32_t start, uint32_t length) {
    std::string_view bytes;
    if (const Status status = Buffer(buffer, &bytes); status != kOk) return status;
    if (uint64_t(start) + length > UINT32_MAX) return kBadArgument;
    return bytes.substr(std::min<size_t>(start, bytes.size()), length);
  }
  Answer<std::tuple<uint32_t, uint32_t>> GetBufferStatus(BufferType buffer) {
    std::string_view bytes;
    if (const Status status = Buffer(buffer, &bytes); status != kOk) return status;
    return std::tuple{uint32_t(bytes.size()), 0u};
  }
  Status SetBufferBytes(BufferType buffer, uint32_t start, uint32_t length, std::string_view value) {
    std::string_view bytes;
    if (const Status status = Buffer(buffer, &bytes); status != kOk) return status;
    if (buffer == BufferType::kPluginConfiguration) return kBadArgument;
    if (state_.body.size() + value.size() > TesterState::kBodyBytesMax) return kInternalFailure;
    state_.body.replace(std::min<size_t>(start, state_.body.size()), length, value);
    return kOk;
  }

  // ---- Streams
  Status SendLocalResponse(uint32_t status, std::string_view details, std::string_view body, std::string_view headers, int32_t grpc_status) {
    using Phase = TesterState::Phase;
    const auto pairs = proxy_wasm::ParsePairs(headers, kAnySize);
    state_.stops = true;
    const bool allowed = state_.phase == Phase::kRequestHeaders || state_.phase == Phase::kRequestBody || state_.phase == Phase::kResponseHeaders;
    if (stream() == nullptr || !allowed) return kOk;
    state_.replied = true;
    state_.http_code = status;
    state_.grpc_code = uint32_t(grpc_status);
    state_.details = details;
    state_.reply_body = body;
    state_.headers.clear();
    for (const auto& [key, value] : pairs.value_or(proxy_wasm::PairViews())) state_.headers.Set(key, value);
    return kOk;
  }
  template <uint32_t kTypes>
  Status StreamCall(StreamType type) {
    return uint32_t(type) < kTypes ? kUnimplemented : kBadArgument;
  }
  Status ContinueOld() { return kUnimplemented; }
  Nothing ContinueOldNothing() { return Nothing::kReturn; }
  Answer<std::tuple<uint32_t, std::string_view>> GetStatus() { return std::tuple{1u, std::string_view("unimplemented")}; }

  // ---- Properties: those of the case, for streams.
  Answer<std::string_view> GetProperty(std::string_view path) {
    if (stream() == nullptr) {
      if (path == "plugin_root_id") return std::string_view();
      return kUnimplemented;
    }
    const std::string dotted = Dotted(path);
    for (const pb::Property& property : state_.test->properties())
      if (property.path() == dotted) return std::string_view(property.value());
    return kNotFound;
  }

  // ---- What the tester has not.
  template <class... A>
  Status None(A...) {
    return kUnimplemented;
  }
  template <class T, class... A>
  Answer<T> NoAnswer(A...) {
    return kUnimplemented;
  }
  Answer<std::string_view> NoForeign(std::string_view, std::string_view) { return kNotFound; }

 private:
  static constexpr proxy_wasm::PairLimits kAnySize{UINT32_MAX, UINT64_MAX};

  Status Check(MapType map) {
    if (stream() == nullptr) return kUnimplemented;
    const bool request = state_.phase == TesterState::Phase::kRequestHeaders;
    const MapType open = request ? MapType::kHttpRequestHeaders : MapType::kHttpResponseHeaders;
    return state_.headers_open && map == open ? kOk : kBadArgument;
  }
  /// Room for more headers: a loop of writes must not eat the process.
  bool Grow(std::string_view bytes) {
    state_.header_bytes += bytes.size() + TesterState::kLineCost;
    return state_.header_bytes <= TesterState::kHeaderBytesMax;
  }
  Status Buffer(BufferType buffer, std::string_view* bytes) {
    using Phase = TesterState::Phase;
    if (uint32_t(buffer) >= proxy_wasm::kBufferTypes) return kBadArgument;
    if (buffer == BufferType::kPluginConfiguration) return *bytes = core().spec.configuration, kOk;
    const Phase phase = buffer == BufferType::kHttpRequestBody ? Phase::kRequestBody : Phase::kResponseBody;
    const bool is_body = buffer == BufferType::kHttpRequestBody || buffer == BufferType::kHttpResponseBody;
    if (stream() == nullptr || !is_body || state_.phase != phase) return kNotFound;
    return *bytes = state_.body, kOk;
  }
  /// NUL between segments becomes a dot; empty segments are left out.
  static std::string Dotted(std::string_view path) {
    std::string dotted;
    while (!path.empty()) {
      const size_t end = std::min(path.find('\0'), path.size());
      if (end > 0) dotted.append(dotted.empty() ? "" : ".").append(path.substr(0, end));
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return dotted;
  }

  TesterState& state_;
  std::string scratch_;  ///< bytes of an answer, during one call
};

TesterCalls& TesterAbi::Self(void* self) { return static_cast<TesterCalls&>(ProxyAbi::Self(self)); }

namespace {

using abi::Fn;
using proxy_wasm::kAllVersions;
using proxy_wasm::kOnly010;
using proxy_wasm::kSince020;
using proxy_wasm::kSince021;
using T = TesterCalls;
using sv = std::string_view;
using u32 = uint32_t;

// Sections and arguments are those of the rows that these take the place of.
constexpr abi::HostFunction kRows[] = {
    Fn<&T::Log, proxy_wasm::kFromAllocator>("proxy_log", "", kAllVersions, {"", "", ""}),
    Fn<&T::GetLogLevel>("proxy_get_log_level", "", kSince021, {""}),
    Fn<&T::SetBufferBytes>("proxy_set_buffer_bytes", "", kAllVersions, {"", "", "", "", ""}),
    Fn<&T::GetBufferBytes>("proxy_get_buffer_bytes", "", kAllVersions, {"", "", "", "", ""}),
    Fn<&T::GetBufferStatus>("proxy_get_buffer_status", "", kAllVersions, {"", "", ""}),
    Fn<&T::GetHeaderMapSize>("proxy_get_header_map_size", "", kAllVersions, {"", ""}),
    Fn<&T::GetHeaderMapPairs>("proxy_get_header_map_pairs", "", kAllVersions, {"", "", ""}),
    Fn<&T::SetHeaderMapPairs>("proxy_set_header_map_pairs", "", kAllVersions, {"", "", ""}),
    Fn<&T::GetHeaderMapValue>("proxy_get_header_map_value", "", kAllVersions, {"", "", "", "", ""}),
    Fn<&T::AddHeaderMapValue>("proxy_add_header_map_value", "", kAllVersions, {"", "", "", "", ""}),
    Fn<&T::ReplaceHeaderMapValue>("proxy_replace_header_map_value", "", kAllVersions, {"", "", "", "", ""}),
    Fn<&T::RemoveHeaderMapValue>("proxy_remove_header_map_value", "", kAllVersions, {"", "", ""}),
    Fn<&T::StreamCall<proxy_wasm::kStreamTypes>>("proxy_continue_stream", "", kSince020, {""}),
    Fn<&T::StreamCall<proxy_wasm::kStreamTypes>>("proxy_close_stream", "", kSince020, {""}),
    Fn<&T::GetStatus>("proxy_get_status", "", kAllVersions, {"", "", ""}),
    Fn<&T::SendLocalResponse>("proxy_send_local_response", "", kAllVersions, {"", "", "", "", "", "", "", ""}),
    Fn<&T::ContinueOld>("proxy_continue_request", "", kOnly010, {}),
    Fn<&T::ContinueOldNothing>("proxy_continue_request", "", kOnly010, {}),
    Fn<&T::ContinueOld>("proxy_continue_response", "", kOnly010, {}),
    Fn<&T::ContinueOldNothing>("proxy_continue_response", "", kOnly010, {}),
    Fn<&T::NoAnswer<u32, sv, sv, sv, sv, u32>>("proxy_http_call", "", kAllVersions, {"", "", "", "", "", "", "", "", "", ""}),
    Fn<&T::NoAnswer<u32, sv, sv, sv, sv, u32>>("proxy_dispatch_http_call", "", kAllVersions, {"", "", "", "", "", "", "", "", "", ""}),
    Fn<&T::NoAnswer<u32, sv, sv, sv, sv, sv, u32>>("proxy_grpc_call", "", kAllVersions, {"", "", "", "", "", "", "", "", "", "", "", ""}),
    Fn<&T::NoAnswer<u32, sv, sv, sv, sv>>("proxy_grpc_stream", "", kAllVersions, {"", "", "", "", "", "", "", "", ""}),
    Fn<&T::None<u32, sv, u32>>("proxy_grpc_send", "", kAllVersions, {"", "", "", ""}),
    Fn<&T::None<u32>>("proxy_grpc_cancel", "", kAllVersions, {""}),
    Fn<&T::None<u32>>("proxy_grpc_close", "", kAllVersions, {""}),
    Fn<&T::NoAnswer<u32, u32, sv>>("proxy_define_metric", "", kAllVersions, {"", "", "", ""}),
    Fn<&T::None<u32, uint64_t>>("proxy_record_metric", "", kAllVersions, {"", ""}),
    Fn<&T::None<u32, int64_t>>("proxy_increment_metric", "", kAllVersions, {"", ""}),
    Fn<&T::NoAnswer<uint64_t, u32>>("proxy_get_metric", "", kAllVersions, {"", ""}),
    Fn<&T::GetProperty>("proxy_get_property", "", kAllVersions, {"", "", "", ""}),
    Fn<&T::None<sv, sv>>("proxy_set_property", "", kAllVersions, {"", "", "", ""}),
    Fn<&T::NoForeign>("proxy_call_foreign_function", "", kAllVersions, {"", "", "", "", "", ""}),
};

}  // namespace

TesterDialect::TesterDialect(TesterState& the_state)
    : Dialect{.rows = kRows,
              .make_calls = [](const Dialect& dialect, proxy_wasm::Core& core, proxy_wasm::Vm& vm) -> proxy_wasm::OwnedCalls {
                auto* calls = new TesterCalls(core, vm, static_cast<const TesterDialect&>(dialect).state);
                return {calls, [](proxy_wasm::HostCalls* made) { delete static_cast<TesterCalls*>(made); }};
              },
              .ends_without_log = true},
      state(the_state) {}

}  // namespace weir::suite
