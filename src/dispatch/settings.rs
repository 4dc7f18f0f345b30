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
    /// What a wide logout owes one client in a second.
    pub bulk_per_second: u32,
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
            proven_for: Duration::from_mins(1),
            first_attempt_reserve: 25,
            bulk_per_second: 200,
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

impl Settings {
    /// How much of a limit work may use that is not a first attempt. Never nothing of something.
    #[must_use]
    pub fn open_share(&self, limit: usize) -> usize {
        let percent = usize::from(100 - self.first_attempt_reserve.min(100));
        (limit.saturating_mul(percent) / 100).max(limit.min(1))
    }

    /// Rows held in memory of a lane that has yet to prove itself.
    #[must_use]
    pub fn unproven_rows(&self) -> usize {
        if self.lane_cap { self.in_flight_unproven * 2 } else { self.queue }
    }

    /// Attempts in flight to one origin.
    #[must_use]
    pub fn origin_cap(&self) -> usize {
        if self.lane_cap { self.in_flight_per_origin } else { usize::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_every_limit_is_kept_for_first_attempts() {
        let settings = Settings::default();
        for (limit, share) in [(0, 0), (1, 1), (2, 1), (4, 3), (16, 12), (1024, 768)] {
            assert_eq!(settings.open_share(limit), share, "of {limit}");
        }
        let all = Settings { first_attempt_reserve: 0, ..settings };
        assert_eq!(all.open_share(16), 16);
    }
}
