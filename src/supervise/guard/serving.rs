//! Serves names and carries ports, as the project's [`Service`] says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rcompose_network::dns::{self, Listen, Server};
use rcompose_network::proxy::Proxy;
use rcompose_network::{Protocol, netns};

use super::Guardian;
use crate::error::{Result, SuperviseError};
use crate::parcel::Tag;
use crate::poll::{Poll, Ready};
use crate::service::{Asker, Carried, Service};

/// Numbers of the two descriptors in the guardian's poll.
pub(super) const NAMES: u64 = 2;
pub(super) const PORTS: u64 = 3;

/// What is served. The parts are made when they are first needed: a project without networks has neither.
#[derive(Debug, Default)]
pub(super) struct Serving {
    names: Option<Server>,
    ports: Option<Proxy>,
    /// Ports that are carried: under which name their sockets are kept, and which of those.
    carried: BTreeMap<(String, usize), (Protocol, u16)>,
    service: Service,
}

impl Serving {
    pub(super) fn deadline(&self) -> Option<Duration> {
        let names = self.names.as_ref().and_then(Server::deadline);
        names.into_iter().chain(self.ports.as_ref().and_then(Proxy::deadline)).min()
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, now: Duration) {
        // What goes wrong with one question or connection is answered as such; that nothing can be asked at all comes from want of memory,
        // and the next turn tries again.
        if let Some(names) = &mut self.names {
            let _ = names.turn(now);
        }
        if let Some(ports) = &mut self.ports {
            let _ = ports.turn(now);
        }
    }

    fn take(&mut self, service: Service, poll: &Poll, kept: &mut dyn FnMut(&Carried) -> Option<OwnedFd>) -> Result<()> {
        let mut first = self.take_names(&service, poll);
        let ports = self.take_ports(&service, poll, kept);
        self.service = service;
        if first.is_ok() {
            first = ports;
        }
        first
    }

    /// Opens name servers of containers that came, and closes those of containers that went. One that cannot be opened does not keep
    /// others from theirs; the first error is told.
    fn take_names(&mut self, service: &Service, poll: &Poll) -> Result<()> {
        if self.names.is_none() && service.clients.is_empty() {
            return Ok(());
        }
        let names = match &mut self.names {
            Some(names) => names,
            None => {
                let made = Server::new().map_err(network("make the name server"))?;
                poll.add(&made, NAMES, Ready::IN)?;
                self.names.insert(made)
            }
        };
        let gone: Vec<String> = names.clients().filter(|it| !service.clients.contains_key(*it)).map(str::to_owned).collect();
        gone.iter().for_each(|it| names.remove(it));
        names.set_zone(service.zone.clone());
        let mut first = Ok(());
        for (name, asker) in &service.clients {
            let before = self
                .service
                .clients
                .get(name)
                .filter(|it| it.namespace == asker.namespace && it.is_server == asker.is_server);
            if before.is_some() && names.clients().any(|it| it == name) {
                names.change(name, asker.client.clone());
            } else if let Err(error) = open(names, name, asker)
                && first.is_ok()
            {
                first = Err(error);
            }
        }
        first
    }

    fn take_ports(&mut self, service: &Service, poll: &Poll, kept: &mut dyn FnMut(&Carried) -> Option<OwnedFd>) -> Result<()> {
        if self.ports.is_none() && service.ports.is_empty() {
            return Ok(());
        }
        let ports = match &mut self.ports {
            Some(ports) => ports,
            None => {
                let made = Proxy::new().map_err(network("make the proxy of ports"))?;
                poll.add(&made, PORTS, Ready::IN)?;
                self.ports.insert(made)
            }
        };
        let key = |it: &Carried| (it.kept.clone(), it.number);
        let now: BTreeMap<_, &Carried> = service.ports.iter().map(|it| (key(it), it)).collect();
        self.carried.retain(|key, (protocol, port)| {
            let stays = now.contains_key(key);
            if !stays {
                ports.remove(*protocol, *port);
            }
            stays
        });
        for (key, carried) in now {
            match self.carried.entry(key) {
                Entry::Occupied(_) => ports.set_backends(carried.protocol, carried.port, &carried.backends),
                Entry::Vacant(place) => {
                    if let Some(socket) = kept(carried) {
                        ports.add(carried.protocol, socket, &carried.backends).map_err(network("serve a published port"))?;
                        place.insert((carried.protocol, carried.port));
                    }
                }
            }
        }
        Ok(())
    }
}

fn open(names: &mut Server, name: &str, asker: &Asker) -> Result<()> {
    let listen = if asker.is_server { Listen::Redirected } else { Listen::Plain };
    let opened = netns::open(&asker.namespace).and_then(|it| dns::open(it.as_fd(), listen));
    let sockets = opened.map_err(network("open the name server of a container"))?;
    names
        .add(name, asker.client.clone(), sockets)
        .map_err(network("watch the name server of a container"))
}

fn network(step: &'static str) -> impl FnOnce(rcompose_network::NetworkError) -> SuperviseError {
    move |error| SuperviseError::step::<std::io::Error>(step)(std::io::Error::other(error))
}

impl Guardian {
    /// Serves what the project's file says now.
    pub(super) fn serve(&mut self) -> Result<()> {
        let service = Service::read(&self.project);
        let kept = &self.kept;
        let mut lend = |it: &Carried| {
            let tag = Tag::Kept(u8::try_from(it.number).ok()?);
            kept.lend(&it.kept).get(&tag).and_then(|fd| fd.try_clone_to_owned().ok())
        };
        self.serving.take(service, &self.poll, &mut lend)
    }
}
