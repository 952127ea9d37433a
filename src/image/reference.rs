//! Names of images, as people write them. Source: distribution, `reference` package, grammar.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::error::ImageError;

/// The registry of names that name none.
pub const DOCKER_IO: &str = "docker.io";
/// Where its images without a folder are.
const LIBRARY: &str = "library/";
/// The longest name. Source: distribution `reference`, `RepositoryNameTotalLengthMax`.
const LONGEST_NAME: usize = 255;
/// The longest tag. Source: the same, `[\w][\w.-]{0,127}`.
const LONGEST_TAG: usize = 128;

/// A repository of a registry: `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

/// What a name points at. A name with both is read by its digest, and keeps its tag for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Repository {
    /// Returns the registry's host, with port where one was written; `docker.io` where none was.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path inside the registry, with `library/` in front where docker.io wants it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the short form that docker shows: without docker.io and `library/`.
    #[must_use]
    pub fn familiar(&self) -> String {
        if self.registry != DOCKER_IO {
            return self.to_string();
        }
        let short = self.path.strip_prefix(LIBRARY).filter(|rest| !rest.contains('/'));
        short.unwrap_or(&self.path).to_owned()
    }
}

impl Display for Repository {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl Reference {
    /// Returns the repository.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the tag that was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest that was written.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Adds `latest` where neither tag nor digest was written.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// Returns the same repository by a digest alone.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { repository: self.repository.clone(), tag: None, digest: Some(digest) }
    }

    /// Returns the short form that docker shows.
    #[must_use]
    pub fn familiar(&self) -> String {
        format!("{}{}", self.repository.familiar(), self.suffix())
    }

    /// Returns what stands after `/manifests/`: the digest, else the tag.
    pub(crate) fn wanted(&self) -> String {
        self.digest
            .map_or_else(|| self.tag.clone().unwrap_or_else(|| "latest".into()), |digest| digest.to_string())
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{tag}{digest}")
    }
}

impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.repository, self.suffix())
    }
}

impl FromStr for Reference {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let wrong = |why: &'static str| ImageError::Reference { text: text.chars().take(300).collect(), why };
        if Digest::from_hex(text).is_some() {
            return Err(wrong("64 hexadecimal digits are an image's id, not a name"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(wrong)?;
        }
        let repository = repository(name).map_err(wrong)?;
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    match tag.bytes().next() {
        None => Err("the tag is empty"),
        Some(b'.' | b'-') => Err("the tag starts with `.` or `-`"),
        Some(_) if tag.len() > LONGEST_TAG => Err("the tag is longer than 128 characters"),
        Some(_) if !tag.bytes().all(fits) => Err("a tag has letters, digits, `_`, `.` and `-` only"),
        Some(_) => Ok(()),
    }
}

fn repository(name: &str) -> Result<Repository, &'static str> {
    let (registry, path) = match name.split_once('/') {
        // A first part is a host where it cannot be a folder: a dot, a port, an upper-case letter, or `localhost`.
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|it| it.is_ascii_uppercase()) => {
            (first, rest)
        }
        _ => (DOCKER_IO, name),
    };
    if path.is_empty() {
        return Err("the name is empty");
    }
    if path.bytes().any(|it| it.is_ascii_uppercase()) {
        return Err("names are written in lower case");
    }
    if !path.split('/').all(is_component) {
        return Err("each part of a name has lower-case letters and digits, with `.`, `_`, `__` or `-` only between them");
    }
    check_host(registry)?;
    let registry = if registry == "index.docker.io" { DOCKER_IO } else { registry };
    let path = if registry == DOCKER_IO && !path.contains('/') {
        format!("{LIBRARY}{path}")
    } else {
        path.to_owned()
    };
    if registry.len() + 1 + path.len() > LONGEST_NAME {
        return Err("the name is longer than 255 characters");
    }
    Ok(Repository { registry: registry.to_owned(), path })
}

/// Tells whether a part of a path is alphanumeric runs with separators between them.
fn is_component(part: &str) -> bool {
    let runs = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (part.bytes().next(), part.bytes().last()) else {
        return false;
    };
    let separators = part.split(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit());
    runs(first)
        && runs(last)
        && separators
            .filter(|it| !it.is_empty())
            .all(|it| matches!(it, "." | "_" | "__") || it.bytes().all(|it| it == b'-'))
}

/// Checks a host with an optional port; IPv6 in brackets.
fn check_host(host: &str) -> Result<(), &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or("the registry's address lacks its `]`")?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "the registry's address is no IPv6 address")?;
            (
                "v6",
                if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':').ok_or("after `]` comes a port")?)
                },
            )
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    if port.is_some_and(|port| !port.bytes().all(|it| it.is_ascii_digit()) || port.parse::<u16>().map_or(true, |it| it == 0)) {
        return Err("the registry's port is no number from 1 to 65535");
    }
    let label = |part: &str| {
        let fits = part.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        !part.is_empty() && fits && !part.starts_with('-') && !part.ends_with('-')
    };
    if name.split('.').all(label) {
        Ok(())
    } else {
        Err("the registry is no host name")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_completed_and_shortened() {
        let digest = Digest::of(b"x");
        for (text, whole, short) in [
            ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
            ("nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"),
            ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("ghcr.io/a/b__c/d-e.f", "ghcr.io/a/b__c/d-e.f:latest", "ghcr.io/a/b__c/d-e.f:latest"),
            ("MyHost/app", "MyHost/app:latest", "MyHost/app:latest"),
        ] {
            let reference: Reference = text.parse::<Reference>().unwrap().tagged();
            assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (whole, short), "{text}");
            assert_eq!(whole.parse::<Reference>().unwrap(), reference);
        }
        let both: Reference = format!("nginx:1@{digest}").parse().unwrap();
        assert_eq!((both.tag(), both.digest(), both.wanted()), (Some("1"), Some(digest), digest.to_string()));
        assert_eq!(both.clone().tagged(), both);
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let hex = "0".repeat(64);
        for text in [
            "",
            ":t",
            "a:",
            "A",
            "a/B",
            "-a",
            "a-",
            "a..b",
            "a//b",
            "/a",
            "a/",
            "a___b",
            "a:.t",
            "a: t",
            "a@sha256:1",
            "a@md5:00",
            "h:99999/a",
            "h:0/a",
            "h:x/a",
            "-h.io/a",
            "[::x]/a",
            "[::1/a",
            "a b",
            "a:t/../b",
            &hex,
            "../etc",
            "a\nb",
            "ü",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(matches!(error, ImageError::Reference { .. } | ImageError::Digest { .. }), "{text}: {error}");
        }
        assert!("a".repeat(300).parse::<Reference>().is_err());
        assert!(format!("a:{}", "t".repeat(129)).parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference.clone());
                prop_assert_eq!(reference.familiar().parse::<Reference>().unwrap(), reference);
            }
        }

        #[test]
        fn what_looks_like_a_name_keeps_its_meaning(text in "([a-z0-9.]{1,8}(:[0-9]{1,4})?/)?[a-z0-9_.-]{1,12}(/[a-z0-9]{1,5})?(:[A-Za-z0-9_.-]{1,8})?") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference.clone());
                prop_assert_eq!(reference.familiar().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
