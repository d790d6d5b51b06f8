//! Nothing of our own: the C symbols of Wasmtime, kept by the re-export.
pub use wasmtime_c_api::*;
