//! What do the verbs do to a running service, and what do they say when it goes wrong?

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::http_client;
use crate::support::postgres::TestDatabase;
use crate::support::process::Service;
use crate::support::receiver::Receiver;
use crate::support::script::answer;

const SOON: Duration = Duration::from_secs(30);
const TOKEN: &str = "0123456789abcdef-everything";

/// One issuer; what a client refuses is given up at once.
const CONFIG: &str = r#"
[http.tokens.all]
file = "DIR/token"
scopes = ["events", "read", "admin"]
[http.tokens.events]
file = "DIR/events-token"
scopes = ["events"]
[store]
url = "sqlite://signoff.db"
[issuers.main]
issuer = "https://idp.example"
default_alg = "ES256"
[issuers.main.keys.k1]
file = "DIR/key.pem"
alg = "ES256"
generate = true
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[delivery.retry]
refused = []
"#;

/// What a run of the program printed, and how it ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn signoff(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signoff"));
    command.current_dir(directory).args(arguments).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A service, and a directory from which the verbs are run.
struct World {
    service: Service,
    directory: TempDir,
}

impl World {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let world = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("to write");
        world("token", TOKEN);
        world("events-token", "0123456789abcdef-events");
        let config = CONFIG.replace("DIR", directory.path().to_str().expect("a path"));
        world("signoff.toml", &config);
        Self { service: Service::spawn(&config).await, directory }
    }

    fn put(&self, name: &str, document: &Value) {
        std::fs::write(self.directory.path().join(name), document.to_string()).expect("to write");
    }

    /// With the address and the token on the command line.
    async fn signoff(&self, arguments: &[&str]) -> Ran {
        let url = self.service.url("");
        let all = [&["--config", "signoff.toml"], arguments, &["--url", &url, "--token-file", "token"]].concat();
        signoff(self.directory.path(), &all, &[]).await
    }

    async fn register(&self, client: &str, receiver: &Receiver) {
        self.put("one.json", &json!({ "client_id": client, "backchannel_logout_uri": receiver.url() }));
        let ran = self.signoff(&["clients", "import", "one.json"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    async fn open(&self, session: &str, subject: &str, client: &str) {
        let event = json!({
            "specversion": "1.0", "id": format!("{session}-{client}"), "source": "https://idp.example",
            "type": "signoff.session.opened",
            "data": { "session_id": session, "subject": subject, "client_id": client },
        });
        let request = http_client().post(self.service.url("/v1/events")).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/cloudevents+json").body(event.to_string());
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), 202);
    }
}

