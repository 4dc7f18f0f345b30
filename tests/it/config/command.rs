//! What does `signoff check-config` print, and with which exit code does it end?

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use super::{Files, GOOD};

/// The binary, in this directory, with nothing of ours in its environment but this.
pub(super) fn signoff(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.current_dir(directory).args(arguments).env_clear().envs(variables.iter().copied());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const TEN: &str = r#"
[http]
listen = "0.0.0.0"
[http.tokens.idp]
file = "DIR/short-token"
scopes = ["events", "all"]
[store]
url = "mysql://localhost"
[issuers.main]
issuer = "https://idp.example"
default_alg = "HS256"
[issuers.main.keys.k1]
file = "DIR/rsa-1024.pem"
[clients.shop]
backchannel_logout_uri = "https://shop.example/#top"
id_token_signed_response_alg = "none"
timeut = "3s"
[delivery]
timeout = "10 apples"
"#;

const TEN_LINES: [(&str, &str); 10] = [
    ("DIR/signoff.toml:13: issuers.main.keys.k1.file: ", "TooSmall"),
    ("DIR/signoff.toml:11: issuers.main.default_alg: ", "HS256"),
    ("DIR/signoff.toml:19: delivery.timeout: ", "apples"),
    ("DIR/signoff.toml:15: clients.shop.backchannel_logout_uri: ", "fragment"),
    ("DIR/signoff.toml:16: clients.shop.id_token_signed_response_alg: ", "forge"),
    ("DIR/signoff.toml:17: clients.shop.timeut: ", "did you mean `timeout`?"),
    ("DIR/signoff.toml:3: http.listen: ", "is not an address and port"),
    ("DIR/signoff.toml:6: http.tokens.idp.scopes[1]: ", "is not a choice"),
    ("DIR/signoff.toml:5: http.tokens.idp.file: ", "10 characters"),
    ("DIR/signoff.toml:8: store.url: ", "mysql"),
];

#[test]
fn ten_mistakes_are_reported_at_once_and_nothing_starts() {
    let files = Files::new();
    files.put("signoff.toml", &files.fill(TEN));
    let file = files.fill("DIR/signoff.toml");
    for arguments in
        [vec!["check-config", "--config", &file], vec!["--config", &file, "serve"], vec!["--config", &file]]
    {
        let output = signoff(files.path(), &arguments, &[]);
        let (errors, printed) = (text(&output.stderr), text(&output.stdout));
        assert_eq!((output.status.code(), printed.as_str()), (Some(2), ""), "{errors}");
        let lines: Vec<_> = errors.lines().collect();
        assert_eq!(lines.last(), Some(&"10 mistakes in the configuration"), "{errors}");
        assert_eq!(lines.len(), 11, "{errors}");
        for (start, part) in TEN_LINES {
            let start = files.fill(start);
            assert!(lines.iter().any(|line| line.starts_with(&start) && line.contains(part)), "{start}\n{errors}");
        }
    }
}

#[test]
fn a_good_file_is_summed_up() {
    let files = Files::new();
    files.put("signoff.toml", &files.fill(GOOD));
    let output = signoff(files.path(), &["check-config"], &[("SIGNOFF_CONFIG", "signoff.toml")]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        (
            Some(0),
            "ok: signoff.toml: 1 issuer, 1 key, 1 client, 1 AMQP intake, store SQLite, HTTP on 127.0.0.1:8080\n",
            ""
        )
    );
}

#[test]
fn without_any_configuration_the_default_is_fine_and_touches_nothing() {
    let files = Files::new();
    let before = fs::read_dir(files.path()).unwrap().count();
    let output = signoff(files.path(), &["check-config"], &[("SIGNOFF_CONFIG", "")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("ok: the built-in default: 1 issuer, 1 key, "));
    assert!(text(&output.stderr).contains("warning: the API on 127.0.0.1:8080 is open"));
    assert_eq!(fs::read_dir(files.path()).unwrap().count(), before);
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let files = Files::new();
    let output = signoff(files.path(), &["check-config", "--config", "no.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "no.toml: cannot be read (No such file or directory (os error 2)); check --config and SIGNOFF_CONFIG\n1 mistake \
         in the configuration\n"
    );
}

#[test]
fn a_key_to_be_generated_is_made_once() {
    let files = Files::new();
    let text = GOOD.replace("alg = \"RS256\"\n[clients", "alg = \"RS256\"\ngenerate = true\n[clients");
    let text = text.replace("DIR/rsa.pem", "DIR/new/key.pem");
    files.parse(&text, &[]).unwrap().prepare().unwrap();
    let key = fs::read(files.path().join("new/key.pem")).unwrap();
    files.parse(&text, &[]).unwrap().prepare().unwrap();
    assert_eq!(fs::read(files.path().join("new/key.pem")).unwrap(), key);
}

#[test]
fn without_any_configuration_the_service_makes_its_directory_and_key() {
    let files = Files::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.current_dir(files.path()).env_clear().env("SIGNOFF__HTTP__LISTEN", "127.0.0.1:0").stdout(Stdio::null());
    let mut service = command.spawn().unwrap();
    let key = files.path().join("signoff-data/dev-rs256.pem");
    let made = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        fs::metadata(&key).is_ok_and(|key| key.len() > 1000)
    });
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(made);
}
