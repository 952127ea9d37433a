//! Published ports of a container.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcompose_engine_adapter::{EngineError, ErrorKind, PortSpec, Protocol, Result};
use rcompose_network::{Held, NetworkError, PortError, PortRequest, hold, is_free};

use super::join::End;
use super::{Joined, Port, again, are_siblings, others};
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::file::{self, Lock};

/// How long who holds a duplicate of a socket may take to close it, and how often it is looked.
const LETTING_GO: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// Chooses the ports of the host. One that another replica of the same service publishes for the same port of the container is shared.
pub(super) fn publish(native: &Native, container: &Container, ends: &[End], joined: &mut Joined) -> Result<()> {
    if container.spec.ports.is_empty() {
        return Ok(());
    }
    if !ends
        .iter()
        .any(|it| !it.network.spec.internal && it.driver.bridge().is_some() && joined.endpoints.contains_key(&it.network.spec.name))
    {
        // As with Docker: nobody could come in.
        native
            .remarks
            .add(container, ["its published ports lead nowhere: it is on no network that has a way in".to_owned()]);
        return Ok(());
    }
    for (asked, held) in choose(native, container, ends, joined)? {
        if let Err(error) = keep(native, container, asked, &held) {
            // Another replica may share it already, and nobody holds it: whoever looks next does.
            again::forget(native, &native.places.project_name(container.project()));
            return Err(error);
        }
    }
    Ok(())
}

/// Chooses ports and writes down which they are, so that no other takes or lets go of the same ones. What is kept, and not known to be, would
/// never be let go of; so it is kept after that, and without the lock, for which all wait who start.
fn choose(native: &Native, container: &Container, ends: &[End], joined: &mut Joined) -> Result<Vec<(Option<IpAddr>, Held)>> {
    let mut all = Vec::new();
    let _lock = lock(native)?;
    let binding = ends.iter().find_map(|it| it.driver.bridge()?.host_binding);
    let own: Vec<Range> = container.spec.ports.iter().map(range).collect();
    let others = ports_of(native, container, &own, &others(native, container, |_| true)?)?;
    for spec in &container.spec.ports {
        let asked = spec.host_ip.or(binding);
        let request = PortRequest { protocol: protocol(spec.protocol), host_ip: asked, published: spec.published };
        let sharer = others.iter().find(|(sibling, port)| *sibling && is_shared(spec, asked, port));
        let (port, held) = match sharer {
            Some((_, port)) => (port.port, None),
            None => {
                let same = |it: &&Port| it.protocol == spec.protocol && overlaps(it.asked_ip, asked);
                let promised = others.iter().map(|(_, it)| it).chain(&joined.ports).filter(same).map(|it| it.port);
                let promised: Vec<u16> = promised.collect();
                match take(native, container, spec, &request, &promised)? {
                    Taken::Now(held) => (held.port, Some(held)),
                    Taken::Before(port) => (port, None),
                }
            }
        };
        joined.ports.push(Port {
            host_ip: asked.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            port,
            target: spec.target,
            protocol: spec.protocol,
            asked_ip: asked,
        });
        all.extend(held.map(|it| (asked, it)));
    }
    joined.write(&native.places, container)?;
    Ok(all)
}

/// A port that is free for a container.
enum Taken {
    Now(Held),
    /// The project holds it still: another replica is just leaving it, or a killed client left it.
    Before(u16),
}

fn take(native: &Native, container: &Container, spec: &PortSpec, request: &PortRequest, promised: &[u16]) -> Result<Taken> {
    match hold(request, promised) {
        Err(NetworkError::Port(PortError::Taken { .. })) => {}
        other => return other.map(Taken::Now).map_err(error::network(&format!("container {}", container.name))),
    }
    // Asked only now: mostly the port is free, and the guardian has much to do while many start.
    match kept_already(native, container, spec, request.host_ip)?.filter(|it| !promised.contains(it)) {
        Some(port) => Ok(Taken::Before(port)),
        None => hold_patiently(request, promised, container)
            .map(Taken::Now)
            .map_err(|it| named(native, container, it)),
    }
}

pub(super) fn lock(native: &Native) -> Result<Lock> {
    file::lock(&native.places.run.join("ports.lock"))
}

/// Holds a port. One that was let go of just now is free once the shims that hold duplicates of its socket have heard so, and on a busy
/// machine that takes them a while.
fn hold_patiently(request: &PortRequest, promised: &[u16], container: &Container) -> Result<Held> {
    let what = format!("container {}", container.name);
    let until = Instant::now() + LETTING_GO;
    loop {
        match hold(request, promised) {
            Err(NetworkError::Port(PortError::Taken { port, pid, .. })) if !promised.contains(&port) && is_ours(pid) => {
                while Instant::now() < until && !is_free(request) {
                    std::thread::sleep(LOOK);
                }
                if Instant::now() < until {
                    continue;
                }
                return hold(request, promised).map_err(error::network(&what));
            }
            other => return other.map_err(error::network(&what)),
        }
    }
}

/// Tells whether a process is a shim, a guardian, or what these start; or gone by now.
fn is_ours(pid: Option<u32>) -> bool {
    let Some(pid) = pid else { return true };
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.is_empty() || words.split(|it| *it == 0).nth(1).is_some_and(|it| it == b"__shim" || it == b"__guard")
}

