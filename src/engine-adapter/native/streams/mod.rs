//! Bytes: logs, attachments, further processes.

mod attach;
mod exec;
mod lines;
mod logs;

pub(crate) use attach::{attach, resize};
pub(crate) use exec::{Executions, exec, resize_exec, status as exec_status};
pub(crate) use logs::logs;
