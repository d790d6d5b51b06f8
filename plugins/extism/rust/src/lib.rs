//! Everything that a plugin of Extism can ask for, one function each (plugins/extism/README.md).
use extism_pdk::*;

#[host_fn]
extern "ExtismHost" {
    fn upper(text: String) -> String;
}

/// Input, output, configuration, log.
#[plugin_fn]
pub fn greet(name: String) -> FnResult<String> {
    let greeting = config::get("greeting")?.unwrap_or_else(|| "Hello".into());
    info!("greeting {name}");
    Ok(format!("{greeting}, {name}!"))
}

/// A variable: it lives as long as the plugin.
#[plugin_fn]
pub fn count() -> FnResult<String> {
    let before: Option<String> = var::get("count")?;
    let count = before.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0) + 1;
    var::set("count", count.to_string())?;
    Ok(count.to_string())
}

/// An error, with a code of its own.
#[plugin_fn]
pub fn double(number: String) -> FnResult<String> {
    match number.parse::<u32>() {
        Ok(value) => Ok((u64::from(value) * 2).to_string()),
        Err(_) => Err(WithReturnCode::new(Error::msg(format!("not a number: {number}")), 3)),
    }
}

/// A request, to a host that the manifest allows.
#[plugin_fn]
pub fn fetch(url: String) -> FnResult<String> {
    let request = HttpRequest::new(url).with_header("x-plugin", "rust");
    let response = http::request::<()>(&request, None)?;
    Ok(format!("{} {}", response.status_code(), String::from_utf8_lossy(&response.body())))
}

/// A function of the host.
#[plugin_fn]
pub fn shout(text: String) -> FnResult<String> {
    Ok(unsafe { upper(text)? })
}
