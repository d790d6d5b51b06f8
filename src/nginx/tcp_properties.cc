#include "nginx/tcp_properties.h"

#include "nginx/connection_properties.h"

namespace weir::nginx {
namespace {

using Value = std::optional<PropertyValue>;


std::optional<std::string> Variable(ngx_stream_session_t* s, std::string_view name) {
  std::string lower(name);
  ngx_str_t key{lower.size(), Bytes(lower)};
  const ngx_uint_t hash = ngx_hash_strlow(key.data, key.data, key.len);
  const ngx_stream_variable_value_t* value = ngx_stream_get_variable(s, &key, hash);
  if (value == nullptr || value->not_found || !value->valid) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(value->data), value->len);
}

/// "address:port" of the attempt that is on, or was last.
std::string_view UpstreamName(const ngx_stream_session_t* s) {
  const ngx_stream_upstream_t* upstream = s->upstream;
  if (upstream == nullptr || upstream->state == nullptr || upstream->state->peer == nullptr) return {};
  return View(*upstream->state->peer);
}

/// Of a handshake that ends here, or that ssl_preread looked into.
Value ServerName(ngx_stream_session_t* s) {
  for (const std::string_view name : {"ssl_server_name", "ssl_preread_server_name"}) {
    const std::optional<std::string> value = Variable(s, name);
    if (value && !value->empty()) return PropertyValue(*value);
  }
  return std::nullopt;
}

Value TerminationDetails(const ngx_connection_t* connection) {
  if (connection->timedout) return Text("the client timed out");
  return connection->error ? Text("the client closed the connection") : std::nullopt;
}

}  // namespace

std::optional<PropertyValue> ReadProperty(ngx_stream_session_t* s, const UpstreamPeer& upstream, Property property) {
  ngx_connection_t* connection = s->connection;
  switch (property) {
    case Property::kConnectionRequestedServerName:
      return ServerName(s);
    case Property::kConnectionTerminationDetails:
      return TerminationDetails(connection);
    case Property::kUpstreamAddress:
      return Text(UpstreamName(s));
    case Property::kUpstreamPort:
      return PortOf(UpstreamName(s));
    case Property::kClusterName:
      if (s->upstream == nullptr || s->upstream->upstream == nullptr) return std::nullopt;
      return Text(View(s->upstream->upstream->host));
    default:
      return ReadProperty(*connection, upstream, property);
  }
}

std::optional<std::string> ReadVariable(ngx_stream_session_t* s, std::string_view path) {
  if (!path.starts_with(kVariablePrefix)) return std::nullopt;
  return Variable(s, path.substr(kVariablePrefix.size()));
}

bool WriteVariable(ngx_stream_session_t* s, std::string_view path, std::string_view value) {
  if (!path.starts_with(kVariablePrefix)) return false;
  std::string name(path.substr(kVariablePrefix.size()));
  const ngx_uint_t hash = ngx_hash_strlow(Bytes(name), Bytes(name), name.size());
  auto* main = static_cast<ngx_stream_core_main_conf_t*>(ngx_stream_get_module_main_conf(s, ngx_stream_core_module));
  auto* variable = static_cast<ngx_stream_variable_t*>(ngx_hash_find(&main->variables_hash, hash, Bytes(name), name.size()));
  const ngx_str_t copy = Copy(s->connection->pool, value);
  if (variable == nullptr || copy.data == nullptr || (variable->flags & NGX_STREAM_VAR_CHANGEABLE) == 0) return false;
  ngx_stream_variable_value_t changed{};
  changed.len = static_cast<unsigned>(copy.len);
  changed.valid = 1;
  changed.data = copy.data;
  if (variable->set_handler != nullptr) {
    variable->set_handler(s, &changed, variable->data);
    return true;
  }
  if ((variable->flags & NGX_STREAM_VAR_INDEXED) == 0) return false;
  s->variables[variable->index] = changed;
  return true;
}

}  // namespace weir::nginx
