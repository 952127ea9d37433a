//! Options that are honoured, warned of, or refused by name.

use crate::ground::Ground;
use crate::project::Project;

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
