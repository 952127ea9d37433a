//! SIGKILL of the command line, of shims, of the guardian, of containers' first processes, and of shim and guardian together, at random
//! moments, while a project of several services is at work.
//!
//! `RCOMPOSE_SOAK_KILLS` sets how often each in the campaign, `RCOMPOSE_SOAK_SEED` repeats one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::chance::Chance;
use crate::leaks::{Census, lookers, running};
use crate::machine::{Machine, wait_for};
use crate::project::get;

const PROJECT: &str = "
services:
  db:
    image: rcompose-test/shell:1
    command: sh -c 'while :; do echo alive > /data/db; sleep 0.2; done'
    init: true
    restart: always
    stop_grace_period: 1s
    volumes: ['data:/data']
    healthcheck: {test: [CMD, test, -e, /data/db], interval: 1s, start_period: 10s, start_interval: 100ms}
  web:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www'
    restart: unless-stopped
    init: true
    stop_grace_period: 1s
    ports: ['127.0.0.1:8080:80']
    deploy: {replicas: 2}
    depends_on: {db: {condition: service_healthy}}
  writer:
    image: rcompose-test/shell:1
    command:
      - sh
      - -c
      - 'n=0; until [ $$n -ge $LEAST ] && [ -n \"$SHORT\" -o -e /data/go ]; do k=0; while [ $$k -lt 500 ]; do echo $ROUND:$$n;
        n=$$((n+1)); k=$$((k+1)); done; echo $$n > /data/written; sleep 0.02; done; echo end; exit $CODE'
    volumes: ['data:/data']
    depends_on: {db: {condition: service_healthy}}
volumes: {data: {}}
";
/// Least lines of a writer that goes on until it is told, and lines of one that ends at about the moment of the kill.
const LINES: [&str; 2] = ["3000", "1500"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    CommandLine,
    Shim,
    Guardian,
    First,
    ShimAndGuardian,
}

#[derive(Debug, Default)]
struct Figures {
    kills: u32,
    /// Kills while the writer wrote.
    midway: u32,
    lines: usize,
    /// Ends that nobody saw, which is said.
    unknown: u32,
    /// From a kill until everything is as it was.
    longest: Duration,
}

impl Machine {
    /// As [`lookers`], as the host numbers them.
    pub(crate) fn lookers(&self, verb: &str) -> BTreeSet<i32> {
        lookers(&self.root().join("run/projects").join(&self.project), verb)
    }

    /// First processes of containers that run, by the container's id: number and time of start.
    pub(crate) fn firsts(&self) -> BTreeMap<String, (i32, String)> {
        let group = format!("/rcompose/{}/", self.project);
        let found = running().filter_map(|(pid, _)| {
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
            let id = groups.split(&group).nth(1)?.split(['/', '\n']).next()?.to_owned();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let numbers = status.lines().find_map(|it| it.strip_prefix("NSpid:"))?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let began = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.to_owned();
            let is_first = numbers.split_whitespace().next_back() == Some("1") && !stat.contains(") Z ");
            is_first.then_some((id, (pid, began)))
        });
        found.collect()
    }

    /// Containers as `ps` tells of them, by service and number.
    pub(crate) fn listed(&self) -> BTreeMap<String, Value> {
        let text = self.ok(&["ps", "-a", "--format", "json"]);
        let all: Vec<Value> = match serde_json::from_str(&text) {
            Ok(Value::Array(all)) => all,
            _ => text.lines().map(|it| serde_json::from_str(it).unwrap()).collect(),
        };
        let name = |it: &Value| it["Name"].as_str().unwrap().trim_start_matches(&format!("{}-", self.project)).to_owned();
        all.iter().map(|it| (name(it), it.clone())).collect()
    }
}

