// Executed lines: a module, what was done with it, and what came of it.
#include <filesystem>

#include "cclb/protocol_tables.h"
#include "golden.h"
#include "weir/cclb/host.h"
#include "weir/cclb/verify.h"

namespace weir::cclb::golden {
namespace {

template <class T>
std::string Value(const T& value) {
  return WriteText<Order::kSorted>(value);
}

// Trap texts carry code offsets, and some causes the plugin's random id.
std::string Comparable(std::string_view text) {
  constexpr std::string_view kTrap = "error while executing at wasm backtrace:";
  if (const size_t at = text.find(kTrap); at != std::string_view::npos) return std::string(text.substr(0, at + kTrap.size()));
  // What echoes the request echoes the time.
  constexpr std::string_view kTime = "\"initiated_at\":";
  if (const size_t at = text.find(kTime); at != std::string_view::npos) {
    const size_t end = std::min(text.find_first_not_of("0123456789", at + kTime.size()), text.size());
    return std::string(text.substr(0, at + kTime.size())) + "<now>" + std::string(text.substr(end));
  }
  constexpr std::string_view kBadHandle = " invalid memory offset: ";
  if (const size_t at = text.find(kBadHandle); at != std::string_view::npos) return "<id>" + std::string(text.substr(at));
  return std::string(text);
}
// Of an error's debug text: what the decoder says is its own.
std::string ComparableDebug(std::string_view debug) {
  for (const std::string_view variant : {"DeserializeResponseEnvelope", "ResponseDecode"}) {
    if (debug.starts_with(variant)) return std::string(variant);
  }
  return Comparable(debug);
}

struct Recorder final : Telemetry {
  struct Line {
    std::string level, target, message;
    std::map<std::string, std::string> fields;
  };
  std::string metrics;
  std::vector<Line> logs;
  std::string first_stage;
  bool any_metric = false;

  void Clear() { *this = Recorder(); }
  void Count(std::string_view name, std::span<const Pair> labels, uint64_t increment) override {
    std::string list;
    for (const auto& [key, value] : labels) {
      list += (list.empty() ? "[" : ",[") + Quoted(key) + "," + Quoted(value) + "]";
      if (!any_metric && key == "stage") first_stage = value;
    }
    any_metric = true;
    metrics += (metrics.empty() ? "" : ",") + (R"({"increment":)" + std::to_string(increment)) + R"(,"labels":[)" + list + R"(],"name":)" +
               Quoted(name) + "}";
  }
  void Log(Level level, std::string_view target, std::string_view message, std::span<const Pair> fields) override {
    Line line{std::string(LevelName(level)), std::string(target), std::string(message), {}};
    for (const auto& [key, value] : fields) line.fields[std::string(key)] = value;
    logs.push_back(std::move(line));
  }
};

// Both sides' logs in one form.
std::string LogText(const std::string& level, const std::string& target, const std::map<std::string, std::string>& fields) {
  std::string out = level + " " + target;
  for (const auto& [key, value] : fields) out += " " + key + "=" + Quoted(key == "error" ? ComparableDebug(value) : value);
  return out + "\n";
}
std::string LogsOf(const std::vector<Recorder::Line>& logs) {
  std::string out;
  for (const Recorder::Line& line : logs) {
    auto fields = line.fields;
    fields["message"] = line.message;
    out += LogText(line.level, line.target, fields);
  }
  return out;
}
std::string LogsOf(const View& logs) {
  std::string out;
  for (const View& line : logs.items()) {
    std::map<std::string, std::string> fields;
    for (const auto& [key, value] : line["fields"].members()) fields[key] = value.str();
    out += LogText(line["level"].str(), line["target"].str(), fields);
  }
  return out;
}

// One thing after the other; the first difference is the answer.
class Check {
 public:
  explicit Check(std::string where) : where_(std::move(where)) {}
  Check& Same(std::string_view what, std::string_view expected, std::string_view got) {
    if (answer_.verdict == Verdict::kPassed) answer_ = Compare(where_ + std::string(what), expected, got);
    return *this;
  }
  const Answer& answer() const { return answer_; }

 private:
  std::string where_;
  Answer answer_;
};

template <class T>
Answer SameChecked(const std::string& layer, const View& expect, const Checked<T>& got, const std::string& ok) {
  Check check(layer + " ");
  if (got) return check.Same("ok", expect["ok"] ? expect["ok"].text() : "error " + expect["err"].str(), ok).answer();
  if (expect["ok"]) return Failed(layer + ": expected ok, got " + got.fault().variant + ": " + got.fault().message);
  check.Same("err", expect["err"].str(), got.fault().variant);
  // The words of these are the decoder's.
  for (const std::string_view variant : {"WasmParseError", "MalformedPayload", "DecodeAccept", "DecodeResponse"}) {
    if (got.fault().variant == variant) return check.answer();
  }
  check.Same("display", Comparable(expect["display"].str()), Comparable(got.fault().message));
  if (expect["reason"]) check.Same("reason", Comparable(expect["reason"].str()), Comparable(got.fault().reason));
  return check.answer();
}

class CasesImpl final : public Cases {
 public:
  CasesImpl(std::string modules, std::vector<std::string> plugins) : modules_(std::move(modules)), plugins_(std::move(plugins)) {}

