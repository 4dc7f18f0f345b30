//! The one integration-test binary.

#[cfg(test)]
mod amqp;
#[cfg(test)]
mod amqp_support;
#[cfg(test)]
mod amqps;
#[cfg(test)]
mod api;
#[cfg(test)]
mod api_tokens;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod broker_restart;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod deliver;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod faulty_store;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod fresh_tokens;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod map;
#[cfg(test)]
mod metrics_listener;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod mutual_tls;
#[cfg(test)]
mod python_publisher;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rejected;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod token;
