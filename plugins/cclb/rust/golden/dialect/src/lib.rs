//! A dialect by protocol version 1 alone. It takes and gives bytes one by one, as the wire crate's own functions do: a body of 64 KiB
//! costs it more fuel than a call has.
use cc_lb_kit::wire::guest::run_string_export;
use cc_lb_kit::wire::v1::normalize_error::{NormalizeErrorFn, NormalizeErrorRequest, NormalizeErrorResponse};
use cc_lb_kit::wire::v1::shape::{ShapeFn, ShapeRequest, ShapeResponse};
use cc_lb_kit::wire::v1::HeaderWire;

const DROPPED: [&str; 3] = ["host", "authorization", "connection"];

fn shape(call: ShapeRequest) -> Result<ShapeResponse, String> {
    let request = call.request;
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut headers = request.headers;
    headers.retain(|header| !DROPPED.contains(&header.name.as_str()));
    headers.push(HeaderWire { name: "x-principal".into(), value_base64: "cHJpbmNpcGFs".into() });
    let url = format!("https://api.anthropic.com{}{query}", request.path);
    Ok(ShapeResponse { url, method: request.method, headers, body_base64: request.body_base64 })
}

fn normalize_error(call: NormalizeErrorRequest) -> Result<NormalizeErrorResponse, String> {
    if call.status == 418 {
        return Err("teapot".into());
    }
    Ok(NormalizeErrorResponse { body_base64: (call.status >= 500).then(|| "eyJlcnJvciI6InVwc3RyZWFtIn0=".into()) })
}

cc_lb_kit::plugin! { through run_string_export, shape: ShapeFn => shape, normalize_error: NormalizeErrorFn => normalize_error }
