//! One pure function for each verb.

mod down;
mod foreign;
mod images;
mod prune;
mod run;
mod select;
mod stop;
mod up;

pub use down::down;
pub use images::images;
pub use prune::{Discarding, prune};
pub use run::{RunPlan, run};
pub use select::{kill, pause, restart, resume, rm, start, stop, unpause};
pub use up::up;
