"""The first half of the tutorial: tenant, target, credentials, one test user, everyone, the initial cycle."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.demo.chaos import kill_twice
from cli.demo.invariants import entitled
from cli.demo.stage import Stage

DEFAULT_ACCESS_SHARE = 0.02


async def prepare_directory(stage: Stage) -> list[dict[str, Any]]:
    """A tenant with users and groups, nobody assigned yet. Returns the users with their group ids."""
    options = stage.options
    stage.narrator.step(f"A tenant with {options.users} users and {options.groups} groups")
    await stage.simulated.graph(
        "POST", "/seed", {"users": options.users, "groups": options.groups, "seed": options.seed}
    )
    users = await stage.simulated.people(options.users)
    stage.narrator.say(
        f"Microsoft Graph (simulated) at {stage.system.simulators and stage.system.simulators.graph_url}"
    )
    return users


async def set_up_target(stage: Stage) -> str:
    """SCIM setup at the target. Returns the access token, which is shown this once."""
    stage.narrator.step("SCIM setup at LinkedIn: auto-assign licenses On, application instance, license type")
    configuration = await stage.simulated.linkedin(
        "POST",
        "/configurations",
        {
            "name": "Seatkeeper",
            "autoAssign": True,
            "applicationInstance": "Sales Navigator EMEA",
            "licenseType": "Sales Navigator Advanced",
            "seats": stage.options.seats,
        },
    )
    stage.narrator.say(f"{stage.options.seats} licenses of type Sales Navigator Advanced in Sales Navigator EMEA")
    stage.narrator.say("Access token generated; it is shown once")
    token: str = configuration["token"]
    return token


async def create_job(stage: Stage, token: str) -> None:
    """Tenant URL, Secret Token, Test Connection, Notification Email and its checkbox."""
    narrator, simulators = stage.narrator, stage.system.simulators
    assert simulators is not None
    graph = await stage.simulated.graph("GET", "/config")
    narrator.step("Admin Credentials: Tenant URL and Secret Token, then Test Connection")
    job = await stage.console.post(
        "/jobs",
        {
            "displayName": "Sales Navigator",
            "template": "linkedin-sales-navigator",
            "source": {
                "tenantId": graph["tenantId"],
                "clientId": graph["clientId"],
                "servicePrincipalId": graph["servicePrincipalId"],
                "graphRoot": simulators.graph_url,
                "loginRoot": simulators.graph_url,
            },
            "target": {"tenantUrl": simulators.tenant_url, "requestsPerSecond": stage.options.requests_per_second},
            "licenses": {
                "applicationInstance": "Sales Navigator EMEA",
                "licenseType": "Sales Navigator Advanced",
                "capacity": stage.options.seats,
            },
            "settings": {"interval": "PT1S", "removalConfirmation": "PT1S"},
        },
    )
    stage.notes.job_id = job["id"]
    path = f"/jobs/{job['id']}"
    narrator.say(f"Tenant URL {simulators.tenant_url}")
    expires = (datetime.now(UTC) + timedelta(days=730)).isoformat()
    wrong = {"secretToken": "not-the-right-token", "clientSecret": graph["clientSecret"]}
    await stage.console.request("PUT", f"{path}/secrets", wrong)
    for check in (await stage.console.post(f"{path}/validateCredentials"))["checks"]:
        (narrator.good if check["ok"] else narrator.bad)(
            f"{check['name']}: {check['message']} {check.get('advice') or ''}"
        )
    right = {"secretToken": token, "secretTokenExpiresAt": expires, "clientSecret": graph["clientSecret"]}
    stage.notes.secrets += [token, graph["clientSecret"], stage.system.token]
    await stage.console.request("PUT", f"{path}/secrets", right)
    narrator.say("Now with the right Secret Token")
    tested = await stage.console.post(f"{path}/validateCredentials")
    for check in tested["checks"]:
        (narrator.good if check["ok"] else narrator.bad)(f"{check['name']}: {check['message']}")
    narrator.step("Notification Email, and the checkbox to mail when a failure occurs")
    notifications = {"notifications": {"email": "identity-team@contoso.example", "onFailure": True}}
    await stage.console.request("PATCH", path, notifications)
    narrator.good("identity-team@contoso.example is mailed on provisioning errors")


async def one_test_user(stage: Stage, users: list[dict[str, Any]]) -> None:
    """Start with a single test user, then Off again."""
    stage.narrator.step("A single test user first, with the role User")
    tester = users[0]["id"]
    await stage.simulated.change({"op": "assign", "principalType": "User", "principalId": tester, "role": "User"})
    await stage.console.post(f"/jobs/{stage.notes.job_id}/start")

    async def there() -> Any:
        return (await stage.simulated.accounts()).get(tester)

    account = await stage.until("the test user has an account", there, within=60)
    await stage.at_rest()
    stage.narrator.good(f"{tester} has the account {account['id']}, licensed: {account['licensed']}")
    timeline = (await stage.console.get(f"/jobs/{stage.notes.job_id}/users/{tester}"))["timeline"]
    stage.narrator.table(
        ("    time", "service", "what", "why"),
        [
            ("    " + entry["at"][11:23], entry["service"], entry["what"], entry.get("reason") or "")
            for entry in timeline
        ],
    )
    await stage.console.post(f"/jobs/{stage.notes.job_id}/pause")


async def assign_everyone(stage: Stage, users: list[dict[str, Any]]) -> int:
    """Assign the groups, and the users of no group one by one. Returns how many are entitled to an account."""
    stage.narrator.step("Assign users and groups to the application")
    groups = sorted({group for user in users for group in user["groups"]})
    alone = [user["id"] for user in users[1:] if not user["groups"]]
    default_access = alone[: max(1, int(len(users) * DEFAULT_ACCESS_SHARE))]
    direct = alone[len(default_access) : int(len(alone) * 0.9) + 1]
    mutations = [{"op": "assign", "principalType": "Group", "principalId": group, "role": "User"} for group in groups]
    mutations += [{"op": "assign", "principalType": "User", "principalId": user, "role": "User"} for user in direct]
    mutations += [
        {"op": "assign", "principalType": "User", "principalId": user, "role": "Default Access"}
        for user in default_access
    ]
    await stage.simulated.change(*mutations)
    truth = (await stage.simulated.graph("GET", "/truth?role=User"))["users"]
    count = sum(entitled(user) for user in truth.values())
    stage.narrator.say(
        f"{len(groups)} groups and {len(direct)} users with the role User: {count} people are to have an account, "
        f"{min(count, stage.options.seats)} of them can get a license"
    )
    stage.narrator.say(f"{len(default_access)} users with Default Access only: they are not provisioned")
    return count


async def initial_cycle(stage: Stage, entitled_count: int) -> None:
    """Provisioning Status On: everything is read, first come first served."""
    stage.narrator.step("Provisioning Status: On. The initial cycle")
    before = await stage.simulated.state()
    wanted = min(entitled_count, stage.options.seats)
    first_write = await stage.simulated.last_write()
    began = time.time()
    await stage.console.post(f"/jobs/{stage.notes.job_id}/restart")
    await stage.console.post(f"/jobs/{stage.notes.job_id}/start")

    async def active() -> int:
        return int((await stage.simulated.state())["active"])

    chaos = asyncio.create_task(kill_twice(stage, active, wanted)) if stage.options.kill else None
    reached = await stage.narrator.progress("accounts at LinkedIn", wanted, active, within=stage.patience_seconds)
    if chaos:
        await chaos
    await stage.at_rest()
    writes = await stage.simulated.writes(first_write)
    # Members and managers follow the accounts by writes of their own.
    created = max((w["at"] for w in writes if (w["method"], w["resource"]) == ("POST", "Users")), default=began)
    stage.notes.initial_users = reached - before["active"]
    stage.notes.initial_seconds = created - began
    stage.narrator.good(
        f"{stage.notes.initial_users} accounts in {stage.notes.initial_seconds:.2f} s: "
        f"{stage.notes.initial_users / max(stage.notes.initial_seconds, 0.001):.0f} users/s"
    )
    last = max((write["at"] for write in writes), default=began)
    state = await stage.simulated.state()
    stage.narrator.good(f"{state['groups']} groups with {state['memberships']} members after {last - began:.2f} s")
    licenses = await stage.console.get(f"/jobs/{stage.notes.job_id}/licenses")
    stage.narrator.say(
        f"{licenses['granted']} licenses granted, {licenses['waiting']} people wait in line, in order of arrival"
    )
