//! One filter for six releases of the SDK: adds `x-abi: hello` to every response.
use proxy_wasm::traits::*;
use proxy_wasm::types::*;

fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Filter) });
}

#[cfg(sdk_0_1)]
#[no_mangle]
pub fn _start() {
    start();
}

#[cfg(not(sdk_0_1))]
proxy_wasm::main! {{ start(); }}

struct Filter;

impl Context for Filter {}

impl HttpContext for Filter {
    #[cfg(sdk_0_1)]
    fn on_http_response_headers(&mut self, _count: usize) -> Action {
        self.add_http_response_header("x-abi", "hello");
        Action::Continue
    }

    #[cfg(not(sdk_0_1))]
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-abi", "hello");
        Action::Continue
    }
}
