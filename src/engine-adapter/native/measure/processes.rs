//! The processes of a container, as `ps -ef` on the host lists them. Source: proc_pid_stat(5), and `ps(1)` of procps.

use std::collections::BTreeMap;
use std::fs;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcompose_engine_adapter::{ContainerName, Processes, Result};

use super::running;
use crate::clock;
use crate::engine::Native;

const TITLES: [&str; 8] = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
/// Ticks in a second in what `/proc` tells: the same on every architecture that this runs on, whatever the kernel's own.
const TICKS: u64 = 100;

pub(crate) fn top(native: &Native, name: &ContainerName) -> Result<Processes> {
    let (_, _, made) = running(native, name)?;
    let users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
    let look = Look {
        users: &users,
        now: Timestamp::now(),
        since_boot: clock::since_boot().as_secs(),
        zone: TimeZone::system(),
    };
    // One that has ended since it was listed is not there.
    let rows = made.processes().into_iter().filter_map(|pid| {
        let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
        let text = |name: &str| Some(String::from_utf8_lossy(&file(name)?).into_owned());
        look.row(pid, &text("stat")?, &text("status")?, &file("cmdline")?)
    });
    Ok(Processes { titles: TITLES.map(str::to_owned).to_vec(), rows: rows.collect() })
}

/// Names of users by number.
fn users(passwd: &str) -> BTreeMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    // Of two names for a number the first one counts.
    passwd.lines().rev().filter_map(entry).collect()
}

struct Look<'a> {
    users: &'a BTreeMap<u32, String>,
    now: Timestamp,
    /// Seconds.
    since_boot: u64,
    zone: TimeZone,
}

impl Look<'_> {
    fn row(&self, pid: i32, stat: &str, status: &str, line: &[u8]) -> Option<Vec<String>> {
        let (begin, rest) = stat.rsplit_once(')')?;
        let program = begin.split_once('(')?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let user: u32 = status.lines().find_map(|it| it.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()?;
        let busy = number(11)?.saturating_add(number(12)?) / TICKS;
        let age = self.since_boot.saturating_sub(number(19)? / TICKS);
        let share = busy.saturating_mul(100).checked_div(age).unwrap_or(0).min(99);
        Some(vec![
            self.users.get(&user).filter(|it| it.len() <= 8).cloned().unwrap_or_else(|| user.to_string()),
            pid.to_string(),
            (*fields.get(1)?).to_owned(),
            share.to_string(),
            self.began(age),
            terminal(number(4)?),
            format!("{:02}:{:02}:{:02}", busy / 3600, busy / 60 % 60, busy % 60),
            command(program, line, fields.first() == Some(&"Z")),
        ])
    }

    /// When a process began: the time, or the day where that was another.
    fn began(&self, age: u64) -> String {
        let age = SignedDuration::from_secs(i64::try_from(age).unwrap_or(i64::MAX));
        let now = self.now.to_zoned(self.zone.clone());
        let began = self.now.checked_sub(age).unwrap_or(self.now).to_zoned(self.zone.clone());
        let form = match (began.year() == now.year(), began.date() == now.date()) {
            (_, true) => "%H:%M",
            (true, false) => "%b%d",
            (false, false) => "%Y",
        };
        began.strftime(form).to_string()
    }
}

/// Names a terminal by its device. Source: the kernel's devices.txt.
fn terminal(device: u64) -> String {
    let (major, minor) = (device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
    match major {
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        136..=143 => format!("pts/{}", minor + ((major - 136) << 8)),
        _ => "?".into(),
    }
}

/// The command line on one line: whoever runs in a container chose every byte of it, and must not reach the terminal of who looks.
fn command(program: &str, line: &[u8], is_dead: bool) -> String {
    let words = String::from_utf8_lossy(line.strip_suffix(&[0]).unwrap_or(line)).replace('\0', " ");
    let text = match (words.is_empty(), is_dead) {
        (false, _) => words,
        (true, false) => format!("[{program}]"),
        (true, true) => format!("[{program}] <defunct>"),
    };
    text.chars().map(|it| if it.is_control() { '?' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stat: &str, line: &[u8]) -> Vec<String> {
        let users = users("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nsystemd-network:x:101:1::/:/bin/sh\nbroken\n");
        let now = Timestamp::from_second(1_767_323_045).unwrap();
        let look = Look { users: &users, now, since_boot: 1_000_000, zone: TimeZone::UTC };
        look.row(7, stat, "Name:\tx\nUid:\t0\t101\t0\t0\n", line).unwrap_or_default()
    }

    #[test]
    fn a_process_is_listed_as_ps_does() {
        let stat = "7 (a ) b) S 1 7 7 34817 7 0 0 0 0 0 360000 2500 0 0 20 0 1 0 99000000 0 0";
        assert_eq!(row(stat, b"sh\0-c\0sleep 1\0"), ["101", "7", "1", "36", "00:17", "pts/1", "01:00:25", "sh -c sleep 1"]);
        assert_eq!(row("7 (x) Z 1 7 7 0 7 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0", b"").last().unwrap(), "[x] <defunct>");
        assert_eq!(
            row("7 (x) S 1 7 7 0 7 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0", b"a\x1b[2J\nb\0")[4..],
            ["2025", "?", "00:00:00", "a?[2J?b"]
        );
        assert!(row("7 (x", b"").is_empty() && row("7 (x) S 1", b"").is_empty());
    }

    #[test]
    fn the_first_name_of_a_user_counts() {
        assert_eq!(users("root:x:0:0:::\ntoor:x:0:0:::\n")[&0], "root");
    }
}
