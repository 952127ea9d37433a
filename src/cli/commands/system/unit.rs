//! The systemd unit of a project, as text. Source: systemd.unit(5), systemd.service(5), systemd.syntax(7).

use crate::failure::Failure;

/// First line of every unit of ours: what does not begin with it is somebody else's.
pub(super) const HEAD: &str = "# Written by `rcompose system enable`; `rcompose system disable` removes it.";

/// What a unit is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The project.
    pub(super) project: String,
    /// This program, absolute.
    pub(super) program: String,
    /// Words that name the project, before the verb.
    pub(super) words: Vec<String>,
    /// Variables that say where its state is.
    pub(super) environment: Vec<(String, String)>,
    /// Absolute paths that must be mounted.
    pub(super) paths: Vec<String>,
}

impl Unit {
    /// Returns the file's name; a project's name has no letter that systemd would escape.
    pub(super) fn name(project: &str) -> String {
        format!("rcompose-{project}.service")
    }

    /// Returns the file's text.
    ///
    /// # Errors
    /// A path or value that no line of a unit can hold.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let mut text = format!("{HEAD}\n[Unit]\nDescription=Compose project {}\n", self.project.replace('%', "%%"));
        text.push_str("Wants=network-online.target\nAfter=network-online.target local-fs.target\n");
        for path in &self.paths {
            text.push_str(&format!("RequiresMountsFor={}\n", quoted(path)?));
        }
        // What it starts lives on: shims and guardian leave when their containers end, and are not to be killed with their unit.
        text.push_str("\n[Service]\nType=oneshot\nRemainAfterExit=yes\nKillMode=process\n");
        for (key, value) in &self.environment {
            text.push_str(&format!("Environment={}\n", quoted(&format!("{key}={value}"))?));
        }
        // One container that does not start must not keep the others from being stopped in order: so the unit is up all the same.
        text.push_str(&format!("ExecStart=-{}\nExecStop={}\n", self.command("start")?, self.command("stop")?));
        // Health and grace decide how long it takes, and each of them has a limit of its own.
        text.push_str("TimeoutStartSec=infinity\nTimeoutStopSec=10min\n\n[Install]\nWantedBy=multi-user.target\n");
        Ok(text)
    }

    /// Returns the command line of a verb, as a line of the unit.
    pub(super) fn command(&self, verb: &str) -> Result<String, Failure> {
        // Of the program itself systemd takes `$` as it is.
        let mut line = quoted(&self.program)?;
        for word in self.words.iter().map(String::as_str).chain(["system", verb]) {
            line.push(' ');
            line.push_str(&quoted(word)?.replace('$', "$$"));
        }
        Ok(line)
    }
}

/// Writes a word so that systemd reads that very word.
fn quoted(word: &str) -> Result<String, Failure> {
    if let Some(odd) = word.chars().find(|it| it.is_control()) {
        return Err(Failure::refused_with(
            format!("{word:?} holds the character {odd:?}, which no line of a systemd unit can hold"),
            "rename the folder or file",
        ));
    }
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-:=,+@".contains(it);
    // A prefix such as `@` or `-` means something before a program.
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with(['@', ':', '+', '=']) {
        return Ok(word.to_owned());
    }
    Ok(format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(folder: &str) -> Unit {
        Unit {
            project: "shop".into(),
            program: "/usr/local/bin/rcompose".into(),
            words: ["-p", "shop", "--project-directory", folder, "-f", &format!("{folder}/compose.yaml")]
                .map(str::to_owned)
                .to_vec(),
            environment: vec![("RCOMPOSE_ROOT".into(), format!("{folder}/state"))],
            paths: vec![folder.to_owned()],
        }
    }

    #[test]
    fn a_unit_names_its_project_and_waits_for_disks_and_network() {
        let text = unit("/srv/shop").text().unwrap();
        let expected = "\
# Written by `rcompose system enable`; `rcompose system disable` removes it.
[Unit]
Description=Compose project shop
Wants=network-online.target
After=network-online.target local-fs.target
RequiresMountsFor=/srv/shop

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
Environment=RCOMPOSE_ROOT=/srv/shop/state
ExecStart=-/usr/local/bin/rcompose -p shop --project-directory /srv/shop -f /srv/shop/compose.yaml system start
ExecStop=/usr/local/bin/rcompose -p shop --project-directory /srv/shop -f /srv/shop/compose.yaml system stop
TimeoutStartSec=infinity
TimeoutStopSec=10min

[Install]
WantedBy=multi-user.target
";
        assert_eq!(text, expected);
    }

    #[test]
    fn odd_paths_are_read_back_as_they_are() {
        for (folder, word, other) in [
            ("/srv/my shop", "\"/srv/my shop\"", "\"/srv/my shop\""),
            ("/srv/100%", "\"/srv/100%%\"", "\"/srv/100%%\""),
            ("/srv/a\"b", "\"/srv/a\\\"b\"", "\"/srv/a\\\"b\""),
            ("/srv/a'b", "\"/srv/a'b\"", "\"/srv/a'b\""),
            ("/srv/a\\b", "\"/srv/a\\\\b\"", "\"/srv/a\\\\b\""),
            ("/srv/$HOME", "\"/srv/$$HOME\"", "\"/srv/$HOME\""),
            ("/srv/käse;#", "\"/srv/käse;#\"", "\"/srv/käse;#\""),
        ] {
            let text = unit(folder).text().unwrap();
            assert!(text.contains(&format!("--project-directory {word} -f ")), "{text}");
            assert!(text.contains(&format!("RequiresMountsFor={other}\n")), "{text}");
        }
        let mut odd = unit("/srv");
        odd.program = "/opt/a $b/rcompose".into();
        assert!(odd.text().unwrap().contains("ExecStart=-\"/opt/a $b/rcompose\" -p "));
        odd.words.push(String::new());
        assert!(odd.command("start").unwrap().ends_with(" \"\" system start"));
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        for folder in ["/srv/a\nExecStart=/bin/sh", "/srv/a\tb", "/srv/a\r"] {
            assert!(unit(folder).text().is_err(), "{folder:?}");
        }
    }
}
