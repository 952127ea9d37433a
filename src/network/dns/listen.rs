//! Opens a container's name server.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::files::SERVER;
use crate::linux::firewall::Firewall;
use crate::linux::netns;
use crate::rules::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::{Cidr, NetworkError, Protocol, Result};

/// The port of name servers.
const PORT: u16 = 53;

/// The name of the table in a container's namespace.
const TABLE: &str = "rcompose-dns";

/// Where the sockets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// At port 53 of 127.0.0.11 itself, which keeps a container from having port 53 on all its addresses.
    Plain,
    /// At another port, with rules in the container's namespace that lead there from port 53. It costs those rules, and is for containers
    /// that are name servers themselves: they expose port 53.
    Redirected,
}

/// The sockets of one container's name server. They do not block.
#[derive(Debug)]
pub struct Sockets {
    /// For datagrams.
    pub udp: OwnedFd,
    /// For connections; it listens.
    pub tcp: OwnedFd,
}

/// Opens the sockets of a name server in a container's namespace.
///
/// # Errors
/// When the address or port cannot be had, or the kernel refuses the rules.
pub fn open(namespace: BorrowedFd<'_>, listen: Listen) -> Result<Sockets> {
    let doing = || NetworkError::step::<io::Error>(format!("open a name server at {SERVER}"));
    netns::within(namespace, || {
        let port = match listen {
            Listen::Plain => PORT,
            Listen::Redirected => 0,
        };
        let udp = UdpSocket::bind((SERVER, port)).map_err(doing())?;
        let tcp = TcpListener::bind((SERVER, port)).map_err(doing())?;
        udp.set_nonblocking(true).map_err(doing())?;
        tcp.set_nonblocking(true).map_err(doing())?;
        if listen == Listen::Redirected {
            let ports = [(Protocol::Udp, udp.local_addr()), (Protocol::Tcp, tcp.local_addr())];
            let mut rules = Vec::new();
            for (protocol, address) in ports {
                rules.push(redirect(protocol, address.map_err(doing())?.port()));
            }
            Firewall::open()?.set_table(&table(rules))?;
        }
        Ok(Sockets { udp: udp.into(), tcp: tcp.into() })
    })?
}

fn redirect(protocol: Protocol, port: u16) -> Rule {
    let matches = [Match::Destination(Cidr::host(SERVER)), Match::Protocol(protocol), Match::Port(PORT)];
    Rule::new(matches, Verdict::Translate(vec![(SERVER, port)]))
}

fn table(rules: Vec<Rule>) -> Table {
    let hook = Hook { kind: "nat", place: "output", priority: -100 };
    Table {
        family: Family::Ipv4,
        name: TABLE.to_owned(),
        chains: vec![Chain { name: "output".to_owned(), hook: Some(hook), rules }],
    }
}
