//! Networks and attachments.

use rcompose_engine_adapter::{ErrorKind, IpamPool, NetworkMode, Scope, labels};

use super::site::{fails, hash};
use super::{Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![
        a_network_is_made_once,
        a_network_of_another_project_conflicts,
        networks_at_create,
        connect_and_disconnect_can_be_repeated,
        a_network_in_use_stays,
        a_fixed_address_is_given,
    ]
}

async fn a_network_is_made_once(site: &Site) -> Verdict {
    let spec = site.network("n");
    site.engine.remove_network(&spec.name).await?;
    site.engine.create_network(&spec).await?;
    site.engine.create_network(&spec).await?;
    let observed = site.observe().await?;
    let Some(seen) = observed.networks.get(&spec.name) else {
        return Err(super::Broken("its project does not have it".into()));
    };
    ensure!(!seen.id.is_empty() && seen.driver == "bridge", "id or driver are wrong: {seen:?}");
    ensure!(seen.labels.get(labels::NETWORK).map(String::as_str) == Some("n"), "labels are wrong: {:?}", seen.labels);
    ensure!(
        seen.labels.get(labels::CONFIG_HASH).cloned() == hash("n").digest(|_| None),
        "config-hash is wrong: {:?}",
        seen.labels
    );
    site.engine.remove_network(&spec.name).await?;
    site.engine.remove_network(&spec.name).await?;
    ensure!(site.observe().await?.networks.is_empty(), "it was not removed");
    Ok(())
}

async fn a_network_of_another_project_conflicts(site: &Site) -> Verdict {
    let mut spec = site.network("n");
    site.engine.create_network(&spec).await?;
    spec.labels.insert(labels::PROJECT.into(), "somebody-else".into());
    fails(site.engine.create_network(&spec).await, ErrorKind::Conflict, "a network that another project has")?;
    Ok(())
}

async fn networks_at_create(site: &Site) -> Verdict {
    let (a, b) = (site.network("a"), site.network("b"));
    site.engine.create_network(&a).await?;
    site.engine.create_network(&b).await?;
    let mut spec = site.idle("x");
    let mut first = crate::spec::attachment(a.name.clone());
    first.aliases = vec!["friend".into()];
    spec.network = NetworkMode::Networks { attachments: vec![first, crate::spec::attachment(b.name.clone())] };
    let name = site.start(&spec).await?;
    // Aliases are a detail: some engines do not list them.
    let mut observed = site.observe().await?;
    let Some(seen) = observed.containers.remove(&name) else {
        return Err(super::Broken("its project does not have it".into()));
    };
    ensure!(seen.networks.keys().eq([&a.name, &b.name]), "its networks are {:?}", seen.networks);
    let end = &seen.networks[&a.name];
    ensure!(end.aliases.iter().any(|alias| alias == "friend"), "its aliases are {:?}", end.aliases);
    ensure!(end.ipv4_address.as_ref().is_some_and(|it| !it.is_empty()), "it has no address: {end:?}");
    let scope = Scope { networks: [a.name.clone()].into(), ..Scope::default() };
    let observed = site.engine.observe(&scope).await?;
    let network = observed.networks.get(&a.name);
    ensure!(network.is_some_and(|it| it.containers.contains(&name)), "the network does not know it: {network:?}");
    ensure!(network.is_some_and(|it| it.id == end.network_id), "ids differ: {network:?}, {end:?}");
    Ok(())
}

async fn connect_and_disconnect_can_be_repeated(site: &Site) -> Verdict {
    let (a, b) = (site.network("a"), site.network("b"));
    site.engine.create_network(&a).await?;
    site.engine.create_network(&b).await?;
    let mut spec = site.idle("x");
    spec.network = NetworkMode::Networks { attachments: vec![crate::spec::attachment(a.name.clone())] };
    let name = site.start(&spec).await?;
    let further = crate::spec::attachment(b.name.clone());
    site.engine.connect(&name, &further).await?;
    site.engine.connect(&name, &further).await?;
    ensure!(site.see(&name).await?.networks.contains_key(&b.name), "it was not connected");
    site.engine.disconnect(&name, &b.name).await?;
    site.engine.disconnect(&name, &b.name).await?;
    ensure!(!site.see(&name).await?.networks.contains_key(&b.name), "it was not disconnected");
    let unknown = crate::spec::attachment(site.network_name("not-there"));
    fails(site.engine.connect(&name, &unknown).await, ErrorKind::NotFound, "a connection to nothing")?;
    Ok(())
}

async fn a_network_in_use_stays(site: &Site) -> Verdict {
    let network = site.network("n");
    site.engine.create_network(&network).await?;
    let mut spec = site.idle("x");
    spec.network = NetworkMode::Networks { attachments: vec![crate::spec::attachment(network.name.clone())] };
    let name = site.start(&spec).await?;
    let error = fails(site.engine.remove_network(&network.name).await, ErrorKind::Conflict, "the removal of a network in use")?;
    ensure!(error.message.contains(name.as_str()), "the error does not name who is attached: {error}");
    site.engine.remove_container(&name, true).await?;
    site.engine.remove_network(&network.name).await?;
    Ok(())
}

async fn a_fixed_address_is_given(site: &Site) -> Verdict {
    let mut network = site.network("n");
    network.ipam_pools = vec![IpamPool { subnet: Some("10.213.77.0/24".into()), ..IpamPool::default() }];
    site.engine.create_network(&network).await?;
    let mut spec = site.idle("x");
    let mut attachment = crate::spec::attachment(network.name.clone());
    attachment.ipv4_address = Some("10.213.77.77".into());
    spec.network = NetworkMode::Networks { attachments: vec![attachment.clone()] };
    let name = site.start(&spec).await?;
    let address = site.see(&name).await?.networks.get(&network.name).and_then(|it| it.ipv4_address.clone());
    ensure!(address.as_deref() == Some("10.213.77.77"), "its address is {address:?}");
    let mut second = site.idle("y");
    second.network = NetworkMode::Networks { attachments: vec![attachment] };
    let refused = match site.engine.create_container(&second).await {
        Ok(()) => site.engine.start_container(&second.name).await.is_err(),
        Err(_) => true,
    };
    ensure!(refused, "two containers have one address");
    Ok(())
}
