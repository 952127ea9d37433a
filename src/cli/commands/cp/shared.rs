//! Replicas that have one and the same folder: what is copied into it comes to all of them at once, and two copies would only get in each
//! other's way. Pure.

use std::path::Path;

use rcompose_engine_adapter::{ObservedContainer, ObservedMount};

use super::path::Placed;

/// For each container, which one before it has the folder already that it is copied into.
pub(super) fn earlier(containers: &[&ObservedContainer], placed: &[Placed]) -> Vec<Option<usize>> {
    let grounds: Vec<Option<(&str, &str, &str)>> = containers.iter().zip(placed).map(|(it, placed)| ground(it, &placed.folder)).collect();
    let first = |at: usize| grounds[..at].iter().position(|it| it.is_some() && *it == grounds[at]);
    (0..grounds.len()).map(first).collect()
}

/// What a folder lies on, where that may be another's too: the volume or the path of the host, where it is mounted, and the folder.
fn ground<'a>(container: &'a ObservedContainer, folder: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let is_within = |folder: &str, target: &str| Path::new(folder).starts_with(target);
    // A mount below is the container's own again.
    if container.mounts.iter().any(|it| it.target != folder && is_within(&it.target, folder)) {
        return None;
    }
    let above = container.mounts.iter().filter(|it| is_within(folder, &it.target));
    let mount: &ObservedMount = above.max_by_key(|it| it.target.len())?;
    let source = mount.volume.as_ref().map_or(mount.source.as_str(), |it| it.as_str());
    (mount.kind != "tmpfs" && !source.is_empty()).then_some((source, mount.target.as_str(), folder))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcompose_engine_adapter::ContainerState;

    use super::*;

    fn container(mounts: &[(&str, &str, &str)]) -> ObservedContainer {
        let mount = |(kind, source, target): &(&str, &str, &str)| ObservedMount {
            target: (*target).into(),
            volume: (*kind == "volume").then(|| (*source).into()),
            source: if *kind == "bind" { (*source).into() } else { String::new() },
            kind: (*kind).into(),
        };
        ObservedContainer {
            id: String::new(),
            name: "c".into(),
            image: "i".into(),
            image_id: None,
            state: ContainerState::Running,
            health: None,
            status: String::new(),
            labels: BTreeMap::new(),
            created: 0,
            command: String::new(),
            ports: Vec::new(),
            networks: BTreeMap::new(),
            mounts: mounts.iter().map(mount).collect(),
            spec: None,
            size: None,
        }
    }

    #[test]
    fn only_one_and_the_same_folder_is_shared() {
        let all = [
            ("volume", "data", "/data"),
            ("volume", "deep", "/data/deep"),
            ("bind", "/here", "/bound"),
            ("tmpfs", "", "/mem"),
        ];
        let other = [("volume", "other", "/data"), ("bind", "/here", "/bound"), ("tmpfs", "", "/mem")];
        let (one, two, three) = (container(&all), container(&all), container(&other));
        let folders = |folder: &str| {
            let placed = Placed { folder: folder.into(), name: None };
            earlier(&[&one, &two, &three], &[placed.clone(), placed.clone(), placed])
        };
        assert_eq!(folders("/data/deep/er"), [None, Some(0), None]);
        assert_eq!(folders("/bound"), [None, Some(0), Some(0)]);
        for own in ["/", "/mem", "/data", "/database"] {
            assert_eq!(folders(own), [None, None, None], "{own}");
        }
        assert_eq!(folders("/data/x"), [None, Some(0), None]);
    }
}
