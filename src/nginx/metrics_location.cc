#include "nginx/metrics_location.h"

#include "host/prometheus.h"
#include "nginx/arguments.h"
#include "nginx/module.h"
#include "nginx/worker.h"

namespace weir::nginx {
namespace {

ngx_int_t OnMetrics(ngx_http_request_t* r) noexcept {
  if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return NGX_HTTP_NOT_ALLOWED;
  if (const ngx_int_t rc = ngx_http_discard_request_body(r); rc != NGX_OK) return rc;
  const ngx_str_t text = Copy(r->pool, g_module.worker != nullptr ? g_module.worker->MetricsText() : "# no plugins\n");
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
