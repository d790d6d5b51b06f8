// What a world does with calls: scripts by its clock, real servers by the machine's, and a trace of both.
#include "host/testing/upstream.h"
#include "memhost/memory_host.h"

namespace weir {
namespace {

class Listener final : public CallEvents {
 public:
  void OnHttpAnswer(CallToken, HttpAnswer answer) override { answers.push_back(std::move(answer)); }
  void OnGrpcMetadata(CallToken, HeaderList) override {}
  void OnGrpcMessage(CallToken, std::string) override {}
  void OnGrpcTrailers(CallToken, HeaderList) override {}
  void OnGrpcClose(CallToken, GrpcStatus, std::string) override {}
  std::vector<HttpAnswer> answers;
};

Result<CallToken> Get(MemoryHost& world, const std::string& upstream, const std::string& path, Listener& listener, uint32_t timeout_ms = 0) {
  HttpCall call{.upstream = upstream, .headers = {{":method", "GET"}, {":path", path}, {":authority", "a"}}, .timeout_ms = timeout_ms};
  return world.host().calls.StartHttp(std::move(call), listener);
}

TEST(MemoryCalls, ScriptsGoByTheClockOfTheWorld) {
  MemoryHost world;
  Listener listener;
  CallScript slow = HttpScript(204);
  slow.after_ms = 3'600'000;
  world.scripted_calls().Script("auth", HttpScript(200, "yes"));
  world.scripted_calls().Script("slow", slow);
  ASSERT_TRUE(Get(world, "auth", "/a", listener));
  ASSERT_TRUE(Get(world, "slow", "/b", listener));
  EXPECT_FALSE(Get(world, "other", "/c", listener));
  EXPECT_TRUE(world.Step(0));
  EXPECT_FALSE(world.Step(3'599'999));
  EXPECT_TRUE(world.Step(3'600'000));  // and nobody waits an hour
  auto third = Get(world, "slow", "/d", listener);
  world.host().calls.Cancel(*third);
  EXPECT_FALSE(world.Step(10'000'000));
  const Trace expected = {"call auth GET /a -> 1", "call slow GET /b -> 2", "call other GET /c (refused: not_found)", "answer 1 200", "answer 2 204",
                          "call slow GET /d -> 3", "cancel 3"};
  EXPECT_EQ(world.trace(), expected);
}

TEST(MemoryCalls, RealAnswersAreWaitedForAndTheClockGoesOn) {
  TestUpstream upstream;
  MemoryHost world;
  world.set_client({.clusters = {{.name = "real", .urls = {upstream.url("http")}}}});
  world.scripted_calls().Script("auth", HttpScript(200));
  Listener listener;
  ASSERT_TRUE(Get(world, "real", "/delay/100", listener));
  ASSERT_TRUE(Get(world, "real", "/delay/2000", listener, 200));
  ASSERT_TRUE(Get(world, "auth", "/", listener));
  const uint64_t start_ns = world.clock().MonotonicNs();
  while (listener.answers.size() < 3 && world.Step(5'000)) {
  }
  ASSERT_EQ(listener.answers.size(), 3u);
  EXPECT_EQ(listener.answers[1].body, "late");
  EXPECT_EQ(listener.answers[2].failure, CallFailure::kTimeout);
  const uint64_t passed_ms = (world.clock().MonotonicNs() - start_ns) / 1'000'000;
  EXPECT_GE(passed_ms, 195u);
  EXPECT_LT(passed_ms, 2'000u);
  EXPECT_FALSE(world.Step(5'000));  // nobody owes anything: no wait
}

}  // namespace
}  // namespace weir
