//! `clients`: which relying parties are registered, and how do many get registered at once?

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::{Api, Body, Paged, Where};
use super::issuer::Whose;
use super::table::table;
use super::{Given, Usage, say};
use crate::deliver::Verb;

/// Members of a registration that are nobody's business but the client's and its provider's.
const SECRETS: [&str; 2] = ["client_secret", "registration_access_token"];
const PAGE: &str = "500";

/// `signoff clients …`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Register or replace clients from OpenID registration metadata
    Import(Import),
    /// Show the clients of an issuer
    List(List),
}

#[derive(Debug, clap::Args)]
struct Import {
    /// JSON: one client's metadata, or an array of them; - for standard input
    file: PathBuf,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    service: Where,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    service: Where,
}

pub(super) async fn run(args: Args, given: &Given) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Import(Import { file, whose, service }) => {
            let clients = clients(&text(&file)?).map_err(|what| Usage(format!("{}: {what}", file.display())))?;
            import(&service.api(given)?, &whose.name(given)?, clients).await
        }
        Command::List(List { whose, service }) => list(&service.api(given)?, &whose.name(given)?).await,
    }
}

fn text(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(text);
    }
    Ok(std::fs::read_to_string(file).map_err(|error| Usage(format!("{} cannot be read: {error}", file.display())))?)
}

/// Each client's id and metadata, without secrets.
fn clients(text: &str) -> Result<Vec<(String, Value)>, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let documents = match document {
        Value::Array(documents) if documents.is_empty() => return Err("holds no client".into()),
        Value::Array(documents) => documents,
        one => vec![one],
    };
    documents.into_iter().enumerate().map(|(index, document)| client(index, document)).collect()
}

fn client(index: usize, document: Value) -> Result<(String, Value), String> {
    let Value::Object(mut members) = document else {
        return Err(format!("client {index} (from 0) is not a JSON object"));
    };
    for secret in SECRETS {
        members.remove(secret);
    }
    match id(&members) {
        Some(id) => Ok((id, Value::Object(members))),
        None => Err(format!("client {index} (from 0) has no client_id")),
    }
}

fn id(members: &Map<String, Value>) -> Option<String> {
    members.get("client_id")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// One after another: what is wrong with one does not keep the others out.
async fn import(api: &Api, issuer: &str, clients: Vec<(String, Value)>) -> anyhow::Result<ExitCode> {
    let (mut imported, all) = (0, clients.len());
    for (id, metadata) in clients {
        // A client id may be a URL, which does not fit into a path.
        let url = api.url(&["v1", "issuers", issuer, "clients"], &[("client_id", &id)]);
        match api.call(Verb::Put, &url, Some(Body::json(&metadata))).await {
            Ok(answer) => {
                imported += 1;
                let done = if answer.status == 201 { "registered" } else { "replaced" };
                say(std::io::stdout(), &format_args!("{done} {id}"));
            }
            Err(error) => say(std::io::stderr(), &format_args!("{id}: {error:#}")),
        }
    }
    say(std::io::stdout(), &format_args!("{imported} of {all} imported at the issuer {issuer}"));
    Ok(if imported == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Deserialize)]
struct Client {
    #[serde(rename = "client_id")]
    id: String,
    backchannel_logout_uri: Option<String>,
    id_token_signed_response_alg: Option<String>,
    source: String,
}

async fn list(api: &Api, issuer: &str) -> anyhow::Result<ExitCode> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let after: Option<String> = cursor;
        let query = std::iter::once(("limit", PAGE)).chain(after.as_deref().map(|after| ("cursor", after)));
        let url = api.url(&["v1", "issuers", issuer, "clients"], &query.collect::<Vec<_>>());
        let page: Paged<Client> = api.get(&url).await?;
        rows.extend(page.items.into_iter().map(row));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    say(std::io::stdout(), &table(["CLIENT", "LOGOUT URI", "ALG", "FROM"], &rows));
    Ok(ExitCode::SUCCESS)
}

fn row(client: Client) -> [String; 4] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let (uri, alg) = (or_dash(client.backchannel_logout_uri), or_dash(client.id_token_signed_response_alg));
    [client.id, uri, alg, client.source]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_client_or_many_and_no_secrets() {
        let shop = json!({"client_id": "shop", "client_secret": "s", "registration_access_token": "t", "x": 1});
        let clean = ("shop".to_owned(), json!({"client_id": "shop", "x": 1}));
        assert_eq!(clients(&shop.to_string()), Ok(vec![clean.clone()]));
        assert_eq!(clients(&json!([shop, shop]).to_string()), Ok(vec![clean.clone(), clean]));
        for (text, what) in [
            ("[]", "holds no client"),
            ("[1]", "client 0 (from 0) is not a JSON object"),
            (r#"[{"client_id":"a"},{"client_id":""}]"#, "client 1 (from 0) has no client_id"),
            (r#"{"client_id":1}"#, "client 0 (from 0) has no client_id"),
        ] {
            assert_eq!(clients(text).unwrap_err(), what, "{text}");
        }
        assert!(clients("{").unwrap_err().starts_with("is not JSON: "));
    }
}
