//! What an engine can be told, and what it can tell.
//!
//! This room holds the seam between the planner and whatever runs containers. It knows no Compose type and no engine's
//! own types, does no IO, and decides nothing.

mod container;
mod copy;
mod engine;
mod error;
mod feature;
mod hash;
mod image;
pub mod labels;
mod mount;
mod name;
mod network;
mod observed;
mod resources;
mod stream;
mod upkeep;
mod usage;
mod volume;

pub use container::{ContainerSpec, DeviceRequest, HostEntry, Logging, Namespaces, Process, Restart, Security, Stop};
pub use copy::{ArchiveBytes, PathKind, PathStat, base_name};
pub use engine::{Engine, Images, Remark, Streams};
pub use error::{EngineError, ErrorKind, Result};
pub use feature::{EngineInfo, Feature};
pub use hash::{ConfigHash, Hole};
pub use image::{BuildContext, BuildSpec, Dockerfile, ImageConfig, ImageProgress, PullPolicy, PullSpec};
pub use mount::{Content, FileMount, Mount, MountKind, Propagation, Recursive, Tmpfs};
pub use name::{ContainerName, ImageId, ImageReference, NetworkName, VolumeName};
pub use network::{Attachment, IpamPool, NetworkMode, NetworkSpec, PortSpec, Protocol};
pub use observed::{
    ContainerState, Observed, ObservedContainer, ObservedEndpoint, ObservedImage, ObservedMount, ObservedNetwork, ObservedPort,
    ObservedVolume, PortHolder, Projects, Scope,
};
pub use resources::{BlkioDevice, DeviceMapping, Resources, Ulimit};
pub use stream::{
    Attach, EngineEvent, EventAction, EventSubject, Exec, ExecId, ExecSession, LogLine, LogOptions, Output, Session, Span, TerminalSize,
};
pub use upkeep::{Discard, Ground, Stock, StockCache, StockContainer, StockImage, StockNetwork, StockVolume, Upkeep, is_made_up};
pub use usage::{Processes, Usage};
pub use volume::VolumeSpec;

pub use rcompose_health::{Check, Status as HealthStatus, Test};
