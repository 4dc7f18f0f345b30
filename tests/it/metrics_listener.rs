//! Can Prometheus scrape without a token, and nothing else?

use serde_json::Value;

use crate::support::process::Service;
use crate::support::{free_port, http_client};

const CONFIGURATION: &str = "
[issuers.main]
issuer = 'https://idp.example.com'
[issuers.main.keys.k1]
file = 'main.pem'
generate = true
[store]
url = 'sqlite://signoff.db'
[http.tokens.ops]
scopes = ['read']
";

#[tokio::test]
async fn metrics_have_a_listener_of_their_own() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let variables =
        [("SIGNOFF__METRICS__LISTEN", listen.as_str()), ("SIGNOFF__HTTP__TOKENS__OPS__VALUE", "sixteen-and-more")];
    let service = Service::spawn_with(CONFIGURATION, &variables).await.unwrap();
    let get = async |url: String| http_client().get(url).send().await.unwrap();

    assert_eq!(get(service.url("/metrics")).await.status().as_u16(), 401, "the API asks for its token");
    let metrics = get(format!("http://{listen}/metrics")).await;
    assert_eq!(metrics.status().as_u16(), 200);
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = metrics.text().await.unwrap();
    assert!(text.contains("signoff_store_up 1"), "{text}");
    for path in ["/", "/v1/logouts", "/readyz"] {
        let nothing = get(format!("http://{listen}{path}")).await;
        assert_eq!(nothing.status().as_u16(), 404, "{path}");
        let problem: Value = serde_json::from_str(&nothing.text().await.unwrap()).unwrap();
        assert_eq!(problem["status"], 404, "{path}");
    }
}
