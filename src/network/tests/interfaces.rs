//! Bridges, endpoints and namespaces, with `ip` as oracle.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use rcompose_network::endpoint::{self, On};
use rcompose_network::{bridge, census, host, names, netns};

use crate::lab::{self, Container, PROJECT, bridge_name, bridge_of, endpoint_of, run};

#[test]
fn a_bridge_is_made_once_and_removed_once() {
    if !lab::enter() {
        return;
    }
    let wanted = bridge_of(1, true, false);
    let first = bridge::ensure(&wanted).unwrap();
    assert!(first.is_new);
    assert_eq!(first.switched, ["net/ipv6/conf/all/forwarding", "net/ipv4/ip_forward"]);
    let again = bridge::ensure(&wanted).unwrap();
    assert!(!again.is_new && again.switched.is_empty());
    let name = bridge_name(1);
    let seen = run(&format!("ip -d addr show {name}"));
    for part in [
        "172.18.1.1/24",
        "fd00:0:0:1::1/64",
        "forward_delay 0",
        "stp_state 0",
        ",UP",
        "alias rcompose lab 1",
        "02:42:ac:12:01:01",
    ] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert_eq!(bridge::list().unwrap().len(), 1);
    bridge::remove(&name).unwrap();
    bridge::remove(&name).unwrap();
    assert!(!run("ip -o link").contains(&name));
}

#[test]
fn a_bridge_of_somebody_else_is_used_and_stays() {
    if !lab::enter() {
        return;
    }
    run("ip link add theirs type bridge; ip link add none type veth");
    let mut wanted = bridge_of(1, false, false);
    wanted.name = "theirs".to_owned();
    assert!(!bridge::ensure(&wanted).unwrap().is_new);
    bridge::remove("theirs").unwrap();
    assert!(run("ip -o addr").contains("theirs"));
    wanted.name = "none".to_owned();
    let error = bridge::ensure(&wanted).unwrap_err().to_string();
    assert_eq!(error, "there is already an interface none, and it is no bridge");
}

#[test]
fn containers_of_a_network_reach_each_other_and_the_host() {
    if !lab::enter() {
        return;
    }
    lab::network(1, true, false);
    let (one, two) = (Container::on(1, 2, true), Container::on(1, 3, true));
    two.serve(80, "two");
    assert_eq!(one.ask((two.address, 80)).as_deref(), Some("two 172.18.1.2"));
    assert_eq!(one.ask((two.address6.unwrap(), 80)).as_deref(), Some("two fd00:0:0:1::2"));
    assert_eq!(lab::ask((two.address, 80)).as_deref(), Some("two 172.18.1.1"));
    let seen = netns::within(one.fd(), || run("ip addr; ip route; ip -6 route")).unwrap();
    for part in ["02:42:ac:12:01:02", "default via 172.18.1.1 dev eth0", "default via fd00:0:0:1::1 dev eth0"] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    let interfaces = endpoint::interfaces(one.fd()).unwrap();
    assert_eq!((interfaces.len(), interfaces[0].0.name.as_str()), (1, "eth0"));
}

#[test]
fn an_interface_has_ipv6_as_its_network_and_what_the_container_makes_as_the_host() {
    if !lab::enter() {
        return;
    }
    lab::network(1, true, false);
    let read = |namespace: &netns::Namespace, of: &str| {
        let switches = ["disable_ipv6", "accept_ra"].map(|it| format!("/proc/sys/net/ipv6/conf/{of}/{it}")).join(" ");
        let all = netns::within(namespace.as_fd(), || run(&format!("cat {switches}"))).unwrap();
        all.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let fresh = read(&netns::anonymous().unwrap(), "default");
    for (last, has_ipv6, seen) in [(2, true, ["0", "0"]), (3, false, ["1", "0"])] {
        let one = Container::on(1, last, has_ipv6);
        assert_eq!(read(&one.namespace, "eth0"), seen, "with IPv6: {has_ipv6}");
        assert_eq!(read(&one.namespace, "default"), fresh, "with IPv6: {has_ipv6}");
    }
    // The same to a namespace that was opened later.
    let made = netns::anonymous().unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), made.as_fd().as_raw_fd());
    let opened = netns::open(std::path::Path::new(&path)).unwrap();
    endpoint::attach(&opened, &lab::endpoint_of("c4", 1, 4, false)).unwrap();
    assert_eq!((read(&made, "eth0"), read(&made, "default")), (["1", "0"].map(str::to_owned).to_vec(), fresh));
    // One that is there already becomes what it is to be.
    for namespace in [&made, &opened] {
        for has_ipv6 in [false, true] {
            endpoint::attach(namespace, &lab::endpoint_of("c4", 1, 4, has_ipv6)).unwrap();
            assert_eq!(read(namespace, "eth0"), [if has_ipv6 { "0" } else { "1" }, "0"]);
        }
    }
}

