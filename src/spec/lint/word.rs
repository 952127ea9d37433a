//! Words that the reference takes as they are: restart policies, signals, capabilities and the like.

use super::{Lint, meant};
use crate::error::{Code, Finding};
use crate::model::Service;

const RESTART: &[&str] = &["no", "always", "on-failure", "unless-stopped"];
/// What docker compose maps; the specification lists the first three.
const CONDITIONS: &[&str] = &["none", "on-failure", "any", "no", "always", "unless-stopped"];
const MODES: &[&str] = &["replicated", "global", "replicated-job", "global-job"];
const PULL: &[&str] = &["always", "never", "missing", "if_not_present", "build", "daily", "weekly", "refresh"];
/// Source: capabilities(7).
const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
    "WAKE_ALARM",
];
/// Source: signal(7), for Linux.
const SIGNALS: &[&str] = &[
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGIOT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPOLL",
    "SIGPWR",
    "SIGSYS",
    "SIGUNUSED",
    "SIGRTMIN",
    "SIGRTMAX",
];
/// Source: the go-units package, by which engines read them.
const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// The last signal of Linux; source: signal(7).
const LAST_SIGNAL: u8 = 64;

impl Lint<'_> {
    pub(super) fn words(&mut self, service: &Service) {
        let at = |key: &str| format!("services.{}.{key}", service.name);
        self.restart(|| at("restart"), &service.restart);
        self.word(|| at("pull_policy"), "pull policy", &service.pull_policy, is_pull_policy(&service.pull_policy), PULL);
        self.word(|| at("stop_signal"), "signal", &service.stop_signal, is_signal(&service.stop_signal), SIGNALS);
        for (key, list) in [("cap_add", &service.cap_add), ("cap_drop", &service.cap_drop)] {
            for (index, word) in list.iter().enumerate() {
                let upper = word.to_ascii_uppercase();
                let known = CAPABILITIES.contains(&upper.strip_prefix("CAP_").unwrap_or(&upper));
                self.word(|| at(&format!("{key}[{index}]")), "capability", word, known, CAPABILITIES);
            }
        }
        for name in service.ulimits.keys() {
            self.word(|| at(&format!("ulimits.{name}")), "ulimit", name, ULIMITS.contains(&name.as_str()), ULIMITS);
        }
        if let Some(deploy) = &service.deploy {
            self.word(|| at("deploy.mode"), "deploy mode", &deploy.mode, MODES.contains(&deploy.mode.as_str()), MODES);
            if let Some(policy) = &deploy.restart_policy {
                let known = CONDITIONS.contains(&policy.condition.as_str());
                self.word(|| at("deploy.restart_policy.condition"), "restart condition", &policy.condition, known, &CONDITIONS[..3]);
            }
        }
        self.container_name(|| at("container_name"), &service.container_name);
    }

    fn word(&mut self, path: impl FnOnce() -> String, what: &str, word: &str, known: bool, all: &[&str]) {
        if word.is_empty() || known {
            return;
        }
        let few = all.len() <= 8;
        let list = || few.then(|| format!("use one of {}", all.join(", ")));
        let warning = Finding::new(Code::UnknownWord, format!("`{word}` is no {what}"));
        self.warn(path(), warning.maybe_hint(meant(word, all.iter().copied()).or_else(list)));
    }

    fn restart(&mut self, path: impl FnOnce() -> String, text: &str) {
        let (policy, attempts) = match text.split_once(':') {
            Some((policy, attempts)) => (policy, Some(attempts)),
            None => (text, None),
        };
        if text.is_empty() || attempts.is_none() && RESTART.contains(&policy) {
            return;
        }
        let Some(attempts) = attempts.filter(|_| RESTART.contains(&policy)) else {
            let near = match policy {
                "none" | "never" | "false" => Some("did you mean \"no\"?".to_owned()),
                "true" | "yes" | "any" => Some("did you mean `always`?".to_owned()),
                "on-error" | "failure" | "on_failure" => Some("did you mean `on-failure`?".to_owned()),
                _ => meant(policy, RESTART.iter().copied()),
            };
            let warning = Finding::new(Code::UnknownWord, format!("`{text}` is no restart policy"))
                .hint("use no, always, on-failure[:ATTEMPTS] or unless-stopped")
                .maybe_hint(near);
            return self.warn(path(), warning);
        };
        if policy != "on-failure" {
            let warning = Finding::new(Code::UnknownWord, format!("`{policy}` takes no number of attempts"))
                .hint(format!("write `{policy}`, or `on-failure:{attempts}`"));
            self.warn(path(), warning);
        } else if attempts.parse::<u32>().is_err() {
            let warning = Finding::new(Code::UnknownWord, format!("`{attempts}` is no number of attempts"))
                .hint("write a number, such as on-failure:5");
            self.warn(path(), warning);
        }
    }

    /// The reference looks for a valid name anywhere in the text; engines want all of it to be one.
    fn container_name(&mut self, path: impl FnOnce() -> String, name: &str) {
        // A slash before the name is allowed, and dropped.
        let name = name.strip_prefix('/').unwrap_or(name);
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.chars().all(good) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return;
        }
        let fixed: String = name.chars().map(|c| if good(c) { c } else { '-' }).collect();
        let fixed = fixed.trim_matches(['-', '_', '.']);
        let warning = Finding::new(Code::InvalidValue, format!("`{name}` is not a container name"));
        self.warn(path(), warning.hint(format!("use letters, digits, `_`, `.` and `-`, such as `{fixed}`")));
    }
}

/// Whole words only; the reference finds them anywhere in the text.
fn is_pull_policy(text: &str) -> bool {
    let every = text.strip_prefix("every_").is_some_and(|rest| {
        let units = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() > units.len() && crate::units::duration(rest).is_ok()
    });
    every || PULL.contains(&text)
}

/// A number, or a name with or without SIG; real-time signals may be counted from either end.
fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=LAST_SIGNAL).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let counted = |rest: &str| rest.is_empty() || rest[1..].parse::<u8>().is_ok_and(|count| count <= 30);
    let real_time = name
        .strip_prefix("RTMIN")
        .filter(|rest| rest.is_empty() || rest.starts_with('+'))
        .is_some_and(counted)
        || name
            .strip_prefix("RTMAX")
            .filter(|rest| rest.is_empty() || rest.starts_with('-'))
            .is_some_and(counted);
    real_time || SIGNALS.iter().any(|known| known.strip_prefix("SIG") == Some(name))
}

#[cfg(test)]
mod tests {
    use super::{is_pull_policy, is_signal};

    #[test]
    fn signals_are_numbers_or_names() {
        for good in ["SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1", "SIGRTMIN", "SIGUSR1"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["SIGTRM", "0", "65", "SIGRTMIN-3", "SIGRTMIN+", "RTMIN+x", "SIG", "-9"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }

    #[test]
    fn pull_policies_are_whole_words() {
        assert!(is_pull_policy("every_12h") && is_pull_policy("missing") && is_pull_policy("every_1d12h"));
        assert!(!is_pull_policy("xalways") && !is_pull_policy("every_day") && !is_pull_policy("Always"));
    }
}
