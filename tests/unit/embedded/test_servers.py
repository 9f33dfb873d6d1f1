"""Servers that the environment names are used, and nothing is started for them."""

import pytest

from deploy.embedded import EmbeddedError, Supervisor, embedded_servers, open_data_folder, servers


async def test_named_servers_are_used_and_nothing_is_started(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setenv("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092")
    with open_data_folder(tmp_path / "data") as folder:
        async with Supervisor(log_folder=folder.logs) as supervisor, embedded_servers(folder, supervisor) as named:
            assert supervisor.usage() == []
            assert named.environment() == {
                "SEATKEEPER_DATABASE_URL": "postgresql://elsewhere/db",
                "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": "elsewhere:9092",
            }
            assert "elsewhere/db" not in repr(named), "the URL may hold a password"


async def test_one_sentence_comes_out_when_a_server_can_not_start(tmp_path, monkeypatch):
    async def fail(*_, **__):
        raise EmbeddedError("The disk is full.")

    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.setattr(servers, "start_kafka", fail)
    with open_data_folder(tmp_path / "data") as folder:
        async with Supervisor(log_folder=folder.logs) as supervisor:
            with pytest.raises(EmbeddedError, match=r"^The disk is full\.$"):
                async with embedded_servers(folder, supervisor):
                    pass
