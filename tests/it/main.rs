//! The one integration-test binary.

mod deliver;
mod token;
