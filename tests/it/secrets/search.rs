//! Is a secret in a text, in any of the forms in which texts carry it?

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What is looked up by: the beginning of a form. Nothing shorter can be a secret here.
const START: usize = 12;
/// Of tokens and keys the beginnings and ends are looked for too: texts are cut.
const PIECE: usize = 20;
/// The private members of a JWK (RFC 7518, 6.2.2 and 6.3.2).
const PRIVATE_MEMBERS: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// What must not be found anywhere.
#[derive(Default)]
pub(crate) struct Secrets {
    by_start: HashMap<[u8; START], Vec<Form>>,
    known: HashSet<Vec<u8>>,
    /// How many different forms there are.
    pub(crate) count: usize,
}

struct Form {
    what: String,
    bytes: Vec<u8>,
}

impl Secrets {
    /// A subject, a sid, a password.
    pub(crate) fn add(&mut self, what: &str, value: &str) {
        for (form, text) in forms(value) {
            if text.len() >= START && self.known.insert(text.clone().into_bytes()) {
                let bytes = text.into_bytes();
                let start = bytes[..START].try_into().expect("long enough");
                self.by_start.entry(start).or_default().push(Form { what: format!("{what} ({form})"), bytes });
                self.count += 1;
            }
        }
    }

    /// A token: each of its parts, and the ends of each.
    pub(crate) fn add_token(&mut self, token: &str) {
        for (number, part) in token.split('.').enumerate() {
            for piece in pieces(part) {
                self.add(&format!("part {number} of a token"), piece);
            }
        }
    }

    /// The private lines of a PEM file; `public` is the key's published half.
    pub(crate) fn add_pem(&mut self, what: &str, pem: &str, public: &Value) {
        let public = public.to_string();
        for line in pem.lines().filter(|line| !line.starts_with("-----") && line.len() > START) {
            let line = line.trim_end_matches('=');
            let published = |piece: &str| public.contains(&piece.replace('+', "-").replace('/', "_"));
            for piece in pieces(line).into_iter().filter(|piece| !published(piece)) {
                self.add(what, piece);
            }
        }
    }

    /// The private members of a JWK.
    pub(crate) fn add_jwk(&mut self, what: &str, jwk: &Value) {
        for member in PRIVATE_MEMBERS {
            for piece in jwk[member].as_str().into_iter().flat_map(pieces) {
                self.add(&format!("{what}, member {member}"), piece);
            }
        }
    }

    /// Every secret in this text, once, with what stands around it.
    pub(crate) fn found_in(&self, place: &str, text: &str) -> Vec<String> {
        let bytes = text.as_bytes();
        let mut found = HashMap::new();
        for (at, start) in bytes.windows(START).enumerate() {
            let Some(forms) = self.by_start.get(start) else { continue };
            for form in forms.iter().filter(|form| bytes[at..].starts_with(&form.bytes)) {
                found.entry(form.what.as_str()).or_insert(at);
            }
        }
        let around = |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(160)..bytes.len().min(at + 60)]);
        found.into_iter().map(|(what, at)| format!("{place}: {what}: …{}…", around(at))).collect()
    }
}

/// All of it, its beginning and its end.
fn pieces(text: &str) -> [&str; 3] {
    [text, &text[..PIECE.min(text.len())], &text[text.len().saturating_sub(PIECE)..]]
}

/// As it is, percent-encoded, in base64 at each of the three places it can have there, in
/// hexadecimal, and as `Debug` prints bytes.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let bytes = value.as_bytes();
    let mut forms = vec![
        ("as it is", value.to_owned()),
        ("percent-encoded", url::form_urlencoded::byte_serialize(bytes).collect()),
        ("in hexadecimal", hex(bytes)),
        ("as a list of bytes", bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")),
    ];
    for before in 0..3 {
        // The characters that hold bits of what stands before and behind are left out.
        let encoded = URL_SAFE_NO_PAD.encode([&vec![0; before], bytes].concat());
        let (first, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        let inner = &encoded[first..end];
        forms.push(("in base64url", inner.to_owned()));
        forms.push(("in base64", inner.replace('-', "+").replace('_', "/")));
    }
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.Qm9ndXNTaWduYXR1cmUtX2xvbmdlbm91Z2g";
    const SID: &str = "hK3vQ8ZtLw0aXyPq7RsB";

    #[test]
    fn what_is_planted_is_found_in_every_form() {
        let [header, payload, signature] = TOKEN.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let cursor = |before: &str| URL_SAFE_NO_PAD.encode(json!([before, SID, 7]).to_string());
        let planted = [
            format!("2026-11-22T10:15:00Z TRACE hyper: body logout_token={TOKEN}"),
            format!("DEBUG signoff: header {header}"),
            format!("DEBUG signoff: claims={payload}"),
            format!("{{\"detail\":\"bad signature {signature}\"}}"),
            format!("cut {}", &payload[..25]),
            format!("cut {}", &signature[signature.len() - 21..]),
            format!("TRACE lapin: {:?}", payload.as_bytes()),
            format!("INFO signoff: session closed sid={SID}"),
            format!("{{\"items\":[{{\"sid\":\"{SID}\"}}]}}"),
            format!("{{\"next\":\"{}\"}}", cursor("")),
            format!("{{\"next\":\"{}\"}}", cursor("x")),
            format!("{{\"next\":\"{}\"}}", cursor("xy")),
            format!("authorization: Basic {}", STANDARD.encode(format!("a:{SID}"))),
            format!("bytes {:?}", SID.as_bytes()),
            format!("hex {}", hex(SID.as_bytes())),
            "GET /v1/sessions?subject=a%2Fb%3Dlong%26enough".to_owned(),
        ];
        let mut secrets = Secrets::default();
        secrets.add_token(TOKEN);
        secrets.add("a sid", SID);
        secrets.add("a subject", "a/b=long&enough");
        for text in planted {
            assert!(!secrets.found_in("here", &text).is_empty(), "not found: {text}");
        }
        assert_eq!(secrets.found_in("here", "nothing of it: hK3vQ8ZtLw0a, eyJhbGciOiJSUzI1NiI"), Vec::<String>::new());
    }

    #[test]
    fn private_parts_of_keys_are_found_and_public_ones_are_not() {
        let private = crate::token::pem(jsonwebtoken::Algorithm::RS256);
        let jwk = crate::token::files::rsa_jwk(&private);
        let public = crate::token::key(jsonwebtoken::Algorithm::RS256).public_jwk();
        let mut secrets = Secrets::default();
        secrets.add_pem("a key", &private, &json!({ "n": jwk["n"] }));
        secrets.add_jwk("a key", &jwk);
        for member in PRIVATE_MEMBERS {
            assert!(!secrets.found_in("here", &json!({ "x": jwk[member] }).to_string()).is_empty(), "{member}");
        }
        let line = private.lines().nth(12).expect("a line of the private half");
        assert!(!secrets.found_in("here", line).is_empty());
        assert!(!secrets.found_in("here", &line[..30]).is_empty());
        assert_eq!(
            secrets.found_in("here", &json!({ "n": jwk["n"], "e": jwk["e"] }).to_string()),
            Vec::<String>::new()
        );
        assert_eq!(secrets.found_in("here", &public.to_string()), Vec::<String>::new());
    }
}
