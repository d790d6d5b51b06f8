//! Calls every host function once per call, and keeps a counter in the storage: the third call fails and tells it.
use cc_lb_kit::wire::guest::run_string_export;
use cc_lb_kit::wire::v1::observe::{ObserveFn, ObserveRequest, ObserveResponse};

mod kernel {
    #[link(wasm_import_module = "extism:host/env")]
    extern "C" {
        pub fn alloc(bytes: u64) -> u64;
        pub fn store_u8(offset: u64, byte: u8);
        pub fn load_u8(offset: u64) -> u8;
        pub fn length(offset: u64) -> u64;
    }
}
// Every number is the handle of a block.
mod host {
    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        pub fn cc_lb_log(level: u64, message: u64);
        pub fn cc_lb_metric_incr(name: u64, value: u64);
        pub fn cc_lb_storage_get(key: u64) -> u64;
        pub fn cc_lb_storage_put(key: u64, value: u64);
        pub fn cc_lb_now_unix_ms() -> u64;
        pub fn cc_lb_random_bytes(count: u64) -> u64;
    }
}

fn block(bytes: &[u8]) -> u64 {
    unsafe {
        let start = kernel::alloc(bytes.len() as u64);
        for (i, byte) in bytes.iter().enumerate() {
            kernel::store_u8(start + i as u64, *byte);
        }
        start
    }
}

fn bytes(block: u64) -> Vec<u8> {
    unsafe { (0..kernel::length(block)).map(|i| kernel::load_u8(block + i)).collect() }
}

fn observe(call: ObserveRequest) -> Result<ObserveResponse, String> {
    unsafe {
        host::cc_lb_log(block(b"warn"), block(b"hello"));
        host::cc_lb_metric_incr(block(b"events"), block(&(call.events.len() as u64 + 1).to_le_bytes()));
        let old = bytes(host::cc_lb_storage_get(block(b"count")));
        let count = old.first().copied().unwrap_or(0) + 1;
        host::cc_lb_storage_put(block(b"count"), block(&[count]));
        let now = bytes(host::cc_lb_now_unix_ms());
        if now.len() != 8 {
            return Err(format!("now returned {} bytes", now.len()));
        }
        let random = bytes(host::cc_lb_random_bytes(block(&16u64.to_le_bytes())));
        if random.len() != 16 {
            return Err(format!("random returned {} bytes", random.len()));
        }
        if count >= 3 {
            return Err(format!("count={count} old_len={}", old.len()));
        }
        Ok(ObserveResponse {})
    }
}

cc_lb_kit::plugin! { through run_string_export, observe: ObserveFn => observe }
