//! The program that is the first process of a container with `init: true`: this one, with what it is linked with.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcompose_engine_adapter::Result;

use crate::bundle::init::Init;
use crate::engine::Native;
use crate::error;

/// Finds it, once for the life of this program.
pub(super) fn find(native: &Native) -> Result<Init> {
    static OWN: OnceLock<(Option<PathBuf>, Vec<PathBuf>)> = OnceLock::new();
    let own = Path::new("/proc/self/exe");
    let program = match &native.program {
        Some(program) => program.clone(),
        None => std::fs::read_link(own).map_err(error::file("find", own))?,
    };
    let (loader, libraries) = OWN.get_or_init(linked);
    Ok(match loader {
        Some(loader) => Init::linked(&program, loader, libraries),
        None => Init::alone(&program),
    })
}

/// What this program is linked with, as it was loaded: loader and libraries. Shims, guardians and init are the same program.
fn linked() -> (Option<PathBuf>, Vec<PathBuf>) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    split(&maps, &own)
}

fn split(maps: &str, own: &Path) -> (Option<PathBuf>, Vec<PathBuf>) {
    let mut files: Vec<PathBuf> = maps.lines().filter_map(|it| Some(PathBuf::from(it.get(it.find('/')?..)?))).collect();
    files.sort();
    files.dedup();
    let is_library = |it: &PathBuf| it != own && it.file_name().is_some_and(|it| it.to_string_lossy().contains(".so"));
    let (loaders, libraries): (Vec<_>, Vec<_>) = files
        .into_iter()
        .filter(is_library)
        .partition(|it| it.file_name().is_some_and(|it| it.to_string_lossy().starts_with("ld-")));
    (loaders.into_iter().next(), libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loader_and_libraries_are_told_from_the_rest() {
        let maps = "00400000-0052b000 r-xp 00000000 fe:00 1 /usr/bin/rcompose\n\
                    7f00-7f10 r--p 00000000 fe:00 2 /lib/x86_64-linux-gnu/libc.so.6\n7f10-7f20 r-xp 00000000 fe:00 2 /lib/x86_64-linux-gnu/libc.so.6\n\
                    7f20-7f30 r-xp 00000000 fe:00 3 /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n7ffd-7ffe rw-p 00000000 00:00 0 [stack]\n";
        let (loader, libraries) = split(maps, Path::new("/usr/bin/rcompose"));
        assert_eq!(loader.as_deref(), Some(Path::new("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")));
        assert_eq!(libraries, [PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6")]);
        assert_eq!(split("", Path::new("/x")), (None, Vec::new()));
    }
}
