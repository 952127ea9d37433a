//! Volumes, named and anonymous.

use rcompose_engine_adapter::{ContainerSpec, ErrorKind, Mount, MountKind, Scope, VolumeName, labels};

use super::site::{fails, hash};
use super::{Broken, Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![
        a_volume_is_made_once,
        a_volume_in_use_stays,
        anonymous_volumes_go_with_their_container,
        an_anonymous_volume_is_carried
    ]
}

async fn a_volume_is_made_once(site: &Site) -> Verdict {
    let spec = site.volume("v");
    site.engine.remove_volume(&spec.name).await?;
    site.engine.create_volume(&spec).await?;
    site.engine.create_volume(&spec).await?;
    let observed = site.observe().await?;
    let Some(seen) = observed.volumes.get(&spec.name) else {
        return Err(Broken("its project does not have it".into()));
    };
    ensure!(seen.driver == "local", "its driver is {}", seen.driver);
    ensure!(seen.labels.get(labels::VOLUME).map(String::as_str) == Some("v"), "labels are wrong: {:?}", seen.labels);
    ensure!(
        seen.labels.get(labels::CONFIG_HASH).cloned() == hash("v").digest(|_| None),
        "config-hash is wrong: {:?}",
        seen.labels
    );
    site.engine.remove_volume(&spec.name).await?;
    site.engine.remove_volume(&spec.name).await?;
    ensure!(site.observe().await?.volumes.is_empty(), "it was not removed");
    Ok(())
}

async fn a_volume_in_use_stays(site: &Site) -> Verdict {
    let volume = site.volume("v");
    site.engine.create_volume(&volume).await?;
    let kind = MountKind::Volume { name: volume.name.clone(), nocopy: false, subpath: None, labels: Default::default() };
    let mut spec = site.idle("a");
    spec.mounts = vec![Mount { target: "/data".into(), kind, read_only: false }];
    site.engine.create_container(&spec).await?;
    fails(site.engine.remove_volume(&volume.name).await, ErrorKind::Conflict, "the removal of a volume in use")?;
    let seen = site.see(&spec.name).await?;
    let mount = seen.mounts.iter().find(|it| it.target == "/data");
    ensure!(mount.is_some_and(|it| it.volume.as_ref() == Some(&volume.name)), "its mounts are {:?}", seen.mounts);
    site.engine.remove_container(&spec.name, true).await?;
    ensure!(site.observe().await?.volumes.contains_key(&volume.name), "a named volume went with its container");
    site.engine.remove_volume(&volume.name).await?;
    Ok(())
}

fn with_anonymous(mut spec: ContainerSpec, carry: Option<VolumeName>) -> ContainerSpec {
    let kind = MountKind::Anonymous { carry, nocopy: false, labels: Default::default() };
    spec.mounts = vec![Mount { target: "/data".into(), kind, read_only: false }];
    spec
}

async fn anonymous_of(site: &Site, spec: &ContainerSpec) -> Result<VolumeName, Broken> {
    let seen = site.see(&spec.name).await?;
    let volume = seen.mounts.iter().find(|it| it.target == "/data").and_then(|it| it.volume.clone());
    volume.ok_or_else(|| Broken(format!("it has no volume: {:?}", seen.mounts)))
}

async fn is_there(site: &Site, volume: &VolumeName) -> Result<bool, Broken> {
    let scope = Scope { volumes: [volume.clone()].into(), ..Scope::default() };
    Ok(site.engine.observe(&scope).await?.volumes.contains_key(volume))
}

async fn anonymous_volumes_go_with_their_container(site: &Site) -> Verdict {
    let spec = with_anonymous(site.idle("a"), None);
    site.engine.create_container(&spec).await?;
    let volume = anonymous_of(site, &spec).await?;
    ensure!(is_there(site, &volume).await?, "its volume is not there");
    site.engine.remove_container(&spec.name, true).await?;
    ensure!(!is_there(site, &volume).await?, "its volume stayed");
    Ok(())
}

async fn an_anonymous_volume_is_carried(site: &Site) -> Verdict {
    let old = with_anonymous(site.idle("a"), None);
    site.engine.create_container(&old).await?;
    let volume = anonymous_of(site, &old).await?;
    let new = with_anonymous(site.idle("b"), Some(volume.clone()));
    site.engine.create_container(&new).await?;
    site.engine.remove_container(&old.name, false).await?;
    site.engine.rename_container(&new.name, &old.name).await?;
    ensure!(anonymous_of(site, &old).await? == volume, "the volume was not carried over");
    site.engine.remove_container(&old.name, true).await?;
    // Whether a carried volume goes with its new container differs between engines.
    site.engine.remove_volume(&volume).await?;
    Ok(())
}
