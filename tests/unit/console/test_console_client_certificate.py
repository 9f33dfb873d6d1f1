"""Certificates of applications: what can be used is used, what cannot is told without repeating it, and the assertion is signed right."""

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from services.console.client_certificate import CertificateError, assertion_form, read_certificate
from tests.support.builders_source import pem_certificate, pem_key, rsa_key


def test_certificate_and_key_are_read_in_any_order_and_among_others() -> None:
    mine, issuer = pem_certificate(), pem_certificate(rsa_key(2048, 1), name="issuer")
    expected = x509.load_pem_x509_certificate(mine.encode())
    for text in (mine + pem_key(), pem_key() + mine, issuer + mine + pem_key(), f"Bag Attributes\n{mine}\n{pem_key()}"):
        found = read_certificate(text)
        assert found.thumbprint == expected.fingerprint(hashes.SHA1()).hex().upper()
        assert timedelta(days=29) < found.expires_at - datetime.now(UTC) < timedelta(days=31)
        assert "PRIVATE" not in repr(found)
        assert found.pem() == mine + pem_key(), "certificate first, then its key, and nothing of the others"


def test_an_issuer_with_another_kind_of_key_does_not_disturb() -> None:
    issuer = pem_certificate(ec.generate_private_key(ec.SECP256R1()), name="issuer")
    assert read_certificate(issuer + pem_certificate() + pem_key()).thumbprint


ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
REFUSED = {
    "": "no certificate",
    "canary": "no certificate",
    pem_key(): "no certificate",
    pem_certificate(): "no private key",
    pem_certificate() + pem_key(password=b"canary"): "with a password",
    pem_certificate() + pem_key(rsa_key(2048, 1)): "belongs to none",
    pem_certificate(rsa_key(1024)) + pem_key(rsa_key(1024)): "at least 2048 bits",
    pem_certificate(ELLIPTIC) + pem_key(ELLIPTIC): "RSA",
    pem_certificate() + pem_key().replace("\n", "\ncanary", 3): "is damaged",
    "x" * 70_000: "longer than",
}


@pytest.mark.parametrize("text", list(REFUSED), ids=list(REFUSED.values()))
def test_what_cannot_be_used_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CertificateError) as refused:
        read_certificate(text)
    assert REFUSED[text] in str(refused.value)
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


@given(
    st.one_of(
        st.text(max_size=300),
        st.tuples(st.text(max_size=50), st.text(max_size=50)).map(
            lambda t: f"{t[0]}-----BEGIN CERTIFICATE-----\n{t[1]}\n-----END CERTIFICATE-----"
        ),
    )
)
def test_any_other_text_is_refused_as_such(text: str) -> None:
    with pytest.raises(CertificateError):
        read_certificate(text)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_the_assertion_names_certificate_client_and_audience_and_is_good_once_for_minutes() -> None:
    certificate = read_certificate(pem_certificate() + pem_key())
    forms = [assertion_form(certificate, client_id="c-1", audience="https://login.example/t/token") for _ in range(2)]
    assert forms[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    header, claims, signature = forms[0]["client_assertion"].split(".")
    certificate.key.public_key().verify(
        decoded(signature),
        f"{header}.{claims}".encode(),
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
        hashes.SHA256(),
    )
    head, said = orjson.loads(decoded(header)), orjson.loads(decoded(claims))
    assert (head["alg"], decoded(head["x5t#S256"])) == ("PS256", certificate.certificate.fingerprint(hashes.SHA256()))
    assert (said["iss"], said["sub"], said["aud"]) == ("c-1", "c-1", "https://login.example/t/token")
    assert 0 < said["exp"] - datetime.now(UTC).timestamp() <= 600
    others = orjson.loads(decoded(forms[1]["client_assertion"].split(".")[1]))
    assert others["jti"] != said["jti"]
