#include "nginx/metrics_location.h"

#include "host/prometheus.h"
#include "host/zone/zone_report.h"
#include "nginx/arguments.h"
#include "nginx/zone.h"

namespace weir::nginx {
namespace {

/// Whose zones are shown, and with which label: http{} has none, as ever. Two objects that do not know each other's symbols, so nginx is
/// asked for the other by name; the zone of each carries its module as tag.
struct Block {
  std::string_view module, label;
};
constexpr Block kBlocks[] = {{"ngx_http_weir_module", ""}, {"ngx_stream_weir_module", "stream"}};

/// Null: that module is not loaded, or declares no plugin.
ngx_slab_pool_t* FindZone(const Block& block) {
  for (ngx_module_t** module = ngx_cycle->modules; *module != nullptr; module++) {
    if (block.module != (*module)->name) continue;
    ngx_list_part_t* part = &const_cast<ngx_cycle_t*>(ngx_cycle)->shared_memory.part;
    for (; part != nullptr; part = part->next) {
      auto* zones = static_cast<ngx_shm_zone_t*>(part->elts);
      for (ngx_uint_t i = 0; i < part->nelts; i++) {
        if (zones[i].tag == *module) return reinterpret_cast<ngx_slab_pool_t*>(zones[i].shm.addr);
      }
    }
  }
  return nullptr;
}

MetricSource Read(ngx_slab_pool_t& pool, const Block& block) {
  NgxZoneLock lock(pool);
  Zone zone(pool.data, lock);
  zone.Reap();
  ZoneMetrics metrics(zone);
  return {metrics.ReadOwn(), metrics.Read(), ReadZone(zone), std::string(block.label)};
}

std::string MetricsText(ngx_log_t* log) {
  std::vector<MetricSource> sources;
  std::string remarks;
  for (const Block& block : kBlocks) {
    ngx_slab_pool_t* pool = FindZone(block);
    if (pool == nullptr || pool->data == nullptr) continue;
    if (Zone::Readable(pool->data)) {
      sources.push_back(Read(*pool, block));
      continue;
    }
    const ngx_str_t name = Borrow(block.module);
    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "weir: weir_metrics cannot show the plugins of %V: it is of another version of Weir; install both modules anew, and restart nginx",
                  &name);
    remarks.append("# ").append(block.module).append(" is of another version of Weir\n");
  }
  if (sources.empty() && remarks.empty()) return "# no plugins\n";
  return remarks + PrometheusText(sources);
}

ngx_int_t OnMetrics(ngx_http_request_t* r) noexcept {
  if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return NGX_HTTP_NOT_ALLOWED;
  if (const ngx_int_t rc = ngx_http_discard_request_body(r); rc != NGX_OK) return rc;
  const ngx_str_t text = Copy(r->pool, MetricsText(r->connection->log));
  if (text.data == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_length_n = static_cast<off_t>(text.len);
  r->headers_out.content_type = Borrow(kPrometheusContentType);
  r->headers_out.content_type_len = kPrometheusContentType.size();
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r->pool));
  if (buf == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  buf->pos = text.data;
  buf->last = text.data + text.len;
  buf->memory = 1;
  buf->last_buf = r == r->main;
  buf->last_in_chain = 1;
  ngx_chain_t out{buf, nullptr};
  return ngx_http_output_filter(r, &out);
}

}  // namespace

char* TakeMetrics(ngx_conf_t* cf, ngx_command_t*, void*) noexcept {
  auto* core = static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  if (core->handler == OnMetrics) return Fail(cf, "weir: weir_metrics is given twice");
  core->handler = OnMetrics;
  return NGX_CONF_OK;
}

}  // namespace weir::nginx
