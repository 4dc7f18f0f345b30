//! Who is tried when? Lanes keep clients apart; one loop feeds them, starts attempts, settles outcomes.
//!
//! `breaker`, `load`, `queue`, `lane` and `lanes` decide and are pure; `rooms` counts the places in memory
//! that the intake shares; `run` is the loop, with its errands in `refill`, `start`, `settling`
//! and `show`.

mod breaker;
mod carrier;
mod handle;
mod lane;
mod lanes;
mod load;
mod queue;
mod refill;
mod rooms;
mod run;
pub mod settings;
mod settling;
mod show;
mod start;
#[cfg(test)]
mod tests;

pub use carrier::{Carrier, Job};
pub use handle::{Handle, LaneState, LaneStatus};
pub use rooms::LaneRooms;
pub use run::{Dispatcher, Parts};
pub use settings::Settings;
