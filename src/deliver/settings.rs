//! How is one attempt made? Deadlines, addresses, limits of the answer.

use std::time::Duration;

use ipnet::IpNet;

/// What every attempt obeys unless its client says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// One deadline round the whole exchange, body included.
    pub timeout: Duration,
    /// Deadline of the connection alone.
    pub connect_timeout: Duration,
    /// Idle connections are dropped after this, before the servers drop them.
    pub idle_timeout: Duration,
    /// Networks allowed besides public addresses.
    pub allow_networks: Vec<IpNet>,
    /// Ports allowed; empty: all.
    pub allow_ports: Vec<u16>,
    /// Whether plain `http` is allowed.
    pub allow_http: bool,
    /// Bytes of an answer that are read.
    pub answer_bytes: usize,
    /// Characters of an answer that are kept.
    pub answer_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(4),
            allow_networks: Vec::new(),
            allow_ports: Vec::new(),
            allow_http: false,
            answer_bytes: 4096,
            answer_kept: 256,
        }
    }
}
