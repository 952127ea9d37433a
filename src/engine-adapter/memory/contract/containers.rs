//! Making, finding, naming and removing containers.

use std::time::Duration;

use rcompose_engine_adapter::{ContainerState, ErrorKind, Hole, Mount, MountKind, NetworkMode, Restart, Scope, labels};

use super::site::{fails, hash};
use super::{Case, Site, Verdict, case, ensure};

/// A path that no host has; the engine in memory has to be told so.
pub const MISSING_PATH: &str = "/rcompose-contract/not-there";

pub(super) fn cases() -> Vec<Case> {
    case![
        created_is_observed,
        labels_carry_the_hash_and_the_image,
        a_hole_in_the_hash_is_filled_with_an_id,
        a_name_is_used_once,
        an_unknown_image_is_refused,
        an_unknown_network_is_refused,
        a_failed_create_leaves_nothing,
        removal_can_be_repeated,
        rename_moves_the_name_only,
        detail_reads_the_spec_back,
        a_shared_network_needs_its_owner,
    ]
}

async fn created_is_observed(site: &Site) -> Verdict {
    let spec = site.idle("a");
    ensure!(site.look(&spec.name).await?.is_none(), "a container is there before it was made");
    site.engine.create_container(&spec).await?;
    let seen = site.see(&spec.name).await?;
    ensure!(seen.name == spec.name && !seen.id.is_empty(), "name or id is wrong: {seen:?}");
    ensure!(seen.state == ContainerState::Created, "its state is {:?}", seen.state);
    ensure!(
        seen.project() == Some(site.project.as_str()) && seen.service() == Some("a"),
        "labels are wrong: {:?}",
        seen.labels
    );
    ensure!(seen.image == spec.image, "its image is {}", seen.image);
    ensure!(seen.spec.is_none(), "detail was not asked for");
    ensure!(site.observe().await?.containers.contains_key(&spec.name), "its project does not have it");
    Ok(())
}

async fn labels_carry_the_hash_and_the_image(site: &Site) -> Verdict {
    let spec = site.idle("a");
    site.engine.create_container(&spec).await?;
    let seen = site.see(&spec.name).await?;
    let expected = hash("a").digest(|_| None);
    ensure!(seen.label(labels::CONFIG_HASH) == expected.as_deref(), "config-hash is {:?}", seen.label(labels::CONFIG_HASH));
    ensure!(seen.is_listed(), "it must be listed");
    let image = seen.label(labels::IMAGE).map(str::to_owned);
    let id = seen.image_id.map(|id| id.to_string());
    ensure!(id.is_some() && image == id, "the label image is {image:?}, the image's id {id:?}");
    let mut hidden = site.idle("hook");
    hidden.config_hash = None;
    site.engine.create_container(&hidden).await?;
    ensure!(!site.see(&hidden.name).await?.is_listed(), "without a hash it must not be listed");
    Ok(())
}

async fn a_hole_in_the_hash_is_filled_with_an_id(site: &Site) -> Verdict {
    let owner = site.start(&site.idle("a")).await?;
    let id = site.see(&owner).await?.id;
    let mut spec = site.idle("b");
    spec.network = NetworkMode::Container { container: owner.clone() };
    let mut config = hash("b");
    config.preimage = "{\"network_mode\":\"container:@a@\"}".into();
    config.holes = vec![Hole { marker: "@a@".into(), container: owner }];
    spec.config_hash = Some(config.clone());
    site.engine.create_container(&spec).await?;
    let seen = site.see(&spec.name).await?;
    let label = seen.label(labels::CONFIG_HASH).unwrap_or_default();
    ensure!(config.matches(label, |_| Some(id.clone())), "config-hash is {label}");
    Ok(())
}

async fn a_name_is_used_once(site: &Site) -> Verdict {
    let spec = site.idle("a");
    site.engine.create_container(&spec).await?;
    let id = site.see(&spec.name).await?.id;
    fails(site.engine.create_container(&spec).await, ErrorKind::Conflict, "a second container of the same name")?;
    ensure!(site.see(&spec.name).await?.id == id, "the first container was replaced");
    Ok(())
}

async fn an_unknown_image_is_refused(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    spec.image = format!("{}/not-there:1", site.project).into();
    fails(site.engine.create_container(&spec).await, ErrorKind::ImageMissing, "a container of an unknown image")?;
    ensure!(site.look(&spec.name).await?.is_none(), "something of it is left");
    Ok(())
}

