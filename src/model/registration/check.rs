//! May a client register this? What each field accepts, and what the deployment must offer for it.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use url::Url;

use super::fields::Fields;
use super::{ClientMetadata, Rules};
use crate::model::client::{SIGNING_ALGS, alg_name, parse_alg};
use crate::model::{Cause, LogoutTokenSubject, SubjectLogout};

const LONGEST_ID: usize = 512;
const LONGEST_URI: usize = 2048;

/// An algorithm that logout tokens may be signed with.
pub fn parse_signing_alg(name: &str) -> Result<Algorithm, String> {
    if let Some(alg) = parse_alg(name) {
        return Ok(alg);
    }
    let one_of = format!("use one of {}", names(&SIGNING_ALGS));
    if name.eq_ignore_ascii_case("none") {
        return Err(format!("\"none\" would let anybody forge a logout token; {one_of}"));
    }
    if name.to_uppercase().starts_with("HS") {
        return Err(format!(
            "{name:?} signs with a secret that the client shares, and logout tokens are signed with the issuer's \
             private keys alone; {one_of}"
        ));
    }
    Err(format!("{name:?} is not an algorithm for logout tokens; {one_of}"))
}

fn names(algs: &[Algorithm]) -> String {
    algs.iter().map(|alg| alg_name(*alg)).collect::<Vec<_>>().join(", ")
}

/// A `backchannel_logout_uri`: absolute, `http` or `https`, no fragment, its query kept.
pub fn parse_logout_uri(text: &str) -> Result<Url, String> {
    if text.len() > LONGEST_URI || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("must be at most {LONGEST_URI} bytes, without spaces and control characters"));
    }
    let url = Url::parse(text).map_err(|error| {
        format!("is not an absolute URL ({error}); write one like \"https://app.example.com/logout\"")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("has the scheme {:?}; only https, or http where allow_http is true", url.scheme()));
    }
    if let Some(fragment) = url.fragment() {
        return Err(format!("has a fragment (#{fragment}), which the specification forbids; remove it"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a user name or password, which would be shown wherever the URI is; remove it".into());
    }
    Ok(url)
}

/// A network in CIDR notation, without host bits.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Err(format!("{text:?} is an address; for that one alone write \"{}\"", IpNet::from(address)));
    }
    let network: IpNet =
        text.parse().map_err(|_| format!("{text:?} is not a network; write one like \"10.0.0.0/8\""))?;
    if network.trunc() != network {
        return Err(format!("{text:?} has bits set beyond its prefix; write \"{}\"", network.trunc()));
    }
    Ok(network)
}

pub(super) fn client_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST_ID || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {LONGEST_ID} bytes without control characters"));
    }
    Ok(text.into())
}

pub(super) fn token_subject(text: &str) -> Result<LogoutTokenSubject, String> {
    match text {
        "both" => Ok(LogoutTokenSubject::Both),
        "sid" => Ok(LogoutTokenSubject::Sid),
        "sub" => Ok(LogoutTokenSubject::Sub),
        _ => Err(format!("{text:?} is not a choice; write one of \"both\", \"sid\", \"sub\"")),
    }
}

pub(super) fn subject_logout(text: &str) -> Result<SubjectLogout, String> {
    match text {
        "each_session" => Ok(SubjectLogout::EachSession),
        "sub_only" => Ok(SubjectLogout::SubOnly),
        _ => Err(format!("{text:?} is not a choice; write one of \"each_session\", \"sub_only\"")),
    }
}

pub(super) fn cause(text: &str) -> Result<Cause, String> {
    Cause::parse(text).ok_or_else(|| {
        let known = Cause::ALL.map(Cause::as_str).join(", ");
        format!("{text:?} is not a cause; known: {known}")
    })
}

pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("is empty; name a file".into()) } else { Ok(text.into()) }
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(timeout) if timeout < Duration::from_millis(100) => Err(format!("must be at least 100ms, not {text}")),
        Ok(timeout) => Ok(timeout),
        Err(error) => Err(format!("{text:?} is not a duration ({error}); write one like \"10s\"")),
    }
}

/// What the deployment must offer.
pub(super) fn against(metadata: &ClientMetadata, rules: &Rules<'_>, fields: &mut Fields) {
    let is_http = metadata.backchannel_logout_uri.as_ref().is_some_and(|uri| uri.scheme() == "http");
    if is_http && !metadata.allow_http.unwrap_or(rules.allow_http) {
        fields.wrong("backchannel_logout_uri", "is plain http; use https, or set allow_http = true for this client");
    }
    if let (Some(alg), Some(algs)) = (metadata.id_token_signed_response_alg, rules.algs)
        && !algs.contains(&alg)
    {
        let has = if algs.is_empty() { "none".into() } else { names(algs) };
        fields.wrong(
            "id_token_signed_response_alg",
            format!("is {}, and the issuer has no key for it (it has: {has}); add a key or use another", alg_name(alg)),
        );
    }
    if let (Some(timeout), Some(longest)) = (metadata.timeout, rules.longest_timeout)
        && timeout >= longest
    {
        let shown = humantime::format_duration(longest);
        fields.wrong("timeout", format!("must be shorter than {shown}, which delivery.lease leaves for an attempt"));
    }
}
