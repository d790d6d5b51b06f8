//! Replaces text in request and response bodies, as its JSON configuration says (see README.md).

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use std::rc::Rc;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    request: Vec<Replacement>,
    response: Vec<Replacement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replacement {
    find: String,
    replace: String,
}

/// What the body becomes, or nothing where it stays as it is. Works on bytes: a body need not be UTF-8.
fn rewritten(body: &[u8], replacements: &[Replacement]) -> Option<Vec<u8>> {
    let mut changed = None;
    for Replacement { find, replace } in replacements {
        let current = changed.as_deref().unwrap_or(body);
        if let Some(next) = replaced(current, find.as_bytes(), replace.as_bytes()) {
            changed = Some(next);
        }
    }
    changed
}

fn replaced(body: &[u8], find: &[u8], replace: &[u8]) -> Option<Vec<u8>> {
    let position = |from: usize| body[from..].windows(find.len()).position(|w| w == find).map(|at| from + at);
    let mut at = position(0)?;
    let mut result = Vec::with_capacity(body.len());
    let mut copied = 0;
    loop {
        result.extend_from_slice(&body[copied..at]);
        result.extend_from_slice(replace);
        copied = at + find.len();
        match position(copied) {
            Some(next) => at = next,
            None => break,
        }
    }
    result.extend_from_slice(&body[copied..]);
    Some(result)
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    config: Rc<Config>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        let config: Config = match serde_json::from_slice(&bytes) {
            Ok(config) => config,
            Err(error) => {
                log::error!("body: configuration: {error}");
                return false;
            }
        };
        if config.request.iter().chain(&config.response).any(|r| r.find.is_empty()) {
            log::error!("body: configuration: \"find\" must not be empty");
            return false;
        }
        self.config = Rc::new(config);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { config: self.config.clone(), plain_response: true }))
    }
}

/// One for each request.
struct Filter {
    config: Rc<Config>,
    /// Whether the response is not compressed: bytes that are cannot be searched.
    plain_response: bool,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if !self.config.response.is_empty() {
            self.set_http_request_header("accept-encoding", Some("identity"));
        }
        if !self.config.request.is_empty() && !end_of_stream {
            self.set_http_request_header("content-length", None); // the size changes with the body
        }
        Action::Continue
    }

    /// `size` counts what is held so far: pausing until the end lets a text be found across the borders of chunks.
    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.config.request.is_empty() {
            return Action::Continue;
        }
        if !end_of_stream {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_request_body(0, size) {
            if let Some(new) = rewritten(&body, &self.config.request) {
                self.set_http_request_body(0, size, &new);
            }
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let encoding = self.get_http_response_header_bytes("content-encoding"); // as bytes: a value need not be UTF-8
        self.plain_response = encoding.map_or(true, |e| e == b"identity");
        if self.plain_response && !self.config.response.is_empty() {
            self.set_http_response_header("content-length", None);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.config.response.is_empty() || !self.plain_response {
            return Action::Continue;
        }
        if !end_of_stream {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_response_body(0, size) {
            if let Some(new) = rewritten(&body, &self.config.response) {
                self.set_http_response_body(0, size, &new);
            }
        }
        Action::Continue
    }
}
