#include "host/grpc_pool.h"

#include <time.h>

#include <algorithm>

#include "base/log_text.h"
#include "host/grpc_connection.h"

namespace weir {

GrpcPool::GrpcPool(int epoll_fd, CallEventQueue& events, CURLM* multi) : epoll_fd_(epoll_fd), events_(events), multi_(multi) {}

GrpcPool::~GrpcPool() = default;

uint64_t GrpcPool::NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

void GrpcPool::Begin(std::unique_ptr<CallRequest> request, uint64_t now_ms) {
  auto stream = std::make_unique<GrpcStream>();
  stream->reader = MakeAnswerReader(*request, events_);
  stream->started_ms = now_ms;
  const CallToken token = request->token;
  if (request->timeout_ms) {
    stream->deadline_ms = now_ms + request->timeout_ms;
    deadlines_.emplace(stream->deadline_ms, token);
  }
  stream->request = std::move(request);
  GrpcStream& added = *stream;
  streams_.emplace(token, std::move(stream));
  Place(added);
}

void GrpcPool::Place(GrpcStream& stream) {
  const ActiveCluster& cluster = *stream.request->cluster;
  const size_t endpoint = (stream.request->endpoint + stream.tried) % cluster.endpoints.size();
  auto it = std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) { return one->Serves(cluster, endpoint) && one->HasRoom(); });
  if (it != connections_.end()) {
    GrpcConnection& connection = **it;
    connection.Add(stream);
    if (!connection.Flush()) Lost(connection, connection.why(), true);
    return;
  }
  connections_.push_back(std::make_unique<GrpcConnection>(*this, stream.request->cluster, endpoint));
  GrpcConnection& connection = *connections_.back();
  connection.Add(stream);
  if (!connection.Dial(multi_)) Lost(connection, {CallFailure::kConnect, "out of memory"}, false);
}

void GrpcPool::PlaceAgain() {
  while (!unplaced_.empty()) {
    auto it = streams_.find(unplaced_.back());
    unplaced_.pop_back();
    if (it != streams_.end()) Place(*it->second);
  }
}

void GrpcPool::OnConnect(GrpcConnection& connection, CURLcode code) {
  if (code != CURLE_OK) {
    const char* text = connection.error()[0] ? connection.error() : curl_easy_strerror(code);
    return Lost(connection, {FailureOf(code, text), LogText(text, 400)}, false);
  }
  CallOutcome outcome = connection.Connected();
  if (outcome.failure != CallFailure::kNone) return Lost(connection, std::move(outcome), false);
  by_fd_[connection.fd()] = &connection;
  if (!connection.Flush()) Lost(connection, connection.why(), true);
}

bool GrpcPool::OnSocket(int fd, uint32_t) {
  auto it = by_fd_.find(fd);
  if (it == by_fd_.end()) return false;
  GrpcConnection& connection = *it->second;
  if (!connection.OnSocket()) Lost(connection, connection.why(), true);
  return true;
}

void GrpcPool::Lost(GrpcConnection& connection, CallOutcome outcome, bool connected) {
  if (connection.dead()) return;
  connection.set_dead();  // nobody gets on while its streams are told
  const auto streams = connection.streams();
  const bool served = connection.served();
  auto own = std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) { return one.get() == &connection; });
  const std::unique_ptr<GrpcConnection> kept = std::move(*own);
  connections_.erase(own);
  by_fd_.erase(connection.fd());
  for (GrpcStream* stream : streams) {
    if (stream->ended) {  // all of its answer is here: Continue() ends it
      connection.Drop(*stream);
      continue;
    }
    const bool next = !connected && stream->tried + 1 < stream->request->cluster->endpoints.size();
    // As libcurl does for HTTP: a kept connection that ends without a word had ended before.
    const bool again = connected && !stream->again && stream->rewindable && !stream->head_done && (served || connection.Refused(*stream));
    if (!next && !again) {
      Finish(*stream, outcome);
      continue;
    }
    connection.Drop(*stream);
    stream->tried += next;
    stream->again = stream->again || again;
    stream->sent = 0;
    stream->status = 0;
    stream->headers.clear();
    Place(*stream);
  }
}

