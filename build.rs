//! How the program is linked: at a fixed address, and with nothing that is looked for at run time.
//!
//! Whoever starts a container starts this program twice, and each container has a process of it. Looking for three libraries and binding
//! 300 names takes more time than the rest of a start, and memory that each process holds alone; so does relocating some 500 KiB of
//! constant data. A build script reaches `cargo install`; flags in a configuration do not, and `crt-static` among them would reach
//! procedural macros, which cannot be built with it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the standard library links on Linux with glibc, and the archive that stands for it.
const LIBRARIES: [(&str, &str); 7] = [
    ("gcc_s", "libgcc_eh.a"),
    ("c", "libc.a"),
    ("m", "libm.a"),
    ("rt", "librt.a"),
    ("pthread", "libpthread.a"),
    ("util", "libutil.a"),
    ("dl", "libdl.a"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RCOMPOSE_LINK");
    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    // Other C libraries, and `crt-static`, are linked as they are.
    if target("OS") != "linux" || target("ENV") != "gnu" || target("FEATURE").split(',').any(|it| it == "crt-static") {
        return;
    }
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    let archives = is_native.then(archives).flatten().filter(|_| env::var("RCOMPOSE_LINK").as_deref() != Ok("dynamic"));
    match archives {
        Some(folder) => {
            // For programs only: tests are linked as ever.
            println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
            println!("cargo::rustc-link-arg-bins=-static");
        }
        // A machine without the archives (some have them in a package of their own), or one that builds for another.
        None => println!("cargo::rustc-link-arg-bins=-no-pie"),
    }
}

/// Puts the archives into one folder, under the names by which the standard library asks for shared objects: the linker takes what it
/// finds first. `None` where one is not there.
fn archives() -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os("OUT_DIR")?);
    for (name, archive) in LIBRARIES {
        let found = Command::new("cc").arg(format!("-print-file-name={archive}")).output().ok()?;
        let found = String::from_utf8(found.stdout).ok()?;
        let found = Path::new(found.trim());
        // The compiler repeats a name that it does not know.
        if !found.is_absolute() || !found.exists() {
            return None;
        }
        let place = folder.join(format!("lib{name}.a"));
        // Written anew, never over what is there: that could be a link to the very archive.
        let _ = fs::remove_file(&place);
        fs::copy(found, place).ok()?;
    }
    Some(folder)
}
