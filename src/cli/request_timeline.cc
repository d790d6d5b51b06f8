#include "cli/request_timeline.h"

#include <algorithm>

#include "base/log_text.h"
#include "proxy_wasm/pairs.h"

namespace weir::cli {
namespace {

constexpr size_t kShownBytes = 160;

std::vector<TimelineValue> Copied(std::span<const CrossedValue> values) {
  std::vector<TimelineValue> copies;
  for (const CrossedValue& value : values) {
    TimelineValue copy{std::string(value.name), {}, std::string(value.symbol)};
    if (const auto* bytes = std::get_if<std::string_view>(&value.value)) {
      copy.value = std::string(*bytes);
    } else {
      copy.value = std::get<int64_t>(value.value);
    }
    copies.push_back(std::move(copy));
  }
  return copies;
}

/// Line ends and the like as a programmer writes them.
std::string Escaped(std::string_view bytes) {
  constexpr std::pair<char, std::string_view> kEscapes[] = {{'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};
  std::string text;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find_first_of("\n\r\t", begin), bytes.size());
    text += LogText(bytes.substr(begin, end - begin), SIZE_MAX);
    for (const auto& [byte, escape] : kEscapes)
      if (end < bytes.size() && bytes[end] == byte) text += escape;
    begin = end + 1;
  }
  return text;
}

std::string Cut(std::string_view bytes) {
  std::string text = Escaped(bytes.substr(0, kShownBytes));
  if (bytes.size() > kShownBytes) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

std::string PairsText(std::string_view bytes) {
  const auto pairs = proxy_wasm::ParsePairs(bytes, {});
  if (!pairs) return "malformed pairs \"" + Cut(bytes) + "\"";
  std::string text;
  for (const auto& [name, value] : *pairs) text += (text.empty() ? "" : ", ") + std::string(name) + ": " + std::string(value);
  return "{" + Cut(text) + "}";
}

/// Lines that say again what the events say.
bool IsEcho(std::string_view line) {
  const size_t blank = line.find(' ');
  const std::string_view rest = blank == line.npos ? std::string_view() : line.substr(blank + 1);
  return rest.starts_with("on_") || rest == "finish";
}

}  // namespace

std::string ValueText(const TimelineValue& value) {
  if (!value.symbol.empty()) return value.symbol;
  if (const auto* number = std::get_if<int64_t>(&value.value)) return std::to_string(*number);
  std::string bytes = std::get<std::string>(value.value);
  if (value.name.starts_with("serialized_")) return PairsText(bytes);
  if (value.name == "path") std::replace(bytes.begin(), bytes.end(), '\0', '.');  // segments of a property's path
  return "\"" + Cut(bytes) + "\"";
}

void Timeline::TakeEffects() {
  for (; seen_ < world_.trace().size(); ++seen_) {
    const std::string& line = world_.trace()[seen_];
    if (!IsEcho(line)) entries_.push_back({.kind = TimelineEntry::Kind::kEffect, .name = line});
  }
}

void Timeline::OnCallback(const CallbackEvent& event) {
  TakeEffects();
  entries_.push_back({.kind = TimelineEntry::Kind::kCallback,
                      .plugin = std::string(event.plugin),
                      .name = std::string(event.name),
                      .context = event.context,
                      .arguments = Copied(event.arguments)});
}

void Timeline::OnHostCall(const HostCallEvent& event) {
  entries_.push_back({.kind = TimelineEntry::Kind::kHostCall,
                      .plugin = std::string(event.plugin),
                      .module = std::string(event.module),
                      .name = std::string(event.name),
                      .context = event.context,
                      .arguments = Copied(event.arguments),
                      .outputs = Copied(event.outputs),
                      .status = std::string(event.status),
                      .specified = std::string(event.specified),
                      .reason = std::string(event.reason),
                      .detail = std::string(event.detail),
                      .trapped = event.trapped});
  seen_ = world_.trace().size();  // its effects are the call's own
}

void Timeline::OnCallbackEnd(const CallbackEvent& event, const CallbackEnd& end) {
  TakeEffects();
  entries_.push_back({.kind = TimelineEntry::Kind::kEnd,
                      .plugin = std::string(event.plugin),
                      .name = std::string(event.name),
                      .context = event.context,
                      .reason = std::string(end.trap),
                      .result = end.has_result ? std::string(end.result.symbol) : "",
                      .trapped = !end.alive,
                      .us = end.ns / 1000});
}

std::vector<TimelineEntry> Timeline::Take() {
  TakeEffects();
  seen_ = 0;
  return std::exchange(entries_, {});
}

}  // namespace weir::cli
