//! A dialect with the macros of the Extism PDK alone, and a self-check that tests nothing.
use cc_lb_kit::wire::v1::shape::{ShapeFn, ShapeRequest, ShapeResponse};
use cc_lb_kit::wire::v1::HeaderWire;
use cc_lb_kit::Function;
use extism_pdk::{plugin_fn, Error, FnResult};

cc_lb_kit::identity!();

#[plugin_fn]
pub fn cc_lb_handshake(offer: String) -> FnResult<String> {
    Ok(cc_lb_kit::handshake(&offer, &[Function::of::<ShapeFn>()], &[]).map_err(Error::msg)?)
}

#[plugin_fn]
pub fn cc_lb_self_check(_request: String) -> FnResult<String> {
    Ok(r#"{"status":"success","failures":[],"completed_at":7}"#.into())
}

#[plugin_fn]
pub fn shape(input: String) -> FnResult<String> {
    let shape = |call: ShapeRequest| {
        let request = call.request;
        let mut headers = request.headers;
        headers.push(HeaderWire { name: "x-pdk".into(), value_base64: "MQ==".into() });
        let url = format!("https://api.anthropic.com{}", request.path);
        Ok(ShapeResponse { url, method: request.method, headers, body_base64: request.body_base64 })
    };
    Ok(cc_lb_kit::serve::<ShapeFn>(&input, shape).map_err(Error::msg)?)
}
