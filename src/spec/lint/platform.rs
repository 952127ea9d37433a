//! Platforms: `OS[/ARCHITECTURE[/VARIANT]]`, or an architecture alone, as the OCI image specification and containerd read them.

use super::{Lint, meant};
use crate::error::{Code, Finding};
use crate::model::Service;

/// Values of GOOS, which the OCI image specification refers to.
const SYSTEMS: &[&str] = &[
    "linux",
    "windows",
    "darwin",
    "freebsd",
    "aix",
    "android",
    "dragonfly",
    "illumos",
    "ios",
    "js",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasi",
    "wasip1",
    "zos",
    "nacl",
    "hurd",
];
/// Values of GOARCH, and the other names that containerd takes for them.
const ARCHITECTURES: &[&str] = &[
    "amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc",
    "riscv", "s390", "sparc", "sparc64", "wasm", "wasm32", "wasm64", "armbe", "arm64be", "amd64p32", "x86_64", "x86-64", "aarch64", "i386",
    "armhf", "armel",
];

impl Lint<'_> {
    pub(super) fn platform(&mut self, service: &Service) {
        self.one(|| format!("services.{}.platform", service.name), &service.platform);
        for (index, platform) in service.build.iter().flat_map(|build| &build.platforms).enumerate() {
            self.one(|| format!("services.{}.build.platforms[{index}]", service.name), platform);
        }
    }

    fn one(&mut self, path: impl FnOnce() -> String, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Err((reason, hint)) = check(text) {
            let hint = hint.unwrap_or_else(|| "write OS/ARCHITECTURE, such as linux/amd64 or linux/arm64".to_owned());
            self.warn(path(), Finding::new(Code::BadPlatform, format!("`{text}` is not a platform: {reason}")).hint(hint));
        }
    }
}

fn check(text: &str) -> Result<(), (String, Option<String>)> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let allowed = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'(' | b')' | b'+'))
    };
    if parts.len() > 3 || !parts.iter().all(|part| allowed(part)) {
        return Err(("it must have the form OS/ARCHITECTURE/VARIANT".to_owned(), None));
    }
    // A version of the system may follow it in parentheses.
    let system = parts[0].split('(').next().unwrap_or_default();
    if parts.len() == 1 {
        let known = SYSTEMS.contains(&system) || ARCHITECTURES.contains(&system);
        return if known {
            Ok(())
        } else {
            let names = SYSTEMS.iter().chain(ARCHITECTURES).copied();
            Err((format!("no operating system or architecture is called `{system}`"), meant(system, names)))
        };
    }
    if !SYSTEMS.contains(&system) {
        return Err((format!("no operating system is called `{system}`"), meant(system, SYSTEMS.iter().copied())));
    }
    if !ARCHITECTURES.contains(&parts[1]) {
        return Err((format!("no architecture is called `{}`", parts[1]), meant(parts[1], ARCHITECTURES.iter().copied())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn platforms_are_known_words() {
        for good in [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/arm/v7",
            "amd64",
            "linux",
            "windows(10.0.17763)/amd64",
            "linux/x86_64",
            "LINUX/AMD64",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["linux/adm64", "linux/", "linux amd64", "x86/64", "linux/arm64/v8/x", "ubuntu", "linux-amd64"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
