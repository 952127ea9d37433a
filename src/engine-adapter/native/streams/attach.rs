//! Attaching to a container's first process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rcompose_engine_adapter::{Attach, ContainerName, Output, Result, Session, TerminalSize};
use rcompose_supervise::{Attached, Frame, Phase, Reader, Stream};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use crate::clock;
use crate::document::Container;
use crate::engine::Native;
use crate::error;
use crate::thread::{self, Out};

/// Bytes of input that are on their way at once.
const INPUT: usize = 64 << 10;
/// How often it is looked for a shim: one that is to come, or that was killed and is replaced.
const LOOK: Duration = Duration::from_millis(10);

/// Where input goes: nowhere until the shim is there.
type Writer = Arc<Mutex<Option<Attached>>>;

/// Attaches to a container's first process, also before it is started.
pub(crate) fn attach(native: &Native, name: &ContainerName, attach: Attach) -> Result<Session> {
    let container = native.places.known(name)?;
    let is_up = native.running(&container)?.is_some();
    // One that is started later shows all of that start, and nothing of those before.
    let since = if is_up || attach.logs { 0 } else { clock::now() };
    let from_start = attach.logs || !is_up;
    let writer: Writer = Arc::default();
    let (ours, theirs) = duplex(INPUT);
    if attach.stdin {
        let (native, container, writer) = (native.clone(), container.clone(), Arc::clone(&writer));
        tokio::runtime::Handle::current().spawn(carry(theirs, native, container, writer));
    } else {
        drop(theirs);
    }
    let native = native.clone();
    let output = thread::stream(move |out| Watcher { native, container, writer, since, from_start }.watch(out));
    Ok(Session { input: Box::pin(ours), output })
}

struct Watcher {
    native: Native,
    container: Container,
    writer: Writer,
    /// Nothing older is shown.
    since: u64,
    from_start: bool,
}

impl Watcher {
    fn watch(&mut self, out: &Out<Output>) -> Result<()> {
        while let Some(mut attached) = self.connect(out)? {
            let twin = attached.try_clone().map_err(broken)?;
            *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(twin);
            // A stream that breaks off is one whose shim was killed: the next one goes on.
            while let Ok(Some(frame)) = attached.next_frame() {
                if !self.show(frame, out) {
                    return Ok(());
                }
            }
            *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.from_start = true;
            if self.is_over()? {
                return Ok(());
            }
        }
        // A short one may have come and gone while nobody was connected: what it said is in its log.
        let mut reader = Reader::oldest(&self.native.places.container(&self.container.id).keep());
        while let Some(frame) = reader.next_frame().map_err(error::supervise("read the log"))? {
            if !self.show(frame, out) {
                break;
            }
        }
        Ok(())
    }

    /// Shows a frame unless it is too old or was seen; tells whether anybody looks.
    fn show(&mut self, frame: Frame, out: &Out<Output>) -> bool {
        if frame.head.at < self.since {
            return true;
        }
        // Of a process and its log, no two frames are of one nanosecond.
        self.since = frame.head.at + 1;
        let bytes = Bytes::from(frame.bytes);
        out.send(if frame.head.stream == Stream::Err {
            Output::Stderr(bytes)
        } else {
            Output::Stdout(bytes)
        })
    }

    /// Waits for a shim; nothing when none comes any more.
    fn connect(&self, out: &Out<Output>) -> Result<Option<Attached>> {
        let client = self.native.client(&self.container);
        let mut over = false;
        loop {
            if let Ok(attached) = client.control(&self.container.id).and_then(|it| it.attach(self.from_start)) {
                return Ok(Some(attached));
            }
            if over || out.is_closed() {
                return Ok(None);
            }
            // Once more after its end: a short one may have come and gone in between, and its shim stays for its readers.
            over = self.is_over()?;
            std::thread::sleep(LOOK);
        }
    }

    fn is_over(&self) -> Result<bool> {
        let places = &self.native.places;
        if !places.container(&self.container.id).folder.is_dir() {
            return Ok(true);
        }
        let record = places.record(&self.container)?;
        let of_this_start = |at: u64| self.since == 0 || at >= self.since;
        Ok(record.is_some_and(|it| it.phase == Phase::Ended && it.ended.as_ref().is_none_or(|it| of_this_start(it.at))))
    }
}

fn broken(error: io::Error) -> rcompose_engine_adapter::EngineError {
    rcompose_engine_adapter::EngineError::new(rcompose_engine_adapter::ErrorKind::Unreachable, "the connection to the shim broke")
        .caused_by(error)
}

/// Carries input to the shim, as soon as there is one; the end of input is carried too.
async fn carry(mut input: DuplexStream, native: Native, container: Container, writer: Writer) {
    let mut piece = vec![0; INPUT];
    loop {
        let read = input.read(&mut piece).await.unwrap_or(0);
        let bytes = piece[..read].to_vec();
        let (native, container, writer) = (native.clone(), container.clone(), Arc::clone(&writer));
        let sent = thread::blocking(move || Ok(send(&native, &container, &writer, &bytes))).await;
        if read == 0 || !matches!(sent, Ok(true)) {
            return;
        }
    }
}

/// Sends bytes, or the end of input; tells whether the container can still take some.
fn send(native: &Native, container: &Container, writer: &Writer, bytes: &[u8]) -> bool {
    loop {
        {
            let mut held = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(attached) = held.as_mut() {
                let sent = if bytes.is_empty() { attached.end_input() } else { attached.input(bytes) };
                if sent.is_ok() {
                    return true;
                }
            }
        }
        if !native.places.container(&container.id).folder.is_dir() {
            return false;
        }
        if Arc::strong_count(writer) == 1 {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Resizes the terminal of a container's first process.
pub(crate) fn resize(native: &Native, name: &ContainerName, size: TerminalSize) -> Result<()> {
    let container = native.places.known(name)?;
    let control = native.client(&container).control(&container.id);
    let resized = control.and_then(|mut it| it.resize(size.height, size.width));
    resized.map_err(error::supervise("resize the terminal"))
}