pub(crate) fn kill(pid: i32) {
    // One that has ended meanwhile is no other: numbers are given anew after all others were.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

fn any<T: Clone>(all: &[T], chance: &mut Chance) -> T {
    all[usize::try_from(chance.below(all.len() as u64)).unwrap()].clone()
}

struct Campaign {
    machine: Machine,
    victim: Victim,
    chance: Chance,
    figures: Figures,
}

impl Campaign {
    fn round(&mut self, number: u32) {
        let is_short = number % 3 == 2;
        let code = 1 + self.chance.below(100);
        let volume = self.machine.seen(&self.machine.root().join(format!("volumes/{}_data/_data", self.machine.project)));
        for name in ["go", "written"] {
            let _ = fs::remove_file(volume.join(name));
        }
        let variables = [
            ("ROUND", number.to_string()),
            ("LEAST", LINES[usize::from(is_short)].to_owned()),
            ("SHORT", if is_short { "1" } else { "" }.to_owned()),
            ("CODE", code.to_string()),
        ];
        variables.iter().for_each(|(key, value)| self.machine.variable(key, value));
        if self.victim == Victim::CommandLine {
            let moment = self.chance.moment(450);
            self.figures.midway += u32::from(self.machine.cut(&["up", "-d", "-t", "1"], moment));
        }
        let began = Instant::now();
        self.machine.ok(&["up", "-d", "-t", "1"]);
        let killed = self.strike();
        self.figures.kills += 1;
        self.settle(killed.as_deref());
        self.figures.longest = self.figures.longest.max(began.elapsed());
        fs::write(volume.join("go"), "").unwrap();
        let code = i64::try_from(code).unwrap();
        let may_be_blind = self.victim == Victim::ShimAndGuardian;
        let status = self.status();
        match status {
            137 if killed.is_some_and(|it| it.starts_with("writer")) => self.check(&volume, number, false),
            255 if may_be_blind => {
                self.figures.unknown += 1;
                self.check(&volume, number, true);
            }
            _ => {
                assert_eq!(status, code, "a wrong status is worse than none");
                self.check(&volume, number, true);
            }
        }
    }

    /// Kills; returns the name of the container whose first process it was.
    fn strike(&mut self) -> Option<String> {
        let machine = &self.machine;
        let before = machine.firsts();
        let names: BTreeMap<String, String> = machine.listed().into_iter().map(|(name, it)| (text(&it["ID"]), name)).collect();
        let name = |id: &String| names.iter().find(|(short, _)| id.starts_with(*short)).map(|it| it.1.clone());
        std::thread::sleep(self.chance.moment(150));
        let pick = |all: BTreeSet<i32>, chance: &mut Chance| any(&all.into_iter().collect::<Vec<_>>(), chance);
        let mut killed = None;
        match self.victim {
            Victim::CommandLine => {}
            Victim::Shim => kill(pick(machine.lookers("__shim"), &mut self.chance)),
            Victim::Guardian => kill(pick(machine.lookers("__guard"), &mut self.chance)),
            Victim::First => {
                let firsts: Vec<_> = machine.firsts().into_iter().collect();
                let (id, (pid, _)) = any(&firsts, &mut self.chance);
                kill(pid);
                killed = name(&id);
            }
            Victim::ShimAndGuardian => {
                machine.lookers("__guard").into_iter().for_each(kill);
                std::thread::sleep(self.chance.moment(60));
                machine.lookers("__shim").into_iter().for_each(kill);
            }
        }
        let after = machine.firsts();
        if self.victim != Victim::CommandLine {
            let writes = |it: &String| name(it).is_some_and(|it| it.starts_with("writer"));
            self.figures.midway += u32::from(after.keys().any(writes) || killed.as_deref() == Some("writer-1"));
        }
        if self.victim != Victim::First {
            assert!(get(8080).is_some(), "{:?}: nobody answers at the port", self.victim);
            let stays = |(id, _): &(&String, &(i32, String))| name(id).is_some_and(|it| !it.starts_with("writer"));
            assert!(before.iter().filter(stays).eq(after.iter().filter(stays)), "{:?}: {before:?} {after:?}", self.victim);
        }
        killed
    }

    /// Waits until all that is to be there is, and asks for it.
    fn settle(&self, killed: Option<&str>) {
        let machine = &self.machine;
        let is_settled = || {
            let plan = machine.run(&["plan", "db", "web"]);
            (plan.status.code() == Some(0)).then_some(())
        };
        // Whose first process was killed is started again by its policy; nobody else is touched.
        if killed.is_some() {
            wait_for("it is started again", is_settled);
        }
        let plan = machine.run(&["plan", "db", "web"]);
        assert_eq!(plan.status.code(), Some(0), "{:?}: {}{}", self.victim, plan.out, plan.err);
        let until = Instant::now() + Duration::from_secs(20);
        let is_looked_after = || machine.lookers("__guard").len() == 1 && machine.lookers("__shim").len() == machine.firsts().len();
        while !is_looked_after() {
            let who = ["__guard", "__shim"].map(|it| machine.lookers(it));
            assert!(
                Instant::now() < until,
                "{:?}: not everybody is looked after: {who:?} {:?} {:?}",
                self.victim,
                machine.firsts(),
                machine.listed()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        wait_for("everybody is healthy, and answers", || {
            let listed = machine.listed();
            let is_up = |name: &str| listed.get(name).is_some_and(|it| it["State"] == "running");
            (is_up("web-1") && is_up("web-2") && is_up("db-1") && listed["db-1"]["Health"] == "healthy" && get(8080).is_some())
                .then_some(())
        });
        let told = machine.ok(&["exec", "-T", "db", "nslookup", "web"]);
        assert_eq!(told.lines().skip(2).filter(|it| it.starts_with("Address")).count(), 2, "{told}");
    }

    /// Waits for the writer's end, and returns the status that is told.
    fn status(&self) -> i64 {
        let ended = wait_for("the writer ends", || {
            let listed = self.machine.listed();
            listed.get("writer-1").filter(|it| it["State"] == "exited").cloned()
        });
        ended["ExitCode"].as_i64().unwrap()
    }

    /// All lines are there, each once and in order; of a writer that was killed, all that it had written by its own account. One that a
    /// killed command line had started, and that had ended, runs again.
    fn check(&mut self, volume: &Path, number: u32, is_whole: bool) {
        let log = self.machine.ok(&["logs", "--no-log-prefix", "writer"]);
        let is_blind = self.victim == Victim::ShimAndGuardian;
        let mut runs: Vec<&str> = log.split_inclusive("end\n").collect();
        assert!(runs.len() <= 1 + usize::from(self.victim == Victim::CommandLine), "{:?}: {} runs", self.victim, runs.len());
        let last = runs.pop().unwrap_or_default();
        let lines = |run: &str| run.lines().filter(|it| *it != "end").count();
        let expected = |lines: usize| (0..lines).map(|it| format!("{number}:{it}\n")).collect::<String>() + "end\n";
        let written: usize = fs::read_to_string(volume.join("written")).ok().and_then(|it| it.trim().parse().ok()).unwrap_or(0);
        // What is missing at the end, where nobody saw it, is said to be.
        let is_right = if is_whole && !is_blind {
            last == expected(lines(last)) && lines(last) >= written
        } else {
            expected(lines(last)).starts_with(last) && (is_blind || lines(last) >= written)
        };
        let expected = expected(lines(last));
        let differs = last.bytes().zip(expected.bytes()).position(|(one, other)| one != other);
        assert!(is_right, "{:?}: {} lines of {written}, they differ at {differs:?}", self.victim, lines(last));
        for run in runs {
            let own: String = (0..lines(run)).map(|it| format!("{number}:{it}\n")).collect();
            assert_eq!(run, own + "end\n", "{:?}: an earlier run", self.victim);
        }
        self.figures.lines += lines(&log);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Descriptors of guardian and shims: how many of each kind.
fn descriptors(machine: &Machine) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for verb in ["__guard", "__shim"] {
        let folders = machine.lookers(verb).into_iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok());
        for entry in folders.flatten().flatten() {
            let Ok(path) = fs::read_link(entry.path()) else { continue };
            // Sockets have a number, and containers an id.
            let name = path.file_name().unwrap_or_default().to_string_lossy().split(":[").next().unwrap().to_owned();
            *all.entry(format!("{verb} {name}")).or_default() += 1;
        }
    }
    all
}

fn campaign(victim: Victim, kills: u32) {
    let Some(mut machine) = Machine::new("kills", 96, PROJECT) else {
        return;
    };
    for (key, value) in [("ROUND", "0"), ("LEAST", "1"), ("SHORT", "1"), ("CODE", "0")] {
        machine.variable(key, value);
    }
    // What an engine makes once and keeps is there from then on.
    machine.ok(&["up", "-d"]);
    machine.ok(&["down", "-t", "1", "-v"]);
    wait_for("the guardian has left", || machine.lookers("__guard").is_empty().then_some(()));
    let before = Census::take(&machine);
    machine.ok(&["up", "-d"]);
    wait_for("the writer has ended", || (machine.lookers("__shim").len() == 3).then_some(()));
    let open = wait_for("connections are closed", || {
        let all = descriptors(&machine);
        std::thread::sleep(Duration::from_millis(500));
        (descriptors(&machine) == all).then_some(all)
    });
    let mut campaign = Campaign { machine, victim, chance: Chance::new(victim as u64), figures: Figures::default() };
    for number in 1..=kills {
        campaign.round(number);
    }
    let Campaign { machine, figures, .. } = campaign;
    let until = Instant::now() + Duration::from_secs(10);
    while descriptors(&machine) != open {
        let now = descriptors(&machine);
        let others: Vec<_> = now.iter().filter(|(name, count)| open.get(*name) != Some(count)).collect();
        assert!(Instant::now() < until, "{victim:?}: other descriptors than before: {others:?} of {open:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    machine.ok(&["down", "-t", "1", "-v"]);
    before.assert_again(&machine);
    let Figures { kills, midway, lines, unknown, longest } = figures;
    println!("{victim:?} killed {kills} times, {midway} midway: {lines} lines in order, {unknown} statuses unknown and none wrong");
    println!("  everything as before within {longest:?}, nothing left");
}

#[test]
fn whoever_is_killed_nothing_is_lost() {
    for victim in [Victim::CommandLine, Victim::Shim, Victim::Guardian, Victim::First, Victim::ShimAndGuardian] {
        campaign(victim, 1);
    }
}

#[test]
fn a_shim_that_is_replaced_and_an_end_that_is_not_yet_written_are_waited_for() {
    let service = "services: {a: {image: 'rcompose-test/shell:1', command: sleep 1000, init: true, stop_grace_period: 1s}}";
    let Some(machine) = Machine::new("ends", 96, service) else { return };
    machine.ok(&["up", "-d"]);
    let signal = |pid, signal| kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    let guardian = machine.lookers("__guard").pop_first().unwrap();
    let first = machine.lookers("__shim");
    // Its next shim comes once the guardian sees that it is gone.
    signal(guardian, Signal::STOP);
    first.iter().copied().for_each(kill);
    let mut exec = machine.command(&["exec", "-T", "a", "true"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(guardian, Signal::CONT);
    assert!(exec.wait().unwrap().success());
    // The container's process is the guardian's child now, which cannot leave it there until its end is written.
    let shim = wait_for("another shim is there", || machine.lookers("__shim").difference(&first).next().copied());
    signal(shim, Signal::STOP);
    let (pid, _) = machine.firsts().into_values().next().unwrap();
    kill(pid);
    wait_for("it is gone", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    let mut ps = machine.command(&["ps", "-a", "--format", "{{.State}} {{.ExitCode}}"]);
    let ps = ps.stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(shim, Signal::CONT);
    assert_eq!(String::from_utf8_lossy(&ps.wait_with_output().unwrap().stdout), "exited 137\n");
    machine.ok(&["down", "-t", "1"]);
}

fn long_campaign(victim: Victim) {
    campaign(victim, std::env::var("RCOMPOSE_SOAK_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(20));
}

#[test]
#[ignore = "campaign: a minute"]
fn campaign_of_killed_command_lines() {
    long_campaign(Victim::CommandLine);
}

#[test]
#[ignore = "campaign: a minute"]
fn campaign_of_killed_shims() {
    long_campaign(Victim::Shim);
}

#[test]
#[ignore = "campaign: a minute"]
fn campaign_of_killed_guardians() {
    long_campaign(Victim::Guardian);
}

#[test]
#[ignore = "campaign: a minute"]
fn campaign_of_killed_first_processes() {
    long_campaign(Victim::First);
}

#[test]
#[ignore = "campaign: a minute"]
fn campaign_of_killed_shims_and_guardians() {
    long_campaign(Victim::ShimAndGuardian);
}

/// What a command line that finds the guardian stopped does: answers, or says so.
fn stopped(length: Duration) {
    let Some(mut machine) = Machine::new("stopped", 96, PROJECT) else {
        return;
    };
    for (key, value) in [("ROUND", "0"), ("LEAST", "1"), ("SHORT", "1"), ("CODE", "3")] {
        machine.variable(key, value);
    }
    machine.ok(&["up", "-d"]);
    let guardian = Pid::from_raw(*machine.lookers("__guard").first().unwrap()).unwrap();
    kill_process(guardian, Signal::STOP).unwrap();
    let began = Instant::now();
    let (mut answers, mut errors, mut longest) = (0, 0, Duration::ZERO);
    let all: [&[&str]; 8] = [
        &["ps"],
        &["logs", "writer"],
        &["exec", "-T", "db", "echo", "hi"],
        &["plan"],
        &["up", "-d"],
        &["restart", "-t", "1", "web"],
        &["up", "-d", "--force-recreate", "writer"],
        &["down", "-t", "1"],
    ];
    // The short form is of those that ask the guardian nothing, and of one that does.
    let all = if length < Duration::from_secs(10) {
        [0, 2, 6].map(|it| all[it]).to_vec()
    } else {
        all.to_vec()
    };
    let last = all.len() - 1;
    for (number, words) in all.iter().enumerate().cycle() {
        let asked = Instant::now();
        let said = machine.run_within(words, Duration::from_secs(10));
        longest = longest.max(asked.elapsed());
        // That there is something to do is an answer of `plan`.
        if said.status.success() || (words[0] == "plan" && said.status.code() == Some(2)) {
            answers += 1;
        } else {
            errors += 1;
            // A `down` before it may have come as far as that.
            let is_going = said.err.contains("is removing");
            assert!(
                is_going || (said.err.contains("stopped") && said.err.contains("guardian")),
                "{words:?} does not say why: {}",
                said.err
            );
        }
        if began.elapsed() > length && number == last {
            break;
        }
    }
    assert!(answers > 0, "nobody can look at what is there");
    kill_process(guardian, Signal::CONT).unwrap();
    let said = machine.run(&["up", "-d", "db", "web"]);
    assert!(said.status.success(), "after SIGCONT: {}", said.err);
    assert_eq!(machine.run(&["plan", "db", "web"]).status.code(), Some(0));
    wait_for("it serves", || get(8080));
    let told = machine.ok(&["exec", "-T", "db", "nslookup", "web"]);
    assert_eq!(told.lines().skip(2).filter(|it| it.starts_with("Address")).count(), 2, "{told}");
    machine.ok(&["down", "-t", "1", "-v"]);
    println!(
        "a guardian that stood still for {:?}: {answers} answers, {errors} errors that name it, within {longest:?} each",
        began.elapsed()
    );
}

#[test]
fn a_guardian_that_stands_still_is_named_and_all_is_well_when_it_goes_on() {
    stopped(Duration::from_secs(1));
}

#[test]
#[ignore = "campaign: a minute and a half"]
fn campaign_of_a_guardian_that_stands_still() {
    stopped(Duration::from_secs(60));
}
