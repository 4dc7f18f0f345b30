//! What does the answer mean, and what of it may be kept? Pure.

use std::collections::HashSet;
use std::time::Duration;

use time::OffsetDateTime;

use crate::model::Outcome;

/// A run of the token this long gives it away; shorter ones occur by chance.
const TELLING_RUN: usize = 16;
/// A sid or sub shorter than this occurs in any text.
const TELLING_NAME: usize = 3;
/// Longer hints mean "not today" and are cut: nobody adds years to a clock.
const LONGEST_HINT: Duration = Duration::from_hours(24);

/// The outcome that a status stands for.
#[must_use]
pub const fn classify(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Accepted,
        400 | 410 | 501 => Outcome::Refused,
        408 | 425 | 429 | 502 | 503 | 504 => Outcome::Unavailable,
        500..=599 => Outcome::Failing,
        _ => Outcome::Misdirected,
    }
}

/// `Retry-After` (RFC 9110, 10.2.3) as a delay from `now`.
#[must_use]
pub fn retry_after(value: &str, now: OffsetDateTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(value.parse().map_or(LONGEST_HINT, Duration::from_secs).min(LONGEST_HINT));
    }
    let then = OffsetDateTime::from(httpdate::parse_http_date(value).ok()?);
    Some(Duration::try_from(then - now).unwrap_or_default().min(LONGEST_HINT))
}

/// What must not be found in an answer that is kept.
#[derive(Clone, Copy, Default)]
pub struct Secrets<'a> {
    /// The whole logout token.
    pub token: &'a str,
    /// The session named in it.
    pub sid: Option<&'a str>,
    /// The user named in it.
    pub sub: Option<&'a str>,
}

/// At most `keep` printable characters of the answer, or why there are none.
#[must_use]
pub fn kept(body: &[u8], secrets: &Secrets<'_>, keep: usize) -> String {
    let text = String::from_utf8_lossy(body);
    if tells_token(body, secrets.token) || looks_like_jwt(body) {
        return "answer withheld: it holds a token".to_owned();
    }
    let names = [secrets.sid, secrets.sub].into_iter().flatten().filter(|name| name.len() >= TELLING_NAME);
    if names.into_iter().any(|name| text.contains(name)) {
        return "answer withheld: it names the session or the user".to_owned();
    }
    printable(&text, keep)
}

/// At most `keep` printable characters; everything else is a space, and one is enough.
#[must_use]
pub fn printable(text: &str, keep: usize) -> String {
    let words = text.split(|c: char| !(c.is_ascii_graphic() || c.is_alphanumeric())).filter(|word| !word.is_empty());
    let mut out = String::new();
    let mut room = keep;
    for word in words {
        let space = usize::from(!out.is_empty());
        if room <= space {
            break;
        }
        out.extend(std::iter::repeat_n(' ', space));
        room -= space;
        out.extend(word.chars().take(room));
        room = room.saturating_sub(word.chars().count());
    }
    out
}

/// Whether any telling run of the token is in the body, whatever stands between its characters
/// (line breaks, spaces, escapes, the NULs of UTF-16) and in either case.
fn tells_token(body: &[u8], token: &str) -> bool {
    let body = bare(body);
    token.split('.').map(|part| bare(part.as_bytes())).filter(|part| !part.is_empty()).any(|part| {
        let run = part.len().min(TELLING_RUN);
        let runs: HashSet<&[u8]> = part.windows(run).collect();
        body.windows(run).any(|piece| runs.contains(piece))
    })
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().filter(|byte| is_base64url(**byte)).map(u8::to_ascii_lowercase).collect()
}

/// Whether something in the body begins like the header of any JWT.
fn looks_like_jwt(body: &[u8]) -> bool {
    body.split(|byte| !is_base64url(*byte)).any(|word| {
        word.len() >= TELLING_RUN && word.windows(3).take(word.len() - TELLING_RUN + 1).any(|start| start == b"eyJ")
    })
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_outcome() {
        use Outcome::{Accepted, Failing, Misdirected, Refused, Unavailable};
        let table = [
            (Accepted, vec![200, 201, 202, 204, 206, 299]),
            (Refused, vec![400, 410, 501]),
            (Unavailable, vec![408, 425, 429, 502, 503, 504]),
            (Failing, vec![500, 505, 507, 511, 520, 599]),
            (
                Misdirected,
                vec![101, 300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 405, 409, 413, 415, 422, 499, 600, 999],
            ),
        ];
        for (outcome, statuses) in table {
            for status in statuses {
                assert_eq!(classify(status), outcome, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = OffsetDateTime::from_unix_timestamp(784_111_777).unwrap(); // Sun, 06 Nov 1994 08:49:37 GMT
        let table = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("99999999", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Tue, 31 Dec 2199 23:59:59 GMT", Some(86_400)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("+5", None),
        ];
        for (value, seconds) in table {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.Qm9ndXNTaWduYXR1cmUtX2xvbmdlbm91Z2g";
    const SECRETS: Secrets<'_> = Secrets { token: TOKEN, sid: Some("sess-1"), sub: Some("alice") };

    #[test]
    fn an_answer_with_a_piece_of_the_token_is_withheld() {
        let [header, payload, signature] = TOKEN.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let utf16: String = payload.chars().flat_map(|c| [c, '\0']).collect();
        let wrapped = signature.as_bytes().chunks(7).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\r\n ");
        let table = [
            TOKEN.to_owned(),
            format!("bad token {header}!"),
            format!("bad token {payload}!"),
            format!("bad token {signature}!"),
            format!("cut {}", &payload[9..25]),
            format!("cut {}", &signature[3..19]),
            format!("shouted {}", signature.to_uppercase()),
            utf16,
            wrapped,
            "{\"other\":\"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.\"}".to_owned(),
            "prefix-eyJ0eXAiOiJKV1QiLCJ".to_owned(),
        ];
        for body in table {
            assert_eq!(kept(body.as_bytes(), &SECRETS, 256), "answer withheld: it holds a token", "{body:?}");
        }
    }

    #[test]
    fn an_answer_that_names_the_session_or_the_user_is_withheld() {
        for body in ["no session sess-1", "{\"sub\":\"alice\"}"] {
            assert_eq!(kept(body.as_bytes(), &SECRETS, 256), "answer withheld: it names the session or the user");
        }
        let short = Secrets { sub: Some("1"), sid: None, ..SECRETS };
        assert_eq!(kept(b"HTTP 1", &short, 256), "HTTP 1");
    }

    #[test]
    fn what_is_kept_is_short_and_printable() {
        let table: [(&[u8], usize, &str); 9] = [
            (b"", 256, ""),
            (b"unknown session", 256, "unknown session"),
            (b"  a\r\n\tb\x1b[31m\x00c  ", 256, "a b [31m c"),
            (b"abcdef", 3, "abc"),
            (b"ab cd", 3, "ab"),
            (b"ab cd", 4, "ab c"),
            (b"\xff\xfeok\xff", 256, "ok"),
            ("größe \u{202e}x".as_bytes(), 256, "größe x"),
            (b"eyJ too short", 256, "eyJ too short"),
        ];
        for (body, keep, expected) in table {
            assert_eq!(kept(body, &SECRETS, keep), expected, "{body:?}");
        }
        assert_eq!(kept(&[b'x'; 5000], &SECRETS, 256).chars().count(), 256);
        assert_eq!(kept("é ".repeat(5000).as_bytes(), &SECRETS, 256).chars().count(), 255);
    }
}
