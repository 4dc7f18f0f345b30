//! What is owed for this logout, what is skipped and why? Pure, given the directory.

use std::collections::HashSet;

use crate::model::{Client, Directory, Issuer, IssuerKey, Logout, SharedDirectory, SkipReason, SubjectLogout, Target};
use crate::store::{Decision, Planner};

/// The planner that `record` calls: today's directory, asked once a logout.
#[derive(Debug, Clone)]
pub struct DirectoryPlanner(pub SharedDirectory);

impl Planner for DirectoryPlanner {
    fn plan(&self, logout: &Logout, targets: &[Target]) -> Vec<Decision> {
        plan(&self.0.load(), logout, targets)
    }

    fn reuses_session_ids(&self, issuer: IssuerKey) -> bool {
        self.0.load().issuer(issuer).is_some_and(|issuer| issuer.reuses_session_ids)
    }
}

/// One decision per target, in their order.
#[must_use]
pub fn plan(directory: &Directory, logout: &Logout, targets: &[Target]) -> Vec<Decision> {
    let issuer = directory.issuer(logout.issuer);
    let mut told = HashSet::new();
    targets
        .iter()
        .map(|target| {
            let client = directory.client(target.session.client);
            match decide(issuer.map(AsRef::as_ref), client.map(AsRef::as_ref), logout, target) {
                Decision::Owe { whole_subject: true }
                    if !told.insert((target.session.client, target.session.sub.as_str())) =>
                {
                    Decision::Skip(SkipReason::Covered)
                }
                decision => decision,
            }
        })
        .collect()
}

fn decide(issuer: Option<&Issuer>, client: Option<&Client>, logout: &Logout, target: &Target) -> Decision {
    let session = &target.session;
    let spared = logout.cause.spares_offline() && !issuer.is_some_and(|issuer| issuer.logs_out_offline);
    if session.offline && spared {
        return Decision::Skip(SkipReason::Offline);
    }
    let Some(client) = client else { return Decision::Skip(SkipReason::UnknownClient) };
    if client.logout_causes.as_ref().is_some_and(|wanted| !wanted.contains(&logout.cause)) {
        return Decision::Skip(SkipReason::CauseNotWanted);
    }
    if logout.exclude_initiator && logout.initiator.as_ref() == Some(&client.client_id) {
        return Decision::Skip(SkipReason::InitiatorExcluded);
    }
    if client.backchannel_logout_uri.is_none() {
        return Decision::Skip(SkipReason::NoLogoutUri);
    }
    if client.backchannel_logout_session_required && session.sid.is_none() {
        return Decision::Skip(SkipReason::NoSid);
    }
    Decision::Owe { whole_subject: whole_subject(client, logout, target) }
}

