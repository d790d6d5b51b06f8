// Records what plugins of one worker see and do, at the border of the filter chain: events and what they show go in, effects and the
// answers that the plugin saw come out.
//
//   Recorder::Load ─► RecordedPlugin ─► the plugin         the plugin's Host is one that takes notes (RecordedHost)
//   request in a location that records: RecordRequest ─► its filters are RecordedFilter, its streams RecordedStream, with a Tape
//   a request elsewhere: the plugin's own filter, as without a recorder; a note not taken costs a branch
//
// It is no Witness (witness.h): that one tells what crosses the ABI, with the guest's arguments, and a replay has to give the answers of the
// interfaces behind it (HttpStream, Host), which are the same for every ABI. Without a recorder there is none of this between the two.
//
// A tape is in memory until its request is over. Then it is written when the request was chosen (RecordRules::sample), or kept for a
// while: when the plugin traps, its tape and the last ones before it are written.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/record.h"
#include "weir/plugin.h"

namespace weir::trace {

class RecordedPlugin;

/// Where lines go.
class Sink {
 public:
  /// One or more whole lines. It says itself what went wrong.
  virtual void Write(std::string_view lines) = 0;
  /// Another number when the lines before are not in the file any more (it was rotated).
  virtual uint64_t generation() = 0;

 protected:
  ~Sink() = default;
};

/// Of a location. Outlives the requests in it.
struct RecordRules {
  Sink* sink = nullptr;
  double sample = 1;               ///< of requests, 0 to 1
  size_t stream_bytes = 256 << 10;  ///< of one request and plugin in memory; what comes then is cut
  Strings redact;                  ///< names of headers, in lower case
  bool traps = true;               ///< traps are written with what led to them, so requests that are not chosen are on tapes too
};

/// One request as one plugin knows it.
struct Tape {
  Record record;
  const RecordRules* rules = nullptr;
  bool sampled = false;
  bool written = false;
  size_t bytes = 0;
  uint64_t number = 0;       ///< of this tape in the worker; never 0
  std::optional<Redaction> redaction;  ///< knows all that is in the record
  HeaderList seen[kDirections];   ///< headers as they were shown last
  std::string body[kDirections];  ///< what the plugin holds since its last body event
};

class RecorderListener {
 public:
  /// A trap was written, by those rules. `record`: its id.
  virtual void OnTrapWritten(std::string_view plugin, std::string_view record, const RecordRules& rules) = 0;
  /// Requests are not recorded: too much is on tapes already.
  virtual void OnFull(size_t bytes) = 0;

 protected:
  ~RecorderListener() = default;
};

/// One thread. Outlives its plugins.
class Recorder {
 public:
  /// All tapes of a worker, those that are kept for a trap included.
  static constexpr size_t kBytesMax = 16 << 20;
  /// Requests that are written with a trap.
  static constexpr size_t kBeforeTrap = 16;
  static constexpr uint64_t kTrapIntervalNs = 10'000'000'000;
  /// What a start keeps of what is of no request: so much from its beginning, and so much up to now.
  static constexpr size_t kStartBytes = 128 << 10;

  /// `name`: of the worker, for ids. `others`: for what traps in no request; null: it is not written.
  Recorder(Clock& clock, std::string name, const RecordRules* others, RecorderListener* listener);
  ~Recorder();

  using Loader = std::function<Result<std::unique_ptr<Plugin>>(Host& host)>;
  /// The plugin that `load` makes with a host that takes notes. `host` outlives it. `digest`: of the module.
  Result<std::unique_ptr<Plugin>> Load(const PluginSpec& spec, std::string digest, Host& host, const Loader& load);

  /// Every event that was recorded; `tape` null: it is of no request. For replays.
  using Observer = std::function<void(const Tape* tape, const Event& event)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }
  /// A replay's host gives tokens that are the numbers of calls in the record.
  void set_call_numbers_are_tokens() { call_numbers_are_tokens_ = true; }

  /// Requests that were over and not written.
  size_t kept() const { return kept_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  friend class RecordedPlugin;
  friend class RecordRequest;
  struct Next {
    const RecordRules* rules;
    bool sampled;
    std::string id;
  };
  double Chance();
  std::unique_ptr<Tape> NewTape(RecordedPlugin& plugin);
  void Grow(Tape& tape, size_t bytes);
  void Over(std::unique_ptr<Tape> tape, RecordedPlugin& plugin);
  void Trap(Tape* tape, RecordedPlugin& plugin, const Event& event);
  void Write(Record record, const RecordRules& rules, RecordedPlugin& plugin);
  /// Of that start what is not in the file.
  std::string StartLine(std::string_view id, const RecordRules& rules, RecordedPlugin& plugin, std::string_view why = {});
  void Evict(size_t most);

  Clock& clock_;
  const std::string name_;
  const RecordRules* const others_;
  RecorderListener* const listener_;
  Observer observer_;
  bool call_numbers_are_tokens_ = false;
  const Next* next_ = nullptr;  ///< the request that is given its filters now
  uint64_t events_ = 0, tapes_ = 0, requests_ = 0, starts_ = 0;
  uint64_t random_;
  size_t bytes_ = 0;
  std::deque<std::unique_ptr<Tape>> kept_;  ///< over, the oldest first
  /// How far a start is in a file: the number of its last event there.
  struct Place {
    uint64_t generation, number;
  };
  std::map<std::pair<Sink*, std::string>, Place> places_;
};

/// As long as it lives, filters that plugins of `recorder` make are of one request that is recorded by `rules`. Null, either: it is not.
class RecordRequest {
 public:
  RecordRequest(Recorder* recorder, const RecordRules* rules);
  ~RecordRequest();
  RecordRequest(const RecordRequest&) = delete;
  RecordRequest& operator=(const RecordRequest&) = delete;

 private:
  Recorder* const recorder_;
  Recorder::Next next_;
};

}  // namespace weir::trace
