//! Attached `up`, `run` and `exec`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use crate::stage::{Stage, text, until};

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn ctrl_c_stops_what_up_is_attached_to() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    let mut child = stage.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello = lines.by_ref().map_while(Result::ok).find(|line| line.contains("hello from web"));
    assert!(hello.is_some_and(|line| line.starts_with("web-1")), "the log has its prefix");
    interrupt(&child);
    // Drained, so that nothing blocks the end.
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stage.containers().iter().all(|(_, state)| state == "exited"), "{:?}", stage.containers());
}

#[test]
fn down_works_while_up_is_attached() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    let mut child = stage.command(&["up"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("both run", || stage.containers().iter().filter(|(_, state)| state == "running").count() == 2);
    stage.ok(&["down"]);
    stage.assert_gone();
    until("up has ended", || child.try_wait().unwrap().is_some());
}

#[test]
fn run_passes_input_output_and_status_on() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    let mut child = stage
        .command(&["run", "--rm", "-T", "-i", "--no-deps", "web", "sh", "-c", "cat; echo error >&2; exit 7"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"through the pipe\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "through the pipe\n");
    assert!(text(&output.stderr).contains("error\n"), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(stage.containers(), [], "--rm leaves nothing");
}

#[test]
fn exec_passes_the_status_on() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.run(&["exec", "-T", "web", "sh", "-c", "exit 5"]).status.code(), Some(5));
    assert_eq!(stage.ok(&["exec", "-T", "-e", "A=b c", "-w", "/tmp", "web", "sh", "-c", "echo $A; pwd"]), "b c\n/tmp\n");
}

#[test]
fn up_ends_with_the_status_of_a_service() {
    let Some(mut stage) = Stage::set("conditions") else { return };
    stage.variable("JOB", "4");
    let output = stage.run(&["up", "--exit-code-from", "job", "job"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
}
