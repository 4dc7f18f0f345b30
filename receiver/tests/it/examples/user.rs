//! What does a person with a browser do, as far as HTTP goes? Follows redirects, keeps cookies, fills in forms.

use reqwest::{Client, Response};

/// A browser without a screen.
pub(super) struct User(Client);

/// The page it shows.
pub(super) struct Page {
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) html: String,
}

impl User {
    #[expect(clippy::disallowed_methods, reason = "the test plays the browser")]
    pub(super) fn new() -> Self {
        let client = Client::builder().no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new());
        Self(client.cookie_store(true).build().unwrap())
    }

    pub(super) async fn open(&self, url: &str) -> Page {
        Page::read(self.0.get(url).send().await.unwrap()).await
    }

    /// Sends the form of the page with these fields, and the hidden ones.
    pub(super) async fn submit(&self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page.html.split("<form").nth(1).unwrap_or_else(|| panic!("no form on {}: {}", page.url, page.html));
        let action = attribute(form, "action");
        let url = url::Url::parse(&page.url).unwrap().join(&action).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let inputs = form.split("</form").next().unwrap_or_default().split("<input").skip(1);
        for input in inputs.filter(|input| input.contains("hidden")) {
            body.append_pair(&attribute(input, "name"), &attribute(input, "value"));
        }
        let body = body.extend_pairs(fields).finish();
        let request = self.0.post(url).header("content-type", crate::app::FORM).body(body);
        Page::read(request.send().await.unwrap()).await
    }
}

impl Page {
    async fn read(response: Response) -> Self {
        let (url, status) = (response.url().to_string(), response.status().as_u16());
        Self { url, status, html: response.text().await.unwrap() }
    }
}

/// The value of an attribute, with quotes of either kind or none.
fn attribute(html: &str, name: &str) -> String {
    let rest = html.split(&format!("{name}=")).nth(1).unwrap_or_else(|| panic!("no {name} in {html}"));
    let value = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next(),
        _ => rest.split([' ', '>']).next(),
    };
    value.unwrap_or_default().replace("&amp;", "&")
}
