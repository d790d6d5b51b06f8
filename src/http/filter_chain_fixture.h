// A chain of scripted plugins on an exchange that only notes, for its tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/script_plugin.h"
#include "http/filter_chain.h"

namespace weir {

using enum Direction;
constexpr EndOfStream kEnd = EndOfStream::kYes;
constexpr EndOfStream kMore = EndOfStream::kNo;

/// A header map that only counts.
class CountMap final : public HeaderMap {
 public:
  explicit CountMap(size_t size) : size_(size) {}
  size_t Find(std::string_view, std::string_view*, size_t) const override { return 0; }
  void ForEach(Visitor&) const override {}
  size_t size() const override { return size_; }
  bool Add(std::string_view, std::string_view) override { return ++size_ > 0; }
  bool Replace(std::string_view, std::string_view) override { return true; }
  bool Remove(std::string_view) override { return true; }

 private:
  size_t size_;
};

class Exchange final : public HttpExchange {
 public:
  HeaderMap* headers(HeaderMapKind kind) override {
    const bool trailers = kind == HeaderMapKind::kRequestTrailers || kind == HeaderMapKind::kResponseTrailers;
    return trailers && !trailers_came ? nullptr : &maps[static_cast<size_t>(kind)];
  }
  HeaderMap* AddTrailers(Direction direction) override {
    CountMap& map = maps[direction == kRequest ? 1 : 3];
    trailers_came = trailers_came || map.size() > 0;
    return can_add_trailers ? &map : nullptr;
  }
  bool headers_sent(Direction direction) override { return sent[static_cast<size_t>(direction)]; }
  std::optional<PropertyValue> property(Property) override { return std::nullopt; }
  std::optional<std::string> variable(std::string_view path) override {
    if (path == "ngx.host") return "h";
    return std::nullopt;
  }
  bool SetVariable(std::string_view path, std::string_view) override { return path == "ngx.writable"; }
  void ClearRouteCache() override { ++routes_cleared; }
  void Wake(Direction direction) override { woken.push_back(direction); }
  void OnNote(ChainNote note, std::string_view) override { notes.push_back(note); }
  bool noted(ChainNote note) const { return std::count(notes.begin(), notes.end(), note) == 1; }

  CountMap maps[kHeaderMapKinds] = {CountMap(3), CountMap(1), CountMap(2), CountMap(1)};
  bool sent[kDirections] = {false, false};
  bool trailers_came = true, can_add_trailers = true;
  std::vector<Direction> woken;
  std::vector<ChainNote> notes;
  int routes_cleared = 0;
};

/// A chain of scripted plugins "a", "b", …, all the same limits.
class FilterChainTest : public ::testing::Test {
 protected:
  ScriptPlugin& Add(Script script) {
    plugins_.push_back(std::make_unique<ScriptPlugin>(std::string(1, char('a' + plugins_.size())), std::move(script), journal));
    return *plugins_.back();
  }
  void Start() {
    std::vector<Plugin*> list;
    for (auto& plugin : plugins_) list.push_back(plugin.get());
    chain = std::make_unique<FilterChain>(exchange, list);
  }
  Verdict Body(Direction direction, std::string_view chunk, EndOfStream end) {
    out = BodyOut{};
    return chain->OnBody(direction, chunk, end, &out);
  }
  Verdict Trailers(Direction direction) {
    out = BodyOut{};
    return chain->OnTrailers(direction, &out);
  }
  Verdict Go(Direction direction) {
    out = BodyOut{};
    return chain->Continue(direction, &out);
  }
  std::string said() {
    std::string all;
    for (const std::string& line : journal) all += (all.empty() ? "" : "; ") + line;
    journal.clear();
    return all;
  }

  std::vector<std::unique_ptr<ScriptPlugin>> plugins_;
  Journal journal;
  Exchange exchange;
  BodyOut out;
  std::unique_ptr<FilterChain> chain;
};

inline LocalResponse Local(uint32_t status) {
  LocalResponse response;
  response.status = status;
  return response;
}
inline Step Deny(uint32_t status, FilterStatus then = FilterStatus::kContinue) {
  return Do([status](HttpStream& stream) { stream.SendLocalResponse(Local(status)); }, then);
}

}  // namespace weir
