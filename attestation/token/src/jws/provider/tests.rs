use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Header, crypto::verify, encode};
use serde_json::json;

use super::*;
use crate::jws::install;

#[test]
fn nothing_but_ed25519_is_ever_signed() {
    install();
    let key = crate::keys::SigningKey::from_seed(&[1; 32]).unwrap();
    let attempts = [
        (Algorithm::ES256, EncodingKey::from_ec_der(key.pkcs8())),
        (Algorithm::RS256, EncodingKey::from_rsa_der(key.pkcs8())),
        (Algorithm::HS256, EncodingKey::from_secret(b"x")),
    ];

    for (algorithm, key) in attempts {
        let token = encode(&Header::new(algorithm), &json!({}), &key);
        assert_eq!(*token.unwrap_err().kind(), ErrorKind::UnsupportedAlgorithm);
    }
}

#[test]
fn no_hmac_is_ever_verified() {
    install();
    let key = DecodingKey::from_secret(b"x");

    assert!(verify("AAAA", b"message", &key, Algorithm::HS256).is_err());
}

/// RFC 7515, appendix A.2.
#[test]
fn an_rsa_signature_of_the_standard_verifies() {
    install();
    let key = DecodingKey::from_rsa_components(RFC7515_MODULUS, "AQAB").unwrap();
    let message = RFC7515_MESSAGE.as_bytes();

    assert!(verify(RFC7515_SIGNATURE, message, &key, Algorithm::RS256).unwrap());
    assert!(!verify(RFC7515_SIGNATURE, b"other", &key, Algorithm::RS256).unwrap());
    assert!(!verify(RFC7515_SIGNATURE, message, &key, Algorithm::PS256).unwrap());
    assert!(verify(RFC7515_SIGNATURE, message, &key, Algorithm::EdDSA).is_err());
}

/// RFC 8037, appendix A.4, with the key of appendix A.1.
#[test]
fn an_ed25519_signature_is_the_one_of_the_standard() {
    install();
    let seed = URL_SAFE_NO_PAD.decode(RFC8037_SEED).unwrap();
    let key = crate::keys::SigningKey::from_seed(&seed.try_into().unwrap()).unwrap();
    let public = DecodingKey::from_ed_der(key.public());

    assert_eq!(URL_SAFE_NO_PAD.encode(key.public()), RFC8037_PUBLIC);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(RFC8037_MESSAGE.as_bytes()));
    assert_eq!(signature, RFC8037_SIGNATURE);
    assert!(
        verify(
            &signature,
            RFC8037_MESSAGE.as_bytes(),
            &public,
            Algorithm::EdDSA
        )
        .unwrap()
    );
}

const RFC7515_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RFC7515_MESSAGE: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const RFC7515_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const RFC8037_SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const RFC8037_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const RFC8037_MESSAGE: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const RFC8037_SIGNATURE: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
