//! `[amqp.<name>]`: which queues are read?

use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use super::clients::{certificate_and_key, certificates};
use super::reader::Section;
use crate::intake::Amqp;

const LONGEST_NAME: usize = 255;

pub(super) fn read(root: &mut Section<'_>) -> Vec<Amqp> {
    root.each("amqp", intake)
}

fn intake(name: &str, section: &mut Section<'_>) -> Amqp {
    let default = Amqp::default();
    let url: String = section.required("url", "write one like \"amqp://user@host:5672/%2f\"").unwrap_or_default();
    if let Err(what) = check_url(&url) {
        section.wrong("url", what);
    }
    let amqp = Amqp {
        name: name.into(),
        url: Zeroizing::new(url),
        queue: name_of(section, "queue").unwrap_or(default.queue),
        exchange: name_of(section, "exchange"),
        exchange_type: section.or("exchange_type", default.exchange_type),
        routing_keys: section.or("routing_keys", default.routing_keys),
        declare: section.or("declare", default.declare),
        rejected_queue: name_of(section, "rejected_queue").unwrap_or(default.rejected_queue),
        format: section.or("format", default.format),
        issuers: section.or("issuers", default.issuers),
        allow_bulk: section.or("allow_bulk", default.allow_bulk),
        prefetch: section.limited("prefetch", default.prefetch, 1..=u16::MAX),
        batch: section.limited("batch", default.batch, 1..=10_000),
        stuck_after: section.limited("stuck_after", default.stuck_after, SECOND..=60 * SECOND * 10),
        ca_file: section.take("ca_file"),
        client_certificate_file: section.take("client_certificate_file"),
    };
    check(&amqp, section);
    amqp
}

const SECOND: Duration = Duration::from_secs(1);

/// The name of a queue or an exchange.
fn name_of(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    let name: String = section.take(key)?;
    if name.is_empty() || name.len() > LONGEST_NAME {
        section.wrong(key, format!("must be 1 to {LONGEST_NAME} bytes"));
    }
    Some(name)
}

fn check(amqp: &Amqp, section: &Section<'_>) {
    if usize::from(amqp.prefetch) < amqp.batch {
        let (prefetch, batch) = (amqp.prefetch, amqp.batch);
        section.wrong(
            "prefetch",
            format!("{prefetch} is less than batch ({batch}), so that no batch is ever full; raise it or lower batch"),
        );
    }
    if amqp.rejected_queue == amqp.queue {
        section.wrong("rejected_queue", "is the queue that is read, so that what is rejected comes back; name another");
    }
    check_files(amqp, section);
    let known = ["topic", "direct", "fanout", "headers"].contains(&amqp.exchange_type.as_str());
    if !known && !amqp.exchange_type.starts_with("x-") {
        let given = &amqp.exchange_type;
        let what =
            format!("{given:?} is not an exchange type; write one of \"topic\", \"direct\", \"fanout\", \"headers\"");
        section.wrong("exchange_type", what);
    }
}

fn check_files(amqp: &Amqp, section: &Section<'_>) {
    let files = [
        ("ca_file", amqp.ca_file.as_deref().map(|file| certificates(file).map(drop))),
        ("client_certificate_file", amqp.client_certificate_file.as_deref().map(certificate_and_key)),
    ];
    for (key, found) in files {
        match found {
            Some(Ok(())) if amqp.url.starts_with("amqp:") => {
                section.wrong(key, "is of no use, for the URL is amqp://…; write amqps://…, or remove it");
            }
            Some(Err(what)) => section.wrong(key, what),
            _ => {}
        }
    }
}

/// Never repeats the URL: it may hold a password. An empty one was reported as missing.
fn check_url(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let example = "write one like \"amqp://user@host:5672/%2f\"";
    match Url::parse(url) {
        Ok(url) if !matches!(url.scheme(), "amqp" | "amqps") => {
            Err(format!("has the scheme {:?}; {example}, or \"amqps://…\"", url.scheme()))
        }
        Ok(url) if url.host_str().is_none_or(str::is_empty) => Err(format!("names no host; {example}")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is not a URL ({error}); {example}")),
    }
}
