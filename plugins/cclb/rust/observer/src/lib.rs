//! An observability hook: adds up requests and tokens, and logs the sums after each finished request. Its memory lasts as long as its
//! instance: sums are those of one instance, not of the host.
use cc_lb_kit::pdk;
use cc_lb_kit::wire::v2::common::ObserveEventWire;
use cc_lb_kit::wire::v2::observe::{ObserveFn, ObserveRequest, ObserveResponse};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static FINISHED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static TOKENS: AtomicU64 = AtomicU64::new(0);

fn observe(call: ObserveRequest) -> Result<ObserveResponse, String> {
    for event in call.events {
        match event {
            ObserveEventWire::Error { .. } => {
                FAILED.fetch_add(1, Relaxed);
            }
            ObserveEventWire::RequestFinished { input_tokens, output_tokens, .. } => {
                let tokens = input_tokens.unwrap_or(0).saturating_add(output_tokens.unwrap_or(0));
                let finished = FINISHED.fetch_add(1, Relaxed) + 1;
                let tokens = TOKENS.fetch_add(tokens, Relaxed).wrapping_add(tokens);
                pdk::info!("requests {finished}, errors {}, tokens {tokens}", FAILED.load(Relaxed));
            }
            _ => {}
        }
    }
    Ok(ObserveResponse {})
}

cc_lb_kit::plugin! { observe: ObserveFn => observe }
