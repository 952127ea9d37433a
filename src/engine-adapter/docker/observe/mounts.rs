//! Mounts, read back.

use bollard::models::{HostConfig, Mount as ApiMount, MountBindOptions, MountBindOptionsPropagationEnum, MountType};
use rcompose_engine_adapter::{ImageReference, Mount, MountKind, Propagation, Recursive, Tmpfs, VolumeName};

use crate::containers::is_anonymous;

/// The label by which engines since 23 mark a volume without a name.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// Reads the mounts of a host configuration, ordered by target.
pub(super) fn mounts(host: &mut HostConfig) -> Vec<Mount> {
    let binds = host.binds.take().unwrap_or_default();
    let listed = host.mounts.take().unwrap_or_default();
    let tmpfs = host.tmpfs.take().unwrap_or_default();
    let tmpfs = tmpfs.into_iter().map(|(target, options)| Mount {
        target,
        kind: MountKind::Tmpfs(Tmpfs { size: None, mode: None, options: Some(options) }),
        read_only: false,
    });
    let mut mounts: Vec<Mount> = binds
        .iter()
        .filter_map(|text| bind(text))
        .chain(listed.into_iter().filter_map(mount))
        .chain(tmpfs)
        .collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}

/// Reads `source:target[:options]`.
fn bind(text: &str) -> Option<Mount> {
    let (source, rest) = split(text)?;
    let (target, options) = split(rest).unwrap_or((rest, ""));
    let options: Vec<&str> = options.split(',').collect();
    let read_only = options.contains(&"ro");
    let selinux = options.iter().find(|it| matches!(**it, "z" | "Z")).map(|it| (*it).to_owned());
    let propagation = options.iter().find_map(|it| propagation(it));
    let is_path = source.starts_with(['/', '\\', '.']) || source.contains(":\\");
    let kind = if is_path {
        MountKind::Bind { source: source.to_owned(), create_host_path: true, propagation, recursive: None, selinux }
    } else {
        volume(source, options.contains(&"nocopy"), None, Default::default())
    };
    Some(Mount { target: target.to_owned(), kind, read_only })
}

/// Splits at the first colon that is no drive letter's.
fn split(text: &str) -> Option<(&str, &str)> {
    let from = match text.as_bytes() {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => 2,
        _ => 0,
    };
    let at = text[from..].find(':')? + from;
    Some((&text[..at], &text[at + 1..]))
}

/// A volume with a name that the engine made up was taken over from a container before.
fn volume(name: &str, nocopy: bool, subpath: Option<String>, labels: std::collections::BTreeMap<String, String>) -> MountKind {
    if is_anonymous(name) {
        MountKind::Anonymous { carry: None, nocopy, labels }
    } else {
        MountKind::Volume { name: VolumeName::new(name), nocopy, subpath, labels }
    }
}

fn mount(found: ApiMount) -> Option<Mount> {
    let source = found.source.unwrap_or_default();
    let volume_options = found.volume_options.unwrap_or_default();
    let nocopy = volume_options.no_copy.unwrap_or_default();
    let labels = volume_options.labels.unwrap_or_default().into_iter().filter(|(key, _)| key != ANONYMOUS).collect();
    let kind = match found.typ? {
        MountType::BIND => bind_kind(source, found.bind_options.unwrap_or_default()),
        MountType::VOLUME | MountType::CLUSTER if source.is_empty() => MountKind::Anonymous { carry: None, nocopy, labels },
        MountType::VOLUME | MountType::CLUSTER => volume(&source, nocopy, volume_options.subpath.filter(|it| !it.is_empty()), labels),
        MountType::TMPFS => {
            let options = found.tmpfs_options.unwrap_or_default();
            let mode = options.mode.filter(|mode| *mode > 0).and_then(|mode| u32::try_from(mode).ok());
            MountKind::Tmpfs(Tmpfs { size: options.size_bytes.filter(|size| *size > 0), mode, options: None })
        }
        MountType::IMAGE => {
            let subpath = found.image_options.and_then(|options| options.subpath).filter(|it| !it.is_empty());
            MountKind::Image { image: ImageReference::new(source), subpath }
        }
        MountType::NPIPE => MountKind::Npipe { source },
    };
    Some(Mount { target: found.target?, kind, read_only: found.read_only.unwrap_or_default() })
}

fn bind_kind(source: String, options: MountBindOptions) -> MountKind {
    let set = |it: Option<bool>| it.unwrap_or_default();
    let recursive = if set(options.non_recursive) {
        Some(Recursive::Disabled)
    } else if set(options.read_only_force_recursive) {
        Some(Recursive::Readonly)
    } else if set(options.read_only_non_recursive) {
        Some(Recursive::Writable)
    } else {
        None
    };
    MountKind::Bind {
        source,
        create_host_path: set(options.create_mountpoint),
        propagation: options.propagation.and_then(|it| propagation_of(&it)),
        recursive,
        selinux: None,
    }
}

fn propagation_of(found: &MountBindOptionsPropagationEnum) -> Option<Propagation> {
    propagation(found.as_ref())
}

fn propagation(word: &str) -> Option<Propagation> {
    match word {
        "private" => Some(Propagation::Private),
        "rprivate" => Some(Propagation::Rprivate),
        "shared" => Some(Propagation::Shared),
        "rshared" => Some(Propagation::Rshared),
        "slave" => Some(Propagation::Slave),
        "rslave" => Some(Propagation::Rslave),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_taken_apart() {
        let mount = bind("/src:/dst:ro,z,rslave").expect("a bind");
        assert!(mount.read_only && mount.target == "/dst");
        assert_eq!(
            mount.kind,
            MountKind::Bind {
                source: "/src".into(),
                create_host_path: true,
                propagation: Some(Propagation::Rslave),
                recursive: None,
                selinux: Some("z".into())
            }
        );
        assert!(matches!(bind("data:/dst:rw").expect("a volume").kind, MountKind::Volume { name, .. } if name.as_str() == "data"));
        let windows = bind(r"C:\src:C:\dst:ro").expect("a bind");
        assert_eq!(windows.target, r"C:\dst");
        assert!(bind("nothing").is_none());
        let carried = bind(&format!("{}:/d", "ab".repeat(32))).expect("a volume");
        assert!(matches!(carried.kind, MountKind::Anonymous { .. }));
    }
}
