//! How many at once, and how patient? The dispatcher's settings.

use std::time::Duration;

/// Limits of lanes, breakers and the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a hand-off lasts. Longer than the attempt deadline and `lease_margin` together.
    pub lease: Duration,
    /// What must be left of a lease after the attempt's deadline.
    pub lease_margin: Duration,
    /// Attempts in flight, all lanes.
    pub in_flight: usize,
    /// Attempts in flight to one origin.
    pub in_flight_per_origin: usize,
    /// Attempts in flight of one client.
    pub in_flight_per_client: usize,
    /// Attempts in flight of a client without a success in `proven_for`.
    pub in_flight_unproven: usize,
    /// How long one success proves a lane.
    pub proven_for: Duration,
    /// Share of every limit that only first attempts may use, in percent.
    pub first_attempt_reserve: u8,
    /// Deliveries of one proven lane held in memory, in flight or waiting.
    pub queue_per_client: usize,
    /// Deliveries held in memory, all lanes.
    pub queue: usize,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// First wait of an open breaker.
    pub breaker_first: Duration,
    /// Longest wait of an open breaker.
    pub breaker_longest: Duration,
    /// Poll interval while there is work.
    pub poll_busy: Duration,
    /// Poll interval while there is none.
    pub poll_idle: Duration,
    /// Test switch: without it one client may fill every place.
    pub lane_cap: bool,
    /// Test switch: without it no breaker ever opens.
    pub breaker: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            lease_margin: Duration::from_secs(2),
            in_flight: 1024,
            in_flight_per_origin: 64,
            in_flight_per_client: 16,
            in_flight_unproven: 2,
            proven_for: Duration::from_secs(60),
            first_attempt_reserve: 25,
            queue_per_client: 512,
            queue: 8192,
            breaker_failures: 5,
            breaker_first: Duration::from_secs(1),
            breaker_longest: Duration::from_secs(30),
            poll_busy: Duration::from_millis(250),
            poll_idle: Duration::from_secs(1),
            lane_cap: true,
            breaker: true,
        }
    }
}
