//! The words of an OCI runtime's command line, as runc takes them. Read by hand: a start shall not pay for the parser of all other verbs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// A flag of a verb.
struct Flag {
    name: &'static str,
    /// One letter, or another spelling.
    other: &'static str,
    takes_value: bool,
}

const fn switch(name: &'static str, other: &'static str) -> Flag {
    Flag { name, other, takes_value: false }
}

const fn value(name: &'static str, other: &'static str) -> Flag {
    Flag { name, other, takes_value: true }
}

/// A verb: its name, the words after it in its help, its flags.
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    pub(super) about: &'static str,
    flags: &'static [Flag],
    /// What comes after the first plain word is not for this program.
    stops: bool,
}

const GLOBALS: &[Flag] = &[
    value("root", ""),
    value("log", ""),
    value("log-format", ""),
    switch("debug", ""),
    switch("systemd-cgroup", ""),
    value("criu", ""),
    value("rootless", ""),
    switch("help", "h"),
    switch("version", "v"),
];

const MAKING: [Flag; 7] = [
    value("bundle", "b"),
    value("console-socket", ""),
    value("pid-file", ""),
    switch("no-pivot", ""),
    switch("no-new-keyring", ""),
    value("preserve-fds", ""),
    value("pidfd-socket", ""),
];

const CREATE: &[Flag] = &MAKING;
const RUN: &[Flag] = &{
    let [a, b, c, d, e, f, g] = MAKING;
    [a, b, c, d, e, f, g, switch("detach", "d"), switch("keep", ""), switch("no-subreaper", "")]
};
const EXEC: &[Flag] = &[
    value("process", "p"),
    switch("tty", "t"),
    value("user", "u"),
    value("cwd", ""),
    value("env", "e"),
    value("additional-gids", "g"),
    value("cap", "c"),
    switch("no-new-privs", ""),
    value("apparmor", ""),
    value("process-label", ""),
    switch("detach", "d"),
    value("pid-file", ""),
    value("console-socket", ""),
    value("preserve-fds", ""),
    switch("ignore-paused", ""),
    value("cgroup", ""),
    value("pidfd-socket", ""),
];
const UPDATE: &[Flag] = &[
    value("resources", "r"),
    value("memory", ""),
    value("memory-swap", ""),
    value("memory-reservation", ""),
    value("cpu-shares", "cpu-share"),
    value("cpu-period", ""),
    value("cpu-quota", ""),
    value("cpu-burst", ""),
    value("cpu-rt-period", ""),
    value("cpu-rt-runtime", ""),
    value("cpu-idle", ""),
    value("cpuset-cpus", ""),
    value("cpuset-mems", ""),
    value("pids-limit", ""),
    value("blkio-weight", ""),
];

/// Every verb.
pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "create",
        words: "ID",
        about: "makes a container that awaits its start",
        flags: CREATE,
        stops: false,
    },
    Verb { name: "start", words: "ID", about: "lets the program of a container run", flags: &[], stops: false },
    Verb { name: "run", words: "ID", about: "creates and starts", flags: RUN, stops: false },
    Verb {
        name: "exec",
        words: "ID PROGRAM [WORD]...",
        about: "runs a further process in a container",
        flags: EXEC,
        stops: true,
    },
    Verb { name: "state", words: "ID", about: "prints the state of a container", flags: &[], stops: false },
    Verb {
        name: "kill",
        words: "ID [SIGNAL]",
        about: "sends a signal (SIGTERM)",
        flags: &[switch("all", "a")],
        stops: false,
    },
    Verb {
        name: "delete",
        words: "ID",
        about: "removes what a container that has ended left",
        flags: &[switch("force", "f")],
        stops: false,
    },
    Verb {
        name: "ps",
        words: "ID",
        about: "lists the processes of a container",
        flags: &[value("format", "f")],
        stops: false,
    },
    Verb {
        name: "list",
        words: "",
        about: "lists containers",
        flags: &[value("format", "f"), switch("quiet", "q")],
        stops: false,
    },
    Verb { name: "pause", words: "ID", about: "freezes the processes of a container", flags: &[], stops: false },
    Verb { name: "resume", words: "ID", about: "lets frozen processes go on", flags: &[], stops: false },
    Verb { name: "update", words: "ID", about: "sets new limits", flags: UPDATE, stops: false },
    Verb {
        name: "events",
        words: "ID",
        about: "prints what a container uses, and when memory runs out",
        flags: &[switch("stats", ""), value("interval", "")],
        stops: false,
    },
    Verb { name: "features", words: "", about: "prints what this runtime can do", flags: &[], stops: false },
    Verb {
        name: "spec",
        words: "",
        about: "writes a config.json to begin with",
        flags: &[value("bundle", "b"), switch("rootless", "")],
        stops: false,
    },
];

