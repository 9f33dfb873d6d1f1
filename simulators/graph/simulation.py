"""Everything one simulator holds, and its replacement by a new seed."""

from simulators.graph.directory import Directory
from simulators.graph.faults import Faults
from simulators.graph.identity import AccessTokens
from simulators.graph.journal import Journal
from simulators.graph.knobs import Clock, Knobs
from simulators.graph.rounds import Plans
from simulators.graph.seed import populate
from simulators.graph.statetokens import StateTokens
from simulators.graph.throttle import Bucket


class Simulation:
    """The tenant with its tokens, faults, knobs and journal. Used from one event loop only."""

    directory: Directory
    tokens: StateTokens
    plans: Plans

    def __init__(self, *, users: int = 0, groups: int = 0, seed: int = 1) -> None:
        self.knobs = Knobs()
        self.clock = Clock()
        self.faults = Faults()
        self.journal = Journal()
        self.access = AccessTokens()
        self.bucket = Bucket()
        self.seed = seed
        self.reseed(users=users, groups=groups, seed=seed)

    def reseed(self, *, users: int, groups: int, seed: int) -> None:
        """Replace the tenant; delta and page tokens of the old one are dead (410). Faults, knobs and journal stay."""
        self.seed = seed
        self.directory = populate(users=users, groups=groups, seed=seed, knobs=self.knobs)
        self.tokens = StateTokens()
        self.plans = Plans()
