#include "host/http2_pool.h"

#include <time.h>

#include <algorithm>

#include "base/log_text.h"
#include "host/http2_connection.h"

namespace weir {

namespace {

constexpr uint64_t kHttp1KnownMs = 300'000;  // then a server that chose HTTP/1.1 is offered HTTP/2 again

}  // namespace

Http2Pool::Http2Pool(int epoll_fd, CallEventQueue& events, CURLM* multi) : epoll_fd_(epoll_fd), events_(events), multi_(multi) {}

Http2Pool::~Http2Pool() = default;

uint64_t Http2Pool::NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

void Http2Pool::Begin(std::unique_ptr<CallRequest> request, uint64_t now_ms) {
  auto stream = std::make_unique<Http2Stream>();
  stream->reader = MakeAnswerReader(*request, events_);
  stream->started_ms = now_ms;
  const CallToken token = request->token;
  if (request->timeout_ms) {
    stream->deadline_ms = now_ms + request->timeout_ms;
    deadlines_.emplace(stream->deadline_ms, token);
  }
  stream->request = std::move(request);
  Http2Stream& added = *stream;
  streams_.emplace(token, std::move(stream));
  Place(added);
}

void Http2Pool::Place(Http2Stream& stream) {
  const ActiveCluster& cluster = *stream.request->cluster;
  const size_t endpoint = (stream.request->endpoint + stream.tried) % cluster.endpoints.size();
  if (!stream.request->grpc && !cluster.BeginsWithHttp2(endpoint, NowMs())) return HandBack(stream);
  auto it = std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) { return one->Serves(cluster, endpoint) && one->HasRoom(); });
  if (it != connections_.end()) {
    Http2Connection& connection = **it;
    connection.Add(stream);
    if (!connection.Flush()) Lost(connection, connection.why(), true);
    return;
  }
  connections_.push_back(std::make_unique<Http2Connection>(*this, stream.request->cluster, endpoint, !stream.request->grpc));
  Http2Connection& connection = *connections_.back();
  connection.Add(stream);
  if (!connection.Dial(multi_)) Lost(connection, {CallFailure::kConnect, "out of memory"}, false);
}

void Http2Pool::PlaceAgain() {
  while (!unplaced_.empty()) {
    auto it = streams_.find(unplaced_.back());
    unplaced_.pop_back();
    if (it != streams_.end()) Place(*it->second);
  }
}

void Http2Pool::HandBack(Http2Stream& stream) {
  if (stream.on) stream.on->Drop(stream);
  const std::unique_ptr<Http2Stream> own = Remove(stream.request->token);
  std::unique_ptr<CallRequest> request = std::move(own->request);
  const size_t endpoints = request->cluster->endpoints.size();
  request->endpoint = (request->endpoint + own->tried) % endpoints;
  if (own->deadline_ms) {
    const uint64_t now_ms = NowMs();
    request->timeout_ms = own->deadline_ms > now_ms ? own->deadline_ms - now_ms : 1;
  }
  http1_.push_back(std::move(request));
}

void Http2Pool::OnConnect(Http2Connection& connection, CURLcode code) {
  if (code != CURLE_OK) {
    const char* text = connection.error()[0] ? connection.error() : curl_easy_strerror(code);
    return Lost(connection, {FailureOf(code, text), LogText(text, 400)}, false);
  }
  if (connection.ChoseHttp1()) return LostToHttp1(connection);
  CallOutcome outcome = connection.Connected();
  if (outcome.failure != CallFailure::kNone) return Lost(connection, std::move(outcome), false);
  by_fd_[connection.fd()] = &connection;
  if (!connection.Flush()) Lost(connection, connection.why(), true);
}

bool Http2Pool::OnSocket(int fd, uint32_t) {
  auto it = by_fd_.find(fd);
  if (it == by_fd_.end()) return false;
  Http2Connection& connection = *it->second;
  if (!connection.OnSocket()) Lost(connection, connection.why(), true);
  return true;
}

