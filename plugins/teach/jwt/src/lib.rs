//! Lets a request pass when it carries a JSON Web Token (RFC 7519) that one of the configured keys has signed (see plugins/teach/README.md).

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::{signature::Verifier, Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

/// Longer ones are not read: work that a stranger can ask for has a limit.
const TOKEN_BYTES_MAX: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of a key (`kid`) to its public half, in PEM. Two names during a change of keys.
    keys: BTreeMap<String, String>,
    issuer: String,
    audience: String,
    /// How far the clocks of issuer and proxy may differ.
    #[serde(default = "default_leeway")]
    leeway_seconds: f64,
}

fn default_leeway() -> f64 {
    30.0
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, name: &str) -> bool {
        match self {
            Audience::One(one) => one == name,
            Audience::Many(many) => many.iter().any(|one| one == name),
        }
    }
}

/// What is checked against: keys that were parsed once, when the plugin started.
struct Verify {
    keys: BTreeMap<String, VerifyingKey>,
    config: Config,
}

impl Verify {
    fn new(config: Config) -> Result<Verify, String> {
        let mut keys = BTreeMap::new();
        for (kid, pem) in &config.keys {
            let key = VerifyingKey::from_public_key_pem(pem).map_err(|error| format!("key {kid:?} is no P-256 public key in PEM: {error}"))?;
            keys.insert(kid.clone(), key);
        }
        if keys.is_empty() {
            return Err("\"keys\" is empty".to_string());
        }
        Ok(Verify { keys, config })
    }

    /// The order is the point: nothing of the claims is believed, or even parsed, before the signature is known to be good.
    fn claims(&self, token: &str, now: f64) -> Result<Claims, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("no JWT")?;
        let (header, claims) = signed.split_once('.').ok_or("no JWT")?;
        let header: Header = decode(header).ok_or("bad header")?;
        // The token does not choose how it is checked: ES256 it is. One that says "none", or "HS256" with our public key as
        // the secret, ends here (RFC 8725, 3.1).
        if header.alg != "ES256" {
            return Err("not ES256");
        }
        if header.crit.is_some() {
            return Err("critical extensions"); // RFC 7515, 4.1.11: what is not understood is refused
        }
        let key = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or("unknown key")?;
        let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| "bad signature")?;
        let signature = Signature::from_slice(&signature).map_err(|_| "bad signature")?;
        key.verify(signed.as_bytes(), &signature).map_err(|_| "bad signature")?;

        let claims: Claims = decode(claims).ok_or("bad claims")?; // exp, iss, aud and sub are required
        let leeway = self.config.leeway_seconds;
        match () {
            _ if now >= claims.exp + leeway => Err("expired"),
            _ if claims.nbf.is_some_and(|nbf| now < nbf - leeway) => Err("not valid yet"),
            _ if claims.iss != self.config.issuer => Err("another issuer"),
            _ if !claims.aud.has(&self.config.audience) => Err("for another audience"),
            _ => Ok(claims),
        }
    }
}

fn decode<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).ok()?).ok()
}

/// "Bearer TOKEN"; the scheme is compared without case (RFC 9110, 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| token.len() <= TOKEN_BYTES_MAX)
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    verify: Option<Rc<Verify>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice(&bytes).map_err(|error| error.to_string()).and_then(Verify::new) {
            Ok(verify) => self.verify = Some(Rc::new(verify)),
            Err(error) => log::error!("jwt: configuration: {error}"),
        }
        self.verify.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { verify: self.verify.clone()? }))
    }
}

/// One for each request.
struct Filter {
    verify: Rc<Verify>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.set_http_request_header("x-jwt-sub", None); // a name that the client sends is nobody's
        let now = self.get_current_time().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        // As bytes: a client may send any, and get_http_request_header panics on what is no UTF-8.
        let authorization = self.get_http_request_header_bytes("authorization").and_then(|bytes| String::from_utf8(bytes).ok());
        let found = match authorization.as_deref().and_then(bearer) {
            Some(token) => self.verify.claims(token, now),
            None => Err("no bearer token"),
        };
        match found {
            Ok(claims) => {
                self.set_http_request_header("x-jwt-sub", Some(&claims.sub));
                Action::Continue
            }
            Err(why) => {
                // The log says why; the client learns only that it was not enough.
                log::info!("jwt: refused: {why}");
                self.send_http_response(401, vec![("www-authenticate", "Bearer error=\"invalid_token\"")], Some(b"a valid token is needed\n"));
                Action::Pause // the answer is ours: the request stops here
            }
        }
    }
}
