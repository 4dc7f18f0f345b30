//! How does a token reach its client? One attempt, from the address check to the cleaned answer.

pub mod answer;
pub mod attempt;
pub mod guard;
mod pin;
pub mod plain;
mod pool;
mod resolve;
pub mod settings;
mod tls;

pub use attempt::Deliverer;
pub use guard::Blocked;
pub use plain::{PlainAnswer, PlainClient, PlainError, Verb};
pub use settings::Settings;
pub use tls::{TlsError, check as check_tls};

use url::Url;

/// Scheme, host and port of a URI: clients with the same origin share its room.
#[must_use]
pub fn origin(uri: &Url) -> String {
    uri.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_in_one_spelling() {
        let table = [
            ("https://rp.example/logout?x=1", "https://rp.example"),
            ("https://RP.example:443/", "https://rp.example"),
            ("https://rp.example:8443/", "https://rp.example:8443"),
            ("http://2130706433/a", "http://127.0.0.1"),
            ("http://user:secret@[::1]:80/", "http://[::1]"),
        ];
        for (uri, expected) in table {
            assert_eq!(origin(&uri.parse().unwrap()), expected, "{uri}");
        }
    }
}
