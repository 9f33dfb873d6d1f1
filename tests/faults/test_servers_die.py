"""Kafka and PostgreSQL end by SIGKILL while people join, change and leave; nothing is lost, doubled or reordered."""

import pytest

from tests.support.systems import LiveSystem
from tests.support.traffic import come_to_rest, contradictions, joiners_a_change_and_a_leaver

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("server", ["postgres", "kafka"])
async def test_i1_i2_i3_i5_i7_i8_hold_after_sigkill_of(server: str, live: LiveSystem) -> None:
    await joiners_a_change_and_a_leaver(live)
    killed = live.supervisor.kill(server)
    await joiners_a_change_and_a_leaver(live)
    await live.supervisor.ready(server)
    assert live.supervisor.running(server).pid != killed
    await live.everything_ready()
    assert contradictions(await come_to_rest(live)) == {}


async def test_i7_after_all_that_further_cycles_write_nothing(live: LiveSystem) -> None:
    evidence = await come_to_rest(live)
    seen = max((write["seq"] for write in await live.simulated.writes()), default=0)
    before = await listings(live)

    async def passed() -> bool:
        return await listings(live) >= before + 2

    await live.stage.until("further cycles ran", passed, within=15)
    await live.stage.at_rest()
    assert await live.simulated.writes(seen) == []
    assert (await live.evidence()).people == evidence.people


async def listings(live: LiveSystem) -> int:
    """How often the assignments were listed, as the directory counts it."""
    requests = (await live.simulated.graph("GET", "/journal"))["requests"]
    return sum(entry["count"] for name, entry in requests.items() if "appRoleAssignedTo" in name)
