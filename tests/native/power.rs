//! Loss of power at random moments of `up`, `down` and all in between: the disk stops taking anything, its journal included, every process
//! is gone, and the machine starts again with what is on the disk.
//!
//! `RCOMPOSE_SOAK_POINTS` sets how many moments there are in the campaign, `RCOMPOSE_SOAK_SEED` repeats one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::chance::Chance;
use crate::leaks::Census;
use crate::machine::{Machine, wait_for};

const PROJECT: &str = "
services:
  db:
    image: rcompose-test/shell:1
    command:
      - sh
      - -c
      - |
        # Goes on behind what was told: a file that was only begun has a name, too.
        n=$$(cat /told/last 2>/dev/null || echo 0)
        while :; do
          n=$$((n+1))
          echo value-$$n | dd of=/data/$$n conv=fsync 2>/dev/null && echo $$n > /told/new && mv /told/new /told/last
          sleep 0.05
        done
    restart: always
    environment: {VALUE: '$VALUE'}
    stop_grace_period: 0s
    volumes: ['data:/data', 'TOLD:/told']
    healthcheck: {test: [CMD, 'true'], interval: 1s, start_interval: 100ms, start_period: 10s}
  web:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 80 -h /www'
    restart: unless-stopped
    stop_grace_period: 0s
    ports: ['127.0.0.1:8080:80']
    deploy: {replicas: 2}
    depends_on: {db: {condition: service_healthy}}
  copied:
    image: rcompose-test/shell:1
    command: sleep 1000000
    stop_grace_period: 0s
    volumes: ['programs:/bin']
  job:
    image: rcompose-test/shell:1
    command: sh -c 'exit 7'
volumes:
  data: {}
  programs: {name: '${COMPOSE_PROJECT_NAME}_programs_$EPOCH'}
";

/// What is done when the power goes.
const DOINGS: [&[&str]; 9] = [
    &["up", "-d"],
    &["up", "-d", "--scale", "web=3"],
    &["up", "-d", "--scale", "web=1"],
    &["up", "-d", "--force-recreate"],
    &["down", "-t", "0"],
    &["stop", "-t", "0"],
    &["restart", "-t", "0"],
    &["rm", "-sf", "web"],
    &["down", "-t", "0"],
];

#[derive(Debug, Default)]
struct Figures {
    points: u32,
    /// Moments when the command was still at it.
    midway: u32,
    documents: usize,
    values: usize,
    unknown: usize,
}

struct Campaign {
    machine: Machine,
    told: tempfile::TempDir,
    figures: Figures,
}

impl Campaign {
    fn point(&mut self, number: u32, chance: &mut Chance) {
        let machine = &mut self.machine;
        machine.variable("VALUE", &(number / 2).to_string());
        machine.variable("EPOCH", &(number / 3).to_string());
        let doing = DOINGS[usize::try_from(chance.below(DOINGS.len() as u64)).unwrap()];
        let moment = chance.moment(450);
        let told = self.told.path().join("last");
        let mut last = 0;
        let read = || fs::read_to_string(&told).ok().and_then(|it| it.trim().parse().ok());
        let is_midway = machine.lose_power_during(doing, moment, || last = read().unwrap_or_default());
        // A file system that is shut down lets fsync(2) succeed that it is in the midst of: what was told meanwhile is not known to be there, and is
        // written again.
        fs::write(&told, last.to_string()).unwrap();
        self.figures.points += 1;
        self.figures.midway += u32::from(is_midway);
        machine.start();
        let what = format!("point {number}, {doing:?} after {moment:?}");
        self.figures.documents += documents(&machine.seen(&machine.root()), &what);
        self.figures.values += self.check_values(last, &what);
        let machine = &self.machine;
        for (name, it) in machine.listed() {
            let state = it["State"].as_str().unwrap();
            assert_ne!(state, "running", "{what}: {name} runs without power");
            // None of them ends by itself with 0.
            assert!(state != "exited" || it["ExitCode"] != 0, "{what}: {name} is said to have succeeded");
            self.figures.unknown += usize::from(it["ExitCode"] == 255);
        }
        let said = machine.run(&["up", "-d"]);
        assert!(said.status.success(), "{what}: {}", said.err);
        let plan = machine.run(&["plan", "db", "web", "copied"]);
        assert_eq!(plan.status.code(), Some(0), "{what}: {}{}", plan.out, plan.err);
        assert_whole(machine, &what);
    }

