#include "fuzz/judge.h"

#include <algorithm>
#include <vector>

namespace weir::fuzz {
namespace {

using suite::CaseOutcome;
using suite::Chunking;
using suite::PhaseRecord;

constexpr uint64_t kPatienceMs = 120'000;  // by the clock of the case, over every time-out that a plugin may sensibly give a call
constexpr size_t kInnermostMax = 16, kOutermostMax = 3;
constexpr int kUpstreamRounds = 4;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

/// The invocation that ends a direction, where one does.
pb::Invocation* LastOf(pb::Test* test, Direction direction) {
  const bool request = direction == Direction::kRequest;
  if (!(request ? test->has_request_headers() : test->has_response_headers())) return nullptr;
  pb::Invocation* headers = request ? test->mutable_request_headers() : test->mutable_response_headers();
  if (request ? test->has_request_trailers() : test->has_response_trailers()) return request ? test->mutable_request_trailers() : test->mutable_response_trailers();
  auto* bodies = request ? test->mutable_request_body() : test->mutable_response_body();
  if (!bodies->empty()) return bodies->Mutable(bodies->size() - 1);
  return headers->has_end_stream() && !headers->end_stream() ? nullptr : headers;
}

/// The record of the last phase of `direction`: "request_…", "response_…".
const PhaseRecord* LastPhase(const CaseOutcome& outcome, Direction direction) {
  const std::string_view begin = direction == Direction::kRequest ? "request_" : "response_";
  const auto found = std::find_if(outcome.phases.rbegin(), outcome.phases.rend(), [&](const PhaseRecord& one) { return one.phase.starts_with(begin); });
  return found == outcome.phases.rend() ? nullptr : &*found;
}

bool Paused(const CaseOutcome& outcome, Direction direction) {
  const PhaseRecord* last = LastPhase(outcome, direction);
  return last != nullptr && !last->result.goes_on && !last->replied;
}

/// What of a difference is the same for the same fault: "another body", "status", "header".
std::string KindOf(const std::string& difference) {
  const size_t colon = difference.find(": ");
  const std::string_view text = std::string_view(difference).substr(colon == difference.npos ? 0 : colon + 2);
  return std::string(text.substr(0, text.find_first_of("\n\"0123456789")));
}

}  // namespace

std::string_view Name(Property property) {
  constexpr std::string_view kNames[] = {"trap", "time-out", "memory", "chunking", "waits"};
  return kNames[size_t(property)];
}

Fault FaultOf(const std::string& why) {
  Fault fault;
  std::vector<std::string> lines = Lines(why);
  std::string first = lines.front();
  // The name of the plugin is that of the case, its file that of this run, and the context another one each time.
  for (const std::string_view end : {"\": ", "): "}) {
    if (const size_t at = first.find(end); first.starts_with("plugin \"") && at != first.npos) first.erase(0, at + end.size());
  }
  if (const size_t begin = first.find(" (context "), end = first.find(')', begin); begin != first.npos && end != first.npos) first.erase(begin, end - begin + 1);
  lines.erase(lines.begin());
  fault.detail = first;
  for (const std::string& line : lines) fault.detail += "\n" + line;
  for (std::string& line : lines)
    if (const size_t place = line.find(" ("); place != line.npos && line.ends_with(')')) line.resize(place);
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());  // recursion
  fault.title = first;
  const bool timeout = first.find(" ms of CPU time") != first.npos, memory = first.find("(its memory is ") != first.npos;
  fault.property = timeout ? Property::kTimeout : memory ? Property::kMemory : Property::kTrap;
  fault.key = std::string(Name(fault.property)) + " " + first.substr(0, timeout || memory ? first.find(": ") : first.npos);
  // A loop is stopped anywhere, and so is what eats memory: where it began is what two of them have in common.
  const bool anywhere = fault.property != Property::kTrap || first.find("call stack overflowed") != first.npos;
  const size_t count = std::min(lines.size(), anywhere ? kOutermostMax : kInnermostMax);
  const auto begin = anywhere ? lines.end() - ptrdiff_t(count) : lines.begin();
  for (auto line = begin; line != begin + ptrdiff_t(count); ++line) fault.key += "\n" + *line;
  return fault;
}

CaseOutcome Judge::Run(const pb::Test& test, const std::optional<Chunking>& chunking, Behaviour* behaviour) const {
  suite::CaseWorld world = base_;
  world.witness = behaviour;
  return suite::RunCase(world, test, chunking);
}

