"""The whole system on one machine: servers, migrations, topics, the six services, and simulators if asked for."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import asyncpg

from deploy.databases import migrate_services
from deploy.embedded import DataFolder, Process, Servers, Supervisor, embedded_servers
from deploy.embedded.data_folder import write_whole
from deploy.embedded.ports import ports
from deploy.topics import create_topics
from services.console.tokens import create_token
from shared.contracts.topics import CONSOLE, SERVICES
from shared.runtime.settings import Settings

Report = Callable[[str], None]

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY")
"""Variables of the caller's environment that child processes get, beside SEATKEEPER_* and OTEL_*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """Where the three simulators listen."""

    graph_url: str
    linkedin_url: str
    tenant_url: str
    mail_url: str
    smtp_url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A running system. ``http`` maps each service to its base URL; ``token`` is an operator's bearer token."""

    servers: Servers
    http: Mapping[str, str]
    token: str = field(repr=False)
    simulators: Simulators | None = None

    @property
    def console_url(self) -> str:
        """Return the base URL of the console."""
        return self.http[CONSOLE]


@asynccontextmanager
async def whole_system(
    folder: DataFolder,
    supervisor: Supervisor,
    *,
    simulators: bool,
    report: Report,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[System]:
    """Bring everything up, yield it once every service is ready, and take it down again.

    ``variables`` are further environment variables for the services. Raises ``EmbeddedError``.
    """
    report("Starting PostgreSQL and Kafka")
    async with embedded_servers(folder, supervisor, report=report) as servers:
        simulated = await _start_simulators(folder, supervisor, report) if simulators else None
        common = _environment(folder, servers, simulated, variables or {})
        settings = Settings(database_url=servers.database_url, kafka_bootstrap_servers=servers.kafka_bootstrap_servers)
        report("Creating tables and topics")
        await migrate_services(settings)
        await create_topics(settings)
        report("Starting six services")
        kept = ports(folder, *SERVICES)
        http = {name: f"http://127.0.0.1:{kept[name]}" for name in SERVICES}
        common["SEATKEEPER_NOTIFIER_CONSOLE_URL"] = http[CONSOLE]
        try:
            await _start_services(supervisor, common, kept, http)
            token = await _operator_token(folder, servers, http[CONSOLE])
            yield System(servers=servers, http=http, token=token, simulators=simulated)
        finally:
            # Before the servers: what is in flight is brought to an end while there is something to write it to.
            await asyncio.gather(*(supervisor.stop(name) for name in SERVICES))


def _environment(
    folder: DataFolder, servers: Servers, simulated: Simulators | None, variables: Mapping[str, str]
) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(("SEATKEEPER_", "OTEL_"))
    }
    environment |= servers.environment()
    environment.setdefault("SEATKEEPER_SECRET_KEY", folder.secret("secret-key"))
    # glibc keeps an arena for each thread and gives little of them back; our threads wait, they do not allocate.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    if simulated:
        environment |= {"SEATKEEPER_SMTP_URL": simulated.smtp_url, "SEATKEEPER_ALLOW_INSECURE_LOOPBACK": "true"}
    return environment | dict(variables)


async def _start_simulators(folder: DataFolder, supervisor: Supervisor, report: Report) -> Simulators:
    report("Starting simulators of Microsoft Graph, LinkedIn and mail")
    kept = ports(folder, "graph", "linkedin", "mail-smtp", "mail-http")
    arguments = {
        "graph": ("--port", str(kept["graph"])),
        "linkedin": ("--port", str(kept["linkedin"])),
        "mail": ("--smtp-port", str(kept["mail-smtp"]), "--http-port", str(kept["mail-http"])),
    }
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    announced = {}
    for name, more in arguments.items():
        process = Process(
            name=f"simulator-{name}",
            argv=(sys.executable, "-m", f"simulators.{name}", *more),
            env=environment,
            cwd=folder.path,
            ready_line=True,
        )
        announced[name] = (await supervisor.start(process)).announced or {}
    return Simulators(
        graph_url=announced["graph"]["url"],
        linkedin_url=announced["linkedin"]["url"],
        tenant_url=announced["linkedin"]["tenantUrl"],
        mail_url=announced["mail"]["url"],
        smtp_url=announced["mail"]["smtpUrl"],
    )


async def _start_services(
    supervisor: Supervisor, common: Mapping[str, str], kept: Mapping[str, int], http: Mapping[str, str]
) -> None:
    processes = [
        Process(
            name=name,
            argv=(sys.executable, "-m", "cli.main", "run", name),
            env={**common, "SEATKEEPER_HTTP_PORT": str(kept[name])},
            ready=_asks(f"{http[name]}/readyz"),
            layer=2,
            grace_seconds=40,
        )
        for name in SERVICES
    ]
    # Not a task group: one sentence about the first that cannot start is worth more than a group of errors.
    await asyncio.gather(*(supervisor.start(process) for process in processes))


def _asks(url: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(url) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return ready


async def _operator_token(folder: DataFolder, servers: Servers, console_url: str) -> str:
    """Return the bearer token of whoever may read the data folder; made once, kept with mode 0600."""
    import orjson

    file = folder.path / "operator.json"
    if file.exists():
        known = orjson.loads(file.read_bytes())
        if known["url"] == console_url:
            return str(known["token"])
    connection = await asyncpg.connect(servers.database_url, server_settings={"search_path": "console"})
    try:
        token = await create_token(connection, "command line of this machine", "admin")
    finally:
        await connection.close()
    write_whole(file, orjson.dumps({"url": console_url, "token": token}).decode())
    return token
