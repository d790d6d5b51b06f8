// Requests and responses to try a plugin with: those of the reference's dry runs.
#pragma once

#include "weir/cclb/functions.h"

namespace weir::cclb {

Principal SamplePrincipal();
RequestWire SampleRequest();
ShapedRequestWire SampleShaped();
UpstreamErrorWire SampleError();
v2::CandidateWire SampleCandidate();
RateLimitObservationWire SampleRateLimit();
SubscriptionQuotaCandidateSnapshotWire SampleQuota();
ObserveEventWire SampleEvent();

template <class Fn>
typename Fn::Request DryRunRequest();
template <class Fn>
typename Fn::Response DryRunResponse();
#define WEIR_CCLB_DECLARE(Name)                        \
  template <>                                          \
  fn::Name::Request DryRunRequest<fn::Name>();         \
  template <>                                          \
  fn::Name::Response DryRunResponse<fn::Name>();
WEIR_CCLB_FUNCTIONS(WEIR_CCLB_DECLARE)
#undef WEIR_CCLB_DECLARE

}  // namespace weir::cclb
