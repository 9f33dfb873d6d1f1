"""The web loop in the frame: it stops with the frame, leaves signals alone, and refuses a start that cannot work."""

import signal
import socket

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.console.settings import ConsoleSettings, ServiceSettings
from services.console.web import Web
from shared.runtime.errors import StartRefusedError
from tests.support.builders_console import Console, opened_frame, settings_for
from tests.support.eventually import eventually


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

    def refused() -> bool:
        with socket.socket() as visitor:
            return visitor.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0

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


async def test_i9_no_user_principal_name_in_a_trace(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    assert (await console.call("GET", "/api/v1/jobs/some-job/users/canary@example.com?x=canary")).status == 404
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    assert "canary" not in told


def test_settings_have_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServiceSettings is ConsoleSettings
    assert settings_for("postgresql://x").console_retention_days == 30
    monkeypatch.setenv("SEATKEEPER_CONSOLE_RETENTION_DAYS", "0")
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "x:1")
    with pytest.raises(StartRefusedError, match="SEATKEEPER_CONSOLE_RETENTION_DAYS"):
        ConsoleSettings.from_environment()
