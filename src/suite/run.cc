#include "suite/run.h"

#include <algorithm>
#include <random>

#include "suite/head.h"

namespace weir::suite {
namespace {

constexpr size_t kRandomPieceMax = 4096;  // bytes; small bodies are cut smaller
constexpr uint64_t kRandomCuts = 6;        // runs of any_chunking beside one byte at a time
constexpr uint64_t kByteByByteMax = 4096;  // bytes of the bodies of a case that is also run byte by byte

Result<Chunking> PlanOf(const pb::Test& test, const std::optional<Chunking>& instead) {
  if (instead) return *instead;
  const auto bad = [](std::string_view name) { return Error{ErrorCode::kInvalidArgument, std::string(name) + " must be at least 1"}; };
  switch (test.body_chunking_plan_case()) {
    case pb::Test::kNumChunks:
      if (test.num_chunks() < 1) return bad("num_chunks");
      return Chunking{Chunking::Kind::kCount, uint64_t(test.num_chunks())};
    case pb::Test::kChunkSize:
      if (test.chunk_size() < 1) return bad("chunk_size");
      return Chunking{Chunking::Kind::kSize, uint64_t(test.chunk_size())};
    default: return Chunking{};
  }
}

}  // namespace

std::string Chunking::Describe() const {
  switch (kind) {
    case Kind::kWhole: return "one chunk";
    case Kind::kCount: return std::to_string(number) + " chunks";
    case Kind::kSize: return "chunks of " + std::to_string(number) + (number == 1 ? " byte" : " bytes");
    case Kind::kRandom: return "chunks of random sizes (seed " + std::to_string(number) + ")";
  }
  return "";
}

std::vector<std::string> Cut(std::string_view body, const Chunking& chunking) {
  if (body.empty()) return {""};
  using enum Chunking::Kind;
  const uint64_t pieces_max = chunking.kind == kCount ? chunking.number : chunking.kind == kWhole ? 1 : UINT64_MAX;
  const uint64_t fixed = chunking.kind == kCount ? body.size() / chunking.number : chunking.number;
  const uint64_t random_max = std::clamp<uint64_t>(body.size() / 2, 1, kRandomPieceMax);
  std::mt19937_64 random(chunking.number);
  std::vector<std::string> pieces;
  while (pieces.size() + 1 < pieces_max) {
    const uint64_t size = chunking.kind == kRandom ? 1 + random() % random_max : fixed;
    if (size >= body.size()) break;  // the last
    pieces.emplace_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  pieces.emplace_back(body);
  return pieces;
}

std::vector<std::string> CutAt(std::string_view body, const google::protobuf::RepeatedField<uint32_t>& sizes) {
  std::vector<std::string> pieces;
  for (const uint32_t size : sizes) {
    pieces.emplace_back(body.substr(0, size));
    body.remove_prefix(pieces.back().size());
  }
  if (!body.empty() || pieces.empty()) pieces.emplace_back(body);
  return pieces;
}

CaseInput::CaseInput(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking)
    : world_(world), chunking_(PlanOf(test, chunking)), instead_(chunking.has_value()) {}

// File beats content beats header, as in the tester.
Result<HeaderList> CaseInput::Headers(const pb::Input& input, Direction direction) const {
  if (!input.file().empty()) {
    WEIR_TRY(const std::string text, ReadBeside(world_.file.folder, input.file()));
    return ParseHead(text, direction);
  }
  if (!input.content().empty()) return ParseHead(input.content(), direction);
  HeaderList headers;
  for (const pb::Header& header : input.header()) headers.emplace_back(header.key(), header.value());
  return headers;
}

Result<std::string> CaseInput::Body(const pb::Input& input) const {
  if (!input.file().empty()) return ReadBeside(world_.file.folder, input.file());
  return input.content();
}

Result<std::vector<std::vector<std::string>>> CaseInput::Bodies(const google::protobuf::RepeatedPtrField<pb::Invocation>& all) const {
  std::vector<std::vector<std::string>> bodies;
  if (all.empty()) return bodies;
  if (!chunking_) return chunking_.error();
  if (all.size() != 1 && chunking_->kind != Chunking::Kind::kWhole) {
    return Error{ErrorCode::kInvalidArgument, "num_chunks and chunk_size go with one body of each direction, and there are " +
                                                  std::to_string(all.size()) + ": leave out the plan, or keep one body"};
  }
  for (const pb::Invocation& invocation : all) {
    WEIR_TRY(const std::string body, Body(invocation.input()));
    if (instead_ || invocation.chunk_bytes().empty()) {
      bodies.push_back(Cut(body, *chunking_));
    } else if (chunking_->kind != Chunking::Kind::kWhole) {
      return Error{ErrorCode::kInvalidArgument, "chunk_bytes and a plan of the whole case (num_chunks, chunk_size): keep one"};
    } else {
      bodies.push_back(CutAt(body, invocation.chunk_bytes()));
    }
  }
  return bodies;
}

CaseOutcome RunCase(const CaseWorld& world, const pb::Test& test, const std::optional<Chunking>& chunking) {
  return UsesExtensions(test) ? RunOnWeir(world, test, chunking) : RunAsTester(world, test, chunking);
}

// The same case with its bodies cut otherwise, until one differs.
CaseOutcome RunWhole(const CaseWorld& world, const pb::Test& test, bool any_chunking) {
  CaseOutcome outcome = RunCase(world, test);
  const bool again = (any_chunking || test.any_chunking()) && outcome.failures.empty();
  const uint64_t bytes = again ? RechunkBytes(test, world.file.folder) : 0;
  if (bytes == 0) return outcome;
  std::vector<Chunking> cuts = {{Chunking::Kind::kWhole, 0}};
  if (bytes <= kByteByByteMax) cuts.push_back({Chunking::Kind::kSize, 1});
  for (uint64_t seed = 1; seed <= kRandomCuts; ++seed) cuts.push_back({Chunking::Kind::kRandom, seed});
  const auto has_plan = [](const pb::Invocation& body) { return !body.chunk_bytes().empty(); };
  const bool own_plan = test.body_chunking_plan_case() != pb::Test::BODY_CHUNKING_PLAN_NOT_SET ||
                        std::any_of(test.request_body().begin(), test.request_body().end(), has_plan) ||
                        std::any_of(test.response_body().begin(), test.response_body().end(), has_plan);
  for (size_t i = own_plan ? 0 : 1; i < cuts.size(); ++i) {
    const CaseOutcome other = RunCase(world, test, cuts[i]);
    Failures differences = Compare(outcome, other, cuts[i]);
    if (differences.empty()) continue;
    outcome.failures = std::move(differences);
    outcome.plugin_fault = other.plugin_fault;
    break;
  }
  return outcome;
}

uint64_t RechunkBytes(const pb::Test& test, const std::string& folder) {
  if (test.request_body_size() > 1 || test.response_body_size() > 1) return 0;
  uint64_t all = 0;
  bool cuts = false;
  for (const auto* bodies : {&test.request_body(), &test.response_body()}) {
    for (const pb::Invocation& invocation : *bodies) {
      const pb::Input& input = invocation.input();
      const auto file = input.file().empty() ? Result<std::string>(std::string()) : ReadBeside(folder, input.file());
      const uint64_t bytes = input.file().empty() ? input.content().size() : file ? file->size() : 0;
      all += bytes;
      cuts = cuts || bytes > 1 || invocation.chunk_bytes_size() > 1;
    }
  }
  return cuts ? all : 0;
}

Failures Compare(const CaseOutcome& one, const CaseOutcome& other, const Chunking& chunking) {
  Failures failures;
  const std::string with = "with " + chunking.Describe() + ": ";
  const size_t count = std::min(one.phases.size(), other.phases.size());
  if (one.phases.size() != other.phases.size()) failures.push_back({"any_chunking", with + "the case ends in another phase"});
  if (other.phases.size() < one.phases.size() && !other.failures.empty()) failures.push_back(other.failures.back());
  for (size_t i = 0; i < count; ++i) {
    const PhaseRecord &a = one.phases[i], &b = other.phases[i];
    const auto fail = [&](std::string text) { failures.push_back({a.phase, with + text}); };
    if (a.replied != b.replied) {
      fail(b.replied ? "a local reply is made, which was not" : "no local reply is made");
      continue;
    }
    const PhaseResult &x = a.result, &y = b.result;
    if (x.http_code != y.http_code) fail("status " + std::to_string(y.http_code) + " in place of " + std::to_string(x.http_code));
    if (x.headers != y.headers) {
      for (const auto& [key, value] : x.headers) {
        const std::string* got = FindHeader(y.headers, key);
        if (got == nullptr || *got != value) fail("header \"" + key + "\" is " + (got ? Quoted(*got) : "not there") + " in place of " + Quoted(value));
      }
      for (const auto& [key, value] : y.headers)
        if (FindHeader(x.headers, key) == nullptr) fail("header \"" + key + "\" is there, and was not");
    }
    if (x.body != y.body && !a.replied) fail("another body" + Difference(x.body, y.body));
  }
  return failures;
}

}  // namespace weir::suite
