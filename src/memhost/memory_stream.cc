#include "memhost/memory_stream.h"

#include <charconv>
#include <utility>

#include "http/grpc_response.h"

namespace weir {
namespace {

constexpr uint64_t kClientPort = 50'000, kServerPort = 80;

/// A content-length that is there says what the body is now.
void FixLength(HttpMessage* message) {
  for (auto& [name, value] : message->headers) {
    if (name == std::string_view("content-length")) value = std::to_string(message->BodyText().size());
  }
}

/// As Envoy counts: the body, and the names and values of headers and trailers.
int64_t TotalSize(const HttpMessage& message) {
  size_t bytes = message.BodyText().size();
  for (const HeaderList* list : {&message.headers, &message.trailers}) {
    for (const auto& [name, value] : *list) bytes += name.size() + value.size();
  }
  return static_cast<int64_t>(bytes);
}

int64_t StatusOf(const HttpMessage& response) {
  int64_t status = 0;
  const std::string text = JoinedValues(response.headers, ":status").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), status);
  return status;
}

}  // namespace

std::string HttpMessage::BodyText() const {
  std::string all;
  for (const std::string& chunk : body) all += chunk;
  return all;
}

MemoryStream::MemoryStream(MemoryHost& world, std::span<Plugin* const> plugins, HttpMessage request)
    : world_(world),
      sides_{Side{.message = {.headers = std::move(request.headers)}, .exists = true}, Side{}},
      to_send_{.body = std::move(request.body), .trailers = std::move(request.trailers)},
      maps_{MemoryHeaders(sides_[0].message.headers, MemoryHeaders::Pseudo::kRequest),
            MemoryHeaders(sides_[0].message.trailers, MemoryHeaders::Pseudo::kNone),
            MemoryHeaders(sides_[1].message.headers, MemoryHeaders::Pseudo::kResponse),
            MemoryHeaders(sides_[1].message.trailers, MemoryHeaders::Pseudo::kNone)},
      started_ns_(world.clock().RealtimeNs()),
      plugins_(plugins.begin(), plugins.end()) {
  maps_[0].Mark();
  chain_.emplace(*this, plugins_);
}

void MemoryStream::Rewind() {
  chain_.reset();
  maps_[static_cast<size_t>(HeaderMapKind::kRequestHeaders)].Rewind();
  maps_[static_cast<size_t>(HeaderMapKind::kResponseHeaders)].Rewind();
  for (Side& side : sides_) {
    side.message.body.clear();
    side.sent = side.over = side.woken = side.body_came = side.trailers_exist = false;
    side.message.trailers.clear();
  }
  reset_ = local_ = false;
  if (!notes_.empty()) notes_.clear();
  chain_.emplace(*this, plugins_);
}

void MemoryStream::FeedHeaders(Direction direction, EndOfStream end) {
  BodyOut out;
  const Verdict verdict = chain_->OnHeaders(direction, end);
  if (verdict == Verdict::kContinue) out.headers_passed = true, out.end = end;
  Take(direction, verdict, {}, &out);
}

void MemoryStream::FeedBody(Direction direction, std::string_view chunk, EndOfStream end) {
  BodyOut out;
  side(direction).body_came = true;
  const Verdict verdict = chain_->OnBody(direction, chunk, end, &out);
  Take(direction, verdict, chunk, &out);
}

void MemoryStream::FeedTrailers(Direction direction) {
  BodyOut out;
  side(direction).trailers_exist = true;
  const Verdict verdict = chain_->OnTrailers(direction, &out);
  Take(direction, verdict, {}, &out);
}

void MemoryStream::StartResponse(HttpMessage response) {
  Side& side = this->side(Direction::kResponse);
  side.exists = true;
  side.message.headers = std::move(response.headers);
  side.message.trailers = std::move(response.trailers);
  side.message.body.clear();
  maps_[static_cast<size_t>(HeaderMapKind::kResponseHeaders)].Mark();
}

