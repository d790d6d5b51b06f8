// The texts that a plugin of Extism comes with or sends: manifests (JSON and TOML), configuration, HTTP requests, URLs, patterns of hosts.
// A manifest that is taken is written as JSON, which is taken again as the same.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "extism/glob.h"
#include "extism/http_json.h"
#include "extism/json_config.h"
#include "weir/extism.h"

namespace {

using namespace weir::extism;

void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * k) & 63];
  }
  return text;
}

/// One object of JSON, written field by field.
class Writer {
 public:
  static std::string Quoted(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
      char escaped[8];
      if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') {
        std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
        quoted += escaped;
      } else {
        quoted += c;
      }
    }
    return quoted + '"';
  }
  static std::string Object(const std::vector<std::pair<std::string, std::string>>& texts) {
    Writer object;
    for (const auto& [name, text] : texts) object.Text(name, text);
    return object.End();
  }
  void Raw(std::string_view name, const std::string& value) { text_ += (text_.empty() ? "" : ",") + Quoted(name) + ":" + value; }
  void Text(std::string_view name, const std::optional<std::string>& value) { Raw(name, value ? Quoted(*value) : "null"); }
  template <class T>
  void Number(std::string_view name, const std::optional<T>& value) {
    Raw(name, value ? std::to_string(*value) : "null");
  }
  std::string End() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

template <class T, class F>
std::string List(const std::vector<T>& items, F write) {
  std::string text;
  for (const T& item : items) text += (text.empty() ? "" : ",") + write(item);
  return "[" + text + "]";
}

std::string Written(const ManifestModule& module) {
  Writer object;
  switch (module.source) {
    case ManifestModule::Source::kPath: object.Text("path", module.path); break;
    case ManifestModule::Source::kData: object.Text("data", Base64(module.data)); break;
    case ManifestModule::Source::kUrl:
      object.Text("url", module.request.url);
      object.Text("method", module.request.method);
      object.Raw("headers", Writer::Object(module.request.headers));
      break;
  }
  object.Text("name", module.name);
  object.Text("hash", module.hash);
  return object.End();
}

std::string Written(const Manifest& manifest) {
  Writer memory, object;
  memory.Number("max_pages", manifest.limits.memory_pages_max);
  memory.Number("max_http_response_bytes", manifest.limits.http_response_bytes_max);
  memory.Number("max_var_bytes", manifest.limits.var_bytes_max);
  object.Raw("wasm", List(manifest.modules, [](const ManifestModule& module) { return Written(module); }));
  object.Raw("memory", memory.End());
  object.Raw("config", Writer::Object(manifest.config));
  object.Raw("allowed_hosts", manifest.allowed_hosts ? List(*manifest.allowed_hosts, Writer::Quoted) : "null");
  object.Raw("allowed_paths", Writer::Object(manifest.allowed_paths));
  object.Number("timeout_ms", manifest.limits.timeout_ms);
  return object.End();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto manifest = ParseManifest(input)) {
    const std::string text = Written(*manifest);
    const auto again = ParseManifest(text);
    Require(again.has_value(), "what was written is a manifest");
    Require(Written(*again) == text, "and the same");
  } else {
    Require(manifest.error().message == "Unknown manifest format", "the error has the reference's words");
  }
  if (const auto config = ParseConfig(input)) {
    Writer object;
    for (const auto& [key, value] : *config) object.Text(key, value);
    Require(ParseConfig(object.End()) == config, "a configuration is read as it was written");
  }
  if (const auto request = ParseHttpRequest(input)) {
    Writer object;
    object.Text("url", request->url);
    object.Text("method", request->method);
    object.Raw("headers", Writer::Object(request->headers));
    const auto again = ParseHttpRequest(object.End());
    Require(again && again->url == request->url && again->method == request->method && again->headers == request->headers, "a request is read as it was written");
    (void)HostOfUrl(request->url);
  }
  const std::string_view first = input.substr(0, input.find('\n')), second = input.substr(std::min(first.size() + 1, size));
  if (const auto host = HostOfUrl(first)) {
    Require(HostMatches("*", *host), "* is every host");
    const auto again = HostOfUrl("http://" + *host + "/");
    Require(again && *again == *host, "the host of a URL is that of a URL of it");
  }
  if (first.size() < 64 && second.size() < 64) (void)HostMatches(first, second);
  return 0;
}
