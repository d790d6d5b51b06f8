//! A signer that needs a capability of the host, and whose state is any JSON.
use cc_lb_kit::wire::guest::run_string_export;
use cc_lb_kit::wire::serde_json::json;
use cc_lb_kit::wire::v1::build_signer::{BuildSignerFn, BuildSignerRequest, BuildSignerResponse};
use cc_lb_kit::wire::v1::on_unauthorized::{OnUnauthorizedFn, OnUnauthorizedRequest, OnUnauthorizedResponse};
use cc_lb_kit::wire::v1::sign::{SignFn, SignRequest, SignResponse};
use cc_lb_kit::wire::v1::HeaderWire;

fn build_signer(call: BuildSignerRequest) -> Result<BuildSignerResponse, String> {
    Ok(BuildSignerResponse { signer_state: json!({"n": 1, "seed": call.factory_state}) })
}

fn sign(call: SignRequest) -> Result<SignResponse, String> {
    let mut headers = call.shaped.headers;
    headers.push(HeaderWire { name: "x-api-key".into(), value_base64: "c2VjcmV0".into() });
    Ok(SignResponse { url: None, method: None, headers: Some(headers), body_base64: None })
}

fn on_unauthorized(call: OnUnauthorizedRequest) -> Result<OnUnauthorizedResponse, String> {
    let decision = if call.error.status == 401 { "refresh" } else { "fail" };
    Ok(OnUnauthorizedResponse { decision: decision.into(), signer_state: call.signer_state })
}

cc_lb_kit::plugin! { through run_string_export, requires ["storage"],
    build_signer: BuildSignerFn => build_signer,
    sign: SignFn => sign,
    on_unauthorized: OnUnauthorizedFn => on_unauthorized,
}