void Http2Pool::Lost(Http2Connection& connection, CallOutcome outcome, bool connected) {
  if (connection.dead()) return;
  connection.set_dead();  // nobody gets on while its streams are told
  const auto streams = connection.streams();
  const bool served = connection.served();
  const std::unique_ptr<Http2Connection> kept = Remove(connection);
  for (Http2Stream* stream : streams) {
    if (stream->ended) {  // all of its answer is here: Continue() ends it
      connection.Drop(*stream);
      continue;
    }
    // As with HTTP/1.1: a server that cannot be trusted is no reason to ask another.
    const bool next = !connected && outcome.failure != CallFailure::kTls && stream->tried + 1 < stream->request->cluster->endpoints.size();
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

std::unique_ptr<Http2Connection> Http2Pool::Remove(Http2Connection& connection) {
  auto it = std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) { return one.get() == &connection; });
  std::unique_ptr<Http2Connection> own = std::move(*it);
  connections_.erase(it);
  by_fd_.erase(connection.fd());
  return own;
}

void Http2Pool::LostToHttp1(Http2Connection& connection) {
  connection.cluster().http1_until_ms[connection.endpoint_index()] = NowMs() + kHttp1KnownMs;
  for (Http2Stream* stream : std::set<Http2Stream*>(connection.streams())) {
    if (!stream->request->grpc) HandBack(*stream);
  }
  Lost(connection, {CallFailure::kConnect, "the server does not offer HTTP/2 (ALPN)"}, false);
}

void Http2Pool::Finish(Http2Stream& stream, CallOutcome outcome) {
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

std::unique_ptr<Http2Stream> Http2Pool::Remove(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return nullptr;
  std::unique_ptr<Http2Stream> stream = std::move(it->second);
  streams_.erase(it);
  if (stream->deadline_ms) deadlines_.erase({stream->deadline_ms, token});
  return stream;
}

void Http2Pool::Cancel(CallToken token) {
  const std::unique_ptr<Http2Stream> stream = Remove(token);
  if (!stream) return;
  Http2Connection* connection = stream->on;
  if (!connection) return;
  connection->Drop(*stream);
  if (connection->streams().empty()) connection->idle_since_ms = NowMs();
}

void Http2Pool::CancelAndTell(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  Http2Connection* connection = it->second->on;
  Cancel(token);
  if (connection && !connection->Flush()) Lost(*connection, connection->why(), true);
}

void Http2Pool::Send(CallToken token, std::string_view framed, bool last) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  Http2Stream& stream = *it->second;
  stream.request->body += framed;
  if (last) stream.request->body_open = false;
  if (!stream.on) return;
  const uint64_t waiting = stream.request->body.size() - stream.sent, most = stream.request->cluster->config.send_bytes_max;
  Http2Connection& connection = *stream.on;
  if (waiting > most + framed.size()) {
    Finish(stream, {CallFailure::kTooLarge, "over " + std::to_string(most) + " bytes of messages wait for the server to take them"});
  } else {
    connection.SendMore(stream);
  }
  if (!connection.Flush()) Lost(connection, connection.why(), true);
}

void Http2Pool::Continue(CallToken token) {
  auto it = streams_.find(token);
  if (it == streams_.end()) return;
  Http2Stream& stream = *it->second;
  Http2Connection* const connection = stream.on;
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

std::optional<uint64_t> Http2Pool::next_ms() const {
  std::optional<uint64_t> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  for (const auto& connection : connections_) {
    if (!connection->idle_since_ms || !connection->streams().empty()) continue;
    const uint64_t until_ms = connection->idle_since_ms + connection->idle_max_ms();
    if (!next || until_ms < *next) next = until_ms;
  }
  return next;
}

void Http2Pool::OnTime(uint64_t now_ms) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
    Http2Stream& stream = *streams_.at(deadlines_.begin()->second);
    Http2Connection* connection = stream.on;
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
