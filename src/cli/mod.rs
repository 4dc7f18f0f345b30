//! cli

pub mod openapi;
