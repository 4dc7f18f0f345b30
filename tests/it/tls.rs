//! Do the API and the metrics speak TLS, with the certificate that the files hold now?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::{Client, Version};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::pki::{Ca, ca, https_client, leaf, put};
use crate::support::process::Service;
use crate::support::{eventually, free_port};

const SOON: Duration = Duration::from_secs(20);

/// Where certificate and key are mounted.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(ca: &Ca) -> Self {
        let mounted = Self(tempfile::tempdir().expect("a directory"));
        mounted.certificate_of(ca, "127.0.0.1");
        mounted
    }

    /// As a Secret is replaced: no file is ever half there.
    fn certificate_of(&self, ca: &Ca, name: &str) {
        let (certificate, key) = leaf(ca, name);
        put(self.path(), "next-key.pem", &key.serialize_pem());
        put(self.path(), "next.pem", &certificate.pem());
        for (next, file) in [("next-key.pem", "key.pem"), ("next.pem", "certificate.pem")] {
            fs::rename(self.path().join(next), self.path().join(file)).expect("to replace");
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The lines of `tls`.
    fn lines(&self) -> String {
        let (certificate, key) = (self.file("certificate.pem"), self.file("key.pem"));
        format!("certificate_file = '{}'\nprivate_key_file = '{}'\n", certificate.display(), key.display())
    }

    fn config(&self, poll: &str) -> String {
        format!(
            "[issuers.main]\nissuer = 'https://idp.example.com'\ndefault_alg = 'ES256'\n[issuers.main.keys.k1]\n\
             file = 'main.pem'\nalg = 'ES256'\ngenerate = true\n[store]\nurl = 'sqlite://signoff.db'\n[tokens]\n\
             poll = '{poll}'\n[http.tls]\n{}",
            self.lines()
        )
    }
}

async fn is_known(service: &Service, client: &Client) -> bool {
    client.get(service.url("/livez")).send().await.is_ok_and(|answer| answer.status() == 200)
}

async fn becomes_known(service: &Service, client: &Client) {
    eventually("the new certificate is shown", SOON, async || is_known(service, client).await.then_some(())).await;
}

#[tokio::test]
async fn the_api_answers_over_tls_in_both_versions_of_http() {
    let ours = ca();
    let mounted = Mounted::new(&ours);
    let service = Service::spawn_tls(&mounted.config("10s"), https_client(&ours, false)).await;
    let event = json!({"specversion": "1.0", "id": "e", "source": "https://idp.example.com", "type": "signoff.logout",
                       "data": {"session_id": "s"}});
    for (http1, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let post = https_client(&ours, http1).post(service.url("/v1/events"));
        let post = post.header("content-type", "application/cloudevents+json").body(event.to_string());
        let answer = post.send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.version()), (202, version));
    }
    // Without tokens only names of this machine open it, however the name is sent.
    for http1 in [false, true] {
        let other = https_client(&ours, http1).get(service.url("/v1/logouts")).header("host", "evil.example");
        let answer = other.send().await.expect("an answer");
        assert_eq!(answer.status(), 421, "HTTP/{}", if http1 { "1.1" } else { "2" });
    }
    let plain = crate::support::http_client().get(service.url("/livez").replace("https:", "http:")).send().await;
    assert!(plain.is_err(), "plain HTTP is answered: {plain:?}");
    assert!(!is_known(&service, &https_client(&ca(), false)).await, "a stranger's certificate is not shown");
}

#[tokio::test]
async fn a_certificate_that_changes_is_read_again_and_a_bad_one_is_not_taken() {
    let (first, second, third) = (ca(), ca(), ca());
    let mounted = Mounted::new(&first);
    let service = Service::spawn_tls(&mounted.config("100ms"), https_client(&first, false)).await;
    mounted.certificate_of(&second, "127.0.0.1");
    becomes_known(&service, &https_client(&second, false)).await;
    assert!(!is_known(&service, &https_client(&first, false)).await, "the old certificate is not shown any more");

    for (file, content, said) in [
        ("certificate.pem", "nothing of use".to_owned(), "certificate.pem holds no PEM certificate"),
        ("certificate.pem", leaf(&third, "127.0.0.1").0.pem(), "is not the key of the first certificate in"),
        ("key.pem", String::new(), "key.pem holds no PEM private key"),
    ] {
        put(mounted.path(), file, &content);
        let told = async || service.log().contains(said).then_some(());
        eventually(&format!("the log says: {said}"), SOON, told).await;
        assert!(is_known(&service, &https_client(&second, false)).await, "{said}: the last good one stays");
        assert_eq!(service.log().matches(said).count(), 1, "{}", service.log());
    }
    mounted.certificate_of(&third, "127.0.0.1");
    becomes_known(&service, &https_client(&third, false)).await;
    assert!(!service.log().contains("BEGIN"), "a key is in the log");
}

