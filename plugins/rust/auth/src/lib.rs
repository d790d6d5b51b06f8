//! Lets a request pass when it carries a known bearer token, and answers the others itself with 401 (see README.md).

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Token to user.
    tokens: BTreeMap<String, String>,
    /// Paths that need no token: exactly this one, or everything below one that ends in `/`.
    #[serde(default)]
    public: Vec<String>,
}

impl Config {
    fn is_public(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        // Who decodes what after us is not known here: a path with dots or escapes is never taken for a public one.
        if path.contains("..") || path.contains('%') || path.contains("//") {
            return false;
        }
        self.public.iter().any(|p| path == p || (p.ends_with('/') && path.starts_with(p.as_str())))
    }

    /// Compares with every token, in a time that does not depend on where they differ.
    fn user_of(&self, token: &str) -> Option<&str> {
        let mut found = None;
        for (known, user) in &self.tokens {
            let same_size = known.len() == token.len();
            let difference = known.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
            if same_size && difference == 0 {
                found = Some(user.as_str());
            }
        }
        found
    }
}

/// "Bearer TOKEN"; the scheme is compared without case (RFC 9110, 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    config: Rc<Config>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Refuses to start without tokens: a check that lets nobody or everybody pass is a mistake.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice::<Config>(&bytes) {
            Ok(config) if !config.tokens.is_empty() => {
                log::info!("auth: {} tokens", config.tokens.len());
                self.config = Rc::new(config);
                true
            }
            Ok(_) => {
                log::error!("auth: configuration: \"tokens\" is empty");
                false
            }
            Err(error) => {
                log::error!("auth: configuration: {error}; it needs {{\"tokens\": {{\"TOKEN\": \"USER\"}}}}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { config: self.config.clone() }))
    }
}

/// One for each request.
struct Filter {
    config: Rc<Config>,
}

impl Filter {
    fn refuse(&self, error: &str, text: &[u8]) -> Action {
        let challenge = format!("Bearer realm=\"weir\"{error}");
        let headers = vec![("www-authenticate", challenge.as_str()), ("content-type", "text/plain")];
        self.send_http_response(401, headers, Some(text));
        Action::Pause // the answer is ours: the request stops here
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // A name that the client sends is nobody's: only this filter sets it.
        self.set_http_request_header("x-auth-user", None);
        // As bytes: a client may send any, and get_http_request_header panics on what is no UTF-8.
        let header = |name: &str| String::from_utf8_lossy(&self.get_http_request_header_bytes(name).unwrap_or_default()).into_owned();
        let path = header(":path");
        if self.config.is_public(&path) {
            return Action::Continue;
        }
        let authorization = header("authorization");
        let Some(token) = bearer(&authorization) else {
            return self.refuse("", b"a bearer token is needed\n");
        };
        let Some(user) = self.config.user_of(token) else {
            return self.refuse(", error=\"invalid_token\"", b"this token is not known\n");
        };
        self.set_http_request_header("x-auth-user", Some(user));
        self.set_http_request_header("authorization", None);
        Action::Continue
    }
}
