//! Work for a whole project, done once for all who asked for it before it began: of thirty containers that start at once, some wait while
//! the rules are set for the others, and the next turn is for all of these.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{self, Result};

/// Somebody's wish, from when it was written down.
pub(super) struct Asked {
    path: PathBuf,
    ledger: File,
    number: u64,
}

/// How many wishes there were, and how many of them were fulfilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ledger {
    asked: u64,
    done: u64,
}

impl Asked {
    /// Asks. What the work is to take into account has been written down before.
    pub(super) fn ask(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let asked = Self { path: path.to_owned(), ledger: opened.map_err(error::file("open", path))?, number: 0 };
        let number = asked.change(|it| it.asked += 1)?.asked;
        Ok(Self { number, ..asked })
    }

    /// Works, unless that was done since for somebody else. The caller holds the lock of whoever works.
    pub(super) fn work(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let before = self.change(|_| {})?;
        if before.done >= self.number {
            return Ok(());
        }
        work()?;
        self.change(|it| it.done = it.done.max(before.asked)).map(drop)
    }

    /// Changes the ledger and returns it. A client that is killed leaves it as it was or as it is to be: it is written at once.
    fn change(&self, change: impl FnOnce(&mut Ledger)) -> Result<Ledger> {
        let failed = || error::file("keep", &self.path);
        self.ledger.lock().map_err(failed())?;
        let mut bytes = [0; 16];
        // A new one is empty.
        let length = self.ledger.read_at(&mut bytes, 0).map_err(failed())?;
        let word = |from: usize| bytes[from..from + 8].iter().rev().fold(0, |all, it| all << 8 | u64::from(*it));
        let before = if length == bytes.len() {
            Ledger { asked: word(0), done: word(8) }
        } else {
            Ledger { asked: 0, done: 0 }
        };
        let mut after = before;
        change(&mut after);
        if after != before {
            bytes[..8].copy_from_slice(&after.asked.to_le_bytes());
            bytes[8..].copy_from_slice(&after.done.to_le_bytes());
            self.ledger.write_all_at(&bytes, 0).map_err(failed())?;
        }
        self.ledger.unlock().map_err(failed())?;
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn one_turn_is_for_all_who_asked_before_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asked");
        let turns = Cell::new(0);
        let count = || {
            turns.set(turns.get() + 1);
            Ok(())
        };
        let [first, second, third] = [(); 3].map(|()| Asked::ask(&path).unwrap());
        second.work(count).unwrap();
        first.work(count).unwrap();
        third.work(count).unwrap();
        assert_eq!(turns.get(), 1, "the second's turn was for all three");
        let late = Cell::new(None);
        let fourth = Asked::ask(&path).unwrap();
        fourth
            .work(|| {
                late.set(Some(Asked::ask(&path).unwrap()));
                count()
            })
            .unwrap();
        late.take().unwrap().work(count).unwrap();
        assert_eq!(turns.get(), 3, "who asks while somebody works may have missed it");
        let fifth = Asked::ask(&path).unwrap();
        fifth.work(|| Err(crate::error::invalid("no"))).unwrap_err();
        let sixth = Asked::ask(&path).unwrap();
        sixth.work(count).unwrap();
        fifth.work(count).unwrap();
        assert_eq!(turns.get(), 4, "a turn that failed was for nobody");
    }
}
