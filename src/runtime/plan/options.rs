//! Mount options of a spec; source: OCI runtime spec, config.md, "Linux mount options", and mount_setattr(2).

use std::ffi::CString;

use crate::error::{Result, RuntimeError};

/// Attribute bits of mount_setattr(2); from `linux/mount.h`.
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    pub(crate) const IDMAP: u64 = 0x10_0000;
    pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// Bits that are set and bits that are cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Set.
    pub set: u64,
    /// Cleared.
    pub clear: u64,
}

impl Attributes {
    fn turn_on(&mut self, bits: u64, mask: u64) {
        self.set = (self.set & !mask) | bits;
        self.clear = if mask == attr::ATIME { self.clear | mask } else { self.clear & !bits };
    }

    fn turn_off(&mut self, bits: u64) {
        self.set &= !bits;
        self.clear |= bits;
    }

    /// Returns whether nothing changes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }
}

/// One parameter of fsconfig(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A key alone.
    Flag(CString),
    /// A key and its value.
    Text(CString, CString),
}

/// How one mount goes on with its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// `MS_SHARED` and its siblings.
    pub flag: u64,
    /// Its whole tree.
    pub recursive: bool,
}

/// The options of one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A bind, and whether of the whole tree.
    pub(crate) bind: Option<bool>,
    /// For this mount alone.
    pub attributes: Attributes,
    /// For the whole tree (`rro` and its siblings).
    pub recursive: Attributes,
    /// In the order given.
    pub propagation: Vec<Propagation>,
    /// For the file system itself.
    pub parameters: Vec<Parameter>,
    /// `tmpcopyup`: what lies below is copied into the new tmpfs.
    pub copy_up: bool,
    /// `idmap` (this mount) or `ridmap` (its tree).
    pub idmap: Option<bool>,
}

/// Options that are about the mount, and not for its file system.
pub const KNOWN: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "exec",
    "idmap",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnosuid",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "runbindable",
    "rw",
    "shared",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "tmpcopyup",
    "unbindable",
    "rnosymfollow",
    "rsymfollow",
];

/// fsconfig(2) reads at most 255 bytes of a text.
const MOST_TEXT: usize = 255;

/// Reads the options of a mount; `field` names it in errors.
pub(crate) fn parse(field: &str, words: &[String]) -> Result<Options> {
    let mut options = Options::default();
    for word in words {
        if !structural(&mut options, word) && !attribute(&mut options, word) {
            options.parameters.push(parameter(field, word)?);
        }
    }
    Ok(options)
}

/// Takes words about the kind of mount.
fn structural(options: &mut Options, word: &str) -> bool {
    match word {
        "bind" => options.bind = Some(options.bind.unwrap_or(false)),
        "rbind" => options.bind = Some(true),
        "tmpcopyup" => options.copy_up = true,
        "idmap" => options.idmap = Some(false),
        "ridmap" => options.idmap = Some(true),
        // Defaults, and words that mean the absence of another.
        "defaults" | "async" | "loud" | "nomand" | "nolazytime" | "noiversion" => {}
        _ => return propagation(word).map(|it| options.propagation.push(it)).is_some(),
    }
    true
}

/// Reads a word of propagation, as `rslave`.
pub(crate) fn propagation(word: &str) -> Option<Propagation> {
    let (recursive, name) = match word {
        "rshared" | "rslave" | "rprivate" | "runbindable" => (true, &word[1..]),
        _ => (false, word),
    };
    let flag = match name {
        "shared" => libc::MS_SHARED,
        "slave" => libc::MS_SLAVE,
        "private" => libc::MS_PRIVATE,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    };
    Some(Propagation { flag, recursive })
}

/// Takes words about the attributes of the mount.
fn attribute(options: &mut Options, word: &str) -> bool {
    let (set, name) = match word.strip_prefix('r') {
        Some(rest) if bits(rest).is_some() => (&mut options.recursive, rest),
        _ => (&mut options.attributes, word),
    };
    match bits(name) {
        Some((bits, mask, true)) => set.turn_on(bits, mask),
        Some((bits, _, false)) => set.turn_off(bits),
        None => return false,
    }
    true
}

