use std::collections::BTreeMap;

use bauta_token::{claims::Claims, pseudonym::Pseudonym, scope::Name};

pub(crate) fn claims() -> Claims {
    Claims {
        iss: "https://id.test".to_owned(),
        aud: "bauta".to_owned(),
        exp: 0,
        iat: 0,
        jti: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        sub: Pseudonym::from_bytes(&[1; 32]),
        scope: Name::parse("frontier").unwrap(),
        psn: BTreeMap::new(),
        gates: Vec::new(),
        client_id: "member".to_owned(),
    }
}
