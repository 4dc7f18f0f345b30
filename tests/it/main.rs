//! The one integration-test binary.

#[cfg(test)]
mod fake_store;
#[cfg(test)]
mod intake;
