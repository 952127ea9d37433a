//! Logs, sessions, events, files.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use rcompose_engine_adapter::{
    Attach, ContainerName, Content, Engine, ErrorKind, EventAction, EventSubject, Exec, FileMount, LogLine, LogOptions, Mount, MountKind,
    Output, Scope, Session, Streams, TerminalSize, Tmpfs,
};
use tokio::io::AsyncWriteExt;

use crate::lab::{Lab, with_engine};

async fn lines(lab: &Lab, name: &ContainerName, options: &LogOptions) -> Vec<LogLine> {
    lab.docker.logs(name, options).try_collect().await.expect("readable")
}

fn text(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| std::str::from_utf8(&line.line).expect("text")).collect()
}

async fn all(session: Session) -> (Bytes, Bytes) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = session.output;
    while let Some(piece) = output.try_next().await.expect("readable") {
        match piece {
            Output::Stdout(bytes) => out.extend_from_slice(&bytes),
            Output::Stderr(bytes) => err.extend_from_slice(&bytes),
        }
    }
    (out.into(), err.into())
}

#[test]
fn logs_come_as_whole_lines_with_and_without_a_terminal() {
    with_engine(|lab| async move {
        let line = "echo one; sleep 0.2; echo two >&2; sleep 0.2; head -c 40000 /dev/zero | tr '\\0' x; echo; sleep 0.2; printf 'no end'";
        for (name, tty) in [("plain", false), ("term", true)] {
            let mut spec = lab.shell(name, line);
            spec.process.tty = tty;
            lab.run(&spec).await;
            let followed = lines(&lab, &spec.name, &LogOptions { follow: true, ..LogOptions::default() }).await;
            let long = "x".repeat(40000);
            let lengths: Vec<usize> = followed.iter().map(|line| line.line.len()).collect();
            assert_eq!(lengths, [3, 3, 40000, 6], "{name}");
            assert_eq!(text(&followed), ["one", "two", long.as_str(), "no end"], "{name}");
            assert_eq!(followed[1].stderr, !tty);
            assert!(followed.iter().all(|line| line.timestamp.len() >= 20), "{followed:?}");
            let tail = lines(&lab, &spec.name, &LogOptions { tail: Some(1), ..LogOptions::default() }).await;
            assert_eq!(text(&tail), ["no end"]);
        }
    });
}

#[test]
fn attach_is_two_way_and_ends_with_the_process() {
    with_engine(|lab| async move {
        let mut spec = lab.shell("cat", "read line; echo \"got $line\"; echo bad >&2; cat >/dev/null; exit 4");
        spec.process.stdin_open = true;
        spec.process.stdin_once = true;
        lab.docker.create_container(&spec).await.expect("creatable");
        let mut session = lab.docker.attach(&spec.name, Attach { stdin: true, logs: false }).await.expect("attachable");
        lab.docker.start_container(&spec.name).await.expect("startable");
        session.input.write_all(b"hello\n").await.expect("writable");
        session.input.shutdown().await.expect("closable");
        let (out, err) = all(session).await;
        assert_eq!((&out[..], &err[..]), (&b"got hello\n"[..], &b"bad\n"[..]));
        assert_eq!(lab.docker.wait_container(&spec.name).await.expect("ended"), 4);
    });
}

#[test]
fn exec_has_a_status_and_a_terminal() {
    with_engine(|lab| async move {
        let spec = lab.sleeper("web");
        lab.run(&spec).await;
        let sh = |line: &str| ["sh", "-c", line].map(str::to_owned).to_vec();
        let exec = Exec {
            command: sh("echo $GREETING in $PWD; echo bad >&2; cat; exit 6"),
            environment: [("GREETING".to_owned(), "hello".to_owned())].into(),
            working_dir: Some("/tmp".into()),
            stdin: true,
            ..Exec::default()
        };
        let started = lab.docker.exec(&spec.name, &exec).await.expect("startable");
        assert_eq!(lab.docker.exec_status(&started.id).await.expect("known"), None);
        let mut session = started.session.expect("attached");
        session.input.write_all(b"typed").await.expect("writable");
        session.input.shutdown().await.expect("closable");
        let (out, err) = all(session).await;
        assert_eq!((&out[..], &err[..]), (&b"hello in /tmp\ntyped"[..], &b"bad\n"[..]));
        assert_eq!(lab.docker.exec_status(&started.id).await.expect("known"), Some(6));

        let exec = Exec {
            command: sh("sleep 0.5; stty size; sleep 0.3; printf '\\001\\000x\\n'"),
            tty: true,
            ..Exec::default()
        };
        let started = lab.docker.exec(&spec.name, &exec).await.expect("startable");
        lab.docker
            .resize_exec(&started.id, TerminalSize { width: 111, height: 44 })
            .await
            .expect("resizable");
        let (out, _) = all(started.session.expect("attached")).await;
        assert_eq!(&out[..], b"44 111\r\n\x01\x00x\r\n");

        let exec = Exec { command: sh("touch /tmp/detached"), detach: true, ..Exec::default() };
        assert!(lab.docker.exec(&spec.name, &exec).await.expect("startable").session.is_none());
        let error = lab.docker.exec(&lab.name("none"), &exec).await.expect_err("absent");
        assert_eq!(error.kind, ErrorKind::NotFound);
    });
}

