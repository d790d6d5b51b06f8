#include "trace/replay.h"

#include <algorithm>
#include <map>

#include "trace/recorded_plugin.h"
#include "trace/replay_world.h"

namespace weir::trace {
namespace {

/// The time a callback gets: more than it had, since this machine may be slower, and an end all the same.
constexpr uint32_t kCallbackMs = 5'000;

class NoSink final : public Sink {
 public:
  void Write(std::string_view) override {}
  uint64_t generation() override { return 1; }
};

/// One request while it is played.
struct Playing {
  Playing(const Record& record, ReplayWorld& world) : answers(record), stream(world) {}
  Answers answers;
  ReplayStream stream;
  std::unique_ptr<HttpFilter> filter;
  uint64_t tape = 0;  ///< of what it does now
};

/// One event of one record.
struct Entry {
  const Record* record;
  const Event* event;
};

EndOfStream EndIn(const Event& event) { return event.args.size() > 1 && event.args[1] == "end" ? EndOfStream::kYes : EndOfStream::kNo; }
bool Has(const Strings& strings, std::string_view text) { return std::find(strings.begin(), strings.end(), text) != strings.end(); }

bool ShowsRedacted(const Record& record, uint64_t up_to) {
  const auto shows = [](const Strings& strings) {
    return std::any_of(strings.begin(), strings.end(), [](const std::string& text) { return text.find(kRedacted) != text.npos; });
  };
  for (const Event& event : record.events) {
    if (event.number > up_to) return false;
    if (shows(event.args) || std::any_of(event.given.begin(), event.given.end(), shows)) return true;
    if (std::any_of(event.calls.begin(), event.calls.end(), [&](const Call& call) { return shows(call.answer); })) return true;
  }
  return false;
}

std::string_view FirstLine(std::string_view text) { return text.substr(0, text.find('\n')); }
std::string ResultOf(const Event& event) { return event.error.empty() ? "-> " + event.result : "-> " + event.result + ": " + event.error; }

/// One start with all that followed.
class Player {
 public:
  Player(std::vector<const Record*> records, const PluginMaker& make, const ReplayOptions& options, ReplayOutcome* outcome);
  /// False: a difference was found.
  Result<bool> Play();

 private:
  Result<void> Start(const Entry& entry);
  /// Of entries of one number those that are not the start.
  void Run(const std::vector<Entry>& entries);
  void RunOn(Playing& playing, const Event& event);
  void RunAlone(const Event& event);
  bool Same(const Entry& entry);
  Strings Effects(const Event& event, bool no_log) const;
  Playing& Of(const Record& record) { return *playing_.at(&record); }

