//! Credentials for registries, as the docker configuration keeps them: in `config.json`, or with a helper program. They are found,
//! stored and erased here, sent by others, and shown by nobody.
//!
//! This room reads and writes `config.json` in the folder it is given and starts helpers; it knows no engine and no registry.

mod config;
mod error;
mod keychain;
mod login;

pub use config::{Credentials, DOCKER_IO, DockerConfig};
pub use error::CredentialsError;
pub use login::{Kept, erase, store};
