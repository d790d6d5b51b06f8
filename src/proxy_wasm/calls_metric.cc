// Metrics. A record on a counter adds, as in Envoy; the text says "sets".
#include "proxy_wasm/host_calls.h"

namespace weir::proxy_wasm {
namespace {
constexpr std::string_view kNoMetric = "no such metric";
constexpr std::string_view kTwins[] = {"_counter", "_gauge", "_histogram"};  // by MetricType
}  // namespace

// Same name, other type: lenient defines a twin with the type in its name, since SDKs panic on every failure of this call.
Answer<uint32_t> HostCalls::DefineMetric(uint32_t type, std::string_view name) {
  if (type >= kMetricTypes) return Refuse(Status::kBadArgument, "no such metric type");
  auto id = core_->host.metrics.Define(MetricType(type), name, core_->spec.name);
  if (!id && !strict()) {
    const size_t end = std::min(name.find('{'), name.size());
    std::string twin(name);
    twin.insert(end, kTwins[type]);
    id = core_->host.metrics.Define(MetricType(type), twin, core_->spec.name);
    if (id) core_->LogOnce(LogLevel::kWarn, "metric " + std::string(name) + " exists with another type: defined as " + twin);
  }
  if (!id) return Refuse(Status::kBadArgument, "that name has another type, or the limit of metrics is reached", name);
  return *id;
}

Status HostCalls::RecordMetric(uint32_t metric_id, uint64_t value) {
  if (!core_->host.metrics.TypeOf(metric_id)) return Refuse(Status::kNotFound, kNoMetric);
  core_->host.metrics.Record(metric_id, value);
  return Status::kOk;
}

Status HostCalls::IncrementMetric(uint32_t metric_id, int64_t delta) {
  auto type = core_->host.metrics.TypeOf(metric_id);
  if (!type) return Refuse(Status::kNotFound, kNoMetric);
  if (*type == MetricType::kHistogram) return Refuse(Status::kBadArgument, "a histogram cannot be incremented");
  if (*type == MetricType::kCounter && delta < 0) return Refuse(Status::kBadArgument, "a counter cannot go down");
  core_->host.metrics.Increment(metric_id, delta);
  return Status::kOk;
}

Answer<uint64_t> HostCalls::GetMetric(uint32_t metric_id) {
  auto type = core_->host.metrics.TypeOf(metric_id);
  if (!type) return Refuse(Status::kNotFound, kNoMetric);
  if (*type == MetricType::kHistogram) return Refuse(Status::kBadArgument, "a histogram has no value");
  return core_->host.metrics.Get(metric_id);
}

}  // namespace weir::proxy_wasm