/// "All sessions of this user" in one token: for a session without `sid` always, for a wide
/// logout where the client asks for it.
fn whole_subject(client: &Client, logout: &Logout, target: &Target) -> bool {
    let wide = logout.scope.is_wide();
    target.session.sid.is_none()
        || (wide
            && client.subject_logout == SubjectLogout::SubOnly
            && !client.backchannel_logout_session_required
            && !target.session.sub.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jsonwebtoken::Algorithm;
    use time::OffsetDateTime;

    use super::*;
    use crate::model::{Cause, ClientKey, LogoutId, LogoutTokenSubject, Scope, Session};

    fn issuer() -> Issuer {
        Issuer {
            key: IssuerKey(1),
            name: "main".into(),
            issuer: "https://idp.example.com".into(),
            default_alg: Algorithm::RS256,
            sid_is_session_id: true,
            reuses_session_ids: false,
            logs_out_offline: false,
        }
    }

    fn client() -> Client {
        Client {
            key: ClientKey(7),
            issuer: IssuerKey(1),
            client_id: "shop".into(),
            backchannel_logout_uri: "https://shop.example.com/logout".parse().ok(),
            backchannel_logout_session_required: false,
            id_token_signed_response_alg: None,
            logout_token_subject: LogoutTokenSubject::Both,
            subject_logout: SubjectLogout::EachSession,
            logout_causes: None,
            include_cause: false,
            allow_networks: Vec::new(),
            allow_http: None,
            ca_file: None,
            client_certificate_file: None,
            timeout: None,
        }
    }

    fn logout() -> Logout {
        Logout {
            id: LogoutId(1),
            issuer: IssuerKey(1),
            event_id: "e".into(),
            scope: Scope::Session { session_id: "s".into() },
            cause: Cause::UserLogout,
            initiator: None,
            exclude_initiator: false,
            happened_at: OffsetDateTime::UNIX_EPOCH,
            accepted_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn target() -> Target {
        let session = Session {
            issuer: IssuerKey(1),
            session_id: "s".into(),
            client: ClientKey(7),
            sid: Some("sid".into()),
            sub: "u".into(),
            subject: "u".into(),
            opened_at: OffsetDateTime::UNIX_EPOCH,
            expires_at: OffsetDateTime::UNIX_EPOCH,
            offline: false,
        };
        Target { session, logout: LogoutId(1) }
    }

    type Change = fn(&mut Issuer, &mut Client, &mut Logout, &mut Target);

    fn wide(logout: &mut Logout) {
        logout.scope = Scope::Subject { subject: "u".into(), client_id: None };
    }

    #[test]
    fn each_rule_decides_alone() {
        let owe = Decision::Owe { whole_subject: false };
        let skip = Decision::Skip;
        let table: &[(&str, Change, Decision)] = &[
            ("plain", |_, _, _, _| {}, owe),
            ("no uri", |_, c, _, _| c.backchannel_logout_uri = None, skip(SkipReason::NoLogoutUri)),
            ("cause wanted", |_, c, _, _| c.logout_causes = Some(vec![Cause::UserLogout]), owe),
            ("cause", |_, c, _, _| c.logout_causes = Some(vec![Cause::Risk]), skip(SkipReason::CauseNotWanted)),
            ("initiator is told", |_, _, l, _| l.initiator = Some("shop".into()), owe),
            (
                "initiator left out",
                |_, _, l, _| (l.initiator, l.exclude_initiator) = (Some("shop".into()), true),
                skip(SkipReason::InitiatorExcluded),
            ),
            ("another initiator", |_, _, l, _| (l.initiator, l.exclude_initiator) = (Some("mail".into()), true), owe),
            ("offline spared", |_, _, _, t| t.session.offline = true, skip(SkipReason::Offline)),
            ("offline told", |i, _, _, t| (i.logs_out_offline, t.session.offline) = (true, true), owe),
            ("offline, disabled", |_, _, l, t| (l.cause, t.session.offline) = (Cause::AccountDisabled, true), owe),
            ("no sid", |_, _, _, t| t.session.sid = None, Decision::Owe { whole_subject: true }),
            (
                "sid required",
                |_, c, _, t| (c.backchannel_logout_session_required, t.session.sid) = (true, None),
                skip(SkipReason::NoSid),
            ),
            ("wide, each session", |_, _, l, _| wide(l), owe),
            (
                "wide, sub only",
                |_, c, l, _| {
                    c.subject_logout = SubjectLogout::SubOnly;
                    wide(l);
                },
                Decision::Owe { whole_subject: true },
            ),
            ("narrow, sub only", |_, c, _, _| c.subject_logout = SubjectLogout::SubOnly, owe),
        ];
        for (name, change, wanted) in table {
            let (mut issuer, mut client, mut logout, mut target) = (issuer(), client(), logout(), target());
            change(&mut issuer, &mut client, &mut logout, &mut target);
            let directory = Directory::new([Arc::new(issuer)], [Arc::new(client)]);
            assert_eq!(plan(&directory, &logout, &[target]), [*wanted], "{name}");
        }
    }

    #[test]
    fn an_unknown_client_is_skipped() {
        let directory = Directory::new([Arc::new(issuer())], []);
        assert_eq!(plan(&directory, &logout(), &[target()]), [Decision::Skip(SkipReason::UnknownClient)]);
    }

    #[test]
    fn one_token_tells_a_client_of_all_sessions() {
        let client = Client { subject_logout: SubjectLogout::SubOnly, ..client() };
        let directory = Directory::new([Arc::new(issuer())], [Arc::new(client)]);
        let mut logout = logout();
        wide(&mut logout);
        let decisions = plan(&directory, &logout, &[target(), target()]);
        assert_eq!(decisions, [Decision::Owe { whole_subject: true }, Decision::Skip(SkipReason::Covered)]);
    }
}