#[tokio::test]
async fn clients_are_imported_one_by_one_and_listed() {
    let world = World::start().await;
    world.put(
        "clients.json",
        &json!([
            { "client_id": "shop", "client_name": "Shop", "client_secret": "hush",
              "backchannel_logout_uri": "https://shop.example/logout", "id_token_signed_response_alg": "ES256" },
            { "client_id": "typo", "backchannel_logout_url": "https://typo.example/logout" },
            { "client_id": "https://forum.example/?a=b&c", "redirect_uris": ["https://forum.example/"] },
        ]),
    );
    let ran = world.signoff(&["clients", "import", "clients.json", "--issuer", "main"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.out,
        "registered shop\nregistered https://forum.example/?a=b&c\n2 of 3 imported at the issuer main\n"
    );
    assert!(
        ran.err.starts_with("typo: the service refuses: ") && ran.err.contains("backchannel_logout_uri"),
        "{ran:?}"
    );

    let ran = world.signoff(&["clients", "list"]).await;
    let expected = "CLIENT                        LOGOUT URI                   ALG    FROM\n\
                    https://forum.example/?a=b&c  -                            -      api\n\
                    shop                          https://shop.example/logout  ES256  api\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{ran:?}");

    world.put("shop.json", &json!({ "client_id": "shop" }));
    let ran = world.signoff(&["clients", "import", "shop.json"]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "replaced shop\n1 of 1 imported at the issuer main\n"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_user_is_signed_out_and_waited_for() {
    let world = World::start().await;
    let receiver = Receiver::start(answer(200)).await;
    world.register("shop", &receiver).await;
    world.open("s1", "alice", "shop").await;
    world.open("s2", "alice", "shop").await;
    world.open("s3", "bob", "shop").await;

    let ran = world.signoff(&["logout", "--subject", "alice", "--cause", "password_changed", "--wait"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<_> = ran.out.lines().collect();
    let at = world.service.url("/v1/logouts/1");
    assert_eq!(lines, ["recorded: 2 owed, 0 skipped", &at, "2 delivered, 0 pending, 0 abandoned, 0 skipped"]);
    assert_eq!(receiver.count(), 2);
    let logout = http_client().get(at).bearer_auth(TOKEN).send().await.expect("an answer").text().await.expect("text");
    assert!(logout.contains("password_changed"), "{logout}");

    // The scope `events` is enough, and the issuer's URL is as good as its name.
    let arguments = ["logout", "--session-id", "s3", "--issuer", "https://idp.example", "--wait=20s"];
    let url = world.service.url("");
    let arguments = [&arguments[..], &["--url", &url, "--token-file", "events-token"]].concat();
    let ran = signoff(world.directory.path(), &arguments, &[]).await;
    assert_eq!((ran.code, receiver.count()), (Some(0), 3), "{ran:?}");

    let ran = world.signoff(&["logout", "--subject", "nobody", "--issuer", "main"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("recorded: 0 owed, 0 skipped; nobody is told\n"), "{ran:?}");
}

#[tokio::test]
async fn who_may_still_be_signed_in_is_said_and_it_ends_with_1() {
    let world = World::start().await;
    let (down, refusing) = (Receiver::start(answer(503)).await, Receiver::start(answer(400)).await);
    world.register("shop", &down).await;
    world.register("forum", &refusing).await;
    for client in ["shop", "forum", "unknown"] {
        world.open("s1", "alice", client).await;
    }
    let ran = world.signoff(&["logout", "--session-id", "s1", "--wait=3s"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("0 delivered, 1 pending, 1 abandoned, 1 skipped"), "{ran:?}");
    let mut still: Vec<_> = ran.out.lines().filter_map(|line| line.strip_prefix("may still be signed in: ")).collect();
    still.sort_unstable();
    let ends =
        [("forum: ", " abandoned (refused)"), ("shop: ", " pending"), ("unknown: ", " skipped (unknown_client)")];
    assert_eq!(still.len(), 3, "{ran:?}");
    for (line, (start, end)) in still.iter().zip(ends) {
        assert!(line.starts_with(start) && line.ends_with(end), "{line}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_made_due_again() {
    let world = World::start().await;
    let receiver = Receiver::start(answer(400)).await;
    world.register("shop", &receiver).await;
    for session in ["s1", "s2", "s3"] {
        world.open(session, "alice", "shop").await;
    }
    assert_eq!(world.signoff(&["logout", "--subject", "alice", "--wait"]).await.code, Some(1));
    let ran = world.signoff(&["deliveries", "list", "--state", "abandoned"]).await;
    let lines: Vec<Vec<_>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((ran.code, lines.len()), (Some(0), 4), "{ran:?}");
    assert_eq!(lines[0][..8], ["ID", "LOGOUT", "ISSUER", "CLIENT", "STATE", "WHY", "ATTEMPTS", "LAST"]);
    assert_eq!(lines[1][1..9], ["1", "main", "shop", "abandoned", "refused", "1", "refused", "400"]);
    let id = lines[1][0];

    let ran = world.signoff(&["deliveries", "list", "--limit", "2"]).await;
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (3, "there are more; --limit shows them\n"), "{ran:?}");

    receiver.becomes(answer(200));
    let ran = world.signoff(&["deliveries", "redeliver", id]).await;
    assert_eq!((ran.code, ran.out), (Some(0), format!("{id} made due again\n")), "{}", ran.err);
    receiver.wait_for(4, SOON).await;
    let ran = world.signoff(&["deliveries", "redeliver", id]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("only abandoned deliveries can be made due again"), "{ran:?}");

    let ran = world.signoff(&["deliveries", "redeliver", "--client", "shop", "--abandoned", "exhausted"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "0 made due again\n"), "{}", ran.err);
    let ran = world.signoff(&["deliveries", "redeliver", "--client", "shop"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "2 made due again\n"), "{}", ran.err);
    assert_eq!(receiver.wait_for(6, SOON).await.len(), 6);
}

#[tokio::test]
async fn the_service_is_found_through_the_configuration() {
    let world = World::start().await;
    let listen = world.service.url("").trim_start_matches("http://").to_owned();
    let environment = [("SIGNOFF_CONFIG", "signoff.toml"), ("SIGNOFF__HTTP__LISTEN", &listen)];
    let with_token = [&environment[..], &[("SIGNOFF_TOKEN_FILE", "token")]].concat();
    let ran = signoff(world.directory.path(), &["clients", "list"], &with_token).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let ran = signoff(world.directory.path(), &["clients", "list"], &environment).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: the service refuses: ") && ran.err.contains("--token-file"), "{ran:?}");

    let arguments = ["clients", "list", "--token-file", "events-token"];
    let ran = signoff(world.directory.path(), &arguments, &environment).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("the token does not have the scope read"), "{ran:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("to write");
    write("empty", "\n");
    write("none.json", "[]");
    write("broken.toml", "[issuers");
    let url = ["--url", "http://127.0.0.1:1"];
    #[rustfmt::skip]
    let table: [(&[&str], i32, &str); 13] = [
        (&["logout"], 2, "--subject"),
        (&["logout", "--subject", "a", "--session-id", "b"], 2, "cannot be used with"),
        (&["logout", "--subject", "a", "--cause", "boredom"], 2, "why: user_logout, idp_logout"),
        (&["logout", "--subject", "a", "--url", "127.0.0.1:1"], 2, "write one like http://127.0.0.1:8080"),
        (&["logout", "--subject", "a", "--issuer", "x"], 2, "no issuer is called \"x\" in the configuration (dev)"),
        (&["deliveries", "list", "--state", "lost"], 2, "pending, delivered, abandoned, skipped"),
        (&["deliveries", "redeliver"], 2, "required"),
        (&["deliveries", "redeliver", "1", "--all"], 2, "cannot be used with"),
        (&["clients", "import", "no.json"], 2, "no.json cannot be read"),
        (&["clients", "import", "none.json"], 2, "none.json: holds no client"),
        (&["clients", "list", "--token-file", "empty"], 2, "--token-file: empty does not hold one token"),
        (&["clients", "list", "--config", "broken.toml"], 2, "1 mistake in the configuration"),
        (&["clients", "list"], 1, "the service at http://127.0.0.1:1/ is not reached; start it, or name another with --url"),
    ];
    for (arguments, code, what) in table {
        let with_url = [arguments, &url].concat();
        let named = arguments.contains(&"--url") || arguments.contains(&"--config");
        let ran = signoff(directory.path(), if named { arguments } else { &with_url }, &[]).await;
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(what), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_store_is_migrated_before_any_service_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    for _again in 0..2 {
        let ran = signoff(directory.path(), &["migrate"], &[]).await;
        let expected = "the SQLite store at signoff-data/signoff.db is up to date\n";
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{ran:?}");
    }
    let made: Vec<_> = std::fs::read_dir(directory.path().join("signoff-data")).expect("it").collect();
    assert!(made.iter().all(|file| !file.as_ref().expect("a file").path().ends_with("dev-rs256.pem")), "{made:?}");

    let nowhere = [("SIGNOFF__STORE__URL", "postgres://user:secret@127.0.0.1:1/signoff")];
    let ran = signoff(directory.path(), &["migrate"], &nowhere).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: the store at 127.0.0.1:1/signoff is not migrated; "), "{ran:?}");
    assert!(!ran.err.contains("secret"), "{ran:?}");

    let Some(database) = TestDatabase::new().await else { return };
    let ran = signoff(directory.path(), &["migrate"], &[("SIGNOFF__STORE__URL", database.url())]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("the Postgres store at "), "{ran:?}");
}

#[tokio::test]
async fn keys_are_made_and_listed_and_the_api_is_described() {
    let directory = tempfile::tempdir().expect("a directory");
    let ran = signoff(directory.path(), &["keys", "generate", "--alg", "ES256", "--out", "k.pem"], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let kid = ran.err.lines().find_map(|line| line.strip_prefix("kid ")).expect("a kid").to_owned();
    let config = "[issuers.main]\nissuer = \"https://idp.example\"\ndefault_alg = \"ES256\"\n[issuers.main.keys.k1]\n\
                  file = \"k.pem\"\n";
    std::fs::write(directory.path().join("signoff.toml"), config).expect("to write");
    let ran = signoff(directory.path(), &["keys", "list", "--config", "signoff.toml"], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.lines().any(|line| line.starts_with("main ") && line.contains(&kid)), "{ran:?}");
    let ran = signoff(directory.path(), &["keys", "generate", "--alg", "ES256", "--out", "k.pem"], &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: nothing was replaced: "), "{ran:?}");

    let ran = signoff(directory.path(), &["openapi"], &[]).await;
    let document: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(document["paths"]["/v1/events"]["post"].is_object());
}

#[tokio::test]
async fn a_key_is_made_once_where_it_is_asked_for_only_if_missing() {
    let directory = tempfile::tempdir().expect("a directory");
    let once = ["keys", "generate", "--alg", "ES256", "--out", "k.pem", "--if-missing"];
    let ran = signoff(directory.path(), &once, &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let key = std::fs::read(directory.path().join("k.pem")).expect("a key");
    let again = signoff(directory.path(), &once, &[]).await;
    assert_eq!((again.code, again.err.as_str()), (Some(0), "k.pem is there, and is left alone\n"), "{again:?}");
    assert_eq!(std::fs::read(directory.path().join("k.pem")).expect("a key"), key);
    let nowhere = signoff(directory.path(), &["keys", "generate", "--if-missing"], &[]).await;
    assert_eq!(nowhere.code, Some(2), "{nowhere:?}");
}

#[tokio::test]
async fn a_health_check_tells_ready_from_not_ready() {
    let world = World::start().await;
    let ran = world.signoff(&["ready"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "ready\n"), "{ran:?}");

    let unready = Receiver::start(answer(503)).await;
    let url = unready.url().replace("/backchannel-logout", "");
    let ran = signoff(world.directory.path(), &["ready", "--url", &url], &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: not ready: 503"), "{ran:?}");

    let ran = signoff(world.directory.path(), &["ready", "--url", "http://127.0.0.1:1"], &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
}
