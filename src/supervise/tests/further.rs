//! Further processes of containers.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rcompose_supervise::{Exec, Execution, Exit, Stream, User};

use crate::bundle;
use crate::rig::{LONG, Rig, kill, until};
use crate::told::told;

fn rig(script: &str) -> Option<Rig> {
    if let Some(reason) = bundle::missing() {
        println!("left out: {reason}");
        return None;
    }
    let rig = Rig::with(Path::new(env!("CARGO_BIN_EXE_oci-supervisor")));
    rig.run("a", &bundle::task(&rig, "a", script, false));
    Some(rig)
}

const IDLE: &str = "echo ready; trap 'exit 9' TERM; while :; do sleep 0.05; done";

fn sh(script: &str) -> Exec {
    Exec { args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), ..Exec::default() }
}

fn read(from: &mut Option<OwnedFd>) -> String {
    let mut text = String::new();
    File::from(from.take().unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn exit(execution: &mut Execution) -> Exit {
    execution.wait(Some(LONG)).unwrap().unwrap()
}

fn stop(rig: &Rig) {
    rig.client.control("a").unwrap().stop(None, Some(Duration::from_millis(500))).unwrap();
    rig.end("a");
    rig.settle();
    assert!(bundle::groups(rig, "a").is_empty());
}

#[test]
fn its_streams_are_apart_and_its_status_is_known() {
    let Some(rig) = rig(IDLE) else { return };
    let mut exec = sh("read line; echo got $line $A; echo bad >&2; readlink /proc/self; pwd; ls /proc/self/fd | wc -l; exit 7");
    std::os::unix::fs::symlink("busybox", rig.folder.path().join("bundles/a/rootfs/bin/wc")).unwrap();
    (exec.stdin, exec.env, exec.cwd) = (true, vec!["A=1".to_owned()], Some("/bin".into()));
    let mut one = rig.client.exec("a", &exec).unwrap();
    File::from(one.input.take().unwrap()).write_all(b"typed\n").unwrap();
    assert_eq!(exit(&mut one), Exit::Code(7));
    let out = read(&mut one.output);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines[0], lines[2], read(&mut one.error).as_str()), ("got typed 1", "/bin", "bad\n"));
    assert!(
        lines[1].parse::<u32>().is_ok_and(|it| it > 1) && lines[3] == "4",
        "three streams, and the folder that ls reads: {out}"
    );
    let user = Some(User { uid: 1000, gid: 1001, groups: vec![] });
    // Also one who is not root opens the stream by its name.
    let mut other = rig
        .client
        .exec("a", &Exec { user, ..sh("echo by name >/proc/self/fd/1; echo $UID; exit 0") })
        .unwrap();
    assert_eq!(exit(&mut other), Exit::Code(0));
    assert!(read(&mut other.output).starts_with("by name\n"));
    let mut killed = rig.client.exec("a", &sh("kill -9 $$")).unwrap();
    assert_eq!(exit(&mut killed), Exit::Signal(9));
    assert_eq!(killed.wait(Some(LONG)).unwrap(), Some(Exit::Signal(9)), "asked again");
    let told = told(&rig);
    assert_eq!(told.iter().filter(|it| it.starts_with("a exec_start /bin/sh -c")).count(), 3, "{told:?}");
    assert_eq!(told[told.len() - 1], "a exec_die Some(137)");
    assert_eq!(rig.text("a", Stream::Out), "ready\n", "nothing of it is the container's own output");
    stop(&rig);
}

