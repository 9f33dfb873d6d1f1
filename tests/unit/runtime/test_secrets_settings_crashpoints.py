"""Secrets stay secret and bound to their place; settings and crash points say what is wrong."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.crashpoints import CRASH_POINTS
from shared.runtime.errors import StartRefusedError
from shared.runtime.secrets import SecretBox, SecretUnreadableError, fingerprint
from shared.runtime.settings import Settings
from tests.support.frames import SECRET_KEY

BOX = SecretBox(bytes(32))


@given(st.text())
def test_a_secret_is_read_back_and_its_ciphertext_does_not_show_it(text: str) -> None:
    ciphertext = BOX.encrypt(text, job_id="job", field="secretToken")
    assert BOX.decrypt(ciphertext, job_id="job", field="secretToken") == text
    assert len(text) < 4 or text not in ciphertext


def test_the_same_secret_is_encrypted_differently_each_time() -> None:
    assert BOX.encrypt("x", job_id="j", field="f") != BOX.encrypt("x", job_id="j", field="f")


@pytest.mark.parametrize(("job_id", "field"), [("other", "secretToken"), ("job", "clientSecret")])
def test_i9_a_ciphertext_moved_to_another_place_cannot_be_read(job_id: str, field: str) -> None:
    ciphertext = BOX.encrypt("not-a-real-token", job_id="job", field="secretToken")
    with pytest.raises(SecretUnreadableError, match=field) as refused:
        BOX.decrypt(ciphertext, job_id=job_id, field=field)
    assert "not-a-real-token" not in str(refused.value)


def test_another_key_is_told_apart() -> None:
    ciphertext = BOX.encrypt("x", job_id="j", field="f")
    with pytest.raises(SecretUnreadableError, match="another SEATKEEPER_SECRET_KEY"):
        SecretBox(b"1" * 32).decrypt(ciphertext, job_id="j", field="f")


def test_a_fingerprint_tells_secrets_apart_without_showing_them() -> None:
    assert fingerprint("one") != fingerprint("two")
    assert len(fingerprint("one")) == 12


def test_every_wrong_variable_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATKEEPER_HTTP_PORT", "70000")
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://u:hidden-word@h/d")
    with pytest.raises(StartRefusedError) as refused:
        Settings.from_environment()
    assert "SEATKEEPER_HTTP_PORT" in str(refused.value)
    assert "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS" in str(refused.value)
    assert "hidden-word" not in str(refused.value)


def settings(**more: object) -> Settings:
    return Settings(database_url="postgresql://x", kafka_bootstrap_servers="x", **more)  # type: ignore[arg-type]


def test_the_secret_key_is_taken_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET_KEY + "\n")
    url_safe = base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")
    assert settings(secret_key_file=file).secret_key_bytes() == bytes(32)
    assert settings(secret_key=url_safe).secret_key_bytes() == b"\xff" * 32


@pytest.mark.parametrize(
    "more", [{}, {"secret_key": "short"}, {"secret_key": "?" * 44}, {"secret_key_file": Path("/nowhere")}]
)
def test_a_missing_or_malformed_secret_key_is_refused_with_what_to_do(more: dict[str, object]) -> None:
    with pytest.raises(StartRefusedError, match="SEATKEEPER_SECRET_KEY"):
        settings(**more).secret_key_bytes()


def test_an_armed_crash_point_ends_the_process_at_its_count() -> None:
    script = (
        "from shared.runtime.crashpoints import arm, crash_point\n"
        "arm('relay.after_publish:2')\n"
        "crash_point('relay.before_publish'); crash_point('relay.after_publish'); print('still here', flush=True)\n"
        "crash_point('relay.after_publish'); print('not reached', flush=True)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-9, "still here\n")


def test_an_unknown_crash_point_is_refused() -> None:
    from shared.runtime.crashpoints import arm

    with pytest.raises(ValueError, match=r"relay\.after_publish"):
        arm("relay.afterpublish")
    arm(None)


def test_every_listed_crash_point_is_passed_somewhere_and_every_passed_one_is_listed() -> None:
    import re

    root = Path(__file__).parents[3]
    sources = [file.read_text() for folder in ("shared", "services") for file in (root / folder).rglob("*.py")]
    passed = set(re.findall(r"""crash_point\(\s*"([a-z_.]+)"\s*\)""", "\n".join(sources)))
    assert passed == CRASH_POINTS
