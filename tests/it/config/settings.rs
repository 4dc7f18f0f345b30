//! What does a configuration without mistakes come to?

use std::time::Duration;

use jsonwebtoken::Algorithm;
use signoff::admin::settings::Scope;
use signoff::config::{Config, OnSessionExpiry, SidDefault};
use signoff::{deliver, dispatch, retry, telemetry, token};

use super::{Files, GOOD};

#[test]
fn what_is_left_out_is_the_rooms_default() {
    let text = "[issuers.main]\nissuer = 'https://idp.example'\n[issuers.main.keys.k]\nfile = 'DIR/rsa.pem'";
    let config = Files::new().parse(text, &[]).unwrap();
    assert_eq!(config.store.url.as_str(), "sqlite://signoff-data/signoff.db");
    assert_eq!(config.store.retention, signoff::store::Retention::default());
    assert_eq!(config.delivery, deliver::Settings::default());
    assert_eq!(config.dispatch, dispatch::Settings::default());
    assert_eq!(config.retry, retry::Schedule::default());
    assert_eq!(config.tokens, token::Settings::default());
    assert_eq!(config.log, telemetry::Settings::default());
    assert_eq!((config.http.listen.to_string().as_str(), config.http.tokens.len()), ("127.0.0.1:8080", 0));
    assert!(config.amqp.is_empty() && config.clients.is_empty());
    let issuer = &config.issuers[0];
    assert_eq!((issuer.default_alg, issuer.sid), (Algorithm::RS256, SidDefault::SessionId));
    assert_eq!(issuer.on_session_expiry, OnSessionExpiry::Forget);
}

#[test]
fn every_section_is_read() {
    let text = format!(
        "{GOOD}targets = {{ 'signoff::dispatch' = 'debug' }}\n{}",
        r#"
        [issuers.eu]
        issuer = "https://eu.idp.example"
        default_alg = "ES256"
        sid = "none"
        on_session_expiry = "logout"
        reuses_session_ids = true
        logs_out_offline = true
        [issuers.eu.keys.k]
        file = "DIR/ec.pem"
        use_from = 2030-01-01T00:00:00Z
        [clients.blog]
        issuer = "eu"
        client_id = "https://blog.example/"
        ca_file = "DIR/ca.pem"
        client_certificate_file = "DIR/client.pem"
        timeout = "3s"
        [delivery.test]
        lane_cap = false
        [delivery.breaker]
        failures = 7
        "#
    );
    let config = Files::new().parse(&text, &[]).unwrap();
    let issuers: Vec<_> = config.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    assert_eq!(issuers, ["eu", "main"]);
    let eu = config.issuers[0].to_model(signoff::model::IssuerKey(1));
    assert!(!eu.sid_is_session_id && eu.reuses_session_ids && eu.logs_out_offline);
    assert!(config.issuers[0].keys[0].use_from.is_some());
    let blog = &config.clients[0];
    assert_eq!((blog.issuer.as_str(), blog.metadata.client_id.as_str()), ("eu", "https://blog.example/"));
    assert_eq!(blog.metadata.timeout, Some(Duration::from_secs(3)));
    assert_eq!((config.dispatch.breaker_failures, config.dispatch.lane_cap), (7, false));
    assert_eq!(config.http.tokens[0].scopes, [Scope::Events]);
    assert_eq!(config.log.targets.len(), 1);
    assert_eq!(config.amqp[0].queue, "signoff.events");
}

#[test]
fn the_environment_overrides_any_key() {
    let text = GOOD.replace("file = \"DIR/token\"\n", "").replace("[clients.shop]", "[clients.\"My-Shop.eu\"]");
    let variables = [
        ("SIGNOFF__HTTP__TOKENS__IDP__VALUE", "1234567890123456789"),
        ("SIGNOFF__HTTP__LISTEN", "0.0.0.0:9000"),
        ("SIGNOFF__DELIVERY__ALLOW_NETWORKS", r#"["10.0.0.0/8"]"#),
        ("SIGNOFF__DELIVERY__RETRY__JITTER", "20"),
        ("SIGNOFF__CLIENTS__MY_SHOP_EU__TIMEOUT", "5s"),
        ("SIGNOFF__CLIENTS__MY_SHOP_EU__CLIENT_ID", "007"),
        ("SIGNOFF__CLIENTS__NEW__INCLUDE_CAUSE", "true"),
        ("SIGNOFF_CONFIG", "elsewhere.toml"),
        ("SIGNOFF_TEST_DATABASE_URL", "postgres://"),
    ];
    let config = Files::new().parse(&text, &variables).unwrap();
    assert_eq!(config.http.tokens[0].secret.as_str(), "1234567890123456789");
    assert_eq!(config.http.listen.port(), 9000);
    assert_eq!(config.delivery.allow_networks, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(config.retry.jitter, 20);
    let shop = &config.clients[0].metadata;
    assert_eq!((shop.client_id.as_str(), shop.timeout), ("007", Some(Duration::from_secs(5))));
    assert_eq!(config.clients[1].metadata.client_id, "new");
}

#[test]
fn a_mistake_in_the_environment_names_its_variable() {
    let variables = [
        ("SIGNOFF__DELIVERY__TIMEOUT", "10"),
        ("SIGNOFF__DELIVRY__TIMEOUT", "10s"),
        ("SIGNOFF__HTTP__TOKENS__NEW__FILE", "DIR/token2"),
        ("SIGNOFF__ISSUERS__MAIN__KEYS__K1__ALG", "RS257"),
        ("SIGNOFF____X", "1"),
    ];
    let files = Files::new();
    let mistakes = files.parse(GOOD, &variables).unwrap_err();
    let expected = "\
SIGNOFF____X: has an empty part; write SIGNOFF__SECTION__KEY with two underscores between the parts
SIGNOFF__ISSUERS__MAIN__KEYS__K1__ALG: issuers.main.keys.k1.alg: \"RS257\" is not an algorithm for logout tokens; use \
one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
SIGNOFF__DELIVERY__TIMEOUT: delivery.timeout: must be a duration like \"10s\" or \"5m\", not a whole number
SIGNOFF__HTTP__TOKENS__NEW__FILE: http.tokens.new.scopes: is missing; list what it opens, of \"events\", \"bulk\", \
\"read\", \"admin\"
SIGNOFF__HTTP__TOKENS__NEW__FILE: http.tokens.new.file: DIR/token2 cannot be read (No such file or directory (os error \
2)); mount the secret there or correct the path
SIGNOFF__DELIVRY__TIMEOUT: delivry: is not a key; did you mean `delivery`?
6 mistakes in the configuration";
    assert_eq!(mistakes.to_string(), files.fill(expected));
}

#[test]
fn secrets_are_not_in_the_debug_form() {
    let config: Config = Files::new().parse(GOOD, &[]).unwrap();
    assert!(!format!("{:?} {:?}", config.http, config.store).contains("0123456789abcdef"));
}
