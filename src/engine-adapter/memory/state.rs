//! What is on the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use rcompose_engine_adapter::{
    Attachment, ContainerSpec, ContainerState, HealthStatus, ImageConfig, ImageId, ImageReference, NetworkName, Protocol, TerminalSize,
    VolumeName,
};
use rcompose_health::Monitor;

use crate::shell::Program;
use crate::tree::Tree;

/// A container; its name is its key.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// As asked for; names in it that point to other containers may be old, `borrows` has their ids.
    pub(crate) spec: ContainerSpec,
    pub(crate) image_id: ImageId,
    pub(crate) defaults: ImageConfig,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: ContainerState,
    pub(crate) created: Duration,
    pub(crate) endpoints: BTreeMap<NetworkName, Endpoint>,
    /// Anonymous volumes by target.
    pub(crate) anonymous: BTreeMap<String, VolumeName>,
    /// Ids of the containers whose namespaces it shares; they have to run when it starts.
    pub(crate) borrows: BTreeSet<String>,
    pub(crate) ports: Vec<HeldPort>,
    pub(crate) run: Option<Run>,
    /// How often it was started.
    pub(crate) starts: u64,
    /// Ends in a row that its restart policy has answered.
    pub(crate) restarts: u32,
    /// Somebody stopped it, so that its restart policy rests.
    pub(crate) stopped_by_hand: bool,
    pub(crate) output: Vec<Line>,
    /// Standard input that came before the start.
    pub(crate) early_input: Vec<u8>,
    /// Its end came before the start.
    pub(crate) early_eof: bool,
    pub(crate) size: Option<TerminalSize>,
    /// Its files.
    pub(crate) tree: Tree,
}

impl Container {
    pub(crate) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Tells whether a process is there.
    pub(crate) fn has_process(&self) -> bool {
        self.run.is_some()
    }

    pub(crate) fn health(&self) -> Option<HealthStatus> {
        self.run.as_ref()?.monitor.as_ref().map(Monitor::status)
    }
}

/// One start of a container, until its end.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Tells runs apart, so that no timer of an earlier one counts.
    pub(crate) number: u64,
    pub(crate) process: Process,
    pub(crate) monitor: Option<Monitor>,
    pub(crate) probes: u32,
}

/// A process that runs.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) program: Program,
    pub(crate) started: Duration,
    /// Lines of the program that are out.
    pub(crate) printed: usize,
    /// What came on standard input and is no whole line yet.
    pub(crate) input: Vec<u8>,
}

impl Process {
    pub(crate) fn new(program: Program, started: Duration) -> Self {
        Self { program, started, printed: 0, input: Vec::new() }
    }
}

/// A line that was put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) stderr: bool,
    pub(crate) text: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) attachment: Attachment,
    pub(crate) ipv4: String,
}

/// A port of the host that a running container holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldPort {
    pub(crate) host_ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) target: u16,
    pub(crate) protocol: Protocol,
}

#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) driver: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// First three numbers of its addresses, where the engine chose them or the pool has them.
    pub(crate) prefix: String,
    /// The user gave a subnet, so that fixed addresses are possible.
    pub(crate) has_subnet: bool,
    pub(crate) built_in: bool,
    /// The last number given out.
    pub(crate) last_address: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) driver: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) anonymous: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) id: ImageId,
    pub(crate) tagged: Duration,
    pub(crate) config: ImageConfig,
}

/// Images there, in registries, and what pulls and builds do.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageStore {
    pub(crate) local: BTreeMap<ImageReference, Image>,
    pub(crate) remote: BTreeMap<ImageReference, ImageConfig>,
    pub(crate) failing_builds: BTreeMap<String, String>,
    pub(crate) build_results: BTreeMap<String, ImageConfig>,
    pub(crate) pushed: BTreeSet<ImageReference>,
}

/// An exec.
#[derive(Debug, Clone)]
pub(crate) struct ExecRun {
    pub(crate) container: String,
    pub(crate) process: Process,
    pub(crate) output: Vec<Line>,
    pub(crate) status: Option<i64>,
    pub(crate) stdin: bool,
    pub(crate) size: Option<TerminalSize>,
}
