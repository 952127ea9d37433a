//! Files of state that are damaged, or that a newer version wrote: it is said, what can be is brought back, and no data is touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{Machine, wait_for};
use crate::project::get;

const PROJECT: &str = "
services:
  web:
    image: rcompose-test/shell:1
    command: sh -c 'mkdir -p /www; echo hello > /www/index.html; echo kept > /data/kept; exec httpd -f -p 80 -h /www'
    stop_grace_period: 0s
    ports: ['127.0.0.1:8080:80']
    volumes: ['data:/data']
volumes: {data: {}}
";

/// Documents of a container, a network and a volume; and the record of a container.
fn files(machine: &Machine) -> [PathBuf; 4] {
    let root = machine.seen(&machine.root());
    let id = fs::read_dir(root.join("containers")).unwrap().next().unwrap().unwrap().path();
    [
        id.join("container.json"),
        root.join(format!("networks/{}_default.json", machine.project)),
        root.join(format!("volumes/{}_data/volume.json", machine.project)),
        id.join("keep/state.json"),
    ]
}

fn up() -> Option<Machine> {
    let machine = Machine::new("damage", 64, PROJECT)?;
    machine.ok(&["up", "-d"]);
    wait_for("it serves", || get(8080));
    Some(machine)
}

fn kept(machine: &Machine) -> String {
    let path = format!("volumes/{}_data/_data/kept", machine.project);
    fs::read_to_string(machine.seen(&machine.root().join(path))).unwrap()
}

fn halve(path: &Path) {
    let text = fs::read(path).unwrap();
    fs::write(path, &text[..text.len().min(text.iter().rposition(|it| *it == b'}').unwrap()) / 2]).unwrap();
}

#[test]
fn a_damaged_file_is_brought_back_and_nobody_is_restarted() {
    let Some(machine) = up() else { return };
    let before = machine.firsts();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("halved", halve),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("zeroed", |path| fs::write(path, [0; 512]).unwrap()),
    ];
    for (number, path) in files(&machine).iter().enumerate() {
        for (how, damage) in damages {
            damage(path);
            let said = machine.run(&["up", "-d"]);
            let what = format!("{} {how}: {}", path.display(), said.err);
            assert!(said.status.success(), "{what}");
            // A record is its shim's, who has it in memory.
            assert!(number == 3 || said.err.contains("was damaged and is brought back"), "{what}");
            assert_eq!(machine.run(&["plan"]).status.code(), Some(0), "{what}");
            assert!(machine.ok(&["ps"]).contains("Up"), "{what}");
            assert_eq!(machine.firsts(), before, "somebody was restarted: {what}");
            wait_for("it serves", || get(8080));
            assert_eq!(kept(&machine), "kept\n", "{what}");
        }
    }
    machine.ok(&["down", "-t", "0"]);
    assert_eq!(kept(&machine), "kept\n");
}

#[test]
fn a_name_that_is_damaged_or_lost_is_the_containers_still() {
    let Some(machine) = up() else { return };
    let before = machine.firsts();
    let name = machine.seen(&machine.root()).join(format!("names/{}-web-1", machine.project));
    let whole = fs::read(&name).unwrap();
    let spare = name.with_file_name("spare");
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 6] = [
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("cut off", |path| fs::write(path, &fs::read(path).unwrap()[..32]).unwrap()),
        ("zeroed", |path| fs::write(path, [0; 64]).unwrap()),
        ("no text", |path| fs::write(path, [0xff, 0xfe, 0]).unwrap()),
        ("lost", |path| fs::remove_file(path).unwrap()),
        ("lost by a rename", |path| fs::rename(path, path.with_file_name("spare")).unwrap()),
    ];
    for (how, damage) in damages {
        damage(&name);
        machine.ok(&["up", "-d"]);
        machine.ok(&["exec", "web", "true"]);
        machine.ok(&["kill", "-s", "WINCH", "web"]);
        assert_eq!(machine.run(&["plan"]).status.code(), Some(0), "{how}");
        assert!(machine.firsts() == before && kept(&machine) == "kept\n", "{how}");
        assert!(!spare.exists(), "{how}");
        fs::write(&name, &whole).unwrap();
        damage(&name);
        let said = machine.run(&["run", "--rm", "--name", &format!("{}-web-1", machine.project), "web", "true"]);
        assert!(!said.status.success(), "{how}: the name was given to another container");
        assert!(machine.firsts() == before && kept(&machine) == "kept\n", "{how}");
        fs::write(&name, &whole).unwrap();
    }
    machine.ok(&["down", "-t", "0"]);
    assert_eq!(kept(&machine), "kept\n");
}

#[test]
fn what_a_newer_version_wrote_is_refused_and_left_alone() {
    let Some(machine) = up() else { return };
    let before = machine.firsts();
    for path in files(&machine) {
        let text = fs::read_to_string(&path).unwrap();
        for newer in [text.replace("\"form\":1", "\"form\":7"), "{\"form\":7,\"wings\":2}".to_owned()] {
            fs::write(&path, &newer).unwrap();
            for words in [&["up", "-d"][..], &["down", "-t", "0"], &["ps"]] {
                let said = machine.run(words);
                assert!(!said.status.success() && said.err.contains("newer rcompose"), "{} {words:?}: {}", path.display(), said.err);
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), newer, "{}", path.display());
        }
        fs::write(&path, text).unwrap();
    }
    assert!(machine.firsts() == before && machine.run(&["plan"]).status.code() == Some(0), "something was changed");
}

#[test]
fn what_nothing_brings_back_is_named_and_no_data_goes() {
    let Some(machine) = up() else { return };
    let before = machine.firsts();
    for path in &files(&machine)[..3] {
        let (text, copy) = (fs::read(path).unwrap(), path.with_extension("copy"));
        let other = fs::read(&copy).unwrap();
        halve(path);
        halve(&copy);
        for words in [&["up", "-d"][..], &["down", "-t", "0", "-v"]] {
            let said = machine.run(words);
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(!said.status.success() && said.err.contains(name) && said.err.contains("damaged"), "{words:?}: {}", said.err);
        }
        assert!(machine.firsts() == before && kept(&machine) == "kept\n", "{}", path.display());
        fs::write(path, text).unwrap();
        fs::write(copy, other).unwrap();
    }
    assert_eq!(machine.run(&["plan"]).status.code(), Some(0));
}

#[test]
fn a_record_that_is_damaged_when_the_machine_starts_again_is_an_end_that_nobody_saw() {
    let Some(mut machine) = up() else { return };
    machine.inside(&["sync"]);
    machine.lose_power_during(&["ps"], std::time::Duration::from_millis(200), || ());
    machine.start();
    halve(&files(&machine)[3]);
    let listed = machine.listed();
    assert!(listed["web-1"]["State"] == "exited" && listed["web-1"]["ExitCode"] == 255, "{listed:?}");
    machine.ok(&["up", "-d"]);
    wait_for("it serves", || get(8080));
    assert_eq!(machine.run(&["plan"]).status.code(), Some(0));
    machine.ok(&["down", "-t", "0", "-v"]);
}
