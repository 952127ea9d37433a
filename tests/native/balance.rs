//! Replicas behind one port, and behind one name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::{Stage, until};

/// A port of the host that nobody has.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Says who answers a request, over a connection of its own.
fn ask(port: u16) -> Result<String, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(|it| format!("connect: {it}"))?;
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").map_err(|it| format!("send: {it}"))?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).map_err(|it| format!("receive: {it}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer: {answer:?}"))?;
    if head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200") {
        Ok(body.trim().to_owned())
    } else {
        Err(head.to_owned())
    }
}

fn stage(replicas: u32) -> Option<(Stage, u16)> {
    let mut stage = Stage::set("balance")?;
    let port = free_port();
    stage.variable("PORT", &port.to_string());
    scale(&stage, replicas);
    Some((stage, port))
}

fn scale(stage: &Stage, replicas: u32) {
    stage.ok(&["up", "-d", "--wait", "--scale", &format!("web={replicas}"), "web"]);
}

/// What went wrong, and when it was begun.
type Failures = Vec<(Instant, String)>;

/// Asks from four threads until it is told to stop; returns how often, and every failure.
fn load<T>(port: u16, meanwhile: impl FnOnce(&AtomicUsize) -> T) -> (usize, Failures, T) {
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let ask_on = || {
            let mut failures = Failures::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                if let Err(why) = ask(port) {
                    failures.push((began, why));
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask_on)).collect();
        let done = meanwhile(&count);
        stop.store(true, Ordering::Relaxed);
        let failures = threads.into_iter().flat_map(|it| it.join().unwrap()).collect();
        (count.load(Ordering::Relaxed), failures, done)
    })
}

#[test]
fn connections_are_shared_out_evenly() {
    let Some((_stage, port)) = stage(5) else { return };
    let mut shares = BTreeMap::<String, u32>::new();
    for _ in 0..1000 {
        *shares.entry(ask(port).unwrap()).or_default() += 1;
    }
    eprintln!("1,000 connections, expected 200 ± 30 each, seen {:?}", shares.values().collect::<Vec<_>>());
    assert_eq!(shares.len(), 5);
    assert!(shares.values().all(|it| it.abs_diff(200) <= 30), "{shares:?}");
}

fn scaled(requests: usize) {
    let Some((stage, port)) = stage(2) else { return };
    let third = |count: &AtomicUsize, part: usize| until("requests", || count.load(Ordering::Relaxed) >= requests * part / 3);
    let (count, failures, ()) = load(port, |count| {
        third(count, 1);
        scale(&stage, 5);
        third(count, 2);
        scale(&stage, 2);
        third(count, 3);
    });
    eprintln!("{count} requests while scaling 2 → 5 → 2, expected no failure, seen {}", failures.len());
    assert!(failures.is_empty(), "{:?}", failures.iter().map(|(_, why)| why).take(5).collect::<Vec<_>>());
}

#[test]
fn no_request_fails_while_replicas_come_and_go() {
    scaled(1500);
}

#[test]
#[ignore = "campaign: tests/soak balance"]
fn campaign_none_of_ten_thousand_requests_fails_while_replicas_come_and_go() {
    scaled(10_000);
}

#[test]
fn a_replica_that_dies_is_missed_for_a_moment_only() {
    let Some((stage, port)) = stage(3) else { return };
    let (count, failures, ()) = load(port, |count| {
        until("requests", || count.load(Ordering::Relaxed) > 200);
        // Its first process ends with that.
        stage.run(&["exec", "-T", "--index", "2", "web", "sh", "-c", "kill -9 $(cat /pid)"]);
        std::thread::sleep(Duration::from_secs(3));
    });
    // How long the command took until it killed is no matter.
    let (first, last) = (failures.iter().map(|it| it.0).min(), failures.iter().map(|it| it.0).max());
    let missed = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    eprintln!(
        "one of three replicas dies: {} of {count} requests failed, within {missed:.1?} (expected: within 1 s)",
        failures.len()
    );
    assert!(missed < Duration::from_secs(2), "{failures:?}");
}

#[test]
fn names_follow_replicas() {
    let Some((mut stage, _)) = stage(2) else { return };
    // For `down` after the test too.
    stage.variable("COMPOSE_PROFILES", "names");
    stage.ok(&["up", "-d", "--scale", "web=2"]);
    let log = |name: &str| std::fs::read_to_string(stage.path("log").join(name)).unwrap_or_default();
    let found = || -> Vec<(f64, u32)> {
        let line = |line: &str| line.split_once(' ').and_then(|(at, count)| Some((at.parse().ok()?, count.parse().ok()?)));
        log("names").lines().filter_map(line).collect()
    };
    let last = |count: u32| found().last().is_some_and(|it| it.1 == count);
    // The first line of its answers is the server's own.
    let own = 1;
    until("two addresses", || last(own + 2) || last(2));
    let own = found().last().unwrap().1 - 2;
    scale(&stage, 5);
    until("five addresses", || last(own + 5));
    let mut well = BTreeMap::<String, f64>::new();
    for (host, at) in log("healthy").lines().filter_map(|it| it.split_once(' ')) {
        well.entry(host.to_owned()).or_insert(at.parse().unwrap());
    }
    let all_well = well.into_values().fold(0.0, f64::max);
    let known = found().iter().find(|it| it.1 == own + 5).unwrap().0;
    let late = known - all_well;
    eprintln!("names: all five are found {late:.2} s after the last one is well (expected: 0.1 s, on a machine that does nothing else)");
    assert!(late < 2.0, "{known} {all_well}");
    scale(&stage, 2);
    until("two addresses again", || last(own + 2));
    let other = stage.run(&["exec", "-T", "names", "nslookup", "apart", "127.0.0.11"]);
    assert!(!other.status.success(), "a name of another network");
}