/// Flags by name, and plain words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    flags: BTreeMap<&'static str, Vec<String>>,
    pub(super) plain: Vec<String>,
}

impl Words {
    /// Returns whether a flag is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.get(name).is_some_and(|values| values.last().is_none_or(|it| it != "false"))
    }

    /// Returns the last value of a flag.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.flags.get(name)?.last().map(String::as_str)
    }

    /// Returns the last value of a flag as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).filter(|it| !it.is_empty()).map(PathBuf::from)
    }

    /// Returns all values of a flag.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.flags.get(name).map_or(&[], Vec::as_slice)
    }
}

/// What was asked.
pub(super) struct Asked {
    pub(super) globals: Words,
    pub(super) verb: Option<&'static Verb>,
    pub(super) words: Words,
}

/// Reads the words after the program's name.
pub(super) fn read(words: &[OsString]) -> Result<Asked, String> {
    let text = |word: &OsString| word.to_str().map(str::to_owned).ok_or_else(|| format!("{}: not in UTF-8", word.display()));
    let words = words.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let (globals, used) = flags(GLOBALS, &words, true, "")?;
    let Some(name) = words.get(used) else {
        return Ok(Asked { globals, verb: None, words: Words::default() });
    };
    if name == "help" {
        return Ok(Asked { globals, verb: None, words: Words::default() });
    }
    let verb = VERBS.iter().find(|it| it.name == name);
    let verb =
        verb.ok_or_else(|| format!("`{name}` is none of the verbs {}", VERBS.iter().map(|it| it.name).collect::<Vec<_>>().join(", ")))?;
    let (words, _) = flags(verb.flags, words.get(used + 1..).unwrap_or_default(), verb.stops, verb.name)?;
    Ok(Asked { globals, verb: Some(verb), words })
}

/// Reads flags and plain words; returns how many words were used.
fn flags(known: &'static [Flag], words: &[String], stops: bool, verb: &str) -> Result<(Words, usize), String> {
    let mut found = Words::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            found.plain.extend(words.get(at + 1..).unwrap_or_default().iter().cloned());
            return Ok((found, words.len()));
        }
        let Some(name) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).filter(|it| !it.is_empty()) else {
            if stops {
                found.plain.extend(words.get(at..).unwrap_or_default().iter().cloned());
                return Ok((found, at));
            }
            found.plain.push(word.clone());
            at += 1;
            continue;
        };
        let (name, given) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
        let flag = known.iter().find(|it| it.name == name || (!it.other.is_empty() && it.other == name));
        let flag = flag.ok_or_else(|| match verb {
            "" => format!("no global flag `{word}`"),
            verb => format!("no flag `{word}` of `{verb}`"),
        })?;
        at += 1;
        let value = match (flag.takes_value, given) {
            (true, None) => {
                at += 1;
                Some(words.get(at - 1).cloned().ok_or_else(|| format!("`{word}` needs a value"))?)
            }
            (_, given) => given,
        };
        found.flags.entry(flag.name).or_default().extend(value);
    }
    Ok((found, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(&line.split(' ').filter(|it| !it.is_empty()).map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_taken_as_runc_takes_them() {
        let it = asked("--root /r --log=l --log-format json create --bundle /b --pid-file p -b /c x").unwrap();
        assert_eq!((it.globals.value("root"), it.globals.value("log"), it.verb.unwrap().name), (Some("/r"), Some("l"), "create"));
        assert_eq!((it.words.value("bundle"), it.words.plain.as_slice()), (Some("/c"), ["x".to_owned()].as_slice()));
        let it = asked("exec -t --env A=b -e C x sh -c --tty").unwrap();
        assert!(it.words.has("tty") && it.words.values("env") == ["A=b", "C"]);
        assert_eq!(it.words.plain, ["x", "sh", "-c", "--tty"]);
        let it = asked("kill --all x 9").unwrap();
        assert!(it.words.has("all") && it.words.plain == ["x", "9"]);
        let it = asked("delete x --force").unwrap();
        assert!(it.words.has("force") && it.words.plain == ["x"]);
        assert!(!asked("run --detach=false x").unwrap().words.has("detach"));
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (line, words) in [
            ("creat x", "creat"),
            ("--rot x", "--rot"),
            ("create --bundel b x", "--bundel"),
            ("create --bundle", "--bundle"),
        ] {
            assert!(asked(line).err().unwrap().contains(words), "{line}");
        }
    }
}
