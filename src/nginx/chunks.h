// Bytes that plugins made, as nginx's buffers and chains.
#pragma once

#include <deque>
#include <utility>

#include "nginx/ngx.h"

namespace weir::nginx {

/// Replacements for bodies, in memory that lives until nginx has sent or stored it. A consumed ngx_buf_t is used again, so that an
/// endless stream costs no memory: output chains and the file of a request body forget those that they consumed.
class OwnedChunks {
 public:
  /// A buffer that reads `bytes`. Null: out of memory.
  ngx_buf_t* Add(ngx_pool_t* pool, std::string bytes);
  /// Bytes that nobody has taken yet, in whole chunks.
  size_t waiting();

 private:
  struct Chunk {
    std::string bytes;
    ngx_buf_t* buf;
  };
  void Release();

  size_t waiting_ = 0;
  std::deque<Chunk> chunks_;  ///< in the order in which nginx consumes them
  std::vector<ngx_buf_t*> spare_;
};

/// A chain that grows at its end. Its links go back to the pool with it (filters copy what they keep), so that an endless stream
/// costs no memory; its bufs stay.
class ChainBuilder {
 public:
  explicit ChainBuilder(ngx_pool_t* pool) : pool_(pool) {}
  ~ChainBuilder() { Clear(); }
  ChainBuilder(const ChainBuilder&) = delete;
  ChainBuilder& operator=(const ChainBuilder&) = delete;
  bool Append(ngx_buf_t* buf);
  void Clear();
  ngx_chain_t* chain() { return chain_; }
  /// The links are the caller's now.
  ngx_chain_t* release() { return std::exchange(chain_, nullptr); }

 private:
  ngx_pool_t* pool_;
  ngx_chain_t* chain_ = nullptr;
  ngx_chain_t** end_ = &chain_;
};

/// Taken: nginx may use its memory again.
inline void Consume(ngx_buf_t* buf) {
  buf->pos = buf->last;
  buf->file_pos = buf->file_last;
}

}  // namespace weir::nginx
