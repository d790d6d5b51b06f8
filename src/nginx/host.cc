#include "nginx/host.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "nginx/module.h"
#include "weir/plugin.h"

namespace weir::nginx {
namespace {

// Row = LogLevel.
constexpr ngx_uint_t kLevels[] = {NGX_LOG_DEBUG, NGX_LOG_DEBUG, NGX_LOG_INFO,
                                  NGX_LOG_WARN,  NGX_LOG_ERR,   NGX_LOG_CRIT};

// nginx cuts a line at NGX_MAX_ERROR_STR bytes; room for time, names and the request behind it.
constexpr size_t kPieceBytes = NGX_MAX_ERROR_STR - 640;

ngx_log_t* CurrentLog() { return g_module.log != nullptr ? g_module.log : ngx_cycle->log; }

}  // namespace

void NgxLog::Write(LogLevel level, std::string_view plugin, std::string_view line) {
  ngx_log_t* log = CurrentLog();
  const ngx_uint_t nginx_level = kLevels[static_cast<size_t>(level)];
  const ngx_str_t name = Borrow(plugin);
  do {
    const ngx_str_t piece = Borrow(line.substr(0, kPieceBytes));
    line.remove_prefix(piece.len);
    ngx_log_error(nginx_level, log, 0, "weir: [%V] %V", &name, &piece);
  } while (!line.empty());
}

LogLevel NgxLog::level() const {
  const ngx_uint_t least = CurrentLog()->log_level;
  for (const LogLevel level : {LogLevel::kTrace, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (least >= kLevels[static_cast<size_t>(level)]) return level;
  }
  return LogLevel::kCritical;
}

LogScope::LogScope(ngx_log_t* log) : before_(g_module.log) { g_module.log = log; }
LogScope::~LogScope() { g_module.log = before_; }

NgxTimers::~NgxTimers() = default;

NgxTimers::Ticker::~Ticker() {
  if (event.timer_set) ngx_del_timer(&event);
}

void NgxTimers::Forget(const Plugin& plugin) {
  Keep([&](const Plugin* other) { return other != &plugin; });
}

void NgxTimers::SetTick(Plugin& plugin, uint32_t period_ms) {
  const auto found = std::find_if(tickers_.begin(), tickers_.end(),
                                  [&](const auto& ticker) { return ticker->plugin == &plugin; });
  Ticker* ticker = found != tickers_.end() ? found->get() : nullptr;
  if (ticker == nullptr) {
    if (period_ms == 0) return;
    ticker = tickers_.emplace_back(std::make_unique<Ticker>()).get();
    ticker->connection.fd = static_cast<ngx_socket_t>(-1);
    ticker->event.data = &ticker->connection;
    ticker->event.handler = OnTimer;
    ticker->event.log = ngx_cycle->log;
    ticker->event.cancelable = 1;  // else an old worker would never exit
    ticker->plugin = &plugin;
  }
  ticker->period_ms = period_ms;
  if (ticker->event.timer_set) ngx_del_timer(&ticker->event);
  if (period_ms != 0) ngx_add_timer(&ticker->event, period_ms);
}

void NgxTimers::OnTimer(ngx_event_t* event) noexcept {
  static_assert(offsetof(Ticker, connection) == 0);
  auto* ticker = reinterpret_cast<Ticker*>(event->data);
  // Before the call: on_tick may change the period.
  ngx_add_timer(event, ticker->period_ms);
  // An old worker ticks on for the requests that it still has: a tick may be what resumes them.
  if (!ngx_exiting || g_module.streams > 0) ticker->plugin->OnTick();
}

}  // namespace weir::nginx
