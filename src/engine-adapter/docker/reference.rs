//! Image references, as far as the API takes them apart.

use rcompose_engine_adapter::ImageReference;

use crate::transport::escape;

/// Writes the path of an image, whose slashes stay.
pub(crate) fn image_path(image: &ImageReference, action: &str) -> String {
    let parts: Vec<String> = image.as_str().split('/').map(segment).collect();
    format!("/images/{}{action}", parts.join("/"))
}

fn segment(part: &str) -> String {
    if part.chars().all(|c| c == '.') {
        part.replace('.', "%2E")
    } else {
        escape(part, ":@")
    }
}

/// Splits off the tag or digest; a missing one is `latest`.
pub(crate) fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// Returns the registry's host; docker's own is `docker.io`.
pub(crate) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            host => host,
        },
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        assert_eq!(split("web"), ("web", "latest"));
        assert_eq!(split("web:1"), ("web", "1"));
        assert_eq!(split("host:5000/web"), ("host:5000/web", "latest"));
        assert_eq!(split("host:5000/web:1"), ("host:5000/web", "1"));
        assert_eq!(split("web:1@sha256:ab"), ("web:1", "sha256:ab"));
        assert_eq!(registry("web"), "docker.io");
        assert_eq!(registry("library/web"), "docker.io");
        assert_eq!(registry("index.docker.io/library/web"), "docker.io");
        assert_eq!(registry("ghcr.io/a/b"), "ghcr.io");
        assert_eq!(registry("localhost/a"), "localhost");
        assert_eq!(registry("host:5000/a"), "host:5000");
    }

    #[test]
    fn no_reference_climbs_out_of_its_path() {
        assert_eq!(image_path(&"host:5000/a/b:1".into(), "/json"), "/images/host:5000/a/b:1/json");
        assert_eq!(image_path(&"../containers/x?y".into(), ""), "/images/%2E%2E/containers/x%3Fy");
    }
}