#[test]
fn it_has_a_terminal_of_the_size_that_is_wanted() {
    let Some(rig) = rig(IDLE) else { return };
    let exec = Exec {
        tty: true,
        size: Some((30, 90)),
        ..sh("tty; stty size; read line; stty size; echo got $line; exit 4")
    };
    let mut one = rig.client.exec("a", &exec).unwrap();
    let mut terminal = File::from(one.terminal.as_ref().unwrap().try_clone().unwrap());
    let (mut seen, mut buffer) = (String::new(), [0; 512]);
    while !seen.contains("30 90") {
        let length = terminal.read(&mut buffer).unwrap();
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(seen.contains("/dev/pts/"), "{seen:?}");
    one.resize(20, 70).unwrap();
    terminal.write_all(b"typed\n").unwrap();
    assert_eq!(exit(&mut one), Exit::Code(4));
    while let Ok(length @ 1..) = terminal.read(&mut buffer) {
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(seen.contains("20 70\r\ngot typed\r\n"), "{seen:?}");
    stop(&rig);
}

#[test]
fn what_cannot_be_run_says_so() {
    let Some(rig) = rig(IDLE) else { return };
    let refused = |exec: &Exec| rig.client.exec("a", exec).unwrap_err().to_string();
    let none = refused(&Exec { args: vec!["nowhere".to_owned()], ..Exec::default() });
    assert!(none.contains("executable file not found in $PATH"), "{none}");
    assert_eq!(Exit::NotStarted(none).status(), Some(127));
    let folder = refused(&Exec { args: vec!["/bin".to_owned()], ..Exec::default() });
    assert_eq!(Exit::NotStarted(folder.clone()).status(), Some(126), "{folder}");
    assert!(refused(&Exec::default()).contains("process.args"));
    rig.client.control("a").unwrap().pause().unwrap();
    assert!(refused(&sh("true")).contains("paused"));
    rig.client.control("a").unwrap().unpause().unwrap();
    stop(&rig);
    assert!(rig.client.exec("a", &sh("true")).is_err());
}

#[test]
fn a_detached_one_outlives_its_caller_and_ends_with_its_container() {
    let Some(rig) = rig(IDLE) else { return };
    let mut one = rig
        .client
        .exec("a", &Exec { detach: true, ..sh("echo unheard; sleep 0.2; echo done >/proc/1/fd/1; exit 3") })
        .unwrap();
    assert!(one.output.is_none() && one.wait(Some(Duration::ZERO)).unwrap().is_none());
    until("it is done", || rig.text("a", Stream::Out) == "ready\ndone\n");
    assert_eq!(exit(&mut one), Exit::Code(3));
    let mut last = rig.client.exec("a", &Exec { detach: true, ..sh("sleep 1000") }).unwrap();
    stop(&rig);
    assert_eq!(exit(&mut last), Exit::Signal(9));
}

#[test]
fn it_goes_on_when_its_shim_is_killed() {
    let Some(rig) = rig(IDLE) else { return };
    let begin = || {
        rig.client
            .exec("a", &Exec { stdin: true, ..sh("echo one; read line; echo $line; exit 6") })
            .unwrap()
    };
    let mut one = begin();
    let mut ended = rig.client.exec("a", &Exec { stdin: true, ..sh("read line; exit 5") }).unwrap();
    let mut both = begin();
    let shim = rig.shim("a").unwrap();
    kill(shim);
    // Ends while nobody looks after it.
    drop(ended.input.take());
    File::from(one.input.take().unwrap()).write_all(b"two\n").unwrap();
    assert_eq!((exit(&mut one), read(&mut one.output).as_str()), (Exit::Code(6), "one\ntwo\n"));
    assert_eq!(exit(&mut ended), Exit::Code(5), "the guardian knows it, or the kernel");
    rig.guardian().into_iter().for_each(kill);
    rig.shim("a").into_iter().for_each(kill);
    rig.client.census().unwrap();
    until("a shim answers", || rig.client.control("a").is_ok());
    File::from(both.input.take().unwrap()).write_all(b"two\n").unwrap();
    assert!(matches!(exit(&mut both), Exit::Code(6) | Exit::Unknown));
    assert_eq!(read(&mut both.output), "one\ntwo\n");
    stop(&rig);
}

#[test]
fn a_paused_container_does_not_keep_its_shim_waiting() {
    let Some(rig) = rig(IDLE) else { return };
    let groups = bundle::groups(&rig, "a");
    // Frozen by another, so that the shim does not know: what enters stops there.
    let freezer = groups.iter().find_map(|it| {
        let (v1, v2) = (it.join("freezer.state"), it.join("cgroup.freeze"));
        if v1.exists() {
            Some((v1, "FROZEN", "THAWED"))
        } else {
            v2.exists().then_some((v2, "1", "0"))
        }
    });
    let Some((file, frozen, thawed)) = freezer else { return };
    std::fs::write(&file, frozen).unwrap();
    let client = rig.client.clone();
    let waiting = std::thread::spawn(move || client.exec("a", &sh("exit 2")).map(|mut it| it.wait(Some(LONG))));
    std::thread::sleep(Duration::from_millis(100));
    assert!(rig.client.control("a").unwrap().status().is_ok(), "the shim answers");
    std::fs::write(&file, thawed).unwrap();
    // The runtime refuses it as paused, or it was let in before and ends.
    assert!(waiting.join().unwrap().is_ok_and(|it| it.unwrap() == Some(Exit::Code(2))) || rig.client.exec("a", &sh("true")).is_ok());
    stop(&rig);
}
