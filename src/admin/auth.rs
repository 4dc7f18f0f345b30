//! Who calls, and may they? Bearer tokens, scopes, issuers.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq;

use super::problem::{Kind, Problem};
use super::{Admin, Scope, Settings, Token};
use crate::model::{Directory, Issuer, IssuerKey};

/// The scope a handler needs.
pub(crate) trait Needs: 'static {
    const SCOPE: Scope;
}

/// `POST /v1/events`.
pub(crate) struct Submits;
/// Every other GET.
pub(crate) struct Reads;
/// Everything that changes clients and deliveries.
pub(crate) struct Administers;

impl Needs for Submits {
    const SCOPE: Scope = Scope::Events;
}

impl Needs for Reads {
    const SCOPE: Scope = Scope::Read;
}

impl Needs for Administers {
    const SCOPE: Scope = Scope::Admin;
}

/// A caller whose token has the scope that the handler needs. As a handler's first argument it
/// is decided before anything else of the request is looked at.
#[derive(Debug)]
pub(crate) struct Caller<N> {
    name: String,
    issuers: Option<Vec<String>>,
    bulk: bool,
    needs: PhantomData<N>,
}

impl<N: Needs> FromRequest for Caller<N> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(admin) = request.app_data::<Data<Admin>>() else {
            return ready(Err(Problem::new(Kind::Internal, "the service is not wired")));
        };
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        ready(Self::admit(&admin.settings, &admin.tokens.load(), header))
    }
}

impl<N: Needs> Caller<N> {
    fn admit(settings: &Settings, tokens: &[Token], authorization: Option<&str>) -> Result<Self, Problem> {
        if is_open(settings) {
            return Ok(Self { name: "local".to_owned(), issuers: None, bulk: true, needs: PhantomData });
        }
        let Some(presented) = authorization.and_then(bearer) else {
            return Err(Problem::new(Kind::Unauthorized, "send Authorization: Bearer <token>"));
        };
        let Some(token) = find(tokens, presented) else {
            return Err(Problem::new(Kind::Unauthorized, "the token is not known"));
        };
        if !token.scopes.contains(&N::SCOPE) {
            return Err(Problem::insufficient_scope(N::SCOPE.as_str()));
        }
        Ok(Self {
            name: token.name.clone(),
            issuers: (!token.issuers.is_empty()).then(|| token.issuers.clone()),
            bulk: token.scopes.contains(&Scope::Bulk),
            needs: PhantomData,
        })
    }

    /// The token's name, for the log.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Short names of the issuers the caller is limited to.
    pub(crate) fn issuers(&self) -> Option<&[String]> {
        self.issuers.as_deref()
    }

    /// Whether the caller may submit bulk logouts.
    pub(crate) fn bulk(&self) -> bool {
        self.bulk
    }

    /// The issuers whose rows the caller sees; `None`: all.
    pub(crate) fn visible(&self, directory: &Directory) -> Option<Vec<IssuerKey>> {
        let names = self.issuers.as_ref()?;
        Some(names.iter().filter_map(|name| directory.issuer_by_name(name)).map(|issuer| issuer.key).collect())
    }

    /// Whether the caller sees rows of this issuer.
    pub(crate) fn sees(&self, directory: &Directory, issuer: IssuerKey) -> bool {
        self.visible(directory).is_none_or(|visible| visible.contains(&issuer))
    }

    /// The issuer of this short name, if the caller may name it.
    pub(crate) fn issuer(&self, directory: &Directory, name: &str) -> Result<Arc<Issuer>, Problem> {
        if self.issuers.as_ref().is_some_and(|names| !names.iter().any(|known| known == name)) {
            return Err(Problem::new(Kind::IssuerNotAllowed, "the token is not for the issuer named"));
        }
        let unknown = || Problem::new(Kind::UnknownIssuer, "no configured issuer has this short name");
        directory.issuer_by_name(name).cloned().ok_or_else(unknown)
    }
}

/// Whether no token is needed: none is configured, and only this machine can call.
pub(crate) fn is_open(settings: &Settings) -> bool {
    settings.tokens.is_empty() && settings.listen.ip().is_loopback()
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Compares hashes in constant time and looks at every token, so that the time taken says
/// nothing about either.
fn find<'a>(tokens: &'a [Token], presented: &str) -> Option<&'a Token> {
    let presented = hash(presented);
    let same = |token: &&Token| bool::from(hash(&token.secret).as_ref().ct_eq(presented.as_ref()));
    tokens.iter().filter(same).fold(None, |found, token| found.or(Some(token)))
}

fn hash(text: &str) -> Digest {
    digest(&SHA256, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listen: &str, tokens: Vec<Token>) -> Settings {
        Settings { listen: listen.parse().unwrap(), tokens, workers: 1, connections_per_worker: 16, tls: None }
    }

    fn token(secret: &str, scopes: &[Scope], issuers: &[&str]) -> Token {
        Token {
            name: "t".into(),
            file: None,
            secret: secret.to_owned().into(),
            scopes: scopes.to_vec(),
            issuers: issuers.iter().map(|&name| name.into()).collect(),
        }
    }

    #[test]
    fn a_token_opens_what_its_scopes_say() {
        let tokens = vec![token("r", &[Scope::Read], &[]), token("e", &[Scope::Events, Scope::Bulk], &["main"])];
        let settings = settings("127.0.0.1:1", tokens);
        let table = [
            (None, Err(401)),
            (Some("Bearer"), Err(401)),
            (Some("Bearer x"), Err(401)),
            (Some("Basic r"), Err(401)),
            (Some("Bearer r"), Err(403)),
            (Some("bearer e"), Ok(true)),
        ];
        for (header, expected) in table {
            let got = Caller::<Submits>::admit(&settings, &settings.tokens, header);
            let got = got.map(|caller| caller.bulk()).map_err(|p| actix_web::ResponseError::status_code(&p).as_u16());
            assert_eq!(got, expected, "{header:?}");
        }
    }

    #[test]
    fn without_tokens_only_loopback_is_open() {
        for (listen, open) in [("127.0.0.1:1", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false)] {
            assert_eq!(Caller::<Reads>::admit(&settings(listen, vec![]), &[], None).is_ok(), open, "{listen}");
        }
    }
}
