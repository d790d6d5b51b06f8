#include "host/http_client.h"

#include "base/log_text.h"
#include "host/call_token.h"

namespace weir {
namespace {

std::string_view Scheme(const HeaderList& headers) {
  for (const auto& [name, value] : headers) {
    if (name == ":scheme") return value;
  }
  return {};
}

}  // namespace

CallClient::CallClient(ClientOptions options, std::function<void()> notify)
    : clusters_(std::move(options.clusters), std::move(options.allowed_hosts), std::move(options.host_defaults), std::move(options.find_cluster)),
      calls_max_(options.calls_max),
      loop_(std::move(notify), options.idle_connections) {}

CallClient::~CallClient() = default;

Result<std::shared_ptr<ActiveCluster>> CallClient::Admit(const std::string& upstream, bool tls) {
  auto cluster = clusters_.Find(upstream, tls);
  const std::string name = "upstream \"" + LogText(upstream, 200) + "\"";
  if (!cluster) return Error{ErrorCode::kNotFound, name + " is neither a cluster nor an allowed host"};
  if (cluster->in_flight >= cluster->config.calls_max) {
    return Error{ErrorCode::kLimit, name + " has " + std::to_string(cluster->in_flight) + " calls in flight, the most it may have"};
  }
  if (live_.size() >= calls_max_) return Error{ErrorCode::kLimit, std::to_string(live_.size()) + " calls are in flight, the most there may be"};
  return cluster;
}

Result<CallToken> CallClient::Launch(std::unique_ptr<CallRequest> request, std::shared_ptr<ActiveCluster> cluster, CallEvents& events) {
  WEIR_TRY_VOID(loop_.Start());
  const CallToken token = NewCallToken();
  request->token = token;
  request->cluster = cluster;
  request->endpoint = cluster->turn++ % cluster->endpoints.size();
  ++cluster->in_flight;
  live_.emplace(token, Live{&events, std::move(cluster), request->flow, request->body_open});
  loop_.Post(std::move(request));
  return token;
}

Result<CallToken> CallClient::StartHttp(HttpCall call, CallEvents& events) {
  WEIR_TRY(auto cluster, Admit(call.upstream, Scheme(call.headers) == "https"));
  WEIR_TRY(auto request, MakeHttpRequest(std::move(call), *cluster));
  return Launch(std::move(request), std::move(cluster), events);
}

Result<CallToken> CallClient::StartGrpc(GrpcCall call, CallEvents& events) {
  WEIR_TRY(auto cluster, Admit(call.upstream, false));
  WEIR_TRY(auto request, MakeGrpcRequest(std::move(call), *cluster));
  return Launch(std::move(request), std::move(cluster), events);
}

bool CallClient::Send(CallToken token, std::string framed, bool last) {
  auto it = live_.find(token);
  if (it == live_.end() || !it->second.may_send) return false;
  it->second.may_send = !last;
  loop_.Post(SendCommand{token, std::move(framed), last});
  return true;
}

bool CallClient::GrpcSend(CallToken token, std::string message, EndOfStream end) {
  const bool last = end == EndOfStream::kYes;
  return Send(token, last && message.empty() ? std::string() : FrameGrpc(message), last);
}

bool CallClient::GrpcCloseSend(CallToken token) {
  auto it = live_.find(token);
  if (it == live_.end() || !it->second.flow) return false;
  return !it->second.may_send || Send(token, {}, true);
}

void CallClient::Forget(CallToken token) {
  auto it = live_.find(token);
  if (it == live_.end()) return;
  --it->second.cluster->in_flight;
  live_.erase(it);
}

void CallClient::Cancel(CallToken token) {
  if (live_.find(token) == live_.end()) return;
  Forget(token);
  loop_.Post(CancelCommand{token});
}

size_t CallClient::Deliver() {
  CallEventQueue more = loop_.TakeEvents();
  for (CallEvent& event : more) ready_.push_back(std::move(event));  // behind those of a Deliver() that this one is inside of
  size_t told = 0;
  for (; !ready_.empty(); ++told) {
    CallEvent event = std::move(ready_.front());
    ready_.pop_front();
    Tell(event);
  }
  return told;
}

void CallClient::Tell(CallEvent& event) {
  auto it = live_.find(event.token);
  if (it == live_.end()) return;  // cancelled in the meantime
  CallEvents& events = *it->second.events;
  if (auto* message = std::get_if<GrpcMessage>(&event.what)) {
    if (it->second.flow->Took(message->bytes.size())) loop_.Post(ContinueCommand{event.token});
    return events.OnGrpcMessage(event.token, std::move(message->bytes));
  }
  if (auto* metadata = std::get_if<GrpcMetadata>(&event.what)) return events.OnGrpcMetadata(event.token, std::move(metadata->headers));
  if (auto* trailers = std::get_if<GrpcTrailers>(&event.what)) return events.OnGrpcTrailers(event.token, std::move(trailers->headers));
  Forget(event.token);
  if (auto* answer = std::get_if<HttpAnswer>(&event.what)) return events.OnHttpAnswer(event.token, std::move(*answer));
  auto& close = std::get<GrpcClose>(event.what);
  events.OnGrpcClose(event.token, close.status, std::move(close.message));
}

}  // namespace weir