  Answer Run(const View& line) override {
    const View input = line["input"], result = line["result"];
    const std::string file = input["wasm"].str();
    const auto wasm = Module(file);
    if (!wasm) {
      const bool rust = file.starts_with("rs_") || file.starts_with("pdk_");
      return {rust ? Verdict::kSkipped : Verdict::kFailed, (rust ? "the Rust plugin is not built: " : "no module ") + file};
    }
    HostOptions options;
    options.telemetry = &recorder_;
    auto host = Host::Create(options);
    if (!host) return Failed(host.error().message);
    // The limits are 200 ms by the clock: a machine that stalls for so long makes a time-out where the plugin has none.
    constexpr int kTries = 5;
    Answer answer;
    for (int i = 0; i < kTries; ++i) {
      answer = One(**host, *wasm, input, result);
      if (answer.why.find("imeout") == std::string::npos) break;
    }
    return answer;
  }

 private:
  std::optional<std::string> Module(const std::string& file) {
    if (auto wasm = ReadFile(modules_ + "/" + file)) return std::move(*wasm);
    for (const std::string& folder : plugins_) {
      if (auto wasm = ReadFile(folder + "/" + file)) return std::move(*wasm);
    }
    return std::nullopt;
  }

  Answer One(Host& host, const std::string& wasm, const View& input, const View& result) {
    const auto identity = ReadIdentity(wasm);
    if (Answer answer = SameChecked("identity", result["identity"], identity, identity ? Value(*identity) : ""); Bad(answer)) return answer;
    HandshakeOffer offer;
    if (Answer answer = Offer(input, &offer); Bad(answer)) return answer;
    const auto code = host.Open(wasm);
    recorder_.Clear();
    const auto accept = code->Handshake(offer);
    if (Answer answer = SameChecked("handshake", result["handshake"], accept, accept ? Value(*accept) : ""); Bad(answer)) return answer;
    Check layers("");
    layers.Same("handshake metrics", result["handshake"]["metrics"].text(), "[" + recorder_.metrics + "]");
    if (accept) layers.Same("slots", result["handshake"]["slots"].text(), Value(SlotsOf(accept->implemented_functions)));
    if (Bad(layers.answer())) return layers.answer();
    if (Answer answer = SelfCheck(*code, result["self_check"]); Bad(answer)) return answer;
    layers.Same("slots_from_exports", result["slots_from_exports"].text(), Value(code->SlotsFromExports()));
    if (input["verify"]) layers.Same("conformance", result["conformance"].text(), Conformance(host, wasm, input));
    if (Bad(layers.answer()) || !input["dispatch"]) return layers.answer();
    AugmentedMetadata metadata;
    if (identity) metadata.identity = *identity;
    if (accept) metadata.negotiated_functions = accept->chosen_versions;
    std::string error;
    if (input["negotiated"] && !ReadText(input["negotiated"].text(), Duplicates::kLastWins, &metadata.negotiated_functions, &error)) {
      return Failed("negotiated: " + error);
    }
    return Dispatches(*code, metadata, input, result);
  }

  static bool Bad(const Answer& answer) { return answer.verdict != Verdict::kPassed; }

  static std::set<std::string> Capabilities(const View& input) {
    std::set<std::string> capabilities;
    for (const View& capability : input["host_caps"].items()) capabilities.insert(capability.str());
    return capabilities;
  }

  static Answer Offer(const View& input, HandshakeOffer* offer) {
    *offer = BuildOffer(Capabilities(input));
    std::string error;
    if (input["offer"] && !ReadText(input["offer"].text(), Duplicates::kLastWins, offer, &error)) return Failed("offer: " + error);
    for (const auto& [function, versions] : input["offer_versions"].members()) {
      if (!ReadText(versions.text(), Duplicates::kLastWins, &offer->function_versions[function], &error)) return Failed("offer_versions: " + error);
    }
    return Passed();
  }

  static Answer SelfCheck(PluginCode& code, const View& expect) {
    const auto response = code.SelfCheck();
    std::string ok;
    if (response) {
      ok = Value(*response);
      // What a plugin takes from the clock.
      constexpr int64_t kRecently = 1'700'000'000;
      if (response->completed_at > kRecently && expect["ok"]["completed_at"].str() == "<now>") {
        const std::string number = std::to_string(response->completed_at);
        ok.replace(ok.find(number), number.size(), "\"<now>\"");
      }
    }
    return SameChecked("self_check", expect, response, ok);
  }

