//! What was accepted and is not as asked, for whoever asks next.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rcompose_engine_adapter::Remark;

use crate::document::Container;

#[derive(Debug, Default)]
pub(crate) struct Remarks(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    waiting: Vec<Remark>,
    /// Of whom, and what: a service, not each of its replicas; nobody for what is so of this machine.
    said: BTreeSet<(String, String)>,
}

impl Remarks {
    /// Adds what was not said yet of a container, or of another replica of its service.
    pub(crate) fn add(&self, container: &Container, texts: impl IntoIterator<Item = String>) {
        self.add_once(&format!("{} {}", container.project().unwrap_or_default(), container.who()), container, texts);
    }

    /// Adds what is so of this machine, whichever container it is noticed for.
    pub(crate) fn add_of_host(&self, container: &Container, texts: impl IntoIterator<Item = String>) {
        self.add_once("", container, texts);
    }

    /// Adds what is so of something else than a container.
    pub(crate) fn add_of(&self, what: &str, text: String) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.said.insert((what.to_owned(), text.clone())) {
            held.waiting.push(Remark { container: what.into(), text });
        }
    }

    fn add_once(&self, about: &str, container: &Container, texts: impl IntoIterator<Item = String>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for text in texts {
            if held.said.insert((about.to_owned(), text.clone())) {
                held.waiting.push(Remark { container: container.name.clone(), text });
            }
        }
    }

    pub(crate) fn take(&self) -> Vec<Remark> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }
}
