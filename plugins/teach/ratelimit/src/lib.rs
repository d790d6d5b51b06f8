//! Gives each client a bucket of tokens in shared data: a request takes one, and time puts them back (see plugins/teach/README.md).

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::time::UNIX_EPOCH;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root::default()) });
}}

/// Updates that may fail because another worker was faster.
const ATTEMPTS: usize = 20;

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Tokens that come back in a second, and how many a bucket holds.
    per_second: f64,
    burst: f64,
}

/// What shared data holds of a client: 16 bytes, tokens and the time (seconds) at which there were so many.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: f64,
}

impl Bucket {
    fn read(bytes: &[u8]) -> Option<Bucket> {
        let number = |from: usize| Some(f64::from_le_bytes(bytes.get(from..from + 8)?.try_into().ok()?));
        Some(Bucket { tokens: number(0)?, at: number(8)? })
    }

    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[8..].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    fn filled(self, config: &Config, now: f64) -> Bucket {
        let passed = (now - self.at).max(0.0); // a clock that was set back takes nothing away
        Bucket { tokens: (self.tokens + passed * config.per_second).min(config.burst), at: now }
    }
}

/// Takes a token: Ok with what is left, or Err with the seconds until there is one.
fn take(config: &Config, key: &str, now: f64) -> Result<Result<f64, f64>, Status> {
    for _ in 0..ATTEMPTS {
        let (value, cas) = hostcalls::get_shared_data(key)?;
        let known = value.as_deref().and_then(Bucket::read);
        let mut bucket = known.map_or(Bucket { tokens: config.burst, at: now }, |bucket| bucket.filled(config, now));
        if bucket.tokens < 1.0 {
            return Ok(Err((1.0 - bucket.tokens) / config.per_second)); // nothing taken, so nothing to write
        }
        bucket.tokens -= 1.0;
        // Compare and swap: written only if it is still the value that was read. Without it two workers would read 1, both
        // write 0, and two requests would pass on one token. (Without a value there is no number to compare, and 0 writes.)
        match hostcalls::set_shared_data(key, Some(&bucket.bytes()), cas) {
            Ok(()) => {
                forget_later(config, key);
                return Ok(Ok(bucket.tokens));
            }
            Err(Status::CasMismatch) => continue,
            Err(status) => return Err(status),
        }
    }
    Err(Status::CasMismatch)
}

/// A bucket that is full again says nothing: Weir drops it then, so that passing strangers do not fill the memory.
/// Other proxies do not have the function, and answer NOT_FOUND.
fn forget_later(config: &Config, key: &str) {
    let full_ms = (config.burst / config.per_second * 1000.0).ceil() as u64 + 1000;
    let _ = hostcalls::call_foreign_function("weir.shared_set_ttl", Some(&[&full_ms.to_le_bytes(), key.as_bytes()].concat()));
}

/// Who a client is. An IPv6 network gives a house 2^64 addresses, so the network is the client.
fn client(address: Option<Vec<u8>>) -> String {
    let text = String::from_utf8(address.unwrap_or_default()).unwrap_or_default();
    let address = text.parse::<SocketAddr>().map(|a| a.ip()).or_else(|_| text.parse::<IpAddr>());
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => format!("bucket:{address}"),
        Ok(IpAddr::V6(address)) => format!("bucket:{:x}:{:x}:{:x}:{:x}::/64", address.segments()[0], address.segments()[1], address.segments()[2], address.segments()[3]),
        Err(_) => "bucket:unknown".to_string(),
    }
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    config: Config,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice::<Config>(&bytes) {
            Ok(config) if config.per_second > 0.0 && config.burst >= 1.0 => {
                self.config = config;
                true
            }
            Ok(_) => {
                log::error!("ratelimit: configuration: \"per_second\" must be above 0, and \"burst\" at least 1");
                false
            }
            Err(error) => {
                log::error!("ratelimit: configuration: {error}; it needs {{\"per_second\": 5, \"burst\": 10}}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { config: self.config, left: None }))
    }
}

/// One for each request.
struct Filter {
    config: Config,
    /// Tokens that were left behind this request.
    left: Option<f64>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let now = self.get_current_time().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        // The address of the connection, not a header: what a client writes is its own choice.
        let key = client(self.get_property(vec!["source", "address"]));
        match take(&self.config, &key, now) {
            Ok(Ok(left)) => {
                self.left = Some(left);
                Action::Continue
            }
            Ok(Err(wait)) => {
                let wait = (wait.ceil() as u64).to_string(); // whole seconds (RFC 9110, 10.2.3)
                self.send_http_response(429, vec![("retry-after", wait.as_str())], Some(b"too many requests\n"));
                Action::Pause
            }
            Err(status) => {
                log::error!("ratelimit: shared data: {status:?}");
                Action::Continue // a limit that cannot be kept is no reason to refuse everybody
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(left) = self.left {
            self.set_http_response_header("x-ratelimit-remaining", Some(&(left as u64).to_string()));
        }
        Action::Continue
    }
}
