// Candidates: cases of a suite (docs/test.md) that expect nothing but that no plugin fails.
#pragma once

#include <span>

#include "fuzz/values.h"
#include "suite/suite.pb.h"

namespace weir::fuzz {

namespace pb = suite::pb;

/// Made for one candidate.
class Generator {
 public:
  /// Both outlive it.
  Generator(const Knowledge& known, Random& random) : known_(known), random_(random), values_(known, random) {}
  pb::Test Fresh();
  /// Changes one to four things; `other` is one to take parts of.
  void Mutate(pb::Test* test, const pb::Test& other);

 private:
  void MutateOnce(pb::Test* test, const pb::Test& other);
  void MutateTcp(pb::Test* test);
  void Request(pb::Test* test);
  void Response(pb::Test* test);
  void Bodies(google::protobuf::RepeatedPtrField<pb::Invocation>* bodies);
  void Chunks(pb::Invocation* body);
  void AddHeader(pb::Invocation* headers, const std::set<std::string>& asked);
  void Upstreams(pb::Test* test);
  pb::Answer Answer(bool grpc);
  void Property(pb::Test* test);
  void Shared(pb::Test* test);
  void Tcp(pb::Test* test);
  pb::TcpEvent TcpEvent();

  const Knowledge& known_;
  Random& random_;
  Values values_;
};

/// What a proxy would not let in is taken out: bytes of headers, sizes.
void Sanitize(pb::Test* test, size_t body_bytes_max);
/// The header of that name; null: none.
pb::Header* FindHeader(pb::Invocation* headers, std::string_view name);

}  // namespace weir::fuzz
