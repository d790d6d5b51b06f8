//! A dialect: makes the upstream's request of the client's, and gives clients one body for all failures of upstreams.
use cc_lb_kit::wire::v2::common::HeaderWire;
use cc_lb_kit::wire::v2::normalize_error::{NormalizeErrorFn, NormalizeErrorRequest, NormalizeErrorResponse};
use cc_lb_kit::wire::v2::shape::{ShapeFn, ShapeRequest, ShapeResponse};

/// Headers of this connection, and the client's own secret.
const DROPPED: [&str; 5] = ["host", "connection", "content-length", "authorization", "x-api-key"];

fn shape(call: ShapeRequest) -> Result<ShapeResponse, String> {
    let request = call.request;
    let base = call.upstream_base_url.unwrap_or("https://api.anthropic.com".into());
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut headers = request.headers;
    headers.retain(|header| !DROPPED.iter().any(|dropped| header.name.eq_ignore_ascii_case(dropped)));
    headers.push(HeaderWire { name: "x-shaped-by".into(), value_base64: "cnVzdC1zaGFwZQ==".into() }); // "rust-shape"
    Ok(ShapeResponse { url: format!("{base}{}{query}", request.path), method: request.method, headers, body_base64: request.body_base64 })
}

fn normalize_error(call: NormalizeErrorRequest) -> Result<NormalizeErrorResponse, String> {
    // {"error":"upstream"} from 500 on; None leaves the upstream's body.
    Ok(NormalizeErrorResponse { body_base64: (call.status >= 500).then(|| "eyJlcnJvciI6InVwc3RyZWFtIn0=".into()) })
}

cc_lb_kit::plugin! { shape: ShapeFn => shape, normalize_error: NormalizeErrorFn => normalize_error }
