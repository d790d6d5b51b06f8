// The TCP guest (tests/guests/tcp.c) in memory: what NGINX shows end to end (tests/nginx/cases_tcp.py) without sockets, in every state.
#include <gtest/gtest.h>

#include <algorithm>

#include "memhost/memory_tcp.h"
#include "weir/engine.h"

namespace weir {
namespace {

constexpr TcpSide kDown = TcpSide::kDownstream, kUp = TcpSide::kUpstream;

class TcpGuest : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    engine = std::move(Engine::Create()).value().release();
    const std::string path = WEIR_GUESTS "/tcp.wasm";
    module = new std::shared_ptr<const Module>(engine->Compile(ReadFile(path).value(), path).value());
  }
  Plugin& Add(std::string name, std::string commands, OnError on_error = OnError::kClosed) {
    PluginSpec spec;
    spec.name = std::move(name);
    spec.configuration = "trace\ndo " + std::move(commands);
    spec.on_error = on_error;
    plugins.push_back(std::move(LoadPlugin(*engine, *module, spec, world.host())).value());
    chain.push_back(plugins.back().get());
    return *plugins.back();
  }
  MemoryTcpStream& Start() {
    tcp.emplace(world, chain);
    tcp->Connect();
    return *tcp;
  }
  void Wait(uint64_t ms = 1000) {
    const uint64_t until_ns = world.clock().MonotonicNs() + ms * 1'000'000;
    for (uint64_t now_ns = 0; (now_ns = world.clock().MonotonicNs()) < until_ns;) {
      if (!tcp->Turn((until_ns - now_ns) / 1'000'000)) return;
    }
  }
  bool Has(std::string_view part) const {
    return std::any_of(world_trace().begin(), world_trace().end(), [&](const std::string& l) { return l.find(part) != l.npos; });
  }
  const Trace& world_trace() const { return const_cast<MemoryHost&>(world).trace(); }

  static Engine* engine;
  static std::shared_ptr<const Module>* module;
  MemoryHost world;
  std::vector<std::unique_ptr<Plugin>> plugins;
  std::vector<Plugin*> chain;
  std::optional<MemoryTcpStream> tcp;  // its filters go before their plugins
};
Engine* TcpGuest::engine = nullptr;
std::shared_ptr<const Module>* TcpGuest::module = nullptr;

TEST_F(TcpGuest, CallbacksInOrder) {
  Add("a", "");
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kDown, "hi");
  tcp.Feed(kUp, "hello", EndOfStream::kYes);
  tcp.Close(kUp);
  tcp.Finish();
  std::vector<std::string> seen;
  for (const std::string& line : world.trace())
    if (line.starts_with("log info a: trace ")) seen.push_back(line.substr(18));
  EXPECT_EQ(seen, (std::vector<std::string>{"nc", "dd size=2 end=0", "ud size=5 end=1", "uc peer=2", "dc peer=1", "done", "log", "delete"}));
}

TEST_F(TcpGuest, ChangesDataBothWaysInAChain) {
  Add("a", "dd append !;ud append 1");
  Add("b", "dd upper;ud append 2");
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kDown, "hi");
  tcp.Feed(kUp, "x");
  EXPECT_EQ(tcp.passed(kDown), "HI!");
  EXPECT_EQ(tcp.passed(kUp), "x21");
}

TEST_F(TcpGuest, EveryEditOfABuffer) {
  for (const auto& [commands, wanted] : {std::pair{"dd prepend >", ">abcd"}, {"dd append <", "abcd<"}, {"dd cut 1 2 -", "a-d"}, {"dd cut 2 0 -", "ab-cd"},
                                         {"dd cut 3 99 -", "abc-"}, {"dd replace x", "x"}, {"dd replace ", ""}}) {
    chain.clear();
    Add("p", commands);
    MemoryTcpStream& tcp = Start();
    tcp.Feed(kDown, "abcd");
    EXPECT_EQ(tcp.passed(kDown), wanted) << commands;
    this->tcp.reset();
  }
}

