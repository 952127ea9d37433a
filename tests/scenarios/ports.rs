//! Host ports: taken, too few, enough.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::engine::Engine;
use crate::stage::{Stage, text};

/// The first of three free ports in a row; others each time.
fn free() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap() + GIVEN.fetch_add(20, Ordering::Relaxed);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (base..).find(|&port| (port..port + 3).all(is_free)).unwrap()
}

#[test]
fn replicas_share_a_range_and_a_fixed_port_where_the_engine_can() {
    let Some(mut stage) = Stage::set("ports") else { return };
    let first = free();
    stage.variable("SCALE", "3");
    stage.variable("PORTS", &first.to_string());
    let output = stage.run(&["up", "-d"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.success(), Engine::SHARES_PORTS, "{said}");
    if Engine::SHARES_PORTS {
        assert_eq!(stage.containers().len(), 3);
        assert_eq!(stage.plan().0, Some(0));
    } else {
        assert!(said.contains(&format!("{first}-{}:80", first + 2)), "the range is suggested: {said}");
        assert!(said.contains("compose.yaml:5:"), "placed: {said}");
        assert_eq!(stage.containers(), [], "nothing half-made");
    }
    stage.variable("PORTS", &format!("{first}-{}", first + 2));
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.containers().len(), 3);
    assert_eq!(stage.plan().0, Some(0));
}

#[test]
fn who_has_the_port_is_named() {
    let (Some(mut one), Some(mut other)) = (Stage::set("ports"), Stage::set("ports")) else {
        return;
    };
    let first = free().to_string();
    one.variable("PORTS", &first);
    other.variable("PORTS", &first);
    one.ok(&["up", "-d"]);
    let output = other.run(&["up", "-d"]);
    let said = text(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&one.project), "the other project is named: {said}");
    assert_eq!(other.containers(), [], "nothing half-made: {said}");
}

#[test]
fn a_process_that_has_the_port_is_named() {
    let Some(mut stage) = Stage::set("ports") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    stage.variable("PORTS", &port.to_string());
    let output = stage.run(&["up", "-d"]);
    let said = text(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&port.to_string()) && said.contains(&std::process::id().to_string()), "{said}");
    drop(listener);
    stage.ok(&["up", "-d"]);
}
