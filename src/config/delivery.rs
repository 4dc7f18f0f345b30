//! `[delivery]` and `[tokens]`: how are attempts made, how many at once, how patiently?

use std::time::Duration;

use super::reader::Section;
use super::value::Bytes;
use crate::{deliver, dispatch, retry, token};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const MONTH: Duration = Duration::from_hours(30 * 24);

pub(super) fn read(section: &mut Section<'_>) -> (deliver::Settings, dispatch::Settings, retry::Schedule) {
    let deliver = read_deliver(section);
    let dispatch = read_dispatch(section);
    let retry = section.within("retry", read_retry);
    check(&deliver, &dispatch, section);
    (deliver, dispatch, retry)
}

fn read_deliver(section: &mut Section<'_>) -> deliver::Settings {
    let default = deliver::Settings::default();
    deliver::Settings {
        timeout: section.limited("timeout", default.timeout, 100 * MILLI..=10 * MINUTE),
        connect_timeout: section.limited("connect_timeout", default.connect_timeout, 10 * MILLI..=10 * MINUTE),
        idle_timeout: section.limited("idle_timeout", default.idle_timeout, Duration::ZERO..=HOUR),
        allow_networks: section.or("allow_networks", default.allow_networks),
        allow_ports: section.or("allow_ports", default.allow_ports),
        allow_http: section.or("allow_http", default.allow_http),
        answer_bytes: section.limited("answer_bytes", Bytes(default.answer_bytes), Bytes(0)..=Bytes(1 << 20)).0,
        answer_kept: section.limited("answer_kept", default.answer_kept, 0..=256),
    }
}

fn read_dispatch(section: &mut Section<'_>) -> dispatch::Settings {
    let default = dispatch::Settings::default();
    let most = 1_000_000;
    let mut settings = dispatch::Settings {
        lease: section.limited("lease", default.lease, SECOND..=HOUR),
        lease_margin: section.limited("lease_margin", default.lease_margin, 100 * MILLI..=10 * MINUTE),
        in_flight: section.limited("in_flight", default.in_flight, 1..=most),
        in_flight_per_origin: section.limited("in_flight_per_origin", default.in_flight_per_origin, 1..=most),
        in_flight_per_client: section.limited("in_flight_per_client", default.in_flight_per_client, 1..=most),
        in_flight_unproven: section.limited("in_flight_unproven", default.in_flight_unproven, 1..=most),
        proven_for: section.limited("proven_for", default.proven_for, SECOND..=HOUR),
        first_attempt_reserve: section.limited("first_attempt_reserve", default.first_attempt_reserve, 0..=90),
        bulk_per_second: section.limited("bulk_per_second", default.bulk_per_second, 1..=1_000_000),
        queue_per_client: section.limited("queue_per_client", default.queue_per_client, 1..=most),
        queue: section.limited("queue", default.queue, 1..=most),
        poll_busy: section.limited("poll_busy", default.poll_busy, 10 * MILLI..=MINUTE),
        poll_idle: section.limited("poll_idle", default.poll_idle, 10 * MILLI..=MINUTE),
        ..default
    };
    section.within("breaker", |breaker| {
        settings.breaker_failures = breaker.limited("failures", settings.breaker_failures, 1..=1000);
        settings.breaker_first = breaker.limited("first", settings.breaker_first, 10 * MILLI..=HOUR);
        settings.breaker_longest = breaker.limited("longest", settings.breaker_longest, 10 * MILLI..=HOUR);
        ordered(breaker, ("first", settings.breaker_first), ("longest", settings.breaker_longest));
    });
    section.within("test", |test| {
        settings.lane_cap = test.or("lane_cap", settings.lane_cap);
        settings.breaker = test.or("breaker", settings.breaker);
    });
    settings
}

fn read_retry(retry: &mut Section<'_>) -> retry::Schedule {
    let default = retry::Schedule::default();
    let schedule = retry::Schedule {
        refused: retry.or("refused", default.refused),
        misdirected_first: retry.limited("misdirected_first", default.misdirected_first, 10 * MILLI..=HOUR),
        misdirected_for: retry.limited("misdirected_for", default.misdirected_for, Duration::ZERO..=MONTH),
        first: retry.limited("first", default.first, 10 * MILLI..=HOUR),
        longest: retry.limited("longest", default.longest, 10 * MILLI..=24 * HOUR),
        retry_after_cap: retry.limited("retry_after_cap", default.retry_after_cap, Duration::ZERO..=24 * HOUR),
        failing_attempts: retry.limited("failing_attempts", default.failing_attempts, 1..=1000),
        give_up_after: retry.limited("give_up_after", default.give_up_after, SECOND..=MONTH),
        jitter: retry.limited("jitter", default.jitter, 0..=100),
    };
    if schedule.refused.len() > 20 {
        retry.wrong("refused", "has more than 20 waits; a client that refused so often will not change its mind");
    }
    ordered(retry, ("first", schedule.first), ("longest", schedule.longest));
    schedule
}

pub(super) fn read_tokens(tokens: &mut Section<'_>) -> token::Settings {
    let default = token::Settings::default();
    token::Settings {
        iat_backdate: tokens.limited("iat_backdate", default.iat_backdate, Duration::ZERO..=MINUTE),
        lifetime: tokens.limited("lifetime", default.lifetime, SECOND..=HOUR),
        announce_for: tokens.limited("announce_for", default.announce_for, Duration::ZERO..=MONTH),
        retire_for: tokens.limited("retire_for", default.retire_for, Duration::ZERO..=MONTH),
        poll: tokens.limited("poll", default.poll, 100 * MILLI..=HOUR),
    }
}

fn check(deliver: &deliver::Settings, dispatch: &dispatch::Settings, section: &Section<'_>) {
    let least = deliver.timeout + dispatch.lease_margin;
    if dispatch.lease <= least {
        section.wrong(
            "lease",
            format!(
                "{} does not outlive an attempt, so that two replicas would send at once; make it longer than timeout \
                 ({}) and lease_margin ({}) together",
                show(dispatch.lease),
                show(deliver.timeout),
                show(dispatch.lease_margin)
            ),
        );
    }
    if deliver.allow_ports.contains(&0) {
        section.wrong("allow_ports", "has the port 0, which nothing listens on; remove it");
    }
    ordered(section, ("connect_timeout", deliver.connect_timeout), ("timeout", deliver.timeout));
    ordered(section, ("poll_busy", dispatch.poll_busy), ("poll_idle", dispatch.poll_idle));
    let client = ("in_flight_per_client", dispatch.in_flight_per_client);
    nested(section, ("in_flight_unproven", dispatch.in_flight_unproven), client);
    nested(section, client, ("in_flight", dispatch.in_flight));
    nested(section, client, ("queue_per_client", dispatch.queue_per_client));
    nested(section, ("queue_per_client", dispatch.queue_per_client), ("queue", dispatch.queue));
}

fn ordered(section: &Section<'_>, (less, a): (&str, Duration), (more, b): (&str, Duration)) {
    if a > b {
        section.wrong(less, format!("{} is longer than {more} ({}); lower it or raise {more}", show(a), show(b)));
    }
}

fn nested(section: &Section<'_>, (less, a): (&str, usize), (more, b): (&str, usize)) {
    if a > b {
        section.wrong(less, format!("{a} is more than {more} ({b}); lower it or raise {more}"));
    }
}

fn show(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(duration)
}
