//! The table of mistakes: what is written, and what is said about it.

use super::{Files, GOOD};

/// A mistake: the line of [`GOOD`] that is replaced (empty: lines are added), what stands there
/// instead, and everything that is said about it (key and message).
type Case = (&'static str, &'static str, &'static [&'static str]);

const ALGS: &str = "use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";
const URI: &str = r#"backchannel_logout_uri = "https://shop.example/logout?x=1""#;
const LISTEN: &str = r#"listen = "127.0.0.1:8080""#;
const TIMEOUT: &str = r#"timeout = "10s""#;
const ISSUER: &str = r#"issuer = "https://idp.example""#;
const STORE: &str = r#"url = "sqlite://DIR/signoff.db""#;
const KEY: &str = r#"file = "DIR/rsa.pem""#;
const QUEUE: &str = r#"queue = "signoff.events""#;
const TOKEN: &str = r#"file = "DIR/token""#;

#[rustfmt::skip]
const SHAPE: &[Case] = &[
    ("[http]", "[htpp]\nx = 1\n[http]", &["htpp: is not a key; did you mean `http`?"]),
    (TIMEOUT, "timeuot = '10s'", &["delivery.timeuot: is not a key; did you mean `timeout`?"]),
    (QUEUE, "zzz = 1", &["amqp.main.zzz: is not a key; known here: url, queue, exchange, exchange_type, routing_keys, declare, rejected_queue, format, issuers, allow_bulk, prefetch, batch, stuck_after, ca_file, client_certificate_file"]),
    (TIMEOUT, "timeout = 10", &[r#"delivery.timeout: must be a duration like "10s" or "5m", not a whole number"#]),
    (TIMEOUT, "timeout = '10 apples'", &[r#"delivery.timeout: "10 apples" is not a duration (unknown time unit "apples", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)); write one like "10s" or "5m""#]),
    (TIMEOUT, "timeout = '0s'", &["delivery.timeout: must be between 100ms and 10m, not 0s"]),
    (TIMEOUT, "allow_http = 'yes'", &["delivery.allow_http: must be true or false, not a string"]),
    (TIMEOUT, "in_flight = 'many'", &["delivery.in_flight: must be a whole number, not a string"]),
    (TIMEOUT, "in_flight = -1", &["delivery.in_flight: must be a whole number between 0 and 18446744073709551615, not -1"]),
    (TIMEOUT, "first_attempt_reserve = 95", &["delivery.first_attempt_reserve: must be between 0 and 90, not 95"]),
    (TIMEOUT, "answer_bytes = '4 buckets'", &[r#"delivery.answer_bytes: "4 buckets" is not a size; write a number of bytes, or "4KiB""#]),
    (TIMEOUT, "answer_bytes = '4GiB'", &[r#"delivery.answer_bytes: "4GiB" is not a size; write a number of bytes, or "4KiB""#]),
    (TIMEOUT, "answer_bytes = '4MiB'", &["delivery.answer_bytes: must be between 0 bytes and 1048576 bytes, not 4194304 bytes"]),
    (TIMEOUT, "allow_networks = ['10.0.0.0/8', '10.0.0.0/33']", &[r#"delivery.allow_networks[1]: "10.0.0.0/33" is not a network; write one like "10.0.0.0/8""#]),
    (TIMEOUT, "allow_networks = ['10.1.2.3']", &[r#"delivery.allow_networks[0]: "10.1.2.3" is an address; for that one alone write "10.1.2.3/32""#]),
    (TIMEOUT, "allow_networks = '10.0.0.0/8'", &[r#"delivery.allow_networks: must be a list like ["…"], not a string"#]),
    (TIMEOUT, "allow_ports = [443, 70000]", &["delivery.allow_ports[1]: must be a whole number between 0 and 65535, not 70000"]),
    (LISTEN, "listen = 'localhost'", &[r#"http.listen: "localhost" is not an address and port; write one like "127.0.0.1:8080""#]),
    ("[delivery.retry]\nfirst = \"1s\"", "retry = 3", &["delivery.retry: must be a table, not a whole number"]),
    ("level = \"info\"", "level = 'verbose'", &[r#"log.level: "verbose" is not a choice; write one of "off", "error", "warn", "info", "debug", "trace""#]),
    ("level = \"info\"", "format = 'xml'", &[r#"log.format: "xml" is not a choice; write one of "text", "json""#]),
    ("level = \"info\"", "[log.targets]\nhyper = 'all'", &[r#"log.targets.hyper: "all" is not a choice; write one of "off", "error", "warn", "info", "debug", "trace""#]),
    ("", "[clients]\nblog = 'https://blog.example'", &["clients.blog: must be a table, not a string"]),
];

#[rustfmt::skip]
const DOORS: &[Case] = &[
    (LISTEN, "listen = '0.0.0.0:8080'\n[http.tokens2]", &["http.tokens2: is not a key; did you mean `tokens`?"]),
    ("", "[metrics]\nlisten = '127.0.0.1:8080'", &["metrics.listen: 127.0.0.1:8080 is where the API listens; name another port"]),
    (TOKEN, "", &["http.tokens.idp: has no secret; name a file with `file`, or set SIGNOFF__HTTP__TOKENS__IDP__VALUE"]),
    (TOKEN, "value = '0123456789abcdef'", &["http.tokens.idp.value: puts a secret into the file; name a file with `file`, or set SIGNOFF__HTTP__TOKENS__IDP__VALUE"]),
    (TOKEN, "file = 'DIR/token'\nvalue = '0123456789abcdef'", &["http.tokens.idp: has both `file` and `value`; keep one"]),
    (TOKEN, "file = 'DIR/nothing'", &["http.tokens.idp.file: DIR/nothing cannot be read (No such file or directory (os error 2)); mount the secret there or correct the path"]),
    (TOKEN, "file = 'DIR/empty-token'", &["http.tokens.idp.file: holds no token; generate one: openssl rand -hex 32"]),
    (TOKEN, "file = 'DIR/short-token'", &["http.tokens.idp.file: holds a token of 10 characters, which could be guessed; use at least 16: openssl rand -hex 32"]),
    (TOKEN, "file = 'DIR/spaced-token'", &["http.tokens.idp.file: holds a token with spaces or other characters that no Authorization header carries; generate one: openssl rand -hex 32"]),
    ("scopes = [\"events\"]", "", &[r#"http.tokens.idp.scopes: is missing; list what it opens, of "events", "bulk", "read", "admin""#]),
    ("scopes = [\"events\"]", "scopes = ['events', 'write']", &[r#"http.tokens.idp.scopes[1]: "write" is not a choice; write one of "events", "bulk", "read", "admin""#]),
    ("scopes = [\"events\"]", "scopes = []", &["http.tokens.idp.scopes: is empty, so the token opens nothing; list scopes or remove the token"]),
    ("scopes = [\"events\"]", "scopes = ['events']\nissuers = ['mian']", &[r#"http.tokens.idp.issuers: "mian" is not the short name of an issuer; did you mean "main"?"#]),
    ("", "[http.tokens.other]\nfile = 'DIR/token'\nscopes = ['read']", &["http.tokens.other: has the same secret as `http.tokens.idp`; give each its own"]),
    ("url = \"amqp://user:pass@broker:5672/%2f\"", "", &[r#"amqp.main.url: is missing; write one like "amqp://user@host:5672/%2f""#]),
    ("url = \"amqp://user:pass@broker:5672/%2f\"", "url = 'http://user:pass@broker'", &[r#"amqp.main.url: has the scheme "http"; write one like "amqp://user@host:5672/%2f", or "amqps://…""#]),
    ("url = \"amqp://user:pass@broker:5672/%2f\"", "url = 'broker'", &[r#"amqp.main.url: is not a URL (relative URL without a base); write one like "amqp://user@host:5672/%2f""#]),
    (QUEUE, "queue = ''", &["amqp.main.queue: must be 1 to 255 bytes"]),
    (QUEUE, "queue = 'q'\nrejected_queue = 'q'", &["amqp.main.rejected_queue: is the queue that is read, so that what is rejected comes back; name another"]),
    (QUEUE, "prefetch = 10", &["amqp.main.prefetch: 10 is less than batch (500), so that no batch is ever full; raise it or lower batch"]),
    (QUEUE, "exchange_type = 'topics'", &[r#"amqp.main.exchange_type: "topics" is not an exchange type; write one of "topic", "direct", "fanout", "headers""#]),
    (QUEUE, "format = 'xml'", &[r#"amqp.main.format: "xml" is not a choice; write one of "native""#]),
    (QUEUE, "issuers = ['other']", &[r#"amqp.main.issuers: "other" is not the short name of an issuer; configured: main"#]),
    ("", "[amqp.again]\nurl = 'amqp://user:pass@broker:5672/%2f'", &[r#"amqp.main.queue: "signoff.events" is read by `amqp.again` too; give each intake its own queue"#]),
    (QUEUE, "ca_file = 'DIR/ca.pem'", &["amqp.main.ca_file: is of no use, for the URL is amqp://…; write amqps://…, or remove it"]),
    ("url = \"amqp://user:pass@broker:5672/%2f\"", "url = 'amqps://broker'\nca_file = 'DIR/token'\nclient_certificate_file = 'DIR/ca.pem'", &["amqp.main.ca_file: DIR/token holds no PEM certificate", "amqp.main.client_certificate_file: DIR/ca.pem holds no PEM private key beside its certificate"]),
    (LISTEN, "tls = { certificate_file = 'DIR/client.pem' }", &["http.tls.private_key_file: is missing; name a PEM file with the certificate's private key"]),
    (LISTEN, "tls = {}", &["http.tls.certificate_file: is missing; name a PEM file: the certificate first, then its issuers", "http.tls.private_key_file: is missing; name a PEM file with the certificate's private key"]),
    (LISTEN, "tls = { certificate_file = 'DIR/nothing.pem', private_key_file = 'DIR/client.pem' }", &["http.tls.certificate_file: DIR/nothing.pem cannot be read (No such file or directory (os error 2)); mount it there or correct the path"]),
    (LISTEN, "tls = { certificate_file = 'DIR/token', private_key_file = 'DIR/client.pem' }", &["http.tls.certificate_file: DIR/token holds no PEM certificate"]),
    (LISTEN, "tls = { certificate_file = 'DIR/client.pem', private_key_file = 'DIR/ca.pem' }", &["http.tls.private_key_file: DIR/ca.pem holds no PEM private key"]),
    (LISTEN, "tls = { certificate_file = 'DIR/client.pem', private_key_file = 'DIR/ec.pem' }", &["http.tls.private_key_file: DIR/ec.pem is not the key of the first certificate in DIR/client.pem"]),
    (LISTEN, "connections_per_worker = 0", &["http.connections_per_worker: must be between 1 and 1000000, not 0"]),
    ("", "[metrics.tls]\ncertificate_file = 'DIR/client.pem'\nprivate_key_file = 'DIR/client.pem'", &["metrics.tls: is of no use without a `listen` beside it; name an address, or remove it"]),
    (STORE, "url = 'mysql://localhost/x'", &[r#"store.url: has the scheme "mysql", and stores are SQLite and Postgres; write "sqlite://path/to/file.db" or "postgres://user@host/database""#]),
    (STORE, "url = 'signoff.db'", &[r#"store.url: is not a URL; write "sqlite://path/to/file.db" or "postgres://user@host/database""#]),
    (STORE, "url = 'postgres://user:pass@host:port/x'", &[r#"store.url: is not a URL (invalid port number); write "sqlite://path/to/file.db" or "postgres://user@host/database""#]),
    (STORE, "url = 'sqlite://DIR/no/signoff.db'", &["store.url: the directory DIR/no does not exist; create it, or mount the volume"]),
    (STORE, "url = 'sqlite::memory:'", &["store.url: is in memory, so a restart would lose every logout; name a file"]),
    (STORE, "keep_delivered = '1m'", &["store.keep_delivered: must be between 1h and 10years, not 1m"]),
];

#[rustfmt::skip]
const PARTIES: &[Case] = &[
    (ISSUER, "", &["issuers.main.issuer: is missing; write the issuer URL as it stands in ID tokens"]),
    (ISSUER, "issuer = 'idp.example'", &["issuers.main.issuer: is not a URL (relative URL without a base); write it as it stands in ID tokens, byte for byte"]),
    (ISSUER, "issuer = 'https://idp.example#x'", &["issuers.main.issuer: has a query or a fragment, which an issuer must not have; remove it"]),
    (ISSUER, "issuer = 'https://idp.example'\nsid = 'subject'", &[r#"issuers.main.sid: "subject" is not a choice; write one of "session_id", "none""#]),
    (ISSUER, "issuer = 'https://idp.example'\non_session_expiry = 'ignore'", &[r#"issuers.main.on_session_expiry: "ignore" is not a choice; write one of "forget", "logout""#]),
    ("default_alg = \"RS256\"", "default_alg = 'none'", &[r#"issuers.main.default_alg: "none" would let anybody forge a logout token; ALGS"#]),
    ("default_alg = \"RS256\"", "default_alg = 'HS256'", &[r#"issuers.main.default_alg: "HS256" signs with a secret that the client shares, and logout tokens are signed with the issuer's private keys alone; ALGS"#]),
    ("default_alg = \"RS256\"", "default_alg = 'ES512'", &[r#"issuers.main.default_alg: "ES512" is not an algorithm for logout tokens; ALGS"#]),
    ("default_alg = \"RS256\"", "default_alg = 'ES256'", &["issuers.main.default_alg: is ES256, and no key signs it (the keys sign: RS256); add a key or set another"]),
    ("default_alg = \"RS256\"\n[issuers.main.keys.k1]\nfile = \"DIR/rsa.pem\"\nalg = \"RS256\"", "[issuers.main.keys.k1]\nfile = 'DIR/ec.pem'", &["issuers.main.default_alg: is RS256 (which it is unless set), and no key signs it (the keys sign: ES256); add a key or set another"]),
    (KEY, "", &["issuers.main.keys.k1.file: is missing; name the file with the private key (PEM, JWK or JWKS)"]),
    (KEY, "file = 'DIR/nothing.pem'", &["issuers.main.keys.k1.file: DIR/nothing.pem: cannot be read (No such file or directory (os error 2)); mount the key there or correct `file`"]),
    (KEY, "file = 'DIR'", &["issuers.main.keys.k1.file: DIR: cannot be read (Is a directory (os error 21)); mount the key there or correct `file`"]),
    (KEY, "file = 'DIR/token'", &["issuers.main.keys.k1.file: DIR/token: holds no private key; expected PEM (PKCS#8, PKCS#1 or SEC1), a private JWK or a JWKS of them"]),
    (KEY, "file = 'DIR/rsa-1024.pem'", &["issuers.main.keys.k1.file: DIR/rsa-1024.pem: key 1: refused (TooSmall); RSA keys have 2048 to 8192 bits, curves are P-256, P-384 and Ed25519, and all parts belong to one key"]),
    (KEY, "file = 'DIR/ec.pem'", &["issuers.main.keys.k1.alg: DIR/ec.pem: key 1: RS256 does not fit a P-256 key; it serves ES256"]),
    ("alg = \"RS256\"\n[clients", "alg = 'HS256'\n[clients", &[r#"issuers.main.keys.k1.alg: "HS256" signs with a secret that the client shares, and logout tokens are signed with the issuer's private keys alone; ALGS"#]),
    (KEY, "file = 'DIR/rsa.pem'\nuse_from = 'tomorrow'", &[r#"issuers.main.keys.k1.use_from: "tomorrow" is not an instant; write one like 2026-01-31T12:00:00Z"#]),
    (KEY, "file = 'DIR/rsa.pem'\nkid = ''", &["issuers.main.keys.k1.kid: DIR/rsa.pem: key 1: its kid is empty, longer than 255 bytes or has control characters"]),
    ("", "[issuers.main.keys.k2]\nfile = 'DIR/ec.pem'\nkid = 'x'\n[issuers.main.keys.k3]\nfile = 'DIR/ec.pem'\nkid = 'x'", &[r#"issuers.main.keys.k3: has the kid "x", as `k2` has; give it its own `kid`, or leave `alg` out where one key serves several algorithms"#]),
    ("", "[issuers.other]\nissuer = 'https://idp.example'\n[issuers.other.keys.k]\nfile = 'DIR/rsa.pem'", &["issuers.other.issuer: is the issuer URL of `issuers.main` too; each issuer is configured once"]),
    ("", "[issuers.other]\nissuer = 'https://other.example'", &["issuers.other.keys: is missing; add [issuers.<name>.keys.<key>] with the `file` of a private key"]),
    ("", "[issuers.'a/b']\nissuer = 'https://other.example'\n[issuers.'a/b'.keys.k]\nfile = 'DIR/rsa.pem'", &[r#"issuers."a/b": the short name must be 1 to 64 letters, digits, '-', '_' or '.', for it stands in URLs"#]),
    ("issuer = \"main\"", "issuer = 'mein'", &[r#"clients.shop.issuer: "mein" is not the short name of an issuer; did you mean "main"?"#]),
    ("", "[clients.copy]\nissuer = 'main'\nclient_id = 'shop'", &[r#"clients.shop.client_id: "shop" is the client_id of `clients.copy` too, at the same issuer; each client is registered once"#]),
    (URI, "backchannel_logout_url = 'https://shop.example/'", &["clients.shop.backchannel_logout_url: is not a key; did you mean `backchannel_logout_uri`?"]),
    (URI, "backchannel_logout_uri = 'https://shop.example/#top'", &["clients.shop.backchannel_logout_uri: has a fragment (#top), which the specification forbids; remove it"]),
    (URI, "backchannel_logout_uri = 'http://shop.example/'", &["clients.shop.backchannel_logout_uri: is plain http; use https, or set allow_http = true for this client"]),
    (URI, "backchannel_logout_uri = 'shop.example/logout'", &[r#"clients.shop.backchannel_logout_uri: is not an absolute URL (relative URL without a base); write one like "https://app.example.com/logout""#]),
    (URI, "id_token_signed_response_alg = 'none'", &[r#"clients.shop.id_token_signed_response_alg: "none" would let anybody forge a logout token; ALGS"#]),
    (URI, "id_token_signed_response_alg = 'HS512'", &[r#"clients.shop.id_token_signed_response_alg: "HS512" signs with a secret that the client shares, and logout tokens are signed with the issuer's private keys alone; ALGS"#]),
    (URI, "id_token_signed_response_alg = 'ES256'", &["clients.shop.id_token_signed_response_alg: is ES256, and the issuer has no key for it (it has: RS256); add a key or use another"]),
    (URI, "logout_causes = ['user_logout', 'bored']", &[r#"clients.shop.logout_causes[1]: "bored" is not a cause; known: user_logout, idp_logout, session_expired, session_revoked, password_changed, identifier_changed, mfa_changed, account_disabled, account_deleted, risk, unspecified"#]),
    (URI, "logout_token_subject = 'neither'", &[r#"clients.shop.logout_token_subject: "neither" is not a choice; write one of "both", "sid", "sub""#]),
    (URI, "ca_file = 'DIR/token'", &["clients.shop.ca_file: DIR/token holds no PEM certificate"]),
    (URI, "client_certificate_file = 'DIR/ca.pem'", &["clients.shop.client_certificate_file: DIR/ca.pem holds no PEM private key beside its certificate"]),
    (URI, "timeout = '30s'", &["clients.shop.timeout: must be shorter than 28s, which delivery.lease leaves for an attempt"]),
];

#[rustfmt::skip]
const NUMBERS: &[Case] = &[
    (TIMEOUT, "lease = '12s'", &["delivery.lease: 12s does not outlive an attempt, so that two replicas would send at once; make it longer than timeout (10s) and lease_margin (2s) together"]),
    (TIMEOUT, "timeout = '1s'", &["delivery.connect_timeout: 2s is longer than timeout (1s); lower it or raise timeout"]),
    (TIMEOUT, "in_flight_unproven = 17", &["delivery.in_flight_unproven: 17 is more than in_flight_per_client (16); lower it or raise in_flight_per_client"]),
    (TIMEOUT, "queue_per_client = 8", &["delivery.in_flight_per_client: 16 is more than queue_per_client (8); lower it or raise queue_per_client"]),
    (TIMEOUT, "poll_busy = '2s'", &["delivery.poll_busy: 2s is longer than poll_idle (1s); lower it or raise poll_idle"]),
    ("first = \"1s\"", "first = '10m'", &["delivery.retry.first: 10m is longer than longest (5m); lower it or raise longest"]),
    ("first = \"1s\"", "refused = ['1s', 'soon']", &[r#"delivery.retry.refused[1]: "soon" is not a duration (expected number at 0); write one like "10s" or "5m""#]),
    ("first = \"1s\"", "jitter = 101", &["delivery.retry.jitter: must be between 0 and 100, not 101"]),
    ("", "[delivery.breaker]\nfirst = '1m'", &["delivery.breaker.first: 1m is longer than longest (30s); lower it or raise longest"]),
    ("lifetime = \"120s\"", "lifetime = '12s'", &["tokens.lifetime: 12s ends before an attempt does; make it longer than iat_backdate (2s) and delivery.timeout (10s) together"]),
    ("lifetime = \"120s\"", "iat_backdate = '5m'", &["tokens.iat_backdate: must be between 0s and 1m, not 5m"]),
];

fn said(files: &Files, text: &str) -> Vec<String> {
    let mistakes = files.parse(text, &[]).err().map(|mistakes| mistakes.0).unwrap_or_default();
    for mistake in &mistakes {
        assert!(mistake.place.starts_with("signoff.toml"), "{mistake}");
    }
    mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.key, mistake.what)).collect()
}

fn check(cases: &[Case]) {
    let files = Files::new();
    let mut wrong = Vec::new();
    for (line, instead, expected) in cases {
        assert!(GOOD.contains(line), "{line}");
        let text = if line.is_empty() { format!("{GOOD}{instead}") } else { GOOD.replacen(line, instead, 1) };
        let expected: Vec<_> = expected.iter().map(|what| files.fill(what).replace("ALGS", ALGS)).collect();
        let found = said(&files, &text);
        if found != expected {
            wrong.push(format!("{instead}\nexpected {expected:#?}\nfound {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_good_configuration_has_no_mistakes() {
    let config = Files::new().parse(GOOD, &[]).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn unknown_keys_and_wrong_values_are_mistakes() {
    check(SHAPE);
}

#[test]
fn doors_and_stores_that_cannot_work_are_mistakes() {
    check(DOORS);
}

#[test]
fn issuers_keys_and_clients_that_cannot_work_are_mistakes() {
    check(PARTIES);
}

#[test]
fn numbers_that_contradict_each_other_are_mistakes() {
    check(NUMBERS);
}

#[test]
fn there_are_forty_mistakes_or_more() {
    let count = [SHAPE, DOORS, PARTIES, NUMBERS].iter().map(|cases| cases.len()).sum::<usize>();
    assert!(count >= 40, "{count}");
}

#[test]
fn a_door_to_other_machines_needs_a_token() {
    let text = GOOD.replace("127.0.0.1:8080", "0.0.0.0:8080");
    let files = Files::new();
    assert_eq!(said(&files, &text), Vec::<String>::new());
    let open = text.replace("[http.tokens.idp]\nfile = \"DIR/token\"\nscopes = [\"events\"]\n", "");
    assert_eq!(
        said(&files, &open),
        ["http.listen: 0.0.0.0:8080 is open to other machines and no token guards it; add [http.tokens.<name>] or \
             listen on 127.0.0.1"]
    );
}

#[test]
fn every_line_that_is_not_toml_is_reported() {
    let mistakes = Files::new().parse("[http\nlisten = 1\n[store]\nurl = = 2\nurl = 3\n", &[]).unwrap_err();
    let places: Vec<_> = mistakes.0.iter().map(|mistake| mistake.place.as_str()).collect();
    assert!(places.contains(&"signoff.toml:1") && places.contains(&"signoff.toml:4"), "{mistakes}");
    assert!(mistakes.0.iter().all(|mistake| mistake.what.starts_with("is not TOML: ")), "{mistakes}");
}

#[test]
fn passwords_are_in_no_message() {
    let text = GOOD
        .replace("amqp://user:pass@broker:5672/%2f", "http://user:hunter2@broker:99999")
        .replace("sqlite://DIR/signoff.db", "mysql://user:hunter2@host/x");
    let mistakes = Files::new().parse(&text, &[("SIGNOFF__HTTP__TOKENS__IDP__VALUE", "hunter2")]).unwrap_err();
    assert_eq!(mistakes.0.len(), 3, "{mistakes}");
    assert!(!format!("{mistakes} {mistakes:?}").contains("hunter2"), "{mistakes}");
}