  std::string Conformance(Host& host, const std::string& wasm, const View& input) {
    const std::string kind = input["verify"].str();
    const auto outcome = Verify(host, wasm, kind == "shape" ? VerifyKind::kShape : kind == "router" ? VerifyKind::kRouter : VerifyKind::kObservability,
                                Capabilities(input));
    if (outcome.report) return R"({"ok":)" + Quoted(DebugText(*outcome.report)) + "}";
    return R"({"err":)" + Quoted(outcome.error) + "}";
  }

  Answer Dispatches(PluginCode& code, const AugmentedMetadata& metadata, const View& input, const View& result) {
    const auto storage = NewMemoryStorage();
    const HostFunctions functions{.plugin = input["plugin_name"] ? input["plugin_name"].str() : "hostfns",
                                  .storage = storage.get(),
                                  .quota_bytes = input["quota"].number(1 << 20)};
    auto instance = code.NewInstance({.wall_ms = input["wall_ms"].number(Limit::kHandshakeWallMs),
                                      .fuel = input["fuel"].number(Limit::kHandshakeFuel),
                                      .memory_pages = std::nullopt},
                                     input["host_functions"].is_true() ? &functions : nullptr);
    if (!instance) {
      const std::string text = (input["host_functions"].is_true() ? "" : "failed to instantiate plugin: ") + instance.fault().reason;
      return Check("").Same("build", Comparable(result["build"]["err"].str()), Comparable(text)).answer();
    }
    const auto calls = input["dispatch"].items(), expects = result["dispatch"].items();
    if (calls.size() != expects.size()) return Failed("expected a build error: " + result["build"].text());
    for (size_t i = 0; i < calls.size(); ++i) {
      const std::string where = "dispatch " + std::to_string(i) + " (" + calls[i]["function"].str() + ") ";
      recorder_.Clear();
      const Answer answer = calls[i]["raw_input"] ? Plain(**instance, where, calls[i], expects[i]) : Typed(**instance, where, metadata, calls[i], expects[i]);
      if (Bad(answer)) return answer;
    }
    return Passed();
  }

  Answer Recorded(Check& check, const View& expect) {
    return check.Same("metrics", expect["metrics"].text(), "[" + recorder_.metrics + "]").Same("logs", LogsOf(expect["logs"]), LogsOf(recorder_.logs)).answer();
  }

  Answer Plain(PluginInstance& instance, const std::string& where, const View& call, const View& expect) {
    const PlainOutcome outcome = instance.Call(call["function"].str(), call["raw_input"].str());
    Check check(where);
    if (!outcome.ok) {
      if (!expect["raw_err"]) return Failed(where + "expected output, got " + outcome.error + " (" + outcome.cause + ")");
      check.Same("raw_err", Comparable(expect["raw_err"].str()), Comparable(outcome.error));
      check.Same("raw_err_root", Comparable(expect["raw_err_root"].str()), Comparable(outcome.cause));
    } else {
      check.Same("raw_ok", expect["raw_ok_b64"] ? expect["raw_ok_b64"].str() : "an error: " + expect["raw_err"].str(), ToBase64(outcome.output));
    }
    return Recorded(check, expect);
  }

  Answer Typed(PluginInstance& instance, const std::string& where, const AugmentedMetadata& metadata, const View& call, const View& expect) {
    const auto outcome = DispatchText(instance, metadata, call["function"].str(), call["request"].text());
    if (!outcome) {
      return expect["request_decode_error"] ? Passed() : Failed(where + outcome.error().message);
    }
    Check check(where);
    check.Same("outcome", expect["outcome"].text(),
               outcome->error ? R"({"fallback":)" + Quoted(PolicyName(outcome->error->fallback)) + "}" : R"({"ok":)" + outcome->response + "}");
    // The oracle took these from the first counter and the first line of the log.
    check.Same("stage", expect["stage"].str(), recorder_.first_stage);
    std::string debug;  // of no error, as null, none
    if (!recorder_.logs.empty()) {
      const auto field = recorder_.logs[0].fields.find("error");
      if (field != recorder_.logs[0].fields.end()) debug = field->second;
    }
    check.Same("error_debug", ComparableDebug(expect["error_debug"].str()), ComparableDebug(debug));
    check.Same("error_variant", expect["error_variant"].str(), debug.substr(0, debug.find(' ')));
    return Recorded(check, expect);
  }

  const std::string modules_;
  const std::vector<std::string> plugins_;
  Recorder recorder_;
};

}  // namespace

std::unique_ptr<Cases> MakeCases(std::string modules, std::vector<std::string> plugins) {
  return std::make_unique<CasesImpl>(std::move(modules), std::move(plugins));
}

}  // namespace weir::cclb::golden