TEST_F(TcpGuest, PausesAreEndedByTicks) {
  Add("a", "nc pause 50;dd pause 50;ud pause 50");
  MemoryTcpStream& tcp = Start();
  EXPECT_FALSE(tcp.connected());
  Wait();
  EXPECT_TRUE(tcp.connected());
  for (const TcpSide side : {kDown, kUp}) {
    tcp.Feed(side, "hi");
    EXPECT_EQ(tcp.passed(side), "");
    Wait();
    EXPECT_EQ(tcp.passed(side), "hi");
  }
}

TEST_F(TcpGuest, ClosesItsConnectionAlone) {
  Add("a", "dd if BYE;dd close");
  MemoryTcpStream other(world, chain);
  other.Connect();
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kDown, "hi");
  EXPECT_FALSE(tcp.closed());
  tcp.Feed(kDown, "BYE");
  EXPECT_TRUE(tcp.closed());
  EXPECT_FALSE(other.closed());
  other.Finish();
}

TEST_F(TcpGuest, ClosesByATick) {
  Add("a", "nc closelater 30");
  MemoryTcpStream& tcp = Start();
  Wait();
  EXPECT_TRUE(tcp.closed());
}

TEST_F(TcpGuest, TrapClosesAllConnectionsOfTheInstance) {
  Add("a", "dd if TRAP;dd trap");
  MemoryTcpStream other(world, chain);
  other.Connect();
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kDown, "TRAP");
  EXPECT_TRUE(tcp.closed());
  EXPECT_TRUE(other.Pump());
  EXPECT_TRUE(other.closed());
  EXPECT_EQ(tcp.notes(), std::vector{TcpNote::kFailedClosed});
}

TEST_F(TcpGuest, TrapInAnyCallbackGoesOnWhereThePolicyIsOpen) {
  for (const char* phase : {"nc", "dd", "ud", "dc", "uc", "done", "log"}) {
    chain.clear();
    Add("a", std::string(phase) + " trap", OnError::kOpen);
    MemoryTcpStream& tcp = Start();
    tcp.Feed(kDown, "hi");
    tcp.Feed(kUp, "ho");
    while (tcp.Turn(0)) {
    }
    EXPECT_EQ(tcp.passed(kDown) + tcp.passed(kUp), "hiho") << phase;
    tcp.Close(kDown);
    tcp.Finish();
    EXPECT_EQ(plugins.back()->stats().failures, 1u) << phase;
    this->tcp.reset();
  }
}

TEST_F(TcpGuest, PropertiesAndTheirSharing) {
  Add("a", "nc prop source.address;nc prop upstream.address;nc prop request.path;nc setprop my.user ann;nc setprop source.port 1;ud prop upstream.address");
  Add("b", "nc prop my.user;nc prop plugin_name;log prop source.port");
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kUp, "ho");
  tcp.Finish();
  EXPECT_TRUE(Has("a: prop source.address=0:127.0.0.1:50000"));
  EXPECT_TRUE(Has("a: prop upstream.address=1:"));
  EXPECT_TRUE(Has("a: prop upstream.address=0:127.0.0.1:7001"));
  EXPECT_TRUE(Has("a: prop request.path=1:"));
  EXPECT_TRUE(Has("b: prop my.user=0:ann"));
  EXPECT_TRUE(Has("b: prop plugin_name=0:b"));
  EXPECT_TRUE(Has("b: prop source.port=0:50c3000000000000"));
}

TEST_F(TcpGuest, DoneMayWait) {
  Add("a", "done pending;log prop source.port");
  MemoryTcpStream& tcp = Start();
  tcp.Finish();
  EXPECT_FALSE(Has("trace log"));
  this->tcp.reset();
  for (int i = 0; i < 10; ++i) (void)world.Step(100);
  EXPECT_TRUE(Has("trace delete"));
  EXPECT_TRUE(Has("a: prop source.port=0:50c3000000000000"));  // from the snapshot
}

}  // namespace
}  // namespace weir
