"""The web loop in the frame: it stops with the frame, leaves signals alone, and refuses a start that cannot work."""

import asyncio
import signal
import socket

import pytest

from services.console.settings import ConsoleSettings, ServiceSettings
from services.console.web import Web
from shared.runtime.errors import StartRefusedError
from tests.support.builders_console import Console, opened_frame, settings_for


async def test_a_taken_port_is_one_clear_sentence(database_url: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        async with opened_frame(database_url, http_port=port) as frame:
            with pytest.raises(StartRefusedError, match=f"SEATKEEPER_HTTP_PORT: 127.0.0.1:{port} cannot be opened"):
                await Web().run(frame)


async def test_without_a_secret_key_nothing_is_served(database_url: str) -> None:
    async with opened_frame(database_url, secret_key=None) as frame:
        with pytest.raises(StartRefusedError, match="SEATKEEPER_SECRET_KEY"):
            await Web().run(frame)


async def test_signals_stay_with_the_frame_and_the_loop_beats(console: Console) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert console.frame.health.stalled() == []
    assert "web" in console.frame.health._beats


async def test_it_stops_with_the_frame(console: Console) -> None:
    url = console.url
    console.frame.stopping.set()

    async def refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        except OSError:
            return True
        writer.close()
        return False

    from tests.support.eventually import eventually

    assert await eventually(refused)


async def test_answers_carry_the_security_headers(console: Console) -> None:
    for path in ("/api/v1/jobs", "/sign-in", "/nothing", "/livez"):
        headers = (await console.call("GET", path)).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in {name.lower() for name in headers}


async def test_a_database_that_is_away_is_said_and_nothing_of_it_is_shown(console: Console) -> None:
    await console.frame.database.close()
    reply = await console.call("GET", "/api/v1/jobs")
    await console.frame.database.open()
    assert reply.status in (500, 503)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert "postgresql" not in reply.text
    assert (await console.call("GET", "/api/v1/jobs")).status == 200


def test_settings_have_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServiceSettings is ConsoleSettings
    assert settings_for("postgresql://x").console_retention_days == 30
    monkeypatch.setenv("SEATKEEPER_CONSOLE_RETENTION_DAYS", "0")
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "x:1")
    with pytest.raises(StartRefusedError, match="SEATKEEPER_CONSOLE_RETENTION_DAYS"):
        ConsoleSettings.from_environment()
