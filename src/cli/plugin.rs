//! Being started by the `docker` command: the metadata it asks plugins for, and its own flags before the word `compose`.

use std::ffi::OsString;
use std::path::Path;

/// Answers the question a plugin is asked first, if it is asked. Source: docker CLI plugin protocol, schema 0.1.0.
pub(crate) fn metadata(words: &[OsString]) -> Option<String> {
    if words.get(1)?.to_str()? != "docker-cli-plugin-metadata" {
        return None;
    }
    let object = serde_json::json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "rcompose",
        "Version": format!("v{}", env!("CARGO_PKG_VERSION")),
        "ShortDescription": env!("CARGO_PKG_DESCRIPTION"),
    });
    Some(object.to_string())
}

/// The words that are ours, and the variables that the docker command's own flags stand for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unwrapped {
    /// The program's name and our own words.
    pub(crate) words: Vec<OsString>,
    /// Variables set by flags of the docker command.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// Takes away what the docker command puts before our words: `docker-compose [flags] compose WORDS`.
///
/// Called by the docker command the program's name is `docker-compose` and the word `compose` is there; called by a
/// person under that name it is not, and the words are ours as they are.
pub(crate) fn unwrap(words: Vec<OsString>) -> Unwrapped {
    let is_plugin_name = words.first().map(Path::new).and_then(Path::file_stem).is_some_and(|stem| stem == "docker-compose");
    if !is_plugin_name {
        return Unwrapped { words, env: Vec::new() };
    }
    let mut env = Vec::new();
    let mut at = 1;
    while let Some(word) = words.get(at).and_then(|word| word.to_str()) {
        if word == "compose" {
            let words = words.iter().take(1).chain(words.iter().skip(at + 1)).cloned().collect();
            return Unwrapped { words, env };
        }
        let (flag, attached) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (word, None),
        };
        let Some(effect) = DockerFlag::of(flag) else { break };
        let value = match (effect.takes_value(), attached) {
            (true, None) => {
                at += 1;
                words.get(at).and_then(|it| it.to_str()).unwrap_or_default().to_owned()
            }
            (_, Some(value)) => value,
            (false, None) => String::from("1"),
        };
        env.extend(effect.variable().map(|key| (key, value)));
        at += 1;
    }
    Unwrapped { words, env: Vec::new() }
}

/// A flag of the docker command.
#[derive(Debug, Clone, Copy)]
enum DockerFlag {
    Config,
    Context,
    Host,
    TlsVerify,
    /// One without meaning here, that takes a value or not.
    Other {
        value: bool,
    },
}

impl DockerFlag {
    fn of(flag: &str) -> Option<Self> {
        match flag {
            "--config" => Some(Self::Config),
            "-c" | "--context" => Some(Self::Context),
            "-H" | "--host" => Some(Self::Host),
            "--tlsverify" => Some(Self::TlsVerify),
            "--tls" | "-D" | "--debug" => Some(Self::Other { value: false }),
            "-l" | "--log-level" | "--tlscacert" | "--tlscert" | "--tlskey" => Some(Self::Other { value: true }),
            _ => None,
        }
    }

    fn takes_value(self) -> bool {
        match self {
            Self::Config | Self::Context | Self::Host => true,
            Self::TlsVerify => false,
            Self::Other { value } => value,
        }
    }

    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Config => Some("DOCKER_CONFIG"),
            Self::Context => Some("DOCKER_CONTEXT"),
            Self::Host => Some("DOCKER_HOST"),
            Self::TlsVerify => Some("DOCKER_TLS_VERIFY"),
            Self::Other { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_docker_commands_flags_become_variables() {
        let unwrapped = unwrap(words("/usr/libexec/docker-compose --context remote -H=tcp://h:1 compose -f x.yaml up"));
        assert_eq!(unwrapped.words, words("/usr/libexec/docker-compose -f x.yaml up"));
        assert_eq!(unwrapped.env, [("DOCKER_CONTEXT", "remote".to_owned()), ("DOCKER_HOST", "tcp://h:1".to_owned())]);
    }

    #[test]
    fn typed_by_a_person_the_words_stay() {
        for text in ["docker-compose up compose", "docker-compose -f compose up", "rcompose compose up"] {
            assert_eq!(unwrap(words(text)), Unwrapped { words: words(text), env: Vec::new() }, "{text}");
        }
    }

    #[test]
    fn metadata_is_one_json_object() {
        let answer: serde_json::Value = serde_json::from_str(&metadata(&words("x docker-cli-plugin-metadata")).unwrap()).unwrap();
        assert_eq!(answer["SchemaVersion"], "0.1.0");
        assert_eq!(metadata(&words("x up")), None);
    }
}
