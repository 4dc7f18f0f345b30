//! Answers of clients: whatever they hold, what is kept is short, printable and gives no token away.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use signoff::deliver::answer::{Secrets, classify, kept, printable, retry_after};
use signoff::model::Outcome;
use time::OffsetDateTime;

use super::{cases, odd_text};

/// A token of random parts, long enough to tell.
fn token() -> impl Strategy<Value = String> {
    ("[A-Za-z0-9_-]{40,80}", "[A-Za-z0-9_-]{60,120}", "[A-Za-z0-9_-]{40,90}")
        .prop_map(|(header, payload, signature)| format!("eyJ{header}.{payload}.{signature}"))
}

/// A piece of one part with noise between its characters, in either case.
fn noisy(piece: &str, noise: &str, upper: bool) -> String {
    let piece = if upper { piece.to_uppercase() } else { piece.to_owned() };
    piece.chars().flat_map(|c| [c.to_string(), noise.to_owned()]).collect()
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn what_is_kept_is_short_and_printable(body in vec(any::<u8>(), 0..600), keep in 0_usize..300) {
        let text = kept(&body, &Secrets::default(), keep);
        // What stands for a withheld answer is ours.
        prop_assert!(text.chars().count() <= keep || text.starts_with("answer withheld"), "{text}");
        prop_assert!(text.chars().all(|c| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric()), "{text:?}");
    }

    #[test]
    fn any_text_becomes_printable(text in any::<String>(), keep in 0_usize..300) {
        let text = printable(&text, keep);
        prop_assert!(text.chars().count() <= keep && !text.contains("  ") && !text.chars().any(char::is_control));
    }

    #[test]
    fn no_telling_piece_of_the_token_is_kept(
        token in token(), part in 0_usize..3, start in any::<Index>(), length in 16_usize..40,
        noise in "[ \n\r\t.:;,\"'\\\\%&\u{0}]{0,2}", upper in any::<bool>(),
        before in "[ -~]{0,40}", after in "[ -~]{0,40}",
    ) {
        let part = token.split('.').nth(part).expect("a part");
        let start = start.index(part.len() - 16);
        let piece = &part[start..part.len().min(start + length)];
        let body = format!("{before} {} {after}", noisy(piece, &noise, upper));
        let secrets = Secrets { token: &token, sid: None, sub: None };
        prop_assert_eq!(kept(body.as_bytes(), &secrets, 256), "answer withheld: it holds a token");
    }

    #[test]
    fn no_sid_or_sub_is_kept(name in "[a-zA-Z0-9|:@.-]{3,40}", before in odd_text(), after in odd_text()) {
        let body = format!("{before}{name}{after}");
        for secrets in [
            Secrets { token: "", sid: Some(&name), sub: None },
            Secrets { token: "", sid: None, sub: Some(&name) },
        ] {
            let text = kept(body.as_bytes(), &secrets, 4096);
            prop_assert!(text.starts_with("answer withheld"), "{text}");
        }
    }

    #[test]
    fn a_hint_is_never_longer_than_a_day(value in odd_text(), number in any::<u64>(), now in 0_i64..4_000_000_000) {
        let now = OffsetDateTime::from_unix_timestamp(now).expect("an instant");
        for value in [value, number.to_string(), format!("{number}{number}")] {
            prop_assert!(retry_after(&value, now).is_none_or(|hint| hint <= Duration::from_hours(24)), "{value}");
        }
    }

    #[test]
    fn only_a_success_is_accepted(status in any::<u16>()) {
        prop_assert_eq!(classify(status) == Outcome::Accepted, (200..300).contains(&status));
    }
}
