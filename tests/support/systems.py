"""One whole running system for the tests that look at it from outside: real servers, six service processes, three simulators, one job."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from cli.client import connected
from cli.demo.evidence import Evidence, database, gather_evidence
from cli.demo.narrator import Narrator
from cli.demo.simulated import Simulated
from cli.demo.stage import Notes, Options, Stage
from cli.system import whole_system
from deploy.embedded import Process, Running, Supervisor, open_data_folder
from shared.contracts.topics import consumed_by
from shared.runtime.database import schema_of
from tests.support.memberships import end_memberships
from tests.support.servers import short_lived_folder

SEATS = 10
FIRST_USERS = 9
PATIENCE_SECONDS = 45.0

QUICK = {
    "SEATKEEPER_DIFF_RETRY_FIRST_SECONDS": "0.5",
    "SEATKEEPER_DIFF_RETRY_SOON_SECONDS": "0.5",
    "SEATKEEPER_DIFF_RETRY_LONGEST_SECONDS": "1",
    "SEATKEEPER_SCIM_WRITER_FIRST_RETRY_SECONDS": "0.2",
    "SEATKEEPER_NOTIFIER_COLLECT_SECONDS": "0.3",
    "SEATKEEPER_NOTIFIER_DIGEST_SECONDS": "0.1",
    "SEATKEEPER_NOTIFIER_POLL_SECONDS": "0.1",
}
"""Waits of minutes in production; what is waited for stays the same."""


class KnownProcesses(Supervisor):
    """A supervisor that remembers what it was asked to run, so that a test can run the same with other variables."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.processes: dict[str, Process] = {}

    async def start(self, process: Process) -> Running:
        self.processes.setdefault(process.name, process)
        return await super().start(process)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSystem:
    """The running system with its one job. ``group`` is the group that is assigned with the role User.

    ``rejected``: whom the target has been made to refuse, in any test so far.
    """

    stage: Stage
    supervisor: KnownProcesses
    folder: Path
    group: str
    marks: Path
    rejected: set[str] = field(default_factory=set)

    @property
    def simulated(self) -> Simulated:
        return self.stage.simulated

    @property
    def job_id(self) -> str:
        return self.stage.notes.job_id

    async def truth(self) -> dict[str, dict[str, Any]]:
        """What the directory says of everybody who is or was assigned."""
        users: dict[str, dict[str, Any]] = (await self.simulated.graph("GET", "/truth?role=User"))["users"]
        return users

    async def evidence(self) -> Evidence:
        return await gather_evidence(self.simulated, self.stage.system.servers, self.job_id)

    async def start_armed(self, service: str, point: str, count: int = 1) -> Path:
        """Start a stopped service so that it ends itself once at ``point``; returns the file that it makes right before."""
        file = self.marks / f"{point}-{service}-{uuid.uuid4().hex[:8]}"
        known = self.supervisor.processes[service]
        await self.supervisor.start(
            replace(known, env={**known.env, "SEATKEEPER_CRASH_POINT": f"{point}:{count}:{file}"}, ready=None)
        )
        return file

    async def crashed(self, service: str, file: Path) -> None:
        """Wait until the service has ended itself at its crash point, and have its death noticed at once."""

        async def there() -> bool:
            return file.exists()

        await self.stage.until(f"{service} crashes at {file.name}", there, within=PATIENCE_SECONDS, every=0.02)
        await self.notice_death(service)

    async def notice_death(self, service: str) -> None:
        """Do what PostgreSQL and Kafka do by themselves ten seconds after a process died: its leases and memberships run out."""
        async with database(self.stage.system.servers) as connection:
            await connection.execute(f"UPDATE \"{schema_of(service)}\".lease SET expires_at = now() - interval '1 s'")
        groups = {
            f"{service}.control" if topic.name.startswith("control.") else service for topic in consumed_by(service)
        }
        await end_memberships(self.stage.system.servers.kafka_bootstrap_servers, groups)

    async def everything_ready(self) -> None:
        """Wait until every service says that it is ready and waits for nothing."""
        unready: dict[str, Any] = dict.fromkeys(self.stage.system.http)
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while unready:
                for service in list(unready):
                    try:
                        async with session.get(f"{self.stage.system.http[service]}/readyz") as response:
                            unready[service] = await response.json()
                    except (aiohttp.ClientError, TimeoutError) as error:
                        unready[service] = type(error).__name__
                    else:
                        if response.status == 200:
                            del unready[service]
                assert asyncio.get_running_loop().time() < deadline, f"still not ready: {unready}"
                await asyncio.sleep(0.05)