  const PluginMaker& make_;
  const ReplayOptions& options_;
  ReplayOutcome& outcome_;
  Record others_;  ///< the start, and all that was of no request
  std::map<uint64_t, std::vector<Entry>> entries_;
  NoSink sink_;
  RecordRules rules_{&sink_, 0, SIZE_MAX / 4, {}};
  ReplayWorld world_;
  Recorder recorder_;
  Answers others_answers_{others_};
  std::vector<std::pair<uint64_t, Event>> now_;  ///< what was done in this event, by tape; 0: the plugin for itself
  std::unique_ptr<Plugin> plugin_;
  std::map<const Record*, std::unique_ptr<Playing>> playing_;  ///< last: filters go before their plugin
};

Player::Player(std::vector<const Record*> records, const PluginMaker& make, const ReplayOptions& options, ReplayOutcome* outcome)
    : make_(make), options_(options), outcome_(*outcome), recorder_(world_.host().clock, "replay", nullptr, nullptr) {
  for (const Record* record : records) {
    if (record->kind == "http") continue;
    if (record->kind == "start") {
      others_.id = record->id;
      others_.plugin = record->plugin;
      others_.level = record->level;
      others_.spec = record->spec;
      others_.redacted = record->redacted;
    }
    for (const Event& event : record->events) {
      const bool known = std::any_of(others_.events.begin(), others_.events.end(),
                                     [&](const Event& other) { return other.number == event.number && other.name == event.name; });
      if (!known) others_.events.push_back(event);
    }
  }
  for (const Event& event : others_.events) entries_[event.number].push_back({&others_, &event});
  for (const Record* record : records) {
    if (record->kind != "http") continue;
    for (const Event& event : record->events) entries_[event.number].push_back({record, &event});
    playing_.emplace(record, std::make_unique<Playing>(*record, world_));
    outcome_.cut += record->cut;
  }
  recorder_.set_call_numbers_are_tokens();
  recorder_.set_observer([this](const Tape* tape, const Event& event) { now_.emplace_back(tape != nullptr ? tape->number : 0, event); });
}

Result<bool> Player::Play() {
  for (const auto& [number, entries] : entries_) {
    std::vector<Entry> rest;
    for (const Entry& entry : entries) {
      if (entry.event->name != "start") {
        rest.push_back(entry);
        continue;
      }
      now_.clear();
      ++outcome_.events;
      WEIR_TRY_VOID(Start(entry));
      if (!Has(entry.event->args, "again") && !Same(entry)) return false;
    }
    if (rest.empty() || !plugin_) continue;
    now_.clear();
    ++outcome_.events;
    Run(rest);
    for (const Entry& entry : rest) {
      if (!Same(entry)) return false;
    }
    for (const Entry& entry : rest) {
      if (entry.record == &others_ || entry.event != &entry.record->events.back()) continue;
      Of(*entry.record).filter.reset();
      ++outcome_.requests;
    }
  }
  return true;
}

Result<void> Player::Start(const Entry& entry) {
  WEIR_TRY(PluginSpec spec, SpecOf(others_));
  world_.set_level(static_cast<LogLevel>(std::min<uint64_t>(NumberIn({others_.level}, 0), static_cast<uint64_t>(LogLevel::kCritical))));
  others_answers_.Begin(entry.event);
  world_.set_answers({&others_answers_});
  WEIR_TRY(plugin_, recorder_.Load(spec, {}, world_.host(), [&](Host& host) { return make_(spec, host); }));
  return {};
}

void Player::Run(const std::vector<Entry>& entries) {
  const Event* alone = nullptr;  // of no request: the same in all records that have to do with it
  std::vector<Answers*> answers;
  for (const Entry& entry : entries) {
    Answers& of_record = entry.record == &others_ ? others_answers_ : Of(*entry.record).answers;
    of_record.Begin(entry.event);
    answers.push_back(&of_record);
    const std::string& level = entry.record->level;
    world_.set_level(static_cast<LogLevel>(std::min<uint64_t>(NumberIn({level}, 0), static_cast<uint64_t>(LogLevel::kCritical))));
  }
  world_.set_answers(answers);
  for (const Entry& entry : entries) {
    static constexpr std::string_view kOfARequest[] = {"new",  "request_headers", "request_body", "request_trailers", "response_headers",
                                                       "response_body", "response_trailers", "finish", "gone"};
    const bool own = std::find(std::begin(kOfARequest), std::end(kOfARequest), entry.event->name) != std::end(kOfARequest);
    if (!own) {
      alone = entry.event;
    } else if (entry.record != &others_ && playing_.contains(entry.record)) {
      // A trap tells other requests of itself in the same event: those only hear.
      const bool first = entry.event->name == "new" || Of(*entry.record).filter != nullptr;
      const bool heard = entry.event->calls.size() == 1 && entry.event->calls[0].words[0] == "fail" && entry.event->calls[0].stream == entry.record->id;
      if (first && !heard) RunOn(Of(*entry.record), *entry.event);
    }
  }
  if (alone != nullptr) RunAlone(*alone);
}

void Player::RunOn(Playing& playing, const Event& event) {
  playing.stream.Give(event);
  HttpFilter* filter = playing.filter.get();
  const size_t count = NumberIn(event.args, 0);
  if (event.name == "new") {
    plugin_->UseStreamId(static_cast<uint32_t>(NumberIn({playing.answers.record().stream}, 0)));
    const RecordRequest request(&recorder_, &rules_);
    playing.filter = plugin_->NewHttpFilter(playing.stream);
    for (const auto& [tape, done] : now_) {
      if (done.name == "new") playing.tape = tape;
    }
  } else if (event.name == "request_headers") {
    filter->OnRequestHeaders(count, EndIn(event));
  } else if (event.name == "request_body") {
    playing.stream.Keep(Direction::kRequest, filter->OnRequestBody(count, EndIn(event)) == FilterStatus::kPause);
  } else if (event.name == "request_trailers") {
    filter->OnRequestTrailers(count);
  } else if (event.name == "response_headers") {
    filter->OnResponseHeaders(count, EndIn(event));
  } else if (event.name == "response_body") {
    playing.stream.Keep(Direction::kResponse, filter->OnResponseBody(count, EndIn(event)) == FilterStatus::kPause);
  } else if (event.name == "response_trailers") {
    filter->OnResponseTrailers(count);
  } else if (event.name == "finish") {
    filter->OnFinish();
  } else {
    playing.filter.reset();
  }
}

void Player::RunAlone(const Event& event) {
  if (event.name == "tick") return plugin_->OnTick();
  if (event.name == "queue_ready") return plugin_->OnQueueReady(static_cast<uint32_t>(NumberIn(event.args, 0)));
  if (event.name == "foreign_function") {
    return plugin_->OnForeignFunction(static_cast<uint32_t>(NumberIn(event.args, 0)), event.args.size() > 1 ? event.args[1] : std::string());
  }
  const CallToken token = NumberIn(event.args, 0);
  CallEvents* events = world_.EventsOf(token);
  if (events == nullptr) return;
  const auto text = [&](size_t at) { return at < event.args.size() ? event.args[at] : std::string(); };
  if (event.name == "http_answer") {
    size_t end = 0;
    HttpAnswer answer{static_cast<CallFailure>(NumberIn(event.args, 1)), text(2), PairsFrom(event.args, 4, &end), text(3), {}};
    answer.trailers = PairsFrom(event.args, end + 2);
    events->OnHttpAnswer(token, std::move(answer));
  } else if (event.name == "grpc_metadata") {
    events->OnGrpcMetadata(token, PairsFrom(event.args, 1));
  } else if (event.name == "grpc_message") {
    events->OnGrpcMessage(token, text(1));
  } else if (event.name == "grpc_trailers") {
    events->OnGrpcTrailers(token, PairsFrom(event.args, 1));
  } else if (event.name == "grpc_close") {
    events->OnGrpcClose(token, static_cast<GrpcStatus>(NumberIn(event.args, 1)), text(2));
  }
}

Strings Player::Effects(const Event& event, bool no_log) const {
  Strings all;
  for (const Call& call : event.calls) {
    if (no_log && call.words[0] == "log") continue;
    if (IsEffect(call.words[0]) && !Has(options_.ignore, call.words[0])) all.push_back(Describe(call.words));
  }
  return all;
}

bool Player::Same(const Entry& entry) {
  const Event& recorded = *entry.event;
  const uint64_t tape = entry.record == &others_ ? 0 : Of(*entry.record).tape;
  if (entry.record->cut && recorded.result == "failed" && recorded.given.empty()) return true;  // of a trap only the end was kept
  Event now;
  for (const auto& [number, event] : now_) {
    if (number == tape && (recorded.name == "start") == (event.name == "start")) now = event;
  }
  const auto differ = [&](std::string was, std::string is) {
    outcome_.difference = {entry.record->id, recorded.number, recorded.name, std::move(was), std::move(is), ShowsRedacted(*entry.record, recorded.number)};
    return false;
  };
  // The log of a trap has the guest's stack, which another build has not.
  const bool failed = recorded.result == "failed";
  if (failed != (now.result == "failed") || (failed && FirstLine(recorded.error) != FirstLine(now.error))) return differ(ResultOf(recorded), ResultOf(now));
  // In an event that had to begin a new instance there is what that did too.
  if (!Has(recorded.args, "restarted")) {
    const Strings was = Effects(recorded, failed), is = Effects(now, failed);
    for (size_t i = 0; i < std::max(was.size(), is.size()); ++i) {
      const std::string one = i < was.size() ? was[i] : "", other = i < is.size() ? is[i] : "";
      if (one != other) return differ(one, other);
    }
  }
  return recorded.result == now.result || differ(ResultOf(recorded), ResultOf(now));
}

}  // namespace

std::string Describe(const Strings& words) {
  std::string text = words[0];
  for (size_t i = 1; i < words.size(); ++i) text.append(" ").append(words[i].empty() ? "\"\"" : words[i]);
  return text;
}

Result<PluginSpec> SpecOf(const Record& start) {
  PluginSpec spec;
  spec.name = start.plugin;
  spec.limits.callback_ms = kCallbackMs;
  for (const Strings& row : start.spec) {
    const std::string& name = row[0];
    const std::string value = row.size() > 1 ? row[1] : "";
    if (name == "path") spec.path = value;
    else if (name == "root_id") spec.root_id = value;
    else if (name == "vm_id") spec.vm_id = value;
    else if (name == "configuration") spec.configuration = value;
    else if (name == "vm_configuration") spec.vm_configuration = value;
    else if (name == "environment") spec.environment = PairsFrom(row, 1);
    else if (name == "memory") spec.limits.memory_bytes = NumberIn(row, 1);
    else if (name == "statuses") spec.statuses = value == "strict" ? Statuses::kStrict : Statuses::kLenient;
    else if (name == "header_pause") spec.header_pause = value == "headers_only" ? HeaderPause::kHeadersOnly : HeaderPause::kStream;
    else if (name == "stderr_level") spec.stderr_level = static_cast<LogLevel>(std::min<uint64_t>(NumberIn(row, 1), 5));
    else if (name == "node" && row.size() == 3) spec.node.Set(row[1], row[2]);
    else if (name.starts_with("allow_")) {
      auto& names = name == "allow_functions" ? spec.allow.functions : name == "allow_upstreams" ? spec.allow.upstreams : spec.allow.foreign;
      names.emplace(row.begin() + 1, row.end());
    } else if (name != "sha256") {
      return Error{ErrorCode::kInvalidArgument, "the record of \"" + start.plugin + "\" has \"" + name + "\", which this version does not know"};
    }
  }
  return spec;
}

Result<ReplayOutcome> Replay(const std::vector<Record>& records, std::string_view plugin, const PluginMaker& make, const ReplayOptions& options) {
  ReplayOutcome outcome;
  std::map<std::string, std::vector<const Record*>> by_start;
  std::vector<std::string> order;
  for (const Record& record : records) {
    if (record.plugin != plugin) continue;
    auto& group = by_start[record.start];
    if (group.empty()) order.push_back(record.start);
    group.push_back(&record);
  }
  for (const std::string& start : order) {
    const auto& group = by_start[start];
    const bool complete = std::any_of(group.begin(), group.end(), [](const Record* record) { return record->kind == "start"; });
    if (!complete) {
      outcome.without_start += group.size();
      continue;
    }
    Player player(group, make, options, &outcome);
    WEIR_TRY(const bool same, player.Play());
    if (!same) break;
  }
  return outcome;
}

}  // namespace weir::trace