void MemoryStream::SendRequest() {
  HttpMessage send = std::move(to_send_);
  side(Direction::kRequest).message.trailers = send.trailers;
  const bool has_trailers = !send.trailers.empty();
  FeedHeaders(Direction::kRequest, send.body.empty() && !has_trailers ? EndOfStream::kYes : EndOfStream::kNo);
  for (size_t i = 0; i < send.body.size() && !reset_ && !local_; ++i) {
    const bool last = i + 1 == send.body.size() && !has_trailers;
    FeedBody(Direction::kRequest, send.body[i], last ? EndOfStream::kYes : EndOfStream::kNo);
  }
  if (has_trailers && !reset_ && !local_) FeedTrailers(Direction::kRequest);
}

void MemoryStream::SendResponse(HttpMessage response) {
  const std::vector<std::string> body = std::move(response.body);
  response.body.clear();
  const bool has_trailers = !response.trailers.empty(), was_local = local_;
  auto superseded = [&] { return reset_ || local_ != was_local; };  // the rest of an upstream's response is swallowed then
  StartResponse(std::move(response));
  FeedHeaders(Direction::kResponse, body.empty() && !has_trailers ? EndOfStream::kYes : EndOfStream::kNo);
  for (size_t i = 0; i < body.size() && !superseded(); ++i) {
    const bool last = i + 1 == body.size() && !has_trailers;
    FeedBody(Direction::kResponse, body[i], last ? EndOfStream::kYes : EndOfStream::kNo);
  }
  if (has_trailers && !superseded()) FeedTrailers(Direction::kResponse);
}

bool MemoryStream::Pump() {
  bool any = false;
  for (Direction direction : {Direction::kRequest, Direction::kResponse}) {
    if (reset_ || !std::exchange(side(direction).woken, false)) continue;
    any = true;
    BodyOut out;
    const Verdict verdict = chain_->Continue(direction, &out);
    Take(direction, verdict, {}, &out);
  }
  return any;
}

/// Hands on what left the chain.
void MemoryStream::Take(Direction direction, Verdict verdict, std::string_view chunk, BodyOut* out) {
  Side& side = this->side(direction);
  switch (verdict) {
    case Verdict::kPause:
      return;
    case Verdict::kReset:
      reset_ = true;
      world_.Note("stream reset");
      return;
    case Verdict::kLocalResponse:
      return SendLocal();
    case Verdict::kContinue:
      break;
  }
  if (direction == Direction::kRequest && local_) return;  // nobody reads the rest of it
  if (out->headers_passed && direction == Direction::kResponse) side.sent = true;
  if (out->unchanged && !chunk.empty()) side.message.body.emplace_back(chunk);
  if (!out->bytes.empty()) side.message.body.push_back(std::move(out->bytes));
  if (out->end == EndOfStream::kYes) {
    side.over = true;
    if (side.body_came) FixLength(&side.message);
  }
}

void MemoryStream::SendLocal() {
  LocalResponse local = chain_->TakeLocalResponse();
  local_ = true;
  local_details_ = local.details;
  if (local.grpc_status >= 0 && IsGrpcRequest(maps_[0])) MakeTrailersOnly(&local);
  HttpMessage response{.headers = ResponseHeaders(local.status, std::move(local.headers))};
  if (!local.body.empty()) {
    response.headers.emplace_back("content-length", std::to_string(local.body.size()));
    response.body.push_back(std::move(local.body));
  }
  world_.Note("stream local_response " + std::to_string(local.status));
  side(Direction::kResponse) = Side{};
  SendResponse(std::move(response));
}

HeaderMap* MemoryStream::headers(HeaderMapKind kind) {
  const auto index = static_cast<size_t>(kind);  // headers and trailers of the request, then those of the response
  const Side& side = sides_[index / 2];
  const bool exists = index % 2 == 0 ? side.exists : side.trailers_exist;
  return exists ? &maps_[index] : nullptr;
}

HeaderMap* MemoryStream::AddTrailers(Direction direction) {
  Side& side = this->side(direction);
  side.trailers_exist = side.trailers_exist || !side.message.trailers.empty();
  return &maps_[direction == Direction::kRequest ? 1 : 3];
}

