"""What a watcher says of a source and of held removals, and certificates, for the console's tests: say only what matters."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from shared.contracts.ids import SOURCE_OBJECT
from shared.contracts.message import ObjectType
from shared.contracts.source import (
    HoldFact,
    HoldReason,
    HoldState,
    ReadProgress,
    SourceRequests,
    SourceState,
    StreamPhase,
    StreamState,
)
from tests.support.builders_console import JOB, at

HOLD = "7d9c2f04-0000-4000-8000-000000000001"


def source_state(sequence: int = 1, *, job: str = JOB, **more: Any) -> SourceState:
    """A source of which two streams are followed."""
    values: dict[str, Any] = {
        "kind": "microsoft-graph",
        "streams": (
            StreamState(stream="assignments", phase=StreamPhase.LIVE, rounds=sequence, pages=2, records=40),
            StreamState(
                stream="users",
                phase=StreamPhase.RESYNCING,
                generation=3,
                rounds=7,
                pages=5,
                records=500,
                link_issued_at=at(0),
                last_round_at=at(60),
                resync_started_at=at(90),
                resync_reason="the link was refused (410)",
            ),
        ),
        "assigned": 40,
        "assigned_groups": 3,
        "suspects": 2,
        "held_removals": 5,
        "unknown_references": 1,
        "ignored": {"servicePrincipalsAssigned": 3, "somethingNew": 1},
        "requests": SourceRequests(by_kind={"users": 9, "groups": 4}, throttled=2, waited_seconds=1.5),
        "drift_total": 6,
        "at": at(sequence),
    }
    return SourceState(
        job_id=job,
        object_type=ObjectType.SOURCE,
        object_id=SOURCE_OBJECT,
        sequence=sequence,
        **(values | more),
    )


def progress(users_read: int, expected: int | None = None, seconds_left: int | None = None) -> ReadProgress:
    """The progress of an initial cycle that began with the story."""
    return ReadProgress(users_read=users_read, expected=expected, seconds_left=seconds_left, started_at=at(0))


def hold_fact(
    sequence: int = 1, state: HoldState = HoldState.HELD, *, job: str = JOB, hold: str = HOLD, **more: Any
) -> HoldFact:
    """Sixty removals of a hundred users, too many for one cycle."""
    decided = state in (HoldState.APPROVED, HoldState.REJECTED)
    values: dict[str, Any] = {
        "state": state,
        "reason": HoldReason.TOO_MANY,
        "removals": 60,
        "active": 100,
        "detail": "60 of 100 users would be removed at once. Look into the directory, then approve or reject.",
        "decided_by": "a person" if decided else None,
        "decision_reason": "all is well" if decided else None,
        "held_at": at(0),
        "at": at(sequence),
    }
    return HoldFact(job_id=job, object_type=ObjectType.HOLD, object_id=hold, sequence=sequence, **(values | more))


@cache
def rsa_key(bits: int = 2048, which: int = 0) -> rsa.RSAPrivateKey:
    """A key, made once for the run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem_certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None, *, days: float = 30, name: str = "seatkeeper"
) -> str:
    """A self-signed certificate that expires so many days from now."""
    key = key or rsa_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def pem_key(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None, *, password: bytes | None = None) -> str:
    """A private key as PEM (PKCS #8)."""
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    text = (key or rsa_key()).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    return text.decode()
