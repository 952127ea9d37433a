//! nf_tables over netlink: what a batch is made of. Source: `linux/netfilter/nf_tables.h`, `linux/netfilter/nfnetlink.h`.

pub(crate) mod expression;

use crate::linux::message::{ACK, Attributes, Batch, CREATE, DUMP};
use crate::linux::netlink::{Item, Socket};
use crate::{NetworkError, Result};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

pub(crate) const NEW_TABLE: u16 = 0;
pub(crate) const GET_TABLE: u16 = 1;
pub(crate) const DELETE_TABLE: u16 = 2;
pub(crate) const NEW_CHAIN: u16 = 3;
pub(crate) const GET_CHAIN: u16 = 4;
pub(crate) const DELETE_CHAIN: u16 = 5;
pub(crate) const NEW_RULE: u16 = 6;
pub(crate) const GET_RULE: u16 = 7;
pub(crate) const DELETE_RULE: u16 = 8;
pub(crate) const NEW_SET: u16 = 9;
pub(crate) const NEW_ELEMENTS: u16 = 12;

/// `NFTA_LIST_ELEM`.
pub(crate) const ELEMENT: u16 = 1;
/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`.
pub(crate) const VALUE: u16 = 1;
pub(crate) const VERDICT: u16 = 2;

pub(crate) const ACCEPT: i32 = 1;
pub(crate) const DROP: i32 = 0;
pub(crate) const JUMP: i32 = -3;
pub(crate) const GOTO: i32 = -4;

/// The number of a message of nf_tables.
pub(crate) fn kind(message: u16) -> u16 {
    (SUBSYSTEM << 8) | message
}

/// `struct nfgenmsg`.
pub(crate) fn fixed(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

/// Sends changes that take effect all at once or not at all.
pub(crate) fn commit(socket: &Socket, fill: impl FnOnce(&mut Batch)) -> Result<()> {
    let mut batch = Batch::default();
    let [high, low] = SUBSYSTEM.to_be_bytes();
    batch.push("begin a change of rules", BATCH_BEGIN, 0, &[0, 0, high, low], |_| {});
    fill(&mut batch);
    batch.push("end a change of rules", BATCH_END, 0, &[0, 0, high, low], |_| {});
    match socket.request(&batch) {
        // What has no words of its own at the first message is about all of it.
        Err(NetworkError::Kernel { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Err(NetworkError::Kernel { doing: "set rules: this kernel has no nf_tables".to_owned(), said: None, source })
        }
        other => other,
    }
}

/// Asks for all there is of something in a family; a kernel that knows none of it has none.
pub(crate) fn dump(socket: &Socket, message: u16, family: u8, fill: impl FnOnce(&mut Attributes<'_>)) -> Result<Vec<Item>> {
    let mut batch = Batch::default();
    batch.push("list rules", kind(message), DUMP, &fixed(family), fill);
    match socket.ask(&batch) {
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::EOPNOTSUPP)) => Ok(Vec::new()),
        other => other,
    }
}

/// Makes a table where there is none.
pub(crate) fn ensure_table(batch: &mut Batch, family: u8, name: &str) {
    batch.push(format!("make the table {name}"), kind(NEW_TABLE), CREATE | ACK, &fixed(family), |it| {
        it.text(1, name);
        it.be32(2, 0);
    });
}

/// Removes a table; making it first makes that safe where there is none.
pub(crate) fn drop_table(batch: &mut Batch, family: u8, name: &str) {
    ensure_table(batch, family, name);
    batch.push(format!("remove the table {name}"), kind(DELETE_TABLE), ACK, &fixed(family), |it| it.text(1, name));
}

/// The attributes behind the fixed part.
pub(crate) fn attributes(payload: &[u8]) -> &[u8] {
    payload.get(4..).unwrap_or_default()
}
