//! Do the sections agree? Names that must exist, things there may be one of.

use super::Config;
use super::clients::unknown_issuer;
use super::place::KeyPath;
use super::reader::Reader;

/// Reports every disagreement between sections.
pub(super) fn across(config: &Config, reader: &Reader) {
    issuers_are_known(config, reader);
    issuers_differ(config, reader);
    clients_differ(config, reader);
    queues_differ(config, reader);
    listeners_differ(config, reader);
    tokens_outlive_attempts(config, reader);
}

fn issuers_are_known(config: &Config, reader: &Reader) {
    let known = config.issuers.iter().map(|issuer| issuer.name.as_str());
    let check = |path: KeyPath, names: &[String]| {
        for name in names.iter().filter(|name| !known.clone().any(|known| known == name.as_str())) {
            reader.wrong(path.clone(), unknown_issuer(name, known.clone()));
        }
    };
    for token in &config.http.tokens {
        check(["http", "tokens", token.name.as_str(), "issuers"].into(), &token.issuers);
    }
    for intake in &config.amqp {
        check(["amqp", intake.name.as_str(), "issuers"].into(), &intake.issuers);
    }
}

fn issuers_differ(config: &Config, reader: &Reader) {
    for (i, issuer) in config.issuers.iter().enumerate().filter(|(_, issuer)| !issuer.issuer.is_empty()) {
        if let Some(other) = config.issuers[..i].iter().find(|other| other.issuer == issuer.issuer) {
            let what = format!("is the issuer URL of `issuers.{}` too; each issuer is configured once", other.name);
            reader.wrong(["issuers", issuer.name.as_str(), "issuer"], what);
        }
    }
}

fn clients_differ(config: &Config, reader: &Reader) {
    for (i, client) in config.clients.iter().enumerate() {
        let same = config.clients[..i]
            .iter()
            .find(|other| other.issuer == client.issuer && other.metadata.client_id == client.metadata.client_id);
        if let Some(other) = same {
            let what = format!(
                "{:?} is the client_id of `clients.{}` too, at the same issuer; each client is registered once",
                client.metadata.client_id, other.name
            );
            reader.wrong(["clients", client.name.as_str(), "client_id"], what);
        }
    }
}

fn queues_differ(config: &Config, reader: &Reader) {
    for (i, intake) in config.amqp.iter().enumerate() {
        let same = config.amqp[..i].iter().find(|other| other.url == intake.url && other.queue == intake.queue);
        if let Some(other) = same {
            let what =
                format!("{:?} is read by `amqp.{}` too; give each intake its own queue", intake.queue, other.name);
            reader.wrong(["amqp", intake.name.as_str(), "queue"], what);
        }
    }
}

fn listeners_differ(config: &Config, reader: &Reader) {
    let api = config.http.listen;
    if config.metrics.listen.is_some_and(|metrics| metrics == api && api.port() != 0) {
        reader.wrong(["metrics", "listen"], format!("{api} is where the API listens; name another port"));
    }
}

/// A receiver fetches keys inside the request: what it validates last must still be valid.
fn tokens_outlive_attempts(config: &Config, reader: &Reader) {
    let (tokens, timeout) = (&config.tokens, config.delivery.timeout);
    if tokens.lifetime <= tokens.iat_backdate + timeout {
        let show = humantime::format_duration;
        let what = format!(
            "{} ends before an attempt does; make it longer than iat_backdate ({}) and delivery.timeout ({}) together",
            show(tokens.lifetime),
            show(tokens.iat_backdate),
            show(timeout)
        );
        reader.wrong(["tokens", "lifetime"], what);
    }
}

/// What is allowed and dangerous.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.http.tokens.is_empty() {
        warnings
            .push(format!("the API on {} is open to everybody on this machine: no [http.tokens]", config.http.listen));
    }
    for issuer in config.issuers.iter().filter(|issuer| issuer.issuer.starts_with("http:")) {
        warnings.push(format!("issuers.{}: an issuer over plain http is for development alone", issuer.name));
    }
    for issuer in config.issuers.iter().filter(|issuer| !issuer.generate.is_empty()) {
        warnings.push(format!("issuers.{}: its key is generated on this machine; for one replica alone", issuer.name));
    }
    if !config.dispatch.lane_cap || !config.dispatch.breaker {
        warnings.push("delivery.test: a test switch is off; one client can delay all others".into());
    }
    warnings
}