    /// What a container was told to be on the disk is there.
    fn check_values(&self, last: usize, what: &str) -> usize {
        let machine = &self.machine;
        let folder = machine.seen(&machine.root().join(format!("volumes/{}_data/_data", machine.project)));
        for number in 1..=last {
            let text = fs::read_to_string(folder.join(number.to_string()));
            assert_eq!(text.unwrap_or_default(), format!("value-{number}\n"), "{what}: lost from a volume");
        }
        last
    }
}

/// Reads every document there is; each must be whole. Returns how many.
fn documents(root: &Path, what: &str) -> usize {
    let mut count = 0;
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            // What belongs to containers, and what is made anew for each start.
            let is_other = ["_data", "upper", "work", "layers", "bundle", "run"].contains(&name.as_str());
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                folders.extend(Some(path).filter(|_| !is_other));
            } else if name.ends_with(".json") {
                let text = fs::read(&path).unwrap();
                let read: Result<Value, _> = serde_json::from_slice(&text);
                assert!(read.is_ok(), "{what}: {} is torn: {:?}", path.display(), String::from_utf8_lossy(&text));
                count += 1;
            } else if folder.ends_with("names") {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(text.len(), 64, "{what}: {} is torn: {text:?}", path.display());
                count += 1;
            }
        }
    }
    count
}

fn campaign(points: u32) {
    let told = tempfile::tempdir().unwrap();
    let text = PROJECT.replace("TOLD", told.path().to_str().unwrap());
    let Some(mut machine) = Machine::new("power", 1024, &text) else {
        return;
    };
    for key in ["VALUE", "EPOCH"] {
        machine.variable(key, "0");
    }
    // What an engine makes once and keeps is there from then on.
    machine.ok(&["up", "-d"]);
    machine.ok(&["down", "-t", "0", "-v"]);
    wait_for("the guardian has left", || machine.lookers("__guard").is_empty().then_some(()));
    let _ = fs::remove_file(told.path().join("last"));
    let before = Census::take(&machine);
    let mut chance = Chance::new(7);
    let mut campaign = Campaign { machine, told, figures: Figures::default() };
    for number in 0..points {
        campaign.point(number, &mut chance);
    }
    let Campaign { mut machine, figures, told: _told } = campaign;
    for epoch in 0..=points / 3 {
        machine.variable("EPOCH", &epoch.to_string());
        machine.ok(&["down", "-t", "0", "-v"]);
    }
    before.assert_again(&machine);
    let Figures { points, midway, documents, values, unknown } = figures;
    println!(
        "{points} losses of power, {midway} midway: {documents} documents read and none torn, {values} values looked for and none lost,"
    );
    println!("  {unknown} statuses unknown and none 0, every next `up` converged, nothing left");
}

#[test]
fn a_loss_of_power_finds_the_old_state_or_the_new() {
    campaign(3);
}

#[test]
#[ignore = "campaign: some ten minutes"]
fn campaign_of_power() {
    campaign(std::env::var("RCOMPOSE_SOAK_POINTS").ok().and_then(|it| it.parse().ok()).unwrap_or(100));
}

#[test]
fn what_an_image_brings_into_a_volume_outlasts_a_loss_of_power() {
    let Some(mut machine) = Machine::new("copied", 256, &PROJECT.replace("TOLD", "/tmp")) else {
        return;
    };
    machine.variable("VALUE", "0");
    for (number, moment) in [50, 150, 1000].into_iter().enumerate() {
        machine.variable("EPOCH", &number.to_string());
        machine.lose_power_during(&["up", "-d", "copied"], Duration::from_millis(moment), || ());
        machine.start();
        machine.ok(&["up", "-d", "copied"]);
        assert_whole(&machine, &format!("power lost after {moment} ms"));
    }
}

fn assert_whole(machine: &Machine, what: &str) {
    let names = machine.ok(&["exec", "-T", "copied", "sh", "-c", "ls /bin | wc -l; cat /bin/busybox | wc -c"]);
    let whole = fs::metadata("/bin/busybox").unwrap().len();
    assert!(names.ends_with(&format!("\n{whole}\n")), "{what}: the image's content in the volume is not whole: {names}");
}
