// What nginx's worker offers to plugins beside their requests.
#pragma once

#include <vector>

#include "nginx/ngx.h"
#include "weir/host.h"

namespace weir::nginx {

/// nginx's error log: the request's while one is served (LogScope), else the process's.
class NgxLog final : public Log {
 public:
  void Write(LogLevel level, std::string_view plugin, std::string_view line) override;
  LogLevel level() const override;
};

/// Lines of plugins carry the client, server and request of `log` as long as this lives.
class LogScope {
 public:
  explicit LogScope(ngx_log_t* log);
  explicit LogScope(const ngx_http_request_t* r) : LogScope(r->connection->log) {}
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  ngx_log_t* before_;
};

/// One timer of nginx for each plugin that asked. They do not keep an old worker alive after a reload.
class NgxTimers final : public Timers {
 public:
  ~NgxTimers();
  void SetTick(Plugin& plugin, uint32_t period_ms) override;
  /// `plugin` is not there any more.
  void Forget(const Plugin& plugin);
  /// Only timers of plugins for which `alive` answers true stay.
  template <class Alive>
  void Keep(Alive alive) {
    std::erase_if(tickers_, [&](const auto& ticker) { return !alive(ticker->plugin); });
  }

 private:
  struct Ticker {
    ~Ticker();
    ngx_connection_t connection{};  ///< first: nginx's debug log reads an event's data as a connection
    ngx_event_t event{};
    Plugin* plugin = nullptr;
    uint32_t period_ms = 0;
  };
  static void OnTimer(ngx_event_t* event) noexcept;

  std::vector<std::unique_ptr<Ticker>> tickers_;
};

/// In the canary: nothing runs later, so nothing ticks.
class NoTimers final : public Timers {
 public:
  void SetTick(Plugin&, uint32_t) override {}
};

}  // namespace weir::nginx
