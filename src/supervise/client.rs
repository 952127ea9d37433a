//! The caller's side: asks guardians and shims, and reads records where none is left.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::net::SocketType;
use serde::de::DeserializeOwned;

use crate::attached::Attached;
use crate::error::{Result, SuperviseError};
use crate::event::{self, Event, Events};
use crate::exec::{Exec, Execution};
use crate::exit::Exit;
use crate::guard;
use crate::health::Health;
use crate::identity;
use crate::kernel;
use crate::launch::nothing;
use crate::parcel::{self, FromGuardian, Held, Tag, ToGuardian};
use crate::patience;
use crate::place::{self, Place, Project};
use crate::protocol::{Reply, Request};
use crate::record::{Phase, Record};
use crate::service::Service;
use crate::socket;
use crate::task::{Task, Update};

/// Attempts to be heard by a guardian: one may be killed, or end since nothing was left, just now.
const ATTEMPTS: u32 = 5;
/// How often a record is looked at while a shim is being replaced.
const LOOK: Duration = Duration::from_millis(20);
/// How long the next shim may take to come.
const REPLACED: Duration = Duration::from_secs(5);
/// How often a guardian is asked for meanwhile.
const CENSUS: Duration = Duration::from_millis(500);

/// Speaks to the guardian and the shims of a project. Its calls block; they are for a thread that may.
#[derive(Debug, Clone)]
pub struct Client {
    project: Project,
    program: PathBuf,
}

impl Client {
    /// Knows a project; its guardian is `program` run with the word `__guard`, by default this program.
    #[must_use]
    pub fn new(project: Project, program: Option<PathBuf>) -> Self {
        Self { project, program: program.unwrap_or_else(|| PathBuf::from(guard::SELF)) }
    }

    fn ask(&self, said: &ToGuardian) -> Result<FromGuardian> {
        self.ask_with(said, &nothing()).map(|it| it.0)
    }