/// Returns the bits of a word, the mask of its field, and whether they are turned on.
fn bits(word: &str) -> Option<(u64, u64, bool)> {
    Some(match word {
        "ro" => (attr::RDONLY, attr::RDONLY, true),
        "rw" => (attr::RDONLY, attr::RDONLY, false),
        "nosuid" => (attr::NOSUID, attr::NOSUID, true),
        "suid" => (attr::NOSUID, attr::NOSUID, false),
        "nodev" => (attr::NODEV, attr::NODEV, true),
        "dev" => (attr::NODEV, attr::NODEV, false),
        "noexec" => (attr::NOEXEC, attr::NOEXEC, true),
        "exec" => (attr::NOEXEC, attr::NOEXEC, false),
        "nosymfollow" => (attr::NOSYMFOLLOW, attr::NOSYMFOLLOW, true),
        "symfollow" => (attr::NOSYMFOLLOW, attr::NOSYMFOLLOW, false),
        "nodiratime" => (attr::NODIRATIME, attr::NODIRATIME, true),
        "diratime" => (attr::NODIRATIME, attr::NODIRATIME, false),
        "noatime" => (attr::NOATIME, attr::ATIME, true),
        "strictatime" | "norelatime" => (attr::STRICTATIME, attr::ATIME, true),
        // What the kernel does by itself.
        "relatime" | "atime" | "nostrictatime" => (0, attr::ATIME, true),
        _ => return None,
    })
}

fn parameter(field: &str, word: &str) -> Result<Parameter> {
    if word == "remount" {
        return Err(RuntimeError::unsupported(field, "`remount` has nothing to work on in a new container"));
    }
    let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
    if value.is_some_and(|it| it.len() > MOST_TEXT) {
        let reason = format!("the option `{key}` is longer than {MOST_TEXT} bytes, the most that fsconfig(2) reads");
        return Err(RuntimeError::unsupported(field, reason));
    }
    let text = |part: &str| CString::new(part).map_err(|_| RuntimeError::field(field, format!("a NUL in `{word:?}`")));
    Ok(match value {
        Some(value) => Parameter::Text(text(key)?, text(value)?),
        None => Parameter::Flag(text(key)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Options {
        parse("mounts[0]", &words.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_last_word_wins() {
        assert_eq!(read("ro rw").attributes, Attributes { set: 0, clear: attr::RDONLY });
        assert_eq!(read("rw ro").attributes, Attributes { set: attr::RDONLY, clear: 0 });
        assert_eq!(read("noatime strictatime").attributes, Attributes { set: attr::STRICTATIME, clear: attr::ATIME });
    }

    #[test]
    fn recursive_words_are_apart_from_plain_ones_and_from_words_that_begin_alike() {
        let options = read("rbind rro ro rprivate relatime rnosuid");
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.recursive.set, attr::RDONLY | attr::NOSUID);
        assert_eq!(options.attributes, Attributes { set: attr::RDONLY, clear: attr::ATIME });
        assert_eq!(options.propagation, [Propagation { flag: libc::MS_PRIVATE, recursive: true }]);
        assert!(options.parameters.is_empty());
    }

    #[test]
    fn what_is_no_flag_goes_to_the_file_system() {
        let options = read("size=64k newinstance tmpcopyup");
        assert_eq!(options.parameters, [Parameter::Text(c"size".into(), c"64k".into()), Parameter::Flag(c"newinstance".into())]);
        assert!(options.copy_up);
    }

    #[test]
    fn every_known_option_is_no_parameter() {
        for word in KNOWN.iter().copied() {
            assert!(read(word).parameters.is_empty(), "{word}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused_by_name() {
        let long = format!("context={}", "x".repeat(300));
        let error = parse("mounts[3]", &[long]).unwrap_err().to_string();
        assert!(error.contains("mounts[3]") && error.contains("`context`"), "{error}");
        assert!(parse("mounts[0]", &["remount".to_owned()]).is_err());
    }
}
