//! Instructions of `import --change`: those of a Dockerfile that change the configuration and no file.
//! Source: docker import, "Supported Dockerfile instructions".

use crate::config::{Defaults, Healthcheck};
use crate::error::ImageError;

impl Defaults {
    /// Applies one instruction, such as `CMD ["sh"]` or `ENV A=1 B=2`.
    pub fn change(&mut self, instruction: &str) -> Result<(), ImageError> {
        let wrong = |why: &str| ImageError::Change { text: instruction.to_owned(), why: why.to_owned() };
        let text = instruction.trim();
        let (word, rest) = text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()));
        if rest.is_empty() {
            return Err(wrong("nothing follows the instruction"));
        }
        match word.to_ascii_uppercase().as_str() {
            "CMD" => self.cmd = Some(command(rest).map_err(wrong)?),
            "ENTRYPOINT" => self.entrypoint = Some(command(rest).map_err(wrong)?),
            "ENV" => self.set(pairs(rest).map_err(wrong)?),
            "LABEL" => self.labels.extend(pairs(rest).map_err(wrong)?),
            "EXPOSE" => {
                for port in words(rest).map_err(wrong)? {
                    let port = exposed(&port).ok_or_else(|| wrong("a port is a number or a range, with /tcp, /udp or /sctp"))?;
                    if !self.exposed_ports.contains(&port) {
                        self.exposed_ports.push(port);
                    }
                }
                self.exposed_ports.sort();
            }
            "VOLUME" => {
                let folders = if rest.starts_with('[') {
                    json(rest).map_err(wrong)?
                } else {
                    words(rest).map_err(wrong)?
                };
                self.volumes.extend(folders);
                self.volumes.sort();
                self.volumes.dedup();
            }
            "USER" => self.user = one(rest).map_err(wrong)?,
            "WORKDIR" => self.go_to(&one(rest).map_err(wrong)?),
            "STOPSIGNAL" => self.stop_signal = Some(one(rest).map_err(wrong)?),
            "ONBUILD" => self.on_build.push(rest.to_owned()),
            "HEALTHCHECK" => self.healthcheck = Some(healthcheck(rest).map_err(wrong)?),
            "SHELL" => self.shell = Some(json(rest).map_err(wrong)?),
            _ => {
                return Err(wrong(
                    "only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed",
                ));
            }
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<(String, String)>) {
        for (key, value) in pairs {
            let start = format!("{key}=");
            self.env.retain(|it| !it.starts_with(&start));
            self.env.push(format!("{start}{value}"));
        }
    }

    /// Changes the working folder; a relative one is below the one before.
    fn go_to(&mut self, folder: &str) {
        self.working_dir = if folder.starts_with('/') {
            folder.to_owned()
        } else {
            format!("{}/{folder}", self.working_dir.trim_end_matches('/'))
        };
    }
}

fn json(text: &str) -> Result<Vec<String>, &'static str> {
    serde_json::from_str(text).map_err(|_| "it is no list of texts in JSON")
}

/// Reads a command: a JSON list, or a line for a shell.
fn command(text: &str) -> Result<Vec<String>, &'static str> {
    if text.starts_with('[')
        && let Ok(list) = json(text)
    {
        return Ok(list);
    }
    Ok(vec!["/bin/sh".into(), "-c".into(), text.to_owned()])
}

/// Splits at blanks outside quotes. Source: Dockerfile reference, escapes with a backslash.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut any) = (Vec::new(), String::new(), false);
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None, '\'' | '"') => (quote, any) = (Some(letter), true),
            (Some('"') | None, '\\') => {
                any = true;
                word.push(letters.next().ok_or("it ends with a backslash")?);
            }
            (None, letter) if letter.is_whitespace() => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, letter) => {
                any = true;
                word.push(letter);
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    if any {
        words.push(word);
    }
    Ok(words)
}

fn one(text: &str) -> Result<String, &'static str> {
    match words(text)?.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err("it takes one word"),
    }
}

/// Reads `KEY=value …`, or the older `KEY value`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let words = words(text)?;
    if words.first().is_some_and(|it| !it.contains('=')) {
        let (key, value) = text.split_once(char::is_whitespace).ok_or("a name needs a value")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("each word is written NAME=value"),
    };
    words.into_iter().map(pair).collect()
}

fn exposed(text: &str) -> Option<String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let number = |text: &str| text.parse::<u16>().ok().filter(|it| *it > 0);
    let fits = match ports.split_once('-') {
        Some((from, to)) => number(from)? <= number(to)?,
        None => number(ports).is_some(),
    };
    (fits && matches!(protocol.as_str(), "tcp" | "udp" | "sctp")).then(|| format!("{ports}/{protocol}"))
}

