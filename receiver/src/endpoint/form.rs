//! Where in the request is the logout token? Pure.

use url::form_urlencoded;

use crate::Reason;

/// The one `logout_token` of a form. Other parameters are ignored, as the specification demands.
pub(super) fn logout_token(content_type: Option<&str>, body: &[u8]) -> Result<String, Reason> {
    if !content_type.is_some_and(is_form) {
        return Err(Reason::ContentType);
    }
    let mut tokens = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token").map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => Err(Reason::TokenRepeated),
        (Some(token), None) if !token.is_empty() => Ok(token.into_owned()),
        _ => Err(Reason::TokenMissing),
    }
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    fn token(body: &str) -> Result<String, Reason> {
        logout_token(FORM, body.as_bytes())
    }

    #[test]
    fn h02_h03_no_token_or_an_empty_one() {
        for body in ["", "token=a", "logout_token", "logout_token=", "LOGOUT_TOKEN=a", "&&&", "=a"] {
            assert_eq!(token(body), Err(Reason::TokenMissing), "{body}");
        }
    }

    #[test]
    fn h04_a_repeated_token_is_neither_first_nor_last_wins() {
        for body in
            ["logout_token=a&logout_token=a", "logout_token=a&x=1&logout_token=", "logout_token=&logout%5Ftoken=a"]
        {
            assert_eq!(token(body), Err(Reason::TokenRepeated), "{body}");
        }
    }

    #[test]
    fn h05_h07_other_content_types() {
        let body = b"logout_token=a";
        for other in ["application/json", "multipart/form-data; boundary=x", "application/jwt", "text/plain", "", ";"] {
            assert_eq!(logout_token(Some(other), body), Err(Reason::ContentType), "{other}");
        }
        assert_eq!(logout_token(None, body), Err(Reason::ContentType));
    }

    #[test]
    fn h06_charset_and_any_case() {
        for same in [
            "application/x-www-form-urlencoded; charset=utf-8",
            "application/x-www-form-urlencoded;charset=UTF-8",
            "Application/X-WWW-Form-URLEncoded",
            " application/x-www-form-urlencoded ; charset=\"utf-8\"",
        ] {
            assert_eq!(logout_token(Some(same), b"logout_token=a"), Ok("a".into()), "{same}");
        }
    }

    #[test]
    fn h08_other_parameters_are_ignored() {
        for body in ["logout_token=a.b.c", "x=1&logout_token=a.b.c&token=z", "logout_token=a%2Eb%2Ec&=&&x"] {
            assert_eq!(token(body), Ok("a.b.c".into()), "{body}");
        }
    }
}
