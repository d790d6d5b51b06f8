#include "memhost/memory_tcp.h"

#include <utility>

namespace weir {
namespace {

constexpr int64_t kClientPort = 50'000, kServerPort = 7000, kBackendPort = 7001;
constexpr TcpSide kSides[] = {TcpSide::kDownstream, TcpSide::kUpstream};

std::string Local(int64_t port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

MemoryTcpStream::MemoryTcpStream(MemoryHost& world, std::span<Plugin* const> plugins)
    : world_(world), plugins_(plugins.begin(), plugins.end()) {
  chain_.emplace(*this, plugins_);
}

void MemoryTcpStream::Connect() {
  connecting_ = true;
  DataOut out;
  const TcpVerdict verdict = chain_->OnNewConnection();
  out.connection_passed = verdict == TcpVerdict::kContinue;
  Take(TcpSide::kDownstream, verdict, {}, &out);
}

bool MemoryTcpStream::Reads(TcpSide side) const {
  return connecting_ && !closed_ && !chain_->full(side) && (side == TcpSide::kDownstream || connected());
}

void MemoryTcpStream::Feed(TcpSide side, std::string_view chunk, EndOfStream end) {
  if (closed_) return;
  side_(side).unread.push_back({std::string(chunk), end});
  (void)ReadOn(side);
}

/// What waits unread, as far as the chain takes it. False: nothing was.
bool MemoryTcpStream::ReadOn(TcpSide side) {
  bool any = false;
  while (Reads(side) && !side_(side).unread.empty()) {
    any = true;
    const Unread next = std::move(side_(side).unread.front());
    side_(side).unread.pop_front();
    DataOut out;
    const TcpVerdict verdict = chain_->OnData(side, next.bytes, next.end, &out);
    Take(side, verdict, next.bytes, &out);
  }
  return any;
}

bool MemoryTcpStream::Pump() {
  bool any = false;
  for (const TcpSide side : kSides) {
    if (!std::exchange(side_(side).woken, false) || closed_) continue;
    any = true;
    DataOut out;
    const TcpVerdict verdict = chain_->Continue(side, &out);
    Take(side, verdict, {}, &out);
  }
  for (const TcpSide side : kSides) {
    any |= ReadOn(side);
    const std::optional<uint64_t> until_ns = FullUntilNs(side);
    if (closed_ || !until_ns || world_.clock().MonotonicNs() < *until_ns) continue;
    any = true;
    DataOut out;
    Take(side, chain_->OnHeldTooLong(side), {}, &out);
  }
  return any;
}

bool MemoryTcpStream::Turn(uint64_t max_ms) {
  if (Pump()) return true;
  if (closed_) return false;
  const uint64_t now_ns = world_.clock().MonotonicNs();
  uint64_t most_ms = max_ms;
  std::optional<uint64_t> first_ms;
  for (const TcpSide side : kSides) {
    if (const auto until_ns = FullUntilNs(side)) {
      first_ms = (*until_ns - now_ns + 999'999) / 1'000'000;
      most_ms = std::min(most_ms, *first_ms);
    }
  }
  if (world_.Step(most_ms)) return true;
  if (!first_ms || *first_ms > max_ms) return false;
  world_.clock().AdvanceMs(*first_ms);
  return Pump();
}

void MemoryTcpStream::Take(TcpSide side, TcpVerdict verdict, std::string_view chunk, DataOut* out) {
  if (out->connection_passed) world_.Note("tcp backend connected");
  Side& from = side_(side);
  if (out->unchanged) from.passed += chunk;
  from.passed += out->bytes;
  if (out->end == EndOfStream::kYes) from.ended = true;
  if (!chain_->full(side)) {
    from.full_since_ns.reset();
  } else if (!from.full_since_ns) {
    from.full_since_ns = world_.clock().MonotonicNs();
  }
  if (verdict == TcpVerdict::kClose) Close(TcpSide::kDownstream, PeerType::kLocal);
}

std::optional<uint64_t> MemoryTcpStream::FullUntilNs(TcpSide side) const {
  const auto since_ns = side_(side).full_since_ns;
  if (!since_ns || !chain_->full(side)) return std::nullopt;
  return *since_ns + uint64_t{chain_->full_ms(side)} * 1'000'000;
}

void MemoryTcpStream::Close(TcpSide side, PeerType peer) {
  if (std::exchange(closed_, true)) return;
  world_.Note("tcp closed");
  const TcpSide other = side == TcpSide::kDownstream ? TcpSide::kUpstream : TcpSide::kDownstream;
  for (const TcpSide one : {side, other}) {
    if (one == TcpSide::kUpstream && !connected()) continue;
    chain_->OnClose(one, side_(one).ended ? PeerType::kRemote : one == side ? peer : PeerType::kLocal);
  }
}

void MemoryTcpStream::Finish() {
  if (std::exchange(finished_, true)) return;
  if (connecting_) Close(TcpSide::kDownstream, PeerType::kLocal);
  chain_->Finish();
}

size_t MemoryTcpStream::unread(TcpSide side) const {
  size_t bytes = 0;
  for (const Unread& one : side_(side).unread) bytes += one.bytes.size();
  return bytes;
}

std::optional<PropertyValue> MemoryTcpStream::property(Property property) {
  if (auto it = given.properties.find(property); it != given.properties.end()) return it->second;
  switch (property) {
    case Property::kSourceAddress:
      return Local(kClientPort);
    case Property::kSourcePort:
      return kClientPort;
    case Property::kDestinationAddress:
      return Local(kServerPort);
    case Property::kDestinationPort:
      return kServerPort;
    case Property::kConnectionId:
      return int64_t{1};
    case Property::kConnectionMtls:
      return false;
    case Property::kUpstreamAddress:
      if (!connected()) return std::nullopt;
      return Local(kBackendPort);
    case Property::kUpstreamPort:
      if (!connected()) return std::nullopt;
      return kBackendPort;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> MemoryTcpStream::variable(std::string_view path) {
  auto it = given.variables.find(path);
  if (it == given.variables.end()) return std::nullopt;
  return it->second;
}

bool MemoryTcpStream::SetVariable(std::string_view path, std::string_view value) {
  auto it = given.variables.find(path);
  if (it == given.variables.end()) return false;
  it->second = value;
  return true;
}

void MemoryTcpStream::OnNote(TcpNote note, std::string_view plugin) {
  notes_.push_back(note);
  if (world_.tracing()) world_.Note("log warn " + std::string(plugin) + ": " + std::string(Describe(note)));
}

}  // namespace weir
