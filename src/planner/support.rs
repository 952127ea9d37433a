//! Who honours which attribute: one table, from which come both the check before a plan and the printed matrix.

mod build;
mod check;
mod deploy;
mod matrix;
mod row;
mod service;
mod top;

pub use check::without_effect;
pub(crate) use check::{check_builds, check_project, check_service};
pub use matrix::matrix;
pub use row::{Row, Support, When};

/// Returns the whole table, in the order of the matrix.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [top::ROWS, service::ROWS, build::ROWS, deploy::ROWS].into_iter().flatten()
}
