//! `up`, `plan`, `up` again, change, `down`.

use crate::stage::Stage;

#[test]
fn up_down_and_what_stays() {
    let Some(mut stage) = Stage::set("lifecycle") else { return };
    assert_eq!(stage.plan().0, Some(2));
    stage.ok(&["up", "-d", "--wait"]);
    let running = |name: &str| (name.to_owned(), "running".to_owned());
    assert_eq!(stage.containers(), [running("db-1"), running("web-1")]);
    let labels = stage.inspect("web-1")["Config"]["Labels"].clone();
    assert_eq!(labels["com.docker.compose.service"], "web");
    assert_eq!(labels["com.docker.compose.depends_on"], "db:service_started:false");
    assert_eq!(labels["com.docker.compose.config-hash"].as_str().map(str::len), Some(64));

    let (status, text) = stage.plan();
    assert_eq!(status, Some(0), "{text}");
    let before = stage.inspect("web-1")["Id"].clone();
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.inspect("web-1")["Id"], before, "up again recreates nothing");

    stage.ok(&["exec", "-T", "web", "sh", "-c", "echo kept > /data/file"]);
    stage.variable("DEBUG", "1");
    let (status, text) = stage.plan();
    assert_eq!(status, Some(2));
    assert!(text.contains("environment.DEBUG: 0 → 1"), "{text}");
    let db = stage.inspect("db-1")["Id"].clone();
    stage.ok(&["up", "-d"]);
    assert_ne!(stage.inspect("web-1")["Id"], before, "a changed variable recreates");
    assert_eq!(stage.inspect("db-1")["Id"], db, "what did not change stays");
    assert_eq!(stage.plan().0, Some(0));

    stage.ok(&["down"]);
    stage.assert_gone();
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.ok(&["exec", "-T", "web", "cat", "/data/file"]), "kept\n");
    stage.ok(&["down", "-v"]);
    stage.assert_gone();
    assert!(stage.engine.list("volumes", &stage.project).is_empty());
}

#[test]
fn stop_start_restart_kill_and_rm() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    stage.ok(&["up", "-d"]);
    let states = |stage: &Stage| stage.containers().into_iter().map(|(_, state)| state).collect::<Vec<_>>();
    stage.ok(&["stop", "web"]);
    assert_eq!(states(&stage), ["running", "exited"]);
    stage.ok(&["start"]);
    assert_eq!(states(&stage), ["running", "running"]);
    let started = |stage: &Stage| stage.inspect("web-1")["State"]["StartedAt"].clone();
    let before = started(&stage);
    stage.ok(&["restart", "web"]);
    assert_ne!(started(&stage), before);
    stage.ok(&["kill", "-s", "KILL", "web"]);
    crate::stage::until("web is dead", || states(&stage) == ["running", "exited"]);
    assert_eq!(stage.inspect("web-1")["State"]["ExitCode"], 137);
    stage.ok(&["rm", "-f", "web"]);
    assert_eq!(states(&stage), ["running"]);
}

#[test]
fn what_docker_compose_reads_in_ps_is_there() {
    let Some(stage) = Stage::set("lifecycle") else { return };
    stage.ok(&["up", "-d", "--wait"]);
    let lines = stage.ok(&["ps", "--format", "json"]);
    let rows: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["Service"], "db");
    assert_eq!(rows[0]["State"], "running");
    assert_eq!(rows[0]["Health"], "healthy");
    assert_eq!(stage.ok(&["ps", "--services"]), "db\nweb\n");
    let logs = stage.ok(&["logs", "--no-color", "web"]);
    assert!(logs.contains("web-1  | hello from web"), "{logs}");
    assert!(logs.contains("web-1  | trouble in web"), "standard error is in the pipe as well: {logs}");
    assert_eq!(
        stage.run(&["logs", "--index", "2", "web"]).status.code(),
        Some(1),
        "a container that is not there is no success"
    );
}

#[test]
fn scale_keeps_the_lowest_numbers() {
    let Some(stage) = Stage::set("many") else { return };
    stage.ok(&["up", "-d", "--scale", "c=3", "a", "c"]);
    let names = |stage: &Stage| stage.containers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&stage), ["a-1", "c-1", "c-2", "c-3"]);
    stage.ok(&["up", "-d", "--scale", "c=1", "-t", "0", "a", "c"]);
    assert_eq!(names(&stage), ["a-1", "c-1"]);
}

#[test]
fn a_borrower_follows_its_lender() {
    let Some(mut stage) = Stage::set("borrowed") else { return };
    stage.ok(&["up", "-d"]);
    assert_eq!(stage.plan().0, Some(0), "the hash that refers to a container's id is the one that was written");
    let before = stage.inspect("app-1")["Id"].clone();
    stage.variable("VALUE", "2");
    stage.ok(&["up", "-d", "-t", "1"]);
    assert_ne!(stage.inspect("app-1")["Id"], before);
    assert_eq!(stage.plan().0, Some(0));
    assert_eq!(stage.inspect("app-1")["State"]["Running"], true);
}
