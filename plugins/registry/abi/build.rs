fn main() {
    let sdk = env!("CARGO_PKG_VERSION");
    println!("cargo:rustc-check-cfg=cfg(sdk_0_1)");
    if sdk.starts_with("0.1.") {
        println!("cargo:rustc-cfg=sdk_0_1");
    }
    if sdk != "0.2.5" {
        // Older releases do not say that the host's functions are imports.
        println!("cargo:rustc-link-arg=--allow-undefined");
    }
}