#[tokio::test]
async fn a_certificate_is_read_again_on_sighup() {
    let (first, second) = (ca(), ca());
    let mounted = Mounted::new(&first);
    let service = Service::spawn_tls(&mounted.config("1h"), https_client(&first, false)).await;
    mounted.certificate_of(&second, "127.0.0.1");
    assert!(is_known(&service, &https_client(&first, false)).await);
    service.hang_up();
    becomes_known(&service, &https_client(&second, false)).await;
}

#[tokio::test]
async fn whoever_does_not_finish_the_handshake_is_hung_up_on() {
    let ours = ca();
    let mounted = Mounted::new(&ours);
    let service = Service::spawn_tls(&mounted.config("10s"), https_client(&ours, false)).await;
    let address = service.url("").replace("https://", "");
    let mut silent = TcpStream::connect(address).await.expect("a connection");
    let read = tokio::time::timeout(SOON, silent.read(&mut [0; 16])).await.expect("the service hangs up");
    assert_eq!(read.ok().filter(|read| *read > 0), None, "nothing is said before");
    assert!(is_known(&service, &https_client(&ours, false)).await);
}

#[tokio::test]
async fn the_metrics_have_a_certificate_of_their_own() {
    let (of_api, of_metrics) = (ca(), ca());
    let (api, metrics) = (Mounted::new(&of_api), Mounted::new(&of_metrics));
    let port = free_port();
    let config =
        format!("{}[metrics]\nlisten = '127.0.0.1:{port}'\n[metrics.tls]\n{}", api.config("10s"), metrics.lines());
    let _service = Service::spawn_tls(&config, https_client(&of_api, false)).await;
    let get = |client: Client| client.get(format!("https://127.0.0.1:{port}/metrics")).send();
    let answer = get(https_client(&of_metrics, true)).await.expect("an answer");
    assert!(answer.text().await.expect("a body").contains("signoff_store_up 1"));
    assert!(get(https_client(&of_api, true)).await.is_err());
}

/// `signoff ready` with these arguments, in the service's directory.
fn ready(service: &Service, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    let listen = service.url("").replace("https://", "");
    command.arg("ready").args(arguments).current_dir(service.directory()).env("SIGNOFF__HTTP__LISTEN", listen);
    for inherited in ["SIGNOFF_CONFIG", "SIGNOFF_URL", "SIGNOFF_CA_FILE"] {
        command.env_remove(inherited);
    }
    command.output().expect("the program")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_command_line_trusts_the_configurations_certificate_or_the_ca_it_is_given() {
    let (ours, strangers) = (ca(), ca());
    let mounted = Mounted::new(&ours);
    put(mounted.path(), "ca.pem", &ours.pem());
    put(mounted.path(), "strangers.pem", &strangers.pem());
    let service = Service::spawn_tls(&mounted.config("1h"), https_client(&ours, false)).await;
    let (url, ca_file) = (service.url(""), |name: &str| mounted.file(name).display().to_string());

    // By the configuration: exactly its certificate, although no CA of this machine vouches for it.
    let by_config = ready(&service, &["--config", "signoff.toml"]);
    assert!(by_config.status.success(), "{}", said(&by_config));
    let by_ca = ready(&service, &["--url", &url, "--ca-file", &ca_file("ca.pem")]);
    assert!(by_ca.status.success(), "{}", said(&by_ca));
    for (arguments, why) in [
        (vec!["--url", &url], "certificate"),
        (vec!["--url", &url, "--ca-file", &ca_file("strangers.pem")], "certificate"),
        (vec!["--url", &url, "--ca-file", &ca_file("none.pem")], "cannot be read"),
        (vec!["--url", &url, "--ca-file", &ca_file("key.pem")], "holds no certificate"),
    ] {
        let refused = ready(&service, &arguments);
        assert!(!refused.status.success() && said(&refused).contains(why), "{arguments:?}: {}", said(&refused));
    }
    // The name is not looked at, the certificate is: another of the same CA is not the service's.
    mounted.certificate_of(&ours, "127.0.0.1");
    let other = ready(&service, &["--config", "signoff.toml"]);
    assert!(!other.status.success() && said(&other).contains("certificate"), "{}", said(&other));
}
