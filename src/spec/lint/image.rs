//! Image references, by the grammar of the distribution project.

use super::Lint;
use crate::error::{Code, Finding};
use crate::model::{Service, VolumeKind};

/// Longest repository name; source: the distribution project's `reference` package.
const MAX_NAME: usize = 255;
/// Longest tag; source: as above.
const MAX_TAG: usize = 128;

impl Lint<'_> {
    pub(super) fn image(&mut self, service: &Service) {
        let name = &service.name;
        if service.provider.is_some() && !service.image.is_empty() {
            let span = self.origins.get(&format!("services.{name}.provider"));
            let warning =
                Finding::new(Code::NoEffect, "`image` has no effect beside `provider`, which runs no container").note(span, "the provider");
            self.warn(format!("services.{name}.image"), warning.hint("remove one of the two"));
        }
        self.reference(|| format!("services.{name}.image"), &service.image);
        for (index, tag) in service.build.iter().flat_map(|build| &build.tags).enumerate() {
            self.reference(|| format!("services.{name}.build.tags[{index}]"), tag);
        }
        for (index, volume) in service.volumes.iter().enumerate() {
            if volume.kind == VolumeKind::Image {
                self.reference(|| format!("services.{name}.volumes[{index}].source"), &volume.source);
            }
        }
    }

    fn reference(&mut self, path: impl FnOnce() -> String, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Err(fault) = check(text) {
            let warning = Finding::new(Code::BadImage, format!("`{text}` is not an image reference: {}", fault.reason))
                .label("engines refuse it")
                .hint(fault.hint);
            self.warn(path(), warning);
        }
    }
}

struct Fault {
    reason: String,
    hint: String,
}

fn fault(reason: impl Into<String>, hint: impl Into<String>) -> Fault {
    Fault { reason: reason.into(), hint: hint.into() }
}

const FORM: &str = "write [REGISTRY/]NAME[:TAG][@DIGEST], such as nginx:1.27 or registry.example.com:5000/team/app:1.0";

/// Reads `[host[:port]/]path[:tag][@digest]`; a bare image id is one too.
fn check(text: &str) -> Result<(), Fault> {
    if is_id(text) {
        return Ok(());
    }
    if text.contains(char::is_whitespace) {
        let close = [": ", " :", "/ ", " /", "@ ", " @"]
            .iter()
            .fold(text.trim().to_owned(), |text, gap| text.replace(gap, gap.trim()));
        let hint = if !close.contains(char::is_whitespace) && check(&close).is_ok() {
            format!("write `{close}`")
        } else {
            FORM.to_owned()
        };
        return Err(fault("it holds a blank", hint));
    }
    for scheme in ["https://", "http://", "docker://", "oci://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return Err(fault(format!("it begins with `{scheme}`"), format!("write `{rest}`")));
        }
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(fault("what follows `@` is no digest", "write a digest such as sha256: and 64 hexadecimal digits"));
    }
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    check_tag(name, tag)?;
    check_name(name, text)
}

fn check_tag(name: &str, tag: Option<&str>) -> Result<(), Fault> {
    let Some(tag) = tag else { return Ok(()) };
    let begins = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let rest = tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if tag.is_empty() {
        return Err(fault("no tag follows the `:`", format!("write `{name}`, or a tag behind the colon")));
    }
    if tag.len() > MAX_TAG {
        return Err(fault(format!("its tag is longer than {MAX_TAG} characters"), "shorten the tag"));
    }
    if !begins || !rest {
        return Err(fault(format!("`{tag}` is not a tag"), "a tag consists of letters, digits, `_`, `.` and `-`"));
    }
    Ok(())
}

fn check_name(name: &str, text: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Err(fault("it has no name", FORM));
    }
    if name.len() > MAX_NAME {
        return Err(fault(format!("its name is longer than {MAX_NAME} characters"), "shorten the name"));
    }
    let (host, path) = match name.split_once('/') {
        Some((first, path)) if is_host_like(first) => (Some(first), path),
        _ => (None, name),
    };
    if host.is_some_and(|host| !is_host(host)) {
        return Err(fault(format!("`{}` is no registry", host.unwrap_or_default()), FORM));
    }
    if path.split('/').all(is_component) {
        return Ok(());
    }
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = text.replacen(path, &path.to_ascii_lowercase(), 1);
        return Err(fault("its name must be in lower case", format!("write `{lower}`")));
    }
    Err(fault(
        format!("`{path}` is no name"),
        "a name consists of lower-case letters and digits, with single `.`, `-`, `/`, or up to two `_`, between them",
    ))
}

/// Whether the first part names a registry: the rule of the docker command, where `Foo/bar` is one too.
fn is_host_like(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    let six = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    port && six.map_or_else(|| name.split('.').all(label), |six| six.parse::<std::net::Ipv6Addr>().is_ok())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().is_some_and(|b| word(*b)) && bytes.last().is_some_and(|b| word(*b));
    ends && bytes
        .split(|b| word(*b))
        .filter(|gap| !gap.is_empty())
        .all(|gap| matches!(gap, b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let algorithm_fits = algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-' | b'_'));
    algorithm_fits && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The id of an image that is there, with or without its algorithm.
fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn references_follow_the_grammar() {
        for good in [
            "nginx",
            "nginx:1.27-alpine",
            "a/b/c:x",
            "localhost/a",
            "localhost:5000/a",
            "registry.example.com:5000/team/app_name:1.0",
            "[::1]:5000/a",
            "a__b/c---d.e",
            "Registry/app",
            "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "a:_x",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "a\tb",
            "My-App",
            "a/B",
            "a b",
            " a",
            "a:",
            ":1",
            "a:-x",
            "a:b:c",
            "a//b",
            "/a",
            "a/",
            "a___b",
            "-a",
            "a-",
            "a.-b",
            "a@sha256:12",
            "a@",
            "https://x/y",
            "a.b:x/y",
            "é",
            "a:é",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
