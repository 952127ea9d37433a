//! Options that are honoured, warned of, or refused by name.

use std::time::{Duration, Instant};

use crate::ground::Ground;
use crate::project::{Project, until};

const LOGGING: &str = "
services:
  web:
    image: rcompose-test/shell:1
    command: sleep 1000
    init: true
    deploy: {replicas: 2}
    logging: LOGGING
";

#[test]
fn an_option_of_logging_that_does_nothing_is_said_once() {
    let Some(ground) = Ground::new() else { return };
    let options = "{driver: json-file, options: {max-size: 1m, max-file: '2', compress: 'true', tag: x}}";
    let project = Project::new(&ground, "logging", &LOGGING.replace("LOGGING", options));
    let said = |words: &[&str]| {
        let output = project.command(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let first = said(&["up", "-d"]);
    for option in ["compress", "tag"] {
        assert_eq!(first.matches(&format!("`logging.options.{option}` of service web")).count(), 1, "{first}");
    }
    assert!(!first.contains("max-size") && !first.contains("max-file"), "{first}");
    assert!(!said(&["up", "-d"]).contains("logging.options"), "said again where nothing is made");
    project.ok(&["down", "-t", "0"]);
}

#[test]
fn what_logging_cannot_do_is_refused_before_a_container_is_there() {
    let Some(ground) = Ground::new() else { return };
    let cases = [
        ("{driver: syslog}", "service web: logging.driver: `syslog`"),
        ("{options: {syslog-address: x}}", "service web: logging.options.syslog-address"),
        ("{options: {max-size: 1x}}", "service web: logging.options.max-size: `1x`"),
    ];
    for (number, (options, words)) in cases.iter().enumerate() {
        let project = Project::new(&ground, &format!("refused{number}"), &LOGGING.replace("LOGGING", options));
        let output = project.command(&["up", "-d"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{said}");
        assert_eq!(project.ok(&["ps", "-aq"]), "");
    }
}

const PACED: &str = "
services:
  once:
    image: rcompose-test/shell:1
    command: sh -c 'echo run'
    deploy: {restart_policy: {condition: any, delay: 400ms, max_attempts: 2, window: 1m}}
  never:
    image: rcompose-test/shell:1
    command: sh -c 'echo run'
    restart: always
    deploy: {restart_policy: {condition: none, delay: 400ms}}
  failing:
    image: rcompose-test/shell:1
    command: sh -c 'echo run; exit 3'
    deploy: {restart_policy: {condition: on-failure, max_attempts: 1}}
";

#[test]
fn a_restart_policy_has_a_pace_of_its_own() {
    let Some(ground) = Ground::new() else { return };
    let project = Project::new(&ground, "paced", PACED);
    let began = Instant::now();
    let output = project.command(&["up", "-d"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("no effect"), "{said}");
    let runs = |service: &str| project.ok(&["logs", "--no-log-prefix", service]).matches("run").count();
    until("all have ended for good", || project.ok(&["ps", "-a"]).matches("Exited").count() == 3 && runs("once") == 3);
    assert!(began.elapsed() >= Duration::from_millis(800), "400 ms, twice");
    assert_eq!((runs("once"), runs("never"), runs("failing")), (3, 1, 2));
    project.ok(&["down", "-t", "0"]);
}
