//! What an engine was asked.

use std::fmt;

macro_rules! calls {
    ($($name:ident = $word:literal $mutating:literal,)*) => {
        /// The methods of the three seams.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is the method of the same name")]
        pub enum CallKind {
            $($name,)*
        }

        impl CallKind {
            /// Returns the method's name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Tells whether the call can change what is there.
            pub fn is_mutating(self) -> bool {
                match self { $(Self::$name => $mutating,)* }
            }
        }
    };
}

calls! {
    Observe = "observe" false,
    CreateNetwork = "create_network" true,
    RemoveNetwork = "remove_network" true,
    Connect = "connect" true,
    Disconnect = "disconnect" true,
    CreateVolume = "create_volume" true,
    RemoveVolume = "remove_volume" true,
    CreateContainer = "create_container" true,
    StartContainer = "start_container" true,
    StopContainer = "stop_container" true,
    KillContainer = "kill_container" true,
    RemoveContainer = "remove_container" true,
    RenameContainer = "rename_container" true,
    PauseContainer = "pause_container" true,
    UnpauseContainer = "unpause_container" true,
    WaitContainer = "wait_container" false,
    Events = "events" false,
    Pull = "pull" true,
    Build = "build" true,
    Push = "push" true,
    RemoveImage = "remove_image" true,
    Logs = "logs" false,
    Attach = "attach" false,
    Exec = "exec" true,
    ExecStatus = "exec_status" false,
    Top = "top" false,
    Usage = "usage" false,
    Stat = "stat" false,
    Pack = "pack" false,
    Unpack = "unpack" true,
    Resize = "resize" false,
    ResizeExec = "resize_exec" false,
}

/// One call, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Counts from 1 over all calls of one client.
    pub number: u64,
    /// The method.
    pub kind: CallKind,
    /// What it was about: names, separated by a blank; empty for `observe` and `events`.
    pub object: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.object)
    }
}
