//! Logs, attach, exec, events.

use std::time::Duration;

use futures::StreamExt;
use rcompose_engine_adapter::{
    Attach, ContainerName, EngineEvent, ErrorKind, EventAction, EventSubject, Exec, LogOptions, Scope, Span, TerminalSize,
};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::site::{Ran, fails, shell_exec, words};
use super::{Broken, Case, Site, Verdict, case, ensure};

pub(super) fn cases() -> Vec<Case> {
    case![
        logs_keep_lines_and_streams_apart,
        logs_have_a_tail,
        logs_follow_until_the_end,
        attach_sees_a_process_from_its_start,
        attach_carries_standard_input,
        exec_has_output_and_status,
        exec_has_its_own_surroundings,
        exec_carries_standard_input,
        exec_with_a_terminal_has_one_output,
        exec_detached,
        exec_needs_a_running_container,
        processes_are_listed,
        usage_is_measured,
        events_tell_a_life,
        events_of_before_are_told_again,
    ]
}

async fn logs_keep_lines_and_streams_apart(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "echo one; echo two >&2; sleep 0.1; echo three")).await?;
    site.wait(&name).await?;
    let lines = site.log_lines(&name, LogOptions::default()).await?;
    let texts = |stderr: bool| -> Vec<String> {
        lines
            .iter()
            .filter(|it| it.stderr == stderr)
            .map(|it| String::from_utf8_lossy(&it.line).into_owned())
            .collect()
    };
    ensure!(texts(false) == ["one", "three"] && texts(true) == ["two"], "the lines are {lines:?}");
    let stamps: Vec<&str> = lines.iter().map(|it| it.timestamp.as_str()).collect();
    ensure!(stamps.iter().all(|it| it.contains('T') && it.contains('.')), "the times are {stamps:?}");
    fails(
        site.streams
            .logs(&site.name("never"), &LogOptions::default())
            .next()
            .await
            .unwrap_or_else(|| Err(rcompose_engine_adapter::EngineError::new(ErrorKind::Other, "the log of nothing is empty"))),
        ErrorKind::NotFound,
        "the log of nothing",
    )?;
    Ok(())
}

async fn logs_have_a_tail(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "seq 20")).await?;
    site.wait(&name).await?;
    let lines = site.logs(&name, LogOptions { tail: Some(3), ..LogOptions::default() }).await?;
    let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
    ensure!(texts == ["18", "19", "20"], "the last three lines are {texts:?}");
    let none = site.logs(&name, LogOptions { tail: Some(0), ..LogOptions::default() }).await?;
    ensure!(none.is_empty(), "the last no lines are {none:?}");
    Ok(())
}

async fn logs_follow_until_the_end(site: &Site) -> Verdict {
    let name = site.start(&site.shell("a", "echo a; sleep 0.5; echo b")).await?;
    let lines = site.logs(&name, LogOptions { follow: true, ..LogOptions::default() }).await?;
    ensure!(lines == [(false, "a".into()), (false, "b".into())], "the lines are {lines:?}");
    Ok(())
}

async fn attach_sees_a_process_from_its_start(site: &Site) -> Verdict {
    let spec = site.shell("a", "echo hello; echo trouble >&2; exit 6");
    site.engine.create_container(&spec).await?;
    let session = site.streams.attach(&spec.name, Attach::default()).await?;
    site.engine.start_container(&spec.name).await?;
    let (stdout, stderr) = site.outputs(session.output).await?;
    ensure!(stdout == "hello\n" && stderr == "trouble\n", "it put out {stdout:?} and {stderr:?}");
    ensure!(site.wait(&spec.name).await? == 6, "its status is wrong");
    fails(site.streams.attach(&site.name("never"), Attach::default()).await, ErrorKind::NotFound, "attaching to nothing")?;
    Ok(())
}

async fn attach_carries_standard_input(site: &Site) -> Verdict {
    let mut spec = site.shell("a", "cat");
    spec.process.stdin_open = true;
    spec.process.stdin_once = true;
    site.engine.create_container(&spec).await?;
    let mut session = site.streams.attach(&spec.name, Attach { stdin: true, logs: false }).await?;
    site.engine.start_container(&spec.name).await?;
    send(&mut session.input, b"ping\npong\n").await?;
    let (stdout, _) = site.outputs(session.output).await?;
    ensure!(stdout == "ping\npong\n", "it put out {stdout:?}");
    ensure!(site.wait(&spec.name).await? == 0, "it did not end with its input");
    Ok(())
}

