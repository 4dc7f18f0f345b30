//! Configurations: whatever the file and the environment hold, every mistake names its place and its key.

use std::sync::LazyLock;

use jsonwebtoken::Algorithm;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use signoff::config::{Config, Mistakes};
use tempfile::TempDir;

use super::{cases, odd_text};
use crate::token::pem;

/// In the values of variables that hold secrets.
const SECRET: &str = "hunter2-hunter2-hunter2";

static FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("key.pem"), pem(Algorithm::ES256)).expect("to write");
    std::fs::write(directory.path().join("token"), SECRET).expect("to write");
    directory
});

const GOOD: &str = r#"
[http]
listen = "127.0.0.1:8080"
workers = 2
[http.tokens.idp]
file = "DIR/token"
scopes = ["events", "read"]
[store]
url = "sqlite://DIR/signoff.db"
keep_delivered = "7d"
[amqp.main]
url = "amqp://broker:5672/%2f"
routing_keys = ["a", "b"]
prefetch = 1000
[issuers.main]
issuer = "https://idp.example"
default_alg = "ES256"
[issuers.main.keys.k1]
file = "DIR/key.pem"
[clients.shop]
issuer = "main"
backchannel_logout_uri = "https://shop.example/logout?x=1"
[delivery]
timeout = "10s"
allow_networks = ["10.0.0.0/8"]
[delivery.retry]
refused = ["1s", "10s"]
[tokens]
lifetime = "120s"
[metrics]
listen = "127.0.0.1:9090"
[log]
level = "info"
"#;

fn good() -> String {
    GOOD.replace("DIR", FILES.path().to_str().expect("UTF-8"))
}

fn parse(text: &str, variables: &[(String, String)]) -> Result<Config, Mistakes> {
    Config::parse("signoff.toml", text, variables)
}

/// Whether each of them says where, of which key, and what; TOML's own mistakes know no key.
fn help(mistakes: &Mistakes) -> bool {
    !mistakes.0.is_empty()
        && mistakes.0.iter().all(|mistake| {
            let placed = mistake.place.starts_with("signoff.toml") || mistake.place.starts_with("SIGNOFF__");
            let of_a_key = !mistake.key.is_empty()
                || mistake.what.starts_with("is not TOML")
                || mistake.place.starts_with("SIGNOFF__");
            placed && of_a_key && !mistake.what.is_empty()
        })
}

/// Any TOML value, and much that is none.
fn value() -> impl Strategy<Value = String> {
    let number = any::<i64>().prop_map(|number| number.to_string());
    prop_oneof![
        odd_text().prop_map(|text| toml::Value::from(text).to_string()),
        number,
        any::<f64>().prop_map(|number| format!("{number:e}")),
        select(vec![
            "true",
            "[]",
            "{}",
            "[[]]",
            "[1, 'x']",
            "{ a = { b = [] } }",
            "1979-05-27T07:32:00Z",
            "'",
            "\"\"\"",
            ""
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,30}",
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_text_is_read_or_its_mistakes_are_placed(text in any::<String>(), lines in vec("[ -~]{0,40}", 0..6)) {
        for text in [text, lines.join("\n")] {
            if let Err(mistakes) = parse(&text, &[]) {
                prop_assert!(help(&mistakes), "{mistakes}");
            }
        }
    }

    #[test]
    fn a_configuration_changed_anyhow_is_read_or_its_mistakes_are_placed(
        changes in vec((any::<Index>(), value(), 0_u8..4), 1..4),
    ) {
        let mut lines: Vec<String> = good().lines().map(Into::into).collect();
        for (at, value, how) in changes {
            let at = at.index(lines.len());
            let key = lines[at].split('=').next().unwrap_or_default().trim().to_owned();
            match how {
                0 => lines[at] = format!("{key} = {value}"),
                1 => lines[at] = String::new(),
                2 => lines.insert(at, format!("unheard_of = {value}")),
                _ => lines[at] = value,
            }
        }
        if let Err(mistakes) = parse(&lines.join("\n"), &[]) {
            prop_assert!(help(&mistakes), "{mistakes}");
        }
    }

    #[test]
    fn any_variable_is_read_or_its_mistakes_are_placed(
        names in vec(
            prop_oneof![
                select(vec![
                    "HTTP__LISTEN", "HTTP__TOKENS__IDP__VALUE", "HTTP__TOKENS__IDP", "STORE__URL", "AMQP__MAIN__URL",
                    "AMQP__NEW__URL", "ISSUERS__MAIN__KEYS__K1__FILE", "CLIENTS__SHOP__TIMEOUT", "DELIVERY", "LOG__TARGETS",
                    "HTTP__TLS__CERTIFICATE_FILE", "METRICS__TLS", "_", "__", "",
                ]).prop_map(str::to_owned),
                "[A-Z_]{0,20}",
                odd_text(),
            ],
            1..4,
        ),
        values in vec(value(), 4),
    ) {
        let variables: Vec<_> = names.into_iter().map(|name| format!("SIGNOFF__{name}")).zip(values).collect();
        if let Err(mistakes) = parse(&good(), &variables) {
            prop_assert!(help(&mistakes), "{mistakes}");
        }
    }

    #[test]
    fn no_mistake_repeats_a_secret(
        before in "[a-z:/@\\[\\]{}'\"=, ]{0,12}", after in "[a-z:/@?#\\[\\]{}'\"=, ]{0,12}",
        name in select(vec!["HTTP__TOKENS__IDP__VALUE", "HTTP__TOKENS__NEW__VALUE", "STORE__URL", "AMQP__MAIN__URL"]),
        scheme in select(vec!["", "amqp://u:", "amqps://u:", "postgres://u:", "http://u:", "amqp:", "postgres:u:"]),
    ) {
        let secret = format!("{scheme}{before}{SECRET}{after}");
        let said = match parse(&good(), &[(format!("SIGNOFF__{name}"), secret)]) {
            Err(mistakes) => format!("{mistakes} {mistakes:?}"),
            Ok(config) => format!("{config:?} {} {:?}", config.summary(), config.warnings),
        };
        prop_assert!(!said.contains("hunter2"), "{said}");
    }
}
