//! When containers are started again, and when health is asked for, beside what the specification and Docker's manual say.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::Engine;
use crate::stage::{Stage, text, until};

struct Clock {
    stage: Stage,
    wrong: Vec<String>,
}

impl Clock {
    /// The times that were written down.
    fn times(&self, name: &str) -> Vec<f64> {
        let text = std::fs::read_to_string(self.stage.path("log").join(name)).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap_or(0.0)).collect()
    }

    #[expect(clippy::print_stderr, reason = "the table is what somebody runs it for")]
    fn row(&mut self, what: &str, expected: &str, seen: &str, holds: bool) {
        let row = format!("{what:<58} expected {expected:<24} seen {seen}{}", if holds { "" } else { "  WRONG" });
        eprintln!("{row}");
        if !holds {
            self.wrong.push(row);
        }
    }

    fn gap(&mut self, what: &str, expected: f64, seen: f64) {
        let [early, late] = Engine::SLACK;
        let holds = seen > expected - early && seen < expected + late;
        self.row(what, &format!("{expected:.1} s"), &format!("{seen:.2} s"), holds);
    }

    fn count(&mut self, what: &str, expected: usize, log: &str) {
        let seen = self.times(log).len();
        self.row(what, &expected.to_string(), &seen.to_string(), seen == expected);
    }

    fn state(&self, service: &str, key: &str) -> String {
        let state = self.stage.inspect(&format!("{service}-1"))["State"].clone();
        let value = if key == "Health" {
            state["Health"]["Status"].clone()
        } else {
            state[key].clone()
        };
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// What a container goes through until that is so, each state once.
    fn states(&self, service: &str, key: &str, last: &str, mut then: impl FnMut(&str)) -> Vec<String> {
        let (mut seen, end) = (Vec::<String>::new(), Instant::now() + Duration::from_secs(60));
        while seen.last().is_none_or(|it| it != last) {
            assert!(Instant::now() < end, "{service} was {seen:?}, and never {last}");
            let state = self.state(service, key);
            if seen.last() != Some(&state) {
                then(&state);
                seen.push(state);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    }

    /// Failures within the start period do not count, and probes come at an interval of its own.
    fn start_period(&mut self) {
        // For `down` after the test too.
        self.stage.variable("COMPOSE_PROFILES", "start");
        let output = self.stage.run(&["up", "-d", "starting"]);
        let said = text(&output.stderr);
        if !output.status.success() && said.contains("start_interval") {
            self.row("health: start_interval", "(needs Engine 25)", "(left out)", true);
            return;
        }
        let states = self.states("starting", "Health", "unhealthy", |_| {});
        let start = self.times("starting-start").first().copied().unwrap_or(0.0);
        let probes = self.times("starting");
        self.gap("health: the first probe comes after start_interval", 0.5, probes[0] - start);
        self.gap("health: from there to the next", 0.5, probes[1] - probes[0]);
        let within = probes.iter().filter(|at| **at - start < 2.2).count();
        let expected = ["starting", "unhealthy"];
        let what = format!("health: after {within} failures within start_period and one behind");
        self.row(&what, &expected.join(" "), &states.join(" "), states == expected && probes.len() > within);
    }
}

#[test]
fn starts_and_probes_keep_their_times() {
    let Some(stage) = Stage::set("timing") else { return };
    stage.ok(&["up", "-d"]);
    let mut clock = Clock { stage, wrong: Vec::new() };

    let well = clock.stage.path("log").join("well");
    let states = clock.states("sick", "Health", "healthy", |state| {
        if state == "unhealthy" {
            std::fs::write(&well, "").unwrap();
        }
    });
    let expected = ["starting", "unhealthy", "healthy"];
    clock.row("health: 3 failures, then a success", &expected.join(" "), &states.join(" "), states == expected);
    let start = clock.times("sick-start").first().copied().unwrap_or(0.0);
    let probes = clock.times("sick");
    clock.gap("health: the first probe comes after the interval", 1.0, probes[0] - start);
    for (number, pair) in probes.windows(2).take(3).enumerate() {
        clock.gap(&format!("health: from probe {} to the next", number + 1), 1.0, pair[1] - pair[0]);
    }
    let probes = probes.len();
    clock.row("health: probes until the success", "4 or more", &probes.to_string(), probes >= 4);
    clock.start_period();

    let slow = clock.times("slow");
    clock.gap(
        "health: a probe past its timeout ends, and the interval runs",
        1.5,
        slow.get(1).copied().unwrap_or(0.0) - slow[0],
    );
    let seen = clock.state("slow", "Health");
    clock.row("health: it failed then (retries: 1)", "unhealthy", &seen, seen == "unhealthy");

    until("five restarts", || clock.times("always").len() >= 12);
    let always = clock.times("always");
    for (number, pair) in always[1..].chunks_exact(2).take(5).enumerate() {
        clock.gap(
            &format!("restart: always, pause {} (100 ms, doubled)", number + 1),
            0.1 * f64::from(1 << number),
            pair[1] - pair[0],
        );
    }
    clock.count("restart: on-failure:2, starts", 3, "failing");
    let (state, code) = (clock.state("failing", "Status"), clock.state("failing", "ExitCode"));
    clock.row("restart: on-failure:2, in the end", "exited 3", &format!("{state} {code}"), state == "exited" && code == "3");
    clock.count("restart: on-failure, a success: starts", 1, "passing");
    clock.count("restart_policy none: starts", 1, "once");
    clock.count("restart_policy on-failure, max_attempts 1: starts", 2, "attempts");

    clock.stage.ok(&["stop", "unless"]);
    let stopped = clock.times("unless").len();
    clock.row("restart: unless-stopped, starts before a stop", "2 or more", &stopped.to_string(), stopped >= 2);
    std::thread::sleep(Duration::from_millis(1500));
    clock.count("restart: unless-stopped, starts after it", stopped, "unless");
    let restarts = clock.stage.inspect("always-1")["RestartCount"].clone();
    let least = Value::from(5);
    let holds = restarts.as_u64() >= least.as_u64();
    clock.row("restart: always, as the engine counts", "5 or more", &restarts.to_string(), holds);
    assert!(clock.wrong.is_empty(), "\n{}", clock.wrong.join("\n"));
}
