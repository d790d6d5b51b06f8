//! A router: of the upstreams that could serve a request, those whose quota is used to 95 % are refused.
use cc_lb_kit::wire::v3::filter::{FilterFn, FilterRequest, FilterResponse, PerCandidateReasonWire};

const FULL: f64 = 0.95;

fn filter(request: FilterRequest) -> Result<FilterResponse, String> {
    let judge = |candidate: cc_lb_kit::wire::v2::common::CandidateWire| {
        let full = candidate.subscription_quotas.iter().any(|quota| quota.utilization.is_some_and(|used| used > FULL));
        let (decision, reason) = if full { ("reject", "quota") } else { ("accept", "") };
        PerCandidateReasonWire { upstream_id: candidate.upstream_id, decision: decision.into(), reason: reason.into() }
    };
    Ok(FilterResponse { results: request.candidates.into_iter().map(judge).collect() })
}

cc_lb_kit::plugin! { filter: FilterFn => filter }
