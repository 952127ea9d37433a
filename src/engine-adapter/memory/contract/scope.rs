//! What `observe` shows, and what not.

use rcompose_engine_adapter::{ErrorKind, NetworkMode};
use rcompose_engine_adapter::{PortSpec, Projects, Protocol, Scope, labels};

use super::site::hash;
use super::{Broken, Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![projects_do_not_mix, an_empty_scope_shows_the_engine_only, ports_of_the_host_have_a_holder]
}

async fn projects_do_not_mix(site: &Site) -> Verdict {
    let mine = site.idle("a");
    site.engine.create_container(&mine).await?;
    let mut foreign = site.idle("b");
    let other = format!("{}other", site.project);
    foreign.labels.insert(labels::PROJECT.into(), other.clone());
    foreign.config_hash = Some(hash("b"));
    site.engine.create_container(&foreign).await?;
    let one = site.observe().await?;
    let all = site.engine.observe(&Scope { projects: Projects::All, ..Scope::default() }).await?;
    let named = Scope { containers: [foreign.name.clone()].into(), ..Scope::project(&site.project) };
    let both = site.engine.observe(&named).await?;
    site.engine.remove_container(&foreign.name, true).await?;
    ensure!(
        one.containers.contains_key(&mine.name) && !one.containers.contains_key(&foreign.name),
        "projects mix: {one:?}"
    );
    ensure!([&mine.name, &foreign.name].iter().all(|name| all.containers.contains_key(name)), "all projects lack one");
    ensure!(
        [&mine.name, &foreign.name].iter().all(|name| both.containers.contains_key(name)),
        "a name adds nothing to a project"
    );
    Ok(())
}

async fn an_empty_scope_shows_the_engine_only(site: &Site) -> Verdict {
    site.engine.create_container(&site.idle("a")).await?;
    let seen = site.engine.observe(&Scope::default()).await?;
    ensure!(seen.containers.is_empty() && seen.networks.is_empty() && seen.volumes.is_empty(), "it shows {seen:?}");
    ensure!(seen.engine.name == site.engine.name() && !seen.engine.api.is_empty(), "the engine is {:?}", seen.engine);
    Ok(())
}

async fn ports_of_the_host_have_a_holder(site: &Site) -> Verdict {
    let published = |range| PortSpec { target: 80, protocol: Protocol::Tcp, host_ip: None, published: range };
    let mut first = site.idle("a");
    first.network = NetworkMode::Bridge;
    first.ports = vec![published(None)];
    let holder = site.start(&first).await?;
    let seen = site.see(&holder).await?;
    let Some(port) = seen.ports.iter().filter(|it| it.target == 80).find_map(|it| it.host).map(|(_, port)| port) else {
        return Err(Broken(format!("the engine chose no port: {:?}", seen.ports)));
    };
    let ports = site.engine.observe(&Scope { ports: true, ..Scope::default() }).await?.ports;
    let held = ports.iter().find(|it| it.port == port && it.protocol == Protocol::Tcp);
    ensure!(held.is_some_and(|it| it.container == holder), "the holder of port {port} is {held:?}");
    ensure!(held.and_then(|it| it.project.as_ref()) == Some(&site.project), "its project is missing: {held:?}");
    let mut second = site.idle("b");
    second.network = NetworkMode::Bridge;
    second.ports = vec![published(Some((port, port)))];
    site.engine.create_container(&second).await?;
    super::site::fails(site.engine.start_container(&second.name).await, ErrorKind::PortTaken { port }, "a start on a taken port")?;
    site.engine.remove_container(&holder, true).await?;
    site.engine.start_container(&second.name).await?;
    Ok(())
}
