//! The one integration-test binary.

#[cfg(test)]
mod amqp;
#[cfg(test)]
mod amqp_support;
#[cfg(test)]
mod fake_store;
#[cfg(test)]
mod intake;