void GrpcPool::Finish(GrpcStream& stream, CallOutcome outcome) {
  const CallToken token = stream.request->token;
  if (stream.on && outcome.failure == CallFailure::kReset && outcome.http2_error == NGHTTP2_REFUSED_STREAM && !stream.again && stream.rewindable) {
    stream.on->Drop(stream);  // the server has not looked at it
    stream.again = true;
    stream.sent = 0;
    unplaced_.push_back(token);  // later: this may be inside its connection
    return;
  }
  if (outcome.failure != CallFailure::kNone && stream.request->cluster->endpoints.size()) {
    const auto& endpoints = stream.request->cluster->endpoints;
    outcome.reason = endpoints[(stream.request->endpoint + stream.tried) % endpoints.size()].text + ": " + outcome.reason;
  }
  stream.reader->OnEnd(std::move(outcome), std::move(stream.headers), std::move(stream.trailers));
  Cancel(token);
}

void GrpcPool::Cancel(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  const std::unique_ptr<GrpcStream> stream = std::move(it->second);
  streams_.erase(it);
  if (stream->deadline_ms) deadlines_.erase({stream->deadline_ms, token});
  GrpcConnection* connection = stream->on;
  if (!connection) return;
  connection->Drop(*stream);
  if (connection->streams().empty()) connection->idle_since_ms = NowMs();
}

void GrpcPool::CancelAndTell(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  GrpcConnection* connection = it->second->on;
  Cancel(token);
  if (connection && !connection->Flush()) Lost(*connection, connection->why(), true);
}

void GrpcPool::Send(CallToken token, std::string_view framed, bool last) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  GrpcStream& stream = *it->second;
  stream.request->body += framed;
  if (last) stream.request->body_open = false;
  if (!stream.on) return;
  const uint64_t waiting = stream.request->body.size() - stream.sent, most = stream.request->cluster->config.send_bytes_max;
  GrpcConnection& connection = *stream.on;
  if (waiting > most + framed.size()) {
    Finish(stream, {CallFailure::kTooLarge, "over " + std::to_string(most) + " bytes of messages wait for the server to take them"});
  } else {
    connection.SendMore(stream);
  }
  if (!connection.Flush()) Lost(connection, connection.why(), true);
}

void GrpcPool::Continue(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  GrpcStream& stream = *it->second;
  GrpcConnection* const connection = stream.on;
  const std::string held = std::exchange(stream.held, {});
  if (!held.empty()) {
    const auto step = stream.reader->OnBody(held);
    if (step == AnswerReader::Step::kStop) {
      stream.held = held;
      return;
    }
    if (connection) connection->TookHeld(stream, held.size());
    if (step == AnswerReader::Step::kFail) Finish(stream, stream.reader->outcome());
    else if (stream.ended) Finish(stream, {});
  }
  if (connection && !connection->Flush()) Lost(*connection, connection->why(), true);
}

std::optional<uint64_t> GrpcPool::next_ms() const {
  std::optional<uint64_t> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  for (const auto& connection : connections_) {
    if (!connection->idle_since_ms || !connection->streams().empty()) continue;
    const uint64_t until_ms = connection->idle_since_ms + connection->idle_max_ms();
    if (!next || until_ms < *next) next = until_ms;
  }
  return next;
}

void GrpcPool::OnTime(uint64_t now_ms) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
    GrpcStream& stream = *streams_.at(deadlines_.begin()->second);
    GrpcConnection* connection = stream.on;
    const char* stage = connection && connection->fd() < 0 ? "not connected" : !stream.head_done ? "no answer" : "the answer is not complete";
    Finish(stream, {CallFailure::kTimeout, std::string(stage) + " after " + std::to_string(now_ms - stream.started_ms) + " ms"});
    if (connection && !connection->Flush()) Lost(*connection, connection->why(), true);
  }
  std::erase_if(connections_, [&](const auto& one) {
    if (!one->idle_since_ms || !one->streams().empty() || one->idle_since_ms + one->idle_max_ms() > now_ms) return false;
    by_fd_.erase(one->fd());
    return true;
  });
}

}  // namespace weir
