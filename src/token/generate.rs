//! Where does a new key come from? Generated here, written for its owner alone.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Algorithm;
use zeroize::Zeroizing;

use super::KeyError;

/// A new private key that fits `alg`, as PEM (PKCS#8). `rsa_bits` counts for RSA alone.
pub fn generate(alg: Algorithm, rsa_bits: u32) -> Result<Zeroizing<String>, KeyError> {
    let der = match alg {
        Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::EdDSA => ed25519(),
        _ => rsa(rsa_bits),
    };
    der.map(|der| pem(&der)).map_err(|_| KeyError::NotGenerated { alg })
}

/// Writes a key where only its owner reads it; an existing file is never replaced.
pub fn write(file: &Path, pem: &str) -> Result<(), KeyError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut opened| {
        opened.write_all(pem.as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|source| KeyError::Unwritable { file: file.to_owned(), source })
}

type Der = Zeroizing<Vec<u8>>;

fn rsa(bits: u32) -> Result<Der, Unspecified> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        8192 => KeySize::Rsa8192,
        _ => return Err(Unspecified),
    };
    let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(size)?.as_der()?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

fn ec(alg: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Result<Der, Unspecified> {
    Ok(Zeroizing::new(EcdsaKeyPair::generate(alg)?.to_pkcs8v1()?.as_ref().to_vec()))
}

fn ed25519() -> Result<Der, Unspecified> {
    Ok(Zeroizing::new(Ed25519KeyPair::generate()?.to_pkcs8()?.as_ref().to_vec()))
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}
