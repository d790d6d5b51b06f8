//! What every cc-lb plugin in Rust needs around its functions: identity, handshake, self-check and the envelope of a call.
//!
//! ```ignore
//! cc_lb_kit::plugin! { shape: ShapeFn => shape }
//! ```
//! Name and version of the plugin are those of its crate. The types of requests and responses are those of the published crate
//! `cc-lb-plugin-wire`; input and output go through the Extism PDK.
pub use cc_lb_plugin_wire as wire;
pub use extism_pdk as pdk;

use wire::handshake::{HandshakeAccept, HandshakeOffer};
use wire::self_check::{SelfCheckFailure, SelfCheckRequest, SelfCheckResponse, SelfCheckStage, SelfCheckStatus};
use wire::serde_json::{self, Value};
use wire::wire_function::WireFunction;

/// A function as handshake and self-check see it.
pub struct Function {
    pub name: &'static str,
    pub versions: &'static [u32],
    /// Can request and response go through JSON and back?
    pub check: fn() -> Result<(), String>,
}

impl Function {
    pub const fn of<F: WireFunction>() -> Self {
        Function { name: F::NAME, versions: F::SUPPORTED_VERSIONS, check: round_trip::<F> }
    }
}

fn round_trip<F: WireFunction>() -> Result<(), String> {
    let request = serde_json::to_string(&F::dry_run_request()).map_err(text)?;
    serde_json::from_str::<F::Request>(&request).map_err(text)?;
    let response = serde_json::to_string(&F::dry_run_response()).map_err(text)?;
    serde_json::from_str::<F::Response>(&response).map_err(text)?;
    Ok(())
}

fn text(error: impl core::fmt::Display) -> String {
    error.to_string()
}

/// Of each function the highest version that both sides have; one that they do not share is left out.
pub fn handshake(offer: &str, functions: &[Function], capabilities: &[&str]) -> Result<String, String> {
    let offer: HandshakeOffer = serde_json::from_str(offer).map_err(text)?;
    offer.validate().map_err(text)?;
    let mut accept = HandshakeAccept {
        handshake_schema_version: offer.handshake_schema_version,
        envelope_version: offer.envelope_version,
        chosen_versions: Default::default(),
        plugin_supported: Default::default(),
        implemented_functions: Default::default(),
        required_capabilities: capabilities.iter().map(|name| name.to_string()).collect(),
    };
    for function in functions {
        accept.implemented_functions.insert(function.name.into());
        accept.plugin_supported.insert(function.name.into(), function.versions.to_vec());
        let offered = offer.function_versions.get(function.name);
        let best = offered.and_then(|versions| versions.iter().filter(|v| function.versions.contains(v)).max());
        if let Some(best) = best {
            accept.chosen_versions.insert(function.name.into(), *best);
        }
    }
    accept.validate_against_offer(&offer).map_err(text)?;
    serde_json::to_string(&accept).map_err(text)
}

pub fn self_check(request: &str, functions: &[Function]) -> Result<String, String> {
    let request: SelfCheckRequest = serde_json::from_str(request).map_err(text)?;
    request.validate().map_err(text)?;
    let failed = |function: &Function| {
        let message = format!("{}: {}", function.name, (function.check)().err()?);
        Some(SelfCheckFailure { stage: SelfCheckStage::WireFunctionTest, message })
    };
    let failures: Vec<_> = functions.iter().filter_map(failed).collect();
    let status = if failures.is_empty() { SelfCheckStatus::Success } else { SelfCheckStatus::Failure };
    serde_json::to_string(&SelfCheckResponse { status, failures, completed_at: request.initiated_at }).map_err(text)
}

/// A call: `_v` is in the request and in the response.
pub fn serve<F: WireFunction>(input: &str, handler: fn(F::Request) -> Result<F::Response, String>) -> Result<String, String> {
    let mut request: Value = serde_json::from_str(input).map_err(text)?;
    let version = request.as_object_mut().and_then(|members| members.remove("_v")).filter(Value::is_u64).ok_or("no numeric _v")?;
    if !F::SUPPORTED_VERSIONS.iter().any(|supported| version == *supported) {
        return Err(format!("unsupported _v: {version}"));
    }
    let answer = handler(serde_json::from_value(request).map_err(text)?)?;
    let mut response = serde_json::to_value(answer).map_err(text)?;
    response["_v"] = version;
    serde_json::to_string(&response).map_err(text)
}

/// The input to `run`, and what it gives to the host: an output, or an error and -1.
pub fn export(run: impl FnOnce(String) -> Result<String, String>) -> i32 {
    let input = String::from_utf8(pdk::input_bytes()).map_err(text);
    match input.and_then(run).and_then(|output| pdk::output(output).map_err(text)) {
        Ok(()) => 0,
        Err(message) => {
            if let Ok(block) = pdk::Memory::from_bytes(message) {
                unsafe { pdk::extism::error_set(block.offset()) };
            }
            -1
        }
    }
}

/// What the plugin says of itself before it runs: {"magic":…,"plugin_name":name,"plugin_version":version}.
#[macro_export]
macro_rules! identity {
    () => {
        const IDENTITY_JSON: &str = concat!(
            r#"{"magic":[204,27,112,16,0,1,0,0],"abi_envelope":1,"plugin_name":""#, env!("CARGO_PKG_NAME"),
            r#"","plugin_version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
        #[link_section = "cc_lb.plugin.v1"] // a custom section, which the host reads without running anything
        #[used]
        static IDENTITY: [u8; IDENTITY_JSON.len()] = $crate::bytes(IDENTITY_JSON);
    };
}

pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}

/// Identity and exports: `plugin! { requires ["log"], shape: ShapeFn => shape }`. `requires`: capabilities of the host without which the
/// plugin does not work. `through PATH,` in front: another function in the place of [`export`].
#[macro_export]
macro_rules! plugin {
    (through $export:path, requires [$($capability:literal),*], $($name:ident: $function:ty => $handler:expr),+ $(,)?) => {
        $crate::identity!();

        const FUNCTIONS: &[$crate::Function] = &[$($crate::Function::of::<$function>()),+];
        const CAPABILITIES: &[&str] = &[$($capability),*];

        #[no_mangle]
        pub extern "C" fn cc_lb_handshake() -> i32 {
            $export(|offer| $crate::handshake(&offer, FUNCTIONS, CAPABILITIES))
        }
        #[no_mangle]
        pub extern "C" fn cc_lb_self_check() -> i32 {
            $export(|request| $crate::self_check(&request, FUNCTIONS))
        }
        $(
            // In a scope of its own, so that the handler may have the export's name.
            const _: () = {
                #[export_name = stringify!($name)]
                pub extern "C" fn export() -> i32 {
                    $export(|input| $crate::serve::<$function>(&input, $handler))
                }
            };
        )+
    };
    (through $export:path, $($functions:tt)+) => {
        $crate::plugin! { through $export, requires [], $($functions)+ }
    };
    ($($functions:tt)+) => {
        $crate::plugin! { through $crate::export, $($functions)+ }
    };
}