#[test]
fn attaching_is_safe_to_repeat_and_replaces_leftovers() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let wanted = endpoint_of("c", 1, 2, false);
    let (old, new) = (netns::anonymous().unwrap(), netns::anonymous().unwrap());
    endpoint::attach(&old, &wanted).unwrap();
    endpoint::attach(&old, &wanted).unwrap();
    endpoint::attach(&new, &wanted).unwrap();
    assert_eq!(endpoint::interfaces(new.as_fd()).unwrap().len(), 1);
    assert_eq!(endpoint::interfaces(old.as_fd()).unwrap(), []);
    endpoint::detach(new.as_fd(), "eth0").unwrap();
    endpoint::detach(new.as_fd(), "eth0").unwrap();
    assert_eq!(census::of(&lab::firewall(), PROJECT).unwrap().veths, []);
}

#[test]
fn isolated_neighbours_reach_the_bridge_only() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let containers: Vec<_> = [2, 3]
        .map(|last| {
            let mut wanted = endpoint_of(&last.to_string(), 1, last, false);
            let On::Bridge { isolated, .. } = &mut wanted.on else {
                unreachable!()
            };
            *isolated = true;
            let namespace = netns::anonymous().unwrap();
            endpoint::attach(&namespace, &wanted).unwrap();
            Container { namespace, address: wanted.addresses[0].address(), address6: None }
        })
        .into();
    containers[1].serve(80, "two");
    assert_eq!(containers[0].ask((containers[1].address, 80)), None);
    assert!(lab::ask((containers[1].address, 80)).is_some());
}

