//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |key: &str| std::env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    // Without a fixed address each start relocates some 500 KiB of constant data: a quarter of a start's time, and memory that every shim
    // and guardian holds alone. A build script reaches `cargo install`, flags in a configuration do not.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
