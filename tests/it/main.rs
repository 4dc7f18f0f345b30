//! The one integration-test binary.

#[cfg(test)]
mod amqp;
#[cfg(test)]
mod amqp_support;
#[cfg(test)]
mod api;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod broker_restart;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod deliver;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod fake_store;
#[cfg(test)]
mod faulty_store;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod python_publisher;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token;
