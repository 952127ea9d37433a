//! Commands that run after a container has started, and before it is stopped.

use crate::ground::Ground;
use crate::project::Project;

const HOOKS: &str = "
services:
  web:
    image: rcompose-test/shell:1
    command: sleep 1000
    user: user
    init: true
    environment: {WHO: web}
    volumes: ['FOLDER:/log']
    post_start:
      - {command: [sh, -c, 'echo post $$WHO $$(id -u) >> /log/said'], user: root}
    pre_stop:
      - {command: [sh, -c, 'echo pre $$WHO $$(pwd) >> /log/said'], user: root, working_dir: /tmp, environment: {WHO: hook}}
";

#[test]
fn hooks_run_with_every_verb_that_starts_or_stops() {
    let Some(ground) = Ground::new() else { return };
    let log = ground.folder.path().join("log");
    std::fs::create_dir(&log).unwrap();
    let project = Project::new(&ground, "hooks", &HOOKS.replace("FOLDER", log.to_str().unwrap()));
    let post = "post web 0\n";
    let pre = "pre hook /tmp\n";
    let steps: [(&[&str], String); 7] = [
        (&["up", "-d"], post.to_owned()),
        (&["restart", "-t", "1"], format!("{pre}{post}")),
        (&["stop", "-t", "1"], pre.to_owned()),
        (&["start"], post.to_owned()),
        (&["up", "-d", "-t", "1", "--force-recreate"], format!("{pre}{post}")),
        // Killed, it is not asked.
        (&["kill"], String::new()),
        (&["down", "-t", "1"], String::new()),
    ];
    for (words, expected) in steps {
        project.ok(words);
        let said = std::fs::read_to_string(log.join("said")).unwrap_or_default();
        assert_eq!(said, expected, "{words:?}");
        let _ = std::fs::remove_file(log.join("said"));
    }
    project.ok(&["up", "-d"]);
    std::fs::remove_file(log.join("said")).unwrap();
    project.ok(&["down", "-t", "1"]);
    assert_eq!(std::fs::read_to_string(log.join("said")).unwrap(), pre, "down");
}
