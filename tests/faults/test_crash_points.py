"""Each crash point of the code, once: the process ends there by SIGKILL in the middle of traffic, and every guarantee still holds."""

import asyncio
from typing import Any

import aiohttp
import pytest

from cli.demo.evidence import database
from shared.contracts.topics import ALLOCATOR, CONSOLE, DIFF, NOTIFIER, WATCHER, WRITER
from shared.runtime.crashpoints import CRASH_POINTS
from tests.support.eventually import eventually
from tests.support.systems import PATIENCE_SECONDS, LiveSystem, definition_for
from tests.support.traffic import come_to_rest, contradictions, joiners_a_change_and_a_leaver, provisioned, title_of

pytestmark = pytest.mark.timeout(180)

WHERE = {
    "consume": (DIFF, ALLOCATOR, WRITER),
    "relay": (DIFF, ALLOCATOR, WRITER),
    "watcher": (WATCHER,),
    "writer": (WRITER,),
}
"""The services that pass the points of a name when the directory changes; those that need something else have tests of their own."""
OTHER = {"diff", "notifier", "console", "demand"}

ON_A_CHANGE = sorted(point for point in CRASH_POINTS if point.partition(".")[0] in WHERE)
ASKED_FOR = {"diff.comparing.before_commit", "diff.preview.before_commit", "demand.before_commit"}
MAILING = sorted(point for point in CRASH_POINTS if point.startswith("notifier."))


def test_every_crash_point_of_the_code_has_a_test() -> None:
    assert {point.partition(".")[0] for point in CRASH_POINTS} <= WHERE.keys() | OTHER
    tested = {
        *ON_A_CHANGE,
        *MAILING,
        *ASKED_FOR,
        "diff.retry.before_commit",
        "diff.rules.before_commit",
        "diff.release.before_commit",
        "console.before_commit",
    }
    assert tested == CRASH_POINTS


@pytest.mark.parametrize("point", ON_A_CHANGE)
async def test_i1_i2_i3_i5_i6_i7_i8_hold_after_sigkill_at(point: str, live: LiveSystem) -> None:
    services = WHERE[point.partition(".")[0]]
    await asyncio.gather(*(live.supervisor.stop(service) for service in services))
    await joiners_a_change_and_a_leaver(live)
    files = [await live.start_armed(service, point) for service in services]
    await asyncio.gather(*(live.crashed(service, file) for service, file in zip(services, files, strict=True)))
    assert contradictions(await come_to_rest(live)) == {}


async def test_i1_i6_a_retry_that_crashes_before_its_commit_is_made_again(live: LiveSystem) -> None:
    victim = await reject_somebody(live)
    await live.simulated.change(title_of(victim))
    await eventually(lambda: failed_attempts(live, victim), within=PATIENCE_SECONDS, every=0.05)
    await live.supervisor.stop(DIFF)
    file = await live.start_armed(DIFF, "diff.retry.before_commit")
    await live.crashed(DIFF, file)
    await live.simulated.linkedin("DELETE", "/faults")
    assert contradictions(await come_to_rest(live)) == {}


async def test_i1_i7_a_pass_by_new_rules_that_crashes_goes_on(live: LiveSystem) -> None:
    await live.supervisor.stop(DIFF)
    # As if the rules had changed while diff was away: everybody is decided about anew.
    async with database(live.stage.system.servers) as connection:
        await connection.execute("UPDATE diff.rules_pass SET rules = 'older'")
    file = await live.start_armed(DIFF, "diff.rules.before_commit")
    await live.crashed(DIFF, file)

    async def gone_over() -> bool:
        async with database(live.stage.system.servers) as connection:
            undone = "SELECT count(*) FROM diff.rules_pass WHERE rules = 'older' OR done_up_to IS NOT NULL"
            return not await connection.fetchval(undone)

    await eventually(gone_over, within=PATIENCE_SECONDS, every=0.1)


async def test_i1_i4_i7_removals_that_are_let_out_when_it_crashes_go_out_once(live: LiveSystem) -> None:
    await live.supervisor.stop(DIFF)
    await joiners_a_change_and_a_leaver(live)
    file = await live.start_armed(DIFF, "diff.release.before_commit")
    await live.crashed(DIFF, file)
    assert contradictions(await come_to_rest(live)) == {}


async def test_i1_i7_a_comparison_of_every_link_goes_on_after_sigkill(live: LiveSystem) -> None:
    await come_to_rest(live)
    await live.supervisor.stop(DIFF)
    await live.stage.console.post(f"/jobs/{live.job_id}/objectConnections/compare", {})
    file = await live.start_armed(DIFF, "diff.comparing.before_commit")
    await live.crashed(DIFF, file)

    async def compared() -> bool:
        shown = await live.stage.console.get(f"/jobs/{live.job_id}/objectConnections")
        return bool(shown["value"]) and all(link["comparison"] == "same" for link in shown["value"])

    await eventually(compared, within=PATIENCE_SECONDS, every=0.05)
    assert contradictions(await come_to_rest(live)) == {}


