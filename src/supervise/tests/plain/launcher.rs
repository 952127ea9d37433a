//! Makes an ordinary process: a session of its own, waiting at its gate until it may run `command.json` of the bundle.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rcompose_supervise::{Identity, Launcher, Made, Place, Streams, Task};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

pub(crate) struct Plain;

impl Launcher for Plain {
    fn make(&self, place: &Place, task: &Task, streams: Option<Streams>) -> Result<Made, String> {
        let words = fs::read(task.bundle.join("command.json")).map_err(|error| format!("read command.json: {error}"))?;
        let words: Vec<String> = serde_json::from_slice(&words).map_err(|error| format!("command.json: {error}"))?;
        let _ = fs::remove_file(place.gate());
        rustix::fs::mkfifoat(rustix::fs::CWD, place.gate(), rustix::fs::Mode::from_raw_mode(0o600)).map_err(|error| error.to_string())?;
        // `wait-at` makes the session, waits at the gate and becomes the program.
        let mut command = Command::new("/proc/self/exe");
        command.arg("wait-at").arg(place.gate()).args(&words);
        let mut master = None;
        match streams {
            Some(streams) => command.stdin(streams.input).stdout(streams.output).stderr(streams.error),
            None => {
                let (ours, theirs) = terminal().map_err(|error| format!("make a terminal: {error}"))?;
                master = Some(ours);
                let again = || theirs.try_clone().map(Stdio::from).map_err(|error| error.to_string());
                command.stdin(again()?).stdout(again()?).stderr(again()?)
            }
        };
        let child = command.spawn().map_err(|error| error.to_string())?;
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).map_err(|error| error.to_string())?;
        Ok(Made { pid, pidfd, master, warnings: Vec::new() })
    }

    fn open_gate(&self, place: &Place) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match File::options().write(true).custom_flags(libc::O_NONBLOCK).open(place.gate()) {
                Ok(mut gate) => {
                    let _ = gate.write_all(b"g");
                    let _ = fs::remove_file(place.gate());
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                // Nobody waits there yet.
                Err(error) if error.raw_os_error() == Some(libc::ENXIO) && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1))
                }
                Err(error) => return Err(format!("open the gate: {error}")),
            }
        }
    }

    fn kill(&self, _: &Place, _: &Task, who: &Identity) {
        for pid in session(who.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
        if who.open().is_some() {
            let _ = kill_process(Pid::from_raw(who.pid).unwrap(), Signal::KILL);
        }
    }

    fn clean(&self, place: &Place, task: &Task, who: Option<&Identity>) -> Result<(), String> {
        let _ = fs::remove_file(place.gate());
        let Some(who) = who else { return Ok(()) };
        let until = Instant::now() + Duration::from_secs(2);
        while !session(who.pid).is_empty() {
            self.kill(place, task, who);
            if Instant::now() > until {
                return Err("a process does not end".to_owned());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Processes of a session that have not ended.
fn session(id: i32) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let inside = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(") ").map(|it| it.1.split(' ').collect()).unwrap_or_default();
        fields.get(3).and_then(|it| it.parse().ok()) == Some(id) && !fields.first().is_some_and(|it| "ZX".contains(*it))
    };
    pids.filter(inside).filter_map(Pid::from_raw).collect()
}

fn terminal() -> std::io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let other = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name.to_str().unwrap())?;
    Ok((master, other.into()))
}
