// Filters written as a list of steps, for tests of the chain and of embedders. Every event is noted in a shared journal.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir/plugin.h"

namespace weir {

/// What a filter does in one event; kContinue when the list is used up.
using Step = std::function<FilterStatus(HttpStream& stream)>;

struct Script {
  std::deque<Step> request_headers, request_body, request_trailers, response_headers, response_body, response_trailers;
  bool ignores_request_body = false, ignores_response_body = false;
};

inline Step Say(FilterStatus status) {
  return [status](HttpStream&) { return status; };
}
inline Step Pause() { return Say(FilterStatus::kPause); }
inline Step Continue() { return Say(FilterStatus::kContinue); }
inline Step FailNow() { return Say(FilterStatus::kFailed); }
/// Does something, then answers.
inline Step Do(std::function<void(HttpStream&)> action, FilterStatus status = FilterStatus::kContinue) {
  return [action = std::move(action), status](HttpStream& stream) {
    action(stream);
    return status;
  };
}

using Journal = std::vector<std::string>;

/// Its filters note "NAME EVENT" lines: "a request_headers 3 end", "a request_body 10 'the body seen'", "a finish".
class ScriptPlugin final : public Plugin {
 public:
  ScriptPlugin(std::string name, Script script, Journal& journal) : script_(std::move(script)), journal_(journal) {
    spec_.name = std::move(name);
  }
  PluginSpec& mutable_spec() { return spec_; }
  const PluginSpec& spec() const override { return spec_; }
  const PluginStats& stats() const override { return stats_; }
  /// NewHttpFilter gives null from now on.
  void set_down() { down_ = true; }
  /// The stream of the newest filter; good while that filter's chain lives.
  HttpStream& stream() { return *stream_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream& stream) override {
    if (down_) return nullptr;
    stream_ = &stream;
    if (on_create) on_create(stream);
    return std::make_unique<Filter>(*this, stream);
  }
  void OnTick() override {
    journal_.push_back(spec_.name + " tick");
    if (on_tick) on_tick();
  }
  void OnQueueReady(uint32_t queue_id) override {
    journal_.push_back(spec_.name + " queue_ready " + std::to_string(queue_id));
  }
  std::function<void()> on_tick, on_finish;
  std::function<void(HttpStream&)> on_create;  ///< inside of NewHttpFilter

 private:
  class Filter final : public HttpFilter {
   public:
    Filter(ScriptPlugin& plugin, HttpStream& stream) : plugin_(plugin), stream_(stream), script_(plugin.script_) {}
    FilterStatus OnRequestHeaders(size_t count, EndOfStream end) override {
      return Run("request_headers " + std::to_string(count) + End(end), &script_.request_headers);
    }
    FilterStatus OnRequestBody(size_t bytes, EndOfStream end) override {
      return Run("request_body " + Body(Direction::kRequest, bytes) + End(end), &script_.request_body);
    }
    FilterStatus OnRequestTrailers(size_t count) override {
      return Run("request_trailers " + std::to_string(count), &script_.request_trailers);
    }
    FilterStatus OnResponseHeaders(size_t count, EndOfStream end) override {
      return Run("response_headers " + std::to_string(count) + End(end), &script_.response_headers);
    }
    FilterStatus OnResponseBody(size_t bytes, EndOfStream end) override {
      return Run("response_body " + Body(Direction::kResponse, bytes) + End(end), &script_.response_body);
    }
    FilterStatus OnResponseTrailers(size_t count) override {
      return Run("response_trailers " + std::to_string(count), &script_.response_trailers);
    }
    bool ignores_trailers(Direction) const override { return false; }
    bool ignores_body(Direction direction) const override {
      return direction == Direction::kRequest ? script_.ignores_request_body : script_.ignores_response_body;
    }
    void OnFinish() override {
      plugin_.journal_.push_back(plugin_.spec_.name + " finish");
      if (plugin_.on_finish) plugin_.on_finish();
    }

   private:
    static std::string End(EndOfStream end) { return end == EndOfStream::kYes ? " end" : ""; }
    std::string Body(Direction direction, size_t bytes) {
      auto body = stream_.body(direction);
      return std::to_string(bytes) + " '" + std::string(body.value_or("?")) + "'";
    }
    FilterStatus Run(const std::string& line, std::deque<Step>* steps) {
      plugin_.journal_.push_back(plugin_.spec_.name + " " + line);
      if (steps->empty()) return FilterStatus::kContinue;
      Step step = std::move(steps->front());
      steps->pop_front();
      return step(stream_);
    }
    ScriptPlugin& plugin_;
    HttpStream& stream_;
    Script script_;
  };

  PluginSpec spec_;
  PluginStats stats_;
  Script script_;
  Journal& journal_;
  HttpStream* stream_ = nullptr;
  bool down_ = false;
};

}  // namespace weir
