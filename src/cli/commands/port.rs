//! `port`.

use rcompose_engine_adapter::{ObservedContainer, ObservedPort, Projects, Scope};

use super::replica::running;
use crate::args::PortArgs;
use crate::failure::Failure;
use crate::output;
use crate::session::{Session, known_services};

/// Runs `port`.
pub(crate) async fn run(session: &Session, args: &PortArgs) -> Result<u8, Failure> {
    let protocol = protocol(args)?;
    let named = session.named()?;
    let live = session.engine(Some(named.name())).await?;
    let scope = Scope { projects: Projects::One(named.name().to_owned()), ..Scope::default() };
    let observed = live.observe(&scope).await?;
    let services = observed.containers.values().filter_map(ObservedContainer::service);
    known_services(&named, std::slice::from_ref(&args.service), services)?;
    let container = running(&observed, &args.service, args.index)?;
    output::out(&published(container, args.private_port, protocol.as_deref())?)?;
    Ok(0)
}

/// Reads the protocol; without a port every one is meant unless one is named.
fn protocol(args: &PortArgs) -> Result<Option<String>, Failure> {
    let Some(word) = &args.protocol else {
        return Ok(args.private_port.map(|_| "tcp".to_owned()));
    };
    match word.to_ascii_lowercase() {
        word if matches!(word.as_str(), "tcp" | "udp" | "sctp") => Ok(Some(word)),
        _ => Err(Failure::usage(format!("`{word}` is no protocol of a port"), "write tcp, udp or sctp")),
    }
}

/// Returns where a port is published, or where all are.
fn published(container: &ObservedContainer, target: Option<u16>, protocol: Option<&str>) -> Result<String, Failure> {
    let is_meant = |it: &&ObservedPort| protocol.is_none_or(|protocol| it.protocol.as_str() == protocol);
    let open: Vec<&ObservedPort> = container.ports.iter().filter(|it| it.host.is_some()).filter(is_meant).collect();
    let address = |port: &ObservedPort| port.host.map(|(ip, number)| std::net::SocketAddr::new(ip, number).to_string()).unwrap_or_default();
    let mapping = |port: &&ObservedPort| format!("{}/{} -> {}", port.target, port.protocol.as_str(), address(port));
    let Some(target) = target else {
        return Ok(open.iter().map(|port| mapping(port) + "\n").collect());
    };
    if let Some(found) = open.iter().find(|it| it.target == target) {
        return Ok(address(found) + "\n");
    }
    let all: Vec<String> = container.ports.iter().filter(|it| it.host.is_some()).map(|it| mapping(&it)).collect();
    let hint = if all.is_empty() {
        format!("container {} publishes no port at all", container.name)
    } else {
        format!("it publishes {}", all.join(", "))
    };
    let wanted = format!("{target}/{}", protocol.unwrap_or("tcp"));
    Err(Failure::refused_with(format!("no port {wanted} of container {} is published", container.name), hint))
}