async fn send(input: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) -> Verdict {
    let sent = async {
        input.write_all(bytes).await?;
        input.shutdown().await
    };
    sent.await.map_err(|error: std::io::Error| Broken(format!("standard input failed: {error}")))
}

async fn exec_has_output_and_status(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let ran = site.exec(&name, &shell_exec("echo out; echo err >&2; exit 9")).await?;
    ensure!(ran == Ran { stdout: "out\n".into(), stderr: "err\n".into(), status: 9 }, "it ran as {ran:?}");
    let ran = site.exec(&name, &Exec { command: words(&["true"]), ..Exec::default() }).await?;
    ensure!(ran == Ran { stdout: String::new(), stderr: String::new(), status: 0 }, "`true` ran as {ran:?}");
    Ok(())
}

async fn exec_has_its_own_surroundings(site: &Site) -> Verdict {
    let mut spec = site.idle("a");
    spec.process.environment.insert("COLOUR".into(), Some("green".into()));
    let name = site.start(&spec).await?;
    let mut exec = shell_exec("echo $COLOUR; echo $SHAPE; id -u; pwd");
    exec.environment.insert("SHAPE".into(), "round".into());
    exec.user = Some("1007".into());
    exec.working_dir = Some("/tmp".into());
    let ran = site.exec(&name, &exec).await?;
    ensure!(ran.stdout == "green\nround\n1007\n/tmp\n", "it sees {ran:?}");
    Ok(())
}

async fn exec_carries_standard_input(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let exec = Exec { command: words(&["cat"]), stdin: true, ..Exec::default() };
    let started = site.streams.exec(&name, &exec).await?;
    let mut session = started.session.ok_or_else(|| Broken("it has no session".into()))?;
    send(&mut session.input, b"ping\n").await?;
    let (stdout, _) = site.outputs(session.output).await?;
    ensure!(stdout == "ping\n", "it put out {stdout:?}");
    ensure!(site.exec_status(&started.id).await? == 0, "its status is wrong");
    Ok(())
}

async fn exec_with_a_terminal_has_one_output(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let exec = Exec { tty: true, ..shell_exec("sleep 0.3; echo out; echo err >&2") };
    let started = site.streams.exec(&name, &exec).await?;
    site.streams.resize_exec(&started.id, TerminalSize { width: 100, height: 30 }).await?;
    let session = started.session.ok_or_else(|| Broken("it has no session".into()))?;
    let (stdout, stderr) = site.outputs(session.output).await?;
    ensure!(stdout == "out\r\nerr\r\n" && stderr.is_empty(), "it put out {stdout:?} and {stderr:?}");
    Ok(())
}

async fn exec_detached(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let started = site.streams.exec(&name, &Exec { detach: true, ..shell_exec("sleep 0.2; exit 2") }).await?;
    ensure!(started.session.is_none(), "a detached exec has a session");
    ensure!(site.exec_status(&started.id).await? == 2, "its status is wrong");
    Ok(())
}

async fn exec_needs_a_running_container(site: &Site) -> Verdict {
    let spec = site.idle("a");
    site.engine.create_container(&spec).await?;
    fails(
        site.streams.exec(&spec.name, &shell_exec("true")).await,
        ErrorKind::Conflict,
        "an exec in a container that does not run",
    )?;
    fails(site.streams.exec(&site.name("never"), &shell_exec("true")).await, ErrorKind::NotFound, "an exec in nothing")?;
    Ok(())
}

async fn processes_are_listed(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let found = site.streams.top(&name).await?;
    ensure!(found.rows.iter().all(|it| it.len() == found.titles.len()), "rows and titles differ: {found:?}");
    let column = |title: &str| found.titles.iter().position(|it| it == title);
    let (Some(command), Some(pid)) = (column("CMD"), column("PID")) else {
        return Err(Broken(format!("PID or CMD is missing: {found:?}")));
    };
    ensure!(found.rows.iter().any(|it| it[command].contains("sleep 1000")), "its process is missing: {found:?}");
    ensure!(found.rows.iter().all(|it| it[pid].parse::<u32>().is_ok()), "a number is none: {found:?}");
    site.engine.kill_container(&name, "SIGKILL").await?;
    site.wait(&name).await?;
    fails(site.streams.top(&name).await, ErrorKind::Conflict, "listing the processes of what does not run")?;
    fails(site.streams.top(&site.name("never")).await, ErrorKind::NotFound, "listing the processes of nothing")?;
    Ok(())
}