#[test]
fn a_namespace_is_mounted_until_it_is_removed() {
    if !lab::enter() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net");
    let before = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    // What a call that was cut short left is in nobody's way.
    std::fs::write(&path, "").unwrap();
    let number = |made: netns::Namespace| rustix::fs::fstat(made.as_fd()).unwrap().st_ino;
    let first = number(netns::create(&path).unwrap());
    assert_eq!(number(netns::create(&path).unwrap()), first);
    let inside = netns::within(netns::open(&path).unwrap().as_fd(), || run("ip -o link; readlink /proc/self/ns/net")).unwrap();
    assert!(inside.contains("lo: <LOOPBACK,UP,LOWER_UP>") && !inside.contains(before.to_str().unwrap()), "{inside}");
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), before);
    netns::remove(&path).unwrap();
    netns::remove(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_runs_in_a_namespace_may_panic() {
    if !lab::enter() {
        return;
    }
    let namespace = netns::anonymous().unwrap();
    assert!(netns::within(namespace.as_fd(), || std::panic::resume_unwind(Box::new(()))).is_err() as u8 == 1);
    assert_eq!(netns::within(namespace.as_fd(), || 7).unwrap(), 7);
    assert!(netns::within(std::fs::File::open("/dev/null").unwrap().as_fd(), || ()).is_err());
}

#[test]
fn macvlan_hangs_on_an_interface_and_ipvlan_says_what_lacks() {
    if !lab::enter() {
        return;
    }
    let mut wanted = endpoint_of("c", 1, 2, false);
    for kind in ["macvlan", "ipvlan"] {
        // Each has its own: two kinds on one are refused.
        run(&format!("ip link add wire-{kind} type bridge && ip link set wire-{kind} up"));
        let (parent, mode) = (format!("wire-{kind}"), String::new());
        wanted.mac = None;
        wanted.on = if kind == "macvlan" {
            On::Macvlan { parent, mode }
        } else {
            On::Ipvlan { parent, mode }
        };
        let namespace = netns::anonymous().unwrap();
        match endpoint::attach(&namespace, &wanted) {
            Ok(()) => {
                let seen = netns::within(namespace.as_fd(), || run("ip -d addr")).unwrap();
                assert!(seen.contains(kind) && seen.contains("172.18.1.2/24"), "{seen}");
            }
            Err(error) => assert!(error.to_string().starts_with(&format!("this kernel has no {kind} interfaces")), "{error}"),
        }
    }
}

#[test]
fn what_an_interface_cannot_hang_on_is_said_before_it_is_tried() {
    if !lab::enter() {
        return;
    }
    run("ip link add wire type veth peer name far && ip link set wire up");
    run("ip link add member type veth peer name other && ip link add b0 type bridge && ip link set member master b0");
    let check = |parent: &str, mode: &str| {
        let checked = endpoint::check(&On::Macvlan { parent: parent.to_owned(), mode: mode.to_owned() });
        checked.map_err(|error| error.to_string())
    };
    let kinds = run("ip link add link wire name probe type macvlan 2>/dev/null && ip link del probe; echo $?");
    if kinds.trim() == "0" {
        assert_eq!(check("wire", "bridge"), Ok(()));
        assert!(check("member", "bridge").unwrap_err().contains("it is part of a bridge"));
        // What takes the whole interface is tried where it does not stand in the way of itself.
        run("ip link add link wire name whole type macvlan mode passthru");
        assert_eq!(check("wire", "passthru"), Ok(()));
        assert!(check("wire", "bridge").is_err());
    }
    for (parent, words) in [
        ("none", "there is no interface none"),
        ("wire.7", "type vlan id 7"),
        ("wire.0", "no interface wire.0"),
        ("none.7", "no interface none.7"),
    ] {
        let said = check(parent, "bridge").unwrap_err();
        assert!(said.contains(words), "{said}");
    }
    assert!(!run("ip link").contains("eth0"), "what was tried is still there");
}

#[test]
fn a_subnet_in_use_is_seen() {
    if !lab::enter() {
        return;
    }
    run(
        "ip link add wire type bridge && ip addr add 10.9.8.7/24 dev wire && ip link set wire up && ip route add 10.99.0.0/16 via 10.9.8.1",
    );
    lab::network(1, false, false);
    let taken: Vec<String> = host::taken(&[]).unwrap().iter().map(ToString::to_string).collect();
    for subnet in ["10.9.8.0/24", "10.99.0.0/16", "172.18.1.0/24", "127.0.0.0/8"] {
        assert!(taken.iter().any(|it| it == subnet), "{subnet} in {taken:?}");
    }
    assert!(!host::taken(&[&bridge_name(1)]).unwrap().contains(&lab::subnet(1)));
}

#[test]
fn nothing_is_left_of_a_project() {
    if !lab::enter() {
        return;
    }
    let networks: Vec<_> = (1..=3).map(|it| lab::network(it, true, false)).collect();
    let _containers: Vec<_> = (2..12).map(|it| Container::on(1 + it % 3, it, true)).collect();
    lab::firewall()
        .apply(&rcompose_network::rules::Wanted { project: PROJECT.to_owned(), networks, ports: Vec::new() })
        .unwrap();
    run(&format!("ip link add theirs group {} type bridge", names::group(PROJECT)));
    let census = census::of(&lab::firewall(), PROJECT).unwrap();
    assert_eq!((census.bridges.len(), census.veths.len(), census.tables.len()), (3, 10, 2));
    assert_eq!(census::projects(&lab::firewall()).unwrap(), [PROJECT]);
    assert!(census::remove_all(&lab::firewall(), PROJECT).is_empty());
    assert!(census::of(&lab::firewall(), PROJECT).unwrap().is_empty());
    assert!(run("ip -o link").contains("theirs"), "an interface of somebody else stays");
    assert!(run("nft list ruleset").is_empty());
    run("ip link del theirs");
    lab::network(1, true, false);
    let start = Instant::now();
    assert!(census::remove_all(&lab::firewall(), PROJECT).is_empty() && census::remove_all(&lab::firewall(), PROJECT).is_empty());
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn a_full_bridge_says_so() {
    if !lab::enter() {
        return;
    }
    lab::network(1, false, false);
    let namespace = netns::anonymous().unwrap();
    let full = (0..1100_u32).find_map(|number| {
        let mut wanted = endpoint_of(&number.to_string(), 1, 2, false);
        (wanted.addresses, wanted.gateways, wanted.mac) = (Vec::new(), Vec::new(), None);
        wanted.interface = format!("eth{number}");
        endpoint::attach(&namespace, &wanted).err().map(|error| (number, error.to_string()))
    });
    let (number, error) = full.unwrap();
    assert_eq!(number, 1023);
    assert!(
        error.ends_with("has 1023 interfaces, which is all that the kernel allows; spread the containers over several networks"),
        "{error}"
    );
    assert_eq!(census::of(&lab::firewall(), PROJECT).unwrap().veths.len(), 1023);
    assert!(census::remove_all(&lab::firewall(), PROJECT).is_empty());
}
