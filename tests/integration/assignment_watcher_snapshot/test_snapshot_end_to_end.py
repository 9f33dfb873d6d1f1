"""From a file to accounts at the target, through all services, without Microsoft Graph."""

import csv
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cli.client import connected
from cli.demo.narrator import Narrator
from cli.demo.simulated import Simulated
from cli.demo.stage import Notes, Options, Stage
from cli.system import whole_system
from deploy.embedded import Supervisor, open_data_folder
from services.assignment_watcher.sources.snapshot_rows import user_id_of
from tests.support.servers import short_lived_folder
from tests.support.systems import PATIENCE_SECONDS, QUICK, SEATS

pytestmark = pytest.mark.timeout(240)

COLUMNS = ("userPrincipalName", "displayName", "givenName", "surname", "mail", "jobTitle", "roles")


@dataclass(frozen=True, slots=True)
class Started:
    stage: Stage
    job_id: str
    folder: Path

    def write(self, *rows: dict[str, str]) -> None:
        """Replace the file as an export should: written aside, then renamed."""
        aside = self.folder / "people.csv.part"
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        aside.replace(self.folder / "people.csv")

    async def active(self) -> dict[str, str]:
        """Title by user id of every active account."""
        accounts = await self.stage.simulated.accounts()
        return {user: account["title"] for user, account in accounts.items() if account["active"]}

    async def become(self, expected: dict[str, str]) -> None:
        async def there() -> bool:
            return await self.active() == expected

        await self.stage.until("the target is what the file says", there, within=PATIENCE_SECONDS)

    async def held(self, removals: int) -> None:
        async def shown() -> bool:
            return (await self.status())["heldRemovals"] == removals  # type: ignore[no-any-return]

        await self.stage.until(f"{removals} removals are held", shown, within=PATIENCE_SECONDS)

    async def status(self) -> dict[str, Any]:
        status: dict[str, Any] = (await self.stage.console.get(f"/jobs/{self.job_id}"))["status"]
        return status

    async def condition(self, name: str, *, raised: bool) -> None:
        async def shown() -> bool:
            conditions = (await self.status())["conditions"]
            return (name in {each["condition"] for each in conditions}) is raised

        await self.stage.until(f"{name} is {'raised' if raised else 'cleared'}", shown, within=PATIENCE_SECONDS)


def row(name: str, title: str, roles: str = "") -> dict[str, str]:
    address = f"{name}@contoso.example"
    texts = {"displayName": name.title(), "givenName": name.title(), "surname": "Example"}
    return {"userPrincipalName": address, "mail": address, "jobTitle": title, "roles": roles, **texts}


def titles(**by_name: str) -> dict[str, str]:
    return {user_id_of(f"{name}@contoso.example"): title for name, title in by_name.items()}


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    """The whole system, with one paused job that reads people.csv and has never heard of Microsoft Graph."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_data_folder(stack.enter_context(short_lived_folder())))
        snapshots = stack.enter_context(short_lived_folder())
        supervisor = await stack.enter_async_context(Supervisor(log_folder=folder.logs, record=folder.processes))
        variables = {**QUICK, "SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_FOLDER": str(snapshots)}
        system = await stack.enter_async_context(
            whole_system(folder, supervisor, simulators=True, report=lambda _: None, variables=variables)
        )
        assert system.simulators is not None
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stage = Stage(
            options=Options(users=0, seats=SEATS),
            narrator=Narrator(silent=True),
            system=system,
            supervisor=supervisor,
            console=await stack.enter_async_context(connected(system.console_url, system.token)),
            simulated=Simulated(session, system.simulators),
            notes=Notes(),
        )
        yield Started(stage, await _job(stage), snapshots)


async def _job(stage: Stage) -> str:
    licenses = {"applicationInstance": "Sales Navigator EMEA", "licenseType": "Sales Navigator Advanced"}
    configuration = await stage.simulated.linkedin(
        "POST", "/configurations", {"name": "Seatkeeper", "autoAssign": True, "seats": SEATS, **licenses}
    )
    simulators = stage.system.simulators
    assert simulators is not None
    definition: dict[str, Any] = {
        "displayName": "From a file",
        "template": "linkedin-sales-navigator",
        "source": {"kind": "snapshot", "path": "people.csv"},
        "target": {"tenantUrl": simulators.tenant_url, "requestsPerSecond": 1000},
        "licenses": {**licenses, "capacity": SEATS},
        "settings": {"interval": "PT1S", "removalConfirmation": "PT1S"},
    }
    job = await stage.console.post("/jobs", definition)
    await stage.console.request("PUT", f"/jobs/{job['id']}/secrets", {"secretToken": configuration["token"]})
    return str(job["id"])


async def test_a_file_of_people_is_provisioned_and_a_broken_one_takes_nobody_away(started: Started) -> None:
    started.write(row("ada", "Head"), row("bo", "Clerk", "User;Admin"), row("cy", "Clerk", "Admin"))
    await started.stage.console.post(f"/jobs/{started.job_id}/start")
    await started.become(titles(ada="Head", bo="Clerk"))

    (started.folder / "people.csv").unlink()
    await started.condition("sourceMisconfigured", raised=True)
    (started.folder / "people.csv").write_bytes(b"")
    assert await started.active() == titles(ada="Head", bo="Clerk")

    started.write(row("ada", "Chief"), row("cy", "Clerk"), row("di", "Clerk"))
    await started.condition("sourceMisconfigured", raised=False)
    await started.become(titles(ada="Chief", cy="Clerk", di="Clerk"))
    await started.stage.at_rest()
    assert (await started.stage.simulated.state())["users"] == 4, "nobody has two accounts"

    started.write()
    await started.held(3)
    assert await started.active() == titles(ada="Chief", cy="Clerk", di="Clerk")
    started.write(row("ada", "Chief"), row("cy", "Clerk"), row("di", "Clerk"))
    await started.held(0)
    assert await started.active() == titles(ada="Chief", cy="Clerk", di="Clerk")