#[test]
fn events_of_the_project_come_and_no_others() {
    with_engine(|lab| async move {
        let mut events = lab.docker.events(&Scope::project(lab.project.as_str()));
        let spec = lab.shell("job", "exit 3");
        let mut foreign = lab.shell("foreign", "true");
        foreign.labels.clear();
        lab.docker.create_network(&lab.network("net")).await.expect("creatable");
        lab.run(&foreign).await;
        lab.docker.wait_container(&foreign.name).await.expect("ended");
        lab.docker.remove_container(&foreign.name, true).await.expect("removable");
        lab.run(&spec).await;
        lab.docker.wait_container(&spec.name).await.expect("ended");
        lab.docker.remove_container(&spec.name, true).await.expect("removable");
        let mut seen = Vec::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(20), events.next()).await {
            let event = event.expect("readable");
            seen.push((event.subject.clone(), event.action.clone()));
            if event.subject == EventSubject::Container(spec.name.clone()) && event.action == EventAction::Removed {
                break;
            }
        }
        let own = |action| (EventSubject::Container(spec.name.clone()), action);
        for action in [EventAction::Created, EventAction::Started, EventAction::Died { code: 3 }, EventAction::Removed] {
            assert!(seen.contains(&own(action.clone())), "{action:?} in {seen:?}");
        }
        assert!(seen.contains(&(EventSubject::Network(lab.network("net").name), EventAction::Created)), "{seen:?}");
        assert!(!seen.iter().any(|(subject, _)| *subject == EventSubject::Container(foreign.name.clone())), "{seen:?}");
    });
}

#[test]
fn files_are_put_in_with_owner_and_mode() {
    with_engine(|lab| async move {
        let mut spec = lab.shell("web", "stat -c '%u %g %a' /run/secrets/key /etc/app/app.conf; cat /run/secrets/key; stat -c %a /etc");
        let file =
            |target: &str, uid, mode| FileMount { target: target.into(), content: Content::new(b"content\n".to_vec()), uid, gid: 12, mode };
        spec.files = vec![file("/run/secrets/key", 11, 0o440), file("/etc/app/app.conf", 0, 0o444)];
        let before = lab.shell("before", "stat -c %a /etc");
        for spec in [&before, &spec] {
            lab.run(spec).await;
            lab.docker.wait_container(&spec.name).await.expect("ended");
        }
        let etc = lines(&lab, &before.name, &LogOptions::default()).await;
        let found = lines(&lab, &spec.name, &LogOptions::default()).await;
        assert_eq!(text(&found), ["11 12 440", "0 12 444", "content", text(&etc)[0]]);

        let mut hidden = lab.plain("hidden");
        hidden.files = spec.files.clone();
        hidden.mounts = vec![Mount { target: "/run".into(), kind: MountKind::Tmpfs(Tmpfs::default()), read_only: false }];
        let error = lab.docker.create_container(&hidden).await.expect_err("hidden");
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains("/run/secrets/key"), "{error}");

        let mut locked = lab.plain("locked");
        locked.files = spec.files.clone();
        locked.security.read_only = true;
        match lab.docker.create_container(&locked).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
                assert!(error.message.contains("/run/secrets/key"), "{error}");
                assert!(!lab.look().await.containers.contains_key(&locked.name));
            }
        }
    });
}
