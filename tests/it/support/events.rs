//! What does the provider say? Events in the native format.

use serde_json::{Value, json};

use super::setup::ISSUER;

fn event(id: &str, kind: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": ISSUER, "type": kind, "data": data })
}

/// This user's session at this client; its `sid` is the provider session's id.
pub(crate) fn opened(session: &str, subject: &str, client: &str) -> Value {
    let data = json!({ "session_id": session, "subject": subject, "client_id": client });
    event(&format!("opened-{session}-{client}"), "signoff.session.opened", &data)
}

/// One opening per session and client; each session's subject is its own.
pub(crate) fn openings<'a>(sessions: &'a [String], clients: &'a [&str]) -> impl Iterator<Item = Value> + 'a {
    let subject = |session: &str| format!("user-of-{session}");
    sessions
        .iter()
        .flat_map(move |session| clients.iter().map(move |client| opened(session, &subject(session), client)))
}

/// The end of this provider session.
pub(crate) fn logout(session: &str) -> Value {
    event(&format!("logout-{session}"), "signoff.logout", &json!({ "session_id": session, "cause": "user_logout" }))
}

/// So many provider sessions.
pub(crate) fn sessions(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number}")).collect()
}
