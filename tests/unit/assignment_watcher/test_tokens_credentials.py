"""Certificates and federated tokens: what can be sent, and what is refused with advice before anything is sent."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.assignment_watcher.graph.tokens.credentials import (
    ASSERTION_TYPE,
    ClientCertificate,
    ClientSecret,
    CredentialError,
    FederatedToken,
)
from tests.support.certificates import a_certificate, a_federated_token, an_elliptic_key, rsa_key

NOW = datetime.now(UTC)
AUDIENCE = "https://login.example/tenant/oauth2/v2.0/token"


def test_an_assertion_is_signed_for_this_endpoint_and_never_twice_the_same() -> None:
    pair = a_certificate()
    credential = ClientCertificate.from_pem(pair.together, NOW)
    forms = [credential.form("client-1", AUDIENCE) for _ in range(2)]
    assert {form["client_assertion_type"] for form in forms} == {ASSERTION_TYPE}
    claims = []
    for form in forms:
        key = load_pem_x509_certificate(pair.certificate.encode()).public_key()
        claims.append(jwt.decode(form["client_assertion"], key, algorithms=["PS256"], audience=AUDIENCE))  # type: ignore[arg-type] # an RSA key
        assert "x5t#S256" in jwt.get_unverified_header(form["client_assertion"])
    assert claims[0]["iss"] == claims[0]["sub"] == "client-1"
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["exp"] - claims[0]["nbf"] <= 600


def test_certificate_and_key_are_taken_in_any_order_and_with_text_between() -> None:
    pair = a_certificate()
    for text in (
        pair.together,
        pair.certificate + "\n\n" + pair.key,
        f"Bag Attributes\n{pair.certificate}x\n{pair.key}\n",
    ):
        assert ClientCertificate.from_pem(text, NOW).for_msal()["public_certificate"] == pair.certificate


def test_of_a_chain_the_first_certificate_counts() -> None:
    pair, authority = a_certificate(), a_certificate(key=rsa_key(1))
    assert (
        ClientCertificate.from_pem(pair.together + authority.certificate, NOW).for_msal()["private_key"].strip()
        == pair.key.strip()
    )


def test_what_is_wrong_with_a_certificate_is_said() -> None:
    pair, other = a_certificate(), a_certificate(key=rsa_key(1))
    expired = a_certificate(days=-1)
    yesterday = NOW - timedelta(days=1)
    wrong = {
        pair.certificate: "not a certificate with its private key",
        pair.key: "not a certificate with its private key",
        "": "not a certificate with its private key",
        pair.key + other.certificate: "does not belong",
        expired.together: f"expired on {yesterday:%Y-%m}",
        a_certificate(key=an_elliptic_key()).together: "not an RSA key",
        pair.certificate + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----": "cannot be read",
    }
    for text, reason in wrong.items():
        with pytest.raises(CredentialError, match=reason) as caught:
            ClientCertificate.from_pem(text, NOW)
        assert caught.value.advice
        assert "BEGIN" not in str(caught.value)


SAVED = a_certificate().together


@settings(deadline=None)  # reading an RSA key takes a while
@given(st.text(max_size=80), st.integers(0, 3000), st.integers(0, 60))
def test_whatever_is_saved_as_a_certificate_is_judged(noise: str, at: int, cut: int) -> None:
    text = SAVED
    broken = text[:at] + noise + text[at + cut :]
    try:
        ClientCertificate.from_pem(broken, NOW)
    except CredentialError as error:
        assert error.advice


@settings(deadline=None)  # reading an RSA key takes a while
@given(st.booleans(), st.integers(0, 300), st.integers(0, 255))
@example(in_key=False, at=12, byte=0x16)
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_damaged_byte_in_a_certificate_or_key_is_judged(in_key: bool, at: int, byte: int) -> None:
    blocks = [
        damaged(block, at, byte) if in_key is ("KEY" in block) else block for block in SAVED.split("-----BEGIN ")[1:]
    ]
    try:
        ClientCertificate.from_pem("".join(f"-----BEGIN {block}" for block in blocks), NOW)
    except CredentialError as error:
        assert error.advice


def damaged(block: str, at: int, byte: int) -> str:
    first, *lines, last = block.strip().split("\n")
    der = bytearray(base64.b64decode("".join(lines)))
    der[at] = byte
    return "\n".join((first, base64.b64encode(bytes(der)).decode(), last, ""))


def test_a_federated_token_is_read_anew_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    credential = FederatedToken(file)
    for number in range(2):
        token = a_federated_token(rsa_key(), subject=f"subject-{number}")
        file.write_text(token + "\n")
        assert credential.form("client-1", AUDIENCE)["client_assertion"] == token
        assert credential.for_msal()["client_assertion"]() == token


@pytest.mark.parametrize("content", [None, b"", b"no token", b"a.b", b"a. .c", b"\xff.\xff.\xff", b"a.b.c.d"])
def test_a_token_file_without_a_token_is_refused_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CredentialError, match="AZURE_FEDERATED_TOKEN_FILE"):
        FederatedToken(file).form("client-1", AUDIENCE)


def test_no_credential_shows_itself() -> None:
    pair = a_certificate()
    shown = repr([ClientSecret("not-a-real-secret"), ClientCertificate.from_pem(pair.together, NOW)])
    assert "not-a-real-secret" not in shown
    assert "PRIVATE" not in shown
