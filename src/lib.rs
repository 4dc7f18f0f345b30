//! signoff: back-channel logout fan-out.
//!
//! # Three laws
//! 1. **Data goes one way.** bytes → `Event` → `Plan` → row → `Attempt` → `Outcome` → `Verdict` → row.
//!    The only loop passes through the database.
//! 2. **Deciding is pure, doing is thin.** Parsing, planning, judging, the breaker, the address check,
//!    the claims: no async, no clock, no dice of their own. I/O lives in few files.
//! 3. **Every line has one room.** Know the noun and you know the folder; know the verb and you know the
//!    stage. A type two stages share is a noun, and nouns live in [`model`].

pub mod admin;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod dispatch;
pub mod format;
pub mod intake;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod retry;
pub mod service;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod token;
