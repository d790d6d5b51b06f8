// From the flags of `weir request` to what is run.
#include <algorithm>
#include <filesystem>

#include "cli/request.h"
#include "host/log.h"
#include "scenario/text.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

constexpr std::string_view kDefaultBody = "upstream\n";

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

/// TEXT, or what is in the file of @FILE.
Result<std::string> TextOrFile(const std::string& value, std::string_view flag) {
  if (!value.starts_with('@')) return value;
  auto content = ReadFile(value.substr(1));
  if (!content) return Error{content.error().code, std::string(flag) + " " + value + ": " + content.error().message};
  return content;
}

Result<std::vector<std::string>> Chunks(const std::string& body, const std::string& size, std::string_view flag) {
  std::vector<std::string> chunks;
  if (body.empty()) return chunks;
  if (size.empty()) return std::vector{body};
  const auto bytes = scenarios::Size(size);
  if (!bytes || *bytes == 0) return Invalid(std::string(flag) + " " + size + ": wants a size from 1, such as 512 or 16k");
  for (size_t at = 0; at < body.size(); at += *bytes) chunks.push_back(body.substr(at, *bytes));
  return chunks;
}

Result<std::pair<std::string, std::string>> Header(std::string_view line, std::string_view flag) {
  const size_t colon = line.find(':', 1);  // a pseudo header begins with one
  if (line.empty() || colon == line.npos || colon == 0) return Invalid(std::string(flag) + " \"" + std::string(line) + "\": wants NAME: VALUE");
  return std::pair(Lower(scenarios::Trim(line.substr(0, colon))), std::string(scenarios::Trim(line.substr(colon + 1))));
}

Result<HeaderList> Headers(const std::vector<std::string>& lines, std::string_view flag) {
  HeaderList list;
  for (const std::string& line : lines) {
    WEIR_TRY(auto header, Header(line, flag));
    list.push_back(std::move(header));
  }
  return list;
}

bool Has(const HeaderList& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
}

void Frame(HttpMessage& message, bool always) {
  const bool framed = Has(message.headers, "content-length") || Has(message.headers, "transfer-encoding");
  if (!framed && (always || !message.body.empty())) message.headers.emplace_back("content-length", std::to_string(message.BodyText().size()));
}

/// In place of one that is there already: pseudo headers come first.
void Set(HeaderList& headers, const std::string& name, const std::string& value) {
  for (auto& [known, old] : headers) {
    if (known == name) return void(old = value);
  }
  headers.emplace_back(name, value);
}

Result<HttpMessage> PlanMessage(const RequestOptions& options) {
  WEIR_TRY(const std::string body, TextOrFile(options.body, "--data"));
  std::string path = options.target, authority, scheme = "http";
  if (const size_t end = path.find("://"); end != path.npos && path.find('/') == end + 1) {
    scheme = Lower(path.substr(0, end));
    const size_t slash = path.find('/', end + 3);
    authority = path.substr(end + 3, slash == path.npos ? path.npos : slash - end - 3);
    path = slash == path.npos ? "/" : path.substr(slash);
    if ((scheme != "http" && scheme != "https") || authority.empty()) return Invalid("\"" + options.target + "\": wants a path such as /login, or http://HOST/PATH");
  } else if (!path.starts_with('/') && path != "*") {
    return Invalid("\"" + path + "\": wants a path such as /" + path + ", or http://HOST/PATH");
  }
  const std::string method = !options.method.empty() ? options.method : body.empty() ? "GET" : "POST";
  HttpMessage request{.headers = RequestHeaders(method, path)};
  Set(request.headers, ":scheme", scheme);
  if (!authority.empty()) Set(request.headers, ":authority", authority);
  WEIR_TRY(const HeaderList headers, Headers(options.headers, "-H"));
  for (const auto& [name, value] : headers) {
    if (name == "host" || name.starts_with(':')) {
      Set(request.headers, name == "host" ? ":authority" : name, value);
    } else {
      request.headers.emplace_back(name, value);
    }
  }
  WEIR_TRY(request.body, Chunks(body, options.chunk, "--chunk"));
  WEIR_TRY(request.trailers, Headers(options.trailers, "--trailer"));
  Frame(request, false);
  return request;
}

/// As `curl -i` writes it: status line, headers, empty line, body.
Result<HttpMessage> ParseResponse(std::string_view text, const std::string& file) {
  HttpMessage response;
  int number = 0;
  while (true) {
    ++number;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string place = "--response " + file + ":" + std::to_string(number) + ": ";
    if (number == 1) {
      scenarios::Word(&line);
      const std::string_view status = scenarios::Word(&line);
      if (status.size() != 3 || !scenarios::Number(status)) return Invalid(place + "wants a status line such as \"HTTP/1.1 200 OK\", then headers, an empty line and the body (curl -i writes it)");
      response.headers.emplace_back(":status", status);
      continue;
    }
    if (line.empty()) break;
    auto header = Header(line, "");
    if (!header) return Invalid(place + "wants NAME: VALUE");
    response.headers.push_back(*std::move(header));
  }
  if (!text.empty()) response.body = {std::string(text)};
  return response;
}