bool Judge::Fails(const pb::Test& test) const { return !suite::RunWhole(base_, test, false).failures.empty(); }

std::optional<Fault> Judge::Crash(const CaseOutcome& outcome) const {
  if (!outcome.plugin_fault) return std::nullopt;
  return FaultOf(outcome.plugin_fault->why);
}

std::optional<Fault> Judge::Examine(pb::Test* test, Behaviour* behaviour) const {
  CaseOutcome outcome;
  for (int round = 0;; ++round) {
    Behaviour own;
    outcome = Run(*test, std::nullopt, &own);
    // An upstream that there is not is a fault of the configuration, not of the plugin.
    const auto known = [&](const std::string& name) {
      return std::any_of(test->upstream().begin(), test->upstream().end(), [&](const pb::Upstream& one) { return one.name() == name; });
    };
    bool added = false;
    for (const auto* names : {&own.asked().http_upstreams, &own.asked().grpc_upstreams}) {
      for (const std::string& name : *names) {
        if (known(name)) continue;
        pb::Upstream* upstream = test->add_upstream();
        upstream->set_name(name);
        if (names == &own.asked().grpc_upstreams) upstream->add_answer()->mutable_grpc();
        added = true;
      }
    }
    if (added && round < kUpstreamRounds) continue;
    if (behaviour != nullptr) *behaviour = std::move(own);
    break;
  }
  if (auto crash = Crash(outcome)) return crash;
  if (!test->tcp().empty()) return std::nullopt;
  if (auto waits = Waits(test, outcome)) return waits;
  return Chunked(test, outcome);
}

std::optional<Fault> Judge::Waits(pb::Test* test, const CaseOutcome& outcome) const {
  const auto silent = [](const pb::Upstream& one) { return std::any_of(one.answer().begin(), one.answer().end(), [](const pb::Answer& answer) { return answer.never(); }); };
  if (std::any_of(test->upstream().begin(), test->upstream().end(), silent)) return std::nullopt;
  for (const Direction direction : {Direction::kRequest, Direction::kResponse}) {
    if (!Paused(outcome, direction)) continue;
    pb::Test patient = *test;
    pb::Invocation* last = LastOf(&patient, direction);
    if (last == nullptr) continue;
    last->set_advance_ms(kPatienceMs);
    last->mutable_result()->set_paused(false);
    const CaseOutcome again = Run(patient, std::nullopt, nullptr);
    if (auto crash = Crash(again)) {
      last->clear_result();
      *test = std::move(patient);
      return crash;
    }
    if (!Paused(again, direction) || again.failures.empty()) continue;
    *test = std::move(patient);
    const std::string phase = LastPhase(again, direction)->phase;
    Fault fault{.property = Property::kWaits};
    fault.key = "waits " + std::string(direction == Direction::kRequest ? "request" : "response");
    fault.title = phase + ": it paused, and never goes on";
    fault.detail = fault.title + "\n" + std::to_string(kPatienceMs / 1000) + " s after the end of the message, with every call answered or out of time";
    return fault;
  }
  return std::nullopt;
}

std::optional<Fault> Judge::Chunked(pb::Test* test, const CaseOutcome& outcome) const {
  if (!chunking_ || suite::RechunkBytes(*test, base_.file.folder) == 0) return std::nullopt;
  const auto planned = [](const auto& bodies) { return std::any_of(bodies.begin(), bodies.end(), [](const pb::Invocation& body) { return !body.chunk_bytes().empty(); }); };
  if (!planned(test->request_body()) && !planned(test->response_body())) return std::nullopt;
  const Chunking whole{Chunking::Kind::kWhole, 0};
  const CaseOutcome other = Run(*test, whole, nullptr);
  if (auto crash = Crash(other)) {
    for (auto* bodies : {test->mutable_request_body(), test->mutable_response_body()})
      for (pb::Invocation& body : *bodies) body.clear_chunk_bytes();
    return crash;
  }
  const suite::Failures differences = suite::Compare(outcome, other, whole);
  if (differences.empty()) return std::nullopt;
  test->set_any_chunking(true);
  Fault fault{.property = Property::kChunking};
  fault.key = "chunking " + differences.front().phase + " " + KindOf(differences.front().text);
  fault.title = differences.front().phase + ": the result depends on how the body is cut";
  for (const suite::Failure& one : differences) fault.detail += (fault.detail.empty() ? "[" : "\n[") + one.phase + "] " + one.text;
  return fault;
}

}  // namespace weir::fuzz