    fn ask_with(&self, said: &ToGuardian, lent: &BTreeMap<Tag, BorrowedFd<'_>>) -> Result<(FromGuardian, Held)> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let Some(socket) = patience::connect(&self.project)? else {
                guard::start(&self.program, &self.project)?;
                continue;
            };
            if parcel::send(&socket, said, lent).is_ok() {
                patience::await_answer(&self.project, &socket)?;
            }
            match parcel::receive::<FromGuardian>(&socket) {
                Ok((FromGuardian::Refused { reason }, _)) => return Err(SuperviseError::Refused { reason }),
                Ok(answer) => return Ok(answer),
                // It died with the question: the same one again, which is the same order.
                Err(error) => last = Some(error),
            }
            std::thread::sleep(LOOK);
        }
        let said = last.map_or_else(|| "nothing".to_owned(), |error| error.to_string());
        Err(SuperviseError::NoGuardian { path: self.project.folder().to_owned(), said })
    }

    /// Runs a container whose task is written, and returns when its program has begun. One that runs is left alone.
    ///
    /// # Errors
    /// It cannot be started, for the reason given.
    pub fn run(&self, name: &str) -> Result<()> {
        self.project.container(name)?;
        // The time is as good as any number: one order is told from another.
        self.ask(&ToGuardian::Run { name: name.to_owned(), ticket: kernel::now() }).map(drop)
    }

    /// Tells whether there is a guardian, which takes care of containers whose shim died.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        socket::is_heard(&self.project.socket(), SocketType::SEQPACKET)
    }

    /// Names the containers that have a shim. Starts a guardian if none is there, which takes care of those whose shim died.
    ///
    /// # Errors
    /// No guardian can be started.
    pub fn census(&self) -> Result<Vec<String>> {
        match self.ask(&ToGuardian::Census)? {
            FromGuardian::Census { names, .. } => Ok(names),
            _ => Ok(Vec::new()),
        }
    }

    /// Lets the project hold duplicates of descriptors under a name, in the place of what has that name: sockets of ports, namespaces. They
    /// stay open, and the guardian stays, until they are released; SIGKILL of guardian or shims closes none as long as one of them is left.
    ///
    /// # Errors
    /// There are more than 64, or no guardian can be started.
    pub fn keep(&self, name: &str, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        if descriptors.len() > parcel::DESCRIPTORS {
            let reason = format!("{} descriptors under one name, and at most {} are kept", descriptors.len(), parcel::DESCRIPTORS);
            return Err(SuperviseError::Refused { reason });
        }
        self.ask_with(&ToGuardian::Keep { name: name.to_owned() }, &guard::tagged(descriptors)).map(drop)
    }

    /// Returns duplicates of what is kept under a name, in its order; none where nothing is.
    ///
    /// # Errors
    /// No guardian can be started.
    pub fn kept(&self, name: &str) -> Result<Vec<OwnedFd>> {
        let (_, held) = self.ask_with(&ToGuardian::Lend { name: name.to_owned() }, &nothing())?;
        Ok(held.into_values().collect())
    }

    /// Lets the guardian serve this, in the place of what it served. It starts one if there is something to serve and no guardian yet.
    ///
    /// # Errors
    /// The guardian cannot open a name server or take a port; all else is served.
    pub fn serve(&self, service: &Service) -> Result<()> {
        service.write(&self.project)?;
        let nobody = service.clients.is_empty() && service.ports.is_empty();
        if nobody && !self.is_guarded() {
            return Ok(());
        }
        self.ask(&ToGuardian::Serve).map(drop)
    }

    /// Names everything that is kept.
    ///
    /// # Errors
    /// No guardian can be started.
    pub fn keeps(&self) -> Result<Vec<String>> {
        match self.ask(&ToGuardian::Census)? {
            FromGuardian::Census { kept, .. } => Ok(kept),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the number of the process that is guardian, or was the last one; nothing before the first. What is kept may be lost where
    /// it is another than before.
    #[must_use]
    pub fn guardian(&self) -> Option<u32> {
        patience::guardian(&self.project)
    }

    /// Keeps something no longer. What is not kept is released.
    ///
    /// # Errors
    /// No guardian can be started.
    pub fn release(&self, name: &str) -> Result<()> {
        self.ask(&ToGuardian::Release { name: name.to_owned() }).map(drop)
    }

    /// Connects to the shim of a container.
    ///
    /// # Errors
    /// There is none: it has ended, or its shim is being replaced.
    pub fn control(&self, name: &str) -> Result<Control> {
        let path = self.project.container(name)?.socket();
        let socket = socket::call(&path, SocketType::STREAM).map_err(SuperviseError::file("connect to", path))?;
        Ok(Control { stream: socket.into() })
    }

    /// As [`Client::control`], of a container that runs: a shim that is being replaced is waited for.
    ///
    /// # Errors
    /// It has ended, was never run or is being removed, or no shim comes.
    pub fn reach(&self, name: &str) -> Result<Control> {
        let until = Instant::now() + REPLACED;
        let mut census = None;
        loop {
            let error = match self.control(name) {
                Ok(control) => return Ok(control),
                Err(error) => error,
            };
            let runs = |it: &Record| !it.is_over() && it.boot == identity::boot();
            if Instant::now() > until || !self.recorded(name).is_ok_and(|it| runs(&it)) {
                return Err(error);
            }
            // If the guardian died too, this brings another one.
            if census.is_none_or(|it: Instant| it.elapsed() > CENSUS) {
                census = Some(Instant::now());
                self.census()?;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Tells whether somebody looks after a container, and writes down how it ends or has ended: its shim, be it that it is about to begin, or
    /// the guardian, which starts one.
    #[must_use]
    pub fn is_attended(&self, name: &str) -> bool {
        let lock = self.project.container(name).ok().and_then(|it| std::fs::File::open(it.lock()).ok());
        let is_locked = lock.is_some_and(|it| rustix::fs::flock(&it, FlockOperation::NonBlockingLockShared).is_err());
        is_locked || self.is_guarded()
    }

    /// Returns what is known of a container, from its shim or else from its record.
    ///
    /// # Errors
    /// There is neither.
    pub fn status(&self, name: &str) -> Result<Record> {
        if let Ok(record) = self.control(name).and_then(|mut it| it.status()) {
            return Ok(record);
        }
        self.record(&self.project.container(name)?)
    }

    /// Returns what the record of a container says, without asking anybody: a step behind at most, and of a shim that was killed what
    /// was known then.
    ///
    /// # Errors
    /// It was never run, or its record cannot be read.
    pub fn recorded(&self, name: &str) -> Result<Record> {
        self.record(&self.project.container(name)?)
    }

    /// Follows what happens to the containers of the project, from now on or from the oldest event that is kept.
    ///
    /// # Errors
    /// The project's folder can neither be read nor made.
    pub fn events(&self, from_start: bool) -> Result<Events> {
        Events::open(&self.project, from_start)
    }

    /// Runs a further process in a container.
    ///
    /// # Errors
    /// The container does not run or is paused, or the program cannot be run, for the reason given.
    pub fn exec(&self, name: &str, exec: &Exec) -> Result<Execution> {
        Execution::begin(self, name, exec)
    }

    pub(crate) fn place(&self, name: &str) -> Result<Place> {
        self.project.container(name)
    }

    fn record(&self, place: &Place) -> Result<Record> {
        let task = Task::read(place)?;
        let absent = || SuperviseError::Refused { reason: format!("the container {} was never run", place.name()) };
        let mut record = Record::read(&task.record())?.ok_or_else(absent)?;
        record.health = Health::read(place);
        Ok(record)
    }

    /// Adds an event of the caller's own.
    ///
    /// # Errors
    /// The file of events cannot be written.
    pub fn tell(&self, event: &Event) -> Result<()> {
        place::private(self.project.folder())?;
        event::put(&self.project, std::slice::from_ref(event), false)
    }

    /// Waits until a container has ended for good, also across shims that are killed meanwhile; nothing when the time is up.
    ///
    /// # Errors
    /// It was never run.
    pub fn wait(&self, name: &str, limit: Option<Duration>) -> Result<Option<Record>> {
        let place = self.project.container(name)?;
        let until = limit.map(|it| Instant::now() + it);
        loop {
            let left = until.map(|it| it.saturating_duration_since(Instant::now()));
            if let Ok(record) = self.control(name).and_then(|mut it| it.wait(left)) {
                return Ok(Some(record));
            }
            let record = self.record(&place)?;
            if record.phase == Phase::Ended {
                return Ok(Some(record));
            }
            if left.is_some_and(|it| it.is_zero()) {
                return Ok(None);
            }
            // Its shim died. If the guardian did too, this brings another one.
            self.census()?;
            std::thread::sleep(LOOK);
        }
    }
}

/// A connection to a shim.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
}

impl Control {
    fn io(error: io::Error) -> SuperviseError {
        SuperviseError::Step { step: "speak with the shim", source: error }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply> {
        self.stream.write_all(&request.to_bytes()).map_err(Self::io)?;
        self.hear(&[])
    }

    /// Reads an answer of which some bytes, at most four, were read already.
    fn hear(&mut self, first: &[u8]) -> Result<Reply> {
        let mut bytes = first.to_vec();
        bytes.resize(4, 0);
        self.stream.read_exact(&mut bytes[first.len()..]).map_err(Self::io)?;
        let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        // Longer ones are refused by `parse`, with no byte of them read.
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(crate::protocol::MOST + 2);
        bytes.resize(4 + length, 0);
        self.stream.read_exact(&mut bytes[4..]).map_err(Self::io)?;
        match Reply::parse(&bytes)? {
            Some((Reply::Refused(reason), _)) => Err(SuperviseError::Refused { reason }),
            Some((reply, _)) => Ok(reply),
            None => Err(Self::io(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Sends the streams along; returns the number of the process, and its terminal.
    pub(crate) fn exec(&mut self, exec: &Exec, theirs: &[OwnedFd]) -> Result<(u64, Option<OwnedFd>)> {
        let bytes = Request::Exec(serde_json::to_vec(exec).unwrap_or_default()).to_bytes();
        let lent: Vec<BorrowedFd<'_>> = theirs.iter().map(AsFd::as_fd).collect();
        let sent = socket::send_with(&self.stream, &bytes, &lent).map_err(Self::io)?;
        self.stream.write_all(&bytes[sent..]).map_err(Self::io)?;
        // The terminal comes with the first byte of the answer.
        let mut first = [0];
        let (length, mut descriptors) = socket::receive_with(&self.stream, &mut first).map_err(|errno| Self::io(errno.into()))?;
        if length == 0 {
            return Err(Self::io(io::ErrorKind::UnexpectedEof.into()));
        }
        let id = self.hear(&first).and_then(Self::told)?;
        Ok((id, descriptors.pop()))
    }

    /// Waits for the end of a further process.
    pub(crate) fn exec_exit(&mut self, id: u64, limit: Option<Duration>) -> Result<Exit> {
        self.stream.set_read_timeout(limit.map(|it| it.max(Duration::from_millis(1)))).map_err(Self::io)?;
        self.ask(&Request::ExecWait(id)).and_then(Self::told)
    }

    fn fine(&mut self, request: &Request) -> Result<()> {
        self.ask(request).map(drop)
    }

    fn told<T: DeserializeOwned>(reply: Reply) -> Result<T> {
        let Reply::Status(json) = reply else {
            return Err(Self::io(io::ErrorKind::InvalidData.into()));
        };
        serde_json::from_slice(&json).map_err(|source| SuperviseError::Malformed { path: "status".into(), source })
    }

    /// Returns what is known of the container.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn status(&mut self) -> Result<Record> {
        self.ask(&Request::Status).and_then(Self::told)
    }

    /// Waits until it has ended for good.
    ///
    /// # Errors
    /// The shim is gone, or the time is up.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Record> {
        self.stream.set_read_timeout(limit.map(|it| it.max(Duration::from_millis(1)))).map_err(Self::io)?;
        self.ask(&Request::Wait).and_then(Self::told)
    }

    /// Sends a signal to its first process.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&mut self, signal: u8) -> Result<()> {
        self.fine(&Request::Signal(signal))
    }

    /// Orders it to stop: signal, grace, SIGKILL for all; the task's own where absent. Returns at once.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn stop(&mut self, signal: Option<u8>, grace: Option<Duration>) -> Result<()> {
        let grace = grace.map(|it| u32::try_from(it.as_millis()).unwrap_or(u32::MAX));
        self.fine(&Request::Stop { signal, grace })
    }

    /// Takes over what follows from its end, which the shim does not run the task's program for then; until [`Control::followed`] is called.
    /// Where this connection ends before, the shim does so after all.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn follow(&mut self) -> Result<()> {
        self.fine(&Request::Follow)
    }

    /// Says that what follows from its end is done.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn followed(&mut self) -> Result<()> {
        self.fine(&Request::Followed)
    }

    /// Says that it is to be removed once it has ended: what a full disk does not take of its output is not waited for.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn discard(&mut self) -> Result<()> {
        self.fine(&Request::Discard)
    }

    /// Freezes its processes.
    ///
    /// # Errors
    /// It does not run, is frozen already, or nothing here freezes.
    pub fn pause(&mut self) -> Result<()> {
        self.fine(&Request::Pause { frozen: true })
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// They are not frozen.
    pub fn unpause(&mut self) -> Result<()> {
        self.fine(&Request::Pause { frozen: false })
    }

    /// Changes limits or policy; returns warnings.
    ///
    /// # Errors
    /// It does not run, or a limit cannot be set; the field is named.
    pub fn update(&mut self, update: &Update) -> Result<Vec<String>> {
        let json = serde_json::to_vec(update).unwrap_or_default();
        self.ask(&Request::Update(json)).and_then(Self::told)
    }

    /// Gives its terminal a size.
    ///
    /// # Errors
    /// It has none.
    pub fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        self.fine(&Request::Resize { rows, columns })
    }

    /// Sends bytes to its standard input.
    ///
    /// # Errors
    /// That is not open.
    pub fn input(&mut self, bytes: &[u8]) -> Result<()> {
        bytes.chunks(crate::protocol::INPUT).try_for_each(|part| self.fine(&Request::Input(part.to_vec())))
    }

    /// Ends its standard input.
    ///
    /// # Errors
    /// It is a terminal.
    pub fn end_input(&mut self) -> Result<()> {
        self.fine(&Request::EndInput)
    }

    /// Follows its output from now on, or from the oldest that its log holds.
    ///
    /// # Errors
    /// The shim is gone.
    pub fn attach(mut self, from_start: bool) -> Result<Attached> {
        self.fine(&Request::Attach { from_start })?;
        Ok(Attached::new(self.stream))
    }
}