Result<HttpMessage> PlanResponse(const RequestOptions& options) {
  HttpMessage response;
  const bool any = !options.response_status.empty() || !options.response_headers.empty() || !options.response_body.empty() || !options.response_trailers.empty();
  std::string body = any ? "" : std::string(kDefaultBody);
  if (!options.response_file.empty()) {
    auto content = ReadFile(options.response_file);
    if (!content) return Error{content.error().code, "--response " + options.response_file + ": " + content.error().message};
    WEIR_TRY(response, ParseResponse(*content, options.response_file));
    body = response.BodyText();
  } else {
    response.headers = {{":status", "200"}};
    if (!any) response.headers.emplace_back("content-type", "text/plain");
  }
  if (!options.response_status.empty()) {
    const auto status = scenarios::Number(options.response_status);
    if (!status || *status < 100 || *status > 599) return Invalid("--response-status " + options.response_status + ": wants a number from 100 to 599");
    Set(response.headers, ":status", options.response_status);
  }
  WEIR_TRY(const HeaderList headers, Headers(options.response_headers, "--response-header"));
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
  if (!options.response_body.empty()) {
    WEIR_TRY(body, TextOrFile(options.response_body, "--response-body"));
    std::erase_if(response.headers, [](const auto& header) { return header.first == "content-length"; });
  }
  WEIR_TRY(response.body, Chunks(body, options.response_chunk, "--response-chunk"));
  WEIR_TRY(response.trailers, Headers(options.response_trailers, "--response-trailer"));
  Frame(response, true);
  return response;
}

Result<PluginSpec> SpecOf(const RunPlugin& plugin) {
  PluginSpec spec;
  spec.name = plugin.name;
  spec.path = plugin.file;
  for (const auto& [key, value] : plugin.options) {
    if (key == "config_inline") {
      spec.configuration = value;
    } else if (key == "config") {
      auto content = ReadFile(value);
      if (!content) return Error{content.error().code, "--config " + value + ": " + content.error().message};
      spec.configuration = *std::move(content);
    } else if (const std::string wrong = scenarios::SetPluginOption(&spec, key, value); !wrong.empty()) {
      return Invalid("--" + FlagOf(key) + " " + value + " of the plugin " + plugin.name + ": " + wrong);
    }
  }
  return spec;
}

Result<void> PlanCalls(const RequestOptions& options, RequestPlan& plan) {
  if (!options.answers_file.empty()) {
    auto text = ReadFile(options.answers_file);
    if (!text) return Error{text.error().code, "--answers " + options.answers_file + ": " + text.error().message};
    WEIR_TRY(plan.answers, ParseAnswers(*text, options.answers_file));
  }
  for (const std::string& text : options.answers) {
    WEIR_TRY(auto answer, ParseAnswerFlag(text));
    plan.answers.push_back(std::move(answer));
  }
  for (const std::string& text : options.clusters) {
    auto named = ParseClusterFlag(text);
    if (!named) return Invalid("--cluster " + named.error().message);
    Cluster cluster{.name = named->name, .urls = named->urls};
    if (auto good = CheckCluster(cluster); !good) return Invalid("--cluster " + text + ": " + good.error().message);
    plan.client.clusters.push_back(std::move(cluster));
  }
  for (const std::string& pattern : options.allow_hosts)
    if (auto good = CheckAllowedHost(pattern); !good) return Invalid("--allow-host " + pattern + ": " + good.error().message);
  plan.client.allowed_hosts = options.allow_hosts;
  plan.real_calls = !options.clusters.empty() || !options.allow_hosts.empty();
  return {};
}

}  // namespace

Result<RequestPlan> PlanRequest(const RequestOptions& options) {
  RequestPlan plan;
  for (const RunPlugin& plugin : options.plugins) {
    WEIR_TRY(PluginSpec spec, SpecOf(plugin));
    plan.plugins.push_back(std::move(spec));
  }
  WEIR_TRY(plan.request, PlanMessage(options));
  WEIR_TRY(plan.response, PlanResponse(options));
  for (const std::string& text : options.properties) {
    const size_t equals = text.find('=');
    if (equals == text.npos || equals == 0) return Invalid("--property \"" + text + "\": wants PATH=VALUE");
    if (const std::string wrong = plan.given.Give(text.substr(0, equals), text.substr(equals + 1)); !wrong.empty()) return Invalid("--property " + wrong);
  }
  WEIR_TRY_VOID(PlanCalls(options, plan));
  if (!options.wait.empty()) {
    const auto ms = scenarios::Milliseconds(options.wait);
    if (!ms) return Invalid("--wait " + options.wait + ": wants a time such as 500ms or 30s");
    plan.wait_ms = *ms;
  }
  if (!options.log_level.empty()) {
    const auto level = LogLevelOf(options.log_level);
    if (!level) return Invalid("--log-level " + options.log_level + ": wants trace, debug, info, warn, error or critical");
    plan.log_level = *level;
  }
  return plan;
}

}  // namespace weir::cli