/// The port that is asked for, where the project holds it still: another replica is just leaving it, or a killed client left it.
fn kept_already(native: &Native, container: &Container, spec: &PortSpec, asked: Option<IpAddr>) -> Result<Option<u16>> {
    let Some((port, last)) = spec.published.filter(|(first, last)| first == last) else {
        return Ok(None);
    };
    let kept = native.client(container).kept(&kept(protocol(spec.protocol), port, asked));
    let kept = kept.map_err(error::supervise("ask whether a published port is held"))?;
    Ok((!kept.is_empty()).then_some(last))
}

/// Lets the guardian hold a port: the kernel's rules reserve nothing.
pub(super) fn keep(native: &Native, container: &Container, asked: Option<IpAddr>, held: &Held) -> Result<()> {
    let lent: Vec<BorrowedFd<'_>> = held.sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let kept = kept(held.protocol, held.port, asked);
    let client = native.client(container);
    client.keep(&kept, &lent).map_err(error::supervise("hold a published port"))?;
    again::given(native, &native.places.project_name(container.project()), client.guardian())
}

/// Lets go of the ports of a container that no other one of its project has, be it that it took one over.
pub(super) fn release(native: &Native, container: &Container, joined: &Joined) -> Result<()> {
    if joined.ports.is_empty() {
        return Ok(());
    }
    let _lock = lock(native)?;
    let own: Vec<Range> = joined.ports.iter().map(|it| (it.port, it.port)).collect();
    let others = ports_of(native, container, &own, &others(native, container, |it| it.project() == container.project())?)?;
    let client = native.client(container);
    for port in &joined.ports {
        let is_same = |it: &Port| (it.port, it.protocol, it.asked_ip) == (port.port, port.protocol, port.asked_ip);
        if !others.iter().any(|(_, it)| is_same(it)) {
            let kept = kept(protocol(port.protocol), port.port, port.asked_ip);
            client.release(&kept).map_err(error::supervise("let go of a published port"))?;
        }
    }
    Ok(())
}

/// Under which name the sockets of a port are kept, those of IPv4 first.
pub(super) fn kept(protocol: rcompose_network::Protocol, port: u16, asked: Option<IpAddr>) -> String {
    let address = asked.map_or_else(|| "any".to_owned(), |it| it.to_string());
    format!("port-{protocol}-{port}-{address}")
}

/// Says which container has a port, where it is one of ours.
fn named(native: &Native, container: &Container, error: EngineError) -> EngineError {
    let ErrorKind::PortTaken { port } = error.kind else { return error };
    let holder = native.places.all().unwrap_or_default().into_iter().find(|it| {
        let joined = Joined::read(&native.places, it).unwrap_or_default();
        it.id != container.id && joined.ports.iter().any(|it| it.port == port)
    });
    match holder {
        Some(holder) => EngineError { message: format!("{}; container {} publishes it", error.message, holder.name), ..error },
        None => error,
    }
}

/// Ports of containers, and whether the one is a replica of the same service as each; of those that may have one of the `own` ports.
fn ports_of(native: &Native, container: &Container, own: &[Range], others: &[Arc<Container>]) -> Result<Vec<(bool, Port)>> {
    let mut all = Vec::new();
    for other in others.iter().filter(|it| may_meet(own, &it.spec.ports)) {
        let joined = Joined::shared(&native.places, other)?;
        if !joined.leaving {
            all.extend(joined.ports.iter().map(|it| (are_siblings(container, other), it.clone())));
        }
    }
    Ok(all)
}

/// The first and the last of some ports.
type Range = (u16, u16);

/// The ports that may become a container's: any, where none is asked for.
fn range(spec: &PortSpec) -> Range {
    spec.published.unwrap_or((1, u16::MAX))
}

/// Tells whether what was asked for, which stays as it is, allows a port in common.
fn may_meet(own: &[Range], others: &[PortSpec]) -> bool {
    let meet = |(first, last): Range| own.iter().any(|(low, high)| *low <= last && first <= *high);
    others.iter().map(range).any(meet)
}

/// Tells whether a replica may stand beside another behind one port: that port is asked for, and no range to choose from.
fn is_shared(spec: &PortSpec, asked: Option<IpAddr>, port: &Port) -> bool {
    spec.published == Some((port.port, port.port)) && spec.target == port.target && spec.protocol == port.protocol && asked == port.asked_ip
}

fn overlaps(one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
    let every = |it: Option<IpAddr>| it.is_none_or(|it| it.is_unspecified());
    every(one) || every(other) || one == other
}

pub(super) fn protocol(protocol: Protocol) -> rcompose_network::Protocol {
    match protocol {
        Protocol::Tcp => rcompose_network::Protocol::Tcp,
        Protocol::Udp => rcompose_network::Protocol::Udp,
        Protocol::Sctp => rcompose_network::Protocol::Sctp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asked_for_the_same_ports_is_looked_at() {
        let asked = |published| PortSpec { target: 80, protocol: Protocol::Tcp, host_ip: None, published };
        let meets = |own: &[Range], other| may_meet(own, &[asked(other)]);
        assert!(meets(&[(8080, 8080)], Some((8080, 8080))));
        assert!(meets(&[(8001, 8001)], Some((8000, 8010))));
        assert!(meets(&[(8000, 8010)], Some((8010, 8020))));
        assert!(!meets(&[(8000, 8010)], Some((8011, 8020))));
        assert!(meets(&[(8080, 8080)], None), "whoever takes any may have taken it");
        assert!(meets(&[range(&asked(None))], Some((8080, 8080))));
        assert!(!may_meet(&[(8080, 8080)], &[]));
    }
}
