//! What does a logout token say? Claims from delivery, client and time; pure.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Settings;
use crate::model::{Client, Delivery, LogoutTokenSubject};

/// The member of `events` that makes a token a logout token.
pub const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of one logout token (Back-Channel Logout 1.0, section 2.4). There is no `nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
    events: Events,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_reason: Option<&'static str>,
}

/// Exactly one member with an empty object: two of five real receivers refuse anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Empty {}

/// A delivery with neither `sid` nor `sub` names nobody: no token can be made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery has neither sid nor sub")]
pub struct NoSubject;

impl<'a> Claims<'a> {
    /// The claims for this delivery at `now`.
    pub fn new(
        iss: &'a str,
        client: &'a Client,
        delivery: &'a Delivery,
        now: OffsetDateTime,
        settings: &Settings,
        jti: Uuid,
    ) -> Result<Self, NoSubject> {
        let (sub, sid) = subject(client.logout_token_subject, delivery)?;
        let iat = (now - settings.iat_backdate).unix_timestamp();
        Ok(Self {
            iss,
            aud: &client.client_id,
            iat,
            exp: iat.saturating_add_unsigned(settings.lifetime.as_secs()),
            jti,
            events: Events { logout: Empty {} },
            sub,
            sid,
            logout_reason: client.include_cause.then(|| delivery.cause.as_str()),
        })
    }
}

type SubAndSid<'a> = (Option<&'a str>, Option<&'a str>);

/// What the client asked for where it is there, else what is there; never neither.
fn subject(wanted: LogoutTokenSubject, delivery: &Delivery) -> Result<SubAndSid<'_>, NoSubject> {
    let (sub, sid) = (delivery.sub.as_deref(), delivery.sid.as_deref());
    match (wanted, sub, sid) {
        (_, None, None) => Err(NoSubject),
        (LogoutTokenSubject::Sid, _, Some(_)) => Ok((None, sid)),
        (LogoutTokenSubject::Sub, Some(_), _) => Ok((sub, None)),
        _ => Ok((sub, sid)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Cause, ClientKey, DeliveryId, IssuerKey, LogoutId, SubjectLogout};

    fn client(wanted: LogoutTokenSubject, include_cause: bool) -> Client {
        Client {
            key: ClientKey(1),
            issuer: IssuerKey(1),
            client_id: "shop".into(),
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            id_token_signed_response_alg: None,
            logout_token_subject: wanted,
            subject_logout: SubjectLogout::EachSession,
            logout_causes: None,
            include_cause,
            allow_networks: vec![],
            allow_http: None,
            ca_file: None,
            client_certificate_file: None,
            timeout: None,
        }
    }

    fn delivery(sub: Option<&str>, sid: Option<&str>) -> Delivery {
        Delivery {
            id: DeliveryId(1),
            logout: LogoutId(1),
            issuer: IssuerKey(1),
            client: ClientKey(1),
            sid: sid.map(Into::into),
            sub: sub.map(Into::into),
            cause: Cause::PasswordChanged,
            tries: 0,
            attempts: 0,
            owed_for: Duration::ZERO,
            accepted_at: OffsetDateTime::UNIX_EPOCH,
            streak: None,
            bulk: false,
        }
    }

    fn claims(client: &Client, delivery: &Delivery) -> Result<Value, NoSubject> {
        let now = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_999_000_000).unwrap();
        let claims = Claims::new("https://idp/", client, delivery, now, &Settings::default(), Uuid::nil())?;
        Ok(serde_json::to_value(claims).unwrap())
    }

    #[test]
    fn the_default_token_is_exactly_this() {
        let value = claims(&client(LogoutTokenSubject::Both, false), &delivery(Some("u"), Some("s"))).unwrap();
        let expected = json!({
            "iss": "https://idp/", "aud": "shop", "iat": 1_699_999_998, "exp": 1_700_000_118,
            "jti": "00000000-0000-0000-0000-000000000000", "sub": "u", "sid": "s",
            "events": { LOGOUT_EVENT: {} },
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn the_client_chooses_what_names_the_user_and_never_gets_neither() {
        use LogoutTokenSubject::{Both, Sid, Sub};
        let table = [
            (Both, Some("u"), Some("s"), Ok((Some("u"), Some("s")))),
            (Both, Some("u"), None, Ok((Some("u"), None))),
            (Both, None, Some("s"), Ok((None, Some("s")))),
            (Sid, Some("u"), Some("s"), Ok((None, Some("s")))),
            (Sid, Some("u"), None, Ok((Some("u"), None))),
            (Sub, Some("u"), Some("s"), Ok((Some("u"), None))),
            (Sub, None, Some("s"), Ok((None, Some("s")))),
            (Both, None, None, Err(NoSubject)),
            (Sid, None, None, Err(NoSubject)),
            (Sub, None, None, Err(NoSubject)),
        ];
        for (wanted, sub, sid, expected) in table {
            let got = claims(&client(wanted, false), &delivery(sub, sid))
                .map(|v| (v.get("sub").cloned(), v.get("sid").cloned()));
            let expected =
                expected.map(|(sub, sid): (Option<&str>, Option<&str>)| (sub.map(Value::from), sid.map(Value::from)));
            assert_eq!(got, expected, "{wanted:?} {sub:?} {sid:?}");
        }
    }

    #[test]
    fn the_cause_is_told_to_those_who_asked() {
        let value = claims(&client(LogoutTokenSubject::Both, true), &delivery(Some("u"), None)).unwrap();
        assert_eq!(value["logout_reason"], "password_changed");
        assert!(value.get("nonce").is_none());
    }

    #[test]
    fn a_fraction_of_a_second_never_moves_iat_ahead() {
        let client = client(LogoutTokenSubject::Both, false);
        let delivery = delivery(Some("u"), None);
        let settings = Settings { iat_backdate: Duration::ZERO, ..Settings::default() };
        for (nanos, iat) in [(0_i128, 10), (1, 10), (999_999_999, 10)] {
            let now = OffsetDateTime::from_unix_timestamp_nanos(10_000_000_000 + nanos).unwrap();
            let claims = Claims::new("i", &client, &delivery, now, &settings, Uuid::nil()).unwrap();
            assert_eq!((claims.iat, claims.exp), (iat, iat + 120));
        }
    }
}
