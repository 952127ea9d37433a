//! Containers that are read before anybody asks for them: while a command reads the files of its project, a second processor has nothing to do.

use std::path::{Path, PathBuf};

use crate::document::Container;
use crate::link::Joined;
use crate::place::Places;
use crate::seen::Seen;

/// What is being read. Whoever takes something from here looks first whether its file is still the same.
#[derive(Debug, Clone, Default)]
pub struct Ahead {
    pub(crate) containers: Seen<Container>,
    pub(crate) links: Seen<Joined>,
}

impl Ahead {
    /// Begins to read the containers of the engine in these folders, which are [`crate::Setup::root`] and [`crate::Setup::run`]. What cannot be
    /// read is for whoever asks for it.
    #[must_use]
    pub fn read(root: &Path, run: &Path) -> Self {
        let ahead = Self::default();
        let places = ahead.clone().places(root, run);
        if places.containers().is_dir() {
            let read = move || {
                for id in places.ids().unwrap_or_default() {
                    if let Ok(Some(container)) = places.shared(&id) {
                        let _later = Joined::shared(&places, &container);
                    }
                }
            };
            // Without a thread it is read when it is asked for.
            let _none = std::thread::Builder::new().name("ahead".into()).spawn(read);
        }
        ahead
    }

    pub(crate) fn places(self, root: impl Into<PathBuf>, run: impl Into<PathBuf>) -> Places {
        Places { seen: self.containers, links: self.links, ..Places::new(root, run) }
    }
}