/// Some engines notice at the start only.
async fn an_unknown_network_is_refused(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    let attachments = vec![crate::spec::attachment(site.network_name("not-there"))];
    spec.network = NetworkMode::Networks { attachments };
    if site.engine.create_container(&spec).await.is_err() {
        ensure!(site.look(&spec.name).await?.is_none(), "something of it is left");
        return Ok(());
    }
    ensure!(site.engine.start_container(&spec.name).await.is_err(), "it runs without its network");
    Ok(())
}

async fn a_failed_create_leaves_nothing(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    let kind = MountKind::Bind {
        source: MISSING_PATH.into(),
        create_host_path: false,
        propagation: None,
        recursive: None,
        selinux: None,
    };
    spec.mounts = vec![Mount { target: "/data".into(), kind, read_only: false }];
    ensure!(site.engine.create_container(&spec).await.is_err(), "a missing bind source must be refused");
    ensure!(site.look(&spec.name).await?.is_none(), "something of it is left");
    spec.mounts.clear();
    site.engine.create_container(&spec).await?;
    Ok(())
}

async fn removal_can_be_repeated(site: &Site) -> Verdict {
    site.engine.remove_container(&site.name("never"), true).await?;
    let name = site.start(&site.idle("a")).await?;
    site.engine.remove_container(&name, false).await?;
    ensure!(site.look(&name).await?.is_none(), "a container that ran was not removed");
    site.engine.remove_container(&name, false).await?;
    Ok(())
}

async fn rename_moves_the_name_only(site: &Site) -> Verdict {
    let old = site.start(&site.idle("a")).await?;
    let before = site.see(&old).await?;
    let new = site.name("b");
    site.engine.rename_container(&old, &new).await?;
    ensure!(site.look(&old).await?.is_none(), "the old name is still in use");
    let after = site.see(&new).await?;
    ensure!(after.id == before.id && after.state == ContainerState::Running, "it is another container: {after:?}");
    ensure!(after.labels == before.labels, "its labels changed: {:?}", after.labels);
    let other = site.idle("c");
    site.engine.create_container(&other).await?;
    fails(site.engine.rename_container(&other.name, &new).await, ErrorKind::Conflict, "a rename to a name in use")?;
    fails(site.engine.rename_container(&old, &site.name("d")).await, ErrorKind::NotFound, "a rename of nothing")?;
    Ok(())
}

async fn detail_reads_the_spec_back(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    spec.hostname = Some("box".into());
    spec.restart = Restart::OnFailure { attempts: 3 };
    spec.stop_grace = Some(Duration::from_secs(7));
    spec.process.environment.insert("COLOUR".into(), Some("green".into()));
    spec.process.working_dir = Some("/tmp".into());
    spec.security.read_only = true;
    spec.resources.memory = Some(64 * 1024 * 1024);
    site.engine.create_container(&spec).await?;
    let scope = Scope { detail: true, ..Scope::container(spec.name.clone()) };
    let observed = site.engine.observe(&scope).await?;
    let Some(read) = observed.containers.get(&spec.name).and_then(|it| it.spec.as_deref()) else {
        return Err(super::Broken("there is no detail".into()));
    };
    ensure!(read.name == spec.name && read.image == spec.image, "name or image differ: {read:?}");
    ensure!(read.process.command == spec.process.command, "command: {:?}", read.process.command);
    let colour = read.process.environment.get("COLOUR").cloned().flatten();
    ensure!(colour.as_deref() == Some("green"), "environment: {:?}", read.process.environment);
    ensure!(read.process.working_dir == spec.process.working_dir, "working_dir: {:?}", read.process.working_dir);
    ensure!(read.hostname == spec.hostname, "hostname: {:?}", read.hostname);
    ensure!(read.restart == spec.restart, "restart: {:?}", read.restart);
    ensure!(read.stop_grace == spec.stop_grace, "stop_grace: {:?}", read.stop_grace);
    ensure!(read.security.read_only, "read_only is lost");
    ensure!(read.resources.memory == spec.resources.memory, "memory: {:?}", read.resources.memory);
    ensure!(read.network == NetworkMode::None, "network: {:?}", read.network);
    Ok(())
}

async fn a_shared_network_needs_its_owner(site: &Site) -> Verdict {
    let owner = site.idle("a");
    site.engine.create_container(&owner).await?;
    let mut spec = site.idle("b");
    spec.network = NetworkMode::Container { container: owner.name.clone() };
    site.engine.create_container(&spec).await?;
    ensure!(site.engine.start_container(&spec.name).await.is_err(), "it runs without the owner of its network");
    site.engine.start_container(&owner.name).await?;
    site.engine.start_container(&spec.name).await?;
    Ok(())
}
