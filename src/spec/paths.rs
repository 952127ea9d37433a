//! Makes relative paths absolute.

use std::path::{Path, PathBuf};

use crate::tree::{Node, Value};

/// Where paths of a document start, and the user's home for `~`.
pub(crate) struct Base<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) home: Option<&'a str>,
}

impl Base<'_> {
    /// The absolute form of a path; an absolute one stays as it is written, and so does an empty one.
    pub(crate) fn absolute(&self, path: &str) -> String {
        if path.is_empty() { String::new() } else { self.within(path) }
    }

    fn within(&self, path: &str) -> String {
        let path = match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => clean(&format!("{home}/{rest}")),
            _ => path.to_owned(),
        };
        if path.starts_with('/') {
            return path;
        }
        clean(&format!("{}/{path}", self.folder.display()))
    }

    /// As `absolute`, but a path with a drive letter counts as absolute too, and an empty one is the folder itself.
    fn any_system(&self, path: &str) -> String {
        if is_windows_absolute(path) {
            return path.to_owned();
        }
        self.within(path)
    }

    /// As `absolute`, but URLs and other services stay.
    fn context(&self, path: &str) -> String {
        let remote = ["https://", "http://", "git://", "ssh://", "github.com/", "git@"];
        let elsewhere = path.contains("://") || path.starts_with("service:") || remote.iter().any(|prefix| path.starts_with(prefix));
        if elsewhere { path.to_owned() } else { self.absolute(path) }
    }

    /// Resolves every path of a document.
    pub(crate) fn resolve(&self, node: &mut Node) {
        for_each(node.get_mut("services"), |service| self.service(service));
        for kind in ["configs", "secrets"] {
            for_each(node.get_mut(kind), |object| {
                rewrite(object.get_mut("file"), |path| self.any_system(path));
            });
        }
        for_each(node.get_mut("volumes"), |volume| self.volume_device(volume));
    }

    fn service(&self, service: &mut Node) {
        if let Some(build) = service.get_mut("build") {
            rewrite(build.get_mut("context"), |path| self.context(path));
            for_each(build.get_mut("additional_contexts"), |node| {
                rewrite(Some(node), |path| self.context(path));
            });
            for_each(build.get_mut("ssh"), |node| {
                rewrite(Some(node), |path| self.any_system(path));
            });
        }
        for_each(service.get_mut("env_file"), |file| {
            rewrite(file.get_mut("path"), |path| self.absolute(path));
        });
        for_each(service.get_mut("label_file"), |file| {
            rewrite(Some(file), |path| self.absolute(path));
        });
        rewrite(service.get_mut("extends").and_then(|extends| extends.get_mut("file")), |path| self.absolute(path));
        for_each(service.get_mut("develop").and_then(|develop| develop.get_mut("watch")), |watch| {
            rewrite(watch.get_mut("path"), |path| self.absolute(path))
        });
        for_each(service.get_mut("volumes"), |volume| {
            if volume.get("type").and_then(Node::as_str) == Some("bind") {
                rewrite(volume.get_mut("source"), |path| self.any_system(path));
            }
        });
    }

    /// A local volume that is really a bind names its folder in `driver_opts.device`.
    fn volume_device(&self, volume: &mut Node) {
        let is = |node: Option<&Node>, text: &str| node.and_then(Node::as_str) == Some(text);
        if !is(volume.get("driver"), "local") {
            return;
        }
        if let Some(options) = volume.get_mut("driver_opts")
            && is(options.get("o"), "bind")
        {
            rewrite(options.get_mut("device"), |path| self.any_system(path));
        }
    }
}

fn for_each(node: Option<&mut Node>, mut work: impl FnMut(&mut Node)) {
    match node.map(|node| &mut node.value) {
        Some(Value::Map(map)) => map.values_mut().for_each(|entry| work(&mut entry.node)),
        Some(Value::List(list)) => list.iter_mut().for_each(work),
        _ => {}
    }
}

fn rewrite(node: Option<&mut Node>, rule: impl Fn(&str) -> String) {
    if let Some(Value::Str(text)) = node.map(|node| &mut node.value) {
        *text = rule(text);
    }
}

/// A drive letter and a separator, or a UNC path.
fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with("\\\\") || matches!(bytes, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// Cleans a path by text alone: `.`, `..` and double slashes.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// The absolute, clean form of a path.
pub(crate) fn join(folder: &Path, path: &Path) -> PathBuf {
    PathBuf::from(clean(&folder.join(path).to_string_lossy()))
}
