//! The two sides of a copy, and where what is copied comes to stand. Pure. Source: Docker's documentation of `docker container cp`.

use crate::failure::Failure;

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Side {
    /// A path in the containers of a service.
    Service {
        /// The service.
        name: String,
        /// Absolute.
        path: String,
    },
    /// A path here.
    Local(String),
    /// A tar archive on standard input or output.
    Stream,
}

impl Side {
    /// Reads a side. A `:` makes it one of a service, unless the path is plainly one from here: `/a:b`, `./a:b`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Err(Failure::usage("a path is empty", "write `SERVICE:PATH` for one side, and a path or `-` for the other"));
        }
        if text == "-" {
            return Ok(Self::Stream);
        }
        match text.split_once(':') {
            Some((name, path)) if !text.starts_with(['/', '.']) => {
                if name.is_empty() || path.is_empty() {
                    let lacks = if name.is_empty() { "no service" } else { "no path" };
                    return Err(Failure::usage(format!("`{text}` names {lacks}"), "write `SERVICE:PATH`"));
                }
                let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
                Ok(Self::Service { name: name.to_owned(), path: named(&path) })
            }
            _ => Ok(Self::Local(text.to_owned())),
        }
    }
}

/// Tells whether a path ends with `..`, so that what is copied would be called that.
pub(super) fn is_parent(path: &str) -> bool {
    path.trim_end_matches('/').rsplit('/').next() == Some("..")
}

/// Takes `..` off the end of a path of a container with the part before it, as text: so does Docker.
fn named(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').filter(|it| !matches!(*it, "" | ".")).collect();
    if !is_parent(path) {
        return path.to_owned();
    }
    let mut above = 0;
    while let Some(last) = parts.pop_if(|it| above > 0 || *it == "..") {
        match last {
            ".." => above += 1,
            _ => above -= 1,
        }
    }
    format!("/{}", parts.join("/"))
}

/// What is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source<'a> {
    /// Its path.
    pub(super) path: &'a str,
    /// The path as it was written.
    pub(super) shown: &'a str,
    /// It is a folder.
    pub(super) folder: bool,
}

/// What is at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder,
    /// Something else.
    File,
}

/// Where something comes to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    /// In this folder.
    pub(super) folder: String,
    /// By this name; nothing for the content of a folder.
    pub(super) name: Option<String>,
}

/// The last part of a path; nothing where the path means the content of a folder.
pub(super) fn base(path: &str) -> Option<&str> {
    if path == "." || path.ends_with("/.") {
        return None;
    }
    path.trim_end_matches('/').rsplit('/').next().filter(|it| !it.is_empty())
}

/// Splits a path into its folder and its last part.
fn split(path: &str) -> (String, String) {
    let short = path.strip_suffix("/.").unwrap_or(path).trim_end_matches('/');
    match short.rsplit_once('/') {
        Some(("", name)) => ("/".into(), name.to_owned()),
        Some((folder, name)) => (folder.to_owned(), name.to_owned()),
        None => (".".into(), short.to_owned()),
    }
}

/// Settles where a source comes to stand at a destination; `shown` is the destination in words.
pub(super) fn place(source: Source<'_>, destination: &str, there: There, shown: &str) -> Result<Placed, Failure> {
    let (folder, name) = split(destination);
    let renamed = || Ok(Placed { folder: folder.clone(), name: Some(name.clone()) });
    match (there, source.folder) {
        (There::Folder, _) => Ok(Placed { folder: destination.to_owned(), name: base(source.path).map(str::to_owned) }),
        (There::File, true) => Err(Failure::refused(format!(
            "{} is a folder, and {shown} is none: a folder is not copied over a file",
            source.shown
        ))),
        (There::Nothing, false) if destination.ends_with('/') || destination.ends_with("/.") => Err(Failure::refused_with(
            format!("there is no folder {shown}"),
            "make it first, or write no `/` behind a file's new name",
        )),
        (There::File, false) | (There::Nothing, _) => renamed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart() {
        let service = |name: &str, path: &str| Side::Service { name: name.into(), path: path.into() };
        for (text, side) in [
            ("web:/a", service("web", "/a")),
            ("web:a/b:c", service("web", "/a/b:c")),
            ("web:/a/b/..", service("web", "/a")),
            ("web:/a/../../", service("web", "/")),
            ("web:/a/../b", service("web", "/a/../b")),
            ("/a:b", Side::Local("/a:b".into())),
            ("./a:b", Side::Local("./a:b".into())),
            ("a/b", Side::Local("a/b".into())),
            ("-", Side::Stream),
        ] {
            assert_eq!(Side::parse(text).unwrap(), side, "{text}");
        }
        for text in ["", ":/a", "web:"] {
            assert!(Side::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_those_that_docker_documents() {
        // Source, whether it is a folder, destination, what is there; folder and name.
        let cases = [
            ("/s/f", false, "/d", There::Nothing, Some(("/", Some("d")))),
            ("/s/f", false, "/d/", There::Nothing, None),
            ("/s/f", false, "/e/d", There::File, Some(("/e", Some("d")))),
            ("/s/f", false, "/d", There::Folder, Some(("/d", Some("f")))),
            ("/s/f", false, "/d/", There::Folder, Some(("/d/", Some("f")))),
            ("/s", true, "/e/d", There::Nothing, Some(("/e", Some("d")))),
            ("/s", true, "/e/d/", There::Nothing, Some(("/e", Some("d")))),
            ("/s/.", true, "/e/d", There::Nothing, Some(("/e", Some("d")))),
            ("/s", true, "/d", There::File, None),
            ("/s", true, "/d", There::Folder, Some(("/d", Some("s")))),
            ("/s/", true, "/d", There::Folder, Some(("/d", Some("s")))),
            ("/s/.", true, "/d", There::Folder, Some(("/d", None))),
            ("/", true, "/d", There::Folder, Some(("/d", None))),
            (".", true, "d", There::Nothing, Some((".", Some("d")))),
        ];
        for (path, folder, destination, there, expected) in cases {
            let placed = place(Source { path, shown: path, folder }, destination, there, destination).ok();
            let expected = expected.map(|(folder, name)| Placed { folder: folder.into(), name: name.map(str::to_owned) });
            assert_eq!(placed, expected, "{path} to {destination}");
        }
    }
}
