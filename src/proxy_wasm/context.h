// A stream context: one HTTP request with its response, or one TCP connection, as the guest knows it by id.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/snapshot.h"
#include "weir/http.h"
#include "weir/tcp.h"

namespace weir::proxy_wasm {

struct Core;
class Vm;
class ProxyWasmPlugin;
class Context;

/// Memory of contexts that are gone, for the next ones. Outlives them.
class ContextPool {
 public:
  ContextPool() = default;
  ~ContextPool();
  ContextPool(const ContextPool&) = delete;
  ContextPool& operator=(const ContextPool&) = delete;
  void* Take(size_t bytes);
  void Give(void* memory);

 private:
  struct Free {
    Free* next;
  };
  Free* free_ = nullptr;
};

/// Contexts in the order in which they came.
class ContextList {
 public:
  void Add(Context& context);
  void Remove(Context& context);
  Context* first() const { return first_; }

 private:
  Context* first_ = nullptr;
  Context* last_ = nullptr;
};

/// Lives as HttpFilter or TcpFilter until its owner deletes it; then, while the guest has answered false to on_done, as a context that
/// waits for proxy_done on a snapshot of its stream.
class Context final : public HttpFilter, public TcpFilter {
 public:
  Context(ProxyWasmPlugin& plugin, Vm& vm, HttpStream& stream, uint32_t id);
  Context(ProxyWasmPlugin& plugin, Vm& vm, TcpStream& stream, uint32_t id);
  ~Context() override;
  static void* operator new(size_t bytes, ContextPool& pool) { return pool.Take(bytes); }
  static void operator delete(void* memory, ContextPool& pool) { pool.Give(memory); }
  /// Gives the memory back to the pool, or lets the context wait for proxy_done.
  static void operator delete(Context* self, std::destroying_delete_t);

  /// proxy_on_context_create. False: the instance died.
  bool Create();
  FilterStatus OnRequestHeaders(size_t count, EndOfStream end) override;
  FilterStatus OnRequestBody(size_t bytes, EndOfStream end) override;
  FilterStatus OnRequestTrailers(size_t count) override;
  FilterStatus OnResponseHeaders(size_t count, EndOfStream end) override;
  FilterStatus OnResponseBody(size_t bytes, EndOfStream end) override;
  FilterStatus OnResponseTrailers(size_t count) override;
  bool ignores_body(Direction direction) const override;
  FilterStatus OnNewConnection() override;
  FilterStatus OnData(TcpSide side, size_t bytes, EndOfStream end) override;
  void OnClose(TcpSide side, PeerType peer) override;
  bool ignores_data(TcpSide side) const override;
  bool ignores_trailers(Direction direction) const override;
  void OnFinish() override;

  uint32_t id() const override { return id_; }
  /// Of its plugin.
  Core& core() const;
  /// What the newest event answered, as the guest gave it; FilterStatus knows two values of it.
  uint32_t last_action() const { return last_action_; }
  /// Calls made from now on are the plugin context's: what a plugin sends of a stream that is over lives on.
  bool finishing() const { return finished_; }
  /// Null when this is a TCP connection, or the stream is gone without a snapshot; the next one the other way round.
  HttpStream* stream() const { return stream_; }
  TcpStream* tcp() const { return tcp_; }
  /// Whichever there is.
  Stream* any_stream() const { return stream_ != nullptr ? static_cast<Stream*>(stream_) : tcp_; }
  uint64_t header_bytes_written = 0;  ///< names and values, by calls of this context; bounds what a loop of them costs
  /// proxy_done. False: not pending.
  bool Done();
  /// Of a pending one: when it is waited for no longer.
  uint64_t deadline_ns() const { return deadline_ns_; }
  /// on_log, on_delete. False: the instance died.
  bool Finalize();
  /// The instance died: no guest is entered for this context again.
  void Detach() { vm_ = nullptr; }
  /// Its owner has deleted it: whoever detaches or finalizes it then frees it.
  bool orphan() const { return orphan_; }
  void Free();

 private:
  friend class ContextTable;
  friend class ContextList;
  /// Of its plugin, where it stands while pending.
  ContextList& list() const;
  FilterStatus Event(Callback callback, uint64_t a, uint64_t b);

  ProxyWasmPlugin& plugin_;
  Vm* vm_;
  HttpStream* stream_ = nullptr;
  TcpStream* tcp_ = nullptr;
  Context* next_ = nullptr;  ///< in its bucket of ContextTable
  Context* before_ = nullptr;  ///< in its ContextList, while pending
  Context* after_ = nullptr;
  uint32_t id_;
  uint32_t last_action_ = 0;
  bool finished_ = false;  ///< OnFinish was called
  bool asking_done_ = false;  ///< inside proxy_on_done
  bool done_ = false;      ///< proxy_done was called
  bool pending_ = false;   ///< on_done answered false
  bool orphan_ = false;    ///< pending, and its owner deleted it
  uint64_t deadline_ns_ = 0;
  std::unique_ptr<SnapshotStream> snapshot_;
  std::unique_ptr<SnapshotTcp> tcp_snapshot_;
};

/// Contexts of one instance by id, without allocation for each.
class ContextTable {
 public:
  ContextTable() : buckets_(64) {}
  void Insert(Context& context);
  void Remove(Context& context);
  Context* Find(uint32_t id) const;
  size_t size() const { return size_; }
  /// Takes one out; null when empty. Nothing is inserted afterwards.
  Context* TakeAny();

 private:
  void Grow();
  std::vector<Context*> buckets_;  ///< a power of two; ids are consecutive, so id mod size spreads them
  size_t size_ = 0;
  size_t taken_ = 0;  ///< buckets that TakeAny has emptied
};

}  // namespace weir::proxy_wasm
