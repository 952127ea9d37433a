//! What an engine has altogether, whatever project, how much room it takes, and how it is taken away again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;

use crate::{ContainerState, NetworkName, Result, VolumeName};

/// Keeps an engine tidy.
#[async_trait]
pub trait Upkeep: fmt::Debug + Send + Sync {
    /// Says what the engine stands on.
    async fn ground(&self) -> Result<Ground>;

    /// Lists all there is. `sizes` asks how much room it takes, too, which reads whole trees of files.
    async fn stock(&self, sizes: bool) -> Result<Stock>;

    /// Removes something unless it is in use, which is [`crate::ErrorKind::Conflict`]; absent is success. Returns the bytes that this
    /// freed, where the engine tells.
    async fn discard(&self, what: &Discard) -> Result<Option<u64>>;
}

/// What an engine stands on: its folders, and what its machine gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// The folder of what outlives a start of the machine.
    pub root: String,
    /// The folder of what does not, where there is one.
    pub run: Option<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The system, such as `Debian GNU/Linux 12 (bookworm)`.
    pub system: String,
    /// The processors' architecture, such as `x86_64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// The version of control groups: `1` or `2`.
    pub cgroup: String,
    /// Controllers of control groups; empty where the engine does not tell.
    pub controllers: Vec<String>,
    /// How layers become a root file system, such as `overlay`.
    pub storage: String,
    /// What networks are made of.
    pub network: String,
    /// What confines containers, such as `seccomp`.
    pub security: Vec<String>,
}

/// Everything on an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// Images, intermediate ones left out.
    pub images: Vec<StockImage>,
    /// Bytes of all images together, what they share counted once.
    pub layers: u64,
    /// Containers of all projects and of none.
    pub containers: Vec<StockContainer>,
    /// Networks.
    pub networks: Vec<StockNetwork>,
    /// Volumes.
    pub volumes: Vec<StockVolume>,
    /// Entries of a builder's cache.
    pub cache: Vec<StockCache>,
    /// What broken-off work and crashes left, each in words, with its bytes.
    pub leftovers: Vec<(String, u64)>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockImage {
    /// Its id.
    pub id: String,
    /// Its names with tags.
    pub names: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970 at which it was made; 0 is unknown.
    pub created: i64,
    /// Bytes of its files.
    pub size: u64,
    /// Those of them that other images have, too.
    pub shared: u64,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockContainer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// Ids of images that are mounted in it.
    pub mounted: BTreeSet<String>,
    /// What it does.
    pub state: ContainerState,
    /// The engine's sentence about that.
    pub status: String,
    /// The command line.
    pub command: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970 at which it was made.
    pub created: i64,
    /// Bytes of its writable layer.
    pub size: u64,
    /// Networks it is on, or is on when it runs.
    pub networks: BTreeSet<NetworkName>,
    /// Its volumes.
    pub volumes: BTreeSet<VolumeName>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockNetwork {
    /// Its name.
    pub name: NetworkName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Seconds since 1970 at which it was made; 0 is unknown.
    pub created: i64,
    /// The engine's own, which nobody removes.
    pub own: bool,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Nobody gave it its name.
    pub anonymous: bool,
    /// Bytes of its files; nothing where it lies elsewhere.
    pub size: Option<u64>,
}

/// An entry of a builder's cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockCache {
    /// Its id.
    pub id: String,
    /// What it is of, such as `regular`.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// A build uses it now.
    pub in_use: bool,
    /// Its bytes are counted with an image's.
    pub shared: bool,
}

/// Something to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discard {
    /// A container, by its id; one that was started meanwhile stays.
    Container(String),
    /// A network.
    Network(NetworkName),
    /// A volume with its content.
    Volume(VolumeName),
    /// An image with all its names.
    Image {
        /// Its id.
        id: String,
        /// Its names.
        names: Vec<String>,
    },
    /// A builder's cache.
    Cache {
        /// What later builds could use, too.
        all: bool,
        /// Only what was not used since: seconds since 1970.
        until: Option<i64>,
    },
    /// What [`Stock::leftovers`] tells of.
    Leftovers,
}

impl Stock {
    /// Returns the containers of an image.
    pub fn of_image<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a StockContainer> {
        self.containers.iter().filter(move |it| it.image_id == id || it.mounted.contains(id))
    }

    /// Returns the containers that have a volume.
    pub fn of_volume<'a>(&'a self, name: &'a VolumeName) -> impl Iterator<Item = &'a StockContainer> {
        self.containers.iter().filter(move |it| it.volumes.contains(name))
    }
}

/// Tells whether a name is one that an engine makes up for a volume, as far as it can be told: 64 hex digits, and in no file.
pub fn is_made_up(name: &VolumeName, labels: &BTreeMap<String, String>) -> bool {
    let text = name.as_str();
    text.len() == 64
        && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
        && !labels.contains_key(crate::labels::VOLUME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_file_is_not_made_up() {
        let labels = BTreeMap::new();
        let hex = VolumeName::from("0a".repeat(32));
        assert!(is_made_up(&hex, &labels));
        assert!(!is_made_up(&"shop_data".into(), &labels));
        assert!(!is_made_up(&"0A".repeat(32).into(), &labels));
        assert!(!is_made_up(&hex, &BTreeMap::from([(crate::labels::VOLUME.to_owned(), "data".to_owned())])));
    }
}
