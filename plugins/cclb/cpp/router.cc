// A router: of the upstreams that could serve a request, those whose quota is used to 95 % are refused.
#include "cc_lb.h"

namespace {

constexpr uint64_t kFullThousandths = 950;

bool IsFull(const cc_lb::Json& candidate) {
  bool full = false;
  candidate["subscription_quotas"].EachElement([&](cc_lb::Json quota) {
    if (quota["utilization"].IsPresent() && quota["utilization"].Thousandths() > kFullThousandths) full = true;
  });
  return full;
}

cc_lb::Answer Filter(const cc_lb::Json& request) {
  std::string results;
  request["candidates"].EachElement([&](cc_lb::Json candidate) {
    const bool full = IsFull(candidate);
    results += (results.empty() ? "" : ",") + std::string("{\"upstream_id\":") + std::string(candidate["upstream_id"].text()) +
               ",\"decision\":" + (full ? "\"reject\",\"reason\":\"quota\"}" : "\"accept\",\"reason\":\"\"}");
  });
  return {"\"results\":[" + results + "]", {}};
}

constexpr cc_lb::Function kFunctions[] = {{"filter", Filter, R"({"candidates":[{"upstream_id":"a","subscription_quotas":[{"utilization":0.5}]}]})"}};

}  // namespace

CC_LB_PLUGIN("cpp-router", "0.1.0", kFunctions)
CC_LB_EXPORT(filter, Filter)
