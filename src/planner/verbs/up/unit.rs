//! What was decided about each container.

use rcompose_engine_adapter::{ContainerName, ContainerSpec, ObservedContainer};

use crate::Reason;
use crate::draft::Handle;

/// The containers of one service.
#[derive(Debug, Default)]
pub(super) struct Replicas<'a> {
    /// Those that stay or come, by number.
    pub(super) units: Vec<Unit<'a>>,
    /// Those that go, since fewer are wanted.
    pub(super) excess: Vec<&'a ObservedContainer>,
    /// Left over from a replacement that was cut off; what they were to replace is still there.
    pub(super) leftovers: Vec<&'a ObservedContainer>,
}

impl Replicas<'_> {
    /// Tells whether the first container is made, which is the one that others borrow from.
    pub(super) fn first_is_made(&self) -> bool {
        self.units.first().is_some_and(|unit| unit.fate.makes())
    }

    /// Tells whether any container is made.
    pub(super) fn any_made(&self) -> bool {
        self.units.iter().any(|unit| unit.fate.makes())
    }
}

/// One container that stays or comes.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// The name it has in the end.
    pub(super) name: ContainerName,
    /// What is wanted.
    pub(super) spec: ContainerSpec,
    /// What is there.
    pub(super) existing: Option<&'a ObservedContainer>,
    /// What happens to it.
    pub(super) fate: Fate,
    /// It is stopped and started again, since what it depends on is replaced.
    pub(super) restart: Option<Reason>,
    /// The step that makes what is wanted.
    pub(super) created: Option<Handle>,
    /// The step after which it has its name.
    pub(super) made: Option<Handle>,
    /// The first of the steps that stop what is there.
    pub(super) stopping: Option<Handle>,
    /// The step that stops what is there.
    pub(super) stopped: Option<Handle>,
    /// The step that takes what is there away.
    pub(super) removed: Option<Handle>,
    /// The step that starts it.
    pub(super) start: Option<Handle>,
    /// The step after which it runs, hooks included.
    pub(super) started: Option<Handle>,
}

/// What happens to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing: it runs as wanted.
    Keep,
    /// It is as wanted, and is started.
    Start(Reason),
    /// It is as wanted, and is thawed.
    Unpause,
    /// It is made.
    Create(Reason),
    /// Another takes its place.
    Recreate(Reason),
    /// It goes first, since a volume it uses is made anew; then another comes.
    Rebuild(Reason),
}

impl Fate {
    /// Tells whether a new container is made.
    pub(super) fn makes(&self) -> bool {
        match self {
            Self::Create(_) | Self::Recreate(_) | Self::Rebuild(_) => true,
            Self::Keep | Self::Start(_) | Self::Unpause => false,
        }
    }
}

impl Unit<'_> {
    /// Tells whether a process of it is there to be stopped.
    pub(super) fn is_up(&self) -> bool {
        self.existing.is_some_and(|container| container.state.is_up())
    }

    /// Tells whether nothing happens to it.
    pub(super) fn is_untouched(&self) -> bool {
        self.fate == Fate::Keep && self.restart.is_none() && self.made.is_none()
    }

    /// Returns why it is started, if it is.
    pub(super) fn start_reason(&self) -> Option<Reason> {
        match &self.fate {
            Fate::Keep | Fate::Unpause => self.restart.clone(),
            Fate::Start(reason) | Fate::Create(reason) => Some(reason.clone()),
            Fate::Recreate(_) | Fate::Rebuild(_) => Some(Reason::Replaced),
        }
    }
}
