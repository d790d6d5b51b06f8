#include "trace/recorder.h"

#include <algorithm>

#include "trace/recorded_plugin.h"

namespace weir::trace {
namespace {

constexpr size_t kPlacesMax = 1000;  // a start whose place is forgotten is written again

Record Redacted(Record record, const RecordRules& rules) {
  Redaction redaction(rules.redact);
  for (const Event& event : record.events) redaction.Learn(event);
  for (Event& event : record.events) redaction.Apply(&event);
  record.redacted = rules.redact;
  return record;
}

}  // namespace

Recorder::Recorder(Clock& clock, std::string name, const RecordRules* others, RecorderListener* listener)
    : clock_(clock), name_(std::move(name)), others_(others), listener_(listener), random_(clock.MonotonicNs() | 1) {}
Recorder::~Recorder() = default;

Result<std::unique_ptr<Plugin>> Recorder::Load(const PluginSpec& spec, std::string digest, Host& host, const Loader& load) {
  auto plugin = std::make_unique<RecordedPlugin>(*this, spec, std::move(digest), host);
  WEIR_TRY_VOID(plugin->Load(load));
  return std::unique_ptr<Plugin>(std::move(plugin));
}

/// xorshift64*, in [0, 1).
double Recorder::Chance() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<double>((random_ * 0x2545f4914f6cdd1d) >> 11) / static_cast<double>(uint64_t{1} << 53);
}

RecordRequest::RecordRequest(Recorder* recorder, const RecordRules* rules) : recorder_(rules != nullptr ? recorder : nullptr) {
  if (recorder_ == nullptr) return;
  const bool sampled = recorder_->Chance() < rules->sample;
  if (!sampled && !rules->traps) return;
  next_ = {rules, sampled, recorder_->name_ + "-" + std::to_string(++recorder_->requests_)};
  recorder_->next_ = &next_;
}
RecordRequest::~RecordRequest() {
  if (recorder_ != nullptr) recorder_->next_ = nullptr;
}

std::unique_ptr<Tape> Recorder::NewTape(RecordedPlugin& plugin) {
  if (bytes_ > kBytesMax) Evict(kBytesMax / 2);
  if (bytes_ > kBytesMax) {
    if (listener_ != nullptr) listener_->OnFull(bytes_);
    return nullptr;
  }
  auto tape = std::make_unique<Tape>();
  tape->rules = next_->rules;
  tape->sampled = next_->sampled;
  tape->number = ++tapes_;
  tape->redaction.emplace(next_->rules->redact);
  Record& record = tape->record;
  record.kind = "http";
  record.id = next_->id;
  record.start = plugin.start().record.id;
  record.plugin = plugin.spec().name;
  record.level = std::to_string(static_cast<int>(plugin.level()));
  record.time_ns = clock_.RealtimeNs();
  Grow(*tape, sizeof(Tape));
  return tape;
}

void Recorder::Grow(Tape& tape, size_t bytes) {
  tape.bytes += bytes;
  bytes_ += bytes;
}

/// The oldest of those that are kept go, until all tapes have `most` bytes.
void Recorder::Evict(size_t most) {
  while (bytes_ > most && !kept_.empty()) {
    bytes_ -= kept_.front()->bytes;
    kept_.pop_front();
  }
}

void Recorder::Over(std::unique_ptr<Tape> tape, RecordedPlugin& plugin) {
  if (tape->sampled && !tape->written) {
    tape->record.why = "sample";
    Write(tape->record, *tape->rules, plugin);
    tape->written = true;
  }
  if (tape->written) {
    bytes_ -= tape->bytes;
    return;
  }
  for (std::string& body : tape->body) std::string().swap(body);
  kept_.push_back(std::move(tape));
  Evict(kBytesMax / 2);
}

void Recorder::Trap(Tape* tape, RecordedPlugin& plugin, const Event& event) {
  const RecordRules* rules = tape != nullptr ? tape->rules : others_;
  const uint64_t now_ns = clock_.MonotonicNs();
  if (rules == nullptr || !rules->traps || (plugin.trap_written_ns_ != 0 && now_ns - plugin.trap_written_ns_ < kTrapIntervalNs)) return;
  plugin.trap_written_ns_ = now_ns;
  std::vector<Tape*> before;
  for (auto at = kept_.rbegin(); at != kept_.rend() && before.size() < kBeforeTrap; ++at) {
    if ((*at)->record.plugin == plugin.spec().name && (*at)->rules == rules && !(*at)->written) before.push_back(at->get());
  }
  for (auto at = before.rbegin(); at != before.rend(); ++at) {
    (*at)->record.why = "before_trap";
    Write((*at)->record, *rules, plugin);
    (*at)->written = true;
  }
  std::string id;
  if (tape != nullptr) {
    Record record = tape->record;
    record.why = "trap";
    id = record.id;
    // An event that had no room is what all of this is about.
    if (record.events.empty() || record.events.back().number != event.number) {
      Event last = event;
      last.given.clear();
      last.calls.clear();
      record.events.push_back(std::move(last));
    }
    Write(std::move(record), *rules, plugin);
    tape->written = true;
  } else {
    id = plugin.start().record.id;
    if (rules->sink != nullptr) rules->sink->Write(StartLine(id, *rules, plugin, "trap"));
  }
  if (listener_ != nullptr) listener_->OnTrapWritten(plugin.spec().name, id, *rules);
}

std::string Recorder::StartLine(std::string_view id, const RecordRules& rules, RecordedPlugin& plugin, std::string_view why) {
  const RecordedPlugin::Start* start = plugin.FindStart(id);
  if (start == nullptr) return {};
  if (places_.size() > kPlacesMax) places_.clear();
  Place& place = places_[{rules.sink, std::string(id)}];
  const bool anew = place.number == 0 || place.generation != rules.sink->generation();
  const auto is_there = [&](const Event& event) { return !anew && event.number <= place.number; };
  Record record = start->record;
  record.why = why;
  if (!anew) {
    record.kind = "more";
    record.spec.clear();
  }
  std::erase_if(record.events, is_there);
  std::copy_if(start->later.begin(), start->later.end(), std::back_inserter(record.events), [&](const Event& event) { return !is_there(event); });
  if (record.events.empty()) return {};
  place = {rules.sink->generation(), record.events.back().number};
  return ToLine(Redacted(std::move(record), rules));
}

/// With the start that it is of.
void Recorder::Write(Record record, const RecordRules& rules, RecordedPlugin& plugin) {
  if (rules.sink == nullptr) return;
  std::string lines = StartLine(record.start, rules, plugin);
  lines += ToLine(Redacted(std::move(record), rules));
  rules.sink->Write(lines);
}

}  // namespace weir::trace
