//! Containers that are read before anybody asks for them: while a command reads the files of its project, a second processor has nothing to do.

use std::path::Path;

use crate::document::Container;
use crate::place::Places;
use crate::seen::Seen;

/// What is being read. Whoever takes a container from here looks first whether its file is still the same.
#[derive(Debug, Clone, Default)]
pub struct Ahead(pub(crate) Seen<Container>);

impl Ahead {
    /// Begins to read the containers of the engine in a folder, which is [`crate::Setup::root`]. What cannot be read is for whoever asks for it.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let ahead = Self::default();
        let places = Places { seen: ahead.0.clone(), ..Places::new(root, root) };
        if places.containers().is_dir() {
            let read = move || {
                for id in places.ids().unwrap_or_default() {
                    let _later = places.shared(&id);
                }
            };
            // Without a thread it is read when it is asked for.
            let _none = std::thread::Builder::new().name("ahead".into()).spawn(read);
        }
        ahead
    }
}
