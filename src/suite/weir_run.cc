// A case with fields of Weir's own, on Weir's own host: FilterChain in memory, its clock turned by the case.
#include <charconv>

#include "memhost/memory_stream.h"
#include "memhost/memory_tcp.h"
#include "suite/headers.h"
#include "suite/weir_world.h"

namespace weir::suite {
namespace {

constexpr std::string_view kTcpNames[] = {"new_connection", "downstream_data", "upstream_data", "downstream_close", "upstream_close"};

/// A name once, its values folded, in the order of first mention.
HeaderList Folded(const HeaderList& headers) {
  HeaderList folded;
  for (const auto& [key, value] : headers) {
    auto same = std::find_if(folded.begin(), folded.end(), [&key = key](const auto& one) { return one.first == key; });
    if (same == folded.end()) {
      folded.emplace_back(key, value);
    } else {
      same->second.append(", ").append(value);
    }
  }
  return folded;
}

HeaderList Lowered(HeaderList headers) {
  for (auto& [key, value] : headers) key = LowerName(key);
  return headers;
}

uint32_t NumberOf(const HeaderList& headers, std::string_view name, uint32_t otherwise) {
  const std::string* text = FindHeader(headers, name);
  uint32_t number = otherwise;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

HeaderList ListOf(HeaderMap* map) {
  struct All final : HeaderMap::Visitor {
    bool OnHeader(std::string_view name, std::string_view value) override {
      list.emplace_back(name, value);
      return true;
    }
    HeaderList list;
  } all;
  if (map != nullptr) map->ForEach(all);
  return all.list;
}

class WeirRun {
 public:
  WeirRun(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking)
      : case_(world), test_(test), input_(world, test, chunking), world_(world, test) {}

  CaseOutcome Run() {
    if (Start()) test_.tcp().empty() ? Http() : Tcp();
    stream_.reset();
    tcp_.reset();
    if (!over_) {
      if (auto ended = world_.Shutdown(); !ended) Dead("plugin_destroy", ended.error().message);
    }
    if (!over_ && test_.has_trap()) Check("trap").Fail("expected a plugin to fail, none did");
    world_.BeginPhase();
    outcome_.log = std::move(world_.all_logs());
    return std::move(outcome_);
  }

 private:
  PhaseCheck Check(std::string_view phase) { return PhaseCheck(std::string(phase), case_.file.folder, &outcome_.failures); }
  void Fail(std::string_view phase, std::string text) { Check(phase).Fail(std::move(text)); }

  /// A plugin failed: what the case expects, or its end. False, always.
  bool Dead(std::string_view phase, const std::string& why) {
    over_ = true;
    outcome_.plugin_fault = {std::string(phase), why};
    PhaseCheck check = Check(phase);
    if (test_.has_trap()) {
      const std::string trap[] = {why};
      auto matcher = Matcher::Create(test_.trap(), case_.file.folder);
      if (!matcher) {
        check.Fail("trap: " + matcher.error().message);
      } else if (!matcher->Matches(trap)) {
        check.Fail("expected a failure like " + Quoted(matcher->wanted()) + "\n    got  " + Quoted(why));
      }
      return false;
    }
    check.Fail(PluginFailure(why, world_.Logs()));
    return false;
  }

  bool Start() {
    world_.BeginPhase();
    if (auto started = world_.Start(); !started) {
      const ErrorCode code = started.error().code;
      const bool plugin = code == ErrorCode::kTrapped || code == ErrorCode::kRefused || code == ErrorCode::kLimit;
      if (plugin) return Dead("plugin_init", started.error().message);
      over_ = true;
      return Fail("plugin_init", started.error().message), false;
    }
    return Side("plugin_init", test_.plugin_init(), test_.init_advance_ms());
  }

  /// A phase without a message: what is due, then the checks of the world around it. False: the case is over.
  bool Side(std::string_view phase, const pb::Expectation& expected, uint64_t advance_ms) {
    world_.Advance(advance_ms, [&] { return Turn(); });
    if (const std::string why = world_.failure(); !why.empty()) return Dead(phase, why);
    PhaseCheck check = Check(phase);
    check.Logs(expected, world_.Logs());
    world_.Check(expected, check);
    world_.BeginPhase();
    return true;
  }
  bool Turn() { return stream_ ? stream_->Pump() : tcp_ ? tcp_->Pump() : false; }

  // ---- HTTP -----------------------------------------------------------------------------------------------------------------
  void Http() {
    HttpMessage request;
    if (test_.has_request_headers()) {
      auto headers = input_.Headers(test_.request_headers().input(), Direction::kRequest);
      if (!headers) return Fail("request_headers", headers.error().message);
      request.headers = Lowered(*std::move(headers));
    } else if (!test_.request_body().empty() || test_.has_request_trailers()) {
      return Fail("request_body", "on Weir's own host a request begins with request_headers: add them");
    }
    if (!test_.has_response_headers() && (!test_.response_body().empty() || test_.has_response_trailers()))
      return Fail("response_body", "on Weir's own host a response begins with response_headers: add them");
    stream_.emplace(world_.host(), world_.chain(), std::move(request));
    for (const pb::Property& property : test_.properties()) {
      // One that Weir knows has its type; any other is given as it is.
      std::string_view name;
      const bool known = property.path().starts_with("ngx.") || FindProperty(property.path(), &name) != nullptr;
      if (!known) {
        stream_->given.variables[property.path()] = property.value();
      } else if (const auto wrong = stream_->given.Give(property.path(), property.value()); !wrong.empty()) {
        return Fail("stream_init", wrong);
      }
    }
    if (!Side("stream_init", test_.stream_init(), 0)) return;
    if (!Message(Direction::kRequest)) return;
    const bool waits = test_.has_request_headers() && stream_->paused(Direction::kRequest) && !stream_->local() && !stream_->reset();
    if (!(waits && test_.no_trap()) && !Message(Direction::kResponse)) return;
    RecordMessages();
    stream_->Finish();
    Side("stream_destroy", test_.stream_destroy(), 0);
  }

  /// All phases of one direction. False: the case is over.
  bool Message(Direction direction) {
    const bool request = direction == Direction::kRequest;
    if (!(request ? test_.has_request_headers() : test_.has_response_headers())) return true;
    const pb::Invocation& headers = request ? test_.request_headers() : test_.response_headers();
    const auto& bodies = request ? test_.request_body() : test_.response_body();
    const bool trailers = request ? test_.has_request_trailers() : test_.has_response_trailers();
    const std::string name = request ? "request_" : "response_";
    auto pieces = input_.Bodies(bodies);
    if (!pieces) return Fail(name + "body", pieces.error().message), false;
    if (!request && !StartResponse(headers)) return false;
    const bool alone = headers.has_end_stream() ? headers.end_stream() : bodies.empty() && !trailers;
    const auto feed_headers = [&] { stream_->FeedHeaders(direction, alone ? EndOfStream::kYes : EndOfStream::kNo); };
    if (!Phase(name + "headers", headers, direction, HeadersOf(direction), feed_headers, true)) return false;
    for (int i = 0; i < bodies.size(); ++i) {
      const bool last = i + 1 == bodies.size() && !trailers;
      const auto feed = [&] {
        auto& all = (*pieces)[size_t(i)];
        for (size_t j = 0; j < all.size() && !stream_->local() && !stream_->reset(); ++j)
          stream_->FeedBody(direction, all[j], last && j + 1 == all.size() ? EndOfStream::kYes : EndOfStream::kNo);
      };
      if (!Phase(name + "body", bodies[i], direction, std::nullopt, feed, last)) return false;
    }
    if (!trailers) return true;
    const pb::Invocation& invocation = request ? test_.request_trailers() : test_.response_trailers();
    HeaderList list;
    for (const pb::Header& header : invocation.input().header()) list.emplace_back(LowerName(header.key()), header.value());
    const auto feed = [&] {
      stream_->SetTrailers(direction, std::move(list));
      stream_->FeedTrailers(direction);
    };
    return Phase(name + "trailers", invocation, direction, request ? HeaderMapKind::kRequestTrailers : HeaderMapKind::kResponseTrailers, feed, true);
  }

  /// What went on in the end, to compare runs by: a body callback may have changed headers. Of a local reply its phase has it.
  void RecordMessages() {
    if (stream_->local() || stream_->reset()) return;
    for (const Direction direction : {Direction::kRequest, Direction::kResponse}) {
      const bool request = direction == Direction::kRequest;
      if (!(request ? test_.has_request_headers() : test_.has_response_headers()) || stream_->paused(direction)) continue;
      const HttpMessage& message = request ? stream_->request() : stream_->response();
      PhaseRecord record{request ? "request" : "response", {.headers = Folded(message.headers), .body = message.BodyText()}};
      for (const auto& [name, value] : Folded(message.trailers)) record.result.headers.emplace_back("trailer " + name, value);
      outcome_.phases.push_back(std::move(record));
    }
  }

  bool StartResponse(const pb::Invocation& invocation) {
    auto headers = input_.Headers(invocation.input(), Direction::kResponse);
    if (!headers) return Fail("response_headers", headers.error().message), false;
    if (stream_->local() || stream_->reset()) return true;
    if (test_.has_request_headers() && stream_->paused(Direction::kRequest))
      return Fail("response_headers", "the request still waits for the plugin, so there is no response: resume it, or leave out the response"), false;
    stream_->ForwardRequest();
    stream_->StartResponse({.headers = Lowered(*std::move(headers))});
    return true;
  }

  static HeaderMapKind HeadersOf(Direction direction) {
    return direction == Direction::kRequest ? HeaderMapKind::kRequestHeaders : HeaderMapKind::kResponseHeaders;
  }

  /// One phase: what is fed, what is due, the checks. `ends`: a pause at its end is final, unless the case expects it.
  bool Phase(const std::string& name, const pb::Invocation& invocation, Direction direction, std::optional<HeaderMapKind> map,
             const std::function<void()>& feed, bool ends) {
    const bool skipped = stream_->local() || stream_->reset();
    const size_t body_before = Passed(direction).size();
    if (!skipped) {
      feed();
      world_.Advance(invocation.advance_ms(), [&] { return Turn(); });
      if (const std::string why = world_.failure(); !why.empty()) return Dead(name, why);
    }
    PhaseResult result;
    result.logs = world_.Logs();
    const bool replied = !skipped && stream_->local(), paused = !skipped && !replied && stream_->paused(direction);
    if (replied) {
      const HttpMessage& response = stream_->response();
      result.headers = Folded(response.headers);
      result.body = response.BodyText();
      result.http_code = NumberOf(response.headers, ":status", 0);
      result.grpc_code = NumberOf(response.headers, "grpc-status", UINT32_MAX);
      result.details = stream_->local_details();
    } else if (!skipped) {
      if (map) result.headers = Folded(ListOf(stream_->headers(*map)));
      result.body = Passed(direction).substr(body_before);
    }
    result.goes_on = !replied && !paused;
    result.action = result.goes_on ? 0 : 1;
    const pb::Expectation& expected = invocation.result();
    PhaseCheck check = Check(name);
    check.All(expected, result, test_.no_trap() ? Stops::kAny : expected.has_paused() || !ends ? Stops::kPauses : Stops::kFail);
    if (expected.has_paused() && expected.paused() != paused) check.Fail(paused ? "expected the plugin to go on, it paused" : "expected the plugin to pause, it went on");
    CheckReset(expected, stream_->reset(), check);
    world_.Check(expected, check);
    world_.BeginPhase();
    outcome_.phases.push_back({name, std::move(result), replied});
    return true;
  }

  void CheckReset(const pb::Expectation& expected, bool reset, PhaseCheck& check) {
    if (reset == expected.reset() || (reset && !expected.has_reset() && test_.no_trap())) return;
    check.Fail(reset ? "the stream was reset" : "expected the stream to be reset, it was not");
  }
  std::string Passed(Direction direction) const {
    return (direction == Direction::kRequest ? stream_->request() : stream_->response()).BodyText();
  }

  // ---- TCP ------------------------------------------------------------------------------------------------------------------
  void Tcp() {
    tcp_.emplace(world_.host(), world_.chain());
    if (!Side("stream_init", test_.stream_init(), 0)) return;
    for (int i = 0; i < test_.tcp_size(); ++i)
      if (!TcpPhase(test_.tcp(i), size_t(i) + 1)) return;
    tcp_->Finish();
    Side("stream_destroy", test_.stream_destroy(), 0);
  }

  bool TcpPhase(const pb::TcpEvent& event, size_t number) {
    const std::string name = "tcp " + std::to_string(number) + " " + std::string(kTcpNames[size_t(event.kind())]);
    auto bytes = input_.Body(event.input());
    if (!bytes) return Fail(name, bytes.error().message), false;
    const bool upstream = event.kind() == pb::TcpEvent::UPSTREAM_DATA || event.kind() == pb::TcpEvent::UPSTREAM_CLOSE;
    const TcpSide side = upstream ? TcpSide::kUpstream : TcpSide::kDownstream;
    const size_t before = tcp_->passed(side).size();
    switch (event.kind()) {
      case pb::TcpEvent::NEW_CONNECTION: tcp_->Connect(); break;
      case pb::TcpEvent::DOWNSTREAM_DATA:
      case pb::TcpEvent::UPSTREAM_DATA: tcp_->Feed(side, *bytes, event.end_stream() ? EndOfStream::kYes : EndOfStream::kNo); break;
      default: tcp_->Close(side); break;
    }
    world_.Advance(event.advance_ms(), [&] { return Turn(); });
    if (const std::string why = world_.failure(); !why.empty()) return Dead(name, why);
    const pb::Expectation& expected = event.result();
    PhaseCheck check = Check(name);
    check.Texts("body", expected.body(), {tcp_->passed(side).substr(before)});
    check.Logs(expected, world_.Logs());
    if (expected.has_paused() && expected.paused() != tcp_->paused(side)) check.Fail(expected.paused() ? "expected the plugin to pause, it went on" : "expected the plugin to go on, it paused");
    const bool closes = event.kind() == pb::TcpEvent::DOWNSTREAM_CLOSE || event.kind() == pb::TcpEvent::UPSTREAM_CLOSE;
    if (!closes && expected.has_reset()) CheckReset(expected, tcp_->closed(), check);
    world_.Check(expected, check);
    world_.BeginPhase();
    return true;
  }

  const CaseWorld& case_;
  const pb::Test& test_;
  CaseInput input_;
  CaseOutcome outcome_;
  bool over_ = false;  ///< a plugin failed
  WeirWorld world_;
  std::optional<MemoryStream> stream_;
  std::optional<MemoryTcpStream> tcp_;  // these die before the plugins
};

}  // namespace

CaseOutcome RunOnWeir(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking) {
  return WeirRun(world, test, chunking).Run();
}

}  // namespace weir::suite
