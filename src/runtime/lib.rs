//! runtime
#![cfg(target_os = "linux")]
pub mod bundle;
mod error;
pub mod plan;
pub mod profile;
pub use error::{Result, RuntimeError};
