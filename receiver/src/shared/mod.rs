//! What do the stores have in common that replicas share? Keys, rows, tables and when to sweep.

mod key;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sweep;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tables;

pub(crate) use key::Key;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use row::{Row, read};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use sweep::{BATCH, Sweep};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use tables::migrator;
