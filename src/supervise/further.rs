//! The process of the OCI spec that a further process is: the container's own with what was asked for. Pure, but for the giving away.

use std::collections::HashSet;

use oci_spec::runtime::{BoxBuilder, Capability, LinuxCapabilitiesBuilder, Process, Spec, User as SpecUser, UserBuilder};
use rustix::fs::{Gid, Uid};

use crate::exec::{Exec, User};
use crate::launch::Streams;

/// Returns the process.
///
/// # Errors
/// The spec has no process of its own, or what was asked for is none.
pub(crate) fn process(spec: &Spec, exec: &Exec) -> Result<Process, String> {
    let mut process = spec.process().clone().ok_or("the container has no process of its own")?;
    process.set_args(Some(exec.args.clone())).set_terminal(Some(exec.tty));
    process.set_env(Some(env(process.env().as_deref().unwrap_or_default(), &exec.env)));
    if let Some(cwd) = &exec.cwd {
        process.set_cwd(cwd.clone());
    }
    if let Some(User { uid, gid, groups }) = &exec.user {
        let user = UserBuilder::default().uid(*uid).gid(*gid).additional_gids(groups.clone()).build();
        process.set_user(user.map_err(|error| format!("user: {error}"))?);
        if env_has(&exec.env, "HOME").is_none() {
            // Of another user; found anew.
            let kept = process.env().iter().flatten().filter(|it| !it.starts_with("HOME=")).cloned().collect();
            process.set_env(Some(kept));
        }
    }
    if let Some((rows, columns)) = exec.size.filter(|_| exec.tty) {
        let size = BoxBuilder::default().height(u64::from(rows)).width(u64::from(columns)).build();
        process.set_console_size(Some(size.map_err(|error| format!("size: {error}"))?));
    }
    if exec.privileged {
        let every = || -> HashSet<Capability> {
            let named = |name: String| serde_json::from_value(serde_json::Value::String(name)).ok();
            rcompose_runtime::plan::capability_names().into_iter().filter_map(named).collect()
        };
        let sets = LinuxCapabilitiesBuilder::default()
            .bounding(every())
            .effective(every())
            .permitted(every())
            .inheritable([])
            .ambient([]);
        process.set_capabilities(Some(sets.build().map_err(|error| format!("capabilities: {error}"))?));
        process.set_apparmor_profile(None);
    }
    Ok(process)
}

fn env_has<'a>(env: &'a [String], key: &str) -> Option<&'a String> {
    env.iter().find(|it| it.split('=').next() == Some(key))
}

/// What is added takes the place of what has the same name.
fn env(own: &[String], added: &[String]) -> Vec<String> {
    let is_kept = |pair: &&String| env_has(added, pair.split('=').next().unwrap_or_default()).is_none();
    own.iter().filter(is_kept).chain(added).cloned().collect()
}

/// Gives the streams to a user, so that `/dev/stdout` can be opened. What does not go is no pipe.
pub(crate) fn give(streams: &Streams, user: &SpecUser) {
    for stream in [&streams.input, &streams.output, &streams.error] {
        let is_pipe = rustix::fs::fstat(stream).is_ok_and(|it| rustix::fs::FileType::from_raw_mode(it.st_mode).is_fifo());
        if is_pipe {
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(user.uid())), Some(Gid::from_raw(user.gid())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_takes_the_place_of_the_containers_own() {
        let spec: Spec = serde_json::from_str(
            r#"{"ociVersion":"1.2.0","root":{"path":"r"},"process":{"user":{"uid":0,"gid":0},"args":["a"],"cwd":"/",
                "env":["PATH=/bin","HOME=/root","A=1"],"terminal":true}}"#,
        )
        .unwrap();
        let exec = Exec { args: vec!["b".to_owned()], env: vec!["A=2".to_owned(), "B=3".to_owned()], ..Exec::default() };
        let plain = process(&spec, &exec).unwrap();
        assert_eq!(plain.env().as_deref().unwrap(), ["PATH=/bin", "HOME=/root", "A=2", "B=3"]);
        assert_eq!((plain.terminal(), plain.args().as_deref().unwrap().len()), (Some(false), 1));
        let user = Some(User { uid: 7, gid: 8, groups: vec![9] });
        let other = process(&spec, &Exec { user, privileged: true, cwd: Some("/tmp".into()), ..exec }).unwrap();
        assert_eq!(other.env().as_deref().unwrap(), ["PATH=/bin", "A=2", "B=3"], "the home is that of the user");
        assert_eq!((other.user().uid(), other.user().additional_gids().as_deref()), (7, Some(&[9][..])));
        assert!(other.capabilities().as_ref().unwrap().bounding().as_ref().unwrap().len() > 30);
    }
}
