//! The state and its clock: what happens by itself, in the order of time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use rcompose_engine_adapter::{
    ContainerName, EngineError, EngineEvent, EngineInfo, ErrorKind, EventAction, EventSubject, Feature, ImageReference, NetworkName,
    Protocol, Result, VolumeName,
};
use sha2::{Digest, Sha256};

use crate::Script;
use crate::state::{Container, ExecRun, ImageStore, Network, Volume};
use crate::time::{Clock, nanoseconds};

/// All that is on the engine.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) info: EngineInfo,
    pub(crate) containers: BTreeMap<ContainerName, Container>,
    /// Names by id, for what outlives a rename.
    pub(crate) names: HashMap<String, ContainerName>,
    pub(crate) networks: BTreeMap<NetworkName, Network>,
    pub(crate) volumes: BTreeMap<VolumeName, Volume>,
    pub(crate) images: ImageStore,
    pub(crate) execs: BTreeMap<String, ExecRun>,
    pub(crate) events: Vec<EngineEvent>,
    pub(crate) scripts: BTreeMap<ContainerName, Vec<Script>>,
    pub(crate) image_scripts: BTreeMap<ImageReference, Script>,
    /// Ports of the host that something else holds, and what.
    pub(crate) foreign_ports: Vec<(IpAddr, u16, Protocol, String)>,
    pub(crate) missing_paths: BTreeSet<String>,
    pub(crate) timers: BTreeMap<(Duration, u64), Timer>,
    pub(crate) clock: Clock,
    /// Counts changes, so that who waits knows that something changed.
    pub(crate) version: u64,
    serial: u64,
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The next line or the end of a container's process.
    Process { id: String, run: u64 },
    /// A probe of a container's health.
    Probe { id: String, run: u64 },
    /// A restart by policy, after so many starts.
    Restart { id: String, starts: u64 },
    /// The next line or the end of an exec.
    Exec { id: String },
}

impl World {
    pub(crate) fn new() -> Self {
        let lacks = [Feature::SharedPort, Feature::RestartPace, Feature::BuildKit, Feature::Windows];
        let features = Feature::ALL.iter().copied().filter(|feature| !lacks.contains(feature)).collect();
        let mut world = Self {
            info: EngineInfo { name: "memory".into(), version: env!("CARGO_PKG_VERSION").into(), api: "1.51".into(), features },
            containers: BTreeMap::new(),
            names: HashMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: ImageStore::default(),
            execs: BTreeMap::new(),
            events: Vec::new(),
            scripts: BTreeMap::new(),
            image_scripts: BTreeMap::new(),
            foreign_ports: Vec::new(),
            missing_paths: BTreeSet::new(),
            timers: BTreeMap::new(),
            clock: Clock::new(),
            version: 0,
            serial: 0,
        };
        for name in ["bridge", "host", "none"] {
            let network = world.new_network(name.to_owned(), BTreeMap::new(), None, true);
            world.networks.insert(name.into(), network);
        }
        world
    }

    pub(crate) fn new_network(
        &mut self,
        driver: String,
        labels: BTreeMap<String, String>,
        subnet: Option<&str>,
        built_in: bool,
    ) -> Network {
        let id = self.new_id();
        let chosen = format!("10.{}.{}", self.serial / 256 % 256, self.serial % 256);
        let given = subnet.and_then(|it| it.rsplit_once('.')).map(|(prefix, _)| prefix.to_owned());
        let prefix = given.unwrap_or(chosen);
        Network { id, driver, labels, prefix, has_subnet: subnet.is_some(), built_in, last_address: 1 }
    }

    /// Makes an id of 64 hex digits, the same in every run.
    pub(crate) fn new_id(&mut self) -> String {
        let serial = self.next_serial();
        sha256_hex(&format!("rcompose-memory {serial}"))
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn container(&self, name: &ContainerName) -> Result<&Container> {
        self.containers.get(name).ok_or_else(|| no_container(name))
    }

    pub(crate) fn container_mut(&mut self, name: &ContainerName) -> Result<&mut Container> {
        self.containers.get_mut(name).ok_or_else(|| no_container(name))
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Container> {
        self.containers.get(self.names.get(id)?)
    }

    pub(crate) fn by_id_mut(&mut self, id: &str) -> Option<&mut Container> {
        self.containers.get_mut(self.names.get(id)?)
    }

    pub(crate) fn schedule(&mut self, at: Duration, timer: Timer) {
        let serial = self.next_serial();
        self.timers.insert((at, serial), timer);
    }

    /// Returns when something happens by itself next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Lets happen all that is due, each at its own time, and returns the time now.
    pub(crate) fn advance(&mut self) -> Duration {
        let now = self.clock.now();
        while let Some(entry) = self.timers.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            let timer = entry.remove();
            match timer {
                Timer::Process { id, run } => self.step_process(&id, run, at),
                Timer::Probe { id, run } => self.probe(&id, run, at),
                Timer::Restart { id, starts } => self.restart_by_policy(&id, starts, at),
                Timer::Exec { id } => self.step_exec(&id, at),
            }
        }
        now
    }

    /// Notes that something changed.
    pub(crate) fn touch(&mut self) {
        self.version += 1;
    }

    pub(crate) fn container_event(&mut self, name: &ContainerName, action: EventAction, at: Duration) {
        let labels = self.containers.get(name).map(|it| it.labels.clone()).unwrap_or_default();
        self.event(EventSubject::Container(name.clone()), action, labels, at);
    }

    pub(crate) fn event(&mut self, subject: EventSubject, action: EventAction, labels: BTreeMap<String, String>, at: Duration) {
        let (id, mut details) = (self.id_of(&subject), BTreeMap::new());
        if let EventSubject::Container(name) = &subject {
            details.insert("name".to_owned(), name.to_string());
        }
        if let EventAction::Died { code } = &action {
            details.insert("exitCode".to_owned(), code.to_string());
        }
        self.events.push(EngineEvent { subject, action, id, labels, details, time: nanoseconds(at) });
        self.touch();
    }

    /// Returns the id of something that is or was there.
    fn id_of(&self, subject: &EventSubject) -> String {
        match subject {
            EventSubject::Container(name) => {
                let here = self.containers.get(name).map(|it| it.id.clone());
                let before = || self.events.iter().rev().find(|it| it.subject == *subject).map(|it| it.id.clone());
                here.or_else(before).unwrap_or_default()
            }
            EventSubject::Network(name) => self.networks.get(name).map(|it| it.id.clone()).unwrap_or_default(),
            EventSubject::Volume(name) => name.to_string(),
        }
    }
}

pub(crate) fn no_container(name: &ContainerName) -> EngineError {
    EngineError::new(ErrorKind::NotFound, format!("no such container: {name}"))
}

pub(crate) fn conflict(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Conflict, message)
}

pub(crate) fn invalid(message: impl Into<String>) -> EngineError {
    EngineError::new(ErrorKind::Invalid, message)
}

pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
