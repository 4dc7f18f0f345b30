//! intake

pub mod settings;

pub use settings::{Amqp, Format};
