//! Does each store behave? The public suites, one module per store.

mod memory;
mod postgres;
mod redis;
mod shared;
mod sqlite;