async def test_i1_i7_a_preview_is_made_after_sigkill_and_what_it_showed_is_what_saving_it_does(
    live: LiveSystem,
) -> None:
    before = await come_to_rest(live)
    active = {user: account["title"] for user, account in before.accounts.items() if account["active"]}
    console, schema = live.stage.console, f"/jobs/{live.job_id}/schema"
    document = await console.get(schema)
    for mapping in document["synchronizationRules"][0]["objectMappings"]:
        for row in mapping["attributeMappings"]:
            if row["targetAttributeName"] == "title":
                row["source"] = {"expression": 'Append([jobTitle], " (previewed)")', "type": "Function"}
    await live.supervisor.stop(DIFF)
    asked = await console.post(f"/jobs/{live.job_id}/preview", {"schema": document})
    file = await live.start_armed(DIFF, "diff.preview.before_commit")
    await live.crashed(DIFF, file)
    place = f"/jobs/{live.job_id}/previews/{asked['id']}"

    async def made() -> bool:
        return bool((await console.get(place))["state"] == "done")

    await eventually(made, within=PATIENCE_SECONDS, every=0.05)
    rows = (await console.get(f"{place}/rows", action="update"))["value"]
    planned = {row["objectId"]: {item["path"]: item["after"] for item in row["attributes"]} for row in rows}
    assert planned == {user: {"title": f"{title} (previewed)"} for user, title in active.items()}
    assert await live.simulated.accounts() == before.accounts, "a plan writes nothing"
    await console.put(schema, document, preview=asked["id"])

    async def written() -> bool:
        accounts = await live.simulated.accounts()
        return {user: accounts[user]["title"] for user in active} == {user: planned[user]["title"] for user in active}

    await eventually(written, within=PATIENCE_SECONDS, every=0.1)
    await console.request("DELETE", schema)
    assert contradictions(await come_to_rest(live)) == {}


async def test_i1_a_user_on_demand_is_served_after_sigkill(live: LiveSystem) -> None:
    evidence = await come_to_rest(live)
    await live.supervisor.stop(WATCHER)
    user = next(iter(evidence.accounts))
    path = f"/jobs/{live.job_id}/provisionOnDemand"
    asked = await live.stage.console.request("POST", path, {"user": user}, query={"wait": "0"})
    file = await live.start_armed(WATCHER, "demand.before_commit")
    await live.crashed(WATCHER, file)

    async def served() -> bool:
        shown = await live.stage.console.get(f"{path}/{asked['requestId']}")
        return shown["result"] is not None

    await eventually(served, within=PATIENCE_SECONDS, every=0.05)
    assert contradictions(await come_to_rest(live)) == {}


@pytest.mark.parametrize("point", MAILING)
async def test_i6_at_most_one_mail_after_sigkill_at(point: str, live: LiveSystem) -> None:
    await live.supervisor.stop(NOTIFIER)
    victim = await reject_somebody(live)
    await live.simulated.change(title_of(victim))
    file = await live.start_armed(NOTIFIER, point)
    await live.crashed(NOTIFIER, file)
    await eventually(lambda: uncertain_mails(live, victim), within=PATIENCE_SECONDS, every=0.05)
    # The same failure comes again and again; none of the attempts is mailed anew.
    before = await failed_attempts(live, victim)

    async def failed_again() -> bool:
        return await failed_attempts(live, victim) > before

    await eventually(failed_again, within=PATIENCE_SECONDS, every=0.05)
    await live.simulated.linkedin("DELETE", "/faults")
    evidence = await come_to_rest(live)
    assert contradictions(evidence) == {}
    arrived = sum(victim in (mail["text"] or "") for mail in evidence.mails)
    assert arrived == (0 if point == "notifier.before_send" else 1)


async def test_a_job_whose_console_crashed_before_its_commit_is_made_once_by_the_repeated_request(
    live: LiveSystem,
) -> None:
    await live.supervisor.stop(CONSOLE)
    file = await live.start_armed(CONSOLE, "console.before_commit")
    await live.everything_ready()
    definition = definition_for(live.stage, await live.simulated.graph("GET", "/config"), name="Made once")
    with pytest.raises(aiohttp.ClientError):
        await post_job(live, definition)
    await live.crashed(CONSOLE, file)
    await live.everything_ready()
    first, again = await post_job(live, definition), await post_job(live, definition)
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    jobs = (await live.stage.console.get("/jobs"))["value"]
    assert [job["id"] for job in jobs if job["displayName"] == "Made once"] == [first[1]]
    await live.stage.console.request("DELETE", f"/jobs/{first[1]}")
    assert contradictions(await come_to_rest(live)) == {}


async def post_job(live: LiveSystem, definition: dict[str, Any]) -> tuple[int, str]:
    """Status and job id of a request with the same Idempotency-Key each time."""
    headers = {"Authorization": f"Bearer {live.stage.system.token}", "Idempotency-Key": "made-once"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{live.stage.system.console_url}/api/v1/jobs", json=definition) as response,
    ):
        return response.status, (await response.json())["id"]


async def reject_somebody(live: LiveSystem) -> str:
    """Have the target refuse one user; nobody twice, as a second failure after a recovery is a second mail."""
    user = next(user for user in reversed(await provisioned(live)) if user not in live.rejected)
    live.rejected.add(user)
    fault = {"kind": "reject", "externalIds": [user], "status": 400, "scimType": "invalidValue", "detail": "refused"}
    await live.simulated.linkedin("POST", "/faults", fault)
    return user


async def failed_attempts(live: LiveSystem, user: str) -> int:
    async with database(live.stage.system.servers) as connection:
        attempts = await connection.fetchval(
            "SELECT attempts FROM diff.person WHERE job_id = $1 AND object_id = $2", live.job_id, user
        )
    return attempts or 0


async def uncertain_mails(live: LiveSystem, user: str) -> int:
    async with database(live.stage.system.servers) as connection:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM notifier.mail WHERE job_id = $1 AND state = 'uncertain' AND content::text LIKE $2",
            live.job_id,
            f"%{user}%",
        )
    return count
