//! intake

pub mod settings;
pub mod submit;

pub use settings::{Amqp, Format};
pub use submit::SubmitError;
