//! What the guardian serves to the containers of a project beside their lives: names, and ports that the kernel's rules cannot carry. What
//! is to be served stands in a file of the project's folder, so that another guardian serves the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rcompose_network::Protocol;
use rcompose_network::dns::{Client, Zone};
use rcompose_network::rules::Backend;
use serde::{Deserialize, Serialize};

use crate::error::{Result, SuperviseError};
use crate::place::{self, Project};
use crate::record;

/// What is to be served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Who has which name.
    pub zone: Zone,
    /// Containers that ask, by any name that is theirs alone.
    pub clients: BTreeMap<String, Asker>,
    /// Ports that are carried.
    pub ports: Vec<Carried>,
}

/// A container that asks for names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The file that its network namespace is mounted on.
    pub namespace: PathBuf,
    /// What it may know.
    pub client: Client,
    /// It serves names itself, so port 53 must stay free.
    pub is_server: bool,
}

/// A port that is carried by hand, from a socket that is kept ([`crate::Client::keep`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Under which name the socket is kept.
    pub kept: String,
    /// Which of those under that name it is.
    pub number: usize,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
    /// Where connections go.
    pub backends: Vec<Backend>,
}

impl Service {
    fn path(project: &Project) -> PathBuf {
        project.folder().join(".service.json")
    }

    /// Reads what is to be served; nothing where that was not written down.
    pub(crate) fn read(project: &Project) -> Self {
        let text = fs::read(Self::path(project)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it at once or not at all; that there is nothing to serve needs no space.
    pub(crate) fn write(&self, project: &Project) -> Result<()> {
        place::private(project.folder())?;
        let path = Self::path(project);
        if *self != Self::default() {
            return record::exchange(&path, &serde_json::to_vec(self).unwrap_or_default(), false);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SuperviseError::file("remove", path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
