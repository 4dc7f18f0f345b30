//! Where is a user sent who wants to log out, and is it they who come back? OpenID Connect RP-Initiated
//! Logout 1.0.

use std::fmt;
use std::future::Future;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

/// The provider's end-session endpoint, for one client.
///
/// ```
/// # #[derive(Debug)] struct Failed;
/// # async fn example(end_the_session_here: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
/// use signoff_receiver::{EndSession, is_returned};
///
/// let end_session = EndSession::new("https://idp.example.com/end-session", "shop")
///     .unwrap()
///     .post_logout_redirect_uri("https://shop.example.com/signed-out");
/// let departure = end_session.request().id_token_hint("eyJ…").after(end_the_session_here).await?;
/// // Set a cookie to departure.state, and redirect to departure.url. On the page they come back to:
/// let (cookie, query) = (departure.state.as_deref(), Some("the parameter `state`"));
/// if !is_returned(cookie, query) {
///     // Somebody followed a link: show the same page, and do nothing on account of it.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EndSession {
    endpoint: Url,
    client_id: String,
    redirect_uri: Option<String>,
}

/// The `end_session_endpoint` is not an absolute http or https URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("end_session_endpoint is not an absolute http or https URL")]
pub struct NotAnEndpoint;

/// One logout on its way. `Debug` does not show the hint.
#[derive(Clone)]
#[must_use]
pub struct EndSessionRequest<'a> {
    end_session: &'a EndSession,
    parameters: Vec<(&'static str, String)>,
}

/// Where the browser is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// The redirect target. It may hold the ID token: it belongs in no log.
    pub url: String,
    /// What the browser must bring back in the parameter `state`: 43 characters, fit for a cookie
    /// (`HttpOnly; Secure; SameSite=Lax`). Absent if the provider is not asked to send it back.
    pub state: Option<String>,
}

impl EndSession {
    /// At the provider's `end_session_endpoint`, for this client.
    pub fn new(end_session_endpoint: &str, client_id: impl Into<String>) -> Result<Self, NotAnEndpoint> {
        let endpoint = Url::parse(end_session_endpoint).map_err(|_| NotAnEndpoint)?;
        if !endpoint.has_host() || !matches!(endpoint.scheme(), "http" | "https") {
            return Err(NotAnEndpoint);
        }
        Ok(Self { endpoint, client_id: client_id.into(), redirect_uri: None })
    }

    /// Where the provider sends the user after; registered with it, byte for byte.
    #[must_use]
    pub fn post_logout_redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(uri.into());
        self
    }

    /// Begins a logout.
    pub fn request(&self) -> EndSessionRequest<'_> {
        EndSessionRequest { end_session: self, parameters: Vec::new() }
    }
}

impl EndSessionRequest<'_> {
    /// The ID token of the login (section 2): with it, most providers do not ask the user.
    pub fn id_token_hint(self, id_token: impl Into<String>) -> Self {
        self.with("id_token_hint", id_token.into())
    }

    /// Who is to be logged out, where there is no ID token: an e-mail address, say, or the `sid`.
    pub fn logout_hint(self, hint: impl Into<String>) -> Self {
        self.with("logout_hint", hint.into())
    }

    /// The languages the user reads, best first, separated by spaces (BCP 47).
    pub fn ui_locales(self, locales: impl Into<String>) -> Self {
        self.with("ui_locales", locales.into())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.parameters.push((name, value));
        self
    }

    /// Ends the local session, and only then says where to go: a user who does not arrive at the provider
    /// is signed out here all the same (section 2). The provider's back-channel logout will find nothing
    /// left to end, which is a success.
    pub async fn after<E>(self, end_local_session: impl Future<Output = Result<(), E>>) -> Result<Departure, E> {
        end_local_session.await?;
        Ok(self.departure())
    }

    fn departure(self) -> Departure {
        let EndSession { endpoint, client_id, redirect_uri } = self.end_session;
        let state = redirect_uri.as_ref().and_then(|_| random());
        let mut url = endpoint.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", client_id);
            for (name, value) in &self.parameters {
                query.append_pair(name, value);
            }
            if let (Some(uri), Some(state)) = (redirect_uri, &state) {
                query.append_pair("post_logout_redirect_uri", uri).append_pair("state", state);
            }
        }
        Departure { url: url.into(), state }
    }
}

