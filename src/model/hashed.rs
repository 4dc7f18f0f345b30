//! How is a subject or a sid shown? Never in clear: as the start of its SHA-256.

use aws_lc_rs::digest::{SHA256, digest};

/// The first 12 hexadecimal digits of the SHA-256 of this text: enough to recognise an id one
/// knows, in logs, the API and the console.
#[must_use]
pub fn hashed(text: &str) -> String {
    hexadecimal(text, 6)
}

/// All 64 digits, where two texts must never look the same.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    hexadecimal(text, 32)
}

fn hexadecimal(text: &str, bytes: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    digest(&SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .take(bytes)
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_of_the_known_hash() {
        assert_eq!(hashed("abc"), "ba7816bf8f01");
        assert_eq!(hashed(""), "e3b0c44298fc");
    }

    #[test]
    fn the_fingerprint_is_the_whole_hash() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
