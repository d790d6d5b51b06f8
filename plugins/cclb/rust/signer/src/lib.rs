//! A signer: puts the operator's key into every request. The host keeps a signer's state and hands it in with each call, so the plugin
//! itself has none: factory_state {"key_base64":"…"} is what the operator configured, signer_state what build_signer made of it.
use cc_lb_kit::wire::serde_json::{json, Value};
use cc_lb_kit::wire::v2::build_signer::{BuildSignerFn, BuildSignerRequest, BuildSignerResponse};
use cc_lb_kit::wire::v2::common::HeaderWire;
use cc_lb_kit::wire::v2::on_unauthorized::{OnUnauthorizedFn, OnUnauthorizedRequest, OnUnauthorizedResponse};
use cc_lb_kit::wire::v2::sign::{SignFn, SignRequest, SignResponse};

fn key(state: &Value) -> Option<&str> {
    state["key_base64"].as_str()
}

fn build_signer(call: BuildSignerRequest) -> Result<BuildSignerResponse, String> {
    let key = key(&call.factory_state).ok_or("factory_state has no key_base64")?;
    Ok(BuildSignerResponse { signer_state: json!({"key_base64": key, "renewals": 0}) })
}

fn sign(call: SignRequest) -> Result<SignResponse, String> {
    let value_base64 = key(&call.signer_state).ok_or("signer_state has no key_base64")?.into();
    let mut headers = call.shaped.headers;
    headers.push(HeaderWire { name: "x-api-key".into(), value_base64 });
    Ok(SignResponse { url: None, method: None, headers: Some(headers), body_base64: None }) // None: unchanged
}

/// A 401 is tried again, twice at most.
fn on_unauthorized(call: OnUnauthorizedRequest) -> Result<OnUnauthorizedResponse, String> {
    let mut signer_state = call.signer_state;
    let renewals = signer_state["renewals"].as_u64().unwrap_or(0);
    if call.error.status != 401 || key(&signer_state).is_none() || renewals >= 2 {
        return Ok(OnUnauthorizedResponse { decision: "fail".into(), signer_state });
    }
    signer_state["renewals"] = (renewals + 1).into();
    Ok(OnUnauthorizedResponse { decision: "refresh".into(), signer_state })
}

cc_lb_kit::plugin! {
    build_signer: BuildSignerFn => build_signer,
    sign: SignFn => sign,
    on_unauthorized: OnUnauthorizedFn => on_unauthorized,
}