impl fmt::Debug for EndSessionRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndSessionRequest").field("end_session", self.end_session).finish_non_exhaustive()
    }
}

/// Whether the browser that comes back is the one that left: the `state` it was given, in its cookie,
/// against the one in the query. Compared in constant time; both must be there.
#[must_use]
pub fn is_returned(expected: Option<&str>, returned: Option<&str>) -> bool {
    match (expected, returned) {
        (Some(expected), Some(returned)) if !expected.is_empty() => {
            verify_slices_are_equal(expected.as_bytes(), returned.as_bytes()).is_ok()
        }
        _ => false,
    }
}

/// 256 bits. Without randomness there is no way back: the user stays at the provider.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn end_session() -> EndSession {
        EndSession::new("https://idp.example.com/end?tenant=a", "shop & co").unwrap()
    }

    fn query(departure: &Departure) -> HashMap<String, String> {
        Url::parse(&departure.url).unwrap().query_pairs().into_owned().collect()
    }

    #[test]
    fn what_the_provider_is_told() {
        let uri = "https://shop.example.com/out?a=1&b=2";
        let end_session = end_session().post_logout_redirect_uri(uri);
        let request = end_session.request().id_token_hint("e.y.J").logout_hint("alice@example.com").ui_locales("de en");
        assert!(!format!("{request:?}").contains("e.y.J"));
        let departure = request.departure();
        let state = departure.state.clone().unwrap();
        let expected = [
            ("tenant", "a"),
            ("client_id", "shop & co"),
            ("id_token_hint", "e.y.J"),
            ("logout_hint", "alice@example.com"),
            ("ui_locales", "de en"),
            ("post_logout_redirect_uri", uri),
            ("state", state.as_str()),
        ];
        assert_eq!(query(&departure), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(departure.url.starts_with("https://idp.example.com/end?tenant=a&client_id="), "{}", departure.url);
    }

    #[test]
    fn each_departure_has_a_state_of_its_own_and_none_without_a_way_back() {
        let with = end_session().post_logout_redirect_uri("https://shop.example.com/");
        let (one, two) = (with.request().departure().state.unwrap(), with.request().departure().state.unwrap());
        assert!(one != two && one.len() == 43, "{one} {two}");
        let departure = end_session().request().departure();
        assert_eq!(departure.state, None);
        assert!(!departure.url.contains("state="), "{}", departure.url);
    }

    #[tokio::test]
    async fn the_local_session_ends_first_or_nobody_leaves() {
        let mut ended = false;
        let end_session = end_session();
        let end = async {
            ended = true;
            Ok::<(), &str>(())
        };
        assert!(end_session.request().after(end).await.is_ok());
        assert!(ended);
        assert_eq!(end_session.request().after(async { Err("store down") }).await, Err("store down"));
    }

    #[test]
    fn o11_only_the_same_state_counts_as_a_return() {
        assert!(is_returned(Some("abc"), Some("abc")));
        let wrong = [(Some("abc"), Some("abd")), (Some("abc"), Some("ab")), (Some("abc"), None), (None, Some("abc"))];
        for (expected, returned) in wrong.into_iter().chain([(None, None), (Some(""), Some(""))]) {
            assert!(!is_returned(expected, returned), "{expected:?} {returned:?}");
        }
    }

    #[test]
    fn an_endpoint_is_an_absolute_url() {
        for text in ["", "/end-session", "mailto:idp@example.com", "javascript:alert(1)"] {
            assert_eq!(EndSession::new(text, "shop").unwrap_err(), NotAnEndpoint, "{text}");
        }
    }
}