std::optional<PropertyValue> MemoryStream::property(Property property) {
  if (auto it = given.properties.find(property); it != given.properties.end()) return it->second;
  const HttpMessage& request = sides_[0].message;
  const HttpMessage& response = sides_[1].message;
  switch (property) {
    case Property::kRequestProtocol:
      return "HTTP/1.1";
    case Property::kRequestTime:
      return static_cast<int64_t>(started_ns_);
    case Property::kRequestDuration:
      return static_cast<int64_t>(world_.clock().RealtimeNs() - started_ns_);
    case Property::kRequestSize:
      return static_cast<int64_t>(request.BodyText().size());
    case Property::kRequestTotalSize:
      return TotalSize(request);
    case Property::kResponseTotalSize:
      return TotalSize(response);
    case Property::kResponseFlags:
      return int64_t{0};
    case Property::kUpstreamRequestAttemptCount:
      return int64_t{sides_[1].exists && !local_ ? 1 : 0};
    case Property::kResponseSize:
      return static_cast<int64_t>(response.BodyText().size());
    case Property::kResponseCode:
      if (!sides_[1].exists) return std::nullopt;
      return StatusOf(response);
    case Property::kResponseCodeDetails:
      if (!sides_[1].exists) return std::nullopt;
      return local_ ? local_details_ : std::string("via_upstream");
    case Property::kSourceAddress:
      return "127.0.0.1:" + std::to_string(kClientPort);
    case Property::kSourcePort:
      return static_cast<int64_t>(kClientPort);
    case Property::kDestinationAddress:
      return "127.0.0.1:" + std::to_string(kServerPort);
    case Property::kDestinationPort:
      return static_cast<int64_t>(kServerPort);
    case Property::kConnectionId:
    case Property::kConnectionIdOld:
      return int64_t{1};
    case Property::kConnectionMtls:
      return false;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> MemoryStream::variable(std::string_view path) {
  auto it = given.variables.find(path);
  if (it == given.variables.end()) return std::nullopt;
  return it->second;
}

bool MemoryStream::SetVariable(std::string_view path, std::string_view value) {
  auto it = given.variables.find(path);
  if (it == given.variables.end()) return false;
  it->second = value;
  return true;
}

void MemoryStream::OnNote(ChainNote note, std::string_view plugin) {
  notes_.push_back(note);
  if (world_.tracing()) world_.Note("log warn " + std::string(plugin) + ": " + std::string(Describe(note)));
}

Upstream Answer(uint32_t status, std::string body, HeaderList headers) {
  return [=](const HttpMessage&) {
    HttpMessage response{.headers = ResponseHeaders(status, headers)};
    response.headers.emplace_back("content-length", std::to_string(body.size()));
    if (!body.empty()) response.body.push_back(body);
    return response;
  };
}

StreamOutcome RunStream(MemoryHost& world, std::span<Plugin* const> plugins, HttpMessage request, const Upstream& upstream,
                        uint64_t wait_ms, const GivenProperties& given) {
  StreamOutcome outcome;
  MemoryStream stream(world, plugins, std::move(request));
  stream.given = given;
  const uint64_t stop_ns = world.clock().MonotonicNs() + wait_ms * 1'000'000;
  auto turn = [&] {
    if (stream.Pump()) return true;
    const uint64_t now_ns = world.clock().MonotonicNs();
    return now_ns < stop_ns && world.Step((stop_ns - now_ns) / 1'000'000);
  };
  stream.SendRequest();
  while (!stream.request_over() && !stream.local() && !stream.reset()) {
    if (!turn()) break;
  }
  if (stream.request_over() && !stream.local() && !stream.reset()) {
    stream.ForwardRequest();
    outcome.upstream = stream.request();
    stream.SendResponse(upstream(stream.request()));
  }
  while (!stream.response_over() && !stream.reset()) {
    if (!turn()) break;
  }
  stream.Finish();
  outcome.end = stream.reset()           ? StreamOutcome::End::kReset
                : stream.response_over() ? StreamOutcome::End::kResponse
                                         : StreamOutcome::End::kStuck;
  outcome.response = stream.response();
  outcome.local = stream.local();
  outcome.local_details = stream.local_details();
  outcome.notes = stream.notes();
  outcome.variables = std::move(stream.given.variables);
  return outcome;
}

}  // namespace weir
