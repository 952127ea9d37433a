//! Where the store is, how registries are reached, and work that lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcompose_image::{DOCKER_IO, Event, ImageError, Registries, Store, Watch};
use tokio::sync::mpsc::unbounded_channel;

use crate::args::RegistryArgs;
use crate::failure::Failure;
use crate::render::Layers;
use crate::session::{Session, native};
use crate::signals::{Interrupts, exit_now};

/// How often the display is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Opens the store: `RCOMPOSE_ROOT`, else the system's for root and the user's own for others.
pub(super) fn store(session: &Session) -> Result<Store, Failure> {
    Ok(Store::open(&native::root(&session.caller))?)
}

/// Puts together how registries are reached: flags first, then what the docker daemon is told.
pub(crate) fn registries(session: &Session, args: Option<&RegistryArgs>) -> Result<Registries, Failure> {
    let mut registries = native::registries(&session.caller, &session.globals.insecure_registry)?;
    for mirror in args.into_iter().flat_map(|it| &it.registry_mirror).rev() {
        let (registry, address) = mirror.split_once('=').unwrap_or((DOCKER_IO, mirror));
        registries.mirrors.entry(registry.to_owned()).or_default().insert(0, address.to_owned());
    }
    Ok(registries)
}

/// Does work that lasts, in a thread of its own, and shows it. The first Ctrl-C ends it in good order, the second at once.
pub(super) async fn watched<T: Send + 'static>(
    mut display: Layers,
    work: impl FnOnce(Watch<'_>) -> Result<T, ImageError> + Send + 'static,
) -> Result<T, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, mut events) = unbounded_channel::<Event>();
    let mut task = {
        let stop = Arc::clone(&stop);
        tokio::task::spawn_blocking(move || {
            // A display that is gone needs no events.
            let tell = |event| drop(sender.send(event));
            work(Watch::new(&tell, &stop))
        })
    };
    let mut interrupts = Interrupts::listen();
    let mut ticks = tokio::time::interval(FRAME);
    let result = loop {
        tokio::select! {
            result = &mut task => break result,
            Some(event) = events.recv() => display.event(&event),
            _ = ticks.tick() => display.tick(),
            count = interrupts.next() => {
                stop.store(true, Ordering::Relaxed);
                if count > 1 {
                    exit_now();
                }
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        display.event(&event);
    }
    display.finish();
    match result {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failure::io("the work ended in the middle", std::io::Error::other(error))),
    }
}

/// Returns the display for a verb.
pub(super) fn display(session: &Session, quiet: bool) -> Result<Layers, Failure> {
    let progress = if quiet { crate::args::Progress::Quiet } else { session.progress()? };
    Ok(Layers::new(progress, session.caller.stderr_tty && session.moves(), session.err))
}
