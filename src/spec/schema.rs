//! What may be written where: checks a document against the tables of attributes.

mod advice;
mod attributes;
mod check;
mod service;
mod shape;
mod top;

pub use attributes::attributes;
pub(crate) use check::{check, closest, formats};
