//! Which keys do the files hold? The one place where configuration asks the token room.

use anyhow::Context as _;
use jsonwebtoken::Algorithm;

use crate::token::{self, KeyError, KeyProblem, KeySource, generate};

/// One key of a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kid: String,
    pub(super) algs: Vec<Algorithm>,
}

/// The keys of this source, or which of its settings is wrong, and how.
pub(super) fn check_key(source: &KeySource) -> Result<Vec<Found>, (&'static str, String)> {
    let keys = token::load(source).map_err(|error| (setting(&error), error.to_string()))?;
    Ok(keys.iter().map(|key| Found { kid: key.kid().into(), algs: key.algs().collect() }).collect())
}

/// The setting that a problem is about.
fn setting(error: &KeyError) -> &'static str {
    match error {
        KeyError::Unusable { problem: KeyProblem::DoesNotFit { .. } | KeyProblem::WrongAlg { .. }, .. } => "alg",
        KeyError::Unusable { problem: KeyProblem::OneKidForSeveral { .. } | KeyProblem::BadKid { .. }, .. } => "kid",
        _ => "file",
    }
}

/// Makes the keys that are not there yet.
pub(super) fn prepare<'a>(sources: impl Iterator<Item = &'a KeySource>) -> anyhow::Result<()> {
    const RSA_BITS: u32 = 2048;
    for source in sources.filter(|source| !source.file.exists()) {
        if let Some(directory) = source.file.parent() {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create the directory {}", directory.display()))?;
        }
        let pem = generate::generate(source.alg.unwrap_or(Algorithm::RS256), RSA_BITS)?;
        generate::write(&source.file, &pem)?;
    }
    Ok(())
}
