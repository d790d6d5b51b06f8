// An observability hook: adds up requests and tokens, and logs the sums after each finished request. Its memory lasts as long as its
// instance: sums are those of one instance, not of the host.
#include "cc_lb.h"

namespace {

struct Sums {
  uint64_t finished = 0, failed = 0, tokens = 0;
} sums;

cc_lb::Answer Observe(const cc_lb::Json& call) {
  call["events"].EachElement([](cc_lb::Json event) {
    if (event["kind"].Raw() == "error") ++sums.failed;
    if (event["kind"].Raw() != "request_finished") return;
    ++sums.finished;
    sums.tokens += event["input_tokens"].Number() + event["output_tokens"].Number();
    cc_lb::Log("requests " + std::to_string(sums.finished) + ", errors " + std::to_string(sums.failed) + ", tokens " + std::to_string(sums.tokens));
  });
  return {};
}

constexpr cc_lb::Function kFunctions[] = {{"observe", Observe, R"({"events":[{"kind":"chunk","batch_index":0,"event_count":1,"total_bytes":10}]})"}};

}  // namespace

CC_LB_PLUGIN("cpp-observer", "0.1.0", kFunctions)
CC_LB_EXPORT(observe, Observe)