fn healthcheck(text: &str) -> Result<Healthcheck, &'static str> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).ok_or("CMD or NONE is missing")?;
        let (name, value) = option.split_once('=').ok_or("an option is written --NAME=value")?;
        match name {
            "interval" => check.interval = nanoseconds(value)?,
            "timeout" => check.timeout = nanoseconds(value)?,
            "start-period" => check.start_period = nanoseconds(value)?,
            "start-interval" => check.start_interval = nanoseconds(value)?,
            "retries" => check.retries = value.parse().map_err(|_| "--retries takes a number")?,
            _ => return Err("the options are --interval, --timeout, --start-period, --start-interval and --retries"),
        }
        rest = after.trim_start();
    }
    let (word, command) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(word, rest)| (word, rest.trim()));
    check.test = match (word.to_ascii_uppercase().as_str(), command) {
        ("NONE", "") => vec!["NONE".into()],
        ("CMD", "") => return Err("CMD needs a command"),
        ("CMD", list) if list.starts_with('[') => std::iter::once("CMD".to_owned()).chain(json(list)?).collect(),
        ("CMD", line) => vec!["CMD-SHELL".into(), line.to_owned()],
        _ => return Err("it says CMD or NONE"),
    };
    Ok(check)
}

/// Reads a length of time such as `1m30s`. Source: Go `time.ParseDuration`.
fn nanoseconds(text: &str) -> Result<i64, &'static str> {
    const WRONG: &str = "a time is written such as 30s or 1m30s";
    let (mut sum, mut rest) = (0.0f64, text);
    while !rest.is_empty() {
        let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.').ok_or(WRONG)?;
        let number: f64 = rest[..end].parse().map_err(|_| WRONG)?;
        let unit = &rest[end..];
        let length = unit.find(|it: char| it.is_ascii_digit()).unwrap_or(unit.len());
        sum += number
            * match &unit[..length] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 6e10,
                "h" => 3.6e12,
                _ => return Err(WRONG),
            };
        rest = &unit[length..];
    }
    if text.is_empty() || sum > 9e18 {
        return Err(WRONG);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked; fractions of a nanosecond mean nothing")]
    Ok(sum as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(instructions: &[&str]) -> Defaults {
        let mut defaults = Defaults::default();
        for instruction in instructions {
            defaults.change(instruction).unwrap_or_else(|error| panic!("{error}"));
        }
        defaults
    }

    #[test]
    fn instructions_change_what_they_say() {
        let it = changed(&[
            "CMD [\"a\", \"b c\"]",
            "entrypoint run \"x\"",
            "ENV A=1 B='two words' C=\\\"",
            "ENV A 3 and more",
            "LABEL a.b=\"c d\" e=f",
            "EXPOSE 80 53/UDP 1000-1002",
            "VOLUME /a /b",
            "VOLUME [\"/c d\"]",
            "USER me:us",
            "WORKDIR /srv",
            "WORKDIR app",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN make",
            "HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f x",
        ]);
        assert_eq!(it.cmd.unwrap(), ["a", "b c"]);
        assert_eq!(it.entrypoint.unwrap(), ["/bin/sh", "-c", "run \"x\""]);
        assert_eq!(it.env, ["B=two words", "C=\"", "A=3 and more"]);
        assert_eq!(it.labels.into_iter().collect::<Vec<_>>(), [("a.b".into(), "c d".into()), ("e".into(), "f".into())]);
        assert_eq!(it.exposed_ports, ["1000-1002/tcp", "53/udp", "80/tcp"]);
        assert_eq!(it.volumes, ["/a", "/b", "/c d"]);
        assert_eq!((it.user.as_str(), it.working_dir.as_str()), ("me:us", "/srv/app"));
        assert_eq!((it.stop_signal.as_deref(), it.on_build.as_slice()), (Some("SIGINT"), ["RUN make".to_owned()].as_slice()));
        let check = it.healthcheck.unwrap();
        assert_eq!((check.interval, check.retries, check.test), (90_000_000_000, 2, vec!["CMD-SHELL".into(), "curl -f x".into()]));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "CMD",
            "RUN x",
            "COPY a b",
            "FROM x",
            "ENV =1",
            "ENV A",
            "EXPOSE 0",
            "EXPOSE 80/icmp",
            "EXPOSE 9-8",
            "EXPOSE x",
            "USER a b",
            "VOLUME [1]",
            "VOLUME ['",
            "HEALTHCHECK x",
            "HEALTHCHECK --interval=soon CMD x",
            "HEALTHCHECK --x=1 CMD y",
            "HEALTHCHECK CMD",
            "LABEL \"a",
        ] {
            assert!(Defaults::default().change(text).is_err(), "{text}");
        }
    }
}
