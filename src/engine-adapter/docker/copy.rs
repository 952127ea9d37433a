//! What is at a path in a container, and archives of it. Source: Docker API 1.41 to 1.51, `/containers/NAME/archive`.

use bollard::container::PathStatResponse;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use rcompose_engine_adapter::{ArchiveBytes, ContainerName, EngineError, ErrorKind, PathKind, PathStat, Result};

use crate::containers::inspect;
use crate::error::while_trying;
use crate::transport::{Api, Body, Call, path};

/// Bits of a Go file mode. Source: Go `io/fs`, `FileMode`.
mod go {
    pub(super) const FOLDER: u32 = 1 << 31;
    pub(super) const LINK: u32 = 1 << 27;
    /// All that are no plain file: folder, link, device, pipe, socket, other.
    pub(super) const KINDS: u32 = FOLDER | LINK | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
    /// Set-user-id, set-group-id and sticky, with what they are for the kernel.
    pub(super) const FURTHER: [(u32, u32); 3] = [(1 << 23, 0o4000), (1 << 22, 0o2000), (1 << 20, 0o1000)];
}

fn archive(name: &ContainerName) -> String {
    path("containers", name.as_str(), "/archive")
}

pub(crate) async fn stat(api: &Api, name: &ContainerName, asked: &str) -> Result<Option<PathStat>> {
    match api.path_stat(Call::head(archive(name)).query("path", asked)).await {
        Ok(found) => Ok(Some(lower(found))),
        // The answer to a HEAD has no words: it may also be the container that is absent.
        Err(error) if error.is_not_found() => {
            inspect(api, name)
                .await
                .map_err(|error| while_trying(&format!("cannot look into container {name}"), error))?;
            Ok(None)
        }
        Err(error) => Err(while_trying(&format!("cannot look at {asked} in container {name}"), error)),
    }
}

fn lower(found: PathStatResponse) -> PathStat {
    let bits = found.file_mode;
    let kind = match bits & go::KINDS {
        0 => PathKind::File,
        go::FOLDER => PathKind::Folder,
        go::LINK => PathKind::Link { target: found.link_target },
        _ => PathKind::Special,
    };
    let further: u32 = go::FURTHER.iter().filter(|(go, _)| bits & go != 0).map(|(_, own)| own).sum();
    PathStat {
        name: found.name,
        kind,
        mode: bits & 0o777 | further,
        size: u64::try_from(found.size).unwrap_or(0),
        modified: found.modification_time.as_deref().and_then(seconds).unwrap_or(0),
    }
}

fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(|it| it.as_second())
}

pub(crate) fn pack(api: &Api, name: &ContainerName, asked: &str) -> BoxStream<'static, Result<Bytes>> {
    let what = format!("cannot copy {asked} out of container {name}");
    let call = Call::get(archive(name)).query("path", asked).patient();
    api.stream(call).map_err(move |error| while_trying(&what, error)).boxed()
}

pub(crate) async fn unpack(api: &Api, name: &ContainerName, folder: &str, bytes: ArchiveBytes) -> Result<()> {
    let call = Call::put(archive(name)).query("path", folder).query("noOverwriteDirNonDir", "true");
    let call = call.header("content-type", "application/x-tar".to_owned()).body(Body::Streamed(bytes)).patient();
    api.unit(call).await.map_err(|error| {
        let error = refused(error);
        while_trying(&format!("cannot copy into {folder} of container {name}"), error)
    })
}

/// Tells in our words, and by its kind, what the engine refuses. Source: answers of Docker Engine 20.10 to 28.5.
fn refused(error: EngineError) -> EngineError {
    let has = |text: &str| error.message.contains(text);
    let words = if has("rootfs is marked read-only") {
        "its root takes no writes (`read_only: true`)"
    } else if has("volume is marked read-only") {
        "what is mounted there takes no writes"
    } else if has("extraction point is not a directory") {
        "that is no folder"
    } else {
        return error;
    };
    EngineError { kind: ErrorKind::Invalid, message: words.to_owned(), source: error.source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mode: u32, target: &str) -> PathStat {
        let text = format!(r#"{{"name":"a","size":5,"mode":{mode},"mtime":"2026-01-02T03:04:05.5+01:00","linkTarget":"{target}"}}"#);
        lower(serde_json::from_str(&text).expect("an answer"))
    }

    #[test]
    fn modes_of_go_are_read() {
        let cases = [
            (0o644, PathKind::File, 0o644),
            (0o755 | 1 << 23 | 1 << 22, PathKind::File, 0o6755),
            (0o777 | 1 << 31 | 1 << 20, PathKind::Folder, 0o1777),
            (0o777 | 1 << 27, PathKind::Link { target: "/b".into() }, 0o777),
            (0o666 | 1 << 26 | 1 << 21, PathKind::Special, 0o666),
            (0o600 | 1 << 25, PathKind::Special, 0o600),
        ];
        for (bits, kind, mode) in cases {
            let found = read(bits, "/b");
            assert_eq!((found.kind, found.mode), (kind, mode), "{bits:o}");
        }
        assert_eq!((read(0, "").modified, read(0, "").size), (1_767_319_445, 5));
    }

    #[test]
    fn refusals_to_write_are_said_by_kind() {
        for text in [
            "container rootfs is marked read-only",
            "mounted volume is marked read-only",
            "extraction point is not a directory",
        ] {
            let error = refused(EngineError::new(ErrorKind::Other, text));
            assert!(error.kind == ErrorKind::Invalid && error.message != text, "{error}");
        }
        assert_eq!(refused(EngineError::new(ErrorKind::NotFound, "gone")).message, "gone");
    }
}
