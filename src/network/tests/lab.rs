//! A network of its own for each test: the test's thread moves into new namespaces, and everything it starts or opens is there.
#![expect(unsafe_code, reason = "unshare of the test's own thread")]

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Command;
use std::time::Duration;

use rcompose_network::bridge::{self, Bridge};
use rcompose_network::endpoint::{self, Endpoint, On};
use rcompose_network::{Cidr, Firewall, Mac, names, netns, rules};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;

pub(crate) const PROJECT: &str = "lab";

/// Moves the test into namespaces of its own. Without the rights for it the test is skipped, unless engines are required.
pub(crate) fn enter() -> bool {
    // SAFETY: network and mount namespaces hold no memory, and descriptors stay valid; only this thread moves.
    let moved = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) };
    if moved.is_err() {
        assert!(std::env::var_os("RCOMPOSE_REQUIRE_ENGINE").is_none(), "no rights to make namespaces, but they are required");
        #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: no rights to make network namespaces");
        }
        return false;
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    // A new namespace has the switches of the host.
    run("ip link set lo up; echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
    true
}

pub(crate) fn firewall() -> Firewall {
    Firewall::open().unwrap()
}

/// Runs a command in the shell, and returns what it printed.
pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The subnet of the network with this number.
pub(crate) fn subnet(network: u8) -> Cidr {
    Cidr::new(IpAddr::from([172, 18, network, 0]), 24).unwrap()
}

pub(crate) fn subnet6(network: u8) -> Cidr {
    format!("fd00:0:0:{network}::/64").parse().unwrap()
}

pub(crate) fn bridge_name(network: u8) -> String {
    names::bridge(&network.to_string())
}

pub(crate) fn bridge_of(network: u8, has_ipv6: bool, internal: bool) -> Bridge {
    let addresses = [subnet(network)].into_iter().chain(has_ipv6.then(|| subnet6(network)));
    let addresses = addresses.map(|it| Cidr::new(it.nth(1).unwrap(), it.prefix()).unwrap()).collect();
    Bridge {
        name: bridge_name(network),
        project: PROJECT.to_owned(),
        network: network.to_string(),
        addresses,
        mtu: None,
        internal,
    }
}

pub(crate) fn network(number: u8, has_ipv6: bool, internal: bool) -> rules::Network {
    let made = bridge_of(number, has_ipv6, internal);
    bridge::ensure(&made).unwrap();
    rules::Network {
        bridge: made.name,
        subnets: made.addresses.iter().map(Cidr::network).collect(),
        internal,
        inter_container: true,
        masquerade: true,
        gateway_ipv4: rules::Gateway::Nat,
        gateway_ipv6: rules::Gateway::Nat,
    }
}

/// A container as far as networks go: a namespace.
pub(crate) struct Container {
    pub(crate) namespace: netns::Namespace,
    pub(crate) address: IpAddr,
    pub(crate) address6: Option<IpAddr>,
}

pub(crate) fn endpoint_of(name: &str, network: u8, last: u8, has_ipv6: bool) -> Endpoint {
    let addresses: Vec<Cidr> = [subnet(network)]
        .into_iter()
        .chain(has_ipv6.then(|| subnet6(network)))
        .map(|it| Cidr::new(it.nth(last.into()).unwrap(), it.prefix()).unwrap())
        .collect();
    Endpoint {
        project: PROJECT.to_owned(),
        on: On::Bridge { bridge: bridge_name(network), veth: names::veth(name, &network.to_string()), isolated: false },
        interface: "eth0".to_owned(),
        mac: Mac::of(&addresses.iter().map(Cidr::address).collect::<Vec<_>>()),
        gateways: addresses.iter().map(|it| it.nth(1).unwrap()).collect(),
        addresses,
        mtu: None,
        switches: Vec::new(),
    }
}

impl Container {
    pub(crate) fn on(network: u8, last: u8, has_ipv6: bool) -> Self {
        let wanted = endpoint_of(&format!("c{last}"), network, last, has_ipv6);
        let namespace = netns::anonymous().unwrap();
        endpoint::attach(&namespace, &wanted).unwrap();
        Self {
            namespace,
            address: wanted.addresses[0].address(),
            address6: wanted.addresses.get(1).map(Cidr::address),
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Answers every connection to a port with a text, forever.
    pub(crate) fn serve(&self, port: u16, text: &'static str) {
        for address in [IpAddr::from([0, 0, 0, 0])].into_iter().chain(self.address6) {
            let listener = netns::within(self.fd(), || TcpListener::bind((address, port))).unwrap().unwrap();
            std::thread::spawn(move || {
                for mut connection in listener.incoming().flatten() {
                    let from = connection.peer_addr().map(|it| it.ip().to_string()).unwrap_or_default();
                    let _ = std::io::Write::write_all(&mut connection, format!("{text} {from}").as_bytes());
                }
            });
        }
    }

    /// What comes from an address when asked from here.
    pub(crate) fn ask(&self, to: impl Into<SocketAddr>) -> Option<String> {
        let to = to.into();
        netns::within(self.fd(), || ask(to)).unwrap()
    }
}

/// What comes from an address; nothing when there is no connection.
pub(crate) fn ask(to: impl Into<SocketAddr>) -> Option<String> {
    let mut connection = TcpStream::connect_timeout(&to.into(), Duration::from_millis(700)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut connection, &mut text).ok()?;
    Some(text)
}

/// Waits until a descriptor is ready, or so long.
pub(crate) fn wait(fd: impl AsFd, limit: Duration) {
    let limit = rustix::event::Timespec::try_from(limit).unwrap();
    let mut polled = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
    let _ = rustix::event::poll(&mut polled, Some(&limit));
}
