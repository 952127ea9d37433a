//! Many services at once: what one lets go of another is waiting for.

use std::fmt::Write;

use crate::machine::{Machine, wait_for};
use crate::project::get;

const SERVICES: u16 = 16;
const FIRST: u16 = 8100;

fn services() -> String {
    let mut text = String::from("services:\n");
    for number in 0..SERVICES {
        let port = FIRST + number;
        write!(
            text,
            "  s{number}:\n    image: rcompose-test/shell:1\n    init: true\n    stop_grace_period: 0s\n    ports: ['127.0.0.1:{port}:80']\n    \
             command: sh -c 'mkdir -p /www; echo {port} > /www/index.html; exec httpd -f -p 80 -h /www'\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn many_with_ports_are_started_anew_at_once() {
    let Some(machine) = Machine::new("many", 128, &services()) else {
        return;
    };
    machine.ok(&["up", "-d"]);
    for words in [&["restart", "-t", "0"][..], &["up", "-d", "--force-recreate", "-t", "0"], &["restart", "-t", "0"]] {
        machine.ok(words);
        for port in FIRST..FIRST + SERVICES {
            wait_for("each serves on its own port", || get(port).filter(|it| it.contains(&port.to_string())));
        }
    }
    machine.ok(&["down", "-t", "0"]);
}
