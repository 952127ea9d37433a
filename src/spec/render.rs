//! What `config` prints.

mod json;
mod lists;
mod ordered;
mod yaml;

pub use json::json;
pub use lists::{environment, images, models, networks, profiles, services, variables, volumes};
pub use yaml::yaml;

/// How a project is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// The project was loaded without replacing variables.
    pub no_interpolate: bool,
}
