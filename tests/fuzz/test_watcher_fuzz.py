"""Whatever the directory, Microsoft Graph, the clock, operators and processes do: the six oracles hold."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.conftest import RUNS, SEED
from tests.fuzz.oracles import hold, hold_against_twin
from tests.fuzz.plans import Plan, crash_plans, plans
from tests.fuzz.world import World

pytestmark = pytest.mark.timeout(600 + 3 * RUNS)


def fuzzing(runs: int) -> settings:
    """Runs are slow for Hypothesis and hold no state of their own; nothing is kept between sessions: the seed says it all."""
    return settings(
        max_examples=max(1, runs),
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        phases=[Phase.generate, Phase.shrink],
    )


@seed(SEED)
@fuzzing(RUNS * 3 // 4)
@given(plan=plans)
async def test_i7_the_six_oracles_hold_whatever_happens(world: World, plan: Plan) -> None:
    await hold(world, plan)


@seed(SEED)
@fuzzing(RUNS // 4)
@given(plan=crash_plans)
async def test_i7_crashes_change_nothing_that_is_said(world: World, plan: Plan) -> None:
    await hold_against_twin(world, plan)
