#include "memhost/memory_tcp.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/script_tcp.h"

namespace weir {
namespace {

constexpr TcpSide kDown = TcpSide::kDownstream, kUp = TcpSide::kUpstream;

class MemoryTcpTest : public ::testing::Test {
 public:
  MemoryTcpStream& Start() {
    traced = world.Traced(a);
    chain = {traced.get()};
    return tcp.emplace(world, chain);
  }
  bool Traced(std::string_view line) {
    return std::find(world.trace().begin(), world.trace().end(), line) != world.trace().end();
  }
  MemoryHost world;
  std::vector<std::string> journal;
  ScriptTcpPlugin a{"a", journal};
  std::unique_ptr<Plugin> traced;
  std::vector<Plugin*> chain;
  std::optional<MemoryTcpStream> tcp;
};

TEST_F(MemoryTcpTest, BytesPassBothWays) {
  MemoryTcpStream& tcp = Start();
  tcp.Connect();
  EXPECT_TRUE(tcp.connected());
  tcp.Feed(kDown, "question");
  tcp.Feed(kUp, "answer", EndOfStream::kYes);
  EXPECT_EQ(tcp.passed(kDown), "question");
  EXPECT_EQ(tcp.passed(kUp), "answer");
  EXPECT_TRUE(tcp.ended(kUp));
  EXPECT_FALSE(tcp.ended(kDown));
  tcp.Close(kUp);
  tcp.Finish();
  EXPECT_TRUE(Traced("a on_upstream_connection_close remote"));
  EXPECT_TRUE(Traced("a on_downstream_connection_close local"));
  EXPECT_TRUE(Traced("a finish"));
}

TEST_F(MemoryTcpTest, NothingIsReadBeforeTheConnection) {
  a.connection = {kPauseStep};
  MemoryTcpStream& tcp = Start();
  tcp.Feed(kDown, "early");
  tcp.Connect();
  tcp.Feed(kUp, "the backend cannot speak yet");
  EXPECT_EQ(tcp.unread(kUp), 28u);
  EXPECT_TRUE(tcp.Turn(0));  // the early bytes
  EXPECT_FALSE(tcp.connected());
  a.stream->Resume(kDown);
  while (tcp.Turn(0)) {
  }
  EXPECT_TRUE(tcp.connected());
  EXPECT_EQ(tcp.passed(kDown), "early");
  EXPECT_EQ(tcp.unread(kUp), 0u);
}

TEST_F(MemoryTcpTest, FullChainReadsNoMoreUntilItIsResumed) {
  a.spec_.limits.body_bytes = 10;
  a.down = {kPauseStep, kPauseStep};
  MemoryTcpStream& tcp = Start();
  tcp.Connect();
  for (int i = 0; i < 5; ++i) tcp.Feed(kDown, "12345");
  EXPECT_TRUE(tcp.full(kDown));
  EXPECT_EQ(tcp.unread(kDown), 15u);
  tcp.Feed(kUp, "the other side goes on");
  EXPECT_EQ(tcp.passed(kUp), "the other side goes on");
  a.stream->Resume(kDown);
  while (tcp.Turn(0)) {
  }
  EXPECT_EQ(tcp.passed(kDown).size(), 25u);
  EXPECT_FALSE(tcp.closed());
}

TEST_F(MemoryTcpTest, FullForTooLongIsClosed) {
  a.spec_.limits.body_bytes = 1;
  a.spec_.limits.full_ms = 300;
  a.up = {kPauseStep};
  MemoryTcpStream& tcp = Start();
  tcp.Connect();
  tcp.Feed(kUp, "x");
  EXPECT_FALSE(tcp.Turn(299));
  EXPECT_FALSE(tcp.closed());
  EXPECT_TRUE(tcp.Turn(300));
  EXPECT_TRUE(tcp.closed());
  EXPECT_EQ(tcp.notes(), (std::vector{TcpNote::kHeldFull, TcpNote::kHeldTooLong}));
}

TEST_F(MemoryTcpTest, PluginCloses) {
  a.down = {[](TcpStream& s) { return s.Close(TcpSide::kUpstream), FilterStatus::kContinue; }};
  MemoryTcpStream& tcp = Start();
  tcp.Connect();
  tcp.Feed(kDown, "last words");
  EXPECT_TRUE(tcp.closed());
  EXPECT_EQ(tcp.passed(kDown), "last words");
  tcp.Feed(kDown, "unheard");
  EXPECT_EQ(tcp.passed(kDown), "last words");
  EXPECT_TRUE(Traced("a close upstream"));
  EXPECT_TRUE(Traced("a on_downstream_connection_close local"));
}

TEST_F(MemoryTcpTest, ARefusedConnectionHasNoUpstreamToClose) {
  a.connection = {[](TcpStream& s) { return s.Close(TcpSide::kDownstream), FilterStatus::kContinue; }};
  MemoryTcpStream& tcp = Start();
  tcp.Connect();
  EXPECT_TRUE(tcp.closed());
  EXPECT_FALSE(tcp.connected());
  EXPECT_FALSE(Traced("a on_upstream_connection_close local"));
}

}  // namespace
}  // namespace weir
