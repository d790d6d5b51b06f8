#include "nginx/chunks.h"

#include "nginx/config.h"

namespace weir::nginx {

ngx_buf_t* OwnedChunks::Add(ngx_pool_t* pool, std::string bytes) {
  Release();
  ngx_buf_t* buf = nullptr;
  if (spare_.empty()) {
    buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(pool));
    if (buf == nullptr) return nullptr;
  } else {
    buf = spare_.back();
    spare_.pop_back();
    *buf = {};
  }
  buf->tag = &ThisModule();
  if (bytes.empty()) return buf;
  const Chunk& chunk = chunks_.emplace_back(Chunk{std::move(bytes), buf});
  buf->start = buf->pos = Bytes(chunk.bytes);
  buf->end = buf->last = buf->pos + chunk.bytes.size();
  buf->temporary = 1;
  waiting_ += chunk.bytes.size();
  return buf;
}

size_t OwnedChunks::waiting() {
  Release();
  return waiting_;
}

void OwnedChunks::Release() {
  while (!chunks_.empty() && chunks_.front().buf->pos == chunks_.front().buf->last) {
    waiting_ -= chunks_.front().bytes.size();
    spare_.push_back(chunks_.front().buf);
    chunks_.pop_front();
  }
}

void ChainBuilder::Clear() {
  end_ = &chain_;
  while (chain_ != nullptr) {
    ngx_chain_t* link = chain_;
    chain_ = link->next;
    ngx_free_chain(pool_, link);
  }
}

bool ChainBuilder::Append(ngx_buf_t* buf) {
  ngx_chain_t* link = buf != nullptr ? ngx_alloc_chain_link(pool_) : nullptr;
  if (link == nullptr) return false;
  link->buf = buf;
  link->next = nullptr;
  *end_ = link;
  end_ = &link->next;
  return true;
}

}  // namespace weir::nginx
