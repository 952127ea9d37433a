//! Networks that hang on an interface of the host, in a namespace of their own: a cable leads from `wire0` to a neighbour, 192.0.2.1.

use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::Duration;

use rcompose_engine_adapter::{ContainerName, Engine as _, Stop};
use rcompose_network::netns;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::ground::Ground;
use crate::project::{Project, assert_nothing_left, get, until};

fn run(command: &str) -> bool {
    Command::new("sh").args(["-c", command]).status().unwrap().success()
}

/// Moves the test into a network of its own, from which everything is started; returns the neighbour's.
fn enter() -> netns::Namespace {
    let own = netns::anonymous().unwrap();
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    let neighbour = netns::anonymous().unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), neighbour.as_fd().as_raw_fd());
    assert!(run(&format!(
        "ip link set lo up && ip link add wire0 type veth peer name wire1 && ip link set wire1 netns {path} && ip link set wire0 up &&
         ip addr add 192.0.2.9/24 dev wire0 &&
         nsenter --net={path} sh -c 'ip addr add 192.0.2.1/24 dev wire1 && ip link set wire1 up'"
    )));
    neighbour
}

/// Two services on one network, and one of them on a bridge too.
const HANGING: &str = "
services:
  one:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    networks: [lan]
  two:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; echo hello > /www/index.html; httpd -f -p 80 -h /www'
    init: true
    ports: ['127.0.0.1:8321:80']
    networks: {lan: {ipv4_address: 192.0.2.50}, inner: {}}
networks:
  inner: {}
  lan:
    driver: DRIVER
    driver_opts: OPTIONS
    ipam: {config: [{subnet: 192.0.2.0/24, gateway: 192.0.2.1, ip_range: 192.0.2.32/27}]}
";

fn has(kind: &str) -> bool {
    // Whatever it hangs on is part of it: it goes with its namespace.
    run(&format!("ip link add link wire0 name probe type {kind} 2>/dev/null && ip link del probe"))
}

#[test]
fn containers_on_an_interface_of_the_host_are_neighbours_of_its_neighbours() {
    let Some(ground) = Ground::new() else { return };
    let neighbour = enter();
    for kind in ["macvlan", "ipvlan"] {
        if !has(kind) {
            eprintln!("left out: this kernel has no {kind}");
            continue;
        }
        let text = HANGING
            .replace("DRIVER", kind)
            .replace("OPTIONS", "{parent: wire0, com.docker.network.driver.mtu: '1400'}");
        let project = Project::new(&ground, kind, &text);
        project.ok(&["up", "-d"]);
        assert!(project.is_settled(), "a second `up` changes something");
        let links = project.ok(&["exec", "-T", "one", "ip", "addr"]);
        assert!(links.contains("192.0.2.3") && links.contains("/24") && links.contains("mtu 1400"), "{links}");
        assert!(project.ok(&["exec", "-T", "one", "ip", "route"]).contains("default via 192.0.2.1"));
        for to in ["two", "192.0.2.50", "192.0.2.1"] {
            project.ok(&["exec", "-T", "one", "ping", "-c", "1", "-W", "5", to]);
        }
        let path = format!("/proc/{}/fd/{}", std::process::id(), neighbour.as_fd().as_raw_fd());
        // It remembers what had the address before, by another hardware address.
        assert!(run(&format!("nsenter --net={path} ip neigh flush dev wire1")));
        assert!(
            run(&format!("nsenter --net={path} busybox ping -q -c 1 -W 5 192.0.2.50 > /dev/null")),
            "the neighbour does not reach it"
        );
        until("the port leads by the bridge", || get(8321).as_deref() == Some("hello"));
        project.ok(&["down", "-t", "0"]);
        assert_nothing_left(&ground, &project.name);
        assert!(!run("ip -d link | grep -qE 'vlan.*mode'"), "something hangs on the interface");
    }
}

#[test]
fn what_nothing_can_hang_on_is_said_before_a_network_is_there() {
    let Some(ground) = Ground::new() else { return };
    let _neighbour = enter();
    assert!(run(
        "ip link add bridged type veth peer name other && ip link add b0 type bridge && ip link set bridged master b0"
    ));
    let mut cases = vec![
        ("macvlan", "{}", "the option parent is \"\""),
        ("macvlan", "{parent: eth77}", "there is no interface eth77"),
        ("macvlan", "{parent: wire0.10}", "`ip link add link wire0 name wire0.10 type vlan id 10"),
        ("macvlan", "{parent: wire0, macvlan_mode: l2}", "bridge, private, vepa or passthru"),
        ("macvlan", "{parent: bridged}", "it is part of a bridge"),
        ("macvlan", "{parent: wire0, wings: '2'}", "driver option `wings`"),
        ("ipvlan", "{parent: wire0, ipvlan_mode: bridge}", "l2, l3 or l3s"),
        ("overlay", "{}", "not `overlay`"),
    ];
    if !has("ipvlan") {
        cases.push(("ipvlan", "{parent: wire0}", "this kernel has no ipvlan interfaces"));
    }
    for (number, (driver, options, words)) in cases.iter().enumerate() {
        let text = HANGING.replace("DRIVER", driver).replace("OPTIONS", options);
        let project = Project::new(&ground, &format!("hang{number}"), &text);
        let output = project.command(&["up", "-d"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{driver} {options}: {said}");
        assert_eq!(project.ok(&["ps", "-aq"]), "");
        project.ok(&["down"]);
        assert_nothing_left(&ground, &project.name);
    }
}

#[tokio::test]
async fn a_bridge_that_somebody_took_away_comes_again_with_the_next_start() {
    let Some(ground) = Ground::new() else { return };
    let text = "services:\n  one: &one {image: 'rcompose-test/shell:1', command: [sleep, '1000'], init: true}\n  two: *one\n";
    let project = Project::new(&ground, "bridgeless", text);
    project.ok(&["up", "-d"]);
    let name = |service: &str| ContainerName::from(format!("{}-{service}-1", project.name));
    let stop = Stop { grace: Some(Duration::ZERO), ..Stop::default() };
    for service in ["one", "two"] {
        let name = name(service);
        ground.native.stop_container(&name, &stop).await.unwrap();
        ground.native.start_container(&name).await.unwrap();
        // The engine of this test has looked at the network by now.
        let bridge = rcompose_network::names::bridge(&format!("{}_default", project.name));
        assert!(run(&format!("ip link del {bridge}")));
    }
    // Those whose ends it took along are started again.
    project.ok(&["restart", "-t", "0"]);
    project.ok(&["exec", "-T", "one", "ping", "-c", "1", "-W", "5", "two"]);
    project.ok(&["down", "-t", "0"]);
    assert_nothing_left(&ground, &project.name);
}
