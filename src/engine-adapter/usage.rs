//! What runs in a container, and what that uses.

/// The processes of a container, as `ps -ef` on its host lists them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processes {
    /// Names of the columns, `PID` and `CMD` among them.
    pub titles: Vec<String>,
    /// A row for each process, with a text for each column.
    pub rows: Vec<Vec<String>>,
}

/// What a container has used and uses, at one moment. What an engine does not tell is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// When: nanoseconds, of which only differences mean something.
    pub at: u64,
    /// Nanoseconds of processor time since it was started.
    pub cpu: u64,
    /// Bytes of memory, less what only holds files that were not used lately.
    pub memory: u64,
    /// Bytes of memory that there may be: its limit, else all of the machine.
    pub memory_limit: u64,
    /// Bytes received over networks of its own.
    pub received: u64,
    /// Bytes sent over networks of its own.
    pub sent: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks.
    pub written: u64,
    /// Processes and threads.
    pub processes: u64,
}
