//! What is wrong with the configuration, where, and what to do about it?

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file and line, or the environment variable.
    pub place: String,
    /// The key's full path; empty: the file as a whole.
    pub key: String,
    /// What is wrong and what to do. Never a secret.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.what)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.what)
        }
    }
}

/// A URL's scheme, if that is surely what it is: `password:…` begins like one.
pub(super) fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    (scheme.len() <= 12 && scheme.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(scheme)
}

/// Every mistake of a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.0 {
            writeln!(f, "{mistake}")?;
        }
        let count = self.0.len();
        write!(f, "{count} mistake{} in the configuration", if count == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Mistakes {}
