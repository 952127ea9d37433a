//! Compiles the first process of containers with `init: true`, which this room carries: `init/main.rs`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=init/main.rs");
    let given = |key: &str| env::var_os(key).unwrap_or_else(|| panic!("cargo sets {key}"));
    if given("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    // A build script compiles it wherever the main program is built, by `cargo install` too; a second package would have to be found at run time.
    let mut compiler = Command::new(given("RUSTC"));
    compiler.args(["--edition=2024", "--crate-name=init", "--crate-type=bin", "init/main.rs"]);
    compiler
        .arg("--target")
        .arg(given("TARGET"))
        .arg("-o")
        .arg(PathBuf::from(given("OUT_DIR")).join("init"));
    for option in ["panic=abort", "opt-level=s", "relocation-model=static", "strip=symbols"] {
        compiler.args(["-C", option]);
    }
    for option in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-Wl,--build-id=none",
        "-Wl,-z,norelro",
        "-Wl,-z,noseparate-code",
    ] {
        compiler.arg(format!("-Clink-arg={option}"));
    }
    // That target brings a start of its own.
    if given("CARGO_CFG_TARGET_ENV") == "musl" {
        compiler.args(["-C", "link-self-contained=no"]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("-Clinker=");
        option.push(linker);
        compiler.arg(option);
    }
    let status = compiler.status().unwrap_or_else(|error| panic!("the compiler cannot be started: {error}"));
    assert!(status.success(), "the init program does not compile: {status}");
}
