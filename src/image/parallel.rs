//! Several pieces of work side by side; the first that fails stops the others.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::ImageError;
use crate::progress::Watch;

/// Does the work for each item, at most `most` at the same time; returns what came of each, in their order.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    items: &[T],
    most: usize,
    watch: &Watch<'_>,
    work: impl Fn(&T, Watch<'_>) -> Result<R, ImageError> + Sync,
) -> Result<Vec<R>, ImageError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let first: Mutex<Option<ImageError>> = Mutex::new(None);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..most.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    match work(item, watch.with(&failed)) {
                        Ok(result) => done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result)),
                        Err(error) => {
                            // The first is the cause of the others.
                            first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            failed.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
