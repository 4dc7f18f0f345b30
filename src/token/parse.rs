//! Which keys does this file hold? PEM, JWK and JWKS become signing keys, or a clear no.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use jsonwebtoken::Algorithm;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::key::{Pair, SigningKey};
use super::{KeyError, KeyProblem, KeySource, jwk};
use crate::model::client::parse_alg;

const LONGEST_KID: usize = 255;
const LARGEST_FILE: u64 = 1 << 20;

/// One key of a file, before the configuration has its say.
pub(super) struct Part {
    /// From 1.
    pub(super) number: usize,
    pub(super) pair: Pair,
    pub(super) kid: Option<String>,
    pub(super) alg: Option<String>,
}

/// Reads and parses one key source.
pub fn load(source: &KeySource) -> Result<Vec<SigningKey>, KeyError> {
    keys(source, &read(&source.file)?)
}

/// The one key in this PEM, named by its thumbprint; `file` is for messages.
pub fn parse_pem(pem: &str, file: &Path) -> Result<SigningKey, KeyError> {
    let source = KeySource { name: String::new(), file: file.to_owned(), alg: None, kid: None, use_from: None };
    let none = || KeyError::Unusable { file: file.to_owned(), problem: KeyProblem::NoPrivateKey };
    keys(&source, pem.as_bytes())?.pop().ok_or_else(none)
}

/// The file's bytes, wiped when dropped.
pub(super) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unreadable = |source| KeyError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    // Room for all of it at once: a growing buffer leaves copies behind.
    let size = opened.metadata().map_or(0, |meta| meta.len()).min(LARGEST_FILE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    opened.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The keys in these bytes as the configuration wants them used.
pub(super) fn keys(source: &KeySource, bytes: &[u8]) -> Result<Vec<SigningKey>, KeyError> {
    let unusable = |problem| KeyError::Unusable { file: source.file.clone(), problem };
    let parts = parts(bytes).map_err(unusable)?;
    if source.kid.is_some() && parts.len() > 1 {
        return Err(unusable(KeyProblem::OneKidForSeveral { count: parts.len() }));
    }
    parts.into_iter().map(|part| part.named(source)).collect::<Result<_, _>>().map_err(unusable)
}

fn parts(bytes: &[u8]) -> Result<Vec<Part>, KeyProblem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let parts = if bytes.trim_ascii_start().first() == Some(&b'{') { jwk::read(bytes)? } else { pem(bytes)? };
    if parts.is_empty() { Err(KeyProblem::NoPrivateKey) } else { Ok(parts) }
}

fn pem(bytes: &[u8]) -> Result<Vec<Part>, KeyProblem> {
    // Before reading: a legacy PEM says so in a header that no reader gets past.
    if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(KeyProblem::Encrypted);
    }
    let mut parts = Vec::new();
    for (number, found) in (1..).zip(PrivateKeyDer::pem_slice_iter(bytes)) {
        let mut der = found.map_err(|_| KeyProblem::BadPem)?;
        let pair = from_der(number, &der);
        der.zeroize();
        parts.push(Part { number, pair: pair?, kid: None, alg: None });
    }
    Ok(parts)
}

fn from_der(number: usize, der: &PrivateKeyDer<'_>) -> Result<Pair, KeyProblem> {
    let secret = der.secret_der();
    let rsa = match der {
        PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(secret).map(Pair::Rsa),
        _ => RsaKeyPair::from_pkcs8(secret).map(Pair::Rsa),
    };
    // Only the reader of the right kind accepts a key; the RSA reader's reason is the telling one.
    rsa.or_else(|rejected| {
        let p256 = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, secret).map(Pair::P256);
        p256.or_else(|_| EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, secret).map(Pair::P384))
            .or_else(|_| Ed25519KeyPair::from_pkcs8(secret).map(Pair::Ed25519))
            .map_err(|_| KeyProblem::Refused { number, reason: rejected.to_string() })
    })
}

impl Part {
    fn named(self, source: &KeySource) -> Result<SigningKey, KeyProblem> {
        let number = self.number;
        let alg = self.agreed_alg(source.alg)?;
        if let Some(alg) = alg.filter(|alg| !self.pair.algs().contains(alg)) {
            return Err(KeyProblem::DoesNotFit { number, alg, kind: self.pair.kind(), fits: self.pair.algs() });
        }
        let kid = source.kid.clone().or(self.kid).unwrap_or_else(|| self.pair.thumbprint());
        if kid.is_empty() || kid.len() > LONGEST_KID || kid.chars().any(char::is_control) {
            return Err(KeyProblem::BadKid { number });
        }
        Ok(SigningKey { kid, alg, use_from: source.use_from, pair: self.pair })
    }

    /// The configuration's algorithm, else the file's; a contradiction is a mistake.
    fn agreed_alg(&self, configured: Option<Algorithm>) -> Result<Option<Algorithm>, KeyProblem> {
        let Some(name) = &self.alg else { return Ok(configured) };
        // "Ed25519" is the later, fully specified name (RFC 9864).
        let named = if name == "Ed25519" { Some(Algorithm::EdDSA) } else { parse_alg(name) };
        match named.filter(|alg| configured.is_none_or(|wanted| wanted == *alg)) {
            Some(alg) => Ok(Some(alg)),
            None => Err(KeyProblem::WrongAlg { number: self.number, alg: shown(name).to_owned() }),
        }
    }
}

/// A name out of a key file. No registered one is longer, and every private member is: a file put
/// together wrongly tells none.
pub(super) fn shown(name: &str) -> &str {
    if name.len() <= 16 { name } else { "(no known name)" }
}
