//! A question's bytes → the answer's, or that others have to be asked. Pure.

use crate::dns::message::{A, AAAA, ANY, Code, INTERNET, Malformed, POINTER, Query, Record};
use crate::dns::{Client, Found, Zone};

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Answers are short.
    Udp,
    /// Answers have room.
    Tcp,
}

/// What happens with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This is the answer.
    Reply(Vec<u8>),
    /// The servers of the host are asked.
    Forward(Query),
    /// It is no question.
    Ignore,
}

/// Answers a question of a container. `turn` decides who comes first among several addresses.
pub fn answer(zone: &Zone, client: &Client, bytes: &[u8], transport: Transport, turn: usize) -> Outcome {
    let query = match Query::parse(bytes) {
        Ok(query) => query,
        Err(Malformed::Ignore) => return Outcome::Ignore,
        Err(Malformed::Refuse(reply)) => return Outcome::Reply(reply),
    };
    let limit = limit(&query, transport);
    let found = match (&query.name, query.class) {
        (Some(name), INTERNET) => zone.look_up(client, name),
        _ => Found::Unknown,
    };
    match found {
        Found::Addresses(addresses) => {
            // Of a name that is ours nobody else knows anything, so a kind that it lacks is an empty answer, not an unknown name.
            let mut records: Vec<Record> = addresses
                .into_iter()
                .filter(|it| query.kind == ANY || query.kind == if it.is_ipv4() { A } else { AAAA })
                .map(Record::Address)
                .collect();
            let first = turn % records.len().max(1);
            records.rotate_left(first);
            Outcome::Reply(query.answer(Code::Fine, &records, limit))
        }
        Found::Name(name) => {
            let records: Vec<Record> = matches!(query.kind, POINTER | ANY).then_some(Record::Pointer(name)).into_iter().collect();
            Outcome::Reply(query.answer(Code::Fine, &records, limit))
        }
        // An error would make some C libraries wait and ask again; that there is no such name is true for this container.
        Found::Unknown if client.upstreams.is_empty() => Outcome::Reply(query.answer(Code::NoSuchName, &[], limit)),
        Found::Unknown => Outcome::Forward(query),
    }
}

/// The answer when nobody else answers.
pub(crate) fn failure(query: &Query) -> Vec<u8> {
    query.answer(Code::Failed, &[], usize::MAX)
}

fn limit(query: &Query, transport: Transport) -> usize {
    match transport {
        Transport::Udp => query.limit(),
        Transport::Tcp => usize::from(u16::MAX),
    }
}
