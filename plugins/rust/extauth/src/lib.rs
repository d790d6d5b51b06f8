//! Holds each request until a service has been asked about it: 2xx lets it pass, another status is the client's answer (see README.md).

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;
use std::rc::Rc;
use std::string::FromUtf8Error;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The cluster to ask.
    upstream: String,
    /// What is asked there; the request's own path goes in x-original-path.
    path: String,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
    /// Headers of the request that the service sees.
    #[serde(default)]
    send: Vec<String>,
    /// Headers of its answer that the request gets; what a client sends under these names is removed.
    #[serde(default)]
    take: Vec<String>,
    /// Whether requests pass while the service does not answer.
    #[serde(default)]
    open: bool,
}

fn default_timeout() -> u64 {
    500
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
        match serde_json::from_slice::<Config>(&bytes) {
            Ok(config) if config.path.starts_with('/') && !config.upstream.is_empty() => {
                self.config = Rc::new(config);
                true
            }
            Ok(_) => {
                log::error!("extauth: configuration: \"upstream\" names a cluster, and \"path\" begins with /");
                false
            }
            Err(error) => {
                log::error!("extauth: configuration: {error}; it needs {{\"upstream\": \"authz\", \"path\": \"/check\"}}");
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
    /// Nobody said yes or no.
    fn no_answer(&self, why: &str) -> Action {
        log::warn!("extauth: {}: {why}", self.config.upstream);
        if self.config.open {
            return Action::Continue;
        }
        self.send_http_response(503, vec![("content-type", "text/plain")], Some(b"the authorization service does not answer\n"));
        Action::Pause
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let config = self.config.clone();
        for name in &config.take {
            self.set_http_request_header(name, None); // a name that the client sends is nobody's
        }
        // The call can carry text alone, and a server must not be asked about another request than this one.
        let text = |name: &str| self.get_http_request_header_bytes(name).map(String::from_utf8).transpose();
        let own: Result<Vec<_>, FromUtf8Error> = [":method", ":path", ":authority"].into_iter().map(text).collect();
        let sent: Result<Vec<_>, FromUtf8Error> = config.send.iter().map(|name| Ok(text(name)?.map(|value| (name, value)))).collect();
        let (Ok(own), Ok(sent)) = (own, sent) else {
            self.send_http_response(400, vec![], Some(b"a header is no text\n"));
            return Action::Pause;
        };
        let own = |index: usize| own[index].as_deref().unwrap_or_default();
        let mut headers = vec![
            (":method", "GET"),
            (":path", config.path.as_str()),
            (":authority", config.upstream.as_str()),
            ("x-original-method", own(0)),
            ("x-original-path", own(1)),
            ("x-original-host", own(2)),
        ];
        headers.extend(sent.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str())));
        match self.dispatch_http_call(&config.upstream, headers, None, vec![], Duration::from_millis(config.timeout_ms)) {
            Ok(_) => Action::Pause, // until on_http_call_response
            Err(status) => self.no_answer(&format!("cannot be called: {status:?}")),
        }
    }
}

impl Context for Filter {
    /// Without headers there was no answer: refused, reset, or not in time.
    fn on_http_call_response(&mut self, _call: u32, headers: usize, body_size: usize, _trailers: usize) {
        let text = |name: &str| self.get_http_call_response_header_bytes(name).and_then(|bytes| String::from_utf8(bytes).ok());
        let status = text(":status").and_then(|text| text.parse::<u32>().ok());
        match status {
            Some(200..=299) => {
                for name in &self.config.take {
                    self.set_http_request_header_bytes(name, self.get_http_call_response_header_bytes(name).as_deref());
                }
                self.resume_http_request();
            }
            Some(status @ 400..=499) => {
                let body = self.get_http_call_response_body(0, body_size);
                let kind = text("content-type");
                let challenge = text("www-authenticate");
                let mut answer = Vec::new();
                answer.extend(kind.as_deref().map(|value| ("content-type", value)));
                answer.extend(challenge.as_deref().map(|value| ("www-authenticate", value)));
                self.send_http_response(status, answer, body.as_deref());
            }
            _ => {
                let why = if headers == 0 { "no answer".to_string() } else { format!("status {status:?}") };
                if self.no_answer(&why) == Action::Continue {
                    self.resume_http_request();
                }
            }
        }
    }
}
