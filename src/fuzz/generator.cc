#include "fuzz/generator.h"

#include <algorithm>

#include "memhost/given_properties.h"
#include "weir/property.h"

namespace weir::fuzz {
namespace {

constexpr std::string_view kMethods[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "CONNECT"};
constexpr uint32_t kStatuses[] = {200, 200, 200, 204, 301, 302, 304, 400, 401, 403, 404, 429, 500, 503, 100, 999};
constexpr int kHeadersMax = 40, kPiecesMax = 24;

void Put(pb::Invocation* headers, std::string_view name, std::string_view value) {
  pb::Header* header = headers->mutable_input()->add_header();
  header->set_key(std::string(name));
  header->set_value(std::string(value));
}

/// A property that Weir knows has a type, and may follow from the message: such a case would be a bad one.
bool CanBeGiven(const pb::Property& property) {
  std::string_view name;
  const bool known = property.path().starts_with("ngx.") || FindProperty(property.path(), &name) != nullptr;
  GivenProperties given;
  return !known || given.Give(property.path(), property.value()).empty();
}

}  // namespace

pb::Header* FindHeader(pb::Invocation* headers, std::string_view name) {
  for (pb::Header& header : *headers->mutable_input()->mutable_header())
    if (header.key() == name) return &header;
  return nullptr;
}

pb::Test Generator::Fresh() {
  pb::Test test;
  test.set_no_trap(true);
  if (known_.tcp) {
    Tcp(&test);
  } else {
    Request(&test);
    if (random_.Chance(70)) Response(&test);
    for (uint64_t i = random_.Chance(30) ? random_.Between(1, 3) : 0; i > 0; --i) Property(&test);
  }
  Upstreams(&test);
  if (random_.Chance(20)) Shared(&test);
  if (random_.Chance(15)) test.set_init_advance_ms(values_.Milliseconds());
  return test;
}

void Generator::Request(pb::Test* test) {
  pb::Invocation* headers = test->mutable_request_headers();
  Put(headers, ":method", random_.Chance(70) ? kMethods[random_.Below(2)] : random_.Pick(kMethods));
  Put(headers, ":scheme", random_.Chance(80) ? "https" : "http");
  Put(headers, ":authority", random_.Chance(80) ? "example.org" : values_.Word());
  Put(headers, ":path", values_.Path());
  for (uint64_t i = random_.Below(8); i > 0; --i) AddHeader(headers, known_.asked.request_headers);
  if (random_.Chance(4)) {  // not every proxy gives every pseudo header
    auto* all = headers->mutable_input()->mutable_header();
    all->DeleteSubrange(int(random_.Below(4)), 1);
  }
  if (random_.Chance(known_.request_body ? 60 : 10)) Bodies(test->mutable_request_body());
  if (random_.Chance(known_.request_trailers ? 20 : 2)) AddHeader(test->mutable_request_trailers(), known_.asked.request_headers);
  if (random_.Chance(20)) headers->set_advance_ms(values_.Milliseconds());
}

void Generator::Response(pb::Test* test) {
  pb::Invocation* headers = test->mutable_response_headers();
  Put(headers, ":status", std::to_string(random_.Pick(kStatuses)));
  for (uint64_t i = random_.Below(6); i > 0; --i) AddHeader(headers, known_.asked.response_headers);
  if (random_.Chance(known_.response_body ? 70 : 10)) Bodies(test->mutable_response_body());
  if (random_.Chance(known_.response_trailers ? 20 : 2)) AddHeader(test->mutable_response_trailers(), known_.asked.response_headers);
  if (random_.Chance(10)) headers->set_advance_ms(values_.Milliseconds());
}

void Generator::AddHeader(pb::Invocation* headers, const std::set<std::string>& asked) {
  if (headers->input().header_size() >= kHeadersMax) return;
  const std::string name = values_.HeaderName(asked);
  Put(headers, name, values_.ValueFor(name));
}

void Generator::Bodies(google::protobuf::RepeatedPtrField<pb::Invocation>* bodies) {
  bodies->Clear();
  for (uint64_t i = random_.Chance(90) ? 1 : random_.Between(2, 4); i > 0; --i) {
    pb::Invocation* body = bodies->Add();
    body->mutable_input()->set_content(values_.Body());
    if (random_.Chance(60)) Chunks(body);
    if (random_.Chance(10)) body->set_advance_ms(values_.Milliseconds());
  }
}

void Generator::Chunks(pb::Invocation* body) {
  const size_t size = body->input().content().size();
  body->clear_chunk_bytes();
  // One cut anywhere, a few, or small pieces at the front: what stands there is looked at.
  const uint64_t kind = random_.Below(4);
  size_t left = size;
  for (int i = 0; i < (kind == 0 ? 1 : kPiecesMax) && left > 1; ++i) {
    const size_t piece = kind == 3 ? random_.Between(1, 3) : random_.Between(1, std::max<size_t>(1, kind == 0 ? left - 1 : left / 2));
    if (piece >= left) break;
    body->add_chunk_bytes(uint32_t(piece));
    left -= piece;
  }
  if (random_.Chance(20)) {  // the end comes by itself
    if (left > 0) body->add_chunk_bytes(uint32_t(left));
    body->add_chunk_bytes(0);
  }
}

pb::Answer Generator::Answer(bool grpc) {
  pb::Answer answer;
  const uint64_t kind = random_.Below(10);
  if (random_.Chance(30)) answer.set_after_ms(values_.Milliseconds());
  if (kind == 0) {
    // Not `never`: real upstreams have a time of their own, for calls that name none.
    answer.set_failure(pb::Answer::TIMEOUT);
    answer.set_after_ms(60'000);
  } else if (kind <= 2) {
    answer.set_failure(pb::Answer::Failure(random_.Between(1, 7)));
  } else if (grpc) {
    pb::Grpc* out = answer.mutable_grpc();
    out->set_status(random_.Chance(60) ? 0 : uint32_t(random_.Below(18)));
    if (random_.Chance(30)) out->set_status_message(values_.Word());
    for (uint64_t i = random_.Below(3); i > 0; --i) out->add_message(values_.Body());
  } else {
    answer.set_status(random_.Pick(kStatuses));
    for (uint64_t i = random_.Below(4); i > 0; --i) {
      pb::Header* header = answer.add_header();
      header->set_key(values_.HeaderName(known_.asked.response_headers));
      header->set_value(values_.ValueFor(header->key()));
    }
    if (random_.Chance(70)) answer.set_body(values_.Body());
  }
  return answer;
}

void Generator::Upstreams(pb::Test* test) {
  test->clear_upstream();
  for (const bool grpc : {false, true}) {
    for (const std::string& name : grpc ? known_.asked.grpc_upstreams : known_.asked.http_upstreams) {
      if (grpc && known_.asked.http_upstreams.contains(name)) continue;
      pb::Upstream* upstream = test->add_upstream();
      upstream->set_name(name);
      for (uint64_t i = random_.Between(1, 2); i > 0; --i) *upstream->add_answer() = Answer(grpc);
    }
  }
}

void Generator::Property(pb::Test* test) {
  if (known_.asked.properties.empty() || test->properties_size() > 8) return;
  const std::string& path = random_.Pick(known_.asked.properties);
  for (const pb::Property& had : test->properties())
    if (had.path() == path) return;
  pb::Property* property = test->add_properties();
  property->set_path(path);
  property->set_value(random_.Chance(30) ? values_.Number() : values_.Value());
  if (!CanBeGiven(*property)) test->mutable_properties()->RemoveLast();
}

void Generator::Shared(pb::Test* test) {
  if (known_.asked.shared_keys.empty() || test->shared_data_size() > 4) return;
  pb::SharedValue* value = test->add_shared_data();
  value->set_key(random_.Pick(known_.asked.shared_keys));
  value->set_value(random_.Chance(50) ? values_.Number() : values_.Value());
}

pb::TcpEvent Generator::TcpEvent() {
  pb::TcpEvent event;
  const bool upstream = random_.Chance(40);
  const bool close = random_.Chance(10);
  event.set_kind(close ? (upstream ? pb::TcpEvent::UPSTREAM_CLOSE : pb::TcpEvent::DOWNSTREAM_CLOSE) : upstream ? pb::TcpEvent::UPSTREAM_DATA : pb::TcpEvent::DOWNSTREAM_DATA);
  if (!close) event.mutable_input()->set_content(values_.Body());
  if (!close && random_.Chance(10)) event.set_end_stream(true);
  if (random_.Chance(15)) event.set_advance_ms(values_.Milliseconds());
  return event;
}

void Generator::Tcp(pb::Test* test) {
  test->add_tcp()->set_kind(pb::TcpEvent::NEW_CONNECTION);
  for (uint64_t i = random_.Between(1, 6); i > 0; --i) *test->add_tcp() = TcpEvent();
}

void Generator::MutateTcp(pb::Test* test) {
  const int at = int(random_.Between(1, uint64_t(std::max(1, test->tcp_size() - 1))));
  if (at >= test->tcp_size() || random_.Chance(40)) {
    *test->add_tcp() = TcpEvent();
  } else if (random_.Chance(20)) {
    test->mutable_tcp()->DeleteSubrange(at, 1);
  } else if (random_.Chance(30)) {
    *test->mutable_tcp(at) = TcpEvent();
  } else {
    values_.Change(test->mutable_tcp(at)->mutable_input()->mutable_content());
  }
}

void Generator::Mutate(pb::Test* test, const pb::Test& other) {
  for (uint64_t i = random_.Between(1, 4); i > 0; --i) MutateOnce(test, other);
}

void Generator::MutateOnce(pb::Test* test, const pb::Test& other) {
  if (!test->tcp().empty() && random_.Chance(75)) return MutateTcp(test);
  const bool response = test->has_response_headers() && random_.Chance(40);
  pb::Invocation* headers = response ? test->mutable_response_headers() : test->mutable_request_headers();
  const auto& asked = response ? known_.asked.response_headers : known_.asked.request_headers;
  auto* bodies = response ? test->mutable_response_body() : test->mutable_request_body();
  auto* list = headers->mutable_input()->mutable_header();
  if (!test->tcp().empty()) return Upstreams(test);
  switch (random_.Below(14)) {
    case 0:
    case 1: return AddHeader(headers, asked);
    case 2:
      if (!list->empty()) list->DeleteSubrange(int(random_.Below(uint64_t(list->size()))), 1);
      return;
    case 3:
    case 4:
      if (!list->empty()) values_.Change(list->Mutable(int(random_.Below(uint64_t(list->size()))))->mutable_value());
      return;
    case 5:
      if (!list->empty()) {
        pb::Header* header = list->Mutable(int(random_.Below(uint64_t(list->size()))));
        header->set_value(header->key() == ":path" ? values_.Path() : values_.ValueFor(header->key()));
      }
      return;
    case 6: return Bodies(bodies);
    case 7:
      if (!bodies->empty()) values_.Change(bodies->Mutable(0)->mutable_input()->mutable_content());
      return;
    case 8:
      if (!bodies->empty()) Chunks(bodies->Mutable(int(random_.Below(uint64_t(bodies->size())))));
      return;
    case 9: return random_.Chance(50) ? Upstreams(test) : headers->set_advance_ms(values_.Milliseconds());
    case 10: return random_.Chance(50) ? Property(test) : Shared(test);
    case 11: {  // the answer of another one
      if (!other.has_response_headers()) return;
      *test->mutable_response_headers() = other.response_headers();
      *test->mutable_response_body() = other.response_body();
      return;
    }
    case 12:
      if (other.has_request_headers() && !other.request_headers().input().header().empty()) *list->Add() = random_.Pick(other.request_headers().input().header());
      return;
    default:
      if (!test->has_response_headers()) return Response(test);
      return AddHeader(response ? test->mutable_response_trailers() : test->mutable_request_trailers(), asked);
  }
}

void Sanitize(pb::Test* test, size_t body_bytes_max) {
  const auto headers = [](pb::Invocation* invocation) {
    for (pb::Header& header : *invocation->mutable_input()->mutable_header()) {
      MakeValue(header.mutable_value());
      if (header.key() == ":path") std::erase_if(*header.mutable_value(), [](char c) { return uint8_t(c) <= 0x20 || c == 0x7f; });
    }
  };
  if (test->has_request_headers()) headers(test->mutable_request_headers());
  if (test->has_response_headers()) headers(test->mutable_response_headers());
  if (test->has_request_trailers()) headers(test->mutable_request_trailers());
  if (test->has_response_trailers()) headers(test->mutable_response_trailers());
  for (auto* bodies : {test->mutable_request_body(), test->mutable_response_body()})
    for (pb::Invocation& body : *bodies)
      if (body.input().content().size() > body_bytes_max) body.mutable_input()->mutable_content()->resize(body_bytes_max);
}

}  // namespace weir::fuzz
