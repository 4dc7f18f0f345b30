//! Which keys has a test issuer, and which does it publish?

use std::sync::Arc;

use serde_json::{Value, json};

use super::{FIRST_KID, SigningKey, b64};
use crate::Algorithm;

pub(super) struct Keys {
    /// The last one signs; all are published.
    pub(super) own: Vec<(String, Arc<SigningKey>)>,
    /// The one that [`TestIssuer::rotate`] puts in place. Made when it is asked for, as RSA keys take time.
    pub(super) next: Option<(String, Arc<SigningKey>)>,
    pub(super) es256: Arc<SigningKey>,
    pub(super) stranger: Option<Arc<SigningKey>>,
    /// What is published beside `own`.
    pub(super) others: Vec<Value>,
}

impl Keys {
    pub(super) fn generate() -> Self {
        let (first, es256) = (rs256(), Arc::new(SigningKey::generate(Algorithm::ES256)));
        let marked = |kid: &str, member: &str, value: &str| {
            let mut jwk = first.jwk(kid);
            jwk[member] = json!(value);
            jwk
        };
        let weak = json!({"kty": "RSA", "kid": "weak", "n": b64([0xff; 128]), "e": "AQAB"});
        let others = vec![
            es256.jwk("es256"),
            marked("pinned-to-es256", "alg", "ES256"),
            marked("for-encryption", "use", "enc"),
            weak,
        ];
        Self { own: vec![(FIRST_KID.into(), first)], next: None, es256, stranger: None, others }
    }
}

pub(super) fn rs256() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::RS256))
}
