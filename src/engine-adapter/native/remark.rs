//! What was accepted and is not as asked, for whoever asks next.

use std::sync::{Mutex, PoisonError};

use rcompose_engine_adapter::{ContainerName, Remark};

#[derive(Debug, Default)]
pub(crate) struct Remarks(Mutex<Vec<Remark>>);

impl Remarks {
    pub(crate) fn add(&self, container: &ContainerName, texts: impl IntoIterator<Item = String>) {
        let remarks = texts.into_iter().map(|text| Remark { container: container.clone(), text });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(remarks);
    }

    pub(crate) fn take(&self) -> Vec<Remark> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
