//! What happens to the container, told to the project.

use super::Shim;
use crate::error::Result;
use crate::event::{self, Event, What};
use crate::kernel;

impl Shim<'_> {
    pub(super) fn event(&self, what: What) -> Event {
        Event { at: kernel::now(), container: self.place.name().to_owned(), what }
    }

    /// Writes the record together with the news that it makes true. They are told after what it announces is done: [`Shim::tell`].
    pub(super) fn record(&mut self, news: Vec<What>) -> Result<()> {
        self.record.news = news.into_iter().map(|it| self.event(it)).collect();
        self.record.write(&self.task.record())
    }

    /// Tells the news of the record.
    pub(super) fn tell(&mut self) {
        self.put(false);
    }

    /// Tells what an earlier shim wrote and may not have told.
    pub(super) fn tell_missing(&mut self) {
        self.put(true);
    }

    fn put(&mut self, unless_there: bool) {
        if !self.record.news.is_empty() {
            // On a full disk nobody hears of it but by the record.
            let _ = event::put(&self.place.project(), &self.record.news, unless_there);
        }
    }

    /// Tells what no record says.
    pub(super) fn say(&self, what: What) {
        let _ = event::put(&self.place.project(), &[self.event(what)], false);
    }
}
