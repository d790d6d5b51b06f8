#include "cclb/host_functions.h"

#include <sys/random.h>

#include <cstring>

#include "cclb/utf8.h"

namespace weir::cclb {
namespace {

using extism::CurrentPlugin;
using extism::Value;
using extism::ValType;
// A failure traps the plugin: it sees the backtrace, the host the cause.
using Answer = Result<uint64_t>;

constexpr std::string_view kLogTarget = "cc_lb_runtime_protocol::host_functions";

Error Failed(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string Uuid(std::span<const uint8_t, 16> id) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < id.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[id[i] >> 4];
    out += kHex[id[i] & 0xF];
  }
  return out;
}

Result<std::string_view> Bytes(CurrentPlugin& plugin, uint64_t handle) {
  const auto block = plugin.Block(handle);
  if (!block) {
    return Failed(Uuid(plugin.id()) + " invalid memory offset: I64(" + std::to_string(static_cast<int64_t>(handle)) + ")");
  }
  return std::string_view(reinterpret_cast<const char*>(block->data()), block->size());
}
Result<std::string_view> Text(CurrentPlugin& plugin, uint64_t handle) {
  WEIR_TRY(const std::string_view bytes, Bytes(plugin, handle));
  if (!IsValidUtf8(bytes)) return Failed(Utf8Fault(bytes));
  return bytes;
}
// Numbers travel as blocks of 8 bytes, little-endian.
Result<uint64_t> Number(CurrentPlugin& plugin, uint64_t handle) {
  WEIR_TRY(const std::string_view bytes, Bytes(plugin, handle));
  uint64_t number = 0;
  if (bytes.size() != sizeof number) return Failed("could not convert slice to array");
  for (size_t i = 0; i < sizeof number; ++i) number |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return number;
}

Answer Log(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value> in) {
  struct Row {
    std::string_view name;
    Level level;
  };
  constexpr Row kLevels[] = {{"trace", Level::kTrace}, {"debug", Level::kDebug}, {"warn", Level::kWarn}, {"error", Level::kError}};
  WEIR_TRY(const std::string_view name, Text(plugin, in[0].i64));
  WEIR_TRY(const std::string_view message, Text(plugin, in[1].i64));
  Level level = Level::kInfo;
  for (const Row& row : kLevels) {
    if (row.name == name) level = row.level;
  }
  const Pair fields[] = {{"plugin", context.functions.plugin}};
  context.telemetry.Log(level, kLogTarget, message, fields);
  return 0;
}

Answer MetricIncr(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value> in) {
  WEIR_TRY(const std::string_view name, Text(plugin, in[0].i64));
  WEIR_TRY(const uint64_t increment, Number(plugin, in[1].i64));
  const Pair labels[] = {{"plugin", context.functions.plugin}};
  context.telemetry.Count(name, labels, increment);
  return 0;
}

Answer StorageGet(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value> in) {
  WEIR_TRY(const std::string_view key, Text(plugin, in[0].i64));
  WEIR_TRY(const auto value, context.functions.storage->Get(context.functions.plugin, key));
  return value ? plugin.New(*value) : 0;
}

Answer StoragePut(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value> in) {
  WEIR_TRY(const std::string_view key, Text(plugin, in[0].i64));
  WEIR_TRY(const std::string_view value, Bytes(plugin, in[1].i64));
  WEIR_TRY_VOID(context.functions.storage->Put(context.functions.plugin, key, value, context.functions.quota_bytes));
  return 0;
}

Answer NowUnixMs(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value>) {
  const int64_t now = context.now_ms();
  const uint64_t number = now < 0 ? 0 : static_cast<uint64_t>(now);
  char bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return plugin.New({bytes, sizeof bytes});
}

Answer RandomBytes(const HostFunctionContext&, CurrentPlugin& plugin, std::span<const Value> in) {
  WEIR_TRY(const uint64_t count, Number(plugin, in[0].i64));
  if (count > Limit::kRandomBytes) return Failed("random byte request exceeds host cap");
  std::string bytes(count, '\0');
  for (size_t have = 0; have < bytes.size();) {
    const ssize_t got = getrandom(bytes.data() + have, bytes.size() - have, 0);
    if (got <= 0) return Failed("the system has no random bytes");
    have += static_cast<size_t>(got);
  }
  return plugin.New(bytes);
}

struct Row {
  std::string_view name;
  size_t params;
  bool result;
  Answer (*call)(const HostFunctionContext& context, CurrentPlugin& plugin, std::span<const Value> in);
};
// All values are i64 handles.
constexpr Row kRows[] = {
    {"cc_lb_log", 2, false, &Log},
    {"cc_lb_metric_incr", 2, false, &MetricIncr},
    {"cc_lb_storage_get", 1, true, &StorageGet},
    {"cc_lb_storage_put", 2, false, &StoragePut},
    {"cc_lb_now_unix_ms", 0, true, &NowUnixMs},
    {"cc_lb_random_bytes", 1, true, &RandomBytes},
};

}  // namespace

std::vector<extism::HostFunction> MakeHostFunctions(std::shared_ptr<const HostFunctionContext> context) {
  std::vector<extism::HostFunction> functions;
  for (const Row& row : kRows) {
    extism::HostFunction function;
    function.name = std::string(row.name);
    function.params.assign(row.params, ValType::kI64);
    if (row.result) function.results = {ValType::kI64};
    function.call = [context, &row](CurrentPlugin& plugin, std::span<const Value> in, std::span<Value> out) -> Result<void> {
      WEIR_TRY(const uint64_t answer, row.call(*context, plugin, in));
      if (row.result) out[0].i64 = answer;
      return {};
    };
    functions.push_back(std::move(function));
  }
  return functions;
}

}  // namespace weir::cclb
