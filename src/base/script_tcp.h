// TCP filters written as a list of steps, for tests of the chain and of embedders. Every event is noted in a shared journal.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weir/plugin.h"

namespace weir {

using TcpStep = std::function<FilterStatus(TcpStream&)>;
inline const TcpStep kGoOnStep = [](TcpStream&) { return FilterStatus::kContinue; };
inline const TcpStep kPauseStep = [](TcpStream&) { return FilterStatus::kPause; };
inline const TcpStep kFailStep = [](TcpStream&) { return FilterStatus::kFailed; };

/// Its filters note "NAME EVENT" in a shared journal, and do what the next step of that event says.
class ScriptTcpPlugin final : public Plugin {
 public:
  ScriptTcpPlugin(std::string name, std::vector<std::string>& journal) : journal_(journal) { spec_.name = std::move(name); }
  PluginSpec spec_;
  std::deque<TcpStep> connection, down, up;
  bool ignores[kTcpSides] = {};
  bool is_down = false;
  bool closes_at_once = false;  ///< inside of NewTcpFilter
  TcpStream* stream = nullptr;

  const PluginSpec& spec() const override { return spec_; }
  const PluginStats& stats() const override { return stats_; }
  std::unique_ptr<HttpFilter> NewHttpFilter(HttpStream&) override { return nullptr; }
  std::unique_ptr<TcpFilter> NewTcpFilter(TcpStream& its) override {
    stream = &its;
    if (closes_at_once) its.Close(TcpSide::kDownstream);
    return is_down ? nullptr : std::make_unique<Filter>(*this);
  }
  void OnTick() override {}
  void OnQueueReady(uint32_t) override {}

 private:
  struct Filter final : TcpFilter {
    explicit Filter(ScriptTcpPlugin& its) : plugin(its) {}
    FilterStatus Run(const std::string& line, std::deque<TcpStep>& steps) {
      plugin.journal_.push_back(plugin.spec_.name + " " + line);
      if (steps.empty()) return FilterStatus::kContinue;
      const TcpStep step = steps.front();
      steps.pop_front();
      return step(*plugin.stream);
    }
    FilterStatus OnNewConnection() override { return Run("new", plugin.connection); }
    FilterStatus OnData(TcpSide side, size_t bytes, EndOfStream end) override {
      const std::string text(plugin.stream->data(side).value_or("?"));
      const std::string line = (text.size() == bytes ? text : "wrong size") + (end == EndOfStream::kYes ? " end" : "");
      return side == TcpSide::kDownstream ? Run("down " + line, plugin.down) : Run("up " + line, plugin.up);
    }
    void OnClose(TcpSide side, PeerType peer) override {
      plugin.journal_.push_back(plugin.spec_.name + (side == TcpSide::kDownstream ? " down" : " up") + " closed " +
                                std::to_string(int(peer)));
    }
    bool ignores_data(TcpSide side) const override { return plugin.ignores[size_t(side)]; }
    void OnFinish() override { plugin.journal_.push_back(plugin.spec_.name + " finish"); }
    ScriptTcpPlugin& plugin;
  };
  PluginStats stats_;
  std::vector<std::string>& journal_;
};

}  // namespace weir
