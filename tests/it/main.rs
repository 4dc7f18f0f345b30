//! The one integration-test binary.

#[cfg(test)]
mod api;
#[cfg(test)]
mod fake_store;
