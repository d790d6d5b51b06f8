#include "nginx/calls.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace weir::nginx {
NgxCalls::NgxCalls(ngx_cycle_t* cycle, const MainConf& conf) {
  if (conf.upstreams.empty() && conf.allowed_hosts.empty()) return;  // nobody can be called: no thread, no descriptor
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  connection_ = fd >= 0 ? ngx_get_connection(fd, cycle->log) : nullptr;
  if (connection_ == nullptr) {
    ngx_log_error(NGX_LOG_ALERT, cycle->log, fd < 0 ? ngx_errno : 0, "weir: plugins can call nobody: no eventfd or connection");
    if (fd >= 0) close(fd);
    return;
  }
  connection_->data = this;
  connection_->read->handler = OnReady;
  connection_->read->log = cycle->log;
  connection_->write->log = cycle->log;
  ngx_uint_t flags = NGX_LEVEL_EVENT;
  if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) != 0) flags = NGX_CLEAR_EVENT;
  if (ngx_add_event(connection_->read, NGX_READ_EVENT, flags) != NGX_OK) {
    Stop();
    return;
  }
  client_ = std::make_unique<CallClient>(ClientOptions{.clusters = conf.upstreams, .allowed_hosts = conf.allowed_hosts}, [fd] {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = write(fd, &one, sizeof one);  // full: it rings already
  });
}

NgxCalls::~NgxCalls() { Stop(); }

void NgxCalls::Stop() {
  client_.reset();  // its thread first: it rings
  if (connection_ == nullptr) return;
  ngx_close_connection(connection_);  // before nginx looks for connections that were left open
  connection_ = nullptr;
}

Calls& NgxCalls::calls() {
  if (client_ != nullptr) return *client_;
  return none_;
}

void NgxCalls::OnReady(ngx_event_t* event) noexcept {
  const auto* connection = static_cast<ngx_connection_t*>(event->data);
  uint64_t rung = 0;
  while (read(connection->fd, &rung, sizeof rung) < 0 && errno == EINTR) {
  }
  static_cast<NgxCalls*>(connection->data)->client_->Deliver();
}

CanaryCalls::CanaryCalls(const MainConf& conf) : table_(conf.upstreams, conf.allowed_hosts, {}, nullptr) {}

Result<CallToken> CanaryCalls::Start(const std::string& upstream) {
  if (!table_.Knows(upstream)) return Error{ErrorCode::kNotFound, "upstream \"" + upstream + "\" is not known here"};
  return ++last_;
}

}  // namespace weir::nginx
