//! What happens while an image comes or goes, for whoever shows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::digest::Digest;
use crate::error::ImageError;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An image has these layers, the lowest first, with the bytes of their archives.
    Layers(Vec<(Digest, u64)>),
    /// A layer got so far. The digest is that of its archive as it is transferred.
    Layer {
        /// Which.
        digest: Digest,
        /// How far.
        state: LayerState,
    },
    /// So many more bytes of an archive were read.
    Read {
        /// How many.
        bytes: u64,
    },
    /// An image that is offered for one platform only is for another one than was asked for.
    OtherPlatform {
        /// What was asked for.
        wanted: String,
        /// What it is for.
        found: String,
    },
    /// A registry asks to wait, or did not answer, and is asked again.
    Again {
        /// Which.
        registry: String,
        /// Why.
        why: String,
        /// How long it is waited.
        wait: Duration,
    },
    /// A mirror is of no use, and the next one is asked.
    Mirror {
        /// Which.
        address: String,
        /// Why.
        why: String,
    },
    /// Extended attributes that the file system of the store does not take.
    LostAttribute {
        /// Its name.
        name: String,
        /// One of the files that have it.
        file: String,
    },
}

/// How far a layer got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It waits for others.
    Waiting,
    /// It was there before.
    Exists,
    /// Bytes that came, of all.
    Downloading {
        /// Bytes that came.
        done: u64,
        /// All.
        of: u64,
        /// Bytes that were there from a download that was broken off.
        resumed: u64,
    },
    /// All bytes came; it is unpacked and verified.
    Unpacking,
    /// It is in the store.
    Done,
    /// Bytes that went, of all.
    Uploading {
        /// Bytes that went.
        done: u64,
        /// All.
        of: u64,
    },
    /// The registry took it over from another repository.
    Mounted {
        /// From which.
        from: String,
    },
}

/// Who is told, and who may stop it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    tell: &'a (dyn Fn(Event) + Sync),
    stop: &'a AtomicBool,
    /// Set where other work of the same kind failed.
    failed: Option<&'a AtomicBool>,
}

/// The longest time without looking whether it shall stop.
const LOOK: Duration = Duration::from_millis(100);

impl<'a> Watch<'a> {
    /// Makes one; setting `stop` ends the work with [`ImageError::Cancelled`] soon after.
    #[must_use]
    pub fn new(tell: &'a (dyn Fn(Event) + Sync), stop: &'a AtomicBool) -> Self {
        Self { tell, stop, failed: None }
    }

    /// Returns one that stops when another part of the work fails, too.
    pub(crate) fn with<'b>(&self, failed: &'b AtomicBool) -> Watch<'b>
    where
        'a: 'b,
    {
        Watch { tell: self.tell, stop: self.stop, failed: Some(failed) }
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.tell)(event);
    }

    pub(crate) fn layer(&self, digest: Digest, state: LayerState) {
        self.tell(Event::Layer { digest, state });
    }

    /// Fails where it shall stop.
    pub(crate) fn go_on(&self) -> Result<(), ImageError> {
        let failed = self.failed.is_some_and(|it| it.load(Ordering::Relaxed));
        if failed || self.stop.load(Ordering::Relaxed) {
            Err(ImageError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Waits, unless it shall stop.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), ImageError> {
        let until = Instant::now() + time;
        loop {
            self.go_on()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
