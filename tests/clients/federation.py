"""Federates with a provider as its own SDK does, as the gateway, and says how the gateway's way looks from here.

usage: federation.py anthropic|openai ISSUER PROVIDER KEY AUDIENCE < ASSERTION

Standard input is an assertion that the gateway sent. It is verified with an implementation of signatures that is not
ours, against the keys that the issuer publishes. Then the SDK exchanges a fresh one, signed here with the same KEY,
and asks a model with the token it was given. What is printed is JSON.
"""

import base64
import json
import sys
import time
import urllib.request
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

kind, issuer, provider, key_file, audience = sys.argv[1:6]


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


metadata = fetched(f"{issuer}/.well-known/openid-configuration")
assert metadata["issuer"] == issuer, metadata
keys = {key["kid"]: key for key in fetched(metadata["jwks_uri"])["keys"]}


def public(key):
    def number(name):
        return int.from_bytes(unb64(key[name]), "big")

    if key["kty"] == "EC":
        return ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()


def verify(text):
    signed, _, signature = text.rpartition(".")
    head, claims = (json.loads(unb64(part)) for part in signed.split("."))
    key, signature = public(keys[head["kid"]]), unb64(signature)
    if head["alg"] == "ES256":
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    else:
        assert head["alg"] == "RS256", head
        key.verify(signature, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return head, claims


def sign():
    data = open(key_file, "rb").read()
    load = serialization.load_pem_private_key if data.startswith(b"-----") else serialization.load_der_private_key
    key = load(data, None)
    is_ec = isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.public_key().public_numbers()
    ours = [kid for kid, it in keys.items() if public(it).public_numbers() == numbers]
    head = {"alg": "ES256" if is_ec else "RS256", "kid": ours[0], "typ": "JWT"}
    now = int(time.time()) + offset
    claims = {"iss": issuer, "sub": "bauta-gateway", "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
    signed = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
    if is_ec:
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


def by_anthropic():
    import anthropic
    from anthropic.lib.credentials import WorkloadIdentityCredentials

    credentials = WorkloadIdentityCredentials(
        identity_token_provider=sign,
        federation_rule_id="fdrl_test",
        organization_id="11111111-2222-3333-4444-555555555555",
        service_account_id="svac_test",
        workspace_id="wrkspc_test",
    )
    client = anthropic.Anthropic(base_url=provider, credentials=credentials, max_retries=0)
    asked = {"model": "claude-opus-4-8", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
    return "".join(block.text for block in client.messages.create(**asked).content)


def by_openai():
    import openai
    from openai.auth._workload import WorkloadIdentityAuth

    identity = {
        "identity_provider_id": "wip_test",
        "service_account_id": "sa_test",
        "provider": {"token_type": "jwt", "get_token": sign},
    }
    auth = WorkloadIdentityAuth(workload_identity=identity, token_exchange_url=f"{provider}/oauth/token")
    client = openai.OpenAI(base_url=f"{provider}/v1", api_key=auth.get_token(), max_retries=0)
    asked = {"model": "gpt-5.2", "messages": [{"role": "user", "content": "hello"}]}
    return client.chat.completions.create(**asked).choices[0].message.content


head, claims = verify(sys.stdin.read().strip())
# The gateway's clock may have been moved.
offset = claims["iat"] - int(time.time())
text = {"anthropic": by_anthropic, "openai": by_openai}[kind]()
print(json.dumps({"head": head, "claims": claims, "text": text}))
