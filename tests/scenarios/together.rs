//! Several invocations on one project at the same time.

use std::process::Stdio;

use crate::stage::{Stage, text};

#[test]
fn ten_at_once_wait_for_each_other() {
    let Some(stage) = Stage::set("many") else { return };
    let children: Vec<_> = (0..10)
        .map(|index| {
            let verb: &[&str] = if index % 2 == 0 { &["up", "-d", "-t", "0"] } else { &["down", "-t", "0"] };
            stage.command(verb).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let count = stage.containers().len();
    assert!(count == 0 || count == 6, "one consistent end, not {:?}", stage.containers());
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.plan().0, Some(0));
}