@asynccontextmanager
async def live_system() -> AsyncIterator[LiveSystem]:
    """Bring it up with a job that has handled its first users, and take it down again."""
    with short_lived_folder() as path, short_lived_folder() as marks, open_data_folder(path) as folder:
        async with (
            KnownProcesses(log_folder=folder.logs, record=folder.processes) as supervisor,
            whole_system(folder, supervisor, simulators=True, report=_silent, variables=QUICK) as system,
            aiohttp.ClientSession() as session,
            connected(system.console_url, system.token) as console,
        ):
            assert system.simulators is not None
            stage = Stage(
                options=Options(users=0, seats=SEATS),
                narrator=Narrator(silent=True),
                system=system,
                supervisor=supervisor,
                console=console,
                simulated=Simulated(session, system.simulators),
                notes=Notes(),
            )
            group = await _directory(stage)
            await _job(stage)
            live = LiveSystem(stage=stage, supervisor=supervisor, folder=path, group=group, marks=marks)
            await stage.console.post(f"/jobs/{live.job_id}/start")

            async def there() -> bool:
                return bool((await stage.simulated.state())["active"] == FIRST_USERS)

            await stage.until("the first users are provisioned", there, within=PATIENCE_SECONDS)
            await stage.at_rest()
            yield live


def _silent(_: str) -> None:
    return


async def _directory(stage: Stage) -> str:
    await stage.simulated.graph("POST", "/seed", {"users": FIRST_USERS, "groups": 0, "seed": 7})
    users = [user["id"] for user in await stage.simulated.people(FIRST_USERS)]
    group = str(uuid.uuid4())
    await stage.simulated.change(
        {"op": "createGroup", "groupId": group, "displayName": "Sales", "members": users},
        {"op": "assign", "principalType": "Group", "principalId": group, "role": "User"},
        *({"op": "updateUser", "userId": user, "properties": {"accountEnabled": True}} for user in users),
    )
    return group


def definition_for(stage: Stage, config: Mapping[str, Any], *, name: str = "Sales Navigator") -> dict[str, Any]:
    """A definition for the simulators: ``config`` is what the directory simulator says of itself."""
    simulators = stage.system.simulators
    assert simulators is not None
    return {
        "displayName": name,
        "template": "linkedin-sales-navigator",
        "source": {
            "tenantId": config["tenantId"],
            "clientId": config["clientId"],
            "servicePrincipalId": config["servicePrincipalId"],
            "graphRoot": simulators.graph_url,
            "loginRoot": simulators.graph_url,
        },
        "target": {"tenantUrl": simulators.tenant_url, "requestsPerSecond": 1000},
        "licenses": {
            "applicationInstance": "Sales Navigator EMEA",
            "licenseType": "Sales Navigator Advanced",
            "capacity": SEATS,
        },
        "notifications": {"email": "identity-team@contoso.example", "onFailure": True},
        "settings": {"interval": "PT1S", "removalConfirmation": "PT1S"},
    }


async def _job(stage: Stage) -> None:
    configuration = await stage.simulated.linkedin(
        "POST",
        "/configurations",
        {
            "name": "Seatkeeper",
            "autoAssign": True,
            "applicationInstance": "Sales Navigator EMEA",
            "licenseType": "Sales Navigator Advanced",
            "seats": SEATS,
        },
    )
    config = await stage.simulated.graph("GET", "/config")
    job = await stage.console.post("/jobs", definition_for(stage, config))
    stage.notes.job_id = job["id"]
    secrets = {"secretToken": configuration["token"], "clientSecret": config["clientSecret"]}
    stage.notes.secrets += [*secrets.values(), stage.system.token]
    await stage.console.request("PUT", f"/jobs/{job['id']}/secrets", secrets)
