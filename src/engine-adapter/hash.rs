//! The configuration hash of docker compose, with holes for ids that no planner can know.
//!
//! Source: the label `com.docker.compose.config-hash`; a reference such as `network_mode: service:db` is hashed by docker
//! compose as `container:<id>`, and that id exists only once the other container does.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ContainerName;

/// A place in a preimage that the id of a container fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The text in the preimage that stands for the id.
    pub marker: String,
    /// The container whose id goes there.
    pub container: ContainerName,
}

/// What is hashed, in the dialect written and in those also accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigHash {
    /// The JSON that is hashed for the label.
    pub preimage: String,
    /// Other dialects of the same configuration that count as equal when comparing.
    pub dialects: Vec<String>,
    /// The places to fill before hashing.
    pub holes: Vec<Hole>,
}

impl ConfigHash {
    /// Computes the label's value; `None` while an id needed is unknown.
    pub fn digest(&self, id: impl Fn(&ContainerName) -> Option<String>) -> Option<String> {
        self.fill(&self.preimage, &id).map(|text| sha256_hex(text.as_bytes()))
    }

    /// Tells whether a label found on a container stands for this configuration, in any dialect.
    pub fn matches(&self, label: &str, id: impl Fn(&ContainerName) -> Option<String>) -> bool {
        std::iter::once(&self.preimage)
            .chain(&self.dialects)
            .filter_map(|text| self.fill(text, &id))
            .any(|text| sha256_hex(text.as_bytes()) == label)
    }

    fn fill(&self, text: &str, id: &impl Fn(&ContainerName) -> Option<String>) -> Option<String> {
        let mut text = text.to_owned();
        for hole in &self.holes {
            text = text.replace(&hole.marker, &id(&hole.container)?);
        }
        Some(text)
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_filled_before_hashing() {
        let hash = ConfigHash {
            preimage: r#"{"network_mode":"container:@db@"}"#.into(),
            dialects: vec![r#"{"network_mode":"container:@db@","x":1}"#.into()],
            holes: vec![Hole { marker: "@db@".into(), container: "p-db-1".into() }],
        };
        assert_eq!(hash.digest(|_| None), None);
        let expected = sha256_hex(br#"{"network_mode":"container:abc"}"#);
        assert_eq!(hash.digest(|_| Some("abc".into())), Some(expected.clone()));
        assert!(hash.matches(&expected, |_| Some("abc".into())));
        assert!(hash.matches(&sha256_hex(br#"{"network_mode":"container:abc","x":1}"#), |_| Some("abc".into())));
        assert!(!hash.matches(&expected, |_| Some("other".into())));
    }
}
