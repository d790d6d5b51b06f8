#include "trace/recorded_plugin.h"

#include <sys/random.h>

#include <algorithm>

namespace weir::trace {
namespace {

constexpr size_t kStartsKept = 3;

/// What a replay needs to make the plugin again. Times are not among it: a replay gives more.
std::vector<Strings> SpecOf(const PluginSpec& spec, const std::string& digest) {
  std::vector<Strings> all;
  const auto add = [&](std::string name, std::string value) {
    if (!value.empty()) all.push_back({std::move(name), std::move(value)});
  };
  add("path", spec.path);
  add("sha256", digest);
  add("root_id", spec.root_id);
  add("vm_id", spec.vm_id);
  add("configuration", spec.configuration);
  add("vm_configuration", spec.vm_configuration);
  Strings environment = {"environment"};
  AppendPairs(spec.environment, &environment);
  if (environment.size() > 1) all.push_back(std::move(environment));
  add("memory", std::to_string(spec.limits.memory_bytes));
  add("statuses", spec.statuses == Statuses::kStrict ? "strict" : "lenient");
  add("header_pause", spec.header_pause == HeaderPause::kHeadersOnly ? "headers_only" : "stream");
  add("stderr_level", std::to_string(static_cast<int>(spec.stderr_level)));
  for (const auto& [name, names] : {std::pair("allow_functions", &spec.allow.functions), {"allow_upstreams", &spec.allow.upstreams}, {"allow_foreign", &spec.allow.foreign}}) {
    if (!*names) continue;
    Strings& row = all.emplace_back(Strings{name});
    row.insert(row.end(), (*names)->begin(), (*names)->end());
  }
  const Node& node = spec.node;
  for (const auto& [key, value] : {std::pair("id", &node.id), {"cluster", &node.cluster}, {"region", &node.region}, {"zone", &node.zone}, {"sub_zone", &node.sub_zone}}) {
    if (!value->empty()) all.push_back({"node", key, *value});
  }
  for (const auto& [key, value] : node.metadata) all.push_back({"node", "metadata." + key, value});
  return all;
}

}  // namespace

RecordedPlugin::RecordedPlugin(Recorder& recorder, PluginSpec spec, std::string digest, Host& host)
    : recorder_(recorder), spec_(std::move(spec)), digest_(std::move(digest)), host_(*this, host) {}

RecordedPlugin::~RecordedPlugin() {
  on_ = false;
  inner_.reset();
}

Result<void> RecordedPlugin::Load(const Recorder::Loader& load) {
  NewStart();
  Begin(nullptr, "start", {});
  Result<std::unique_ptr<Plugin>> plugin = load(host_.host());
  if (!plugin) {
    on_ = false;
    return plugin.error();
  }
  inner_ = *std::move(plugin);
  instances_ = inner_->stats().instances;
  End({});
  return {};
}

void RecordedPlugin::FillRandom(RandomSource* random, std::span<uint8_t> bytes) {
  if (random != nullptr) return random->Fill(bytes);
  while (!bytes.empty()) {
    const ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    if (got > 0) bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

void RecordedPlugin::NewStart() {
  if (starts_.size() == kStartsKept) starts_.pop_front();
  Record& record = starts_.emplace_back().record;
  record.kind = "start";
  record.id = recorder_.name_ + "-" + spec_.name + "-" + std::to_string(++recorder_.starts_);
  record.start = record.id;
  record.plugin = spec_.name;
  record.level = std::to_string(static_cast<int>(host_.level()));
  record.time_ns = recorder_.clock_.RealtimeNs();
  record.spec = SpecOf(spec_, digest_);
}

const RecordedPlugin::Start* RecordedPlugin::FindStart(std::string_view id) const {
  const auto found = std::find_if(starts_.begin(), starts_.end(), [&](const Start& start) { return start.record.id == id; });
  return found != starts_.end() ? &*found : nullptr;
}

// ---- one event

void RecordedPlugin::Begin(Tape* tape, std::string name, Strings args) {
  event_ = {};
  event_.number = ++recorder_.events_;
  event_.name = std::move(name);
  event_.args = std::move(args);
  event_bytes_ = SizeOf(event_);
  event_cut_ = false;
  tape_ = tape;
  touched_.clear();
  on_ = true;
}

void RecordedPlugin::Note(Strings words, Strings answer, Tape* stream) {
  if (!on_) return;
  Call call{std::move(words), std::move(answer), {}};
  if (stream != nullptr && stream != tape_) {
    Touch(stream->number);
    call.stream = stream->record.id;
  }
  event_bytes_ += SizeOf(call);
  event_cut_ = event_cut_ || event_bytes_ > (tape_ != nullptr ? tape_->rules->stream_bytes : Recorder::kStartBytes);
  if (!event_cut_) event_.calls.push_back(std::move(call));
}

void RecordedPlugin::Touch(uint64_t tape) {
  if (std::find(touched_.begin(), touched_.end(), tape) == touched_.end()) touched_.push_back(tape);
}

/// Its own, and those of the host; in a request's record nothing of other requests.
void RecordedPlugin::Append(Tape& tape, Event event) {
  std::erase_if(event.calls, [&](const Call& call) { return !call.stream.empty() && call.stream != tape.record.id; });
  if (recorder_.observer_) recorder_.observer_(&tape, event);
  tape.redaction->Learn(event);
  if (event_cut_) tape.record.cut = true;
  const size_t bytes = SizeOf(event);
  if (tape.record.cut || tape.bytes + bytes > tape.rules->stream_bytes) {
    tape.record.cut = true;
    return;
  }
  recorder_.Grow(tape, bytes);
  tape.record.events.push_back(std::move(event));
}

void RecordedPlugin::AppendToStart(Event event) {
  std::erase_if(event.calls, [](const Call& call) { return !call.stream.empty(); });
  if (recorder_.observer_) recorder_.observer_(nullptr, event);
  // What it says of the requests that are there: most ticks only look at the clock.
  const auto says = [](const Call& call) { return call.words[0] != "clock" && call.words[0] != "monotonic"; };
  if (!event.args.empty() || std::any_of(event.calls.begin(), event.calls.end(), says)) {
    for (const auto& [number, tape] : tapes_) tape->redaction->Apply(&event);
  }
  const size_t bytes = SizeOf(event);
  Start& start_now = starts_.back();
  if (start_now.later.empty() && start_now.first_bytes + bytes <= Recorder::kStartBytes) {
    start_now.first_bytes += bytes;
    start_now.record.events.push_back(std::move(event));
    return;
  }
  start_now.later_bytes += bytes;
  start_now.later.push_back(std::move(event));
  while (start_now.later_bytes > Recorder::kStartBytes && !start_now.later.empty()) {
    start_now.later_bytes -= SizeOf(start_now.later.front());
    start_now.later.pop_front();
    start_now.record.cut = true;
  }
}

void RecordedPlugin::End(std::string result) {
  on_ = false;
  event_.result = std::move(result);
  Tape* const own = std::exchange(tape_, nullptr);
  const bool restarted = inner_ && inner_->stats().instances > instances_;
  const bool failed = inner_ && inner_->stats().failures > failures_;
  if (restarted) {  // the instance began in this event: what it read for that is here
    NewStart();
    Event first = event_;
    first.name = "start";
    first.args = {"again"};
    first.given.clear();
    first.result.clear();
    AppendToStart(std::move(first));
    event_.args.push_back("restarted");
    if (own != nullptr) own->record.start = start().record.id;
  }
  if (failed) {
    event_.result = "failed";
    event_.error = inner_->stats().last_error;
  }
  instances_ = inner_ ? inner_->stats().instances : instances_;
  failures_ = inner_ ? inner_->stats().failures : failures_;
  if (own != nullptr && touched_.empty() && !failed) {
    Append(*own, std::move(event_));
  } else if (own != nullptr) {
    Append(*own, event_);
  } else if (touched_.empty() || event_.name == "tick" || event_.name == "queue_ready") {
    AppendToStart(event_);
  }
  for (const uint64_t number : touched_) {
    const auto found = tapes_.find(number);
    if (found != tapes_.end()) Append(*found->second, event_);
  }
  if (failed) recorder_.Trap(own, *this, event_);
}

void RecordedPlugin::Over(std::unique_ptr<Tape> tape) {
  tapes_.erase(tape->number);
  recorder_.Over(std::move(tape), *this);
}

// ---- events

std::unique_ptr<HttpFilter> RecordedPlugin::NewHttpFilter(HttpStream& stream) {
  std::unique_ptr<Tape> tape = recorder_.next_ != nullptr ? recorder_.NewTape(*this) : nullptr;
  if (!tape) return inner_->NewHttpFilter(stream);
  tapes_.emplace(tape->number, tape.get());
  return NewRecordedFilter(*this, stream, std::move(tape));
}

void RecordedPlugin::OnTick() {
  Begin(nullptr, "tick", {});
  inner_->OnTick();
  End({});
}

void RecordedPlugin::OnQueueReady(uint32_t queue_id) {
  Begin(nullptr, "queue_ready", {std::to_string(queue_id)});
  inner_->OnQueueReady(queue_id);
  End({});
}

void RecordedPlugin::OnForeignFunction(uint32_t function_id, std::string_view arguments) {
  Begin(nullptr, "foreign_function", {std::to_string(function_id), std::string(arguments)});
  inner_->OnForeignFunction(function_id, arguments);
  End({});
}

}  // namespace weir::trace
