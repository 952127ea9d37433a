//! One client of the engine: its calls, what goes wrong for it, and how many calls it has in flight.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rcompose_engine_adapter::Result;

use crate::fault::Faults;
use crate::{Call, CallKind};

/// The most calls that were in flight at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Calls that can change something.
    pub mutating: usize,
    /// Calls of `observe`.
    pub observing: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Client {
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Faults>,
    flight: Mutex<(InFlight, InFlight)>,
}

/// Counts one call as in flight, as long as it lives.
#[derive(Debug)]
pub(crate) struct Flight<'a> {
    client: &'a Client,
    kind: CallKind,
}

impl Client {
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn most_in_flight(&self) -> InFlight {
        self.flight().1
    }

    /// Records a call, lets it take its time, and fails it where it is to fail.
    pub(crate) async fn enter(&self, kind: CallKind, object: String) -> Result<Flight<'_>> {
        let call = self.record(kind, object);
        let flight = self.take_off(kind);
        let (yields, sleep) = self.faults().next_pause();
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if !sleep.is_zero() {
            tokio::time::sleep(sleep).await;
        }
        self.faults().admit(&call)?;
        Ok(flight)
    }

    fn record(&self, kind: CallKind, object: String) -> Call {
        let mut calls = self.calls();
        let call = Call { number: calls.len() as u64 + 1, kind, object };
        calls.push(call.clone());
        call
    }

    fn take_off(&self, kind: CallKind) -> Flight<'_> {
        let (now, most) = &mut *self.flight();
        if let Some(count) = slot(now, kind) {
            *count += 1;
        }
        most.mutating = most.mutating.max(now.mutating);
        most.observing = most.observing.max(now.observing);
        Flight { client: self, kind }
    }

    fn flight(&self) -> MutexGuard<'_, (InFlight, InFlight)> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some(count) = slot(&mut self.client.flight().0, self.kind) {
            *count -= 1;
        }
    }
}

fn slot(flight: &mut InFlight, kind: CallKind) -> Option<&mut usize> {
    if kind.is_mutating() {
        Some(&mut flight.mutating)
    } else {
        (kind == CallKind::Observe).then_some(&mut flight.observing)
    }
}
