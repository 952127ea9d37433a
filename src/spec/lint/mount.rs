//! Targets of mounts: absolute, no drive letters by accident, known options of a tmpfs.

use super::{Lint, MAX_COMPARED, meant};
use crate::error::{Code, Finding};
use crate::model::{Service, ServiceVolume, VolumeKind};

/// Words that stand where a target was expected, when the target was forgotten.
const OPTIONS: &[&str] = &["ro", "rw", "nocopy", "z", "Z", "cached", "delegated", "consistent"];
/// What an engine takes for a tmpfs; source: the flags of mount(8) and the options of tmpfs(5).
const TMPFS: &[&str] = &[
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
    "nr_blocks",
    "mpol",
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "dirsync",
    "remount",
    "mand",
    "nomand",
    "defaults",
    "bind",
    "rbind",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "slave",
    "rslave",
    "unbindable",
    "runbindable",
    "noswap",
    "huge",
];

impl Lint<'_> {
    pub(super) fn mounts(&mut self, service: &Service) {
        for (index, volume) in service.volumes.iter().enumerate() {
            self.target(format!("services.{}.volumes[{index}]", service.name), volume);
        }
        for (index, entry) in service.tmpfs.iter().enumerate() {
            let path = format!("services.{}.tmpfs[{index}]", service.name);
            let (target, options) = entry.split_once(':').unwrap_or((entry, ""));
            if !is_absolute(target) {
                let warning = Finding::new(Code::RelativeTarget, format!("the target `{target}` is not an absolute path"));
                self.warn(path.clone(), warning.hint(format!("write `/{}`", target.trim_start_matches("./"))));
            }
            for option in options.split(',').filter(|option| !option.is_empty()).take(MAX_COMPARED) {
                let word = option.split('=').next().unwrap_or(option);
                if !TMPFS.contains(&word) {
                    let warning = Finding::new(Code::UnknownWord, format!("`{word}` is no option of a tmpfs"));
                    self.warn(path.clone(), warning.maybe_hint(meant(word, TMPFS.iter().copied())));
                }
            }
        }
    }

    fn target(&mut self, path: String, volume: &ServiceVolume) {
        let target = volume.target.as_str();
        // Containers of Windows have drives in their paths.
        let on_drive = !volume.source.is_empty() && drive(target).is_some();
        if target.is_empty() || is_absolute(target) || on_drive {
            return;
        }
        if let Some((letter, rest)) = drive(target).filter(|_| volume.source.is_empty()) {
            return self.drive(path, letter, rest);
        }
        let warning = match &volume.source {
            source if !source.is_empty() && OPTIONS.contains(&target) => {
                let message = format!("the path in the container is missing: `{target}` stands in its place");
                Finding::new(Code::RelativeTarget, message).hint(format!("write SOURCE:TARGET:OPTIONS, such as `./data:/data:{target}`"))
            }
            source if source.is_empty() && volume.kind == VolumeKind::Volume => {
                let known = self.project.volumes.contains_key(target);
                let message = format!("`{target}` alone is a path in the container, and not an absolute one");
                let what = if known { "a path for the volume" } else { "both sides" };
                Finding::new(Code::RelativeTarget, message).hint(format!("write {what}, such as `{target}:/var/lib/{target}`"))
            }
            _ => {
                let message = format!("the target `{target}` is not an absolute path");
                Finding::new(Code::RelativeTarget, message).hint(format!("write `/{}`", target.trim_start_matches("./")))
            }
        };
        self.warn(path, warning.label("engines refuse it"));
    }

    /// `v:/data` is read as a path on the drive V of Windows, and so as an anonymous volume.
    fn drive(&mut self, path: String, letter: char, rest: &str) {
        let key = letter.to_string();
        let declared = self.project.volumes.contains_key(&key);
        let written = self.origins.get(&format!("volumes.{key}"));
        let message = format!("`{letter}:{rest}` is read as a path on the Windows drive {letter}:, not as the volume `{letter}`");
        let warning = Finding::new(Code::DriveLetter, message)
            .label("an anonymous volume")
            .hint("give the volume a name of two or more letters, or use the long form: {type: volume, source: …, target: …}");
        self.warn(path, if declared { warning.note(written, "the volume") } else { warning });
    }
}

/// Whether a path is absolute on Linux, or on Windows beyond doubt.
fn is_absolute(target: &str) -> bool {
    target.starts_with(['/', '\\']) || drive(target).is_some_and(|(_, rest)| rest.starts_with('\\'))
}

fn drive(target: &str) -> Option<(char, &str)> {
    let mut chars = target.chars();
    let letter = chars.next().filter(|letter| letter.is_alphabetic())?;
    let rest = chars.as_str().strip_prefix(':')?;
    rest.starts_with(['/', '\\']).then_some((letter, rest))
}
