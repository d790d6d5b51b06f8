// Answers paths that have moved with a redirect, by a table in the configuration (see plugins/teach/README.md).
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "../proxy_wasm.h"

namespace {

struct Target {
  uint32_t status = 0;
  std::string to;
};

// Everything below a path: "/docs/*". Neither text has the star.
struct Folder {
  std::string from;
  Target target;
};

// The whole state of the plugin. An instance runs one callback at a time, so nothing is locked.
struct Table {
  std::unordered_map<std::string, Target> pages;
  std::vector<Folder> folders;  // longest first, so that the first that fits is the closest
};

Table& State() {
  static Table table;
  return table;
}

// Takes the first word or line off `text`.
std::string_view Next(std::string_view* text, std::string_view ends) {
  text->remove_prefix(std::min(text->find_first_not_of(ends), text->size()));
  const std::string_view part = text->substr(0, text->find_first_of(ends));
  text->remove_prefix(part.size());
  return part;
}

bool IsTarget(std::string_view to) {
  // "//host/path" is a whole address, too; who means another host says so.
  const bool path = to.starts_with('/') && !to.starts_with("//");
  return (path || to.starts_with("https://") || to.starts_with("http://")) && to.find_first_of("\\#") == to.npos;
}

// "STATUS FROM TO" into the table; or what is wrong with it.
std::optional<std::string_view> Add(std::string_view line, Table* table) {
  const std::string_view number = Next(&line, " \t\r"), from = Next(&line, " \t\r"), to = Next(&line, " \t\r");
  Target target{0, std::string(to)};
  std::from_chars(number.data(), number.data() + number.size(), target.status);
  // 301 and 308 are kept by browsers for good; 302 and 307 are asked again. After 301 and 302 a POST becomes a GET.
  if (target.status != 301 && target.status != 302 && target.status != 307 && target.status != 308) return "the status is 301, 302, 307 or 308";
  if (!from.starts_with('/') || from.find('?') != from.npos) return "the first path begins with / and has no ?";
  if (!IsTarget(to)) return "the target is /PATH or https://HOST/PATH";
  if (from == to) return "the target is the path itself: a loop";
  if (!Next(&line, " \t\r").empty()) return "there is something behind the target";
  if (!from.ends_with("/*")) {
    if (to.ends_with('*')) return "a target with * belongs to a path with /*";
    table->pages.emplace(from, std::move(target));
    return std::nullopt;
  }
  // A star that is not a whole part of the path could finish the name of a host: https://example.org* and ".evil.example".
  if (!to.ends_with("/*") || std::count(to.begin(), to.end(), '*') != 1) return "the target of a path with /* ends in /*";
  target.to.pop_back();
  table->folders.push_back({std::string(from.substr(0, from.size() - 1)), std::move(target)});
  return std::nullopt;
}

void Send(const Target& target, std::string_view rest, std::string_view query) {
  // What the client wrote stays below the target: /docs//evil.example must not become //evil.example, which is another host.
  rest.remove_prefix(std::min(rest.find_first_not_of("/\\"), rest.size()));
  std::string location = target.to + std::string(rest);
  if (!query.empty()) location.append(1, location.find('?') == location.npos ? '?' : '&').append(query);
  proxy_wasm::Respond(target.status, {{"location", location}}, "");
}

}  // namespace

extern "C" {

uint32_t EXPORT(proxy_on_configure)(uint32_t, size_t size) {
  const std::string text = proxy_wasm::Buffer(BufferType::kPluginConfiguration, 0, size);
  Table table;
  std::string_view left = text;
  while (!left.empty()) {
    const std::string_view line = Next(&left, "\n");
    if (line.find_first_not_of(" \t\r") == line.npos || line.starts_with('#')) continue;
    if (const auto wrong = Add(line, &table)) {
      proxy_wasm::Log(LogLevel::kError, "redirects: \"" + std::string(line) + "\": " + std::string(*wrong));
      return 0;  // refuses it: the proxy does not start with it
    }
  }
  std::stable_sort(table.folders.begin(), table.folders.end(), [](const Folder& a, const Folder& b) { return a.from.size() > b.from.size(); });
  State() = std::move(table);
  return 1;
}

Action EXPORT(proxy_on_request_headers)(uint32_t, uint32_t, uint32_t) {
  const std::string whole = proxy_wasm::Header(MapType::kRequestHeaders, ":path");
  const size_t mark = whole.find('?');
  const std::string path = whole.substr(0, mark);
  const std::string query = mark == whole.npos ? "" : whole.substr(mark + 1);
  if (const auto page = State().pages.find(path); page != State().pages.end()) {
    Send(page->second, "", query);
    return Action::kPause;
  }
  for (const Folder& folder : State().folders) {
    if (!path.starts_with(folder.from)) continue;
    Send(folder.target, std::string_view(path).substr(folder.from.size()), query);
    return Action::kPause;
  }
  return Action::kContinue;
}
}
