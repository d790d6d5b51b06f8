//! Fails from the sixth event on: its memory lasts from call to call.
use cc_lb_kit::wire::guest::run_string_export;
use cc_lb_kit::wire::v1::observe::{ObserveFn, ObserveRequest, ObserveResponse};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static SEEN: AtomicUsize = AtomicUsize::new(0);

fn observe(call: ObserveRequest) -> Result<ObserveResponse, String> {
    let seen = SEEN.fetch_add(call.events.len(), Relaxed) + call.events.len();
    if seen > 5 {
        return Err(format!("seen {seen} events"));
    }
    Ok(ObserveResponse {})
}

cc_lb_kit::plugin! { through run_string_export, observe: ObserveFn => observe }