async fn usage_is_measured(site: &Site) -> Verdict {
    let name = site.start(&site.idle("a")).await?;
    let first = site.streams.usage(&name).await?;
    ensure!(first.processes >= 1 && first.memory > 0, "a container that runs uses something: {first:?}");
    ensure!(first.memory < first.memory_limit, "it uses more than there is: {first:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = site.streams.usage(&name).await?;
    ensure!(second.at > first.at && second.cpu >= first.cpu, "time goes back: {first:?}, {second:?}");
    site.engine.kill_container(&name, "SIGKILL").await?;
    site.wait(&name).await?;
    fails(site.streams.usage(&name).await, ErrorKind::Conflict, "measuring what does not run")?;
    fails(site.streams.usage(&site.name("never")).await, ErrorKind::NotFound, "measuring nothing")?;
    Ok(())
}

async fn events_tell_a_life(site: &Site) -> Verdict {
    let spec = site.idle("a");
    let mut events = site.engine.events(&Scope::project(&site.project));
    // An engine far away subscribes when the stream is first looked at.
    let early = timeout(Duration::from_millis(300), events.next()).await;
    ensure!(early.is_err(), "there is an event before anything happened: {early:?}");
    let name = site.start(&spec).await?;
    site.engine.kill_container(&name, "SIGKILL").await?;
    site.wait(&name).await?;
    site.engine.remove_container(&name, true).await?;
    let mut seen: Vec<EngineEvent> = Vec::new();
    while seen.last().is_none_or(|event| event.action != EventAction::Removed) {
        match timeout(Duration::from_secs(10), events.next()).await {
            Ok(Some(event)) => seen.push(event?),
            Ok(None) => return Err(Broken(format!("the events ended after {seen:?}"))),
            Err(_) => return Err(Broken(format!("no event came after {seen:?}"))),
        }
    }
    let told = life(&name, &seen);
    let wanted = [EventAction::Created, EventAction::Started, EventAction::Died { code: 137 }, EventAction::Removed];
    ensure!(told.iter().copied().eq(&wanted), "the events were {told:?}");
    let project = Some(&site.project);
    let labelled = |event: &EngineEvent| event.labels.get(rcompose_engine_adapter::labels::PROJECT) == project;
    ensure!(
        seen.iter().filter(|it| it.subject == EventSubject::Container(name.clone())).all(labelled),
        "labels are missing: {seen:?}"
    );
    ensure!(seen.windows(2).all(|pair| pair[0].time <= pair[1].time), "the times go back: {seen:?}");
    Ok(())
}

async fn events_of_before_are_told_again(site: &Site) -> Verdict {
    let mut events = site.engine.events(&Scope::project(&site.project));
    let early = timeout(Duration::from_millis(300), events.next()).await;
    ensure!(early.is_err(), "there is an event before anything happened: {early:?}");
    let name = site.start(&site.shell("a", "exit 3")).await?;
    site.wait(&name).await?;
    let mut seen: Vec<EngineEvent> = Vec::new();
    while seen.last().is_none_or(|event| event.action != EventAction::Died { code: 3 }) {
        match timeout(Duration::from_secs(10), events.next()).await {
            Ok(Some(event)) => seen.push(event?),
            other => return Err(Broken(format!("after {seen:?} came {other:?}"))),
        }
    }
    let id = site.see(&name).await?.id;
    let own = |it: &&EngineEvent| it.subject == EventSubject::Container(name.clone());
    ensure!(
        seen.iter().filter(own).all(|it| it.id == id && it.details["name"] == name.as_str()),
        "ids or names are wrong: {seen:?}"
    );
    let point = |event: &EngineEvent| {
        let nanoseconds = event.time.rem_euclid(1_000_000_000);
        (event.time.div_euclid(1_000_000_000), u32::try_from(nanoseconds).unwrap_or(0))
    };
    let span = Span { since: seen.first().map(point), until: seen.last().map(point) };
    // It ends by itself.
    let again = site.collect(site.engine.events_within(&Scope::project(&site.project), span), "past").await?;
    let again: Vec<EngineEvent> = again.into_iter().collect::<Result<_, _>>()?;
    ensure!(life(&name, &again) == life(&name, &seen), "told again it is {again:?}, and was {seen:?}");
    Ok(())
}

/// The main stations of one container.
fn life<'a>(name: &ContainerName, events: &'a [EngineEvent]) -> Vec<&'a EventAction> {
    let own = events.iter().filter(|event| event.subject == EventSubject::Container(name.clone()));
    let main = |action: &&EventAction| {
        matches!(action, EventAction::Created | EventAction::Started | EventAction::Died { .. } | EventAction::Removed)
    };
    own.map(|event| &event.action).filter(main).collect()
}
