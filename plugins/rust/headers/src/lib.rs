//! Adds, sets, rewrites and removes headers of requests and responses, as its JSON configuration says (see README.md).

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
#[serde(default, deny_unknown_fields)]
struct Config {
    request: Rules,
    response: Rules,
}

/// In the order in which they are done.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rules {
    remove: Vec<String>,
    rewrite: BTreeMap<String, Rewrite>,
    set: BTreeMap<String, String>,
    add: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rewrite {
    find: String,
    replace: String,
}

/// One for the plugin: reads the configuration, and makes a `Filter` for each request.
#[derive(Default)]
struct Root {
    config: Rc<Config>,
}

impl Context for Root {}

impl RootContext for Root {
    /// A `false` refuses the configuration: the proxy does not start with it.
    fn on_configure(&mut self, _size: usize) -> bool {
        let bytes = self.get_plugin_configuration().unwrap_or_default();
        if bytes.is_empty() {
            log::warn!("headers: no configuration, nothing to do");
            return true;
        }
        match serde_json::from_slice(&bytes) {
            Ok(config) => {
                self.config = Rc::new(config);
                true
            }
            Err(error) => {
                log::error!("headers: configuration: {error}");
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

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let rules = &self.config.request;
        for name in &rules.remove {
            self.set_http_request_header(name, None);
        }
        for (name, rewrite) in &rules.rewrite {
            // What is no text stays as it is; get_http_request_header would panic on it.
            if let Some(Ok(value)) = self.get_http_request_header_bytes(name).map(String::from_utf8) {
                self.set_http_request_header(name, Some(&value.replace(&rewrite.find, &rewrite.replace)));
            }
        }
        for (name, value) in &rules.set {
            self.set_http_request_header(name, Some(value));
        }
        for (name, value) in &rules.add {
            self.add_http_request_header(name, value);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let rules = &self.config.response;
        for name in &rules.remove {
            self.set_http_response_header(name, None);
        }
        for (name, rewrite) in &rules.rewrite {
            // What is no text stays as it is; get_http_response_header would panic on it.
            if let Some(Ok(value)) = self.get_http_response_header_bytes(name).map(String::from_utf8) {
                self.set_http_response_header(name, Some(&value.replace(&rewrite.find, &rewrite.replace)));
            }
        }
        for (name, value) in &rules.set {
            self.set_http_response_header(name, Some(value));
        }
        for (name, value) in &rules.add {
            self.add_http_response_header(name, value);
        }
        Action::Continue
    }
}
