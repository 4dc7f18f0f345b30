//! Which keys are there, and how do I get a new one? `signoff keys generate|list`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jsonwebtoken::Algorithm;

use crate::model::client::{alg_name, parse_alg};
use crate::token::{self, KeySource, SigningKey, generate};

/// `signoff keys …`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a new private key (PEM, PKCS#8) and print its public half
    Generate(Generate),
    /// Show the keys in the configuration, or in these files
    List(List),
}

#[derive(Debug, clap::Args)]
struct Generate {
    #[arg(long, help = "What it will sign: RS256 to PS512, ES256, ES384 or EdDSA", default_value = "RS256", value_parser = signing_alg)]
    alg: Algorithm,
    /// Size of an RSA key: 2048, 3072, 4096 or 8192
    #[arg(long, default_value_t = 2048)]
    bits: u32,
    /// The file to write; never replaced. Standard output if absent
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Where the file is there already, it is left alone, and that is a success
    #[arg(long, requires = "out")]
    if_missing: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Key files; those in the configuration if absent
    files: Vec<PathBuf>,
}

/// One issuer's short name and its key files.
pub type IssuerSources = (String, Vec<KeySource>);

/// Runs `signoff keys`. `configured` reads the configuration, and is called only if it is needed.
pub async fn run(args: Args, configured: impl FnOnce() -> anyhow::Result<Vec<IssuerSources>>) -> anyhow::Result<()> {
    match args.command {
        Command::Generate(wanted) => tokio::task::spawn_blocking(move || make(&wanted)).await?,
        Command::List(List { files }) if files.is_empty() => list(&configured()?),
        Command::List(List { files }) => list(&[("-".to_owned(), files.into_iter().map(named_after).collect())]),
    }
}

fn make(wanted: &Generate) -> anyhow::Result<()> {
    if let Some(file) = wanted.out.as_deref().filter(|file| wanted.if_missing && file.exists()) {
        return Ok(writeln!(std::io::stderr(), "{} is there, and is left alone", file.display())?);
    }
    let pem = generate::generate(wanted.alg, wanted.bits)?;
    match &wanted.out {
        Some(file) => generate::write(file, &pem).context("nothing was replaced")?,
        None => std::io::stdout().write_all(pem.as_bytes())?,
    }
    let key = token::parse_pem(&pem, wanted.out.as_deref().unwrap_or(Path::new("-")))?;
    // The key may be on its way through a pipe: what is for people goes the other way.
    let mut people = std::io::stderr().lock();
    if let Some(file) = &wanted.out {
        writeln!(people, "wrote {} ({}), readable by its owner alone", file.display(), key.kind())?;
    }
    writeln!(people, "kid {}\n{}", key.kid(), key.public_jwk())?;
    Ok(())
}

fn list(issuers: &[IssuerSources]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut bad = Vec::new();
    writeln!(out, "{:<12} {:<12} {:<44} {:<42} FILE", "ISSUER", "KEY", "KID", "SIGNS")?;
    for (issuer, sources) in issuers {
        for source in sources {
            match token::load(source) {
                Ok(keys) => keys.iter().try_for_each(|key| row(&mut out, issuer, source, key))?,
                Err(error) => bad.push(error.to_string()),
            }
        }
    }
    if !bad.is_empty() {
        bail!("{}", bad.join("\n"));
    }
    Ok(())
}

fn row(out: &mut impl std::io::Write, issuer: &str, source: &KeySource, key: &SigningKey) -> std::io::Result<()> {
    let algs = key.algs().map(alg_name).collect::<Vec<_>>().join(" ");
    writeln!(out, "{issuer:<12} {:<12} {:<44} {algs:<42} {}", source.name, key.kid(), source.file.display())
}

fn named_after(file: PathBuf) -> KeySource {
    let name = file.file_stem().map_or_else(|| "-".to_owned(), |stem| stem.to_string_lossy().into_owned());
    KeySource { name, file, alg: None, kid: None, use_from: None }
}

fn signing_alg(name: &str) -> Result<Algorithm, String> {
    parse_alg(name).ok_or_else(|| format!("\"{name}\" cannot sign logout tokens"))
}
