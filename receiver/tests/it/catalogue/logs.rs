//! What do the logs give away? The endpoint is asked without a server, where all lines can be caught.

use std::io::Write;
use std::sync::{Arc, Mutex};

use signoff_receiver::testkit::CASES;
use signoff_receiver::{BackchannelLogout, ManualClock, MemoryRegistry, Registration, SessionRegistry as _, Standing};
use tracing_subscriber::fmt::MakeWriter;

use super::site::{issuer, verifier};
use crate::app::FORM;
use crate::servers::run_alone;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Pieces that are long enough to be nobody else's.
fn pieces(token: &str) -> impl Iterator<Item = &str> {
    token.split('.').filter(|piece| piece.len() > 8)
}

#[test]
fn o09_logs_carry_neither_tokens_nor_sids() {
    run_alone("catalogue::logs::what_is_logged");
}

#[tokio::test]
#[ignore = "run by the test above, in a process of its own: other tests would decide what is logged"]
async fn what_is_logged() {
    let lines = Lines::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone()).finish();
    let _caught = tracing::subscriber::set_default(subscriber);
    let clock = ManualClock::now();
    let issuer = issuer(&clock).await;
    let sessions = MemoryRegistry::new();
    let endpoint = BackchannelLogout::new(verifier(&issuer, &clock).build().unwrap(), sessions.clone());
    let session = Registration::new("secret-local-id", issuer.login("secret-sub", Some("secret-sid")));
    assert_eq!(sessions.register(&session).await.unwrap(), Standing::Alive);
    let named = issuer.logout_token("secret-sub", Some("secret-sid")).sign();
    let tokens: Vec<_> = CASES.iter().map(|case| case.mint(&issuer)).chain([named.clone(), named]).collect();
    for token in &tokens {
        endpoint.respond(Some(FORM), format!("logout_token={token}").as_bytes()).await;
    }
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("alg_not_allowed") && log.contains("back-channel logout seen before"), "{log}");
    let told: Vec<_> = tokens.iter().flat_map(|token| pieces(token)).filter(|piece| log.contains(piece)).collect();
    assert_eq!(told, Vec::<&str>::new());
    assert!(!log.contains("secret"), "{log}");
}
