//! Our own engine behind the seams `Engine`, `Images` and `Streams`: no daemon, state in files, containers under `supervise`.
//!
//! What is written down (`document`, `catalog`, `file`) is the state; how a container stands is what its shim wrote down (`stand`). Every
//! call is carried out by blocking code on a thread that may block, under the lock of what it changes, and can be repeated: what a call
//! that was cut off left is found by the next one.
//!
//! This room must not know Compose, print, or read the environment.

#![cfg(target_os = "linux")]

mod ahead;
mod bundle;
mod catalog;
mod clock;
mod container;
mod copy;
mod doctor;
mod document;
mod driver;
mod engine;
mod error;
mod events;
mod file;
mod found;
mod groups;
mod images;
mod link;
mod measure;
mod mend;
mod network;
mod observe;
mod place;
mod remark;
mod resume;
mod root;
mod seen;
mod sentence;
mod stand;
mod streams;
mod thread;
mod trash;
mod upkeep;
mod volume;

pub use ahead::Ahead;
pub use doctor::{Check, Verdict, examine};
pub use engine::{Native, Reach, Setup};
pub use resume::Resumption;

/// Tells whether containers of a project are in these folders, without making any. What cannot be read is not there.
#[must_use]
pub fn has_project(root: &std::path::Path, run: &std::path::Path, project: &str) -> bool {
    let places = place::Places::new(root.to_owned(), run.to_owned());
    let is_of = |it: rcompose_engine_adapter::Result<document::Container>| it.is_ok_and(|it| it.project() == Some(project));
    places.one_by_one().is_ok_and(|mut all| all.any(is_of))
}

/// Does what follows from a container's end, its restart, or another health: names and rules of its project are brought up to that, and
/// what one that has ended for good held is taken away. Its shim runs this in a process of its own; nobody waits for it.
///
/// # Errors
/// Something of it stays; whoever asks for the container next tries again.
pub fn changed(root: &std::path::Path, run: &std::path::Path, id: &str) -> rcompose_engine_adapter::Result<()> {
    let unreached = || {
        Err(rcompose_engine_adapter::EngineError::new(
            rcompose_engine_adapter::ErrorKind::Other,
            "no registry is asked here",
        ))
    };
    let setup = Setup {
        root: root.to_owned(),
        run: run.to_owned(),
        program: None,
        registries: std::sync::Arc::new(unreached),
        version: String::new(),
        ahead: Ahead::default(),
    };
    rcompose_supervise::be_impatient();
    container::changed(&Native::open(setup)?, id)
}

/// Takes away the files of containers that were removed; whoever removed them runs this in a process of its own, since that may take a while.
///
/// # Errors
/// Something of them stays; whoever observes next tries again.
pub fn clear(containers: &std::path::Path) -> rcompose_engine_adapter::Result<()> {
    trash::clear(containers)
}
