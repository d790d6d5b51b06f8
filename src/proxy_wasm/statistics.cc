#include "proxy_wasm/statistics.h"

namespace weir::proxy_wasm {
namespace {

std::string_view ReasonOf(engine::Trap::Kind kind) {
  using Kind = engine::Trap::Kind;
  switch (kind) {
    case Kind::kGuest: return "trap";
    case Kind::kDeadline: return "deadline";
    case Kind::kStackOverflow: return "stack";
    case Kind::kExit: return "exit";
    case Kind::kHost: return "host";
    case Kind::kFuel: return "fuel";
  }
  return "?";
}

}  // namespace

Statistics::Statistics(Metrics& metrics, std::string_view plugin)
    : metrics_(metrics),
      plugin_(plugin),
      up_(Cells(OwnMetric::kPluginUp)),
      memory_(Cells(OwnMetric::kPluginMemory)),
      instances_(Cells(OwnMetric::kInstances)),
      streams_(Cells(OwnMetric::kPluginStreams)) {
  callbacks_.fill({unread_.data(), unread_.data()});
}

OwnCell* Statistics::Cells(OwnMetric metric, std::initializer_list<std::string_view> more) {
  std::string labels = OwnLabels(metric, {plugin_});
  if (more.size() == 1) labels = OwnLabels(metric, {plugin_, more.begin()[0]});
  if (more.size() == 2) labels = OwnLabels(metric, {plugin_, more.begin()[0], more.begin()[1]});
  OwnCell* cells = metrics_.Own(metric, labels);
  return cells != nullptr ? cells : unread_.data();
}

void Statistics::Has(Callback callback) {
  PerCallback& one = callbacks_[size_t(callback)];
  if (one.calls != unread_.data()) return;
  one = {Cells(OwnMetric::kCallbacks, {Name(callback)}), Cells(OwnMetric::kCallbackSeconds, {Name(callback)})};
}

void Statistics::Took(Callback callback, uint64_t ns, uint64_t memory_bytes) {
  AddDuration(callbacks_[size_t(callback)].seconds, ns);
  memory_->Set(memory_bytes);
}

void Statistics::InstanceStarted(uint64_t memory_bytes) {
  instances_->Add(1);
  memory_->Set(memory_bytes);
  up_->Set(1);
}

void Statistics::InstanceGone(engine::Trap::Kind kind) {
  Failure(ReasonOf(kind));
  memory_->Set(0);
}

void Statistics::InstanceLost() {
  Failure("shared");
  memory_->Set(0);
}

void Statistics::StartFailed() { Failure("start"); }

void Statistics::Down() { up_->Set(0); }

void Statistics::Rejected(std::string_view call, std::string_view status) {
  OwnCell*& cell = rejected_[{std::string(call), std::string(status)}];
  if (cell == nullptr) cell = Cells(OwnMetric::kHostCallRejected, {call, status});
  cell->Add(1);
}

void Statistics::CallEnded(std::string_view upstream, std::string_view outcome, uint64_t ns) {
  if (upstreams_.size() >= kUpstreamsMax && !upstreams_.contains(upstream)) upstream = "other";
  Upstream& of = upstreams_[std::string(upstream)];
  if (of.seconds == nullptr) of.seconds = Cells(OwnMetric::kCallSeconds, {upstream});
  OwnCell*& cell = of.outcomes[std::string(outcome)];
  if (cell == nullptr) cell = Cells(OwnMetric::kCalls, {upstream, outcome});
  AddDuration(of.seconds, ns);
  cell->Add(1);
}

void Statistics::AnswerDropped() { Cells(OwnMetric::kAnswersDropped)->Add(1); }

}  // namespace weir::proxy_wasm
