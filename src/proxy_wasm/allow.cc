#include "proxy_wasm/allow.h"

#include <algorithm>
#include <iterator>

#include "base/nearest_name.h"

namespace weir {
namespace {

using proxy_wasm::Group;

constexpr std::string_view kNone = "none";

// In the order of enum Group, kAlways left out.
constexpr AllowGroup kGroupRows[] = {
    {"timer", "ticks"},
    {"body", "bodies and TCP data: reading and changing them"},
    {"headers", "headers and trailers of messages and of answers to calls: reading and changing them"},
    {"stream", "resuming and closing a stream, clearing the route"},
    {"local_response", "answering in place of the upstream"},
    {"http_call", "HTTP calls to upstreams"},
    {"grpc", "gRPC calls and streams to upstreams"},
    {"shared_data", "shared data: reading and writing it"},
    {"queue", "shared queues"},
    {"metrics", "defining, changing and reading metrics"},
    {"properties", "properties: reading and setting them"},
    {"foreign", "foreign functions"},
};
static_assert(std::size(kGroupRows) + 1 == proxy_wasm::kGroups);

/// Items "upstream:NAME" and the like.
struct NamedKind {
  std::string_view prefix;
  std::optional<std::vector<std::string>> Allow::*list;
};
constexpr NamedKind kNamedKinds[] = {{"upstream:", &Allow::upstreams}, {"foreign:", &Allow::foreign}};

Error Unknown(std::string_view item) {
  std::vector<std::string_view> known;
  for (const AllowGroup& row : kGroupRows) known.push_back(row.name);
  known.push_back(kNone);
  std::string message = "\"" + std::string(item) + "\" is nothing to allow";
  if (const std::string_view near = NearestName(item, known); !near.empty()) {
    return {ErrorCode::kInvalidArgument, message + "; did you mean \"" + std::string(near) + "\"?"};
  }
  message += "; it knows";
  for (const std::string_view name : known) message.append(" ").append(name);
  return {ErrorCode::kInvalidArgument, message + " upstream:NAME foreign:NAME"};
}

/// False: no item "KIND:NAME". An empty name is left to the caller.
bool TakeNamed(std::string_view item, Allow* allow) {
  for (const NamedKind& kind : kNamedKinds) {
    if (!item.starts_with(kind.prefix)) continue;
    auto& list = allow->*kind.list;
    if (!list) list.emplace();
    list->emplace_back(item.substr(kind.prefix.size()));
    return true;
  }
  return false;
}

}  // namespace

std::span<const AllowGroup> AllowGroups() { return kGroupRows; }

Result<Allow> ParseAllow(std::string_view text) {
  Allow allow;
  bool none = false;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string_view item = text.substr(at, end - at);
    at = end + 1;
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item.empty()) return Error{ErrorCode::kInvalidArgument, "an empty item: names are joined by one comma, http_call,shared_data"};
    if (item.ends_with(':')) return Error{ErrorCode::kInvalidArgument, "\"" + std::string(item) + "\" has no name behind it"};
    if (TakeNamed(item, &allow)) continue;
    if (!allow.functions) allow.functions.emplace();
    none = none || item == kNone;
    if (item != kNone) allow.functions->emplace_back(item);
  }
  if (none && !allow.functions->empty()) {
    return Error{ErrorCode::kInvalidArgument, "\"none\" and \"" + allow.functions->front() + "\" are both given; keep one"};
  }
  if (auto groups = proxy_wasm::GroupsOf(allow); !groups) return std::move(groups).error();
  return allow;
}

namespace proxy_wasm {

Result<Groups> GroupsOf(const Allow& allow) {
  if (!allow.functions) return kAllGroups;
  Groups groups = Bit(Group::kAlways);
  for (const std::string& name : *allow.functions) {
    const AllowGroup* row =
        std::find_if(std::begin(kGroupRows), std::end(kGroupRows), [&](const AllowGroup& one) { return one.name == name; });
    if (row == std::end(kGroupRows)) return Unknown(name);
    groups |= Bit(Group(row - kGroupRows + 1));
  }
  return groups;
}

std::string_view Name(Group group) { return group == Group::kAlways ? std::string_view() : kGroupRows[size_t(group) - 1].name; }

bool Allows(const std::optional<std::vector<std::string>>& list, std::string_view name) {
  return !list || std::find(list->begin(), list->end(), name) != list->end();
}

}  // namespace proxy_wasm
}  // namespace weir
